"""Reading a log of an ESME by window: SRVs 4.6.1, 4.6.2, 4.8.1, 4.8.2 and 4.8.3.

Knows how such a read is asked for and answered, in clear and protected, for a known remote party
and for one behind the ACB, and what the rows are. A meter and a cache answer with the same
function, so a reply does not depend on who mints it.

Source: vectors of ECS21a, ECS21c, ECS22a, ECS22b, ECS22c, and ECS21b for a party behind the ACB.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from gbcs.crypto.keystore import Keystore
from gbcs.crypto.protection import encrypt
from gbcs.dlms.access import Access, AccessRequest, AccessResponse, AccessResult, Choice
from gbcs.dlms.compact_array import CompactArray
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
from gbcs.errors import AuthenticationError, DecodeError
from gbcs.eui import EUI
from gbcs.instants import from_date_time, to_date_time, to_iso
from gbcs.message import Command, Message, Supplementary
from gbcs.sealing import attribute_key
from gbcs.tables.profile_logs import BLOCKS, BY_CODE, ProfileLog
from gbcs.usecases.responding import answering, invoke_id, respond

SUCCESS = 0

_PROFILE_GENERIC, _DATA_PROTECTION = 7, 30
_BUFFER, _GET_PROTECTED = 2, 1
_BY_RANGE = 1
_CLOCK = bytes.fromhex("00005E2C64FF")  # 0.0.94.44.100.255, whose attribute 2 is the time
_TIME_COLUMN = structure(long_unsigned(1), octet_string(_CLOCK), integer(_BUFFER), long_unsigned(0))
_KEY_PARAMETERS = structure(enum(2), structure(octet_string(b"\x02"), octet_string(b"")))
_TRANSACTION_ID = b"\x04"  # begins a transaction id, the counter follows
_STRUCTURE_OF_ONE = b"\x02\x01"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """From `start` to `end`, both inclusive, in seconds since 2000-01-01T00:00:00Z."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"{to_iso(self.start)} to {to_iso(self.end)}"


@dataclass(frozen=True, slots=True)
class ProfileRead:
    """What a command asks for: `window` of `log`."""

    log: ProfileLog
    window: Window


def profile_read_command(
    read: ProfileRead,
    *,
    device: EUI,
    originator: EUI,
    counter: int,
    supplementary: Supplementary | None = None,
) -> Command:
    """Return the command, unsealed, that asks `device` for `read`.

    `originator` is the ACB where `supplementary` names the party behind it; a protected log then
    takes the party's certificate too.
    """
    window = read.window
    if read.log.protection is None:
        start, end = double_long_unsigned(window.start), double_long_unsigned(window.end)
        access = _access(read.log, start, end, NULL)
    else:
        party = supplementary.party if supplementary else originator
        start, end = (
            octet_string(to_date_time(window.start)),
            octet_string(to_date_time(window.end)),
        )
        access = _access(read.log, start, end, _protection(counter, party, device))
    return Command(
        originator=originator,
        recipient=device,
        originator_counter=counter,
        message_code=read.log.message_code,
        payload=AccessRequest(invoke_id(counter), (access,)),
        supplementary=supplementary,
    )


def profile_read_of(command: Message) -> ProfileRead | None:
    """Return what `command` asks for, or None where it is not exactly such a read.

    A window of which a limit is left open, or that ends before it starts, is none.
    """
    log = BY_CODE.get(command.message_code)
    payload = command.payload
    if log is None or not isinstance(payload, AccessRequest) or len(payload.accesses) != 1:
        return None
    access = payload.accesses[0]
    protection = NULL
    try:
        if log.protection is None:
            _, start, end, _ = _items(access.selection)
            window = Window(_instant(start), _instant(end))
        else:
            [reads, _] = _items(access.data)
            [read] = _items(reads)
            [_, limits] = _items(_items(read)[4])
            start, end = _items(limits)
            window = Window(from_date_time(start.value), from_date_time(end.value))
            protection = _protection(
                command.originator_counter, command.remote_party, command.recipient
            )
    except (LookupError, TypeError, ValueError):
        return None
    if window.end < window.start or access != _access(log, start, end, protection):
        return None
    return ProfileRead(log, window)


def takes_own_counter(command: Message, log: ProfileLog) -> bool:
    """Return whether success is encrypted under the device's own counter, for a party unknown."""
    return log.protection is not None and command.supplementary is not None


def answer_profile_read(
    command: Command,
    log: ProfileLog,
    buffer: bytes,
    keystore: Keystore,
    own_counter: int | None = None,
) -> bytes:
    """Return the octets of the successful response to `command`.

    `buffer` is the value of the log's buffer as A-XDR, a compact-array with its tag.
    `own_counter` is the device's, where `takes_own_counter` says that it is taken.
    Raises `AuthenticationError` where a key is missing.
    """
    if log.protection is None:
        data = Data.parse(buffer)
        return respond(command, (AccessResult(Choice.GET, SUCCESS, data),), keystore)
    behind, device, counter = command.supplementary, command.recipient, command.originator_counter
    key = attribute_key(
        device,
        command.originator,
        counter,
        answering(behind, own_counter),
        keystore,
        behind.certificate if behind else b"",
    )
    if key is None:
        raise AuthenticationError(f"no key to encrypt for {command.remote_party}")
    blob = encrypt(key, device, _STRUCTURE_OF_ONE + buffer)
    data = structure(_protection(counter, device, command.originator), octet_string(blob))
    return respond(command, (AccessResult(Choice.ACTION, SUCCESS, data),), keystore, own_counter)


def buffer_of(response: Message, log: ProfileLog) -> bytes | int:
    """Return the log's buffer as A-XDR from a success, or the result code of a failure.

    Raises what `table_of` raises.
    """
    table = table_of(response, log)
    return table if isinstance(table, int) else Data(DataType.COMPACT_ARRAY, table).octets()


def table_of(response: Message, log: ProfileLog) -> CompactArray | int:
    """Return the log's buffer from a success, or the result code of a failure.

    Raises `DecodeError` where `response` is neither, and `AuthenticationError` where it is
    encrypted and was not opened.
    """
    payload = response.payload
    if not isinstance(payload, AccessResponse) or len(payload.results) != 1:
        raise DecodeError("not the response to the read of a log", "message.payload")
    result = payload.results[0]
    if result.code != SUCCESS:
        return result.code
    if log.protection is None:
        return _table(result.data, log)[0]
    if len(response.protected) != 1:
        raise DecodeError("a protected log that is not encrypted", "message.protected")
    plaintext, status = response.protected[0].plaintext, response.protected[0].status
    if plaintext is None:
        raise AuthenticationError(
            f"the readings of {response.originator} for {response.remote_party} are {status}: "
            "they open with the key-agreement keys of both, one of them private"
        )
    if not plaintext.startswith(_STRUCTURE_OF_ONE):
        raise DecodeError("not a structure of one attribute", "message.protected")
    return _table(Data.parse(plaintext[len(_STRUCTURE_OF_ONE) :]), log)[0]


def rows_of(log: ProfileLog, buffer: bytes) -> list[Row]:
    """Return the rows of a log's buffer: `time` in seconds since 2000, energies in Wh or varh.

    Raises `DecodeError` where the buffer is not one of this log.
    """
    table, columns = _table(Data.parse(buffer), log)
    names = ("time", *columns)
    if BLOCKS not in columns:
        return list(map(dict, map(zip, repeat(names), table.rows())))
    plain = len(names) - 1
    return [
        {**dict(zip(names, row[:plain], strict=False)), BLOCKS: row[plain:]} for row in table.rows()
    ]


def _table(buffer: Data, log: ProfileLog) -> tuple[CompactArray, tuple[str, ...]]:
    table = buffer.value
    if not isinstance(table, CompactArray):
        raise DecodeError(f"SRV {log.srv}: the log is not a compact-array", "message.payload")
    columns = log.rows.get(table.description)
    if columns is None:
        shape = table.description.hex()
        raise DecodeError(f"SRV {log.srv}: rows of an unknown shape {shape}", "message.payload")
    return table, columns


def _items(data: Data | None) -> tuple[Any, ...]:
    if data is None or not isinstance(data.value, tuple):
        raise TypeError
    return data.value


def _instant(data: Data) -> int:
    if data.type is not DataType.DOUBLE_LONG_UNSIGNED or not isinstance(data.value, int):
        raise TypeError
    return data.value


def _access(log: ProfileLog, start: Data, end: Data, protection: Data) -> Access:
    if log.protection is None:
        selection = structure(_TIME_COLUMN, start, end, array())
        return Access(
            Choice.GET_WITH_SELECTION,
            _PROFILE_GENERIC,
            log.log,
            _BUFFER,
            NULL,
            _BY_RANGE,
            selection,
        )
    read = structure(
        long_unsigned(_PROFILE_GENERIC),
        octet_string(log.log),
        integer(_BUFFER),
        long_unsigned(0),
        structure(enum(_BY_RANGE), structure(start, end)),
    )
    data = structure(array(read), protection)
    return Access(Choice.ACTION, _DATA_PROTECTION, log.protection, _GET_PROTECTED, data)


def _protection(counter: int, originator: EUI, recipient: EUI) -> Data:
    """Return the protection parameters: whose transaction it is, and an agreed key."""
    transaction = structure(
        octet_string(_TRANSACTION_ID + counter.to_bytes(8, "big")),
        octet_string(originator),
        octet_string(recipient),
        octet_string(b""),
        _KEY_PARAMETERS,
    )
    return array(structure(enum(2), transaction))
