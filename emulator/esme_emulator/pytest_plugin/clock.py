"""The clock of a test: it stands still, is advanced by hand, and waits for what that leads to.

Knows how to tell that nothing is on its way; nothing of what is.
"""

import asyncio
import math
from collections.abc import Callable

from esme_emulator.runtime.clock import LAST, ManualClock, iso

TURNS = 25
"""Turns of the event loop without a message after which, in memory, none is on its way."""

BRIEF = 0.01
"""Seconds that a message over MQTT is given to set out when the clock has woken somebody."""


POLL = 0.005
"""Seconds after which it is looked again whether what is waited for has come."""


class Traffic:
    """How many messages a test has seen; who sees one adds it."""

    messages = 0


class SteppedClock(ManualClock):
    """A clock that stands still until it is advanced, and then waits for what that leads to.

    It wakes each sleeper at its time, and lets messages arrive before it goes on. `quiet` is the
    real time in seconds without a message after which none is on its way; with 0 that is told by
    turns of the event loop.
    """

    def __init__(self, now: float, traffic: Traffic, quiet: float) -> None:
        super().__init__(now)
        self._traffic = traffic
        self._quiet = quiet
        self._stepping = asyncio.Lock()
        self.moves = 0
        """How often it was moved."""

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
        """Move on by the sum of these, and return when all that is due on the way has happened.

        Raises `ClockError` where the sum is below 0, or leads beyond what a meter can write, and
        `TypeError` where none of them is given.
        """
        units = (seconds, 1), (minutes, 60), (hours, 3600), (days, 86400)
        given = [number * unit for number, unit in units if number is not None]
        if not given:
            raise TypeError("advance by what? give seconds, minutes, hours or days")
        total = sum(given)
        brief = min(BRIEF, self._quiet)
        async with self._stepping:
            await self._wait(brief)
            self.moves += 1
            end = self.now() + total
            if not 0 <= total <= LAST - self.now():
                await super().advance(total)  # which refuses it
            while (wake := self.next_wake()) is not None and wake <= end:
                await super().advance(max(wake - self.now(), 0.0))
                await self._wait(brief)
            await super().advance(max(end - self.now(), 0.0))
            await self._wait(brief)

    async def settle(
        self, is_over: Callable[[], bool] = lambda: False, quiet: float | None = None
    ) -> None:
        """Return when nothing is on its way, or earlier when `is_over`. The clock stands still.

        `quiet` replaces that of the clock.
        """
        await self._wait(self._quiet if quiet is None else quiet, is_over)

    async def step(self, until: float, moves: int) -> None:
        """Move on to when the next sleeper wakes, or to `until` where none does before.

        What the sleeper does is not waited for. Where the clock was moved more often than `moves`,
        somebody else has woken a sleeper since, and it stands still.
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
