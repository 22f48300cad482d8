"""Organisation certificates in messages: the party's EUI and its key-agreement key.

Knows X.509 and points of P-256. Knows no keystore.

Source: GBCS v4.1 clause 12.4, the subject's x500UniqueIdentifier holds the EUI;
vector ECS21b_4.14_URP_SUCCESS_COMMAND.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gbcs.errors import KeystoreError
from gbcs.eui import EUI

if TYPE_CHECKING:
    from cryptography import x509

MAX_OCTETS = 4096
"""Longest certificate that is read, in octets; that of the vector has 406."""


@dataclass(frozen=True, slots=True)
class PartyCertificate:
    """A party's key-agreement key, and the dates of its certificate."""

    eui: EUI
    key: ec.EllipticCurvePublicKey
    point: bytes
    """The uncompressed point of `key`, 65 octets."""
    not_before: float
    """Unix time in seconds, as `not_after`."""
    not_after: float

    def holds_at(self, now: float) -> bool:
        """Return whether `now`, Unix time in seconds, is within the dates of the certificate."""
        # DER has whole seconds, and the certificate is valid to the end of the last one.
        return self.not_before <= now < self.not_after + 1


# The cache is bounded in number here, and in octets by MAX_OCTETS: exceptions are not cached.
@lru_cache(maxsize=256)
def read_certificate(der: bytes) -> PartyCertificate:
    """Return the key and the dates in a DER certificate of a P-256 key-agreement key.

    Does not check the issuer's signature: the ACB has done that before it passed the certificate
    on, and vouches for it with the MAC of the command. The caller, who knows the time, checks the
    dates.

    Raises `KeystoreError` if `der` is too long or not a certificate, has no EUI, or has a key of
    another kind or use.
    """
    from cryptography import x509  # deferred: takes half of the time of `import gbcs`

    if len(der) > MAX_OCTETS:
        raise KeystoreError(f"a certificate of {len(der)} octets; {MAX_OCTETS} are the limit")
    try:
        certificate = x509.load_der_x509_certificate(der)
        eui = subject_of(certificate)
        key = certificate.public_key()
        agrees_keys = _agrees_keys(certificate)
        not_before = certificate.not_valid_before_utc.timestamp()
        not_after = certificate.not_valid_after_utc.timestamp()
    except Exception as error:  # the parser's exceptions are not documented
        raise KeystoreError(f"not an X.509 certificate: {error}") from None
    if (
        eui is None
        or not isinstance(key, ec.EllipticCurvePublicKey)
        or not isinstance(key.curve, ec.SECP256R1)
    ):
        raise KeystoreError("a certificate without the subject's EUI or without a P-256 key")
    if not agrees_keys:
        raise KeystoreError("a certificate whose key usage is not key agreement")
    return PartyCertificate(eui, key, point(key), not_before, not_after)


def subject_of(certificate: "x509.Certificate") -> EUI | None:
    """Return the EUI of the subject of an organisation certificate, None if it names none."""
    from cryptography.x509.oid import NameOID

    identifiers = certificate.subject.get_attributes_for_oid(NameOID.X500_UNIQUE_IDENTIFIER)
    if not identifiers:
        return None
    value = identifiers[0].value
    octets = value if isinstance(value, bytes) else value.encode()
    if len(octets) == 9 and octets[0] == 0:  # BIT STRING: the count of unused bits comes first
        octets = octets[1:]
    return EUI(octets) if len(octets) == 8 else None


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the uncompressed point of `key`, 65 octets."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _agrees_keys(certificate: "x509.Certificate") -> bool:
    from cryptography import x509

    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    except x509.ExtensionNotFound:  # every GBCS certificate states the use of its key
        return False
    return usage.value.key_agreement
