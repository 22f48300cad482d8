"""Test certificates of parties and devices. Repeated calls give the same octets.

Certificates of parties are self-signed, those of devices are signed by a key of the caller's.

Sources: GBCS v4.1 clause 12.4 for subject and key usage; vector ECS21b_4.14_URP_SUCCESS_COMMAND;
for devices, what DCC's client library checks: an empty subject and a hardwareModuleName.
"""

from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID, ObjectIdentifier

from gbcs import EUI, KeyUsage
from gbcs.crypto.certificate import point

SUPPLIER, NETWORK_OPERATOR, ACB, OTHER_USER, XML_SIGN, DSP = 2, 3, 4, 127, 135, 137
"""Remote party roles: the organisational unit of the subject, in hexadecimal."""

# Meters check the dates of certificates, and the clock of a scenario may show any day.
_NOT_BEFORE = datetime(2000, 1, 1, tzinfo=UTC)
_NOT_AFTER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # RFC 5280: no expiry

_HARDWARE_MODULE_NAME = ObjectIdentifier("1.3.6.1.5.5.7.8.4")
_HARDWARE_TYPE = bytes.fromhex("060A2B06010401B0190A0102")  # OID of our choice; nobody checks it
_DEVICE_SERIAL = {KeyUsage.KEY_AGREEMENT: 1, KeyUsage.DIGITAL_SIGNATURE: 2}
_EUI_BITS = 64


def party_certificate(
    party: EUI, key: ec.EllipticCurvePrivateKey, usage: KeyUsage, role: int
) -> x509.Certificate:
    """Return a certificate of `key` of `party`, signed with itself."""
    public = key.public_key()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{role:02X}"),
            x509.NameAttribute(
                NameOID.X500_UNIQUE_IDENTIFIER, b"\x00" + party, _ASN1Type.BitString
            ),
        ]
    )
    # One key may sign commands and documents, with a certificate for each.
    label = bytes([role]) if role in (XML_SIGN, DSP) else b""
    serial = int.from_bytes(sha256(point(public) + label).digest()[:15], "big") | 1
    return _builder(subject, public, usage, serial).sign(
        key, hashes.SHA256(), ecdsa_deterministic=True
    )


def device_certificate(
    device: EUI,
    key: ec.EllipticCurvePublicKey,
    usage: KeyUsage,
    issuer: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """Return a certificate of `key` of `device`, signed with `issuer`."""
    module = _HARDWARE_TYPE + b"\x04\x08" + device
    name = x509.OtherName(_HARDWARE_MODULE_NAME, b"\x30" + bytes([len(module)]) + module)
    builder = _builder(x509.Name([]), key, usage, device_serial(device, usage))
    return builder.add_extension(
        # Critical, as the subject is empty (RFC 5280).
        x509.SubjectAlternativeName([name]),
        critical=True,
    ).sign(issuer, hashes.SHA256(), ecdsa_deterministic=True)


def device_serial(device: EUI, usage: KeyUsage) -> int:
    """Return the serial number of a device's certificate: usage and EUI can be read from it."""
    return _DEVICE_SERIAL[usage] << _EUI_BITS | int(device)


def device_of_serial(serial: int) -> tuple[EUI, KeyUsage] | None:
    """Return device and usage of a serial number, None if it is none of a device."""
    kind, number = serial >> _EUI_BITS, serial & (1 << _EUI_BITS) - 1
    for usage, value in _DEVICE_SERIAL.items():
        if value == kind:
            return EUI.from_int(number), usage
    return None


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, usage: KeyUsage, serial: int
) -> x509.CertificateBuilder:
    issuer = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "07"),
            x509.NameAttribute(NameOID.COMMON_NAME, "emulated"),
        ]
    )
    return (
        x509.CertificateBuilder(issuer, subject, key)
        .serial_number(serial)
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .add_extension(_key_usage(usage), critical=True)
    )


def _key_usage(usage: KeyUsage) -> x509.KeyUsage:
    signs = usage is KeyUsage.DIGITAL_SIGNATURE
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not signs,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
