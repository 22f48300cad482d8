"""Read DUIS requests from XML, defused, and as strict as DCC's schema about what is read.

Bodies that the gateway does not support are known by the name of their element only. A body must
be that of the request's SRV, which the schema does not demand.

Source: DUIS XML schema 5.4 (SEC Appendix AD).
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias, TypeVar

from lxml import etree

from esme_emulator.gateway import values
from esme_emulator.gateway.documents import (
    REQUEST_NAMESPACE,
    Body,
    CreateSchedule,
    DeleteSchedule,
    Frequency,
    Offsets,
    Prepayment,
    Read,
    ReadInventory,
    ReadSchedule,
    Request,
    RequestId,
    SignedPreCommand,
    Unsupported,
    UpdatePaymentMode,
    eui_of,
)
from esme_emulator.gateway.services import (
    BY_ELEMENT,
    REFERENCES,
    SCHEDULED,
    SERVICES,
    BodyKind,
    DuisService,
)
from gbcs import EUI
from gbcs.usecases.read_request import Window

Element: TypeAlias = etree._Element
T = TypeVar("T")

MAX_OCTETS = 1 << 16
"""Longest request, in octets. Requests have 1.6 kB, signed pre-commands a few kB."""
MAX_DEPTH = 32
"""Deepest nesting, in elements; tariffs have 11."""
MAX_SCHEDULE_ID = 10**12
MAX_DAYS = 400
"""Days by which the window of a schedule may lie before its run."""

SIGNED_PRE_COMMAND = "SignedPreCommand"
_IN = f"{{{REQUEST_NAMESPACE}}}"
_SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"


class DocumentError(ValueError):
    """XML that is not well-formed, not allowed, or no DUIS request; one line."""


def parse_xml(octets: bytes, limit: int = MAX_OCTETS) -> Element:
    """Return the root element of a document.

    Raises `DocumentError` if it is longer than `limit` octets, not well-formed, too deep, or has a
    document type, a comment or a processing instruction. Comments are refused because a signature
    does not cover them, yet they split the text that a reader sees.
    """
    if len(octets) > limit:
        raise DocumentError(f"{len(octets)} octets of XML; {limit} are the limit")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(octets, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        line = " ".join(str(error).split())
        raise DocumentError(f"not well-formed XML: {line:.200}") from None
    if root.getroottree().docinfo.internalDTD is not None:  # also of a mere <!DOCTYPE x SYSTEM "">
        raise DocumentError("XML with a document type: remove <!DOCTYPE ...>")
    if root.getprevious() is not None or root.getnext() is not None:
        raise DocumentError("a comment or processing instruction beside the root: remove it")
    _check_nodes(root)
    return root


def _check_nodes(root: Element) -> None:
    depth = 0
    for event, node in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        if event not in ("start", "end"):
            raise DocumentError("a comment or processing instruction in XML: remove it")
        if not isinstance(node.tag, str):
            raise DocumentError("an entity in XML: write its text")
        depth += 1 if event == "start" else -1
        if depth > MAX_DEPTH:
            raise DocumentError(f"XML nested deeper than {MAX_DEPTH} elements")


def read_request(root: Element) -> Request:
    """Return the request in `root`, which the caller has verified and whose signature is removed.

    Raises `DocumentError` with the element and what is wrong with it.
    """
    if root.tag != f"{_IN}Request":
        raise DocumentError(f"{_name(root)}: not a Request in {REQUEST_NAMESPACE}")
    attributes = {str(name): str(value) for name, value in root.items() if name != _SCHEMA_LOCATION}
    if list(attributes) != ["schemaVersion"]:
        raise DocumentError("Request: needs the attribute schemaVersion, and no other")
    _value(root, values.check_decimal, attributes["schemaVersion"])
    parts = _Children(root, attributes=True)
    header, body = parts.required("Header"), parts.required("Body")
    parts.end()
    return _request(_Children(header), body)


def _request(header: "_Children", body: Element) -> Request:
    identity = header.value("RequestID", _request_id)
    header.optional("FirstInSequence", values.boolean)
    header.optional("PrecedingServiceRequestID", _request_id)
    variant = header.value("CommandVariant", lambda text: values.integer(text, 1, 9))
    reference = header.value("ServiceReference", _one_of(REFERENCES))
    srv = header.value("ServiceReferenceVariant", _one_of(SERVICES))
    header.end()
    service = SERVICES[srv]
    if service.reference != reference:
        raise DocumentError(f"ServiceReference: {reference} is not that of {srv}")
    return Request(identity, variant, reference, srv, _body(body, service))


def _body(element: Element, service: DuisService) -> Body:
    content = _Children(element).only()
    name = _name(content)
    if name == SIGNED_PRE_COMMAND:
        return _signed_pre_command(content)
    read = BY_ELEMENT.get(name)
    if (read is None and service.element) or (read is not None and read != service):
        raise DocumentError(f"{name}: not the body of SRV {service.srv}")
    if read is None:
        return Unsupported(name)
    return _READERS[service.body](content)


def _request_id(text: str) -> RequestId:
    return RequestId.parse(values.collapsed(text))


def _one_of(names: "frozenset[str] | dict[str, DuisService]") -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in names:
            raise ValueError(f"{text!r:.40} is not one of DUIS")
        return text

    return check


# Readers of bodies


def _now(element: Element) -> Read:
    if len(element) or element.text or element.attrib:
        raise DocumentError(f"{_name(element)}: must be empty")
    return Read(_name(element))


def _dated(element: Element) -> Read:
    parts = _Children(element)
    execution = parts.optional("ExecutionDateTime", values.instant)
    parts.end()
    return Read(_name(element), execution=execution)


def _log(element: Element, private: bool = False) -> Read:
    parts = _Children(element)
    execution = parts.optional("ExecutionDateTime", values.instant)
    period = _Children(parts.required("ReadLogPeriod"))
    window = Window(
        period.value("StartDateTime", values.instant), period.value("EndDateTime", values.instant)
    )
    period.end()
    credentials = b""
    if private:
        credentials = parts.optional("KAPublicSecurityCredentials", values.octets) or b""
    parts.end()
    return Read(_name(element), window, credentials, execution)


def _private_log(element: Element) -> Read:
    return _log(element, private=True)


def _payment_mode(element: Element) -> UpdatePaymentMode:
    parts = _Children(element)
    execution = parts.optional("ExecutionDateTime", values.instant)
    mode = parts.one_of("Credit", "Prepayment")
    parts.end()
    if _name(mode) == "Credit":
        _now(mode)
        return UpdatePaymentMode(None, execution)
    inner = _Children(mode)
    prepayment = Prepayment(
        inner.value("SuspendDebtDisabled", values.boolean),
        inner.value("SuspendDebtEmergency", values.boolean),
        inner.value(
            "DisablementThreshold", lambda text: values.integer(text, -(1 << 31), (1 << 31) - 1)
        ),
    )
    inner.end()
    return UpdatePaymentMode(prepayment, execution)


def _signed_pre_command(element: Element) -> SignedPreCommand:
    parts = _Children(element)
    execution = parts.optional("ExecutionDateTime", values.instant)
    payload = parts.value("GBCSPayload", values.octets)
    parts.end()
    return SignedPreCommand(payload, execution)


def _create_schedule(element: Element) -> CreateSchedule | Unsupported:
    parts = _Children(element)
    frequency = parts.value("ScheduleFrequency", Frequency)
    start = parts.value("ScheduleStartDate", values.day)
    end = parts.optional("ScheduleEndDate", values.day)
    at = parts.optional("ScheduleExecutionStartTime", values.time_of_day)
    credentials = parts.optional("KAPublicSecurityCredential", values.octets) or b""
    reference = parts.value("DSPScheduledServiceReference", _one_of(_SCHEDULED_REFERENCES))
    srv = parts.value("DSPScheduledServiceReferenceVariant", _one_of(_SCHEDULED_SRVS))
    device = parts.value("DeviceID", _eui)
    content = parts.one_of(*SCHEDULED, _GAS_SCHEDULE)
    parts.end()
    if _name(content) == _GAS_SCHEDULE:
        return Unsupported(_GAS_SCHEDULE)
    service = SCHEDULED[_name(content)]
    if service.srv != srv or service.reference != reference:
        raise DocumentError(f"{_name(content)}: not the schedule of SRV {srv}")
    offsets = _offsets(content) if service.logged else None
    if offsets is None:
        _now(content)
    return CreateSchedule(
        frequency,
        start,
        reference,
        srv,
        device,
        service.element,
        offsets,
        end,
        at,
        credentials,
    )


def _offsets(element: Element) -> Offsets:
    parts = _Children(element)
    offsets = Offsets(
        parts.value("StartDateOffset", _days),
        parts.value("StartTime", values.time_of_day),
        parts.value("EndDateOffset", _days),
        parts.value("EndTime", values.time_of_day),
    )
    parts.end()
    return offsets


def _days(text: str) -> int:
    return values.integer(text, -MAX_DAYS, 0)


def _eui(text: str) -> EUI:
    return eui_of(values.collapsed(text))


def _read_schedule(element: Element) -> ReadSchedule:
    return ReadSchedule(*_schedule(element))


def _delete_schedule(element: Element) -> DeleteSchedule:
    return DeleteSchedule(*_schedule(element))


def _schedule(element: Element) -> tuple[int | None, EUI | None]:
    parts = _Children(element)
    one = parts.one_of("DSPScheduleID", "DeviceID")
    parts.end()
    if _name(one) == "DeviceID":
        return None, _value(one, _eui, _text(one))
    return _value(one, lambda text: values.integer(text, 0, MAX_SCHEDULE_ID), _text(one)), None


def _read_inventory(element: Element) -> ReadInventory:
    parts = _Children(element)
    one = parts.one_of("DeviceID", "UPRN", "MPxN", "PropertyFilter")
    parts.end()
    if _name(one) == "DeviceID":
        return ReadInventory(_value(one, _eui, _text(one)))
    if _name(one) == "UPRN":
        _value(one, lambda text: values.integer(text, 1, 10**12 - 1), _text(one))
    elif _name(one) == "MPxN":
        _value(one, _length(1, 13), _text(one))
    else:
        address = _Children(one)
        address.value("PostCode", _length(6, 8))
        address.value("AddressIdentifier", _length(0, 30))
        address.end()
    return ReadInventory(None)


def _length(least: int, most: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not least <= len(text) <= most:
            raise ValueError(f"{text!r:.40} has not {least} to {most} characters")
        return text

    return check


_GAS_SCHEDULE = "DSPRecordNetworkDataGAS"
"""SRV 14.1, the one schedule for gas meters."""
_SCHEDULED_REFERENCES = frozenset({"14.1", *(row.reference for row in SCHEDULED.values())})
_SCHEDULED_SRVS = frozenset({"14.1", *(row.srv for row in SCHEDULED.values())})

_READERS: dict[BodyKind, Callable[[Element], Body]] = {
    BodyKind.NOW: _now,
    BodyKind.DATED: _dated,
    BodyKind.LOG: _log,
    BodyKind.PRIVATE_LOG: _private_log,
    BodyKind.PAYMENT_MODE: _payment_mode,
    BodyKind.CREATE_SCHEDULE: _create_schedule,
    BodyKind.READ_SCHEDULE: _read_schedule,
    BodyKind.DELETE_SCHEDULE: _delete_schedule,
    BodyKind.READ_INVENTORY: _read_inventory,
}


class _Children:
    """The children of an element without text of its own, taken in their order."""

    def __init__(self, element: Element, *, attributes: bool = False) -> None:
        self._name = _name(element)
        if element.attrib and not attributes:
            raise DocumentError(f"{self._name}: takes no attribute")
        if any((text or "").strip(" \t\r\n") for text in _texts(element)):
            raise DocumentError(f"{self._name}: has text between its elements")
        self._rest = list(element)

    def required(self, name: str) -> Element:
        if not self._rest or self._rest[0].tag != f"{_IN}{name}":
            found = _name(self._rest[0]) if self._rest else "nothing"
            raise DocumentError(f"{self._name}: needs {name} here, and has {found}")
        return self._rest.pop(0)

    def one_of(self, *names: str) -> Element:
        found = _name(self._rest[0]) if self._rest else "nothing"
        if found not in names:
            raise DocumentError(f"{self._name}: needs one of {', '.join(names)}, and has {found}")
        return self.required(found)

    def value(self, name: str, read: Callable[[str], T]) -> T:
        element = self.required(name)
        return _value(element, read, _text(element))

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        if self._rest and self._rest[0].tag == f"{_IN}{name}":
            return self.value(name, read)
        return None

    def only(self) -> Element:
        if len(self._rest) != 1 or not str(self._rest[0].tag).startswith(_IN):
            raise DocumentError(f"{self._name}: needs exactly one element")
        return self._rest[0]

    def end(self) -> None:
        if self._rest:
            raise DocumentError(f"{self._name}: {_name(self._rest[0])} does not belong here")


def _texts(element: Element) -> Iterator[str | None]:
    yield element.text
    for child in element:
        yield child.tail


def _text(element: Element) -> str:
    if len(element) or element.attrib:
        raise DocumentError(f"{_name(element)}: takes text alone")
    return element.text or ""


def _value(element: Element, read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise DocumentError(f"{_name(element)}: {error}") from None


def _name(element: Element) -> str:
    """Return the name of an element; with its namespace unless that is DUIS's."""
    return str(element.tag).removeprefix(_IN)[:100]
