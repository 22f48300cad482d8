"""The device's own counter in encrypted replies to parties behind the ACB.

It strictly increases and is never used twice, since key and IV follow from it (GBCS v4.1 clause
4.3). Meter and cache mint such replies independently and restart independently, so each takes its
values from the clock: microseconds times two, even ones for the meter and odd ones for the cache,
and the next one free where the clock has not moved on.
"""

METER, CACHE = 0, 1
"""Who takes values: the lowest bit tells them apart."""


class OwnCounter:
    """A sequence of counters for one minter; `last` is the highest value that may be in use."""

    __slots__ = ("_minter", "last")

    def __init__(self, minter: int, last: int = 0) -> None:
        self._minter = minter
        self.last = last

    def next(self, now: float) -> int:
        """Return the next counter at `now`, Unix time in seconds."""
        earliest = self.last // 2 + 1
        self.last = max(earliest, int(now * 1_000_000)) * 2 + self._minter
        return self.last
