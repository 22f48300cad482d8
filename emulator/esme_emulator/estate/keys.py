"""Keys of an estate, derived from one seed when they are first used."""

import json
from collections.abc import Iterable
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from esme_emulator.estate.certificates import OTHER_USER, party_certificate
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
        usages = KeyUsage.KEY_AGREEMENT, KeyUsage.DIGITAL_SIGNATURE
        entries = {
            str(eui): {
                usage.value: {
                    "private": f"{self._scalar(eui, usage):064x}",
                    "public": point(self.public_key(eui, usage)).hex(),
                }
                for usage in usages
            }
            for eui in euis
        }
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
