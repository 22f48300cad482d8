"""Voltage is within bounds except in the hours that counters count, and lower under load."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from esme_emulator.device import voltage
from esme_emulator.device.logs import buffer
from esme_emulator.device.model import Meter
from esme_emulator.device.voltage import HIGHEST, LOWEST, PERIOD, Bound, times_beyond, voltages
from gbcs.instants import DAY, MAX_INSTANT
from gbcs.obis import parse_dotted
from gbcs.tables.profile_logs import BY_OBIS
from gbcs.usecases.asking import Window
from gbcs.usecases.rows import rows_of
from tests.emulator.device.meters import KINDS, any_meters, instants, moments

SOLAR, POLYPHASE = KINDS["single-solar"], KINDS["polyphase"]


def hours(meter: Meter, start: int, number: int) -> range:
    """Return the stamps of `number` hours from `start`, or from installation."""
    first = max(start, meter.installed * DAY) // PERIOD * PERIOD + PERIOD
    return range(first, first + number * PERIOD, PERIOD)


@given(any_meters, moments, st.integers(1, 400), st.data())
def test_counters_agree_with_the_log(
    meter: Meter, start: int, number: int, data: st.DataObject
) -> None:
    phase = data.draw(st.integers(0, meter.phases - 1), label="phase")
    stamps = hours(meter, start, number)
    found = voltages(meter, phase, stamps)
    for bound, beyond in (
        (Bound.OVER, [volts > HIGHEST for volts in found]),
        (Bound.UNDER, [volts < LOWEST for volts in found]),
    ):
        before = times_beyond(meter, phase, bound, stamps[0] - PERIOD)
        for stamp, is_beyond in zip(stamps, beyond, strict=True):
            assert times_beyond(meter, phase, bound, stamp - 1) == before
            before += is_beyond
            assert times_beyond(meter, phase, bound, stamp) == before


@given(any_meters, st.integers(0, 2000))
def test_counters_are_all_hours_since_installation(meter: Meter, number: int) -> None:
    stamps = hours(meter, 0, number)
    found = voltages(meter, 0, stamps)
    now = meter.installed * DAY + number * PERIOD
    assert times_beyond(meter, 0, Bound.OVER, now) == sum(volts > HIGHEST for volts in found)
    assert times_beyond(meter, 0, Bound.UNDER, now) == sum(volts < LOWEST for volts in found)


@given(any_meters, instants, st.integers(0, 10**9))
@example(POLYPHASE, 0, 0)
def test_counters_only_grow(meter: Meter, instant: int, later: int) -> None:
    for phase in range(meter.phases):
        for bound in Bound:
            before = times_beyond(meter, phase, bound, instant)
            assert 0 <= before <= times_beyond(meter, phase, bound, instant + later)


@given(any_meters, st.integers(0, 10**6), st.integers(0, 10**6))
def test_no_hour_is_both_over_and_under(meter: Meter, one: int, other: int) -> None:
    """Cycles have an even length, so hours of one bound are even and those of the other odd."""
    for phase in range(meter.phases):
        for bound, parity in ((Bound.OVER, 0), (Bound.UNDER, 1)):
            assert voltage._cycle(meter, phase, bound) % 2 == 0
            for cycle in (one, other):
                hour = voltage._hour_beyond(meter, phase, bound, cycle)
                assert 0 <= hour < voltage._cycle(meter, phase, bound)
                assert hour % 2 == parity


@given(any_meters, moments)
def test_voltage_is_plausible(meter: Meter, start: int) -> None:
    for volts in voltages(meter, 0, hours(meter, start, 100)):
        assert 200 <= volts <= 265


def test_voltage_falls_with_import_and_rises_with_export() -> None:
    stamps = hours(SOLAR, 842_000_000, 24 * 300)
    found = voltages(SOLAR, 0, stamps)
    first = stamps[0] // 1800 - 2
    imports = SOLAR.primary.half_hours(first, first + 2 * len(found) - 1)
    exports = SOLAR.active_export.half_hours(first, first + 2 * len(found) - 1)
    flow = [
        sum(imports[2 * hour : 2 * hour + 2]) - sum(exports[2 * hour : 2 * hour + 2])
        for hour in range(len(found))
    ]
    ordered = [volts for _, volts in sorted(zip(flow, found, strict=True))]
    tenth = len(ordered) // 10
    assert sum(ordered[:tenth]) / tenth > sum(ordered[-tenth:]) / tenth + 0.5


@given(any_meters, moments, st.integers(1, 50), st.integers(1, 50))
def test_an_hour_does_not_depend_on_the_window(
    meter: Meter, start: int, one: int, other: int
) -> None:
    stamps = hours(meter, start, one + other)
    parts = voltages(meter, 0, stamps[:one]) + voltages(meter, 0, stamps[one:])
    assert parts == voltages(meter, 0, stamps)


def test_an_empty_range_has_no_voltage() -> None:
    assert voltages(SOLAR, 0, range(0)) == []


def test_phases_differ() -> None:
    stamps = hours(POLYPHASE, 842_000_000, 200)
    of_each = [voltages(POLYPHASE, phase, stamps) for phase in range(3)]
    assert all(one != other for one, other in pairwise([*of_each, of_each[0]]))


@pytest.mark.parametrize("group", [32, 52, 72])
@given(instants)
@example(MAX_INSTANT)
def test_the_log_has_these_voltages(group: int, now: int) -> None:
    log = BY_OBIS[parse_dotted(f"1.0.{group}.24.0.255")]
    window = Window(max(now - 50 * PERIOD, 0), now)
    found = rows_of(log, buffer(POLYPHASE, log, window, now))
    stamps = [row["time"] for row in found]
    assert all(stamp % PERIOD == 0 for stamp in stamps)
    assert all(POLYPHASE.installed * DAY < stamp <= now for stamp in stamps)
    if stamps:
        phase = (group - 32) // 20
        expected = voltages(POLYPHASE, phase, range(stamps[0], stamps[-1] + 1, PERIOD))
        assert [row["average_rms_voltage"] for row in found] == expected
