"""The journal of requests: the cache's decision, the meter's receipts and the reply, in one record.

Pure. It subscribes to the events of cache and fleet. What belongs to one request has the octets of
its command in common, so nothing is decoded here. The oldest records make room for new ones.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from esme_emulator.cache.policy.effects import CacheStatus
from esme_emulator.cache.policy.ledger import Decided, GivenUp, Replied
from esme_emulator.fleet.fleet import CommandReceived
from esme_emulator.runtime.events import Events
from gbcs import EUI
from gbcs.usecases.profile_read import Window

MAX_RECORDS = 10_000
"""Most requests that a journal keeps."""

MAX_OCTETS = 16 << 20
"""Most octets of messages that a journal keeps."""

MAX_RECEIPTS = 12
"""Most receipts of a record: a command, ten retries of it, and one to audit a hit."""

DIRECT = "direct"
"""Stands in place of a decision for commands that reached a meter and not the cache."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a meter did with a command."""

    time: float
    """Unix time in seconds."""
    outcome: str
    replies: tuple[tuple[float, bytes], ...]
    """When each reply is due, in Unix time, and its octets."""


@dataclass(slots=True, eq=False)
class Record:
    """A request."""

    number: int
    """From 1, in the order in which the requests were decided, or came to a meter."""
    time: float
    """When the request was received, Unix time in seconds."""
    device: EUI
    srv: str
    party: EUI | None
    """None if the octets could not be read."""
    octets: bytes
    """The command."""
    decision: str = DIRECT
    reason: str = ""
    """Why the cache did not answer it from the store, or why no reply came; may be empty."""
    counter: int | None = None
    """Originator counter of the command; None if only a meter received it."""
    window: Window | None = None
    age: int | None = None
    """Whole seconds since receipt of the readings, of a hit."""
    receipts: tuple[Receipt, ...] = ()
    reply: bytes | None = None
    """The reply that the cache sent."""
    replied_at: float | None = None
    """When the cache sent it, Unix time in seconds."""
    status: CacheStatus | None = None
    """How that reply came about."""
    size: int = 0
    """Octets of all its messages."""

    @property
    def seconds(self) -> float | None:
        """Time from the request to its reply in seconds, or None without one.

        The reply is that of the cache, or that of the meter if the cache was not asked.
        """
        at = self.replied_at
        if at is None and self.decision == DIRECT:
            at = next((due for receipt in self.receipts for due, _ in receipt.replies), None)
        return None if at is None else max(at - self.time, 0.0)

    @property
    def replies(self) -> list[bytes]:
        """The different replies: that of the cache first, then those of the meter."""
        said = [octets for receipt in self.receipts for _, octets in receipt.replies]
        return list(dict.fromkeys(said if self.reply is None else [self.reply, *said]))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Selects records; None matches all."""

    device: EUI | None = None
    srv: str | None = None
    party: EUI | None = None
    decision: str | None = None
    since: float | None = None
    """Earliest time of the request, Unix time in seconds."""

    def matches(self, record: Record) -> bool:
        """Return whether `record` is selected."""
        return (
            (self.device is None or self.device == record.device)
            and (self.srv is None or self.srv == record.srv)
            and (self.party is None or self.party == record.party)
            and (self.decision is None or self.decision == record.decision)
            and (self.since is None or self.since <= record.time)
        )


class Journal:
    """The latest requests, at most `max_records` of them with at most `max_octets`."""

    def __init__(self, max_records: int = MAX_RECORDS, max_octets: int = MAX_OCTETS) -> None:
        self.total = 0
        """Number of requests since the start or the last reset."""
        self.octets = 0
        """Octets of the messages of all records."""
        self._max_records = max_records
        self._max_octets = max_octets
        self._records: deque[Record] = deque()
        self._by_command: dict[bytes, Record] = {}
        """The latest record of each command."""

    def listen(self, events: Events) -> None:
        """Keep the requests published on `events`, of a cache or a fleet."""
        events.subscribe(Decided, self._decided)
        events.subscribe(Replied, self._replied)
        events.subscribe(GivenUp, self._given_up)
        events.subscribe(CommandReceived, self._received)

    def __len__(self) -> int:
        return len(self._records)

    def get(self, number: int) -> Record | None:
        """Return the record `number`, or None if it is not kept."""
        place = number - self.total + len(self._records) - 1
        return self._records[place] if 0 <= place < len(self._records) else None

    def newest(self, wanted: Wanted | None = None, before: int | None = None) -> Iterator[Record]:
        """Yield the selected records, newest first, from the number below `before` on."""
        skipped = 0 if before is None else max(self.total - before + 1, 0)
        for record in islice(reversed(self._records), skipped, None):
            if wanted is None or wanted.matches(record):
                yield record

    def clear(self) -> None:
        """Drop all records, and count from 1 again."""
        self.total = self.octets = 0
        self._records.clear()
        self._by_command.clear()

    # Events

    def _decided(self, event: Decided) -> None:
        record = self._add(
            event.time if event.received is None else event.received,
            event.device,
            event.srv,
            event.party,
            event.octets,
        )
        record.decision, record.reason, record.counter = event.decision, event.reason, event.counter
        record.window, record.age = event.window, event.age

    def _received(self, event: CommandReceived) -> None:
        record = self._by_command.get(event.octets)
        if record is None or record.decision == DIRECT or len(record.receipts) >= MAX_RECEIPTS:
            record = self._add(event.time, event.device, event.srv, event.party, event.octets)
        replies = tuple([(reply.due, reply.octets) for reply in event.replies])
        record.receipts = (*record.receipts, Receipt(event.time, event.outcome, replies))
        self._grow(record, sum([len(octets) for _, octets in replies]))

    def _replied(self, event: Replied) -> None:
        record = self._by_command.get(event.command)
        if record is None or record.reply is not None:
            return
        record.replied_at, record.status, record.reply = event.time, event.status, event.octets
        for receipt in record.receipts:
            for _, octets in receipt.replies:
                if octets == event.octets:  # passed on: keep the same octets once
                    record.reply = octets
                    return
        self._grow(record, len(event.octets))

    def _given_up(self, event: GivenUp) -> None:
        record = self._by_command.get(event.octets)
        if record is not None and record.reply is None:
            record.reason = event.reason

    def _add(self, time: float, device: EUI, srv: str, party: EUI | None, octets: bytes) -> Record:
        self.total += 1
        record = Record(self.total, time, device, srv, party, octets)
        self._records.append(record)
        self._by_command[octets] = record
        self._grow(record, len(octets))
        return record

    def _grow(self, record: Record, octets: int) -> None:
        """Count further octets of a record, and drop the oldest ones, but never the newest."""
        record.size += octets
        self.octets += octets
        records = self._records
        while len(records) > 1 and (
            len(records) > self._max_records or self.octets > self._max_octets
        ):
            oldest = records.popleft()
            self.octets -= oldest.size
            if self._by_command.get(oldest.octets) is oldest:
                del self._by_command[oldest.octets]
