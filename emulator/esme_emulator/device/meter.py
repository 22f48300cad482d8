"""An ESME: what it says to a command that it has accepted.

Knows which reads it answers, and how it refuses the rest. It is a function of (seed, EUI, time)
and keys, so it keeps nothing between commands; the counter of its own that some replies carry is
given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from esme_emulator.device.behaviour import GOOD_ORDER, Conduct
from esme_emulator.device.model import Nature, nature
from esme_emulator.device.objects import value_of
from esme_emulator.profiles import MeterProfile
from gbcs import Command, GbcsError, Keystore
from gbcs.instants import EPOCH_UNIX, MAX_INSTANT, to_date_time
from gbcs.tables.reading_services import BY_CODE
from gbcs.tables.result_codes import ResultCode
from gbcs.tables.use_cases import DATED_RESPONSES
from gbcs.usecases.answer import Result, answer_reading, needs_own_counter
from gbcs.usecases.read_request import ReadRequest, read_requests_of
from gbcs.usecases.responding import refuse

MOST_ATTRIBUTES = 32
"""A command that reads more than this is refused; the largest use case reads 18."""


class Outcome(StrEnum):
    """What a meter did with a command that it accepted."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """Replied to with a result code: this meter does not support it, or not all of it."""
    UNANSWERED = "unanswered"
    """Not DLMS, or encrypted for a party without a key: no reply can be made."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a meter did, and the octets of its reply where it made one."""

    outcome: Outcome
    octets: bytes | None = None
    reason: str = ""
    """Why it made no reply; one line, empty where it made one."""


def answer(
    seed: str,
    command: Command,
    keystore: Keystore,
    now: float,
    own_counter: Callable[[], int],
    conduct: Conduct = GOOD_ORDER,
    profiles: tuple[MeterProfile, ...] | None = None,
) -> Answer:
    """Return what the meter that `command` is for says to it at `now`, Unix time in seconds.

    `own_counter` is called only where the reply is encrypted for a party behind the ACB.
    `conduct` is how the meter is to behave, save for silence, which is its caller's; `profiles` are
    the kinds of meters of the fleet, None for all that are shipped.
    """
    clock = min(max(int(now + conduct.drift) - EPOCH_UNIX, 0), MAX_INSTANT)
    service = BY_CODE.get(command.message_code)
    asks = read_requests_of(command) if service else None
    if asks is not None and sum(len(ask.attributes) for ask in asks) > MOST_ATTRIBUTES:
        asks = None
    dated = service.carries_time if service else command.message_code in DATED_RESPONSES
    time = to_date_time(clock) if dated else b""
    try:
        if asks is None or conduct.refusal is not None:
            code = ResultCode.OBJECT_UNDEFINED if conduct.refusal is None else conduct.refusal
            return Answer(Outcome.REFUSED, refuse(command, code, keystore, time))
        meter = nature(seed, command.recipient, profiles)
        results = _results(meter, asks, clock, conduct)
        counter = own_counter() if needs_own_counter(command, results) else None
        octets = answer_reading(command, results, keystore, counter, time)
    except GbcsError as error:
        return Answer(Outcome.UNANSWERED, reason=str(error))
    refused = isinstance(results[-1], int)
    return Answer(Outcome.REFUSED if refused else Outcome.ANSWERED, octets)


def _results(
    meter: Nature, asks: tuple[ReadRequest, ...], clock: int, conduct: Conduct
) -> list[Result]:
    """Return what each access gives, up to the first that fails (break on error)."""
    results: list[Result] = []
    for ask in asks:
        values = []
        for attribute in ask.attributes:
            value = value_of(meter, attribute, clock, conduct.has_entry)
            if isinstance(value, ResultCode):
                return [*results, value]
            values.append(value)
        results.append(tuple(values))
    return results
