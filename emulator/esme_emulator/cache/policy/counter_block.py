"""Own counters of the cache, in blocks that its store has given to this process alone.

Values are those of `messaging.device_counter`: microseconds of the clock times two, odd for
caches. None is taken beyond the block, so no value is ever taken twice, whatever becomes of the
store or of the clock.
"""

from esme_emulator.messaging.device_counter import CACHE

BLOCK_SECONDS = 5
BLOCK_SIZE = 2_000_000 * BLOCK_SECONDS
"""So much clock is in a block: the store is asked once in a while, not for each reply."""


def earliest(now: float) -> int:
    """Return the first own counter at `now`, Unix time in seconds."""
    return 2 * int(now * 1_000_000)


class OwnBlock:
    """The block that is in use; none at first."""

    def __init__(self) -> None:
        self._next = self._end = 0

    def grant(self, first: int, size: int) -> None:
        """Take up a block of `size` own counters from `first` on."""
        self._next, self._end = first, first + size

    def drop(self) -> None:
        """Take none of it any more."""
        self._next = self._end = 0

    def take(self, now: float) -> int | None:
        """Return the next own counter at `now`, or None where the block has none."""
        value = max(self._next, earliest(now)) | CACHE
        if value >= self._end:
            return None
        self._next = value + 1
        return value
