"""Test keys of DCC's parties: the file of npm's @smartdcc/dccboxed-keystore, and its form.

`{eui: {digitalSignature|keyAgreement: {serial: {certificate, privateKey, name, role}}}}` in PEM.
DUIS and GBCS use different keys: certificates of role 135 (users) and 137 (DSP) sign documents,
those of a party's own role sign and encrypt GBCS messages.

Source: the file `keystore.json` of dccboxed-keystore 0.4.2.
"""

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.utils import CryptographyDeprecationWarning

from esme_emulator.estate.certificates import DSP, XML_SIGN
from esme_emulator.estate.key_files import PartyKey
from gbcs import EUI, KeystoreError, KeyUsage
from gbcs.crypto.certificate import subject_of

_USAGES = {
    "keyAgreement": KeyUsage.KEY_AGREEMENT,
    "digitalSignature": KeyUsage.DIGITAL_SIGNATURE,
}
_NAMES = {usage: name for name, usage in _USAGES.items()}
_OTHER_GENERATION = "Z1b-"
"""Entries that DCC's clients do not use: their keys must not replace those of `Z1-`."""
_PREPAYMENT = "PP-"
_UNREADABLE = (
    *(KeyError, TypeError, ValueError, AttributeError, UnsupportedAlgorithm),
    CryptographyDeprecationWarning,
)


@dataclass(frozen=True, slots=True)
class BoxedEntry:
    """One certificate of the file, with its private key."""

    eui: EUI
    usage: KeyUsage
    name: str
    role: int
    """Remote party role."""
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def signs_documents(self) -> bool:
        """Whether it is for XML documents rather than GBCS messages."""
        return self.role in (XML_SIGN, DSP)


@dataclass(frozen=True, slots=True)
class BoxedFile:
    """The entries that clients use, in their order, and a line for each that cannot be read."""

    entries: tuple[BoxedEntry, ...]
    complaints: tuple[str, ...]


def gbcs_keys(entries: Iterable[BoxedEntry]) -> dict[tuple[EUI, KeyUsage], PartyKey]:
    """Return the keys of GBCS messages, the first for each party and usage."""
    found: dict[tuple[EUI, KeyUsage], PartyKey] = {}
    for entry in entries:
        if not entry.signs_documents:
            der = entry.certificate.public_bytes(Encoding.DER)
            found.setdefault((entry.eui, entry.usage), PartyKey.of(entry.key, der))
    return found


def is_boxed(text: bytes) -> bool:
    """Return whether `text` can be such a file: it is JSON, unlike TOML."""
    return text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def read_boxed(text: bytes) -> BoxedFile:
    """Return the entries of a file that clients use; bad ones are skipped, with a complaint.

    Raises `KeystoreError` if `text` is not such a file, or has no entry that can be used.
    """
    try:
        parties = json.loads(text)
    except (RecursionError, ValueError) as error:
        raise KeystoreError(f"not JSON: {error}") from None
    if not isinstance(parties, dict):
        raise KeystoreError("not a JSON object with EUIs as keys")
    entries, complaints = [], []
    for eui, usage, serial, value in _flat(parties):
        try:
            entry = _entry(EUI.parse(eui), _USAGES[usage], serial, value)
        except _UNREADABLE as error:
            line = " ".join(f"{type(error).__name__}: {error}".split())
            complaints.append(f"{eui} {usage} {serial}: skipped: {line:.160}")
        else:
            if not entry.name.startswith(_OTHER_GENERATION):
                entries.append(entry)
    if not entries:
        reason = f": {complaints[0]}" if complaints else ""
        raise KeystoreError(f"no entry with a certificate and its private key{reason}")
    return BoxedFile(tuple(entries), tuple(complaints))


def _flat(parties: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Any]]:
    for eui, usages in parties.items():
        for usage, serials in usages.items() if isinstance(usages, dict) else ():
            for serial, value in serials.items() if isinstance(serials, dict) else ():
                yield eui, usage, serial, value


def _entry(eui: EUI, usage: KeyUsage, serial: str, value: Mapping[str, Any]) -> BoxedEntry:
    with warnings.catch_warnings():
        # Older versions only warn of what newer ones refuse.
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        certificate = x509.load_pem_x509_certificate(value["certificate"].encode())
    key = load_pem_private_key(value["privateKey"].encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the private key is not one of P-256")
    if key.public_key() != certificate.public_key():
        raise ValueError("the private key is not that of the certificate")
    if str(certificate.serial_number) != serial or subject_of(certificate) != eui:
        raise ValueError("the certificate has another serial number or EUI")
    name = str(value["name"])
    if usage is KeyUsage.KEY_AGREEMENT and _PREPAYMENT in name:
        usage = KeyUsage.PREPAYMENT_KEY_AGREEMENT
    return BoxedEntry(eui, usage, name, int(value["role"]), certificate, key)


def write_boxed(entries: Iterator[BoxedEntry]) -> str:
    """Return the text of a file with `entries`, which are not for prepayment."""
    parties: dict[str, dict[str, dict[str, dict[str, object]]]] = {}
    for entry in entries:
        pem = entry.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        usages = parties.setdefault(str(entry.eui).lower(), {})
        usages.setdefault(_NAMES[entry.usage], {})[str(entry.certificate.serial_number)] = {
            "certificate": entry.certificate.public_bytes(Encoding.PEM).decode(),
            "privateKey": pem.decode(),
            "name": entry.name,
            "role": entry.role,
        }
    return json.dumps(parties, indent=1)
