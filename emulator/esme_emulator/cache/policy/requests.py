"""Requests, the commands and flights they lead to, and what is remembered of transactions.

Pure. A response names its transaction and nothing else. So if a transaction is used for two
different reads, it is unknown which of them a response answers. Nor may a counter be used for two
use cases: their responses would have one key and one initialization vector. So each transaction is
remembered, up to a number and a time, with digests of the meter's reply and of the cache's own.
"""

from collections import OrderedDict
from collections.abc import Generator
from dataclasses import dataclass, field
from enum import Enum, auto
from hashlib import sha256
from typing import Any, TypeAlias

from esme_emulator.cache.entry import Key
from esme_emulator.cache.policy.effects import Effect
from esme_emulator.cache.policy.reads import Read, entries_of, readings_of
from esme_emulator.messaging.transaction import Transaction
from esme_emulator.runtime.timers import Timer
from gbcs import EUI, Command, GbcsError, Keystore, Message
from gbcs.usecases.profile_read import Window

REMEMBERED = 50_000
"""Transactions that are remembered at most."""

REMEMBERED_SECONDS = 3600.0
"""How long a transaction is remembered after its last use."""


AsOf: TypeAlias = tuple[int, int]
"""A version of the registry and a day: an answer of the registry holds until one of them changes.
"""


@dataclass(slots=True, eq=False)
class Request:
    """A command of a party. It is authentic, unless the cache lacks the key to verify it."""

    command: Command
    octets: bytes
    srv: str
    transaction: Transaction
    device: EUI
    party: EUI
    """The party behind the ACB, or the originator if the ACB is not involved."""
    touched: tuple[tuple[str, Window | None], ...]
    """The SRVs that it reads, with the dates; the SRV of its use case first."""
    parties: tuple[EUI, ...]
    """All that must be entitled: the party, and an originator that is neither it nor the ACB."""
    read: Read | None = None
    """What it reads; None for a command that the cache does not answer."""
    received: float = 0.0
    """When it was received, Unix time in seconds."""
    key: Key | None = None
    """The key of its readings, once it is admitted to be answered by the cache."""
    entitled: AsOf | None = None
    """When its parties were last found to be entitled."""

    @property
    def window(self) -> Window | None:
        """The dates that it asks for under the SRV of its use case."""
        return self.touched[0][1]


class Kind(Enum):
    """The purpose of a command."""

    FLIGHT = auto()
    BYPASS = auto()
    """For its requester alone; the reply is passed on as it comes."""
    SHADOW = auto()
    """To compare the meter's reply with the readings that were served; it is not passed on."""


@dataclass(slots=True, eq=False)
class PendingCommand:
    """A command on its way to a meter, or in the meter's queue."""

    request: Request
    kind: Kind
    flight: "Flight | None" = None
    detail: str = ""
    served: bytes = b""
    """The readings that were served, of a shadow."""
    sent: float | None = None
    """When it was first sent, Unix time in seconds."""
    attempts: int = 0
    timer: "Timer[Subject] | None" = None


FlightSteps: TypeAlias = Generator[list[Effect] | PendingCommand, Any, list[Effect]]
"""The generator of a flight, see `flights.Flights`."""


@dataclass(slots=True, eq=False)
class Flight:
    """Requests that wait for the same readings; the command of one of them asks the meter."""

    number: int
    key: Key
    read: Read
    waiting: list[Request]
    """Without the request whose command was sent to the meter."""
    steps: FlightSteps = field(init=False)
    why: str = "miss"
    """Why the meter is asked, in the words of RFC 9211."""
    detail: str = ""
    leased: bool = False
    settling: bool = False
    """Whether the store is keeping what came for it."""
    keeps: bool = True
    """Whether what comes may be kept: not if the device was flushed meanwhile."""
    timer: "Timer[Subject] | None" = None
    """Limits waiting for another cache."""
    waits: int = 0
    """How often that timer fell due."""
    changed: tuple[AsOf, float] | None = None
    """When the device last changed hands, and as of when the registry said so."""


Subject: TypeAlias = PendingCommand | Flight
"""The subjects of timers."""


@dataclass(frozen=True, slots=True)
class FirstReply:
    """A meter's first reply to a read, to compare with further replies."""

    digest: bytes
    """Digest of the readings, or of the result code."""
    entries: bytes
    """Digest of the log's entries alone: the rest may differ if the meter answered twice."""
    final: bool
    """Whether the meter would say the same again: the readings of a window that is over."""
    read: Read
    certificate: bytes
    """The certificate that the replies are encrypted for."""


def first_reply(content: bytes | int, read: Read, certificate: bytes, *, final: bool) -> FirstReply:
    """Return what to remember of a reply: readings, a result code or unreadable octets."""
    final = final and isinstance(content, bytes)
    entries = entries_of(content) if final and isinstance(content, bytes) else b""
    return FirstReply(_digest(content), _digest(entries), final, read, certificate)


class Stage(Enum):
    """The state of a transaction."""

    SEEN = auto()
    """It has not been sent to the meter."""
    SENT = auto()
    ANSWERED = auto()
    GIVEN_UP = auto()


@dataclass(slots=True)
class TransactionRecord:
    """What is remembered of a transaction."""

    key: Key | None
    """The key of its readings; None for a command that the cache does not answer."""
    at: float
    """When it was last used, Unix time in seconds."""
    reused: bool = False
    """Whether it was used for different reads."""
    first_sent: float | None = None
    """When it was first sent to the meter, Unix time in seconds: a reply may be to that."""
    keeps: bool = True
    """Whether a reply may be kept: not if its device was flushed since it was first sent."""
    stage: Stage = Stage.SEEN
    given_up: PendingCommand | None = None
    """A command that was given up and may still be answered late."""
    in_flight: tuple[PendingCommand, ...] = ()
    """Commands in flight, oldest first; several only if a counter came twice."""
    sends: int = 0
    """How often a command was sent to the meter, with retries."""
    first_reply: FirstReply | None = None
    """None if no reply came to a read, or it was contradicted."""
    contradicted: bool = False
    """Whether two valid replies to it were different."""

    @property
    def unanswered(self) -> tuple[PendingCommand, ...]:
        """Commands that may still be answered, the next first."""
        return self.in_flight if self.given_up is None else (*self.in_flight, self.given_up)

    def is_contradicted_by(
        self, message: Message, octets: bytes, keystore: Keystore, *, shared: bool
    ) -> bool:
        """Return whether a valid reply says something else than the first reply.

        A meter answers a command once, and says the same if the command is sent again after its
        window was over. So one of two different replies is not the meter's: anybody with the
        requester's key, which makes the same MAC, may have made it. The device counter is not
        compared. `shared` tells that other caches may have sent the command too.
        """
        first = self.first_reply
        if first is None:
            return False
        once = self.sends == 1 and not shared
        if not once and not first.final:
            return False
        try:
            content = readings_of(message, first.certificate, first.read, keystore)
        except GbcsError:
            return _digest(octets) != first.digest
        if once or isinstance(content, int):
            # A meter that refuses a command twice may give two reasons.
            return once and _digest(content) != first.digest
        return _digest(entries_of(content)) != first.entries


def _digest(content: bytes | int) -> bytes:
    return sha256(b"code %d" % content if isinstance(content, int) else content).digest()


@dataclass(slots=True)
class CounterUse:
    """The uses of one device, originator and counter, from which keys are derived."""

    transactions: set[Transaction] = field(default_factory=set)
    unmarked: list[TransactionRecord] = field(default_factory=list)
    """Those not known to be reused: one at most, once `use` has returned."""
    reply_digest: bytes = b""
    """Digest of the reply that was sent; empty if none was."""
    device_counter: int | None = None
    """The device counter in that reply, if it has one."""


class Transactions:
    """All transactions of the last hour."""

    def __init__(self) -> None:
        self._records: OrderedDict[Transaction, TransactionRecord] = OrderedDict()
        self._by_counter: dict[tuple[bytes, bytes, int], CounterUse] = {}

    def use(
        self, transaction: Transaction, key: Key | None, now: float
    ) -> tuple[TransactionRecord, list[TransactionRecord]]:
        """Note a request; return it, and the transactions that it newly shows to be reused.

        Those found before are not returned again: a counter may be sent under every message code,
        time after time.
        """
        record = self.note(transaction, key, now)
        counter = self._by_counter[transaction[:3]]
        newly: list[TransactionRecord] = []
        if len(counter.transactions) > 1:
            newly, counter.unmarked = counter.unmarked, []
        elif record.key != key and not record.reused:
            newly, counter.unmarked = [record], []
        for one in newly:
            one.reused = True
        return record, newly

    def may_reply(
        self, transaction: Transaction, octets: bytes, device_counter: int | None = None
    ) -> bool:
        """Return whether a reply may be sent, and note that it is.

        It may not if another reply was sent under its counter: the two would have one key and one
        initialization vector, with different text. The same octets may be sent any number of times.
        """
        counter = self._by_counter.get(transaction[:3])
        if counter is None:
            return True
        digest = sha256(octets).digest()
        if counter.reply_digest not in (b"", digest):
            return False
        counter.reply_digest, counter.device_counter = digest, device_counter
        return True

    def device_counter(self, transaction: Transaction) -> int | None:
        """Return the device counter of the reply that was sent, for when it is sent again."""
        counter = self._by_counter.get(transaction[:3])
        return None if counter is None else counter.device_counter

    def is_reused(self, transaction: Transaction) -> bool:
        """Return whether a counter is known to have been used for two things."""
        record = self._records.get(transaction)
        return record is not None and record.reused

    def note(self, transaction: Transaction, key: Key | None, now: float) -> TransactionRecord:
        """Return what is remembered of a transaction; from now on at least that it is used."""
        record = self._records.get(transaction)
        if record is None:
            record = self._records[transaction] = TransactionRecord(key, now)
            counter = self._by_counter.get(transaction[:3])
            if counter is None:
                counter = self._by_counter[transaction[:3]] = CounterUse()
            counter.transactions.add(transaction)
            counter.unmarked.append(record)
        else:
            self._records.move_to_end(transaction)
        record.at = now
        self._forget(now)
        return record

    def has_used(self, counter: tuple[bytes, bytes, int]) -> bool:
        """Return whether a device, originator and counter are those of a transaction."""
        return counter in self._by_counter

    def get(self, transaction: Transaction) -> TransactionRecord | None:
        """Return what is remembered of a transaction."""
        return self._records.get(transaction)

    def sent_to(self, device: EUI) -> list[TransactionRecord]:
        """Return what is remembered of the commands that were sent to a device."""
        of_device = (record for one, record in self._records.items() if one.device == device)
        return [record for record in of_device if record.first_sent is not None]

    def distrust(self) -> None:
        """Keep no reply to a command sent before, and do not compare it with later ones."""
        for record in self._records.values():
            record.keeps &= record.first_sent is None
            record.first_reply = None

    def _forget(self, now: float) -> None:
        """Forget the oldest two, unless they are in flight or not old enough."""
        for _ in range(2):
            transaction, record = next(iter(self._records.items()))
            old = len(self._records) > REMEMBERED or now - record.at > REMEMBERED_SECONDS
            if not old:
                return
            if record.in_flight:
                self._records.move_to_end(transaction)
            else:
                self._drop(transaction)

    def _drop(self, transaction: Transaction) -> None:
        record = self._records.pop(transaction)
        counter = self._by_counter[transaction[:3]]
        counter.transactions.remove(transaction)
        counter.unmarked = [one for one in counter.unmarked if one is not record]
        if not counter.transactions:
            del self._by_counter[transaction[:3]]
