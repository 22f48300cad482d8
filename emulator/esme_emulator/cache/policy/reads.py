"""Interprets commands and responses for the cache, and builds replies from stored readings.

Pure. Knows which commands are reads of a log by window, which SRVs and dates a command reads
whatever its message code says, how readings are taken from a response and built into a reply to
another requester, and how they are cut to a narrower window. Knows no requests, stores or times.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gbcs import Command, DecodeError, Keystore, KeystoreError, Message, read_content
from gbcs.dlms.access import AccessRequest, AccessResponse, Choice
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import Data, DataType, octet_string, structure
from gbcs.instants import EPOCH_UNIX, MAX_INSTANT, from_date_time
from gbcs.tables.profile_logs import BY_OBIS, ProfileLog
from gbcs.tables.reading_services import READING_SERVICES, ReadingService
from gbcs.usecases.answer import answer_reading
from gbcs.usecases.profile_read import buffer_of
from gbcs.usecases.read_request import ReadRequest, Window
from gbcs.usecases.responding import refuse


def _log_of(service: ReadingService) -> ProfileLog | None:
    """Return the log that a service reads by window; None if it reads anything else."""
    attributes = [item for access in service.accesses for item in access.attributes]
    if len(attributes) != 1 or not attributes[0].windowed or service.carries_time:
        return None
    return BY_OBIS[attributes[0].obis]


def _is_kept_whole(service: ReadingService) -> bool:
    """Return whether a service reads several values in clear, logs by window among them."""
    return service.windowed and not service.protected and len(service.accesses) > 1


_WHOLE = {item.message_code: item for item in READING_SERVICES if _is_kept_whole(item)}
_LOGS = {service.message_code: _log_of(service) for service in READING_SERVICES}

CACHEABLE_SRVS = frozenset(
    {log.srv for log in _LOGS.values() if log} | {service.srv for service in _WHOLE.values()}
)
"""SRVs that a cache can answer: one log by window, or several values in clear (4.10)."""

_LITERAL = "-literal"


def in_order(srvs: Iterable[str]) -> list[str]:
    """Return SRVs in the order of their numbers."""
    return sorted(srvs, key=lambda srv: [int(part) for part in srv.split(".")])


def names_of(srv: str) -> tuple[str, ...]:
    """Return all names under which the readings of an SRV are stored; of a name, that name alone.

    Raises `ValueError` for an SRV that is never stored.
    """
    whole = [service.use_case for service in _WHOLE.values() if service.srv == srv]
    names = whole or [srv]
    if srv in CACHEABLE_SRVS:
        return tuple(name + form for name in names for form in ("", _LITERAL))
    if srv in {name for one in CACHEABLE_SRVS for name in names_of(one)}:
        return (srv,)
    srvs = ", ".join(in_order(CACHEABLE_SRVS))
    raise ValueError(f"{srv!r:.30} is never cached. Choose one of {srvs}")


ALL_DATES = Window(0, MAX_INSTANT)
"""The dates that a party must be entitled to if its command names none."""

_SRVS_OF_LOGS = {
    obis: log.srv for log in BY_OBIS.values() for obis in (log.log, log.protection) if obis
}
"""SRV by the OBIS code of its log, and of the data protection object that it reads it through."""

_SRVS_OF_OTHERS = {
    obis: service.srv
    for service in READING_SERVICES
    for access in service.accesses
    for obis in (access.protection, *(item.obis for item in access.attributes))
    if obis and obis not in _SRVS_OF_LOGS
}
"""SRV by OBIS code, for attributes read without a window."""

_LOG_SRVS = frozenset(_SRVS_OF_LOGS.values())
_DATA_PROTECTION = 30


@dataclass(frozen=True, slots=True)
class Read:
    """A read that a cache can answer: the log and the window."""

    log: ProfileLog
    window: Window
    kept_as: str
    """The name under which its readings are stored: the SRV, or the use case if it has several.

    Readings of open windows have names of their own, so that a cache that wants complete windows
    never serves them.
    """
    service: ReadingService | None = None
    """The service, if its whole response is stored; None if only the log is."""


ReadRequests = tuple[ReadRequest, ...] | None
"""Return type of `read_requests_of`."""


def read_of(command: Message, requests: ReadRequests, literal: bool = False) -> Read | None:
    """Return the read in `command`; None for a command that no cache can answer exactly.

    `literal` tells whether readings of open windows are stored too.
    """
    whole = _WHOLE.get(command.message_code)
    if whole is not None:
        return _read_whole(whole, requests, literal)
    log = _LOGS.get(command.message_code)
    if (
        log is None
        or requests is None
        or len(requests) != 1
        or requests[0].protection != log.protection
    ):
        return None
    (attribute, *others) = requests[0].attributes
    if others or attribute.obis != log.log or attribute.window is None:
        return None
    return Read(log, attribute.window, log.srv + _LITERAL if literal else log.srv)


def _read_whole(service: ReadingService, requests: ReadRequests, literal: bool) -> Read | None:
    if requests is None or len(requests) != len(service.accesses):
        return None
    windows = []
    for request, access in zip(requests, service.accesses, strict=True):
        [wanted] = access.attributes
        attributes = [(item.class_id, item.obis, item.index) for item in request.attributes]
        if request.protected or attributes != [(wanted.class_id, wanted.obis, wanted.index)]:
            return None
        window = request.attributes[0].window
        if (window is not None) is not wanted.windowed:
            return None
        if window is not None:
            windows.append((wanted.obis, window))
    (obis, window), *others = windows
    if any(other != window for _, other in others):
        return None
    name = service.use_case
    return Read(BY_OBIS[obis], window, name + _LITERAL if literal else name, service)


def touched(
    command: Message, srv: str, requests: ReadRequests
) -> tuple[tuple[str, Window | None], ...]:
    """Return the SRVs that a command reads, with the dates: first `srv`, that of its use case.

    Then the SRVs of the attributes it reads, whatever use case it claims to be. A log that is read
    without two limits in order counts for all dates; an attribute that is no log has no window.
    """
    windows: dict[str, Window | None] = {}
    for obis, window in _named_in(command, requests):
        if (log := _SRVS_OF_LOGS.get(obis)) is not None:
            former, dates = windows.get(log), window or ALL_DATES
            windows[log] = dates if former is None else _joined(former, dates)
        elif (other := _SRVS_OF_OTHERS.get(obis)) is not None:
            windows.setdefault(other, None)
    whole = ALL_DATES if srv in _LOG_SRVS else None
    return (srv, windows.pop(srv, whole)), *windows.items()


def _named_in(command: Message, requests: ReadRequests) -> Iterable[tuple[bytes, Window | None]]:
    """Return the OBIS code of everything that a command reads, with the window if it has one."""
    if requests is None:
        return _obis_in(command)
    named: list[tuple[bytes, Window | None]] = []
    for request in requests:
        for item in request.attributes:
            named.append((item.obis, item.window))
    return named


def _obis_in(command: Message) -> Iterator[tuple[bytes, None]]:
    """Yield every OBIS code in a command that `read_requests_of` did not understand."""
    if isinstance(command.payload, AccessRequest):
        for access in command.payload.accesses:
            if access.choice in (Choice.GET, Choice.GET_WITH_SELECTION):
                yield access.obis, None
            elif access.choice is Choice.ACTION and access.class_id == _DATA_PROTECTION:
                yield access.obis, None
                for text in _texts(access.data):
                    yield text, None


def _texts(data: Data) -> Iterator[bytes]:
    """Yield every string in a value."""
    if isinstance(data.value, bytes):
        yield data.value
    elif isinstance(data.value, tuple):
        for part in data.value:
            yield from _texts(part)


def can_build_reply(command: Command, read: Read, keystore: Keystore) -> bool:
    """Return whether `keystore` has the keys to build replies for this requester."""
    device, party = command.recipient, command.remote_party
    try:
        secret_of = certificate_of(command)
        if read.log.protection and keystore.shared_secret(device, party, secret_of) is None:
            return False
    except KeystoreError:
        return False
    return keystore.shared_secret(device, command.originator) is not None


def build_reply(
    command: Command,
    read: Read,
    readings: bytes | int,
    keystore: Keystore,
    device_counter: int | None = None,
) -> bytes:
    """Return the octets of the reply to `command` that the meter would have sent.

    `readings` are those that `readings_of` returned. Raises `AuthenticationError` if a key is
    missing.
    """
    if isinstance(readings, int):
        return refuse(command, readings, keystore)
    if read.service is not None:
        time, *values = _parts(Data.parse(readings))
        results = [(value,) for value in values]
        return answer_reading(command, results, keystore, time=_time_of(time))
    return answer_reading(command, ((readings,),), keystore, device_counter)


def certificate_of(command: Message) -> bytes:
    """Return the certificate that a reply to `command` is encrypted for; empty if none came."""
    return command.supplementary.certificate if command.supplementary else b""


def readings_of(
    response: Message, certificate: bytes, read: Read, keystore: Keystore
) -> bytes | int:
    """Return the readings in a response, or its result code.

    `response` comes from `open_message`, so its content is read here; `certificate` is that of the
    command. Raises `GbcsError` if the response has neither, cannot be decrypted, or has entries of
    other dates. A response that is stored whole has no result code: only its requester gets its
    failure.
    """
    response = read_content(response, keystore, certificate)
    if read.service is not None:
        return _whole_of(response, read.service, read.window)
    readings = buffer_of(response, read.log)
    if isinstance(readings, bytes) and cut(readings, read.window) != readings:
        raise DecodeError(f"entries outside {read.window}", "message.payload")
    return readings


def reaches_end(readings: bytes, read: Read, now: float) -> bool | None:
    """Return whether readings show that the meter had finished the window of `read`.

    The cache's clock cannot show it, since the meter's clock may be behind. A periodic log must
    hold the last entry due in the window, or a later one; a service with the meter's time in its
    response shows it by that time. None if the readings show nothing.

    `now` is Unix time in seconds. The last entry of a window that the log no longer holds is
    missing for good, so it shows nothing.
    """
    window, period = read.window, read.log.period
    if read.service is not None:
        return _time_is_after(_parts(Data.parse(readings))[0], window.end)
    last_due = period and window.end // period * period
    if not period or last_due < window.start:
        return None
    if last_due < now - EPOCH_UNIX - read.log.depth * period:
        return None  # the log is not deep enough to hold it any more
    tables = (part.value for part in _logs(readings))
    return any(
        row[0] >= last_due
        for table in tables
        if isinstance(table, CompactArray)
        for row in table.rows()
    )


def _time_is_after(time: Data, end: int) -> bool | None:
    try:
        return from_date_time(_time_of(time)) > end
    except ValueError:
        return None  # the meter's clock is not set


def same_entries(one: bytes, other: bytes) -> bool:
    """Return whether two readings have the same log entries.

    Values outside the log and the meter's time may differ from one reading to the next.
    """
    return one == other or entries_of(one) == entries_of(other)


def entries_of(readings: bytes) -> bytes:
    """Return the log entries of readings as A-XDR, without the values outside the log."""
    return b"".join(log.octets() for log in _logs(readings))


def _logs(readings: bytes) -> list[Data]:
    data = Data.parse(readings)
    parts = _parts(data) if data.type is DataType.STRUCTURE else (data,)
    return [part for part in parts if isinstance(part.value, CompactArray)]


def cut(readings: bytes, window: Window) -> bytes:
    """Return the entries of a log's buffer with times in `window`; both as A-XDR.

    An entry begins with its time. Raises `DecodeError` if `readings` hold no log.
    """
    data = Data.parse(readings)
    if data.type is DataType.STRUCTURE:
        parts = [
            _cut(part, window) if isinstance(part.value, CompactArray) else part
            for part in _parts(data)
        ]
        return structure(*parts).octets()
    kept = _cut(data, window)
    return readings if kept is data else kept.octets()


def _cut(log: Data, window: Window) -> Data:
    table = log.value
    if not isinstance(table, CompactArray):
        raise DecodeError("a log that is not a compact-array", "message.payload")
    rows = table.rows()
    kept = [row for row in rows if window.start <= row[0] <= window.end]
    if len(kept) == len(rows):
        return log
    return Data(DataType.COMPACT_ARRAY, CompactArray.of(table.description, kept))


def _whole_of(response: Message, service: ReadingService, window: Window) -> bytes:
    """Return the content of a response as one structure: the meter's time, then each value."""
    payload = response.payload
    if not isinstance(payload, AccessResponse) or len(payload.results) != len(service.accesses):
        raise DecodeError(f"not the response to SRV {service.srv}", "message.payload")
    if any(result.code for result in payload.results):
        raise DecodeError(f"a part of SRV {service.srv} failed", "message.payload")
    values = [result.data for result in payload.results]
    readings = structure(octet_string(response.transaction_time), *values).octets()
    if cut(readings, window) != readings:
        raise DecodeError(f"entries outside {window}", "message.payload")
    return readings


def _parts(whole: Data) -> tuple[Data, ...]:
    if not isinstance(whole.value, tuple) or not whole.value:
        raise DecodeError("not a response that was stored whole", "message.payload")
    return whole.value


def _time_of(time: Data) -> bytes:
    if not isinstance(time.value, bytes):
        raise DecodeError("not a response that was stored whole", "message.payload")
    return time.value


def _joined(first: Window, second: Window) -> Window:
    return Window(min(first.start, second.start), max(first.end, second.end))
