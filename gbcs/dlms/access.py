"""The DLMS APDUs in GBCS messages: access-request, access-response, data-notification.

Knows their layout, and nothing of what the attributes mean. The schemas are private; users see the
frozen dataclasses.

Source: DLMS UA 1000-2 clause 9.4.6, as GBCS v4.1 clause 7.2.9 restricts it; all DLMS vectors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from construct import Const, If, Int8ub, Int16ub, Int32ub, this

from gbcs.axdr import Length, LengthValue, Octets, write_length
from gbcs.dlms.data import Data, DataField, DataList, Encoded, data_spans
from gbcs.errors import DecodeError, EncodeError
from gbcs.frozen import maker
from gbcs.records import Record, Rows
from gbcs.templates import Filled, Reader, Span, Writer, refill
from gbcs.wire import Schema, spans_of

ACCESS_REQUEST, ACCESS_RESPONSE, DATA_NOTIFICATION = 0xD9, 0xDA, 0x0F


class Choice(IntEnum):
    """The kind of an access."""

    GET = 1
    SET = 2
    ACTION = 3
    GET_WITH_SELECTION = 4
    SET_WITH_SELECTION = 5

    @property
    def selects(self) -> bool:
        """Whether a selector and its parameters follow the attribute."""
        return self >= Choice.GET_WITH_SELECTION


@dataclass(frozen=True, slots=True)
class Access:
    """One access of an access-request: an attribute or method, and the data sent with it."""

    choice: Choice
    class_id: int
    obis: bytes
    """Six octets of the logical name."""
    index: int
    """Number of the attribute, or of the method if `choice` is ACTION."""
    data: Data
    selector: int | None = None
    selection: Data | None = None


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """The content of a command: accesses that are attempted in turn."""

    invoke_id: int
    """Long invoke id and priority: 0x20 and the low 24 bits of the originator counter."""
    accesses: tuple[Access, ...]
    date_time: bytes = b""
    filled: Filled | None = field(init=False, default=None, compare=False, repr=False)
    """The template and the gaps that it was read from, None if it was not read by template."""


@dataclass(frozen=True, slots=True)
class AccessResult:
    """The result of one access: `code` is a data-access-result or action-result, 0 is success."""

    choice: Choice
    code: int
    data: Data


@dataclass(frozen=True, slots=True)
class AccessResponse:
    """The content of a response: the result of each access, in the order of the command."""

    invoke_id: int
    results: tuple[AccessResult, ...]
    date_time: bytes = b""


@dataclass(frozen=True, slots=True)
class DataNotification:
    """The content of an alert."""

    invoke_id: int
    body: Data
    date_time: bytes = b""


Apdu = AccessRequest | AccessResponse | DataNotification

_access, _access_request = maker(Access), maker(AccessRequest)
_access_result, _access_response = maker(AccessResult), maker(AccessResponse)

_SELECTS = this.choice >= Choice.GET_WITH_SELECTION.value
_SPECIFICATION = Record(
    "choice" / Int8ub,
    "class_id" / Int16ub,
    "obis" / Octets(6),
    "index" / Int8ub,
    "selector" / If(_SELECTS, Int8ub),
    "selection" / If(_SELECTS, DataField()),
)
_HEAD = ("invoke_id" / Int32ub, "date_time" / LengthValue())

_REQUEST = Schema(
    "access_request",
    Record(
        Const(bytes((ACCESS_REQUEST,))),
        *_HEAD,
        "specifications" / Rows(_SPECIFICATION, Length()),
        "data" / DataList(),
    ),
)
_RESPONSE = Schema(
    "access_response",
    Record(
        Const(bytes((ACCESS_RESPONSE,))),
        *_HEAD,
        Const(b"\x00"),  # the optional echo of the specifications, never present
        "data" / DataList(),
        "results" / Rows(Record("choice" / Int8ub, "code" / Int8ub), Length()),
    ),
)
_NOTIFICATION = Schema(
    "data_notification",
    Record(Const(bytes((DATA_NOTIFICATION,))), *_HEAD, "body" / DataField()),
)


def decode_apdu(content: bytes) -> Apdu:
    """Return the APDU that `content` holds. Raises `DecodeError`."""
    tag = content[0] if content else -1
    if tag == ACCESS_REQUEST:
        return _READ_REQUEST(content)
    if tag == ACCESS_RESPONSE:
        return _READ_RESPONSE(content)
    if tag == DATA_NOTIFICATION:
        fields = _NOTIFICATION.parse(content)
        return DataNotification(fields["invoke_id"], fields["body"], fields["date_time"])
    raise DecodeError(f"{content[:1].hex() or 'no octet'} is not the tag of an APDU", "apdu")


def _decode_request(content: bytes) -> AccessRequest:
    fields = _REQUEST.parse(content)
    # All specifications come first, then all data: the counts of both must agree.
    specifications, data = fields["specifications"], fields["data"]
    _same_number(len(specifications), len(data), "access_request.data")
    accesses = tuple(
        [
            _access(
                _choice(item["choice"], "access_request.specifications"),
                item["class_id"],
                item["obis"],
                item["index"],
                value,
                item["selector"],
                item["selection"],
            )
            for item, value in zip(specifications, data, strict=True)
        ]
    )
    return _access_request(fields["invoke_id"], accesses, fields["date_time"])


def _decode_response(content: bytes) -> AccessResponse:
    fields = _RESPONSE.parse(content)
    data, codes = fields["data"], fields["results"]
    _same_number(len(data), len(codes), "access_response.results")
    results = tuple(
        [
            _access_result(_choice(item["choice"], "access_response.results"), item["code"], value)
            for item, value in zip(codes, data, strict=True)
        ]
    )
    return _access_response(fields["invoke_id"], results, fields["date_time"])


def _spans(schema: Schema, content: bytes) -> Iterator[Span]:
    """Yield the gaps of an APDU: its invoke id, and those of the values in it."""
    end = 0
    traced = schema.trace(content)
    yield from spans_of(traced, ("invoke_id",))
    for part in traced:
        end += len(part.octets)
        if isinstance(part.value, Data):
            yield from data_spans((part.value,), end)
        elif part.name == "data":
            yield from data_spans(part.value, end)


def request_spans(content: bytes) -> Iterator[Span]:
    """Yield the gaps of an access-request."""
    return _spans(_REQUEST, content)


EncodedResult: TypeAlias = tuple[Choice, int, bytes]
"""The result of one access: its kind, its code, and its data as A-XDR, exactly one value."""


def write_response(invoke_id: int, results: Sequence[EncodedResult]) -> bytes:
    """Return the octets of an access-response. Raises `EncodeError` if a code has over 8 bits.

    `invoke_id` has 32 bits. That the data of each result are one value is not checked again.
    """
    kinds = tuple([(choice, code) for choice, code, _ in results])
    data = b"".join([octets for _, _, octets in results])

    key, gaps = (kinds, len(data)), (invoke_id.to_bytes(4, "big"), data)
    octets = _WRITE_RESPONSE.fill(key, gaps)
    if octets is None:
        codes = [{"choice": choice, "code": code} for choice, code in kinds]
        values = [Encoded(octets) for _, _, octets in results]
        octets = built = _RESPONSE.build(
            {"invoke_id": invoke_id, "date_time": b"", "data": values, "results": codes}
        )
        _WRITE_RESPONSE.learn(key, gaps, lambda: built)
    return octets


def _response_spans(content: bytes) -> Iterator[Span]:
    """Yield two gaps: the invoke id, and all data together."""
    traced = _RESPONSE.trace(content)
    yield from spans_of(traced, ("invoke_id",))
    for start, end in spans_of(traced, ("data",)):
        count = len(write_length(len(_decode_response(content).results)))
        yield start + count, end


_WRITE_RESPONSE = Writer(_response_spans)

_FIRST_ACCESS = slice(7, 17)
"""Where the first access of a request stands: it tells requests of one length apart."""

_READ_REQUEST = Reader(_decode_request, request_spans, _FIRST_ACCESS)
_READ_RESPONSE = Reader(_decode_response, lambda content: _spans(_RESPONSE, content))


_CHOICES = {int(choice): choice for choice in Choice}


def _choice(number: int, path: str) -> Choice:
    try:
        return _CHOICES[number]
    except KeyError:
        raise DecodeError(f"{number} is not a kind of access", path) from None


def _same_number(first: int, second: int, path: str) -> None:
    if first != second:
        raise DecodeError(f"{first} and {second} items; both numbers must be equal", path)


def encode_apdu(apdu: Apdu) -> bytes:
    """Return the octets of `apdu`. Raises `EncodeError` if a value does not fit its type."""
    octets = refill(apdu.filled) if isinstance(apdu, AccessRequest) else None
    if octets is not None:
        return octets
    head = {"invoke_id": apdu.invoke_id, "date_time": apdu.date_time}
    match apdu:
        case AccessRequest(accesses=accesses):
            for access in accesses:
                # Selector and selection must both be present or both absent, as the choice says.
                given = {access.selector is not None, access.selection is not None}
                if given != {access.choice.selects}:
                    raise EncodeError("a selection needs an access with selection", "access")
            specifications = [
                {
                    "choice": access.choice,
                    "class_id": access.class_id,
                    "obis": access.obis,
                    "index": access.index,
                    "selector": access.selector,
                    "selection": access.selection,
                }
                for access in accesses
            ]
            data = [access.data for access in accesses]
            return _REQUEST.build({**head, "specifications": specifications, "data": data})
        case AccessResponse(results=results):
            codes = [{"choice": result.choice, "code": result.code} for result in results]
            data = [result.data for result in results]
            return _RESPONSE.build({**head, "data": data, "results": codes})
        case DataNotification(body=body):
            return _NOTIFICATION.build({**head, "body": body})
