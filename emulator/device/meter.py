"""An ESME: what it says to a command that it has accepted.

Knows which reads it answers, and how it refuses the rest. It is a function of (seed, EUI, time)
and keys, so it keeps nothing between commands; the counter of its own that some replies carry is
given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from emulator.device.logs import buffer
from emulator.device.physics import nature
from gbcs import Command, GbcsError, Keystore
from gbcs.instants import EPOCH_UNIX
from gbcs.tables.result_codes import ResultCode
from gbcs.usecases.profile_read import answer_profile_read, profile_read_of, takes_own_counter
from gbcs.usecases.responding import refuse


class Outcome(StrEnum):
    """What a meter did with a command that it accepted."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """Replied to with a result code: this meter does not support it."""
    UNANSWERED = "unanswered"
    """Not DLMS, or encrypted for a party without a key: no reply can be made."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a meter did, and the octets of its reply where it made one."""

    outcome: Outcome
    octets: bytes | None = None


def answer(
    seed: str, command: Command, keystore: Keystore, now: float, own_counter: Callable[[], int]
) -> Answer:
    """Return what the meter that `command` is for says to it at `now`, Unix time in seconds.

    `own_counter` is called only where the reply is encrypted for a party behind the ACB.
    """
    read = profile_read_of(command)
    try:
        if read is None:
            refusal = refuse(command, ResultCode.OBJECT_UNDEFINED, keystore)
            return Answer(Outcome.REFUSED, refusal)
        readings = buffer(
            nature(seed, command.recipient), read.log, read.window, int(now) - EPOCH_UNIX
        )
        counter = own_counter() if takes_own_counter(command, read.log) else None
        return Answer(
            Outcome.ANSWERED, answer_profile_read(command, read.log, readings, keystore, counter)
        )
    except GbcsError:
        return Answer(Outcome.UNANSWERED)
