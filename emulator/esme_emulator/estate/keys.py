"""Keys of an estate, derived from one seed when they are first used, and test certificates.

Certificates of key-agreement keys are self-signed, for parties that meters do not know.

Source: GBCS v4.1 clause 12.4 for subject and key usage; vector ECS21b_4.14_URP_SUCCESS_COMMAND.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

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


# Meters check the dates of certificates, and the clock of a scenario may show any day.
_NOT_BEFORE = datetime(2000, 1, 1, tzinfo=UTC)
_NOT_AFTER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # RFC 5280: no expiry
_OTHER_USER = "7F"  # remote party role "other", the organisational unit of the subject


def make_certificate(party: EUI, keystore: Keystore) -> bytes:
    """Return a DER certificate of the key-agreement key of `party`; repeated calls agree.

    Raises `AuthenticationError` if `keystore` lacks the private key.
    """
    key = keystore.private_key(party, KeyUsage.KEY_AGREEMENT)
    if key is None:
        raise AuthenticationError(f"no private key-agreement key of {party}")
    public = key.public_key()
    issuer = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "07"),
            x509.NameAttribute(NameOID.COMMON_NAME, "emulated"),
        ]
    )
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, _OTHER_USER),
            x509.NameAttribute(
                NameOID.X500_UNIQUE_IDENTIFIER, b"\x00" + party, _ASN1Type.BitString
            ),
        ]
    )
    usage = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder(issuer, subject, public)
        .serial_number(int.from_bytes(sha256(point(public)).digest()[:15], "big") | 1)
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .add_extension(x509.KeyUsage(key_agreement=True, **usage), critical=True)
    )
    certificate = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    return certificate.public_bytes(Encoding.DER)
