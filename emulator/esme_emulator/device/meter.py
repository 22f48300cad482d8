"""A meter's answer to a command that it has accepted: normally, or as a fault makes it.

A pure function of seed, EUI, time and keys: nothing is kept between commands. The caller passes the
device's own counter, which some replies carry. A `Behaviour` is what a fault changes in the meter
itself, such as a drifting clock or a log with gaps; what happens to the reply afterwards is
`faults.base.Delivery`.

The modules `objects_*` compute the values of attributes by topic. Every ESME has the objects of
prepayment, also in credit mode. Only a twin element meter has those of a second element, and only a
polyphase meter those of phases 2 and 3.

Source: SMETS2, technical specifications of single element, twin element and polyphase ESME.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from esme_emulator.device.cosem import Reference, Value
from esme_emulator.device.logs import HasEntry, entries
from esme_emulator.device.model import Meter, meter_of
from esme_emulator.device.objects_energy import ENERGY, LOAD_LIMIT, OTHER_PHASES, VOLTAGE
from esme_emulator.device.objects_money import MONEY
from esme_emulator.device.objects_tariff import SECONDARY_TARIFF, TARIFF
from esme_emulator.profiles import MeterProfile, ProfileError
from gbcs import Command, GbcsError, Keystore
from gbcs.dlms.data import Data
from gbcs.instants import EPOCH_UNIX, MAX_INSTANT, to_date_time
from gbcs.obis import parse_dotted
from gbcs.tables.profile_logs import BY_OBIS
from gbcs.tables.reading_services import BY_CODE
from gbcs.tables.result_codes import ResultCode
from gbcs.tables.use_cases import DATED_RESPONSES
from gbcs.usecases.answer import Result, answer_reading, needs_own_counter
from gbcs.usecases.read_request import Attribute, ReadRequest, read_requests_of
from gbcs.usecases.responding import refuse

_EVERY: dict[Reference, Value] = ENERGY | TARIFF | MONEY | VOLTAGE | LOAD_LIMIT
_POLYPHASE_LOGS = frozenset(map(parse_dotted, ("1.0.52.24.0.255", "1.0.72.24.0.255")))


def value_of(
    meter: Meter, attribute: Attribute, now: int, has_entry: HasEntry | None = None
) -> Data | ResultCode:
    """Return the value of `attribute` at `now`, in seconds since 2000, or a result code.

    The code is object-undefined if the meter has no such object or attribute. `has_entry` tells
    which log entries exist; None for all.
    """
    if attribute.window is not None:
        log = BY_OBIS.get(attribute.obis)
        if log is None or (log.log in _POLYPHASE_LOGS and meter.phases == 1):
            return ResultCode.OBJECT_UNDEFINED
        return entries(meter, log, attribute.window, now, has_entry)
    reference = (attribute.class_id, attribute.obis, attribute.index)
    value = _EVERY.get(reference)
    if value is None and meter.secondary is not None:
        value = SECONDARY_TARIFF.get(reference)
    if value is None and meter.phases == 3:
        value = OTHER_PHASES.get(reference)
    return value(meter, now) if value else ResultCode.OBJECT_UNDEFINED


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a meter does with one command. The defaults are those of a meter without a fault."""

    silent: bool = False
    """Whether the meter ignores the command."""
    refusal: int | None = None
    """Result code that the first access fails with; the meter does not attempt the others."""
    drift: float = 0.0
    """Seconds by which the meter's clock is ahead of the time."""
    has_entry: Callable[[int], bool] | None = None
    """Returns whether the log entry of a time stamp (seconds since 2000) exists; None for all."""


NORMAL = Behaviour()


MOST_ATTRIBUTES = 32
"""Most attributes in one command; more are refused. The largest use case reads 18."""


class Outcome(StrEnum):
    """The outcome of a command that the meter accepted."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """The reply has a result code: the meter supports the command only in part, or not at all."""
    UNANSWERED = "unanswered"
    """No reply can be made: not DLMS, or encrypted for a party without a key."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a command, and the reply."""

    outcome: Outcome
    octets: bytes | None = None
    """The reply, or None if the meter cannot reply."""
    reason: str = ""
    """Why the meter cannot reply, in one line; empty with a reply."""


def answer(
    seed: str,
    command: Command,
    keystore: Keystore,
    now: float,
    own_counter: Callable[[], int],
    behaviour: Behaviour = NORMAL,
    profiles: tuple[MeterProfile, ...] | None = None,
) -> Answer:
    """Answer `command`, which must be for a meter of `seed`, at `now`, Unix time in seconds.

    `own_counter` is called only if the reply is encrypted for a party behind the Access Control
    Broker (ACB). Silence of `behaviour` is ignored here: the caller must heed it. `profiles` are
    those of the fleet; None is the shipped mix.
    """
    clock = min(max(int(now + behaviour.drift) - EPOCH_UNIX, 0), MAX_INSTANT)
    service = BY_CODE.get(command.message_code)
    asks = read_requests_of(command) if service else None
    if asks is not None and sum(len(ask.attributes) for ask in asks) > MOST_ATTRIBUTES:
        asks = None
    dated = service.carries_time if service else command.message_code in DATED_RESPONSES
    time = to_date_time(clock) if dated else b""
    try:
        if asks is None or behaviour.refusal is not None:
            code = ResultCode.OBJECT_UNDEFINED if behaviour.refusal is None else behaviour.refusal
            return Answer(Outcome.REFUSED, refuse(command, code, keystore, time))
        meter = meter_of(seed, command.recipient, profiles)
        results = _results(meter, asks, clock, behaviour)
        counter = own_counter() if needs_own_counter(command, results) else None
        octets = answer_reading(command, results, keystore, counter, time)
    except (GbcsError, ProfileError) as error:
        return Answer(Outcome.UNANSWERED, reason=str(error))
    refused = isinstance(results[-1], int)
    return Answer(Outcome.REFUSED if refused else Outcome.ANSWERED, octets)


def _results(
    meter: Meter, asks: tuple[ReadRequest, ...], clock: int, behaviour: Behaviour
) -> list[Result]:
    """Return the result of each access, up to the first that fails (break on error)."""
    results: list[Result] = []
    for ask in asks:
        values = []
        for attribute in ask.attributes:
            value = value_of(meter, attribute, clock, behaviour.has_entry)
            if isinstance(value, ResultCode):
                return [*results, value]
            values.append(value)
        results.append(tuple(values))
    return results
