"""Clocks, without waiting for any: those of real time run here on one that is moved by hand."""

import asyncio
import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.runtime.clock import (
    FIRST,
    LAST,
    Clock,
    ClockError,
    ManualClock,
    ScaledClock,
    SteadyClock,
    SystemClock,
    iso,
    parse_clock,
)
from tests.support.waiting import settle

NOON = 1_795_435_200.0
"""2026-11-23T12:00:00Z, the real time of these tests."""
NEW_YEAR = 1_767_225_600.0
"""2026-01-01T00:00:00Z."""
DAY = 86_400.0


def machine(now: float = NOON) -> ManualClock:
    return ManualClock(now)


async def woken(clock: Clock, seconds: float, name: str, order: list[str]) -> None:
    await clock.sleep(seconds)
    order.append(f"{name} {clock.now():g}")


# the time of the machine


async def test_the_system_clock_is_the_machines() -> None:
    before = time.time()
    now = SystemClock().now()
    assert before <= now <= time.time()
    await SystemClock().sleep(0)


def test_a_steady_clock_does_not_follow_when_the_machine_is_set() -> None:
    @dataclass
    class Machine:
        unix: float
        monotonic: float

    machine = Machine(NOON, 77.0)
    clock = SteadyClock(lambda: machine.unix, lambda: machine.monotonic)
    assert clock.now() == NOON
    machine.unix, machine.monotonic = 0.0, 80.0
    assert clock.now() == NOON + 3


# scaled


async def test_an_hour_a_second() -> None:
    base = machine()
    clock = parse_clock("scaled:3600@2026-01-01T00:00:00Z", base)
    assert clock.now() == NEW_YEAR
    await base.advance(24)
    assert clock.now() == NEW_YEAR + DAY


async def test_slower_than_real_time() -> None:
    base = machine()
    clock = parse_clock("scaled:0.5@2026-01-01", base)
    await base.advance(10)
    assert clock.now() == NEW_YEAR + 5
    assert clock.factor == 0.5


async def test_a_scaled_clock_begins_at_the_present_by_default() -> None:
    base = machine()
    clock = parse_clock("scaled:60", base)
    assert clock.now() == NOON
    await base.advance(1)
    assert clock.now() == NOON + 60


async def test_sleep_takes_its_part_of_real_time() -> None:
    base = machine()
    clock = parse_clock("scaled:3600@2026-01-01", base)
    order: list[str] = []
    sleeping = asyncio.create_task(woken(clock, 7200, "two hours", order))
    await settle()
    await base.advance(1.5)
    assert not order
    await base.advance(0.5)
    await sleeping
    assert order == [f"two hours {NEW_YEAR + 7200:g}"]


async def test_processes_with_the_same_text_show_the_same_time() -> None:
    text = "scaled:3600@2026-01-01T00:00:00Z=2026-11-23T12:00:00Z"
    early, late = machine(), machine(NOON + 30)
    clock = parse_clock(text, early)
    await early.advance(30)
    assert parse_clock(text, late).now() == clock.now() == NEW_YEAR + 30 * 3600


@pytest.mark.parametrize("text", ["scaled:3600", "scaled:7.25@2026-01-01", "manual@2026-01-01"])
async def test_a_description_makes_the_same_clock(text: str) -> None:
    base = machine(NOON + 0.123456)
    clock = parse_clock(text, base)
    await base.advance(12)
    copy = parse_clock(clock.describe(), base)
    assert copy.now() == clock.now()
    assert copy.describe() == clock.describe()


@given(
    real=st.floats(NOON - 1e6, NOON + 1e6),
    shown=st.floats(NEW_YEAR, NEW_YEAR + DAY),
    factor=st.floats(0.001, 10_000),
)
def test_any_description_makes_the_same_clock(real: float, shown: float, factor: float) -> None:
    base = machine(real)
    clock = ScaledClock(factor, shown, real, base)
    assert parse_clock(clock.describe(), base).now() == clock.now()


async def test_a_scaled_clock_stands_still_at_the_end_of_time() -> None:
    base = machine()
    clock = parse_clock("scaled:100000@2136-01-01", base)
    await base.advance(DAY)
    assert clock.now() == LAST


# manual


async def test_sleepers_wake_in_order_of_time() -> None:
    clock, order = machine(0.0), list[str]()
    tasks = [
        asyncio.create_task(woken(clock, seconds, name, order))
        for name, seconds in (("c", 30), ("a", 10), ("b", 10), ("never", 31))
    ]
    await settle()
    await clock.advance(30)
    assert order == ["a 10", "b 10", "c 30"]
    assert clock.now() == 30
    tasks[-1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_sleeper_that_sleeps_again_wakes_again_on_the_way() -> None:
    clock, times = machine(0.0), list[float]()

    async def tick() -> None:
        for _ in range(4):
            await clock.sleep(10)
            times.append(clock.now())

    ticking = asyncio.create_task(tick())
    await settle()
    await clock.advance(40)
    await ticking
    assert times == [10, 20, 30, 40]


async def test_advances_at_once_add_up() -> None:
    clock = machine(0.0)
    sleeping = asyncio.create_task(clock.sleep(50))
    await settle()
    await asyncio.gather(clock.advance(100), clock.advance(10))
    assert clock.now() == 110
    await sleeping


async def test_a_cancelled_sleeper_is_skipped() -> None:
    clock = machine(0.0)
    sleeping = asyncio.create_task(clock.sleep(5))
    await settle()
    sleeping.cancel()
    await settle()
    await clock.advance(10)
    assert clock.now() == 10


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 1e30])
async def test_impossible_advances_are_refused(seconds: float) -> None:
    clock = machine()
    with pytest.raises(ClockError, match="cannot advance by"):
        await clock.advance(seconds)
    assert clock.now() == NOON


# texts


def test_texts_of_clocks() -> None:
    assert isinstance(parse_clock(" system "), SystemClock)
    assert parse_clock("system").describe() == "system"
    assert parse_clock("manual", machine()).now() == NOON
    assert parse_clock("manual").factor == parse_clock("system").factor == 1
    assert parse_clock("manual@2026-01-01T01:00:00+01:00").now() == NEW_YEAR
    assert parse_clock("manual@2026-01-01").describe() == "manual@2026-01-01T00:00:00Z"


def test_the_real_time_is_the_time_of_the_machine() -> None:
    before = time.time()
    shown = parse_clock("scaled:1").now()
    assert before - 1 < shown < before + 600


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "give system, scaled"),
        ("sundial", "give system, scaled"),
        ("system@2026-01-01", "give system, scaled"),
        ("manual:3", "give system, scaled"),
        ("manual@2026-01-01=2026-01-01", "give system, scaled"),
        ("scaled", "give system, scaled"),
        ("scaled:", "factor '' is not a number"),
        ("scaled:fast", "factor 'fast' is not a number"),
        ("scaled:nan", "factor 'nan' is not a number"),
        ("scaled:1e999", "factor '1e999' is not a number"),
        ("scaled:0", "above 0 and at most"),
        ("scaled:-1", "above 0 and at most"),
        ("scaled:100001", "above 0 and at most"),
        ("scaled:1@", "'' is not a time"),
        ("scaled:1@noon", "'noon' is not a time"),
        ("scaled:1@2026-01-01=", "'' is not a time"),
        ("scaled:1@2026-13-01", "'2026-13-01' is not a time"),
        ("scaled:1@1999-12-31", "outside 2000-01-01 to 2136-02-07"),
        ("scaled:1@2137-01-01", "outside 2000-01-01 to 2136-02-07"),
        ("scaled:3600@2026-01-01=2036-01-01", "now shows a time outside 2000-01-01 to 2136-02-07"),
        ("scaled:3600@2026-01-01=2016-01-01", "now shows a time outside 2000-01-01 to 2136-02-07"),
        ("manual@0001-01-01T00:00:00+23:59", "outside 2000-01-01 to 2136-02-07"),
    ],
)
def test_texts_that_are_no_clock_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ClockError) as caught:
        parse_clock(text, machine())
    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"clock {text!r}: ")
    assert "\n" not in str(caught.value)


@given(st.text(max_size=40) | st.text("scaledmnu:@=-.0123456789TZ+", max_size=40))
def test_any_text_gives_a_clock_or_an_error(text: str) -> None:
    try:
        clock = parse_clock(text, machine())
    except ClockError:
        return
    assert clock.describe()


def test_times_are_written_to_the_microsecond() -> None:
    assert iso(FIRST) == "2000-01-01T00:00:00Z"
    assert iso(NOON + 0.5) == "2026-11-23T12:00:00.500000Z"
