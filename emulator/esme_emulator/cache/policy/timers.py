"""What is to be done at which time: deadlines of requests, in order, each of which may be dropped.

Knows no clock; a clock that is set back moves all that is due with it, so that nothing waits for
longer than it would have.
"""

import heapq
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class Ticket(Generic[T]):
    """Something that is due; `drop` it where it is no more to be done."""

    __slots__ = ("order", "what", "when")

    def __init__(self, when: float, order: int, what: T) -> None:
        self.when = when
        self.order = order
        self.what: T | None = what

    def drop(self) -> None:
        """Forget it."""
        self.what = None

    def __lt__(self, other: "Ticket[T]") -> bool:
        return (self.when, self.order) < (other.when, other.order)


class Agenda(Generic[T]):
    """Tickets in order of time, Unix time in seconds."""

    def __init__(self) -> None:
        self._tickets: list[Ticket[T]] = []
        self._orders = count()
        self._latest = 0.0

    def tick(self, now: float) -> float:
        """Say what time it is; where it is earlier than before, all that is due is so too.

        Return what time it was before.
        """
        before, self._latest = self._latest, now
        if now < before:
            for ticket in self._tickets:
                ticket.when -= before - now
        return before

    def at(self, when: float, what: T) -> Ticket[T]:
        """Have `what` due at `when`."""
        ticket = Ticket(when, next(self._orders), what)
        heapq.heappush(self._tickets, ticket)
        return ticket

    def next(self) -> float | None:
        """Return when the next is due, or None where nothing is."""
        while self._tickets and self._tickets[0].what is None:
            heapq.heappop(self._tickets)
        return self._tickets[0].when if self._tickets else None

    def due(self, now: float) -> T | None:
        """Take and return what has been due the longest at `now`, or None where nothing is."""
        when = self.next()
        if when is None or when > now:
            return None
        return heapq.heappop(self._tickets).what
