"""Registers only grow, and all readings derived from them add up."""

from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from esme_emulator.device.energy import (
    SECONDARY_TOU_REGISTERS,
    TOU_REGISTERS,
    Series,
    by_tariff,
    grown,
    power,
    total,
)
from esme_emulator.device.logs import buffer, registers_row
from esme_emulator.device.meter import value_of
from esme_emulator.device.model import Meter
from esme_emulator.device.tariff import (
    block_counters,
    block_counters_of_year,
    current_block,
    month_start,
    months_until,
    year_of,
    year_start,
)
from gbcs.dlms.data import Data
from gbcs.instants import DAY, HALF_HOUR, MAX_INSTANT, parse_iso, to_iso
from gbcs.obis import parse_dotted
from gbcs.tables.profile_logs import BY_OBIS, BY_SRV
from gbcs.usecases.read_request import Attribute, Window
from gbcs.usecases.rows import rows_of
from gbcs.usecases.values import plain
from tests.emulator.device.meters import KINDS, any_meters, days, instants, moments, with_blocks

BLOCKS, TWIN_BLOCKS = KINDS["single-blocks"], KINDS["twin-blocks"]
LEAP_YEAR_END = parse_iso("2024-12-31T23:59:59Z")
CONSUMPTION = next(log for log in BY_OBIS.values() if log.srv == "4.17")


def every_series(meter: Meter) -> list[Series]:
    return [
        meter.primary,
        *([meter.secondary] if meter.secondary else []),
        meter.active_export,
        meter.reactive_import,
        meter.reactive_export,
    ]


@given(any_meters, moments, st.one_of(st.integers(0, 4 * HALF_HOUR), st.integers(0, 900 * DAY)))
def test_registers_only_grow(meter: Meter, instant: int, later: int) -> None:
    for series in every_series(meter):
        before = grown(series, meter.installed, instant)
        after = grown(series, meter.installed, instant + later)
        assert all(a <= b for a, b in zip(before, after, strict=True))


@given(any_meters, moments)
def test_a_register_is_full_half_hours_plus_a_linear_part_of_the_current_one(
    meter: Meter, instant: int
) -> None:
    instant = max(instant, meter.installed * DAY)
    half_hour, passed = divmod(instant, HALF_HOUR)
    for series in every_series(meter):
        [energy] = series.half_hours(half_hour, half_hour)
        at_start = total(series, meter.installed, half_hour * HALF_HOUR)
        at_end = total(series, meter.installed, (half_hour + 1) * HALF_HOUR)
        assert at_end - at_start == energy
        expected = at_start + energy * passed // HALF_HOUR
        assert total(series, meter.installed, instant) == expected


@given(any_meters, st.integers(1, 300))
def test_a_register_is_the_sum_of_half_hours_since_installation(
    meter: Meter, half_hours: int
) -> None:
    first = meter.installed * 48
    for series in every_series(meter):
        energies = series.half_hours(first, first + half_hours - 1)
        instant = (first + half_hours) * HALF_HOUR
        assert total(series, meter.installed, instant) == sum(energies)


@given(any_meters, instants)
@example(BLOCKS, 0)
@example(BLOCKS, MAX_INSTANT)
def test_registers_are_0_before_installation(meter: Meter, instant: int) -> None:
    if instant <= meter.installed * DAY:
        assert all(total(series, meter.installed, instant) == 0 for series in every_series(meter))
        assert sum(map(sum, registers_row(meter, instant)[-4:])) == 0
    else:
        assert total(meter.primary, meter.installed, instant) >= 0


@given(any_meters, moments)
@example(TWIN_BLOCKS, LEAP_YEAR_END)
def test_tariff_registers_and_blocks_sum_to_the_import_registers(
    meter: Meter, instant: int
) -> None:
    row = registers_row(meter, instant)
    assert row[0] == instant
    assert row[1] == total(meter.primary, meter.installed, instant)
    tou, blocks = row[-5 if meter.secondary is None else -6], row[-4:]
    assert len(tou) == TOU_REGISTERS
    assert [len(block) for block in blocks] == [8] * 4
    assert sum(tou) + sum(map(sum, blocks)) == row[1]
    if meter.secondary is not None:
        assert row[2] == total(meter.secondary, meter.installed, instant)
        assert len(row[-5]) == SECONDARY_TOU_REGISTERS
        assert sum(row[-5]) == row[2]


@given(any_meters, days)
def test_a_half_hour_is_counted_in_the_register_of_its_tariff(meter: Meter, day: int) -> None:
    start = max(day, meter.installed) * DAY
    for slot in (0, 1, 14, 15, 47):
        before = grown(meter.primary, meter.installed, start + slot * HALF_HOUR)
        after = grown(meter.primary, meter.installed, start + (slot + 1) * HALF_HOUR)
        grew = [
            b - a
            for a, b in zip(
                by_tariff(before, meter.tariff, 48), by_tariff(after, meter.tariff, 48), strict=True
            )
        ]
        energy = meter.primary.half_hours(start // HALF_HOUR + slot, start // HALF_HOUR + slot)
        assert grew.pop(meter.tariff[slot]) == energy[0]
        assert not any(grew)


@given(any_meters, moments)
def test_power_is_twice_the_energy_of_the_current_half_hour(meter: Meter, instant: int) -> None:
    start = instant // HALF_HOUR * HALF_HOUR
    for series in every_series(meter):
        energy = total(series, meter.installed, start + HALF_HOUR) - total(
            series, meter.installed, start
        )
        assert power(series, meter.installed, instant) == 2 * energy


@given(any_meters, days)
def test_half_hours_sum_to_daily_consumption_and_to_the_difference_of_daily_reads(
    meter: Meter, day: int
) -> None:
    first = max(day, meter.installed + 1) * DAY
    now = first + 3 * DAY
    window = Window(first + DAY, now)
    consumed = rows_of(CONSUMPTION, buffer(meter, CONSUMPTION, window, now))
    reads = rows_of(BY_SRV["4.6.1"], buffer(meter, BY_SRV["4.6.1"], Window(first, now), now))
    half_hours = rows_of(
        BY_SRV["4.8.1"],
        buffer(meter, BY_SRV["4.8.1"], Window(first + HALF_HOUR, now), now),
    )
    assert len(consumed) == 3
    for number, row in enumerate(consumed):
        of_day = half_hours[number * 48 : number * 48 + 48]
        assert row["time"] == of_day[-1]["time"]
        assert row["consumption"] == sum(
            item["primary"] + item.get("secondary", 0) for item in of_day
        )
        before, after = (
            read["import"] + read.get("secondary_import", 0) for read in reads[number : number + 2]
        )
        assert row["consumption"] == after - before


@given(with_blocks, moments, st.integers(0, 900 * DAY))
def test_block_counters_only_grow_and_never_decrease(
    meter: Meter, instant: int, later: int
) -> None:
    before, after = block_counters(meter, instant), block_counters(meter, instant + later)
    assert all(a <= b for a, b in zip(before, after, strict=True))
    assert sum(after) == total(meter.primary, meter.installed, instant + later)


@given(with_blocks, moments)
def test_blocks_of_a_year_are_filled_one_after_another(meter: Meter, instant: int) -> None:
    instant = max(instant, meter.installed * DAY)
    of_year = block_counters_of_year(meter, instant)
    edges = (0, *meter.block_thresholds)
    start = max(year_start(year_of(instant)), meter.installed * DAY)
    used = total(meter.primary, meter.installed, instant) - total(
        meter.primary, meter.installed, start
    )
    assert sum(of_year) == used
    for number, (counter, lower) in enumerate(zip(of_year, edges, strict=True)):
        room = edges[number + 1] - lower if number + 1 < len(edges) else used
        assert counter == min(max(used - lower, 0), room)
    block = current_block(meter, instant)
    assert edges[block] <= used
    assert block + 1 == len(edges) or used < edges[block + 1]


@given(with_blocks, st.integers(2014, 2120))
@example(BLOCKS, 2024)
def test_counters_of_a_year_restart_and_the_others_continue(meter: Meter, year: int) -> None:
    edge = year_start(year)
    assert sum(block_counters_of_year(meter, edge)) == 0
    before = block_counters(meter, edge - 1)
    after = block_counters(meter, edge)
    assert all(a <= b for a, b in zip(before, after, strict=True))
    [energy] = meter.primary.half_hours(edge // HALF_HOUR - 1, edge // HALF_HOUR - 1)
    assert sum(after) - sum(before) <= energy


@given(with_blocks, st.integers(2023, 2120))
def test_years_add_up_to_the_counters(meter: Meter, year: int) -> None:
    ends = [year_start(number) - 1 for number in range(2013, year + 1)]
    of_years = [block_counters_of_year(meter, end) for end in ends]
    whole = block_counters(meter, year_start(year))
    closed = [total(meter.primary, meter.installed, end + 1) for end in ends]
    rests = [
        closed[number] - (closed[number - 1] if number else 0) - sum(of_year)
        for number, of_year in enumerate(of_years)
    ]
    assert all(rest >= 0 for rest in rests)
    assert sum(whole) == sum(map(sum, of_years)) + sum(rests)
    for block, counter in enumerate(whole):
        seen = sum(of_year[block] for of_year in of_years)
        assert seen <= counter <= seen + sum(rests)


def value(meter: Meter, dotted: str, now: int) -> tuple[Any, ...]:
    said = value_of(meter, Attribute(1, parse_dotted(dotted), 2), now)
    assert isinstance(said, Data)
    parts = plain(said)
    assert isinstance(parts, tuple)
    return parts


@given(any_meters, moments)
def test_collections_contain_the_registers(meter: Meter, now: int) -> None:
    row = registers_row(meter, now)
    second = meter.secondary
    imported = value(meter, "0.0.94.44.34.10", now)
    assert imported[:2] == (row[1], (0, 30))
    assert imported[2:4] == (total(meter.reactive_import, meter.installed, now), (0, 32))
    assert imported[4:] == (row[2:3] if second else ())
    assert value(meter, "0.0.94.44.34.1", now) == (row[3:5] if second else row[2:3])
    power_now = power(meter.primary, meter.installed, now)
    both = power_now + (power(second, meter.installed, now) if second else 0)
    assert value(meter, "0.0.94.44.34.20", now) == (both, (0, 27), power_now)


@given(any_meters, moments)
def test_the_collection_of_blocks_has_registers_and_counters_by_block(
    meter: Meter, now: int
) -> None:
    [flat] = value(meter, "0.0.94.44.34.2", now)
    assert len(flat) == 64
    for block, registers in enumerate(registers_row(meter, now)[-4:]):
        start = 16 * block
        assert flat[start : start + 8] == registers
        counters = flat[start + 8 : start + 16]
        of_year = block_counters_of_year(meter, now) if meter.block_thresholds else ()
        assert counters[0] == (of_year[block] if block < len(of_year) else 0)
        assert not any(counters[1:])


def test_block_meters_reach_the_last_block() -> None:
    counters = block_counters_of_year(BLOCKS, LEAP_YEAR_END)
    assert all(counters[: len(BLOCKS.block_thresholds)])


@given(instants)
@example(0)
@example(LEAP_YEAR_END)
@example(parse_iso("2024-02-29T12:00:00Z"))
def test_months_and_years_begin_at_their_first_midnight(instant: int) -> None:
    assert to_iso(month_start(instant)) == f"{to_iso(instant)[:7]}-01T00:00:00Z"
    assert to_iso(year_start(year_of(instant))) == f"{to_iso(instant)[:4]}-01-01T00:00:00Z"
    starts = months_until(instant, 14)
    assert starts[-1] == month_start(instant)
    assert all(month_start(later - 1) == earlier for earlier, later in pairwise(starts))
