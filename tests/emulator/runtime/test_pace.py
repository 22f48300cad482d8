"""A scaled clock whose pace changes while others wait for it."""

import asyncio

import pytest

from esme_emulator.runtime.clock import ClockError, ManualClock, ScaledClock
from tests.support.estate import UNIX_NOW
from tests.support.waiting import settle


def clock_of(base: ManualClock) -> ScaledClock:
    return ScaledClock(60.0, UNIX_NOW, base.now(), base)


async def test_a_clock_goes_on_from_its_present_time_at_another_pace() -> None:
    base = ManualClock(UNIX_NOW)
    clock = clock_of(base)
    await base.advance(10)
    assert clock.now() == UNIX_NOW + 600
    clock.set_factor(2)
    assert (clock.now(), clock.factor) == (UNIX_NOW + 600, 2)
    await base.advance(10)
    assert clock.now() == UNIX_NOW + 620
    assert clock.describe() == "scaled:2@2026-01-15T12:10:00Z=2026-01-15T12:00:10Z"


@pytest.mark.parametrize(("factor", "real"), [(120.0, 25.0), (6.0, 500.0)])
async def test_sleepers_wake_at_their_time_whatever_the_pace(factor: float, real: float) -> None:
    base = ManualClock(UNIX_NOW)
    clock = clock_of(base)
    sleeping = asyncio.create_task(clock.sleep(3600))
    await settle()
    await base.advance(10)
    clock.set_factor(factor)
    await settle()
    await base.advance(real - 1)
    await settle()
    assert not sleeping.done()
    await base.advance(1)
    await settle()
    assert sleeping.done()
    assert clock.now() == UNIX_NOW + 3600


async def test_a_sleeper_can_be_cancelled_before_and_after_a_change() -> None:
    base = ManualClock(UNIX_NOW)
    clock = clock_of(base)
    for change in (False, True):
        sleeping = asyncio.create_task(clock.sleep(60))
        await settle()
        if change:
            clock.set_factor(1)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
    await settle()
    assert base.next_wake() is None


@pytest.mark.parametrize("factor", [0, -1, 100_001, float("nan")])
async def test_a_pace_out_of_bounds_changes_nothing(factor: float) -> None:
    clock = clock_of(ManualClock(UNIX_NOW))
    with pytest.raises(ClockError, match="give a number above 0 and at most 100000"):
        clock.set_factor(factor)
    assert clock.factor == 60
