"""The time of the event being handled, and deadlines that move with a clock that is set back.

Pure: the time comes in through `tick`. If the clock is set back, all deadlines move back with it,
so that nothing waits for longer than it would have.
"""

from typing import Generic, TypeVar

from esme_emulator.runtime import timers
from esme_emulator.runtime.timers import Timer

T = TypeVar("T")


class Timers(Generic[T]):
    """Timers in order of time. All times are Unix times in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        """The time of the event being handled."""
        self._timers: timers.Timers[T] = timers.Timers()

    def tick(self, now: float) -> float:
        """Set the time; return the time before."""
        before, self.now = self.now, now
        if now < before:
            self._timers.move(now - before)
        return before

    def start(self, seconds: float, subject: T) -> Timer[T]:
        """Return a timer that falls due in `seconds`."""
        return self._timers.start(self.now + seconds, subject)

    def next_deadline(self) -> float | None:
        """Return when the next timer falls due, or None if no timer runs."""
        return self._timers.next_deadline()

    def pop_due(self) -> T | None:
        """Remove the timer that has been due the longest and return its subject, or None."""
        return self._timers.pop_due(self.now)
