"""The book of a load generator: what is on its way, and what became of what was.

Pure: requests, octets and `now` in, counts out. Times are seconds after the start. Latency is from
the time for which a request was planned, however late it was sent, to when its reply came.
"""

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from esme_emulator.load.link import Link
from esme_emulator.load.plan import Plan
from esme_emulator.messaging.transaction import Transaction, transaction_of
from gbcs import DecodeError, GbcsError, Keystore, Message, Response, Status, decode
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import buffer_of, rows_of


class Fate(StrEnum):
    """What becomes of a request."""

    SENT = "sent"
    """Of these is every one below, but for what was not sent."""
    ANSWERED = "answered"
    REFUSED = "refused"
    """The meter replied that it does not give the readings."""
    INVALID = "invalid"
    """A reply with a MAC that does not verify, or with other contents than readings."""
    NO_REPLY = "no-reply"
    NOT_SENT = "not-sent"
    """Too many were in flight, or the broker did not take it."""
    UNFINISHED = "unfinished"
    """On its way when the load was broken off."""


FAILURES = (Fate.REFUSED, Fate.INVALID, Fate.NO_REPLY, Fate.NOT_SENT)


class Origin(StrEnum):
    """Where an answer came from, by its Cache-Status (RFC 9211)."""

    HIT = "hit"
    MISS = "miss"
    """Forwarded to the meter, whatever the cache had of it."""
    COLLAPSED = "collapsed"
    BYPASS = "bypass"
    UNTOLD = "untold"
    """Direct from the meter, or without a Cache-Status that says."""


def origin_of(status: str | None) -> Origin:
    """Return what the words of a Cache-Status say."""
    words = {word.strip() for word in (status or "").split(";")[1:]}
    if "hit" in words:
        return Origin.HIT
    if "collapsed" in words:
        return Origin.COLLAPSED
    if "fwd=bypass" in words:
        return Origin.BYPASS
    return Origin.MISS if any(word.startswith("fwd") for word in words) else Origin.UNTOLD


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be sent."""

    seconds: float
    """For when it is planned."""
    party: str
    srv: str
    device: str
    transaction: Transaction
    topic: str
    octets: bytes = field(repr=False)


@dataclass(slots=True)
class Batch:
    """What one worker counted since its last batch; without the warm-up unless said otherwise."""

    counts: Counter[tuple[str, str, Fate]] = field(default_factory=Counter)
    """By party, SRV and fate."""
    latencies: dict[tuple[str, str, Origin], "array[float]"] = field(default_factory=dict)
    """Seconds, of answers alone."""
    lags: "array[float]" = field(default_factory=lambda: array("d"))
    """Seconds that requests were sent after their time."""
    checked: int = 0
    """Replies that were verified and read."""
    arrived: int = 0
    """Answers that came within the time that is counted, those of the warm-up among them."""
    unexpected: int = 0
    """What came, and was the reply to nothing that waits."""
    in_flight: int = 0
    """Requests on their way when the batch was closed."""
    waiting: "array[float]" = field(default_factory=lambda: array("d"))
    """How long these have waited since their planned time, in seconds; none of the warm-up."""
    cpu: float = 0.0
    """Seconds of processor time of the worker, in the time that is counted."""
    worker: int = 0
    made: int = 0
    """Requests sent, those of the warm-up among them."""
    link: Link = field(default_factory=Link)
    """The connection when the batch was closed."""


@dataclass(frozen=True, slots=True)
class _Open:
    request: Request
    planned: float
    sent: float


class Book:
    """Keeps what `limit` requests at most are waiting for; `draw` gives numbers from 0 to 1."""

    def __init__(
        self, plan: Plan, worker: int, keystore: Keystore, draw: Callable[[], float]
    ) -> None:
        self._plan = plan
        self._limit = plan.share(plan.in_flight, worker)
        self._keystore = keystore
        self._draw = draw
        self._open: dict[Transaction, _Open] = {}
        self._devices: Counter[str] = Counter()
        self._worker = worker
        self._batch = Batch(worker=worker)

    @property
    def in_flight(self) -> int:
        """Requests that wait for their replies."""
        return len(self._open)

    def send(self, request: Request, planned: float, now: float) -> bool:
        """Take note that a request goes out; False where it must not, since too many have."""
        if len(self._open) >= self._limit:
            self._count(request, planned, Fate.NOT_SENT)
            return False
        self._open[request.transaction] = _Open(request, planned, now)
        self._devices[request.device] += 1
        self._batch.made += 1
        if planned >= self._plan.warm_up:
            self._batch.lags.append(now - planned)
        self._count(request, planned, Fate.SENT)
        return True

    def unsent(self, request: Request) -> None:
        """Take note that the broker did not take a request after all."""
        entry = self._close(request.transaction)
        if entry is not None:
            self._count(request, entry.planned, Fate.SENT, -1)
            self._count(request, entry.planned, Fate.NOT_SENT)

    def receive(self, device: str, octets: bytes, status: str | None, now: float) -> bool:
        """Take octets that came from `device`; return whether a request is over by them."""
        if device not in self._devices:
            return False  # of another worker, or given up long ago
        checked = self._plan.check >= 1 or self._draw() < self._plan.check
        try:
            message = decode(octets, self._keystore if checked else None)
        except DecodeError:
            self._batch.unexpected += 1
            return False
        entry = self._close(transaction_of(message))
        if entry is None:
            self._batch.unexpected += 1
            return False
        request, planned = entry.request, entry.planned
        fate = _fate(message, request.srv) if checked else _unchecked(message)
        self._count(request, planned, fate)
        if fate is Fate.ANSWERED and self._plan.warm_up <= now < self._plan.total:
            self._batch.arrived += 1
        if planned >= self._plan.warm_up:
            self._batch.checked += checked
            if fate is Fate.ANSWERED:
                key = request.party, request.srv, origin_of(status)
                self._batch.latencies.setdefault(key, array("d")).append(now - planned)
        return True

    def expire(self, now: float) -> None:
        """Give up what was sent longer ago than the plan's timeout."""
        while self._open:
            entry = next(iter(self._open.values()))
            if now - entry.sent < self._plan.timeout:
                break
            self._close(entry.request.transaction)
            self._count(entry.request, entry.planned, Fate.NO_REPLY)

    def break_off(self) -> None:
        """Give up all that is on its way, since the load ends before its time."""
        for entry in list(self._open.values()):
            self._close(entry.request.transaction)
            self._count(entry.request, entry.planned, Fate.UNFINISHED)

    def take(self) -> Batch:
        """Return what was counted since this was last called."""
        batch, self._batch = self._batch, Batch(worker=self._worker)
        batch.in_flight = len(self._open)
        return batch

    def waiting(self, now: float) -> "array[float]":
        """Return how long each request in flight has waited, in seconds; none of the warm-up."""
        counted = (entry for entry in self._open.values() if entry.planned >= self._plan.warm_up)
        return array("d", (now - entry.planned for entry in counted))

    def _close(self, transaction: Transaction) -> _Open | None:
        entry = self._open.pop(transaction, None)
        if entry is not None:
            device = entry.request.device
            self._devices[device] -= 1
            if not self._devices[device]:
                del self._devices[device]
        return entry

    def _count(self, request: Request, planned: float, fate: Fate, by: int = 1) -> None:
        if planned >= self._plan.warm_up:
            self._batch.counts[request.party, request.srv, fate] += by


def _unchecked(message: Message) -> Fate:
    return Fate.ANSWERED if isinstance(message, Response) else Fate.INVALID


def _fate(message: Message, srv: str) -> Fate:
    """Return what a reply is worth, as its party reads it."""
    if not isinstance(message, Response) or message.mac_status is not Status.VALID:
        return Fate.INVALID
    log = BY_SRV[srv]
    try:
        readings = buffer_of(message, log)
        if isinstance(readings, int):
            return Fate.REFUSED
        rows_of(log, readings)
    except GbcsError:
        return Fate.INVALID
    return Fate.ANSWERED
