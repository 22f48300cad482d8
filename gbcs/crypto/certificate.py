"""Organisation certificates as messages carry them, and whose key-agreement key is in one.

Source: GBCS v4.1 clause 12.4, the subject's x500UniqueIdentifier holds the EUI;
vector ECS21b_4.14_URP_SUCCESS_COMMAND.
"""

from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gbcs.errors import KeystoreError
from gbcs.eui import EUI


@lru_cache(maxsize=1024)
def read_certificate(der: bytes) -> tuple[EUI, ec.EllipticCurvePublicKey]:
    """Return the EUI and the P-256 public key of a DER certificate.

    Raises `KeystoreError` where it is no certificate, or has no EUI or another kind of key.
    The issuer's signature is not checked: the ACB has done that before it passes one on.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        identifiers = certificate.subject.get_attributes_for_oid(NameOID.X500_UNIQUE_IDENTIFIER)
        key = certificate.public_key()
    except Exception as error:
        raise KeystoreError(f"not an X.509 certificate: {error}") from None
    if not identifiers or not isinstance(key, ec.EllipticCurvePublicKey):
        raise KeystoreError("a certificate without the subject's EUI or without a P-256 key")
    value = identifiers[0].value
    octets = value if isinstance(value, bytes) else value.encode()
    if len(octets) == 9 and octets[0] == 0:  # BIT STRING: the count of unused bits comes first
        octets = octets[1:]
    if len(octets) != 8 or not isinstance(key.curve, ec.SECP256R1):
        raise KeystoreError("a certificate without the subject's EUI or without a P-256 key")
    return EUI(octets), key
