"""A histogram of the ages of readings at the time of a cache hit."""

from bisect import bisect_left

from esme_emulator.cache.policy.ledger import Decided
from esme_emulator.runtime.events import Events

HOURS = (1, 6, 12, 24, 36, 48, 60, 72)
"""Upper bounds of the buckets, in hours; the last is the longest retention."""

_HOUR = 3600


class HitAges:
    """Hits by age."""

    def __init__(self) -> None:
        self.seconds = 0
        """Sum of the ages of all hits, in seconds."""
        self._numbers = [0] * (len(HOURS) + 1)

    def listen(self, events: Events) -> None:
        """Count the decisions published on `events`."""
        events.subscribe(Decided, self.count)

    def count(self, decided: Decided) -> None:
        """Count a decision, if it has an age."""
        if decided.age is not None:
            self.seconds += decided.age
            self._numbers[bisect_left(HOURS, decided.age / _HOUR)] += 1

    def numbers(self) -> dict[int | None, int]:
        """Return the number of hits in each bucket, by upper bound in hours; None is unbounded."""
        return dict(zip((*HOURS, None), self._numbers, strict=True))
