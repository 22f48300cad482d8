"""Responses to DLMS commands: the fields they share with the command, and refusals.

Source: GBCS v4.1 clause 7.2; the ERROR vectors, and those of critical commands.
"""

from collections.abc import Sequence

from gbcs.codec import encode, sign
from gbcs.crypto.keystore import Keystore
from gbcs.dlms.access import (
    AccessRequest,
    AccessResult,
    Choice,
    EncodedResult,
    write_response,
)
from gbcs.dlms.data import NULL
from gbcs.errors import EncodeError
from gbcs.frozen import maker
from gbcs.message import UNSEALED, Command, Response, Supplementary
from gbcs.opaque import Opaque
from gbcs.tables.result_codes import ResultCode

INVOKE_ID = 0x20000000
"""High bits of the long invoke id and priority; the low 24 are of the originator counter."""

_response, _opaque = maker(Response), maker(Opaque)

RESULT_CHOICE = dict(zip(Choice, Choice, strict=True)) | {
    Choice.GET_WITH_SELECTION: Choice.GET,
    Choice.SET_WITH_SELECTION: Choice.SET,
}
"""The kind of access that a result states, by the kind of the access."""


def invoke_id(counter: int) -> int:
    """Return the long invoke id of a message with this originator counter."""
    return INVOKE_ID | (counter & 0xFFFFFF)


def respond(
    command: Command,
    results: tuple[AccessResult, ...],
    keystore: Keystore,
    own_counter: int | None = None,
    time: bytes = b"",
) -> bytes:
    """Return the octets of the response to `command`, sealed for its originator.

    The response to a critical command is signed by the device and has no MAC. `own_counter` is the
    device's own counter if the results are encrypted for a party behind the ACB. `time` is the
    device's date-time, 12 octets, in a response that carries it.

    Raises `AuthenticationError` if a key is missing.
    """
    encoded = [(result.choice, result.code, result.data.octets()) for result in results]
    return respond_encoded(command, encoded, keystore, own_counter, time)


def respond_encoded(
    command: Command,
    results: Sequence[EncodedResult],
    keystore: Keystore,
    own_counter: int | None = None,
    time: bytes = b"",
) -> bytes:
    """Do as `respond` does, with data that are A-XDR already, each exactly one value."""
    counter = command.originator_counter
    critical = command.critical
    response = _response(
        originator=command.recipient,
        recipient=command.originator,
        originator_counter=counter,
        message_code=command.message_code,
        payload=_opaque(write_response(invoke_id(counter), results)),
        supplementary=answering(command.supplementary, own_counter),
        transaction_time=time,
        mac=None if critical else UNSEALED,  # the signature takes its place
    )
    return encode(sign(response, keystore) if critical else response, keystore)


def answering(behind: Supplementary | None, own_counter: int | None) -> Supplementary | None:
    """Return the supplementary party of a response: that of the command without certificate."""
    return behind and Supplementary(behind.party, behind.party_counter, own_counter)


def refuse(command: Command, code: int, keystore: Keystore, time: bytes = b"") -> bytes:
    """Return the octets of a response in which the first access fails with `code`.

    The accesses behind it are not attempted and fail with other-reason (break on error). `time` is
    the device's date-time, 12 octets, in a response that carries it.

    Raises `EncodeError` if the command is not DLMS, and `AuthenticationError` if a key is missing.
    """
    if not isinstance(command.payload, AccessRequest):
        raise EncodeError("only a DLMS command is refused with a result code", "message.payload")
    results = tuple(
        AccessResult(RESULT_CHOICE[access.choice], reason, NULL)
        for access, reason in zip(
            command.payload.accesses, _codes(code, len(command.payload.accesses)), strict=True
        )
    )
    return respond(command, results, keystore, time=time)


def _codes(first: int, number: int) -> list[int]:
    return [first, *[int(ResultCode.OTHER_REASON)] * (number - 1)][:number]
