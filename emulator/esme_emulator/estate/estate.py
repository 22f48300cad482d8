"""An estate: meters, their keys and the parties that ask them, from a seed or a keystore file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from esme_emulator.estate.boxed import BoxedKeystore, read_boxed
from esme_emulator.estate.euis import EuiRange, shard
from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.estate.parties import PARTIES, RemoteParty
from gbcs import EUI, FileKeystore, Keystore, KeystoreError, KeyUsage

DEFAULT_BASE = EUI.parse("00DBE50000000000")
"""EUI of the first meter of a derived estate."""

_PARTY_PREFIX = bytes.fromhex("90B3D51F")


@dataclass(frozen=True, slots=True)
class Estate:
    """Meters, keys and parties. Readings of one `name` never belong to another estate."""

    name: str
    seed: str
    keystore: Keystore
    meters: Sequence[EUI]

    def parties(self, counter: int) -> tuple[RemoteParty, ...]:
        """Return the parties whose keys are known; their originator counters begin at `counter`."""
        usage = KeyUsage.KEY_AGREEMENT
        return tuple(
            RemoteParty(eui, role, self.keystore, counter, behind_acb)
            for eui, role, behind_acb in PARTIES
            if self.keystore.private_key(eui, usage) is not None
        )


def derived_estate(seed: str, meters: int, base: EUI = DEFAULT_BASE) -> Estate:
    """Return an estate of `meters` meters from `base` on, drawn from `seed`.

    Raises `ValueError` if there are no such EUIs.
    """
    return Estate(_name("seed", seed.encode()), seed, DerivedKeystore(seed), EuiRange(base, meters))


def sharded(estate: Estate, part: int, parts: int) -> Estate:
    """Return the estate with a shard of its meters, under the same name.

    Raises `ValueError` if there is no such shard.
    """
    return replace(estate, meters=shard(estate.meters, part, parts))


def with_parties(estate: Estate, text: bytes) -> Estate:
    """Return `estate` with the GBCS keys of the parties in a file of DCC Boxed.

    Raises `KeystoreError` if `text` is not such a file.
    """
    entries = iter(read_boxed(text).entries)
    return replace(estate, keystore=BoxedKeystore(entries, estate.keystore))


def keystore_estate(path: Path, seed: str) -> Estate:
    """Return the estate of a keystore file, with the devices in the file as its meters.

    Devices are the EUIs with keys for both usages, except users of the Data Communications Company
    (90B3D51F...). Readings are drawn from `seed`. Raises `KeystoreError`.
    """
    keystore = FileKeystore.load(path)
    meters = tuple(
        eui
        for eui in keystore
        if not eui.startswith(_PARTY_PREFIX)
        and keystore.public_key(eui, KeyUsage.KEY_AGREEMENT) is not None
        and keystore.public_key(eui, KeyUsage.DIGITAL_SIGNATURE) is not None
    )
    if not meters:
        raise KeystoreError(f"keystore {path} has no device with keys for ka and ds: add one")
    return Estate(_name("keystore", path.read_bytes() + seed.encode()), seed, keystore, meters)


@dataclass(frozen=True, slots=True)
class EstateSource:
    """The recipe of an estate, which can be sent to other processes."""

    seed: str = "1"
    meters: int = 1
    base: EUI = DEFAULT_BASE
    keystore: Path | None = None
    takes_expired: bool = False
    """Whether to accept expired certificates in messages."""

    def estate(self) -> Estate:
        """Return the estate. Raises `KeystoreError`, and `ValueError` for bad EUIs."""
        if self.keystore is not None:
            estate = keystore_estate(self.keystore, self.seed)
        else:
            estate = derived_estate(self.seed, self.meters, self.base)
        estate.keystore.takes_expired = self.takes_expired
        return estate


def _name(kind: str, secret: bytes) -> str:
    return f"{kind}-{sha256(secret).hexdigest()[:8]}"
