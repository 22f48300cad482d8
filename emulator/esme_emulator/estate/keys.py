"""Keys of an estate, derived from one seed when they are first used."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from esme_emulator.estate.certificates import OTHER_USER, party_certificate
from esme_emulator.estate.key_files import PartyKey
from esme_emulator.runtime.draws import draw
from gbcs import EUI, AuthenticationError, Keystore, KeyUsage
from gbcs.crypto.certificate import point
from gbcs.crypto.keystore import CURVE

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class DerivedKeystore(Keystore):
    """P-256 keys of every EUI, derived from `seed`. For tests only."""

    def __init__(self, seed: str) -> None:
        super().__init__()
        self.seed = seed
        self._cached = lru_cache(maxsize=4096)(self._derive)

    def private_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePrivateKey:
        """Return the private key of `eui`."""
        return self._cached(eui, usage)

    def public_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePublicKey:
        """Return the public key of `eui`."""
        return self._cached(eui, usage).public_key()

    def _derive(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(self._scalar(eui, usage), CURVE)

    def _scalar(self, eui: EUI, usage: KeyUsage) -> int:
        return (
            int.from_bytes(draw(self.seed, "keys", eui + usage.encode(), 48), "big") % (_ORDER - 1)
            + 1
        )

    def export(self, euis: Iterable[EUI]) -> str:
        """Return the text of a keystore file with the private and public keys of `euis`."""
        return exported(self, euis)


class OverlaidKeystore(Keystore):
    """Keys of parties, and those of another keystore for everyone else."""

    def __init__(self, keys: Mapping[tuple[EUI, KeyUsage], PartyKey], other: Keystore) -> None:
        super().__init__()
        self.takes_expired = other.takes_expired
        self._other = other
        self._public = {of: key.public_key() for of, key in keys.items()}
        self._private = {of: key.private_key() for of, key in keys.items()}

    def private_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePrivateKey | None:
        """Return the private key of `eui` for `usage`, None if it is not known."""
        if (eui, usage) in self._public:  # its private key may be unknown, and is not another's
            return self._private[eui, usage]
        return self._other.private_key(eui, usage)

    def public_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePublicKey | None:
        """Return the public key of `eui` for `usage`, None if it is not known."""
        return self._public.get((eui, usage)) or self._other.public_key(eui, usage)

    def export(self, euis: Iterable[EUI]) -> str:
        """Return the text of a keystore file with the keys of `euis`."""
        return exported(self, euis)


def exported(keystore: Keystore, euis: Iterable[EUI]) -> str:
    """Return the text of a keystore file with the keys of `euis`, as far as they are known."""
    keys: dict[tuple[EUI, KeyUsage], PartyKey] = {}
    for eui in euis:
        for usage in (KeyUsage.KEY_AGREEMENT, KeyUsage.DIGITAL_SIGNATURE):
            private, public = keystore.private_key(eui, usage), keystore.public_key(eui, usage)
            if private is not None:
                keys[eui, usage] = PartyKey.of(private)
            elif public is not None:
                keys[eui, usage] = PartyKey(point(public))
    return keystore_text(keys)


def keystore_text(keys: Mapping[tuple[EUI, KeyUsage], PartyKey]) -> str:
    """Return the text of a keystore file with `keys`."""
    entries: dict[str, dict[str, dict[str, str]]] = {}
    for (eui, usage), key in keys.items():
        pair = {"private": key.private.hex()} if key.private else {}
        entries.setdefault(str(eui), {})[usage.value] = pair | {"public": key.public.hex()}
    return json.dumps(entries, indent=1)


def make_certificate(party: EUI, keystore: Keystore) -> bytes:
    """Return a DER certificate of the key-agreement key of `party`; repeated calls agree.

    Raises `AuthenticationError` if `keystore` lacks the private key.
    """
    key = keystore.private_key(party, KeyUsage.KEY_AGREEMENT)
    if key is None:
        raise AuthenticationError(f"no private key-agreement key of {party}")
    certificate = party_certificate(party, key, KeyUsage.KEY_AGREEMENT, OTHER_USER)
    return certificate.public_bytes(Encoding.DER)
