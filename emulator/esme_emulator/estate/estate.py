"""An estate: meters, their keys and the parties that ask them, from a seed or a keystore file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from esme_emulator.estate.euis import EuiRange, EuiRanges, euis_of, shard
from esme_emulator.estate.keys import DerivedKeystore, OverlaidKeystore
from esme_emulator.estate.parties import PARTIES, Party, PartyList, RemoteParty, with_more
from esme_emulator.estate.parties_file import load_parties
from esme_emulator.runtime.errors import MisuseError
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
    known_parties: tuple[Party, ...] = PARTIES
    """The emulated parties, or with those of the user. None of them is a meter."""
    notes: tuple[str, ...] = ()
    """What the user should know of the files of parties, a line each."""

    def parties(self, counter: int) -> tuple[RemoteParty, ...]:
        """Return the parties whose private keys are known, with originator counters from `counter`.

        So they can make commands.
        """
        usage = KeyUsage.KEY_AGREEMENT
        return tuple(
            RemoteParty.of(party, self.keystore, counter)
            for party in self.known_parties
            if self.keystore.private_key(party.eui, usage) is not None
        )

    def name_of(self, party: EUI) -> str:
        """Return the name of a party, or its EUI if it is not known."""
        names = (known.name for known in self.known_parties if known.eui == party)
        return next(names, str(party))


def derived_estate(seed: str, meters: int, base: EUI = DEFAULT_BASE) -> Estate:
    """Return an estate of `meters` meters from `base` on, drawn from `seed`.

    Raises `ValueError` if there are no such EUIs.
    """
    euis = EuiRange(base, meters)
    return Estate(
        _name("seed", seed.encode()), seed, DerivedKeystore(seed), _without(PARTIES, euis)
    )


def sharded(estate: Estate, part: int, parts: int) -> Estate:
    """Return the estate with a shard of its meters, under the same name.

    Raises `ValueError` if there is no such shard.
    """
    return replace(estate, meters=shard(estate.meters, part, parts))


class PartyIsMeterError(MisuseError):
    """The EUIs of meters include that of a party; the text is one line."""


def with_parties(estate: Estate, found: PartyList) -> Estate:
    """Return `estate` with more parties and their keys. No party is a meter of it.

    Raises `PartyIsMeterError` if a range of meters includes a party, and `ValueError` if two
    parties have one name.
    """
    parties = with_more(estate.known_parties, found.parties)
    keystore = OverlaidKeystore(found.keys, estate.keystore) if found.keys else estate.keystore
    return replace(
        estate,
        keystore=keystore,
        meters=_without(parties, estate.meters),
        known_parties=parties,
        notes=estate.notes + found.notes,
    )


def _without(parties: Iterable[Party], meters: Sequence[EUI]) -> Sequence[EUI]:
    """Return `meters` without parties; a range cannot leave one out."""
    wrong = [party for party in parties if party.eui in meters]
    if not wrong:
        return meters
    if isinstance(meters, EuiRange | EuiRanges):
        one = wrong[0]
        raise PartyIsMeterError(
            f"{one.eui} is the party {one.name} and cannot be a meter: "
            "give the meters other EUIs (--base, --meters), or the party"
        )
    euis = {party.eui for party in wrong}
    return tuple(eui for eui in meters if eui not in euis)


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
    parties: Path | None = None
    """File of parties, beside the emulated ones."""
    ranges: Sequence[tuple[EUI, int]] | None = None
    """The first EUI and the number of meters of each range, in place of `meters` and `base`."""
    own: PartyList = field(default_factory=PartyList)
    """Parties of a scenario, beside the emulated ones."""

    def estate(self) -> Estate:
        """Return the estate. Raises `KeystoreError`, `NamedFileError`, and `ValueError`."""
        if self.keystore is not None:
            estate = keystore_estate(self.keystore, self.seed)
        elif self.ranges is not None:
            estate = replace(
                derived_estate(self.seed, 1, self.ranges[0][0]), meters=euis_of(self.ranges)
            )
        else:
            estate = derived_estate(self.seed, self.meters, self.base)
        estate = with_parties(estate, self.own)
        if self.parties is not None:
            estate = with_parties(estate, load_parties(self.parties))
            if not estate.meters:
                raise KeystoreError(f"keystore {self.keystore} has parties alone: add a device")
        estate.keystore.takes_expired = self.takes_expired
        return estate


def _name(kind: str, secret: bytes) -> str:
    return f"{kind}-{sha256(secret).hexdigest()[:8]}"
