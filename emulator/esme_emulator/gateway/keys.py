"""Keys of the users of DUIS and of the DSP: from a file of DCC Boxed, or from the seed.

The form of the file is in `estate.boxed`; here is who signs documents.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from esme_emulator.cache.registry.registry import Registry, default_registry
from esme_emulator.estate import certificates as issued
from esme_emulator.estate.boxed import BoxedEntry, gbcs_keys, read_boxed, write_boxed
from esme_emulator.estate.keys import DerivedKeystore, OverlaidKeystore
from esme_emulator.estate.parties import (
    DUIS_PARTIES,
    DUIS_USERS,
    PARTIES,
    SUPPLIER_ROLES,
    Party,
    with_more,
)
from esme_emulator.gateway.documents import DSP
from esme_emulator.gateway.signature import Signer
from gbcs import EUI, Keystore, KeyUsage
from gbcs.tables.roles import Role

DSP_SERIAL = 167048897159233642262001557408276884033
"""The one certificate of the DSP that DCC's npm packages and signing tool all know."""

S1SP = EUI.parse("90B3D51F300000F1")
"""EUI of our SMETS1 Service Provider. DCC's test parties have none; this one is our choice."""

_USAGES = (KeyUsage.KEY_AGREEMENT, KeyUsage.DIGITAL_SIGNATURE)


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
    s1sp: Signer
    """Signs the readings of SMETS1 meters (SMETS1 Service Provider). DCC's file has none."""
    complaints: tuple[str, ...] = ()
    """One line for each entry of the file that cannot be used."""


def users_of_duis(parties: Iterable[Party]) -> tuple[Party, ...]:
    """Return the users of DUIS: those of DCC Boxed, the emulated ones, and others in `parties`."""
    return with_more(DUIS_PARTIES, [party for party in parties if party not in PARTIES])


def derived_keys(seed: str, keystore: Keystore, parties: Iterable[Party] = ()) -> DuisKeys:
    """Return keys of the users and the DSP, drawn from `seed`.

    GBCS keys are those of `keystore`; the certificate of a user whose private key it lacks is
    absent. Others in `parties` than the emulated ones sign documents with their GBCS key.
    """
    derived = DerivedKeystore(seed)
    usage = KeyUsage.DIGITAL_SIGNATURE
    users = users_of_duis(parties)
    signers = [_signer(DSP, derived.private_key(DSP, usage), issued.DSP)]
    for user in users:
        of = derived if user.eui in DUIS_USERS else keystore
        key = of.private_key(user.eui, usage)
        if key is not None:
            signers.append(_signer(user.eui, key, issued.XML_SIGN))
    by_serial = {signer.serial: signer for signer in signers}
    s1sp = _signer(S1SP, derived.private_key(S1SP, usage), issued.XML_SIGN)
    return DuisKeys(by_serial, signers[0], keystore, _certificates(keystore, users), s1sp)


def _signer(eui: EUI, key: ec.EllipticCurvePrivateKey, role: int) -> Signer:
    certificate = issued.party_certificate(eui, key, KeyUsage.DIGITAL_SIGNATURE, role)
    return Signer(eui, certificate, key)


def _certificates(keystore: Keystore, users: Iterable[Party]) -> dict[EUI, dict[KeyUsage, bytes]]:
    found: dict[EUI, dict[KeyUsage, bytes]] = {}
    roles = {user.eui: _role(user.roles) for user in users}
    for eui, role in {**roles, keystore.access_control_broker: issued.ACB}.items():
        for usage in _USAGES:
            key = keystore.private_key(eui, usage)
            if key is not None:
                made = issued.party_certificate(eui, key, usage, role)
                found.setdefault(eui, {})[usage] = made.public_bytes(Encoding.DER)
    return found


def _role(roles: frozenset[Role]) -> int:
    """Return the remote party role of a user."""
    if roles & SUPPLIER_ROLES:
        return issued.SUPPLIER
    return issued.NETWORK_OPERATOR if Role.ED in roles else issued.OTHER_USER


def duis_registry(parties: Iterable[Party] = ()) -> Registry:
    """Return the registry of the users of DUIS, with others in `parties`, for every device.

    Give it to the cache too, if the user names no registry file.
    """
    return default_registry(users_of_duis(parties))


def file_keys(text: bytes, seed: str, keystore: Keystore) -> DuisKeys:
    """Return the keys in a file of npm's @smartdcc/dccboxed-keystore.

    Parties that the file lacks have the keys that `derived_keys` gives. Bad entries are skipped
    with a line each in `complaints`. Raises `KeystoreError` if `text` is not such a file.
    """
    file = read_boxed(text)
    keys = OverlaidKeystore(gbcs_keys(file.entries), keystore)
    derived = derived_keys(seed, keys)
    signers = _signers(file.entries)
    brought = {signer.eui for signer in signers.values()}
    signers |= {
        serial: signer for serial, signer in derived.signers.items() if signer.eui not in brought
    }
    dsp = signers.get(DSP_SERIAL) or next(each for each in signers.values() if each.eui == DSP)
    complaints = file.complaints
    if dsp is derived.dsp:
        complaints += ("no certificate of the DSP: responses are signed with our own",)
    certificates = {**derived.certificates, **_brought(file.entries)}
    return DuisKeys(signers, dsp, keys, certificates, derived.s1sp, complaints)


def _brought(entries: Iterable[BoxedEntry]) -> dict[EUI, dict[KeyUsage, bytes]]:
    """Return the GBCS certificates in a file, the first for each usage."""
    found: dict[EUI, dict[KeyUsage, bytes]] = {}
    for entry in entries:
        if not entry.signs_documents and entry.usage in _USAGES:
            der = entry.certificate.public_bytes(Encoding.DER)
            found.setdefault(entry.eui, {}).setdefault(entry.usage, der)
    return found


def _signers(entries: Iterable[BoxedEntry]) -> dict[int, Signer]:
    """Return who signs documents. A party without such a certificate signs with its GBCS one."""
    signing = [each for each in entries if each.usage is KeyUsage.DIGITAL_SIGNATURE]
    special = {each.eui for each in signing if each.signs_documents}
    return {
        each.certificate.serial_number: Signer(each.eui, each.certificate, each.key)
        for each in signing
        if each.signs_documents or each.eui not in special
    }


def export_dccboxed(keys: DuisKeys) -> str:
    """Return the text of a file of @smartdcc/dccboxed-keystore with `keys`.

    So clients of DCC can sign and decode with them.
    """
    return write_boxed(_entries(keys))


def _entries(keys: DuisKeys) -> Iterator[BoxedEntry]:
    for signer in keys.signers.values():
        if signer.key is not None:
            usage = KeyUsage.DIGITAL_SIGNATURE
            yield _entry(signer.eui, usage, "xml-sign", signer.certificate, signer.key)
    for eui, certificates in keys.certificates.items():
        for usage, der in certificates.items():
            key = keys.keystore.private_key(eui, usage)
            if key is not None:
                yield _entry(eui, usage, "Z1", x509.load_der_x509_certificate(der), key)


def _entry(
    eui: EUI,
    usage: KeyUsage,
    kind: str,
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
) -> BoxedEntry:
    unit = certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)
    role = int(str(unit[0].value), 16)
    return BoxedEntry(eui, usage, f"{kind}-{eui}-{usage}", role, certificate, key)
