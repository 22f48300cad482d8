"""Keys of the users of DUIS and of the DSP: from a file of DCC Boxed, or from the seed.

DUIS and GBCS use different keys: certificates of role 135 (users) and 137 (DSP) sign documents,
those of a party's own role sign and encrypt GBCS messages.

Source: the file `keystore.json` of npm's @smartdcc/dccboxed-keystore 0.4.2:
`{eui: {digitalSignature|keyAgreement: {serial: {certificate, privateKey, name, role}}}}`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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

from esme_emulator.cache.registry.registration import Registration
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.estate import certificates as issued
from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.estate.parties import DUIS_USERS
from esme_emulator.gateway.documents import DSP
from esme_emulator.gateway.signature import Signer
from gbcs import EUI, Keystore, KeystoreError, KeyUsage
from gbcs.crypto.certificate import subject_of
from gbcs.tables.roles import Role

DSP_SERIAL = 167048897159233642262001557408276884033
"""The one certificate of the DSP that DCC's npm packages and signing tool all know."""

_USAGES = {
    "keyAgreement": KeyUsage.KEY_AGREEMENT,
    "digitalSignature": KeyUsage.DIGITAL_SIGNATURE,
}
_NAMES = {usage: name for name, usage in _USAGES.items()}
_SIGN_DOCUMENTS = (issued.XML_SIGN, issued.DSP)
_OTHER_GENERATION = "Z1b-"
"""Entries that DCC's clients do not use: their keys must not replace those of `Z1-`."""
_PREPAYMENT = "PP-"
_SUPPLIERS = frozenset({Role.IS, Role.ES})


@dataclass(frozen=True, slots=True)
class DuisKeys:
    """Who signs documents, and the GBCS keys of the estate with those of the users."""

    signers: Mapping[int, Signer]
    """By serial number; those of users and of the DSP."""
    dsp: Signer
    """Signs our responses."""
    keystore: Keystore
    """GBCS keys: those of the file first, then the estate's. Give it to fleet and cache too."""
    certificates: Mapping[EUI, Mapping[KeyUsage, bytes]]
    """DER of the GBCS certificates of each user and of the ACB, for SMKI and encrypted replies."""
    complaints: tuple[str, ...] = ()
    """One line for each entry of the file that cannot be used."""


def derived_keys(seed: str, keystore: Keystore) -> DuisKeys:
    """Return keys of the emulated users and the DSP, drawn from `seed`.

    GBCS keys are those of `keystore`; the certificate of a user whose private key it lacks is
    absent.
    """
    derived = DerivedKeystore(seed)
    usage = KeyUsage.DIGITAL_SIGNATURE
    dsp = _signer(DSP, derived.private_key(DSP, usage), issued.DSP)
    users = [_signer(eui, derived.private_key(eui, usage), issued.XML_SIGN) for eui in DUIS_USERS]
    signers = {signer.serial: signer for signer in (dsp, *users)}
    return DuisKeys(signers, dsp, keystore, _certificates(keystore))


def _signer(eui: EUI, key: ec.EllipticCurvePrivateKey, role: int) -> Signer:
    certificate = issued.party_certificate(eui, key, KeyUsage.DIGITAL_SIGNATURE, role)
    return Signer(eui, certificate, key)


def _certificates(keystore: Keystore) -> dict[EUI, dict[KeyUsage, bytes]]:
    found: dict[EUI, dict[KeyUsage, bytes]] = {}
    for eui in (*DUIS_USERS, keystore.access_control_broker):
        for usage in _NAMES:
            key = keystore.private_key(eui, usage)
            if key is not None:
                made = issued.party_certificate(eui, key, usage, _role(eui))
                found.setdefault(eui, {})[usage] = made.public_bytes(Encoding.DER)
    return found


def _role(eui: EUI) -> int:
    """Return the remote party role of a user, or that of the ACB."""
    roles = DUIS_USERS.get(eui)
    if roles is None:
        return issued.ACB
    if roles & _SUPPLIERS:
        return issued.SUPPLIER
    return issued.NETWORK_OPERATOR if Role.ED in roles else issued.OTHER_USER


def duis_registry() -> Registry:
    """Return the registry of the emulated users and of those of DCC Boxed, for every device.

    Give it to the cache too, if the user names no registry file.
    """
    suppliers = [eui for eui, roles in DUIS_USERS.items() if roles & _SUPPLIERS]
    return Registry(DUIS_USERS.items(), [Registration(eui) for eui in suppliers])


# The file


@dataclass(frozen=True, slots=True)
class _Entry:
    """One certificate of the file, with its private key."""

    eui: EUI
    usage: KeyUsage
    name: str
    role: int
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def signs_documents(self) -> bool:
        return self.role in _SIGN_DOCUMENTS

    @property
    def signer(self) -> Signer:
        return Signer(self.eui, self.certificate, self.key)


class BoxedKeystore(Keystore):
    """The keys of a file of DCC Boxed, before those of another keystore."""

    def __init__(self, other: Keystore) -> None:
        super().__init__()
        self._other = other
        self._keys: dict[tuple[EUI, KeyUsage], ec.EllipticCurvePrivateKey] = {}
        self.takes_expired = other.takes_expired

    def add(self, eui: EUI, usage: KeyUsage, key: ec.EllipticCurvePrivateKey) -> None:
        """Add a key, unless there is one for this EUI and usage already."""
        self._keys.setdefault((eui, usage), key)

    def private_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePrivateKey | None:
        """Return the private key of `eui` for `usage`, None if both lack it."""
        return self._keys.get((eui, usage)) or self._other.private_key(eui, usage)

    def public_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePublicKey | None:
        """Return the public key of `eui` for `usage`, None if both lack it."""
        key = self._keys.get((eui, usage))
        return key.public_key() if key is not None else self._other.public_key(eui, usage)


@dataclass(slots=True)
class _File:
    """The entries of a file, and what is wrong with others."""

    entries: list[_Entry] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def file_keys(text: bytes, seed: str, keystore: Keystore) -> DuisKeys:
    """Return the keys in a file of npm's @smartdcc/dccboxed-keystore.

    Parties that the file lacks have the keys that `derived_keys` gives. Bad entries are skipped
    with a line each in `complaints`. Raises `KeystoreError` if `text` is not such a file.
    """
    file = _read(text)
    if not file.entries:
        reason = f": {file.complaints[0]}" if file.complaints else ""
        raise KeystoreError(f"no entry with a certificate and its private key{reason}")
    keys = BoxedKeystore(keystore)
    used = [each for each in file.entries if not each.name.startswith(_OTHER_GENERATION)]
    certificates: dict[EUI, dict[KeyUsage, bytes]] = {}
    for entry in used:
        if entry.signs_documents:
            continue
        if entry.usage is KeyUsage.KEY_AGREEMENT and _PREPAYMENT in entry.name:
            keys.add(entry.eui, KeyUsage.PREPAYMENT_KEY_AGREEMENT, entry.key)
            continue
        keys.add(entry.eui, entry.usage, entry.key)
        der = entry.certificate.public_bytes(Encoding.DER)
        certificates.setdefault(entry.eui, {}).setdefault(entry.usage, der)
    derived = derived_keys(seed, keys)
    signers = _signers(used)
    brought = {signer.eui for signer in signers.values()}
    signers |= {
        serial: signer for serial, signer in derived.signers.items() if signer.eui not in brought
    }
    dsp = signers.get(DSP_SERIAL) or next(each for each in signers.values() if each.eui == DSP)
    if dsp is derived.dsp:
        file.complaints.append("no certificate of the DSP: responses are signed with our own")
    return DuisKeys(
        signers,
        dsp,
        keys,
        {**derived.certificates, **certificates},
        tuple(file.complaints),
    )


def _signers(entries: list[_Entry]) -> dict[int, Signer]:
    """Return who signs documents. A party without such a certificate signs with its GBCS one."""
    signing = [each for each in entries if each.usage is KeyUsage.DIGITAL_SIGNATURE]
    special = {each.eui for each in signing if each.signs_documents}
    return {
        each.certificate.serial_number: each.signer
        for each in signing
        if each.signs_documents or each.eui not in special
    }


def _read(text: bytes) -> _File:
    try:
        parties = json.loads(text)
    except (RecursionError, ValueError) as error:
        raise KeystoreError(f"not JSON: {error}") from None
    if not isinstance(parties, dict):
        raise KeystoreError("not a JSON object with EUIs as keys")
    file = _File()
    for eui, usage, serial, value in _flat(parties):
        try:
            file.entries.append(_entry(EUI.parse(eui), _USAGES[usage], serial, value))
        except (KeyError, TypeError, ValueError, AttributeError, UnsupportedAlgorithm) as error:
            line = " ".join(f"{type(error).__name__}: {error}".split())
            file.complaints.append(f"{eui} {usage} {serial}: skipped: {line:.160}")
    return file


def _flat(parties: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Any]]:
    for eui, usages in parties.items():
        for usage, serials in usages.items() if isinstance(usages, dict) else ():
            for serial, value in serials.items() if isinstance(serials, dict) else ():
                yield eui, usage, serial, value


def _entry(eui: EUI, usage: KeyUsage, serial: str, value: Mapping[str, Any]) -> _Entry:
    certificate = x509.load_pem_x509_certificate(value["certificate"].encode())
    key = load_pem_private_key(value["privateKey"].encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the private key is not one of P-256")
    if key.public_key() != certificate.public_key():
        raise ValueError("the private key is not that of the certificate")
    if str(certificate.serial_number) != serial or subject_of(certificate) != eui:
        raise ValueError("the certificate has another serial number or EUI")
    return _Entry(eui, usage, str(value["name"]), int(value["role"]), certificate, key)


def export_dccboxed(keys: DuisKeys) -> str:
    """Return the text of a file of @smartdcc/dccboxed-keystore with `keys`.

    So clients of DCC can sign and decode with them.
    """
    parties: dict[str, dict[str, dict[str, dict[str, object]]]] = {}
    for eui, usage, name, certificate, key in _exported(keys):
        role = int(_unit(certificate), 16)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        parties.setdefault(str(eui).lower(), {}).setdefault(_NAMES[usage], {})[
            str(certificate.serial_number)
        ] = {
            "certificate": certificate.public_bytes(Encoding.PEM).decode(),
            "privateKey": pem.decode(),
            "name": name,
            "role": role,
        }
    return json.dumps(parties, indent=1)


def _exported(
    keys: DuisKeys,
) -> Iterator[tuple[EUI, KeyUsage, str, x509.Certificate, ec.EllipticCurvePrivateKey]]:
    for signer in keys.signers.values():
        if signer.key is not None:
            name = f"xml-sign-{signer.eui}-ds"
            yield signer.eui, KeyUsage.DIGITAL_SIGNATURE, name, signer.certificate, signer.key
    for eui, certificates in keys.certificates.items():
        for usage, der in certificates.items():
            key = keys.keystore.private_key(eui, usage)
            if key is not None:
                certificate = x509.load_der_x509_certificate(der)
                yield eui, usage, f"Z1-{eui}-{usage}", certificate, key


def _unit(certificate: x509.Certificate) -> str:
    unit = certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)
    return str(unit[0].value)
