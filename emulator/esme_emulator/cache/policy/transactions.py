"""Transactions: what is on its way to meters, and what lately was.

A response names its transaction and nothing else, so a transaction that is used for two different
reads tells nothing of what a response answers. Nor may a counter be used for two use cases: their
responses would have one key and one initialization vector. Whoever used which lately is remembered,
up to a number and a time, with digests of what the meter replied and of what went out.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum, auto
from hashlib import sha256

from esme_emulator.cache.entry import Key
from esme_emulator.cache.policy.reads import Read
from esme_emulator.cache.policy.requests import Leg
from esme_emulator.messaging.transaction import Transaction
from gbcs import EUI

REMEMBERED = 50_000
REMEMBERED_SECONDS = 3600.0
"""How many transactions are remembered at most, and how long after they were last used."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What a meter first replied to a read, to compare with what it may reply once more."""

    digest: bytes
    """Of the readings, or of the result code."""
    entries: bytes
    """Of the log's entries alone: the rest may differ if the meter answered twice."""
    final: bool
    """Whether the meter would say the same again: the readings of a window that is over."""
    read: Read
    certificate: bytes
    """What the replies are encrypted for."""


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
    first_sent: float | None = None
    """When it was first sent to the meter, Unix time in seconds: a reply may be to that."""
    keeps: bool = True
    """Whether a reply may be kept: not where its device was flushed since it was first sent."""
    stage: Stage = Stage.SEEN
    given_up: Leg | None = None
    """What may still be answered late."""
    legs: tuple[Leg, ...] = ()
    """Commands under way, oldest first; several only where a counter came twice."""
    sends: int = 0
    """How often a command was sent to the meter, retries among it."""
    brought: Brought | None = None
    """What the meter first replied to a read; None if nothing came, or it was contradicted."""
    contradicted: bool = False
    """Whether two valid replies to it were different."""

    @property
    def unanswered(self) -> tuple[Leg, ...]:
        """Commands that may still be answered, the next first."""
        return self.legs if self.given_up is None else (*self.legs, self.given_up)


@dataclass(slots=True)
class CounterUse:
    """What has one device, originator and counter, of which keys are derived."""

    transactions: set[Transaction] = field(default_factory=set)
    unmarked: list[Past] = field(default_factory=list)
    """Those of them that are not known to be reused: one at most, once `use` has returned."""
    said: bytes = b""
    """Digest of the reply that went out; empty if none did."""
    own_counter: int | None = None
    """The device's own counter in that reply, if it has one."""


class Transactions:
    """Every transaction of the last while."""

    def __init__(self) -> None:
        self._past: OrderedDict[Transaction, Past] = OrderedDict()
        self._by_counter: dict[tuple[EUI, EUI, int], CounterUse] = {}

    def use(self, transaction: Transaction, key: Key | None, now: float) -> list[Past]:
        """Note a request; return what turns out to be reused by it, itself included.

        What turned out so before is not looked at again: a counter may be sent under every message
        code that there is, time after time.
        """
        past = self.note(transaction, key, now)
        counter = self._by_counter[transaction[:3]]
        turned: list[Past] = []
        if len(counter.transactions) > 1:
            turned, counter.unmarked = counter.unmarked, []
        elif past.key != key and not past.reused:
            turned, counter.unmarked = [past], []
        for one in turned:
            one.reused = True
        return turned

    def may_say(
        self, transaction: Transaction, octets: bytes, own_counter: int | None = None
    ) -> bool:
        """Return whether a reply may go out, and note that it does then.

        Not if another one has under its counter: the two would have one key and one initialization
        vector, with different text. The same octets may go out any number of times.
        """
        counter = self._by_counter.get(transaction[:3])
        if counter is None:
            return True
        digest = sha256(octets).digest()
        if counter.said not in (b"", digest):
            return False
        counter.said, counter.own_counter = digest, own_counter
        return True

    def own_counter(self, transaction: Transaction) -> int | None:
        """Return the own counter of the reply that went out, to be used if it goes out again."""
        counter = self._by_counter.get(transaction[:3])
        return None if counter is None else counter.own_counter

    def is_reused(self, transaction: Transaction) -> bool:
        """Return whether a counter is known to have been used for two things."""
        past = self._past.get(transaction)
        return past is not None and past.reused

    def note(self, transaction: Transaction, key: Key | None, now: float) -> Past:
        """Return what is remembered of a transaction, from now on at least that it is used."""
        past = self._past.get(transaction)
        if past is None:
            past = self._past[transaction] = Past(key, now)
            counter = self._by_counter.setdefault(transaction[:3], CounterUse())
            counter.transactions.add(transaction)
            counter.unmarked.append(past)
        else:
            self._past.move_to_end(transaction)
        past.at = now
        self._forget(now)
        return past

    def get(self, transaction: Transaction) -> Past | None:
        """Return what is remembered of a transaction."""
        return self._past.get(transaction)

    def sent_to(self, device: EUI) -> list[Past]:
        """Return what is remembered of the commands that were sent to a device."""
        of_device = (past for one, past in self._past.items() if one.device == device)
        return [past for past in of_device if past.first_sent is not None]

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
                self._drop(transaction)

    def _drop(self, transaction: Transaction) -> None:
        past = self._past.pop(transaction)
        counter = self._by_counter[transaction[:3]]
        counter.transactions.remove(transaction)
        counter.unmarked = [one for one in counter.unmarked if one is not past]
        if not counter.transactions:
            del self._by_counter[transaction[:3]]
