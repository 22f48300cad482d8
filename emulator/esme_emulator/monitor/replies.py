"""Replies of the cache as they come: the latest, and a histogram of the ages of hits."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator

from esme_emulator.cache.policy.ledger import Decided, Replied
from esme_emulator.runtime.events import Events
from gbcs import EUI

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


MOST = 1000
"""Most replies that are kept."""


class LatestReplies:
    """The latest replies, and the number of all."""

    def __init__(self) -> None:
        self.total = 0
        self._replies: deque[Replied] = deque(maxlen=MOST)

    def listen(self, events: Events) -> None:
        """Remember the replies published on `events`."""
        events.subscribe(Replied, self.remember)

    def remember(self, replied: Replied) -> None:
        """Add a reply."""
        self.total += 1
        self._replies.append(replied)

    def newest(self, device: EUI | None, srv: str | None) -> Iterator[Replied]:
        """Yield the replies of a device and an SRV, newest first; None matches all."""
        for replied in reversed(self._replies):
            if device in (None, replied.device) and srv in (None, replied.srv):
                yield replied
