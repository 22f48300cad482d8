"""Organisation certificates as messages carry them, and whose key-agreement key is in one.

Source: GBCS v4.1 clause 12.4, the subject's x500UniqueIdentifier holds the EUI;
vector ECS21b_4.14_URP_SUCCESS_COMMAND.
"""

from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gbcs.crypto.keystore import point
from gbcs.errors import KeystoreError
from gbcs.eui import EUI

MAX_OCTETS = 4096
"""Longer certificates are refused; that of the vector has 406 octets."""


@dataclass(frozen=True, slots=True)
class PartyCertificate:
    """A party's key-agreement key, and from when to when the certificate holds."""

    eui: EUI
    key: ec.EllipticCurvePublicKey
    point: bytes
    """The uncompressed point of `key`, 65 octets."""
    not_before: float
    """Unix time in seconds, as `not_after`."""
    not_after: float

    def holds_at(self, now: float) -> bool:
        """Return whether `now`, Unix time in seconds, is within the dates of the certificate."""
        # DER has whole seconds, and the last of them counts to its end.
        return self.not_before <= now < self.not_after + 1


# Bounded in number here, and in octets by MAX_OCTETS: an exception is not cached.
@lru_cache(maxsize=256)
def read_certificate(der: bytes) -> PartyCertificate:
    """Return what a DER certificate of a P-256 key-agreement key says.

    Raises `KeystoreError` if it is none: no certificate, too long, without an EUI, or with a key
    of another kind or for another use.
    The issuer's signature is not checked: the ACB has done that before it passes one on, and
    vouches for it with the MAC of the command. Whether the dates hold is for the caller, who knows
    the time.
    """
    if len(der) > MAX_OCTETS:
        raise KeystoreError(f"a certificate of {len(der)} octets; {MAX_OCTETS} are the limit")
    try:
        certificate = x509.load_der_x509_certificate(der)
        identifiers = certificate.subject.get_attributes_for_oid(NameOID.X500_UNIQUE_IDENTIFIER)
        key = certificate.public_key()
        agrees_keys = _agrees_keys(certificate)
        not_before = certificate.not_valid_before_utc.timestamp()
        not_after = certificate.not_valid_after_utc.timestamp()
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
    if not agrees_keys:
        raise KeystoreError("a certificate whose key usage is not key agreement")
    return PartyCertificate(EUI(octets), key, point(key), not_before, not_after)


def _agrees_keys(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    except x509.ExtensionNotFound:  # GBCS certificates always say what their key is for
        return False
    return usage.value.key_agreement
