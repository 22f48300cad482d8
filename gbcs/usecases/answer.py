"""Answering a command that reads: values, or the code of the first failure, in clear or encrypted.

Knows how results follow from what each access gave. A meter and a cache answer with the same
function, so a reply does not depend on who mints it. Knows nothing of where values come from.

Source: GBCS v4.1 clauses 7.2 and 8.5; the vectors of responses of SRVs 4.1.1 to 4.18.
"""

from collections.abc import Sequence

from gbcs.crypto.keystore import Keystore
from gbcs.dlms.access import Access, AccessRequest, AccessResult, Choice
from gbcs.dlms.data import NULL, Data
from gbcs.errors import EncodeError
from gbcs.frozen import maker
from gbcs.message import Command
from gbcs.tables.result_codes import ResultCode
from gbcs.usecases.protecting import protect
from gbcs.usecases.responding import respond, result_choice

Value = Data | bytes
"""The value of an attribute, or its A-XDR."""

Result = tuple[Value, ...] | int
"""What an access gave: the values of its attributes in order, or a result code other than 0."""

_access_result = maker(AccessResult)


def answer_reading(
    command: Command,
    results: Sequence[Result],
    keystore: Keystore,
    own_counter: int | None = None,
    time: bytes = b"",
) -> bytes:
    """Return the octets of the response to `command`, which `asks_of` has understood.

    `results` has an item for each access; whatever is behind the first failure is not looked at and
    answers other-reason (break on error), so it may be left out. `own_counter` is the device's,
    where `needs_own_counter` says so, and `time` the device's as a date-time of 12
    octets, where the service carries it.
    Raises `EncodeError` where results and accesses do not match or a value has no octets,
    `DecodeError` where octets are not one value, and `AuthenticationError` where a key is missing.
    """
    payload = command.payload
    if not isinstance(payload, AccessRequest):
        raise EncodeError("only a DLMS command has results", "message.payload")
    answers: list[AccessResult] = []
    failed = encrypted = False
    for index, access in enumerate(payload.accesses):
        result = ResultCode.OTHER_REASON if failed else _result(results, index)
        if isinstance(result, int):
            failed = True
            answers.append(_access_result(result_choice(access.choice), result, NULL))
            continue
        if access.choice is Choice.ACTION:
            encrypted = True
            data = protect(command, tuple(map(_octets, result)), keystore, own_counter)
        else:
            data = _only(access, result)
        answers.append(_access_result(result_choice(access.choice), ResultCode.SUCCESS, data))
    return respond(command, tuple(answers), keystore, own_counter if encrypted else None, time)


def needs_own_counter(command: Command, results: Sequence[Result]) -> bool:
    """Return whether `results` are encrypted for a party behind the ACB: under an own counter."""
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
        raise EncodeError(f"access {index + 1} has no result", "message.payload")
    result = results[index]
    if result == ResultCode.SUCCESS:
        raise EncodeError(f"access {index + 1}: a success has values", "message.payload")
    return result


def _only(access: Access, values: tuple[Value, ...]) -> Data:
    if len(values) != 1:
        raise EncodeError(f"{len(values)} values where an access has one", "message.payload")
    [value] = values
    return value if isinstance(value, Data) else Data.parse(value)


def _octets(value: Value) -> bytes:
    return value.octets() if isinstance(value, Data) else value
