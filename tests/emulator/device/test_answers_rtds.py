"""A meter's answers have the structure and the failures of those in the RTDS.

What the specification leaves open is taken from the vector: the kind of meter that it is of, how
many entries an array has, and which access fails. Which responses carry the time is judged with the
table of the reading services, in tests/gbcs/tables.
"""

from dataclasses import replace

from esme_emulator.device.meter import Answer, Behaviour, Outcome, answer
from esme_emulator.device.voltage import PERIOD
from esme_emulator.profiles import MeterProfile, meter_profile
from gbcs import Command, Keystore, Response, Status, decode
from gbcs.dlms.access import AccessRequest, AccessResponse
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import Data, DataType
from gbcs.instants import DAY, EPOCH_UNIX, from_date_time, parse_iso
from gbcs.obis import parse_dotted
from gbcs.tables.profile_logs import BY_OBIS
from gbcs.tables.reading_services import (
    BY_CODE,
    FIELDS,
    POLYPHASE,
    SINGLE,
    TWIN,
    ReadAttribute,
    ReadingService,
)
from gbcs.tables.result_codes import ResultCode
from gbcs.usecases.read_request import Window, read_requests_of, reading_command
from gbcs.usecases.values import Reading, plain, values_of
from tests.support.rtds import Vector, answer_to, each, needs_rtds

pytestmark = needs_rtds

NOW = parse_iso("2026-01-01T00:00:00Z")
"""A time at which emulated meters have been installed for years."""

PAID_FROM = ReadAttribute(111, parse_dotted("0.0.19.0.0.255"), 11, windowed=False)
SECONDARY_TARIFF = parse_dotted("0.0.19.20.5.255")
ENTRIES_IN_CREDIT_MODE = 3
"""The most charges that the credit charge configuration has in credit mode."""


def codes(vector: Vector) -> list[int]:
    """Return the result codes of a response to a read; none for any other message."""
    if vector.direction != "RESPONSE":
        return []
    response = decode(vector.octets)
    if response.message_code not in BY_CODE or not isinstance(response.payload, AccessResponse):
        return []
    return [result.code for result in response.payload.results]


def service_of(vector: Vector) -> ReadingService:
    return BY_CODE[decode(vector.octets).message_code]


successes = each(lambda vector: set(codes(vector)) == {ResultCode.SUCCESS})
successes_of_logs = each(
    lambda vector: set(codes(vector)) == {ResultCode.SUCCESS} and service_of(vector).windowed
)
refusals = each(lambda vector: bool(codes(vector)[:1]) and codes(vector)[0] != ResultCode.SUCCESS)


def command_of(vector: Vector, keystore: Keystore) -> Command:
    command = decode(answer_to(vector).octets, keystore)
    assert isinstance(command, Command)
    return command


def profile_of(vector: Vector, keystore: Keystore) -> MeterProfile:
    """Return the kind of meter that sent a response, judging by its structure."""
    meters = service_of(vector).meters
    readings = values_of(opened(vector.octets, keystore))
    if meters in ((POLYPHASE,), (TWIN,)):
        variant = meters[0]
    else:
        variant = TWIN if any(map(has_second_element, readings)) else SINGLE
    prepays = any(
        reading.attribute == PAID_FROM and len(items(reading)) > ENTRIES_IN_CREDIT_MODE
        for reading in readings
    )
    return replace(meter_profile(variant), payment="prepayment" if prepays else "credit")


def has_second_element(reading: Reading) -> bool:
    item = reading.attribute
    if reading.data is None:
        return False
    if item.windowed:
        log = BY_OBIS[item.obis]
        value = reading.data.value
        assert isinstance(value, CompactArray)
        return len(log.rows) > 1 and value.description == list(log.rows)[-1]
    if item == PAID_FROM:
        return any(plain(entry)[1] == SECONDARY_TARIFF for entry in items(reading))
    names = FIELDS.get((item.class_id, item.obis, item.index), ())
    return any(name.startswith("secondary") for name in names[: len(items(reading))])


def items(reading: Reading) -> tuple[Data, ...]:
    value = reading.data.value if reading.data else ()
    return value if isinstance(value, tuple) else ()


def said_to(
    command: Command,
    profile: MeterProfile,
    keystore: Keystore,
    now: int,
    behaviour: Behaviour | None = None,
) -> Answer:
    return answer(
        "1",
        command,
        keystore,
        now + EPOCH_UNIX,
        lambda: 5,
        behaviour or Behaviour(),
        (profile,),
    )


def alike(mine: Data, other: Data, *, numbered: bool = False) -> bool:
    """Return whether two values have the same types, regardless of their contents.

    Arrays have as many entries as there are things to say, and are of one type. Those that are
    `numbered` have an entry for each register.
    """
    if mine.type is not other.type:
        return False
    if isinstance(mine.value, CompactArray) and isinstance(other.value, CompactArray):
        return mine.value.description == other.value.description
    if not isinstance(mine.value, tuple) or not isinstance(other.value, tuple):
        return True
    if mine.type is DataType.ARRAY:
        if numbered and len(mine.value) != len(other.value):
            return False
        return all(
            alike(one, two, numbered=numbered) for one in mine.value for two in other.value[:1]
        ) and all(
            alike(one, two, numbered=numbered) for one in mine.value[:1] for two in other.value
        )
    return len(mine.value) == len(other.value) and all(
        alike(one, two, numbered=numbered) for one, two in zip(mine.value, other.value, strict=True)
    )


def opened(octets: bytes | None, keystore: Keystore) -> Response:
    assert octets is not None
    response = decode(octets, keystore)
    assert isinstance(response, Response)
    assert {item.status for item in response.protected} <= {Status.VALID}
    return response


@successes
def test_answers_to_commands_of_vectors_have_the_structure_of_their_responses(
    vector: Vector, rtds_keystore: Keystore
) -> None:
    theirs = opened(vector.octets, rtds_keystore)
    profile = profile_of(vector, rtds_keystore)
    said = said_to(command_of(vector, rtds_keystore), profile, rtds_keystore, NOW)
    ours = opened(said.octets, rtds_keystore)
    assert said.outcome is Outcome.ANSWERED
    assert ours.signature == theirs.signature
    assert (ours.originator, ours.recipient) == (theirs.originator, theirs.recipient)
    assert isinstance(ours.payload, AccessResponse)
    assert isinstance(theirs.payload, AccessResponse)
    results = [
        [(item.choice, item.code) for item in each.payload.results] for each in (ours, theirs)
    ]
    assert results[0] == results[1]
    assert ours.payload.invoke_id == theirs.payload.invoke_id
    for mine, other in zip(values_of(ours), values_of(theirs), strict=True):
        assert mine.data is not None
        assert other.data is not None
        assert alike(mine.data, other.data, numbered=mine.attribute.class_id == 1), mine.name


@successes
def test_scalers_and_units_equal_those_of_the_vector(
    vector: Vector, rtds_keystore: Keystore
) -> None:
    profile = profile_of(vector, rtds_keystore)
    said = said_to(command_of(vector, rtds_keystore), profile, rtds_keystore, NOW)
    mine, others = (
        [unit for item in values_of(opened(octets, rtds_keystore)) for unit in units(item.data)]
        for octets in (said.octets, vector.octets)
    )
    assert mine == others


def units(data: Data | None) -> list[tuple[object, object]]:
    """Return all scalers and units in a value."""
    if data is None or not isinstance(data.value, tuple):
        return []
    kinds = [item.type for item in data.value]
    if kinds == [DataType.INTEGER, DataType.ENUM]:
        return [(data.value[0].value, data.value[1].value)]
    return [unit for item in data.value for unit in units(item)]


@successes_of_logs
def test_a_window_as_long_as_that_of_the_vector_has_an_entry_for_each_period(
    vector: Vector, rtds_keystore: Keystore
) -> None:
    """The number of entries in a vector depends on the installation of its meter."""
    asked = command_of(vector, rtds_keystore)
    asks = read_requests_of(asked)
    assert asks is not None
    asked_for = next(item.window for ask in asks for item in ask.attributes if item.window)
    later = (NOW - asked_for.end) // DAY * DAY
    window = Window(asked_for.start + later, asked_for.end + later)
    command = reading_command(
        service_of(vector),
        device=asked.recipient,
        originator=asked.originator,
        counter=asked.originator_counter,
        window=window,
        supplementary=asked.supplementary,
    )
    said = said_to(command, profile_of(vector, rtds_keystore), rtds_keystore, NOW)
    for reading in values_of(opened(said.octets, rtds_keystore)):
        if reading.rows is None:
            continue
        log = BY_OBIS[reading.attribute.obis]
        period = log.period or (PERIOD if log.srv == "4.10" else 0)
        if period:
            periods = window.end // period - -(-window.start // period) + 1
            assert len(reading.rows) == min(periods, log.depth)
            assert [row["time"] % period for row in reading.rows] == [0] * len(reading.rows)
        assert all(window.start <= row["time"] <= window.end for row in reading.rows)


@refusals
def test_a_refusal_equals_that_of_the_vector(vector: Vector, rtds_keystore: Keystore) -> None:
    theirs = opened(vector.octets, rtds_keystore)
    service = service_of(vector)
    assert isinstance(theirs.payload, AccessResponse)
    code = theirs.payload.results[0].code
    command = command_of(vector, rtds_keystore)
    assert isinstance(command.payload, AccessRequest)
    now = from_date_time(theirs.transaction_time) if theirs.transaction_time else NOW
    profile = meter_profile(service.meters[0])
    said = said_to(command, profile, rtds_keystore, now, Behaviour(refusal=code))
    assert said.outcome is Outcome.REFUSED
    if service.carries_time is bool(theirs.transaction_time):
        assert said.octets == vector.octets
    else:
        assert opened(said.octets, rtds_keystore).payload == theirs.payload
