"""DUIS documents as frozen data: requests of users, and responses of the DCC.

Knows no XML: `requests` reads it, `responses` writes it. Instants are seconds since 2000-01-01,
as in GBCS; `now` and `at` are Unix times in seconds.

Source: DUIS XML schema 5.4 (SEC Appendix AD).
"""

import re
from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum
from typing import TypeAlias

from gbcs import EUI
from gbcs.usecases.read_request import Window

REQUEST_NAMESPACE = "http://www.dccinterface.co.uk/ServiceUserGateway"
"""Namespace of requests and responses; DCC writes it with the prefix `sr`."""
SCHEMA_VERSION = "5.4"
"""Version that responses state. Clients do not check it."""
DSP = EUI.parse("90B3D51F30000002")
"""EUI of the DSP (Data Service Provider): target of requests that no device receives."""

_EUI = "(?:[0-9A-Fa-f]{2}-){7}[0-9A-Fa-f]{2}"
_REQUEST_ID = re.compile(f"({_EUI}):({_EUI}):(0|[1-9][0-9]{{0,19}})")
_EUI_TEXT = re.compile(_EUI)
_COUNTER_LIMIT = 1 << 64


def eui_of(text: str) -> EUI:
    """Return the EUI in `text`: eight pairs of hexadecimal digits, joined by hyphens.

    >>> eui_of("00-db-e5-00-00-00-00-00")
    EUI('00DBE50000000000')

    Raises `ValueError`.
    """
    if not _EUI_TEXT.fullmatch(text):
        raise ValueError(f"{text!r:.60} is not an EUI: write 00-DB-E5-00-00-00-00-00")
    return EUI.parse(text)


def text_of(eui: EUI) -> str:
    """Return an EUI as DUIS writes it.

    >>> text_of(EUI.parse("00DBE50000000000"))
    '00-DB-E5-00-00-00-00-00'
    """
    return eui.hex("-").upper()


DEFAULT_ADDRESS = "http://127.0.0.1:1880/smartdcc/duis"
"""Where DCC's nodes for Node-RED receive responses by default."""


@dataclass(frozen=True, slots=True)
class RequestId:
    """The identity of a request or a response: originator, target and counter."""

    originator: EUI
    target: EUI
    counter: int
    written: str = field(default="", compare=False)
    """The text received. Clients look a response up under the text that they sent."""

    @classmethod
    def parse(cls, text: str) -> "RequestId":
        """Return the identity in `text`; the case of the EUIs does not matter.

        Raises `ValueError`.
        """
        found = _REQUEST_ID.fullmatch(text)
        if found is None or int(found[3]) >= _COUNTER_LIMIT:
            raise ValueError(f"{text!r:.80} is not a RequestID: write originator:target:counter")
        return cls(EUI.parse(found[1]), EUI.parse(found[2]), int(found[3]), text)

    def __str__(self) -> str:
        return self.written or (f"{text_of(self.originator)}:{text_of(self.target)}:{self.counter}")

    @property
    def reply(self) -> "RequestId":
        """The ResponseID of the device's response: target, originator and the same counter."""
        return RequestId(self.target, self.originator, self.counter)


class Endpoint(StrEnum):
    """The services that receive requests, by the last part of their path."""

    SEND = "serviceS"
    """Send Command: commands for devices."""
    TRANSFORM = "serviceT"
    """Transform: a critical request becomes a pre-command."""
    NON_DEVICE = "serviceD"
    """Requests that the DCC answers itself."""


ENDPOINT_OF = {
    **dict.fromkeys((1, 3, 5, 7), Endpoint.SEND),
    4: Endpoint.TRANSFORM,
    **dict.fromkeys((2, 6, 8), Endpoint.NON_DEVICE),
}
"""The service of each command variant; 9 is internal to the DCC and has none."""


class Code(StrEnum):
    """Response codes of DUIS. Only codes whose meaning is published are here."""

    DONE = "I0"
    """The response of the device, or the content of a request that no device receives."""
    ACCEPTED = "I99"
    """Accepted for sending; or done, without content."""
    UNKNOWN_USER = "E1"
    """User and role are no valid combination."""
    ROLE = "E2"
    """The role may not send this service reference."""
    NOT_REGISTERED = "E4"
    """The role is not authorised for this device and the required dates."""
    NOT_COMPATIBLE = "E11"
    """The service is not compatible with the device."""
    VARIANT = "E12"
    """The command variant is not applicable to the request."""
    WRONG_URL = "E13"
    """The request is not valid at this URL."""
    NOT_LOCAL = "E17"
    """Not available for local delivery."""
    NO_DEVICE = "E19"
    """The device does not exist."""
    UNREACHABLE = "E20"
    """Cannot communicate with the device."""
    NO_RESPONSE = "E21"
    """No response from the device."""
    TIMED_OUT = "E30"
    """A future-dated command timed out."""


# Bodies of requests


@dataclass(frozen=True, slots=True)
class Read:
    """A read of a meter (service references 4.1 to 4.18)."""

    element: str
    window: Window | None = None
    """Both ends included, as in GBCS."""
    credentials: bytes = b""
    """DER certificate that the response is encrypted for, empty if absent."""
    execution: int | None = None
    """When the DCC sends the command; None for now."""


@dataclass(frozen=True, slots=True)
class Prepayment:
    """Parameters of prepayment mode."""

    suspend_debt_disabled: bool
    suspend_debt_emergency: bool
    disablement_threshold: int


@dataclass(frozen=True, slots=True)
class UpdatePaymentMode:
    """A critical request (1.6): prepayment mode, or credit mode if `prepayment` is None."""

    prepayment: Prepayment | None
    execution: int | None = None


@dataclass(frozen=True, slots=True)
class SignedPreCommand:
    """A pre-command that the user signed: a GBCS command without MAC."""

    payload: bytes
    execution: int | None = None


class Frequency(StrEnum):
    """How often a schedule runs."""

    DAILY = "Daily"
    WEEKLY = "Weekly"
    MONTHLY = "Monthly"
    QUARTERLY = "Quarterly"
    HALF_YEARLY = "Half-Yearly"
    YEARLY = "Yearly"


@dataclass(frozen=True, slots=True)
class Offsets:
    """The window of a scheduled read: days before the day of the run, and times of day in UTC."""

    start_days: int
    """0 to -400, as `end_days`."""
    start_time: time
    end_days: int
    end_time: time


@dataclass(frozen=True, slots=True)
class CreateSchedule:
    """A schedule of reads (5.1), and the details of one in the answer to ReadSchedule."""

    frequency: Frequency
    start: date
    reference: str
    srv: str
    device: EUI
    element: str
    offsets: Offsets | None = None
    end: date | None = None
    at: time | None = None
    """Time of day of the runs in UTC; None for midnight."""
    credentials: bytes = b""


@dataclass(frozen=True, slots=True)
class ReadSchedule:
    """Reads (5.2) one schedule, or all of a device; exactly one field is set."""

    schedule: int | None = None
    device: EUI | None = None


@dataclass(frozen=True, slots=True)
class DeleteSchedule:
    """Deletes (5.3) one schedule, or all of a device; exactly one field is set."""

    schedule: int | None = None
    device: EUI | None = None


@dataclass(frozen=True, slots=True)
class ReadInventory:
    """Reads the inventory (8.2) of the premises of a device; None if it names no device."""

    device: EUI | None


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A body of DUIS that this gateway knows by name only."""

    element: str


Body: TypeAlias = (
    Read
    | UpdatePaymentMode
    | SignedPreCommand
    | CreateSchedule
    | ReadSchedule
    | DeleteSchedule
    | ReadInventory
    | Unsupported
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a user."""

    id: RequestId
    variant: int
    """Command variant, 1 to 9: 1 a non-critical command, 4 a critical one to be transformed, 5 a
    signed pre-command, 8 a request to the DCC itself."""
    reference: str
    srv: str
    """Service reference variant, such as 4.8.1."""
    body: Body

    @property
    def execution(self) -> int | None:
        """When the DCC sends the command, in seconds since 2000; None for now.

        The DCC holds reads only. A critical command that is future dated is sent at once, and the
        meter holds it.
        """
        return self.body.execution if isinstance(self.body, Read) else None


# Contents of responses


@dataclass(frozen=True, slots=True)
class GbcsPayload:
    """The response of a device, MAC header included."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class PreCommand:
    """A GBCS command that the user must sign."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class ScheduleId:
    """The number of a new schedule."""

    schedule: int


@dataclass(frozen=True, slots=True)
class SchedulesRead:
    """Schedules by their numbers: at least one, at most 99."""

    schedules: tuple[tuple[int, CreateSchedule], ...]


@dataclass(frozen=True, slots=True)
class ScheduledMessage:
    """The response of a device to a scheduled read."""

    octets: bytes
    schedule: int


@dataclass(frozen=True, slots=True)
class SignedReadings:
    """Decoded readings of a SMETS1 meter."""

    octets: bytes
    """A SMETS1SignedResponse: a document that the S1SP (SMETS1 Service Provider) signed."""
    schedule: int | None = None
    """The schedule that asked for them, None if a request did."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """Meters at one of the premises: EUI and kind (single, twin or polyphase)."""

    devices: tuple[tuple[EUI, str], ...]


Content: TypeAlias = (
    GbcsPayload
    | PreCommand
    | ScheduleId
    | SchedulesRead
    | ScheduledMessage
    | SignedReadings
    | Inventory
)


@dataclass(frozen=True, slots=True)
class Response:
    """A response of the DCC. Codes other than I0 have no content."""

    code: Code
    at: float
    reference: str
    srv: str
    request_id: RequestId | None = None
    """None in the response to a scheduled read."""
    response_id: RequestId | None = None
    """Set if the response is about a command that was sent to a device."""
    content: Content | None = None

    @classmethod
    def to(
        cls,
        request: Request,
        code: Code,
        at: float,
        content: Content | None = None,
        *,
        from_device: bool = False,
    ) -> "Response":
        """Return the response to `request`; one from (or about) the device has a ResponseID."""
        response_id = request.id.reply if from_device else None
        return cls(code, at, request.reference, request.srv, request.id, response_id, content)
