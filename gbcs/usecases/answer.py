"""Answer a command that reads: values or the code of the first failure, in clear or encrypted.

Knows how the results of a response follow from the result of each access. Meter and cache reply
with the same function, so their replies do not differ. Knows nothing of where values come from.

Source: GBCS v4.1 clauses 7.2 and 8.5; the vectors of responses of SRVs 4.1.1 to 4.18.
"""

from collections.abc import Sequence

from gbcs.crypto.keystore import Keystore
from gbcs.dlms.access import AccessRequest, Choice, EncodedResult
from gbcs.dlms.data import NULL, Data
from gbcs.errors import EncodeError
from gbcs.message import Command
from gbcs.tables.result_codes import ResultCode
from gbcs.usecases.data_protection import protect
from gbcs.usecases.responding import RESULT_CHOICE, respond_encoded

Value = Data | bytes
"""The value of an attribute, typed or as A-XDR."""

Result = tuple[Value, ...] | int
"""The result of an access: the values of its attributes in order, or a result code other than 0."""

_NULL = NULL.octets()


def answer_reading(
    command: Command,
    results: Sequence[Result],
    keystore: Keystore,
    own_counter: int | None = None,
    time: bytes = b"",
) -> bytes:
    """Return the octets of the response to `command`, which `read_requests_of` has understood.

    `results` has one item for each access. Items behind the first failure are ignored and may be
    left out: those accesses answer other-reason (break on error). `own_counter` is the device's own
    counter, required if `needs_own_counter` returns True. `time` is the device's date-time, 12
    octets, in the response of a service that carries it.

    Raises `EncodeError` if results and accesses do not match or a value does not fit its type,
    `DecodeError` if octets are not one value, and `AuthenticationError` if a key is missing.
    """
    payload = command.payload
    if not isinstance(payload, AccessRequest):
        raise EncodeError("only a DLMS command has results", "message.payload")
    answers: list[EncodedResult] = []
    failed = encrypted = False
    for index, access in enumerate(payload.accesses):
        choice = RESULT_CHOICE[access.choice]
        result = ResultCode.OTHER_REASON if failed else _result(results, index)
        if isinstance(result, int):
            failed = True
            answers.append((choice, result, _NULL))
            continue
        if access.choice is Choice.ACTION:  # get_protected_attributes, the only action that reads
            encrypted = True
            data = protect(command, tuple(map(_octets, result)), keystore, own_counter)
        else:
            data = _only(result)
        answers.append((choice, ResultCode.SUCCESS, data))
    return respond_encoded(command, answers, keystore, own_counter if encrypted else None, time)


def needs_own_counter(command: Command, results: Sequence[Result]) -> bool:
    """Return whether the response encrypts `results` under the device's own counter.

    It does for a party behind the ACB whose protected access succeeds.
    """
    if command.supplementary is None or not isinstance(command.payload, AccessRequest):
        return False
    for access, result in zip(command.payload.accesses, results, strict=False):
        if isinstance(result, int):
            return False
        if access.choice is Choice.ACTION:
            return True
    return False


def _result(results: Sequence[Result], index: int) -> Result:
    if index >= len(results):
        raise EncodeError(f"access {index + 1} has no result: give one each", "message.payload")
    result = results[index]
    if result == ResultCode.SUCCESS:
        raise EncodeError(f"access {index + 1}: give values, not code 0", "message.payload")
    return result


def _only(values: tuple[Value, ...]) -> bytes:
    if len(values) != 1:
        raise EncodeError(f"{len(values)} values for an access of one", "message.payload")
    [value] = values
    if isinstance(value, bytes):
        Data.parse(value)  # raises unless it is exactly one value
    return _octets(value)


def _octets(value: Value) -> bytes:
    return value.octets() if isinstance(value, Data) else value
