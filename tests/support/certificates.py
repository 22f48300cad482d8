"""Certificates that the emulator never makes: other keys, usages, names and dates."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from esme_emulator.estate.keys import DerivedKeystore
from gbcs import EUI, KeyUsage

USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def certificate(
    party: EUI,
    key: ec.EllipticCurvePrivateKey,
    *,
    use: str | None = "key_agreement",
    begins: datetime = datetime(2020, 1, 1, tzinfo=UTC),
    ends: datetime = datetime(2040, 1, 1, tzinfo=UTC),
    padding: int = 0,
    serial: int = 1,
) -> bytes:
    """Return a self-signed certificate.

    `use` None omits the key usage; `padding` is the size of an unknown extension, in octets.
    """
    name = x509.Name(
        [x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x00" + party, _ASN1Type.BitString)]
    )
    builder = (
        x509.CertificateBuilder(name, name, key.public_key())
        .serial_number(serial)
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    if use is not None:
        usage = x509.KeyUsage(**{name: name == use for name in USES})
        builder = builder.add_extension(usage, critical=True)
    if padding:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(padding))
        builder = builder.add_extension(unknown, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def key_of(party: EUI, seed: str) -> ec.EllipticCurvePrivateKey:
    """Return the key-agreement key of a party, derived from `seed`."""
    return DerivedKeystore(seed).private_key(party, KeyUsage.KEY_AGREEMENT)
