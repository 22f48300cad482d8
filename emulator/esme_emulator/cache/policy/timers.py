"""The time of the event being handled, and deadlines that may be cancelled.

Pure: the time comes in through `tick`. If the clock is set back, all deadlines move back with it,
so that nothing waits for longer than it would have.
"""

import heapq
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class Timer(Generic[T]):
    """A deadline of `subject`; None once it is cancelled."""

    __slots__ = ("order", "subject", "when")

    def __init__(self, when: float, order: int, subject: T) -> None:
        self.when = when
        self.order = order
        self.subject: T | None = subject

    def cancel(self) -> None:
        """Never fall due."""
        self.subject = None

    def __lt__(self, other: "Timer[T]") -> bool:
        return (self.when, self.order) < (other.when, other.order)


class Timers(Generic[T]):
    """Timers in order of time. All times are Unix times in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        """The time of the event being handled."""
        self._timers: list[Timer[T]] = []
        self._orders = count()

    def tick(self, now: float) -> float:
        """Set the time; return the time before."""
        before, self.now = self.now, now
        if now < before:
            for timer in self._timers:
                timer.when -= before - now
        return before

    def start(self, seconds: float, subject: T) -> Timer[T]:
        """Return a timer that falls due in `seconds`."""
        timer = Timer(self.now + seconds, next(self._orders), subject)
        heapq.heappush(self._timers, timer)
        return timer

    def next_deadline(self) -> float | None:
        """Return when the next timer falls due, or None if there is none."""
        while self._timers and self._timers[0].subject is None:
            heapq.heappop(self._timers)
        return self._timers[0].when if self._timers else None

    def pop_due(self) -> T | None:
        """Remove the timer that has been due the longest and return its subject, or None."""
        when = self.next_deadline()
        if when is None or when > self.now:
            return None
        return heapq.heappop(self._timers).subject
