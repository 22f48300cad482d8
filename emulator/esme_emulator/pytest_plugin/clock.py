"""The clocks of a test: one that the test advances, and one that runs.

Knows how to detect that no message is in flight; nothing about the messages.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any, TypeAlias

from esme_emulator.runtime.clock import LAST, Clock, ClockError, ManualClock, iso

TURNS = 25
"""Iterations of the event loop without a message after which, in memory, none is in flight."""

BRIEF = 0.01
"""Seconds to wait, over MQTT, for the messages that a woken task may send."""

POLL = 0.005
"""Polling interval in seconds."""


class Traffic:
    """Number of messages that the broker of a test has carried."""

    messages = 0


class SteppedClock(ManualClock):
    """A clock that stands still until it is advanced, and then waits for the consequences.

    It wakes each sleeper at its time, and lets messages arrive before it moves on. After `quiet`
    seconds of real time without a message, none is in flight; if `quiet` is 0, iterations of the
    event loop are counted instead.
    """

    def __init__(self, now: float, traffic: Traffic, quiet: float) -> None:
        super().__init__(now)
        self._traffic = traffic
        self._quiet = quiet
        self._stepping = asyncio.Lock()
        self.moves = 0
        """Number of times that it was moved."""

    def __repr__(self) -> str:
        return f"<clock at {iso(self.now())}>"

    async def advance(
        self,
        seconds: float | None = None,
        *,
        minutes: float | None = None,
        hours: float | None = None,
        days: float | None = None,
    ) -> None:
        """Advance by the sum of the arguments; return once everything due by then has happened.

        Raises `ClockError` if the sum is negative or exceeds the latest time that a meter can
        encode, and `TypeError` without arguments.
        """
        total = _total(seconds, minutes, hours, days)
        brief = min(BRIEF, self._quiet)
        async with self._stepping:
            await self._wait(brief)
            self.moves += 1
            end = self.now() + total
            if not 0 <= total <= LAST - self.now():
                await super().advance(total)  # raises ClockError
            while (wake := self.next_wake()) is not None and wake <= end:
                await super().advance(max(wake - self.now(), 0.0))
                await self._wait(brief)
            await super().advance(max(end - self.now(), 0.0))
            await self._wait(brief)

    async def settle(
        self, is_over: Callable[[], bool] = lambda: False, quiet: float | None = None
    ) -> None:
        """Return when no message is in flight, or as soon as `is_over()`. The clock stands still.

        `quiet`, in seconds, replaces the value of the clock.
        """
        await self._wait(self._quiet if quiet is None else quiet, is_over)

    async def wait_for(self, task: "asyncio.Task[Any]", timeout: float) -> bool:  # noqa: ASYNC109
        """Advance as far as `task` needs, but at most by `timeout`; return whether it is done."""
        deadline = self.now() + timeout
        while True:
            moves = self.moves
            await self.settle(task.done)
            if task.done():
                return True
            if self.now() >= deadline and self.moves == moves:
                return False
            await self.step(deadline, moves)

    async def step(self, until: float, moves: int) -> None:
        """Move to the time of the next sleeper, but at most to `until`. Do not wait for effects.

        Do nothing if the clock has been moved since `moves` was read from it: then another task has
        woken a sleeper already.
        """
        async with self._stepping:
            if self.moves != moves:
                return
            self.moves += 1
            wake = self.next_wake()
            goal = until if wake is None else min(wake, until)
            await super().advance(max(goal - self.now(), 0.0))

    async def _wait(self, quiet: float, is_over: Callable[[], bool] = lambda: False) -> None:
        loop = asyncio.get_running_loop()
        while True:
            seen, end = self._traffic.messages, loop.time() + quiet
            for _ in range(TURNS):
                if is_over():
                    return
                await asyncio.sleep(0)
            for _ in range(math.ceil(quiet / POLL)):
                if is_over() or loop.time() >= end:
                    break
                await asyncio.sleep(POLL)
            if is_over() or self._traffic.messages == seen:
                return


class RunningClock:
    """A clock that runs by itself, as `base` does: for software with timeouts of its own.

    It has the methods of `SteppedClock`, so a test reads the same. They wait in place of moving it.
    """

    def __init__(self, base: Clock) -> None:
        self._base = base

    @property
    def factor(self) -> float:
        """Seconds of this clock per real second."""
        return self._base.factor

    def now(self) -> float:
        """Return Unix time in seconds."""
        return self._base.now()

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` of this clock have passed."""
        await self._base.sleep(seconds)

    def describe(self) -> str:
        """Return a text from which `parse_clock` makes a clock that shows the same time."""
        return self._base.describe()

    def __repr__(self) -> str:
        return f"<clock {self.describe()}, at {iso(self.now())}>"

    async def advance(
        self,
        seconds: float | None = None,
        *,
        minutes: float | None = None,
        hours: float | None = None,
        days: float | None = None,
    ) -> None:
        """Wait until the sum of the arguments has passed on this clock, at its pace.

        Raises `ClockError` if the sum is negative or leads past the latest time that a meter can
        encode, and `TypeError` without arguments.
        """
        total = _total(seconds, minutes, hours, days)
        if not 0 <= total <= LAST - self.now():
            raise ClockError(f"cannot wait {total:g} s: a clock moves forward, up to {iso(LAST)}")
        await self.sleep(total)

    async def settle(
        self, is_over: Callable[[], bool] = lambda: False, quiet: float | None = None
    ) -> None:
        """Return at once: a clock that runs stops for no message, so the arguments are ignored."""
        await asyncio.sleep(0)

    async def wait_for(self, task: "asyncio.Task[Any]", timeout: float) -> bool:  # noqa: ASYNC109
        """Wait for `task`, but at most `timeout` of this clock; return whether it is done."""
        sleeper = asyncio.ensure_future(self.sleep(timeout))
        try:
            await asyncio.wait([task, sleeper], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
        return task.done()


AnyClock: TypeAlias = SteppedClock | RunningClock


def _total(
    seconds: float | None, minutes: float | None, hours: float | None, days: float | None
) -> float:
    """Return a time in seconds. Raises `TypeError` if nothing is given."""
    units = (seconds, 1), (minutes, 60), (hours, 3600), (days, 86400)
    given = [number * unit for number, unit in units if number is not None]
    if not given:
        raise TypeError("give seconds, minutes, hours or days to advance by")
    return sum(given)
