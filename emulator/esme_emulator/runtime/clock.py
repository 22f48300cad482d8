"""Clocks that tell the time and wait: the machine's, a faster one, and one moved by hand.

Times are Unix times in seconds. Pure code takes `now` as a number and never reads a clock. All
parts of a process share one clock. `parse_clock` makes a clock of the text that `describe` returns,
which shows the same time in another process.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Protocol

from esme_emulator.runtime.timers import Timers
from gbcs.instants import EPOCH_UNIX, MAX_INSTANT, to_iso

FIRST, LAST = EPOCH_UNIX, EPOCH_UNIX + MAX_INSTANT
"""First and last Unix time that a meter can write, in seconds (ZigBee UTCTime, 32 bits)."""

MAX_FACTOR = 100_000.0
"""Fastest clock. A day takes less than a second; no broker keeps up with more."""

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMS = "give system, scaled:FACTOR[@SIMULATED[=REAL]] or manual[@TIME]"


class ClockError(ValueError):
    """A clock that cannot be made, or an advance that is not possible; the text is one line."""


class Clock(Protocol):
    """Tells the time and waits."""

    @property
    def factor(self) -> float:
        """Seconds of this clock per real second; 1 for a clock that stands still."""
        ...

    def now(self) -> float:
        """Return Unix time in seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` of this clock have passed."""
        ...

    def describe(self) -> str:
        """Return a text from which `parse_clock` makes a clock that shows the same time."""
        ...


class SystemClock:
    """The clock of the machine, as it is set."""

    factor = 1.0

    def now(self) -> float:
        """Return Unix time in seconds."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` have passed."""
        await asyncio.sleep(seconds)

    def describe(self) -> str:
        """Return `system`."""
        return "system"


class SteadyClock(SystemClock):
    """The time of the machine when this was made, plus the time that has passed since.

    It ignores later settings of the machine's clock, and stands still while the machine sleeps.
    """

    def __init__(
        self,
        unix: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._offset = unix() - monotonic()

    def now(self) -> float:
        """Return Unix time in seconds."""
        return self._offset + self._monotonic()


class ScaledClock:
    """A clock that runs `factor` times as fast as `base`, and stops at `LAST`.

    It shows `simulated` when `base` shows `real`, both Unix times, to the microsecond. Raises
    `ClockError` unless `factor` is above 0 and at most `MAX_FACTOR`, and the clock now shows a
    time from `FIRST` to `LAST`.
    """

    def __init__(self, factor: float, simulated: float, real: float, base: Clock) -> None:
        self.factor = _checked(factor)
        self._sleepers: set[asyncio.Future[None]] = set()
        self._simulated = round(simulated, 6)
        self._real = round(real, 6)
        self._base = base
        if not FIRST <= self._at(base.now()) <= LAST:
            raise ClockError(f"{self.describe()} now shows a time outside 2000-01-01 to 2136-02-07")

    def _at(self, real: float) -> float:
        return self._simulated + (real - self._real) * self.factor

    def now(self) -> float:
        """Return Unix time in seconds."""
        return min(self._at(self._base.now()), LAST)

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` of this clock have passed, at whatever pace."""
        until = self.now() + seconds
        while True:
            sleeper = asyncio.ensure_future(self._base.sleep(seconds / self.factor))
            self._sleepers.add(sleeper)
            try:
                await asyncio.wait([sleeper])
            except asyncio.CancelledError:
                self._sleepers.discard(sleeper)
                sleeper.cancel()
                raise
            if not sleeper.cancelled():
                self._sleepers.discard(sleeper)
                return sleeper.result()
            seconds = max(until - self.now(), 0.0)  # the pace has changed

    def set_factor(self, factor: float) -> None:
        """Go on from the present time at another pace. Raises `ClockError`."""
        self.factor, self._simulated, self._real = (
            _checked(factor),
            round(self.now(), 6),
            round(self._base.now(), 6),
        )
        sleepers, self._sleepers = self._sleepers, set()
        for sleeper in sleepers:
            sleeper.cancel()

    def describe(self) -> str:
        """Return `scaled:FACTOR@SIMULATED=REAL`."""
        factor = str(float(self.factor)).removesuffix(".0")
        return f"scaled:{factor}@{iso(self._simulated)}={iso(self._real)}"


def _checked(factor: float) -> float:
    if not 0 < factor <= MAX_FACTOR:
        raise ClockError(f"factor {factor:g}: give a number above 0 and at most {MAX_FACTOR:g}")
    return factor


class ManualClock:
    """A clock that stands still until it is advanced, and wakes its sleepers in order of time."""

    factor = 1.0

    def __init__(self, now: float) -> None:
        self._now = now
        self._sleepers: Timers[asyncio.Future[None]] = Timers()
        self._advancing = asyncio.Lock()
        self.settled: Callable[[], Awaitable[None]] | None = None
        """Is awaited before the clock moves on: whatever it woke has taken effect then."""

    def now(self) -> float:
        """Return Unix time in seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced by `seconds`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        sleeper = self._sleepers.start(self._now + seconds, future)
        try:
            await future
        finally:
            sleeper.cancel()

    async def advance(self, seconds: float) -> None:
        """Move forward by `seconds`, and wake each sleeper at its time on the way.

        Of several advances at once, each begins where the one before ended. Raises `ClockError` if
        `seconds` is below 0 or leads past `LAST`, and what `settled` raises; the clock then stands
        at the time of the last sleeper that was woken.
        """
        async with self._advancing:
            end = self._now + seconds
            if not (seconds >= 0 and end <= LAST):
                raise ClockError(
                    f"cannot advance by {seconds:g} s: a clock moves forward, up to {iso(LAST)}"
                )
            await self._settle()
            while (due := self._sleepers.next_deadline()) is not None and due <= end:
                future = self._sleepers.pop_due(due)
                self._now = due
                if future is not None and not future.done():
                    future.set_result(None)
                    await asyncio.sleep(0)
                    await self._settle()
            self._now = end
        await asyncio.sleep(0)

    async def _settle(self) -> None:
        if self.settled is not None:
            await self.settled()

    def next_wake(self) -> float | None:
        """Return the Unix time at which the next sleeper wakes, or None if nothing sleeps."""
        return self._sleepers.next_deadline()

    def describe(self) -> str:
        """Return `manual@TIME` with the present time."""
        return f"manual@{iso(self._now)}"


def parse_clock(text: str, machine: Clock | None = None) -> Clock:
    """Return the clock that `text` names. `machine` shows the real time, by default a steady clock.

    - `system`: the clock of the machine.
    - `scaled:FACTOR`: FACTOR times as fast, from the present time on. `scaled:FACTOR@SIMULATED`
      starts now at that time. `scaled:FACTOR@SIMULATED=REAL` started at the real time `REAL`, so
      every process that is given this text shows the same time.
    - `manual`, `manual@TIME`: stands still until it is advanced.

    Times are ISO 8601, in UTC if they name no zone. Raises `ClockError`.

    >>> parse_clock("scaled:3600@2026-01-01=2026-11-23T12:00", ManualClock(1795435201)).describe()
    'scaled:3600@2026-01-01T00:00:00Z=2026-11-23T12:00:00Z'
    """
    try:
        return _parse(text.strip(), machine)
    except ClockError as error:
        raise ClockError(f"clock {text!r}: {error}") from None


def _parse(text: str, machine: Clock | None) -> Clock:
    if text == "system":
        return SystemClock()
    form, at, instants = text.partition("@")
    kind, colon, factor = form.partition(":")
    simulated, equals, real = instants.partition("=")
    if not (kind == "scaled" and colon) and not (form == "manual" and not equals):
        raise ClockError(_FORMS)
    base = machine or SteadyClock()
    began = instant(real) if equals else base.now()
    shown = instant(simulated) if at else began
    if kind == "manual":
        return ManualClock(shown)
    return ScaledClock(_factor(factor), shown, began, base)


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = float("nan")
    if not isfinite(factor):
        raise ClockError(f"factor {text!r} is not a number")
    return factor


def instant(text: str) -> float:
    """Return the Unix time of an ISO 8601 text, in seconds, to the microsecond."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ClockError(
            f"{text!r} is not a time: write 2026-01-31 or 2026-01-31T00:30:00Z"
        ) from None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    seconds = (when - _UNIX_EPOCH) / timedelta(seconds=1)
    if not FIRST <= seconds <= LAST:
        raise ClockError(f"{text} is outside 2000-01-01 to 2136-02-07")
    return seconds


def to_the_minute(now: float) -> str:
    """Return a Unix time for people, UTC.

    >>> to_the_minute(946684859)
    '2000-01-01 00:00 UTC'
    """
    return f"{iso(now)[:16].replace('T', ' ')} UTC"


def iso(now: float) -> str:
    """Return a Unix time in ISO 8601, UTC, with microseconds unless it is a whole second.

    >>> iso(946684800), iso(946684800.25)
    ('2000-01-01T00:00:00Z', '2000-01-01T00:00:00.250000Z')
    """
    return to_iso(now - EPOCH_UNIX)
