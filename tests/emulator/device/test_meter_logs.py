"""The logs of a meter agree with each other, and with the depths in the table."""

import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from esme_emulator.device import account, demand, energy, model, tariff, voltage
from esme_emulator.device.logs import buffer
from esme_emulator.device.model import Meter, meter_of
from esme_emulator.runtime import draws
from gbcs import EUI
from gbcs.instants import DAY, HALF_HOUR, MAX_INSTANT, parse_iso
from gbcs.tables.profile_logs import OTHER_LOGS, PROFILE_LOGS
from gbcs.usecases.read_request import Window
from gbcs.usecases.rows import rows_of
from tests.emulator.device.meters import KINDS, SINGLE, TWIN, any_meters, days, euis, instants

Row = dict[str, Any]

DEPTHS = {
    "4.6.1": 31,
    "4.6.2": 31,
    "4.8.1": 19_056,
    "4.8.2": 4_464,
    "4.8.3": 4_464,
    "4.10": 4_320,
    "4.14": 31,
    "4.17": 731,
}
"""Depths of logs: SMETS2 5.7.5."""

HOUR = 3600
PERIODS = {
    "4.6.1": DAY,
    "4.6.2": DAY,
    "4.8.1": HALF_HOUR,
    "4.8.2": HALF_HOUR,
    "4.8.3": HALF_HOUR,
    "4.10": HOUR,
    "4.14": DAY,
    "4.17": DAY,
}
BY_SRV = {log.srv: log for log in reversed((*PROFILE_LOGS, *OTHER_LOGS))}
DAILY_SPAN = 28
DAILY_SPAN = 28


def rows(meter: Meter, srv: str, start: int, end: int, now: int) -> list[Row]:
    log = BY_SRV[srv]
    return [dict(row) for row in rows_of(log, buffer(meter, log, Window(start, end), now))]


def daily(meter: Meter, srv: str, day: int) -> list[Row]:
    """Return four weeks of daily reads from `day`, or from installation, read soon after."""
    start = max(day, meter.installed + 1) * DAY
    end = start + DAILY_SPAN * DAY
    found = rows(meter, srv, start, end, now=end + HALF_HOUR)
    assert len(found) == DAILY_SPAN + 1
    return found


def energy_between(meter: Meter, srv: str, column: str, after: int, until: int) -> int:
    """Return the sum of the half hours that end after `after` but not after `until`."""
    found = rows(meter, srv, after + HALF_HOUR, until, now=until)
    assert len(found) == (until - after) // HALF_HOUR
    return sum(int(row[column]) for row in found)


@given(any_meters, days)
def test_half_hours_of_import_sum_to_the_differences_of_the_daily_reads(
    meter: Meter, day: int
) -> None:
    found = daily(meter, "4.6.1", day)
    columns = {"import": "primary"}
    if meter.secondary is not None:
        columns["secondary_import"] = "secondary"
    for register, column in columns.items():
        for before, after in pairwise(found[:4]):
            grown = after[register] - before[register]
            assert grown == energy_between(meter, "4.8.1", column, before["time"], after["time"])


@given(any_meters)
def test_the_first_daily_read_is_the_energy_of_the_first_day(meter: Meter) -> None:
    installed, first = meter.installed * DAY, (meter.installed + 1) * DAY
    (read,) = rows(meter, "4.6.1", 0, first, now=first)
    assert read["import"] == energy_between(meter, "4.8.1", "primary", installed, first)
    (read,) = rows(meter, "4.6.2", 0, first, now=first)
    assert read["export"] == energy_between(meter, "4.8.3", "active_export", installed, first)


@given(any_meters, days)
def test_half_hours_of_export_sum_to_the_differences_of_the_daily_reads(
    meter: Meter, day: int
) -> None:
    found = daily(meter, "4.6.2", day)
    for before, after in pairwise(found[:4]):
        grown = after["export"] - before["export"]
        assert grown == energy_between(
            meter, "4.8.3", "active_export", before["time"], after["time"]
        )


@given(any_meters, days)
@example(KINDS["twin-blocks"], parse_iso("2026-01-14") // DAY)
def test_tou_registers_and_blocks_sum_to_the_import_register(meter: Meter, day: int) -> None:
    for row in daily(meter, "4.6.1", day):
        assert len(row["tou"]) == 48
        assert sum(row["tou"]) + sum(map(sum, row["blocks"])) == row["import"]
        assert not (any(row["tou"]) and any(map(any, row["blocks"])))
        assert [len(block) for block in row["blocks"]] == [8] * 4
        if meter.secondary is not None:
            assert len(row["secondary_tou"]) == 4
            assert sum(row["secondary_tou"]) == row["secondary_import"]


@given(any_meters, days)
def test_registers_only_grow(meter: Meter, day: int) -> None:
    for srv in ("4.6.1", "4.6.2"):
        found = daily(meter, srv, day)
        for before, after in pairwise(found):
            for name in before.keys() - {"blocks"}:
                flat = (before[name], after[name])
                one, other = (v if isinstance(v, tuple) else (v,) for v in flat)
                assert all(a <= b for a, b in zip(one, other, strict=True)), name


@pytest.mark.parametrize(("srv", "depth"), DEPTHS.items())
@pytest.mark.parametrize("eui", [SINGLE, TWIN])
def test_logs_have_the_depth_of_the_table(srv: str, depth: int, eui: EUI) -> None:
    now = parse_iso("2025-06-01T12:34:56Z")
    found = rows(meter_of("tests", eui), srv, 0, MAX_INSTANT, now)
    assert len(found) == depth
    newest = now // PERIODS[srv] * PERIODS[srv]
    assert found[-1]["time"] == newest
    assert found[0]["time"] == newest - (depth - 1) * PERIODS[srv]


@given(any_meters, st.sampled_from(sorted(DEPTHS)), days, st.integers(0, DAY - 1), st.data())
def test_entries_are_exactly_those_that_exist_in_the_window(
    meter: Meter, srv: str, day: int, second: int, data: st.DataObject
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


@given(any_meters, st.sampled_from(sorted(DEPTHS)), instants, instants, instants)
@example(meter_of("tests", SINGLE), "4.8.1", 0, MAX_INSTANT, 0)
@example(meter_of("tests", SINGLE), "4.6.1", MAX_INSTANT, MAX_INSTANT, MAX_INSTANT)
@example(meter_of("tests", TWIN), "4.8.3", 0, MAX_INSTANT, -1)
def test_any_window_at_any_time_can_be_read(
    meter: Meter, srv: str, start: int, end: int, now: int
) -> None:
    window = sorted((start, end))
    for row in rows(meter, srv, window[0], window[1], now):
        assert window[0] <= row["time"] <= window[1]
        assert meter.installed * DAY < row["time"] <= now


def test_a_day_on_the_half_hour_is_49_rows() -> None:
    start = parse_iso("2025-12-31T00:00:00Z")
    found = rows(meter_of("tests", SINGLE), "4.8.1", start, start + DAY, now=start + 2 * DAY)
    assert len(found) == 49


@given(any_meters, st.sampled_from(sorted(DEPTHS)), days)
def test_rows_of_a_window_do_not_depend_on_the_window(meter: Meter, srv: str, day: int) -> None:
    start, now = day * DAY, day * DAY + 3 * DAY
    whole = rows(meter, srv, start, start + 2 * DAY, now)
    parts = [
        *rows(meter, srv, start, start + 40_000, now),
        *rows(meter, srv, start + 40_001, start + 2 * DAY, now),
    ]
    assert parts == whole


SAMPLE = """
from esme_emulator.device.logs import buffer
from esme_emulator.device.model import meter_of
from gbcs import EUI
from gbcs.tables.profile_logs import OTHER_LOGS, PROFILE_LOGS
from gbcs.usecases.read_request import Window
for log in (*PROFILE_LOGS, *OTHER_LOGS):
    for number in range(20):
        meter = meter_of("tests", EUI.from_int(number))
        print(buffer(meter, log, Window(820000000, 820100000), 820200000).hex())
"""


@pytest.mark.processes
def test_readings_are_the_same_twice_and_in_another_process(
    capsys: pytest.CaptureFixture[str],
) -> None:
    exec(SAMPLE, {})
    first = capsys.readouterr().out
    for module in (account, demand, draws, energy, model, tariff, voltage):
        for item in vars(module).values():
            if hasattr(item, "cache_clear"):
                item.cache_clear()
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
    said = [rows(meter_of(seed, eui), "4.8.1", *window) for seed in (one, other)]
    assert (said[0] == said[1]) is (one == other)


@given(st.text(max_size=8), euis, euis)
def test_another_eui_is_another_meter(seed: str, one: EUI, other: EUI) -> None:
    window = (830_000_000, 830_000_000 + DAY, 840_000_000)
    said = [rows(meter_of(seed, eui), "4.8.1", *window) for eui in (one, other)]
    assert (said[0] == said[1]) is (one == other)
