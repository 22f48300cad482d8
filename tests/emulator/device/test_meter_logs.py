"""What the logs of a meter say: they agree with one another, and with the depths of the table."""

import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emulator.device import energy, physics
from emulator.device.logs import buffer
from emulator.device.physics import Nature, nature
from gbcs import EUI
from gbcs.instants import DAY, HALF_HOUR, MAX_INSTANT, parse_iso
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import Window, rows_of

Row = dict[str, Any]

DEPTHS = {"4.6.1": 31, "4.6.2": 31, "4.8.1": 19_056, "4.8.2": 4_464, "4.8.3": 4_464}
"""Entries that a meter keeps: SMETS2 5.7.5, as in the table of section 4 of the wire facts."""

PERIODS = {"4.6.1": DAY, "4.6.2": DAY, "4.8.1": HALF_HOUR, "4.8.2": HALF_HOUR, "4.8.3": HALF_HOUR}
DAILY_SPAN = 28

SINGLE, TWIN = (
    next(
        eui
        for eui in map(EUI.from_int, range(1000))
        if (nature("tests", eui).secondary is not None) is twin
    )
    for twin in (False, True)
)

euis = st.integers(0, 2**64 - 1).map(EUI.from_int)
natures = st.one_of(
    st.builds(nature, st.text(max_size=8), euis),
    st.builds(nature, st.text(max_size=8), st.sampled_from([SINGLE, TWIN])),
)
special_days = [
    parse_iso(date) // DAY
    for date in (
        "2023-12-31",
        "2024-01-01",
        "2024-02-28",
        "2024-02-29",
        "2024-03-01",
        "2024-12-31",
        "2028-02-29",
        "2099-12-31",
        "2100-02-28",
    )
]
days = st.one_of(st.sampled_from(special_days), st.integers(6000, 45_000))
"""Days since 2000-01-01: year ends and leap days, and any from 2016 to 2123."""

instants = st.integers(0, MAX_INSTANT)


def rows(meter: Nature, srv: str, start: int, end: int, now: int) -> list[Row]:
    log = BY_SRV[srv]
    return [dict(row) for row in rows_of(log, buffer(meter, log, Window(start, end), now))]


def daily(meter: Nature, srv: str, day: int) -> list[Row]:
    """Four weeks of daily reads from `day`, or from installation, as read soon after."""
    start = max(day, meter.installed + 1) * DAY
    end = start + DAILY_SPAN * DAY
    found = rows(meter, srv, start, end, now=end + HALF_HOUR)
    assert len(found) == DAILY_SPAN + 1
    return found


def energy_between(meter: Nature, srv: str, column: str, after: int, until: int) -> int:
    """The sum of the half hours that end after one instant and not after another."""
    found = rows(meter, srv, after + HALF_HOUR, until, now=until)
    assert len(found) == (until - after) // HALF_HOUR
    return sum(int(row[column]) for row in found)


@given(natures, days)
def test_half_hours_of_import_sum_to_the_differences_of_the_daily_reads(
    meter: Nature, day: int
) -> None:
    found = daily(meter, "4.6.1", day)
    columns = {"import": "primary"}
    if meter.secondary is not None:
        columns["secondary_import"] = "secondary"
    for register, column in columns.items():
        for before, after in pairwise(found[:4]):
            grown = after[register] - before[register]
            assert grown == energy_between(meter, "4.8.1", column, before["time"], after["time"])


@given(natures)
def test_first_daily_read_is_what_the_first_day_let_through(meter: Nature) -> None:
    installed, first = meter.installed * DAY, (meter.installed + 1) * DAY
    (read,) = rows(meter, "4.6.1", 0, first, now=first)
    assert read["import"] == energy_between(meter, "4.8.1", "primary", installed, first)
    (read,) = rows(meter, "4.6.2", 0, first, now=first)
    assert read["export"] == energy_between(meter, "4.8.3", "active_export", installed, first)


@given(natures, days)
def test_half_hours_of_export_sum_to_the_differences_of_the_daily_reads(
    meter: Nature, day: int
) -> None:
    found = daily(meter, "4.6.2", day)
    for before, after in pairwise(found[:4]):
        grown = after["export"] - before["export"]
        assert grown == energy_between(
            meter, "4.8.3", "active_export", before["time"], after["time"]
        )


@given(natures, days)
def test_tou_registers_sum_to_the_import_register(meter: Nature, day: int) -> None:
    for row in daily(meter, "4.6.1", day):
        assert len(row["tou"]) == 48
        assert sum(row["tou"]) == row["import"]
        assert [len(block) for block in row["blocks"]] == [8] * 4
        if meter.secondary is not None:
            assert len(row["secondary_tou"]) == 4
            assert sum(row["secondary_tou"]) == row["secondary_import"]


@given(natures, days)
def test_registers_only_grow(meter: Nature, day: int) -> None:
    for srv in ("4.6.1", "4.6.2"):
        found = daily(meter, srv, day)
        for before, after in pairwise(found):
            for name in before.keys() - {"blocks"}:
                flat = (before[name], after[name])
                one, other = (v if isinstance(v, tuple) else (v,) for v in flat)
                assert all(a <= b for a, b in zip(one, other, strict=True)), name


@given(natures, days, st.integers(1, 4000))
def test_every_half_hour_register_only_grows(meter: Nature, day: int, later: int) -> None:
    every = (
        meter.primary,
        meter.secondary,
        meter.active_export,
        meter.reactive_import,
        meter.reactive_export,
    )
    for series in filter(None, every):
        before, next_day, after = map(series.registers, (day, day + 1, day + later))
        assert all(a <= b for a, b in zip(before, next_day, strict=True))
        assert all(a <= b for a, b in zip(before, after, strict=True))


@given(natures)
def test_a_year_has_the_energy_of_its_profile(meter: Nature) -> None:
    loads = [(meter.primary, meter.profile.primary), (meter.active_export, meter.profile.export)]
    if meter.secondary is not None and meter.profile.secondary is not None:
        loads.append((meter.secondary, meter.profile.secondary))
    for series, load in loads:
        start, end = series.registers(7305), series.registers(7305 + 1461)
        yearly_kwh = (sum(end) - sum(start)) / 4 / 1000
        tolerance = 1.01
        assert load.annual_kwh / load.spread / tolerance <= yearly_kwh
        assert yearly_kwh <= load.annual_kwh * load.spread * tolerance


@pytest.mark.parametrize(("srv", "depth"), DEPTHS.items())
@pytest.mark.parametrize("eui", [SINGLE, TWIN])
def test_logs_have_the_depth_of_the_table(srv: str, depth: int, eui: EUI) -> None:
    now = parse_iso("2025-06-01T12:34:56Z")
    found = rows(nature("tests", eui), srv, 0, MAX_INSTANT, now)
    assert len(found) == depth
    newest = now // PERIODS[srv] * PERIODS[srv]
    assert found[-1]["time"] == newest
    assert found[0]["time"] == newest - (depth - 1) * PERIODS[srv]


@given(natures, st.sampled_from(sorted(DEPTHS)), days, st.integers(0, DAY - 1), st.data())
def test_entries_are_all_that_exist_in_the_window_and_no_other(
    meter: Nature, srv: str, day: int, second: int, data: st.DataObject
) -> None:
    now = day * DAY + second
    near = st.integers(now - 5 * DAY, min(now + 5 * DAY, MAX_INSTANT))
    at_first = st.integers(meter.installed * DAY - DAY, meter.installed * DAY + 2 * DAY)
    start = data.draw(st.one_of(near, at_first), label="start")
    end = data.draw(st.integers(start, min(start + 10 * DAY, MAX_INSTANT)), label="end")
    period, depth = PERIODS[srv], DEPTHS[srv]
    expected = [
        stamp
        for stamp in range(start // HALF_HOUR * HALF_HOUR, end + 1, HALF_HOUR)
        if stamp % period == 0
        and start <= stamp
        and meter.installed * DAY < stamp <= now
        and (now // period - stamp // period) < depth
        and stamp - meter.installed * DAY >= period
    ]
    assert [row["time"] for row in rows(meter, srv, start, end, now)] == expected


@given(natures, st.sampled_from(sorted(DEPTHS)), instants, instants, instants)
@example(nature("tests", SINGLE), "4.8.1", 0, MAX_INSTANT, 0)
@example(nature("tests", SINGLE), "4.6.1", MAX_INSTANT, MAX_INSTANT, MAX_INSTANT)
@example(nature("tests", TWIN), "4.8.3", 0, MAX_INSTANT, -1)
def test_any_window_at_any_time_has_rows_or_none(
    meter: Nature, srv: str, start: int, end: int, now: int
) -> None:
    window = sorted((start, end))
    for row in rows(meter, srv, window[0], window[1], now):
        assert window[0] <= row["time"] <= window[1]
        assert meter.installed * DAY < row["time"] <= now


def test_a_day_on_the_half_hour_is_49_rows() -> None:
    start = parse_iso("2025-12-31T00:00:00Z")
    found = rows(nature("tests", SINGLE), "4.8.1", start, start + DAY, now=start + 2 * DAY)
    assert len(found) == 49


@given(natures, st.sampled_from(sorted(DEPTHS)), days)
def test_rows_of_a_window_do_not_depend_on_the_window(meter: Nature, srv: str, day: int) -> None:
    start, now = day * DAY, day * DAY + 3 * DAY
    whole = rows(meter, srv, start, start + 2 * DAY, now)
    parts = [
        *rows(meter, srv, start, start + 40_000, now),
        *rows(meter, srv, start + 40_001, start + 2 * DAY, now),
    ]
    assert parts == whole


SAMPLE = """
from emulator.device.logs import buffer
from emulator.device.physics import nature
from gbcs import EUI
from gbcs.tables.profile_logs import PROFILE_LOGS
from gbcs.usecases.profile_read import Window
for log in PROFILE_LOGS:
    for number in range(20):
        meter = nature("tests", EUI.from_int(number))
        print(buffer(meter, log, Window(820000000, 820100000), 820200000).hex())
"""


def test_the_same_twice_and_in_another_process(capsys: pytest.CaptureFixture[str]) -> None:
    exec(SAMPLE, {})
    first = capsys.readouterr().out
    for cached in (physics.nature, energy._jitter, energy._season):
        cached.cache_clear()
    exec(SAMPLE, {})
    assert capsys.readouterr().out == first
    other = subprocess.run(
        [sys.executable, "-c", SAMPLE],
        env={"PYTHONHASHSEED": "77", "PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout == first


@given(st.text(max_size=8), st.text(max_size=8), euis)
def test_another_seed_is_another_meter(one: str, other: str, eui: EUI) -> None:
    window = (830_000_000, 830_000_000 + DAY, 840_000_000)
    said = [rows(nature(seed, eui), "4.8.1", *window) for seed in (one, other)]
    assert (said[0] == said[1]) is (one == other)


@given(st.text(max_size=8), euis, euis)
def test_another_eui_is_another_meter(seed: str, one: EUI, other: EUI) -> None:
    window = (830_000_000, 830_000_000 + DAY, 840_000_000)
    said = [rows(nature(seed, eui), "4.8.1", *window) for eui in (one, other)]
    assert (said[0] == said[1]) is (one == other)


def test_every_register_of_every_meter_goes_its_own_way() -> None:
    fleet = [nature("tests", EUI.from_int(number)) for number in range(200)]
    for name in ("primary", "secondary", "active_export", "reactive_import", "reactive_export"):
        every = [getattr(meter, name) for meter in fleet if getattr(meter, name) is not None]
        days = {tuple(series.half_hours(9000 * 48, 9000 * 48 + 47)) for series in every}
        assert len(days) == len(every) > 10, name


def test_a_half_hour_varies_from_day_to_day_by_more_than_the_season() -> None:
    series = nature("tests", SINGLE).primary
    week = [series.half_hours(day * 48 + 36, day * 48 + 36)[0] for day in range(9000, 9007)]
    assert max(week) - min(week) > 0.1 * sum(week) / 7


def test_a_fleet_has_both_kinds_of_meters_and_of_tariffs() -> None:
    fleet = [nature("tests", EUI.from_int(number)) for number in range(2000)]
    twins = sum(meter.secondary is not None for meter in fleet)
    assert 0.09 < twins / len(fleet) < 0.16, "one in eight"
    assert {meter.tariff for meter in fleet} == {physics.ONE_RATE, physics.ECONOMY_7}
