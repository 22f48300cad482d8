"""Protecting meters: how many commands at once, how often again, and when not at all.

Pure: counts and times alone. Knows devices by EUI and what waits for them as anything.
"""

from collections import deque
from enum import Enum, auto
from typing import Generic, TypeVar

from esme_emulator.cache.policy.settings import HoldDown
from gbcs import EUI

T = TypeVar("T")

RETRY_SHARE = 10
"""One retry at most for so many commands sent."""
_MAX_SAVED = 10 * RETRY_SHARE
_MOST_METERS = 100_000


class Admission(Enum):
    """Whether something may go to a meter now."""

    NOW = auto()
    LATER = auto()
    """It waits in the meter's queue."""
    NEVER = auto()
    """The queue is full."""


class Gate(Generic[T]):
    """At most `limit` commands under way to a meter, and `length` that wait, in order."""

    def __init__(self, limit: int, length: int) -> None:
        self._limit = limit
        self._length = length
        self._under_way: dict[EUI, int] = {}
        self._queues: dict[EUI, deque[T]] = {}

    def is_free(self, device: EUI) -> bool:
        """Return whether something could go to `device` now."""
        return self._under_way.get(device, 0) < self._limit

    def admit(self, device: EUI, item: T) -> Admission:
        """Take a place for `item`, or have it wait for one."""
        if self.is_free(device):
            self._under_way[device] = self._under_way.get(device, 0) + 1
            return Admission.NOW
        queue = self._queues.setdefault(device, deque())
        if len(queue) >= self._length:
            return Admission.NEVER
        queue.append(item)
        return Admission.LATER

    def leave(self, device: EUI) -> T | None:
        """Give a place back; return what waited for it the longest and has it now."""
        queue = self._queues.get(device)
        if queue:
            return queue.popleft()
        self._queues.pop(device, None)
        self._under_way[device] -= 1
        if not self._under_way[device]:
            del self._under_way[device]
        return None

    def waiting(self) -> list[T]:
        """Return all that waits for a place."""
        return [item for queue in self._queues.values() for item in queue]

    def withdraw(self, device: EUI, item: T) -> None:
        """Have `item` wait no more."""
        self._queues[device].remove(item)


class RetryBudget:
    """One retry for every `RETRY_SHARE` commands that were sent; a few can be saved up."""

    def __init__(self) -> None:
        self._saved = 0

    def sent(self) -> None:
        """Count a command that was sent for the first time."""
        self._saved = min(self._saved + 1, _MAX_SAVED)

    def take(self) -> bool:
        """Return whether one retry is allowed, and count it."""
        if self._saved < RETRY_SHARE:
            return False
        self._saved -= RETRY_SHARE
        return True


class Holding:
    """Which meters are left alone for a while, since they did not reply several times in a row.

    Of very many that do not reply, those that failed the longest ago are forgotten.
    """

    def __init__(self, hold_down: HoldDown | None) -> None:
        self._hold_down = hold_down
        self._failures: dict[EUI, int] = {}
        self._since: dict[EUI, float] = {}

    def failed(self, device: EUI, now: float) -> None:
        """Count that `device` did not reply."""
        if self._hold_down is None:
            return
        self._failures[device] = self._failures.pop(device, 0) + 1
        if len(self._failures) > _MOST_METERS:
            self.replied(next(iter(self._failures)))
        if self._failures[device] >= self._hold_down.failures:
            self._since[device] = now

    def replied(self, device: EUI) -> None:
        """Forget what `device` did not reply to."""
        self._failures.pop(device, None)
        self._since.pop(device, None)

    def is_held(self, device: EUI, now: float) -> bool:
        """Return whether `device` is left alone at `now`; once it is over, one failure is enough.

        A clock before the beginning was set back, and does not prolong it.
        """
        since = self._since.get(device)
        if since is None or self._hold_down is None:
            return False
        if 0 <= now - since < self._hold_down.seconds:
            return True
        del self._since[device]
        return False
