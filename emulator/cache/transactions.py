"""Transactions: what is on its way to meters, and what lately was.

A response names its transaction and nothing else, so a transaction that is used for two different
reads tells nothing of what a response answers. Whoever used which lately is remembered, up to a
number and a time; knows no octets.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, auto

from emulator.cache.entry import Key
from emulator.cache.requests import Leg
from emulator.transaction import Transaction

REMEMBERED = 50_000
REMEMBERED_SECONDS = 3600.0
"""How many transactions are remembered at most, and how long after they were last used."""


class Stage(Enum):
    """What became of a transaction."""

    SEEN = auto()
    """It has not been sent to the meter."""
    SENT = auto()
    ANSWERED = auto()
    GIVEN_UP = auto()


@dataclass(slots=True)
class Past:
    """What is remembered of a transaction."""

    key: Key | None
    """What was read, None where a cache does not answer it."""
    at: float
    """When it was last used, Unix time in seconds."""
    reused: bool = False
    """Whether it was used for different reads."""
    stage: Stage = Stage.SEEN
    given_up: Leg | None = None
    """What may still be answered late."""
    legs: tuple[Leg, ...] = ()
    """Commands under way, oldest first; several only where a counter came twice."""


class Transactions:
    """Every transaction of the last while."""

    def __init__(self) -> None:
        self._past: OrderedDict[Transaction, Past] = OrderedDict()

    def use(self, transaction: Transaction, key: Key | None, now: float) -> Past:
        """Note a request; the result says whether its transaction was used for another read."""
        past = self.note(transaction, key, now)
        past.reused = past.reused or past.key != key
        return past

    def note(self, transaction: Transaction, key: Key | None, now: float) -> Past:
        """Return what is remembered of a transaction, from now on at least that it is used."""
        past = self._past.pop(transaction, None) or Past(key, now)
        past.at = now
        self._past[transaction] = past
        self._forget(now)
        return past

    def get(self, transaction: Transaction) -> Past | None:
        """Return what is remembered of a transaction."""
        return self._past.get(transaction)

    def remembered(self) -> list[Past]:
        """Return all that is remembered, what was used first, first."""
        return list(self._past.values())

    def _forget(self, now: float) -> None:
        """Forget the oldest; what is under way is kept."""
        for _ in range(2):
            transaction, past = next(iter(self._past.items()))
            old = len(self._past) > REMEMBERED or now - past.at > REMEMBERED_SECONDS
            if not old:
                return
            if past.legs:
                self._past.move_to_end(transaction)
            else:
                del self._past[transaction]
