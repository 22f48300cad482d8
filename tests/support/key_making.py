"""Key files of every form, made with cryptography as openssl and SMKI make them."""

from base64 import b64encode
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)

from esme_emulator.estate.certificates import SUPPLIER, party_certificate
from gbcs import EUI, KeyUsage

OWN = EUI.parse("90B3D51F30060000")
OTHER = EUI.parse("0011223344556677")
KA, DS = KeyUsage.KEY_AGREEMENT, KeyUsage.DIGITAL_SIGNATURE
PASSWORD = b"hunter2"
KEY = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP256R1())
SCALAR = KEY.private_numbers().private_value.to_bytes(32, "big")
POINT = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
LOCK = BestAvailableEncryption(PASSWORD)


def private(
    encoding: Encoding,
    form: PrivateFormat = PrivateFormat.PKCS8,
    lock: KeySerializationEncryption | None = None,
    key: ec.EllipticCurvePrivateKey = KEY,
) -> bytes:
    return key.private_bytes(encoding, form, lock or NoEncryption())


def public(encoding: Encoding) -> bytes:
    return KEY.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


def certificate(
    eui: EUI = OWN, usage: KeyUsage = KA, key: ec.EllipticCurvePrivateKey = KEY
) -> x509.Certificate:
    return party_certificate(eui, key, usage, SUPPLIER)


def plain_certificate(*, with_eui: bool) -> x509.Certificate:
    """Return a certificate as `openssl req -x509` makes it: without EUI, or without key usage."""
    name = certificate().subject if with_eui else x509.Name([])
    day = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, KEY.public_key(), 1, day, day)
    return builder.sign(KEY, hashes.SHA256())


def p12(
    lock: KeySerializationEncryption, certificates: list[x509.Certificate] | None = None
) -> bytes:
    first = certificates[0] if certificates else None
    others = certificates[1:] if certificates else None
    return pkcs12.serialize_key_and_certificates(b"own", KEY, first, others, lock)


PRIVATE_FILES = {
    "pem": private(Encoding.PEM),
    "pem-sec1": private(Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
    "pem-locked": private(Encoding.PEM, lock=LOCK),
    "pem-sec1-locked": private(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, LOCK),
    "der": private(Encoding.DER),
    "der-sec1": private(Encoding.DER, PrivateFormat.TraditionalOpenSSL),
    "der-locked": private(Encoding.DER, lock=LOCK),
    "base64": b64encode(private(Encoding.DER)) + b"\n",
    "hex": SCALAR.hex().encode() + b"\n",
    "hex-upper": b" " + SCALAR.hex().upper().encode(),
    "p12": p12(LOCK),
    "p12-open": p12(NoEncryption()),
}
PUBLIC_FILES = {
    "pem": public(Encoding.PEM),
    "der": public(Encoding.DER),
    "hex": POINT.hex().encode(),
    "certificate-pem": certificate().public_bytes(Encoding.PEM),
    "certificate-der": certificate().public_bytes(Encoding.DER),
    "certificate-base64": b64encode(certificate().public_bytes(Encoding.DER)),
}
