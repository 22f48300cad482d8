"""The two SMKI services that clients need to decode encrypted replies, on octets.

SMKI is the Smart Metering Key Infrastructure, the repository of certificates. A search by EUI gives
the serial numbers of its certificates, one for each usage; a serial number gives the certificate.
Serial numbers are written in hexadecimal, since clients look numbers up so.

Source: the requests of DCC's client library dccboxed-keystore, and the answers that it accepts.
"""

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from esme_emulator.estate.certificates import (
    device_certificate,
    device_of_serial,
    device_serial,
)
from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.gateway.checks import Meters
from esme_emulator.gateway.documents import eui_of, text_of
from esme_emulator.gateway.keys import DuisKeys
from esme_emulator.gateway.requests import DocumentError, Element, parse_xml
from esme_emulator.gateway.values import base64_of, collapsed
from gbcs import EUI, KeyUsage

MAX_OCTETS = 4096
"""Longest request, in octets; they have 200."""
FOUND, BAD_PARAMETERS, NO_CERTIFICATE = 200, 401, 402
"""HTTP statuses that the clients know."""

_USAGES = {KeyUsage.KEY_AGREEMENT: "KA", KeyUsage.DIGITAL_SIGNATURE: "DS"}
_IN_USE = "I"
_SERIAL = re.compile("[0-9A-Fa-f]{1,40}")


@dataclass(frozen=True, slots=True)
class SmkiAnswer:
    """HTTP status and body; the content type is always application/xml."""

    status: int
    body: bytes


class Smki:
    """Certificates of meters and parties. `seed` derives the key of their issuer."""

    def __init__(self, keys: DuisKeys, meters: Meters, seed: str) -> None:
        self._keys = keys
        self._meters = meters
        acb = keys.keystore.access_control_broker
        self._issuer = DerivedKeystore(seed).private_key(acb, KeyUsage.DIGITAL_SIGNATURE)
        self._parties: dict[EUI, dict[int, tuple[KeyUsage, bytes]]] = {}
        for eui, certificates in keys.certificates.items():
            for usage, der in certificates.items():
                serial = x509.load_der_x509_certificate(der).serial_number
                self._parties.setdefault(eui, {})[serial] = usage, der
        s1sp, usage = keys.s1sp, KeyUsage.DIGITAL_SIGNATURE
        der = s1sp.certificate.public_bytes(Encoding.DER)
        self._parties[s1sp.eui] = {s1sp.serial: (usage, der)}
        self._by_serial = {
            serial: (eui, der)
            for eui, found in self._parties.items()
            for serial, (_, der) in found.items()
        }

    def search(self, octets: bytes) -> SmkiAnswer:
        """Answer POST /services/certificatesearch."""
        root = etree.Element("CertificateSearchResponse")
        try:
            text = _parameter(octets, "CertificateSearchRequest", "CertificateSubjectAltName")
            eui = eui_of(text)
        except ValueError:
            return _answer(BAD_PARAMETERS, root)
        for serial, usage in self._serials(eui):
            result = etree.SubElement(root, "Result")
            _add(result, "CertificateSerial", f"{serial:X}")
            _add(result, "CertificateUsage", _USAGES[usage])
            _add(result, "CertificateStatus", _IN_USE)
        return _answer(FOUND if len(root) else NO_CERTIFICATE, root)

    def retrieve(self, octets: bytes) -> SmkiAnswer:
        """Answer POST /services/retrievecertificate."""
        root = etree.Element("CertificateDataResponse")
        try:
            text = _parameter(octets, "CertificateDataRequest", "CertificateSerial")
            if not _SERIAL.fullmatch(text):
                raise ValueError
        except ValueError:
            return _answer(BAD_PARAMETERS, root)
        found = self._certificate(int(text, 16))
        if found is None:
            return _answer(NO_CERTIFICATE, root)
        eui, der = found
        response = etree.SubElement(root, "CertificateResponse")
        _add(response, "CertificateSubjectAltName", text_of(eui))
        _add(response, "CertificateBody", base64_of(der))
        return _answer(FOUND, root)

    def _serials(self, eui: EUI) -> list[tuple[int, KeyUsage]]:
        party = self._parties.get(eui)
        if party is not None:
            return [(serial, usage) for serial, (usage, _) in party.items()]
        if self._meters(eui) is None:
            return []
        public = self._keys.keystore.public_key
        return [(device_serial(eui, usage), usage) for usage in _USAGES if public(eui, usage)]

    def _certificate(self, serial: int) -> tuple[EUI, bytes] | None:
        """Return EUI and DER of the certificate with a serial number, None if there is none."""
        if serial in self._by_serial:
            return self._by_serial[serial]
        found = device_of_serial(serial)
        if found is None or self._meters(found[0]) is None:
            return None
        eui, usage = found
        key = self._keys.keystore.public_key(eui, usage)
        if key is None:
            return None
        certificate = device_certificate(eui, key, usage, self._issuer)
        return eui, certificate.public_bytes(Encoding.DER)


def _parameter(octets: bytes, root_name: str, name: str) -> str:
    """Return the text of the only element in a request. Raises `ValueError`."""
    root = parse_xml(octets, MAX_OCTETS)
    if root.tag != root_name or len(root) != 1 or root[0].tag != name or len(root[0]):
        raise DocumentError(f"not a {root_name} with one {name}")
    return collapsed(root[0].text or "")


def _add(parent: Element, name: str, text: str) -> None:
    etree.SubElement(parent, name).text = text


def _answer(status: int, root: Element) -> SmkiAnswer:
    return SmkiAnswer(status, etree.tostring(root, encoding="UTF-8", xml_declaration=True))
