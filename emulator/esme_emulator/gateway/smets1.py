"""Responses of SMETS1 meters in DUIS: decoded readings in XML, signed by the S1SP.

The S1SP (SMETS1 Service Provider) translates between the DCC and a meter that knows no GBCS. It
signs the readings as a document of its own, which the DSP puts into its signed response.

Sources: DUIS and MMC XML schemas 5.4. How the real S1SP signs is not published: ours signs as the
DSP does, with exclusive canonical XML, so that its signature is valid inside the response too.
"""

from collections.abc import Sequence

from lxml import etree

from esme_emulator.gateway.documents import REQUEST_NAMESPACE, SCHEMA_VERSION, text_of
from esme_emulator.gateway.readings import NAMESPACE, Part, append, response_element
from esme_emulator.gateway.requests import Element, parse_xml
from esme_emulator.gateway.services import SERVICES
from esme_emulator.gateway.signature import Signer, sign, verify
from gbcs import Message, Status
from gbcs.instants import from_date_time, to_iso
from gbcs.tables.result_codes import result_name
from gbcs.usecases.values import Reading, values_of

_IN = f"{{{REQUEST_NAMESPACE}}}"
_RA = f"{{{NAMESPACE}}}"
_NAMES = {"sr": REQUEST_NAMESPACE, "ra": NAMESPACE}


def signed_readings(response: Message, srv: str, signer: Signer) -> bytes:
    """Return a SMETS1SignedResponse with the readings in the GBCS response to a read by `srv`.

    Raises `DecodeError` if it is not the response of a reading service, and `AuthenticationError`
    if its readings are encrypted and no key has opened them.
    """
    readings = values_of(response)
    root = etree.Element(f"{_IN}SMETS1SignedResponse", nsmap=_NAMES)
    root.set("schemaVersion", SCHEMA_VERSION)
    content = etree.SubElement(root, f"{_IN}SMETS1Response")
    _header(etree.SubElement(content, f"{_IN}Header"), response, srv)
    body = etree.SubElement(content, f"{_IN}Body")
    message = etree.SubElement(body, f"{_IN}ResponseMessage")
    data = etree.SubElement(message, f"{_RA}SMETSData")
    data.append(response_element(SERVICES[srv].element, srv, readings))
    _errors(message, readings)
    return sign(root, signer, name_c14n=True)


def _header(header: Element, response: Message, srv: str) -> None:
    behind = response.supplementary
    parts: list[Part] = [
        ("BusinessOriginatorID", text_of(response.originator)),
        ("BusinessTargetID", text_of(response.recipient)),
        ("OriginatorCounter", response.originator_counter),
    ]
    if behind is not None:
        parts += [
            ("SupplementaryRemotePartyID", text_of(behind.party)),
            ("SupplementaryRemotePartyCounter", behind.party_counter),
            ("SupplementaryOriginatorCounter", behind.originator_counter),
        ]
    parts += [
        ("GBCSHexadecimalMessageCode", f"{response.message_code:04X}"),
        ("ServiceReference", SERVICES[srv].reference),
        ("ServiceReferenceVariant", srv),
    ]
    append(header, parts)
    if response.transaction_time:
        stamp = etree.SubElement(header, f"{_RA}Timestamp")
        stamp.set("ClockStatus", "reliable")
        stamp.text = to_iso(from_date_time(response.transaction_time))


def _errors(message: Element, readings: Sequence[Reading]) -> None:
    """Say which attributes the meter did not return, and why."""
    failed = [(position, each) for position, each in enumerate(readings, 1) if each.code]
    if not failed:
        return
    info = etree.SubElement(message, f"{_RA}DebugInfo")
    debug = etree.SubElement(info, f"{_RA}SMETS1Debug")
    for position, each in failed:
        one = etree.SubElement(debug, f"{_RA}SMETS1Response")
        one.set("ResponseCode", str(each.code))
        one.set("Position", str(position))
        append(one, [("Error", f"{each.name}: {result_name(each.code)}"[:250])])


def is_trusted(response: Message) -> bool:
    """Return whether the readings in a response may be signed: its MAC is valid."""
    return response.mac_status is Status.VALID


def readings_text(response: Element, s1sp: Signer) -> str | None:
    """Return the signed readings in a response as indented XML, None if it contains none.

    Raises `SignatureError` unless the S1SP signed them.
    """
    found = response.find(f".//{_IN}SMETS1SignedResponse")
    if found is None:
        return None
    octets = etree.tostring(found)
    tree, _ = verify(parse_xml(octets, len(octets)), {s1sp.serial: s1sp})
    etree.indent(tree)
    return etree.tostring(tree, encoding="unicode")
