"""Self-signed test certificates of key-agreement keys, for parties that meters do not know.

Source: GBCS v4.1 clause 12.4 for subject and key usage; vector ECS21b_4.14_URP_SUCCESS_COMMAND.
"""

from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from gbcs import EUI, AuthenticationError, Keystore, KeyUsage
from gbcs.crypto.keystore import point

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
