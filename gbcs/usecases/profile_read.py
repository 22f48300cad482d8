"""Read a log of an ESME by window: SRVs 4.6.1, 4.6.2, 4.8.1, 4.8.2 and 4.8.3.

Knows which read requests are for these logs, and what their answers hold.

Source: vectors of ECS21a, ECS21c, ECS22a, ECS22b and ECS22c.
"""

from dataclasses import dataclass

from gbcs.crypto.keystore import Keystore
from gbcs.dlms.access import AccessResponse
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import Data, DataType
from gbcs.errors import DecodeError
from gbcs.eui import EUI
from gbcs.message import Command, Message, Supplementary
from gbcs.tables import reading_services
from gbcs.tables.profile_logs import BY_CODE, ProfileLog
from gbcs.usecases.answer import answer_reading
from gbcs.usecases.read_request import Window as Window
from gbcs.usecases.read_request import read_requests_of, reading_command
from gbcs.usecases.rows import Row as Row
from gbcs.usecases.rows import rows_of as rows_of
from gbcs.usecases.rows import table_and_columns
from gbcs.usecases.values import protected_values

SUCCESS = 0


@dataclass(frozen=True, slots=True)
class ProfileRead:
    """The read request of a command: `window` of `log`."""

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
    """Return the command, unsealed, that reads `read` from `device`.

    `originator` is the ACB if `supplementary` names a party behind it; a protected log then needs
    the party's certificate in `supplementary`.
    """
    return reading_command(
        reading_services.BY_CODE[read.log.message_code],
        device=device,
        originator=originator,
        counter=counter,
        window=read.window,
        supplementary=supplementary,
    )


def profile_read_of(command: Message) -> ProfileRead | None:
    """Return the read request of `command`, None unless it is exactly one read of a known log.

    None also if a limit of the window is open, or if it ends before it starts.
    """
    log = BY_CODE.get(command.message_code)
    requests = read_requests_of(command) if log else None
    if log is None or requests is None or len(requests) != 1:
        return None
    [request] = requests
    attribute = request.attributes[0]
    if (
        len(request.attributes) != 1
        or request.protection != log.protection
        or attribute.obis != log.log
    ):
        return None
    return ProfileRead(log, attribute.window) if attribute.window else None


def takes_own_counter(command: Message, log: ProfileLog) -> bool:
    """Return whether a success is encrypted under the device's own counter.

    It is for a party behind the ACB, which the device does not know.
    """
    return log.protection is not None and command.supplementary is not None


def answer_profile_read(
    command: Command,
    log: ProfileLog,
    buffer: bytes,
    keystore: Keystore,
    own_counter: int | None = None,
) -> bytes:
    """Return the octets of the successful response to `command`.

    `buffer` is the value of the log's buffer as A-XDR: a compact-array with its tag.
    `own_counter` is the device's own counter, required if `takes_own_counter` returns True.
    Raises `AuthenticationError` if a key is missing.
    """
    return answer_reading(command, ((buffer,),), keystore, own_counter)


def buffer_of(response: Message, log: ProfileLog) -> bytes | int:
    """Return the log's buffer as A-XDR from a success, or the result code of a failure.

    Raises what `table_of` raises.
    """
    table = table_of(response, log)
    return table if isinstance(table, int) else Data(DataType.COMPACT_ARRAY, table).octets()


def table_of(response: Message, log: ProfileLog) -> CompactArray | int:
    """Return the log's buffer from a success, or the result code of a failure.

    Raises `DecodeError` if `response` is neither, and `AuthenticationError` if it is encrypted and
    no key has opened it.
    """
    payload = response.payload
    if not isinstance(payload, AccessResponse) or len(payload.results) != 1:
        raise DecodeError("not the response to the read of a log", "message.payload")
    result = payload.results[0]
    if result.code != SUCCESS:
        return result.code
    if log.protection is None:
        return table_and_columns(result.data, log)[0]
    values = protected_values(response)
    if len(values) != 1:
        raise DecodeError("not a structure of one attribute", "message.protected")
    return table_and_columns(values[0], log)[0]
