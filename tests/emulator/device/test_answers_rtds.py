"""A meter's answers beside those of the RTDS: the same structure, and the same failures."""

import re
from typing import Any

from emulator.device.conduct import Conduct
from emulator.device.meter import Answer, Outcome, answer
from gbcs import Command, Keystore, Response, Status, decode
from gbcs.dlms.access import AccessRequest, AccessResponse
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import Data, DataType
from gbcs.instants import DAY, EPOCH_UNIX, parse_iso
from gbcs.tables.reading_services import BY_CODE
from gbcs.usecases.asking import Window, asks_of, reading_command
from profiles import meter_profile
from tests.support.rtds import Vector, each, named, needs_rtds

pytestmark = needs_rtds

VECTORS_NOW = parse_iso("2015-01-01T00:00:00Z")
"""When the meter of the vectors answers."""
NOW = parse_iso("2026-01-01T00:00:00Z")
"""When emulated meters have been in place for years."""

PERIODIC = ("4.6.", "4.8.", "4.10", "4.14")
"""Logs whose entries are made at fixed times."""
LATER_FAILURES = ("ECS26a", "ECS27")
"""Vectors in which a later access than the first is the one that fails."""


def is_response(vector: Vector, scenario: str) -> bool:
    return (
        vector.srv.startswith("4.")
        and vector.use_case.startswith("ECS")
        and vector.direction == "RESPONSE"
        and scenario in vector.name
    )


successes = each(lambda vector: is_response(vector, "SUCCESS"))
successes_of_logs = each(
    lambda vector: is_response(vector, "SUCCESS") and vector.srv.startswith(PERIODIC)
)
failures = each(
    lambda vector: is_response(vector, "ERROR") and vector.use_case not in LATER_FAILURES
)


def command_of(vector: Vector, keystore: Keystore) -> Command:
    name = re.sub("_GBCS$", "", vector.name).replace("_RESPONSE", "_COMMAND")
    command = decode(named(name).octets, keystore)
    assert isinstance(command, Command)
    return command


def kind_of(vector: Vector) -> str:
    return "twin" if "TWIN" in vector.name or vector.use_case == "ECS24b" else "single"


def said_to(
    command: Command, kind: str, keystore: Keystore, now: int, conduct: Conduct | None = None
) -> Answer:
    return answer(
        "1",
        command,
        keystore,
        now + EPOCH_UNIX,
        lambda: 5,
        conduct or Conduct(),
        (meter_profile(kind),),
    )


def shape(data: Data) -> Any:
    """The types of a value and their order: without numbers, and without octets."""
    value = data.value
    if isinstance(value, CompactArray):
        return data.type, value.description
    if isinstance(value, tuple):
        return data.type, tuple(map(shape, value))
    return data.type


def without_lengths(item: Any) -> Any:
    """A shape in which each array is the kinds of its items, however many there are."""
    if not isinstance(item, tuple):
        return item
    kind, content = item
    if not isinstance(content, tuple):
        return item
    parts = tuple(map(without_lengths, content))
    return kind, frozenset(parts) if kind is DataType.ARRAY else parts


def values(response: Response) -> list[Data]:
    """The values of a success, those that are encrypted opened."""
    assert isinstance(response.payload, AccessResponse)
    found = [result.data for result in response.payload.results]
    for item in response.protected:
        assert item.status is Status.VALID
        assert item.plaintext is not None
        found.append(Data.parse(item.plaintext))
    return found


def opened(octets: bytes | None, keystore: Keystore) -> Response:
    assert octets is not None
    response = decode(octets, keystore)
    assert isinstance(response, Response)
    return response


@successes
def test_the_command_of_a_vector_is_answered_in_the_structure_of_its_response(
    vector: Vector, rtds_keystore: Keystore
) -> None:
    theirs = opened(vector.octets, rtds_keystore)
    said = said_to(command_of(vector, rtds_keystore), kind_of(vector), rtds_keystore, NOW)
    ours = opened(said.octets, rtds_keystore)
    assert said.outcome is Outcome.ANSWERED
    assert bool(ours.transaction_time) is bool(theirs.transaction_time)
    assert ours.signature == theirs.signature
    assert (ours.originator, ours.recipient) == (theirs.originator, theirs.recipient)
    assert isinstance(ours.payload, AccessResponse)
    assert isinstance(theirs.payload, AccessResponse)
    codes = [[(item.choice, item.code) for item in each.payload.results] for each in (ours, theirs)]
    assert codes[0] == codes[1]
    assert ours.payload.invoke_id == theirs.payload.invoke_id
    of_ours, of_theirs = (values(item) for item in (ours, theirs))
    for number, (mine, other) in enumerate(zip(of_ours, of_theirs, strict=True)):
        if is_switching_times(vector, number):
            assert without_lengths(shape(mine)) == without_lengths(shape(other))
        else:
            assert shape(mine) == shape(other)


def is_switching_times(vector: Vector, number: int) -> bool:
    """Whether a value is day profiles, which have as many switches as the tariff has."""
    accesses = BY_CODE[decode(vector.octets).message_code].accesses
    if number >= len(accesses):
        return False
    attribute = accesses[number].attributes[0]
    return (attribute.class_id, attribute.index) == (20, 5)


@successes
def test_scalers_and_units_are_those_of_the_vector(vector: Vector, rtds_keystore: Keystore) -> None:
    said = said_to(command_of(vector, rtds_keystore), kind_of(vector), rtds_keystore, NOW)
    ours, theirs = (opened(item, rtds_keystore) for item in (said.octets, vector.octets))
    mine, others = (
        [unit for value in values(item) for unit in units(value)] for item in (ours, theirs)
    )
    assert mine == others


def units(data: Data) -> list[tuple[object, object]]:
    """Every scaler and unit in a value."""
    if not isinstance(data.value, tuple):
        return []
    kinds = [item.type for item in data.value]
    if kinds == [DataType.INTEGER, DataType.ENUM]:
        return [(data.value[0].value, data.value[1].value)]
    return [unit for item in data.value for unit in units(item)]


@successes_of_logs
def test_a_window_as_long_as_that_of_the_vector_has_as_many_entries(
    vector: Vector, rtds_keystore: Keystore
) -> None:
    asked = command_of(vector, rtds_keystore)
    theirs = [
        len(value.value.rows())
        for value in flattened(values(opened(vector.octets, rtds_keystore)))
        if isinstance(value.value, CompactArray)
    ]
    asks = asks_of(asked)
    assert asks is not None
    [window] = {item.window for ask in asks for item in ask.attributes if item.window}
    assert window is not None
    later = (NOW - window.end) // DAY * DAY
    command = reading_command(
        BY_CODE[asked.message_code],
        device=asked.recipient,
        originator=asked.originator,
        counter=asked.originator_counter,
        window=Window(window.start + later, window.end + later),
        supplementary=asked.supplementary,
    )
    said = said_to(command, kind_of(vector), rtds_keystore, NOW)
    ours = [
        len(value.value.rows())
        for value in flattened(values(opened(said.octets, rtds_keystore)))
        if isinstance(value.value, CompactArray)
    ]
    assert ours == theirs


def flattened(found: list[Data]) -> list[Data]:
    return [
        inner
        for data in found
        for inner in (
            [data, *flattened(list(data.value))] if isinstance(data.value, tuple) else [data]
        )
    ]


@failures
def test_a_refusal_is_that_of_the_vector_octet_for_octet(
    vector: Vector, rtds_keystore: Keystore
) -> None:
    theirs = opened(vector.octets, rtds_keystore)
    assert isinstance(theirs.payload, AccessResponse)
    code = theirs.payload.results[0].code
    command = command_of(vector, rtds_keystore)
    assert isinstance(command.payload, AccessRequest)
    said = said_to(command, kind_of(vector), rtds_keystore, VECTORS_NOW, Conduct(refusal=code))
    assert said.outcome is Outcome.REFUSED
    assert said.octets == vector.octets
