"""The clock of a test: the test advances it, and it waits until no message is in flight.

Knows how to detect that no message is in flight; nothing about the messages.
"""

import asyncio
import math
from collections.abc import Callable

from esme_emulator.runtime.clock import LAST, ManualClock, iso

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
        units = (seconds, 1), (minutes, 60), (hours, 3600), (days, 86400)
        given = [number * unit for number, unit in units if number is not None]
        if not given:
            raise TypeError("give seconds, minutes, hours or days to advance by")
        total = sum(given)
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
