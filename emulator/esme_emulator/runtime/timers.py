"""Timers in order of time, each of which may be cancelled. Pure: the time is an argument."""

import heapq
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class Timer(Generic[T]):
    """A deadline of `subject`, which is None once the timer is cancelled."""

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
    """Timers of subjects; those of one time fall due in the order in which they were started."""

    def __init__(self) -> None:
        self._heap: list[Timer[T]] = []
        self._orders = count()

    def __len__(self) -> int:
        return sum(timer.subject is not None for timer in self._heap)

    def start(self, when: float, subject: T) -> Timer[T]:
        """Return a new timer that falls due at `when`."""
        timer = Timer(when, next(self._orders), subject)
        heapq.heappush(self._heap, timer)
        return timer

    def move(self, seconds: float) -> None:
        """Make all timers due by `seconds` later, or earlier if negative. Their order stays."""
        for timer in self._heap:
            timer.when += seconds

    def next_deadline(self) -> float | None:
        """Return when the next timer falls due, or None without timers."""
        while self._heap and self._heap[0].subject is None:
            heapq.heappop(self._heap)
        return self._heap[0].when if self._heap else None

    def pop_due(self, now: float) -> T | None:
        """Remove the timer that has been due the longest at `now`; return its subject, or None."""
        when = self.next_deadline()
        if when is None or when > now:
            return None
        return heapq.heappop(self._heap).subject
