"""Key files: one key of a party in PEM, DER, PKCS#12, base64 or hexadecimal, checked.

Pure: takes the octets of files. No error shows a key or a password.

Sources: GBCS v4.1 clause 12.4, the subject's x500UniqueIdentifier holds the EUI and key usage is
critical; SMKI issues certificates for keys of P-256.
"""

import re
import warnings
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
    pkcs12,
)

from gbcs import EUI, KeystoreError, KeyUsage
from gbcs.crypto.certificate import point, subject_of
from gbcs.crypto.keystore import CURVE

PASSWORD_VARIABLE = "ESME_KEY_PASSWORD"  # noqa: S105  # the name of a variable
"""Environment variable with the password of encrypted key files."""

FORMS = "PEM, DER, PKCS#12, base64, or hexadecimal digits (64: private key, 130: public key)"

_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_HEX = re.compile(rb"[0-9A-Fa-f]+")
_PKCS12 = re.compile(rb"\x30(?:[\x00-\x80]|\x81.|\x82..|\x83.{3}|\x84.{4})\x02\x01\x03\x30", re.S)
"""The beginning of a PKCS#12 file: a sequence of version 3 and another sequence."""
_PRIVATE_LENGTH, _PUBLIC_LENGTH = 32, 65
_USES = {
    KeyUsage.DIGITAL_SIGNATURE: "digitalSignature",
    KeyUsage.KEY_AGREEMENT: "keyAgreement",
    KeyUsage.PREPAYMENT_KEY_AGREEMENT: "keyAgreement",
}


class PasswordNeededError(KeystoreError):
    """A key file is encrypted, and no password was given or it is wrong."""


@dataclass(frozen=True, slots=True)
class PartyKey:
    """One key of a party, as octets, so that it can be sent to other processes."""

    public: bytes
    """Uncompressed point, 65 octets."""
    private: bytes = field(default=b"", repr=False)
    """Scalar, 32 octets; empty if it is not known."""
    certificate: bytes = field(default=b"", repr=False)
    """DER; empty without a certificate."""

    def private_key(self) -> ec.EllipticCurvePrivateKey | None:
        """Return the private key, None if it is not known."""
        if not self.private:
            return None
        return ec.derive_private_key(int.from_bytes(self.private, "big"), CURVE)

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public key."""
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, self.public)

    def eui(self) -> EUI | None:
        """Return the EUI that the certificate names, None without a certificate."""
        if not self.certificate:
            return None
        return subject_of(x509.load_der_x509_certificate(self.certificate))

    @classmethod
    def of(cls, key: ec.EllipticCurvePrivateKey, certificate: bytes = b"") -> "PartyKey":
        """Return a private key; `certificate` is DER, or empty."""
        scalar = key.private_numbers().private_value.to_bytes(_PRIVATE_LENGTH, "big")
        return cls(point(key.public_key()), scalar, certificate)


_Part = ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey | x509.Certificate


def read_key(
    files: Iterable[bytes], usage: KeyUsage, eui: EUI | None = None, password: bytes | None = None
) -> PartyKey:
    """Return the key in `files`: a private key, a certificate or public key, or several of these.

    All must be of one key of P-256. A certificate must be of `eui`, unless that is None, and for
    `usage`. Raises `PasswordNeededError`, and `KeystoreError` with one line for all else.
    """
    try:
        return _key_of(_all_parts(files, password), usage, eui)
    except KeystoreError:
        raise
    except Exception:  # the parser's exceptions for certificates are not documented
        raise KeystoreError("the certificate in it cannot be read") from None


def _key_of(parts: list[_Part], usage: KeyUsage, eui: EUI | None) -> PartyKey:
    privates = [part for part in parts if isinstance(part, ec.EllipticCurvePrivateKey)]
    publics = [part for part in parts if isinstance(part, ec.EllipticCurvePublicKey)]
    publics += [key.public_key() for key in privates]
    if (number := len(set(map(point, publics)))) > 1:
        raise KeystoreError(f"there are {number} different keys in it: give one")
    held = publics[0] if publics else None
    certificates = [part for part in parts if isinstance(part, x509.Certificate)]
    certificate = _certificate_for(held, certificates)
    der = b""
    if certificate is not None:
        _check_certificate(certificate, usage, eui)
        held = _p256(certificate.public_key())
        der = certificate.public_bytes(Encoding.DER)
    if privates:
        return PartyKey.of(privates[0], der)
    if held is None:
        raise KeystoreError("there is no key and no certificate in it")
    return PartyKey(point(held), b"", der)


def holds_private_key(octets: bytes) -> bool:
    """Return whether a file has a private key that everybody who reads the file can use."""
    try:
        parts = _all_parts([octets], None)
    except KeystoreError:  # encrypted, or no key file
        return False
    return any(isinstance(part, ec.EllipticCurvePrivateKey) for part in parts)


def _certificate_for(
    key: ec.EllipticCurvePublicKey | None, certificates: list[x509.Certificate]
) -> x509.Certificate | None:
    """Return the certificate of `key`; a file may also have those of its issuers."""
    if key is None:
        if len(certificates) > 1:
            raise KeystoreError(f"there are {len(certificates)} certificates in it: give one")
        return certificates[0] if certificates else None
    for certificate in certificates:
        if certificate.public_key() == key:
            return certificate
    if certificates:
        raise KeystoreError("the key is not that of the certificate")
    return None


def _check_certificate(certificate: x509.Certificate, usage: KeyUsage, eui: EUI | None) -> None:
    named = subject_of(certificate)
    if named is None:
        raise KeystoreError(
            "the certificate names no EUI: GBCS wants it as x500UniqueIdentifier of the subject"
        )
    if eui is not None and named != eui:
        raise KeystoreError(f"the certificate is one of {named}, not of {eui}")
    try:
        uses = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        raise KeystoreError("the certificate has no key usage, which GBCS wants") from None
    signs = usage is KeyUsage.DIGITAL_SIGNATURE
    if not (uses.digital_signature if signs else uses.key_agreement):
        raise KeystoreError(f"the key usage of the certificate is not {_USES[usage]}")


def _all_parts(files: Iterable[bytes], password: bytes | None) -> list[_Part]:
    with warnings.catch_warnings():
        # They are about old encodings, and name no file: nothing that the user can act on.
        warnings.simplefilter("ignore")
        return [part for octets in files for part in _parts(octets, password)]


def _parts(octets: bytes, password: bytes | None) -> Iterator[_Part]:
    """Yield the keys and certificates in one file."""
    text = b"".join(octets.split())
    if _PEM_BLOCK.search(octets):
        for block in _PEM_BLOCK.finditer(octets):
            yield from _pem(block[1], block[0], password)
    elif len(text) == 2 * _PRIVATE_LENGTH and _HEX.fullmatch(text):
        yield _scalar(text)
    elif len(text) == 2 * _PUBLIC_LENGTH and _HEX.fullmatch(text):
        yield _point(text)
    else:
        yield from _der(octets, password)


def _scalar(text: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        return ec.derive_private_key(int(text, 16), CURVE)
    except ValueError:
        raise KeystoreError("the number is not a private key of P-256") from None


def _point(text: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, bytes.fromhex(text.decode()))
    except ValueError:
        raise KeystoreError("the digits are not a public key of P-256") from None


def _pem(label: bytes, block: bytes, password: bytes | None) -> Iterator[_Part]:
    try:
        if label.endswith(b"PRIVATE KEY"):
            encrypted = b"ENCRYPTED" in block
            yield _p256_private(load_pem_private_key(block, password if encrypted else None))
        elif label == b"PUBLIC KEY":
            yield _p256(load_pem_public_key(block))
        elif label == b"CERTIFICATE":
            yield x509.load_pem_x509_certificate(block)
    except KeystoreError:
        raise
    except _UNREADABLE as error:
        raise _refused(error, label.decode().lower(), password) from None


def _der(octets: bytes, password: bytes | None) -> Iterator[_Part]:
    der = octets if octets.startswith(b"\x30") else _from_base64(octets)
    if _PKCS12.match(der):
        yield from _pkcs12(der, password)
        return
    for load in (x509.load_der_x509_certificate, load_der_public_key):
        try:
            found = load(der)
        except _UNREADABLE:
            continue
        yield found if isinstance(found, x509.Certificate) else _p256(found)
        return
    yield _p256_private(_der_private_key(der, password))


def _pkcs12(der: bytes, password: bytes | None) -> Iterator[_Part]:
    try:
        try:
            found = pkcs12.load_key_and_certificates(der, password)
        except ValueError:  # it may have no password, unlike other files of the user
            found = pkcs12.load_key_and_certificates(der, None)
    except _UNREADABLE as error:
        raise _refused(error, "PKCS#12 file", password) from None
    key, certificate, others = found
    if key is not None:
        yield _p256_private(key)
    yield from (each for each in (certificate, *others) if each is not None)


def _der_private_key(der: bytes, password: bytes | None) -> object:
    try:
        return load_der_private_key(der, None)
    except TypeError:  # it is encrypted
        pass
    except _UNREADABLE:
        raise KeystoreError(f"it is not a key file: give {FORMS}") from None
    try:
        return load_der_private_key(der, password)
    except _UNREADABLE as error:
        raise _refused(error, "private key", password) from None


def _from_base64(octets: bytes) -> bytes:
    try:
        return b64decode(b"".join(octets.split()), validate=True)
    except (Base64Error, ValueError):
        raise KeystoreError(f"it is not a key file: give {FORMS}") from None


def _refused(error: Exception, what: str, password: bytes | None) -> KeystoreError:
    """Return the error for a file that could not be read, without quoting the library."""
    if isinstance(error, TypeError) or "password" in str(error).lower():
        if password is None:
            return PasswordNeededError("it is encrypted, and there is no password")
        return PasswordNeededError("the password is wrong")
    return KeystoreError(f"the {what} in it cannot be read")


def _p256_private(key: object) -> ec.EllipticCurvePrivateKey:
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeystoreError("the key is not one of an elliptic curve: GBCS uses P-256")
    _p256(key.public_key())
    return key


def _p256(key: object) -> ec.EllipticCurvePublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise KeystoreError("the key is not one of an elliptic curve: GBCS uses P-256")
    if not isinstance(key.curve, ec.SECP256R1):
        raise KeystoreError(f"the curve of the key is {key.curve.name}: GBCS uses P-256")
    return key


_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)
