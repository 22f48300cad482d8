"""The read requests in a command: attributes, whole or by window, in clear or protected.

Reads them from the accesses of a command, and writes the command of every reading service. Knows
nothing of what the attributes hold or how they are answered.

Source: GBCS v4.1 clauses 8.5 and 9.1.5; the vectors of commands of SRVs 4.1.1 to 4.18.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gbcs.dlms.access import (
    Access,
    AccessRequest,
    Apdu,
    Choice,
    decode_apdu,
    encode_apdu,
    request_spans,
)
from gbcs.dlms.data import (
    NULL,
    Data,
    DataType,
    array,
    double_long_unsigned,
    enum,
    integer,
    long_unsigned,
    octet_string,
    structure,
)
from gbcs.errors import EncodeError
from gbcs.eui import EUI
from gbcs.frozen import maker
from gbcs.instants import from_date_time, to_date_time, to_iso
from gbcs.message import Command, Message, Supplementary
from gbcs.tables.reading_services import ReadAccess, ReadAttribute, ReadingService
from gbcs.templates import Gaps, Memo, Writer
from gbcs.usecases.data_protection import (
    names_transaction,
    protection_parameters,
    transaction_id,
)
from gbcs.usecases.responding import invoke_id

_PROFILE_GENERIC, _DATA_PROTECTION = 7, 30
_BUFFER, _GET_PROTECTED = 2, 1
_BY_RANGE = 1
_CLOCK = bytes.fromhex("00005E2C64FF")  # 0.0.94.44.100.255, whose attribute 2 is the time
_TIME_COLUMN = structure(long_unsigned(1), octet_string(_CLOCK), integer(_BUFFER), long_unsigned(0))
_ALL_COLUMNS = array()
_NO_INDEX = long_unsigned(0)
_RANGE = enum(_BY_RANGE)
_WHOLE = structure(enum(0), NULL)
_OBIS_OCTETS = 6


MAX_ATTRIBUTES = 64
"""A command that reads more attributes is refused; the longest reading service has 18."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """From `start` to `end`, both inclusive, in seconds since 2000-01-01T00:00:00Z."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"{to_iso(self.start)} to {to_iso(self.end)}"


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute to read; of a log (class 7, attribute 2), the entries in `window`."""

    class_id: int
    obis: bytes
    """Six octets of the logical name."""
    index: int
    window: Window | None = None
    """None to read the whole attribute."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """The read request in one access of a command."""

    attributes: tuple[Attribute, ...]
    """One attribute, or several that are protected together."""
    protection: bytes | None = None
    """OBIS of the data protection object (class 30) that encrypts them, None in clear."""

    @property
    def protected(self) -> bool:
        """Whether the answer is encrypted."""
        return self.protection is not None

    @property
    def choice(self) -> Choice:
        """The kind of access that makes this request."""
        if self.protection is not None:
            return Choice.ACTION
        windowed = self.attributes[0].window is not None
        return Choice.GET_WITH_SELECTION if windowed else Choice.GET


# One request is read for every command, so constructors at half the price.
_window, _attribute, _request = maker(Window), maker(Attribute), maker(ReadRequest)
_command = maker(Command)


def read_requests_of(command: Message) -> tuple[ReadRequest, ...] | None:
    """Return the read requests of `command`, one for each access; None if it does not only read.

    None also if it is not a DLMS command, has no access, leaves a limit of a window open, has a
    window that ends before it starts, names another transaction in its protection parameters,
    reads more than `MAX_ATTRIBUTES`, or has several protected accesses: their answers would be
    encrypted under one key and IV, which gives both away.
    """
    payload = command.payload
    if not isinstance(command, Command) or not isinstance(payload, AccessRequest):
        return None
    if payload.filled is None:
        return _read(command, payload)
    template, gaps = payload.filled
    decisive = _decisive_gaps(command, payload, gaps)
    if decisive is None:
        return _read(command, payload)
    known = _KNOWN.get(template, decisive)
    if known is not None:
        return known
    requests = _read(command, payload)
    # The parameters of a protected access must be those that `_decisive_gaps` compares.
    if requests and (len(requests) == 1 or not any(each.protected for each in requests)):
        _KNOWN.put(template, decisive, requests)
    return requests


_KNOWN: Memo[tuple[ReadRequest, ...]] = Memo()


def _decisive_gaps(command: Command, payload: AccessRequest, gaps: Gaps) -> Gaps | None:
    """Return the gaps that decide the read requests, if the others name this transaction.

    The first gap is the invoke id. The last three of a protected access name the transaction.
    """
    if not payload.accesses or payload.accesses[0].choice is not Choice.ACTION:
        return gaps[1:]
    number = transaction_id(command.originator_counter)
    named = gaps[-3:] == (number, command.remote_party, command.recipient)
    return gaps[1:-3] if named else None


def _read(command: Command, payload: AccessRequest) -> tuple[ReadRequest, ...] | None:
    if len(payload.accesses) > MAX_ATTRIBUTES:  # before any work, since anybody can send commands
        return None
    try:
        requests = tuple([_READERS[access.choice](access, command) for access in payload.accesses])
    except (LookupError, TypeError, ValueError):
        return None
    if len(requests) > 1 and not _together(requests):
        return None
    return requests or None


def _together(requests: tuple[ReadRequest, ...]) -> bool:
    """Return whether one response may answer all of `requests`."""
    attributes = sum([len(request.attributes) for request in requests])
    return attributes <= MAX_ATTRIBUTES and sum([request.protected for request in requests]) <= 1


def reading_command(
    service: ReadingService,
    *,
    device: EUI,
    originator: EUI,
    counter: int,
    window: Window | None = None,
    supplementary: Supplementary | None = None,
) -> Command:
    """Return the command, unsealed, that reads `service` from `device`.

    `originator` is the ACB if `supplementary` names a party behind it; a protected service then
    needs the party's certificate in `supplementary`. Raises `EncodeError` if a window is missing,
    or given to a service that takes none.
    """
    if service.windowed != (window is not None):
        needs = "needs a window" if service.windowed else "takes no window"
        raise EncodeError(f"SRV {service.srv} ({service.use_case}) {needs}", "window")
    party = supplementary.party if supplementary else originator
    return _command(
        originator=originator,
        recipient=device,
        originator_counter=counter,
        message_code=service.message_code,
        payload=_content(service, counter, party, device, window),
        supplementary=supplementary,
    )


def _content(
    service: ReadingService, counter: int, party: EUI, device: EUI, window: Window | None
) -> Apdu:
    def write() -> AccessRequest:
        requests = [_request_of(access, window) for access in service.accesses]
        accesses = [_write(request, counter, party, device) for request in requests]
        return AccessRequest(invoke_id(counter), tuple(accesses))

    try:
        gaps = _gaps(service, counter, party, device, window)
    except (ArithmeticError, AttributeError, TypeError, ValueError):
        return write()  # encoding it says which value does not fit
    octets = _WRITE.fill(service.message_code, gaps)
    if octets is not None:
        return decode_apdu(octets)
    request = write()
    with suppress(EncodeError):  # the caller learns of it when the command is encoded
        _WRITE.learn(service.message_code, gaps, lambda: encode_apdu(request))
    return request


def _gaps(
    service: ReadingService, counter: int, party: EUI, device: EUI, window: Window | None
) -> Gaps:
    """Return the gaps of a command's content, in the order of its octets."""
    gaps = [invoke_id(counter).to_bytes(4, "big")]
    for access in service.accesses:
        protected = access.protection is not None
        if window is not None:
            limits = _limits(window, protected=protected)
            gaps += [limit for item in access.attributes if item.windowed for limit in limits]
        if protected:
            gaps += transaction_id(counter), party, device
    return tuple(gaps)


def _limits(window: Window, *, protected: bool) -> tuple[bytes, bytes]:
    if protected:
        return to_date_time(window.start), to_date_time(window.end)
    return window.start.to_bytes(4, "big"), window.end.to_bytes(4, "big")


_WRITE = Writer(request_spans)


def _request_of(access: ReadAccess, window: Window | None) -> ReadRequest:
    return ReadRequest(
        tuple([_attribute_of(item, window) for item in access.attributes]), access.protection
    )


def _attribute_of(item: ReadAttribute, window: Window | None) -> Attribute:
    return Attribute(item.class_id, item.obis, item.index, window if item.windowed else None)


# The three readers raise `LookupError`, `TypeError` or `ValueError` for any access of another form;
# `read_requests_of` turns these into None, since such a command does not only read.


def _read_whole(access: Access, command: Command) -> ReadRequest:
    if access.data != NULL:
        raise ValueError
    return _request((_attribute(access.class_id, access.obis, access.index),))


def _read_range(access: Access, command: Command) -> ReadRequest:
    column, start, end, columns = _value(access.selection, DataType.STRUCTURE)
    if access.selector != _BY_RANGE or column != _TIME_COLUMN or columns != _ALL_COLUMNS:
        raise ValueError
    if access.data != NULL:
        raise ValueError
    window = _in_order(
        _value(start, DataType.DOUBLE_LONG_UNSIGNED), _value(end, DataType.DOUBLE_LONG_UNSIGNED)
    )
    return _request((_of_log(access.class_id, access.obis, access.index, window),))


def _read_protected(access: Access, command: Command) -> ReadRequest:
    if access.class_id != _DATA_PROTECTION or access.index != _GET_PROTECTED:
        raise ValueError
    reads, protection = _value(access.data, DataType.STRUCTURE)
    items = _value(reads, DataType.ARRAY)
    if not 0 < len(items) <= MAX_ATTRIBUTES or not names_transaction(
        protection, command.originator_counter, command.remote_party, command.recipient
    ):
        raise ValueError
    return _request(tuple([_protected_attribute(read) for read in items]), access.obis)


_READERS = {
    Choice.GET: _read_whole,
    Choice.GET_WITH_SELECTION: _read_range,
    Choice.ACTION: _read_protected,
}


def _protected_attribute(read: Data) -> Attribute:
    class_id, obis, index, no_index, restriction = _value(read, DataType.STRUCTURE)
    name = _value(obis, DataType.OCTET_STRING)
    number = _value(index, DataType.INTEGER)
    if len(name) != _OBIS_OCTETS or number < 0 or no_index != _NO_INDEX:
        raise ValueError
    kind, limits = _value(restriction, DataType.STRUCTURE)
    class_number = _value(class_id, DataType.LONG_UNSIGNED)
    if kind != _RANGE:
        if restriction != _WHOLE:
            raise ValueError
        return _attribute(class_number, name, number)
    start, end = _value(limits, DataType.STRUCTURE)
    window = _in_order(
        from_date_time(_value(start, DataType.OCTET_STRING)),
        from_date_time(_value(end, DataType.OCTET_STRING)),
    )
    return _of_log(class_number, name, number, window)


def _of_log(class_id: int, obis: bytes, index: int, window: Window) -> Attribute:
    if class_id != _PROFILE_GENERIC or index != _BUFFER:
        raise ValueError
    return _attribute(class_id, obis, index, window)


def _in_order(start: int, end: int) -> Window:
    if end < start:
        raise ValueError
    return _window(start, end)


def _value(data: Data | None, kind: DataType) -> Any:
    if data is None or data.type is not kind:
        raise TypeError
    return data.value


def _write(request: ReadRequest, counter: int, party: EUI, device: EUI) -> Access:
    """Return the access of a request. The parties and the counter name its transaction."""
    if request.protection is not None:
        reads = array(*[_write_protected(attribute) for attribute in request.attributes])
        data = structure(reads, protection_parameters(counter, party, device))
        return Access(Choice.ACTION, _DATA_PROTECTION, request.protection, _GET_PROTECTED, data)
    [attribute] = request.attributes
    target = (request.choice, attribute.class_id, attribute.obis, attribute.index, NULL)
    window = attribute.window
    if window is None:
        return Access(*target)
    limits = double_long_unsigned(window.start), double_long_unsigned(window.end)
    return Access(*target, _BY_RANGE, structure(_TIME_COLUMN, *limits, _ALL_COLUMNS))


def _write_protected(attribute: Attribute) -> Data:
    window = attribute.window
    restriction = _WHOLE
    if window is not None:
        start, end = to_date_time(window.start), to_date_time(window.end)
        restriction = structure(_RANGE, structure(octet_string(start), octet_string(end)))
    return structure(
        long_unsigned(attribute.class_id),
        octet_string(attribute.obis),
        integer(attribute.index),
        _NO_INDEX,
        restriction,
    )
