"""JSON models of the journal of requests, and of explained messages."""

from typing import Annotated

from pydantic import Field

from esme_emulator.control.models import EUI_TEXT, Model, Text

MAX_ROWS = 1_000
"""Most requests of a page. Making more would hold up the cache, which shares the event loop."""


class RequestQuery(Model):
    """Selects requests; without any parameter, all."""

    device: Text | None = Field(default=None, description=EUI_TEXT)
    srv: Text | None = None
    party: Text | None = Field(default=None, description=EUI_TEXT)
    decision: Text | None = Field(
        default=None,
        description="hits, collapsed, forwarded, refused or failed; direct for commands that "
        "reached a meter and not the cache",
    )
    since: Text | None = Field(
        default=None, description="earliest time of a request, in ISO 8601 or Unix time"
    )
    before: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="`next` of the former page"
    )
    limit: Annotated[int, Field(ge=0, le=MAX_ROWS)] = 100


class ReceiptState(Model):
    """What a meter did with the command."""

    at: str
    outcome: str
    replies_due: list[str] = Field(description="when each of its replies is due")


class RequestState(Model):
    """A request, the decision of the cache, and what came of it."""

    number: int
    time: float = Field(description="when it was received, in Unix time")
    at: str = Field(description="the same in ISO 8601")
    device: str
    srv: str
    party: str | None = Field(description="null if the octets could not be read")
    counter: int | None = Field(description="originator counter of the command")
    start: str | None = Field(serialization_alias="from", description="first instant of the window")
    end: str | None = Field(serialization_alias="to", description="last instant of the window")
    decision: str
    reason: str = Field(description="why it was not answered from the cache, or got no reply")
    meter: list[ReceiptState] = Field(
        description="receipts of the command by the meter, if meters run in this process"
    )
    reply: str | None = Field(description="how the reply of the cache came about; null without one")
    age: int | None = Field(description="for a hit: seconds since its readings were received")
    seconds: float | None = Field(
        description="time from the request to its reply, by the clock; null without a reply"
    )


class RequestsState(Model):
    """The latest requests, newest first."""

    total: int = Field(description="number since the start or the last reset")
    kept: int = Field(description="number of those that are still in the journal")
    requests: list[RequestState]
    next: int | None = Field(description="value of `before` for the next page; null for the last")


class LineState(Model):
    """Some octets of a message, and their meaning."""

    offset: int
    octets: str = Field(description="hexadecimal digits")
    field: str
    meaning: str
    depth: int
    decrypted: bool = Field(description="whether the octets are of a decrypted attribute")


class ExplainedMessage(Model):
    """A message, octet by octet."""

    octets: str = Field(description="hexadecimal digits")
    kind: str | None = Field(description="such as command or response; null if unreadable")
    use_case: str | None = None
    mac: str | None = Field(default=None, description="whether its MAC is valid")
    signature: str | None = Field(default=None, description="whether its signature is valid")
    lines: list[LineState] = Field(default=[])
    error: str | None = Field(default=None, description="why the octets could not be decoded")


class RequestDetail(RequestState):
    """A request with its messages explained."""

    command: ExplainedMessage
    replies: list[ExplainedMessage] = Field(
        description="the different replies: that of the cache first, then those of the meter"
    )


class Octets(Model):
    """Messages to explain."""

    message: Annotated[str, Field(min_length=1, max_length=60_000)] = Field(
        description="hex, base64, a hexdump or DUIS (XML), of one message or several"
    )


class Explanation(Model):
    """The messages that were found."""

    messages: list[ExplainedMessage]
    left_off: bool
