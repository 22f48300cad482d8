"""Write DUIS responses as XML: compact, in the order of DCC's schema.

Compact because DCC's tool drops white space between elements, and in values, before it checks a
signature: what was signed with white space is invalid for it.

Source: DUIS XML schema 5.4 (SEC Appendix AD); responses of a DCC Boxed.
"""

from datetime import time
from functools import singledispatch

from lxml import etree

from esme_emulator.gateway.documents import (
    REQUEST_NAMESPACE,
    SCHEMA_VERSION,
    Content,
    CreateSchedule,
    GbcsPayload,
    Inventory,
    PreCommand,
    Response,
    ScheduledMessage,
    ScheduleId,
    SchedulesRead,
    SignedReadings,
    text_of,
)
from esme_emulator.gateway.requests import Element
from esme_emulator.gateway.values import base64_of, stamp

GBCS_VERSION = "4.1"
"""Version that pre-commands state."""

_IN = f"{{{REQUEST_NAMESPACE}}}"
_MANUFACTURER, _MODEL = "ESME", "EMULATED"


def write_response(response: Response) -> Element:
    """Return the root element of `response`, unsigned. `signature.sign` makes octets of it."""
    # The root declares no other prefix: it would be part of what DCC's profile signs.
    root = etree.Element(f"{_IN}Response", nsmap={"sr": REQUEST_NAMESPACE})
    root.set("schemaVersion", SCHEMA_VERSION)
    header = _add(root, "Header")
    if response.request_id is not None:
        _add(header, "RequestID", str(response.request_id))
    if response.response_id is not None:
        _add(header, "ResponseID", str(response.response_id))
    _add(header, "ResponseCode", response.code)
    _add(header, "ResponseDateTime", stamp(response.at))
    smets1 = isinstance(response.content, SignedReadings)
    message = _add(_add(root, "Body"), "SMETS1ResponseMessage" if smets1 else "ResponseMessage")
    _add(message, "ServiceReference", response.reference)
    _add(message, "ServiceReferenceVariant", response.srv)
    if response.content is not None:
        _write(response.content, message)
    return root


def _add(parent: Element, name: str, text: str | None = None) -> Element:
    child = etree.SubElement(parent, f"{_IN}{name}")
    child.text = text
    return child


@singledispatch
def _write(content: Content, message: Element) -> None:
    """Add `content` to the ResponseMessage."""
    raise TypeError(f"not a content of responses: {type(content).__name__}")


@_write.register
def _(content: GbcsPayload, message: Element) -> None:
    _add(message, "GBCSPayload", base64_of(content.octets))


@_write.register
def _(content: PreCommand, message: Element) -> None:
    element = _add(message, "PreCommand")
    _add(element, "GBCSVersion", GBCS_VERSION)
    _add(element, "GBCSPayload", base64_of(content.octets))


@_write.register
def _(content: ScheduleId, message: Element) -> None:
    _add(message, "DSPScheduleID", str(content.schedule))


@_write.register
def _(content: ScheduledMessage, message: Element) -> None:
    element = _add(message, "DSPScheduledMessage")
    _add(element, "GBCSPayload", base64_of(content.octets))
    _add(element, "DSPScheduleID", str(content.schedule))


@_write.register
def _(content: SignedReadings, message: Element) -> None:
    if content.schedule is not None:
        _add(message, "DSPScheduleID", str(content.schedule))
    message.append(etree.fromstring(content.octets))


@_write.register
def _(content: SchedulesRead, message: Element) -> None:
    element = _add(message, "DSPSchedulesRead")
    for number, details in content.schedules:
        one = _add(element, "DSPSchedules")
        _add(one, "DSPScheduleID", str(number))
        _write_schedule(details, _add(one, "DSPScheduleDetails"))


def _write_schedule(details: CreateSchedule, element: Element) -> None:
    _add(element, "ScheduleFrequency", details.frequency)
    _add(element, "ScheduleStartDate", details.start.isoformat())
    if details.end is not None:
        _add(element, "ScheduleEndDate", details.end.isoformat())
    if details.at is not None:
        _add(element, "ScheduleExecutionStartTime", _utc(details.at))
    if details.credentials:
        _add(element, "KAPublicSecurityCredential", base64_of(details.credentials))
    _add(element, "DSPScheduledServiceReference", details.reference)
    _add(element, "DSPScheduledServiceReferenceVariant", details.srv)
    _add(element, "DeviceID", text_of(details.device))
    read = _add(element, f"DSP{details.element}")
    if details.offsets is not None:
        _add(read, "StartDateOffset", str(details.offsets.start_days))
        _add(read, "StartTime", _utc(details.offsets.start_time))
        _add(read, "EndDateOffset", str(details.offsets.end_days))
        _add(read, "EndTime", _utc(details.offsets.end_time))


def _utc(at: time) -> str:
    return f"{at.isoformat()}Z"


@_write.register
def _(content: Inventory, message: Element) -> None:
    element = _add(message, "DSPInventory")
    for eui, _ in content.devices:
        device = _add(element, "Device")
        _add(device, "DeviceID", text_of(eui))
        _add(device, "DeviceType", "ESME")
        _add(device, "DeviceStatus", "Commissioned")
        _add(device, "DeviceManufacturer", _MANUFACTURER)
        _add(device, "DeviceModel", _MODEL)
