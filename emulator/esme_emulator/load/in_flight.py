"""The requests in flight of a load generator, and counts of the outcomes of earlier ones.

Pure: takes requests, octets and `now`, and returns counts. Times are seconds after the start.
Latency runs from the planned time of a request, however late it was sent, to its reply.
"""

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from esme_emulator.load.plan import Plan
from esme_emulator.messaging.transaction import Transaction, transaction_of
from gbcs import DecodeError, GbcsError, Keystore, Message, Response, Status, decode
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import buffer_of, rows_of


class Outcome(StrEnum):
    """The outcome of a request."""

    SENT = "sent"
    """Counted in addition to the final outcome, unless that is NOT_SENT."""
    ANSWERED = "answered"
    REFUSED = "refused"
    """The meter replied with an error instead of readings."""
    INVALID = "invalid"
    """The reply has an invalid MAC, or other contents than readings."""
    NO_REPLY = "no-reply"
    NOT_SENT = "not-sent"
    """Too many requests were in flight, or the broker did not accept the command."""
    UNFINISHED = "unfinished"
    """In flight when the load ended early."""


FAILURES = (Outcome.REFUSED, Outcome.INVALID, Outcome.NO_REPLY, Outcome.NOT_SENT)


class Origin(StrEnum):
    """The origin of an answer, by its Cache-Status (RFC 9211)."""

    HIT = "hit"
    MISS = "miss"
    """The cache forwarded the request to the meter."""
    COLLAPSED = "collapsed"
    BYPASS = "bypass"
    UNTOLD = "untold"
    """Unknown: directly from the meter, through DUIS, or without a Cache-Status."""


def origin_of(status: str | None) -> Origin:
    """Return the origin that a Cache-Status gives."""
    words = {word.strip() for word in (status or "").split(";")[1:]}
    if "hit" in words:
        return Origin.HIT
    if "collapsed" in words:
        return Origin.COLLAPSED
    if "fwd=bypass" in words:
        return Origin.BYPASS
    return Origin.MISS if any(word.startswith("fwd") for word in words) else Origin.UNTOLD


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """One request, ready to be sent."""

    seconds: float
    """Planned time."""
    party: str
    srv: str
    device: str
    transaction: Transaction
    topic: str
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """The state of a worker's connection to the broker."""

    is_up: bool = True
    reconnections: int = 0
    """Times that it was lost and restored so far."""
    carries_properties: bool = True
    """Whether replies can have a Cache-Status; they cannot on MQTT 3.1.1."""


@dataclass(slots=True)
class Batch:
    """Counts of one worker since its last batch; the warm-up is left out unless noted."""

    counts: Counter[tuple[str, str, Outcome]] = field(default_factory=Counter)
    """Requests by party, SRV and outcome."""
    latencies: dict[tuple[str, str, Origin], "array[float]"] = field(default_factory=dict)
    """Latencies of answers in seconds, by party, SRV and origin."""
    acknowledgements: "array[float]" = field(default_factory=lambda: array("d"))
    """Times from the planned time to the acknowledgement, in seconds; with DUIS alone."""
    codes: Counter[str] = field(default_factory=Counter)
    """Response codes and HTTP statuses other than those of success; with DUIS alone."""
    lags: "array[float]" = field(default_factory=lambda: array("d"))
    """Delays of requests after their planned times, in seconds."""
    checked: int = 0
    """Verified replies."""
    arrived: int = 0
    """Answers within the measured time, also to requests of the warm-up."""
    unexpected: int = 0
    """Messages that are not replies to a request in flight."""
    in_flight: int = 0
    """Requests in flight at the end of the batch."""
    waiting: "array[float]" = field(default_factory=lambda: array("d"))
    """Ages of these since their planned times, in seconds."""
    cpu: float = 0.0
    """Processor time of the worker within the measured time, in seconds."""
    worker: int = 0
    made: int = 0
    """Requests sent, the warm-up included."""
    heard: int = 0
    """Replies to requests, the warm-up included."""
    unheard: int = 0
    """Requests, the warm-up included, that nobody subscribes to. MQTT 3.1.1 cannot say so."""
    connection: ConnectionState = field(default_factory=ConnectionState)
    """The connection at the end of the batch."""


@dataclass(frozen=True, slots=True)
class _Open:
    request: PreparedRequest
    planned: float
    sent: float


class InFlight:
    """Tracks the requests in flight of one worker; `draw` returns random numbers from 0 to 1."""

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
    def number(self) -> int:
        """Number of requests in flight."""
        return len(self._open)

    def send(self, request: PreparedRequest, planned: float, now: float) -> bool:
        """Record that a request goes out; return False if too many are in flight to send it."""
        if len(self._open) >= self._limit:
            self._count(request, planned, Outcome.NOT_SENT)
            return False
        self._open[request.transaction] = _Open(request, planned, now)
        self._devices[request.device] += 1
        self._batch.made += 1
        if planned >= self._plan.warm_up:
            self._batch.lags.append(now - planned)
        self._count(request, planned, Outcome.SENT)
        return True

    def unsent(self, request: PreparedRequest) -> None:
        """Record that the broker did not accept a request."""
        entry = self._close(request.transaction)
        if entry is not None:
            self._count(request, entry.planned, Outcome.SENT, -1)
            self._count(request, entry.planned, Outcome.NOT_SENT)

    def unheard(self) -> None:
        """Record that nobody subscribes to the topic of a request; it stays in flight."""
        self._batch.unheard += 1

    def receive(self, device: str, octets: bytes, status: str | None, now: float) -> bool:
        """Handle a message from `device`; return whether it ends a request."""
        if device not in self._devices:
            return False  # a reply to another worker, or after the timeout
        try:
            message, checked = self._decode(octets)
        except DecodeError:
            self.unexpected()
            return False
        return self._answer(transaction_of(message), message, status, now, checked=checked)

    def respond(self, transaction: Transaction, octets: bytes, now: float) -> bool:
        """Handle the reply in a response of DUIS; return whether it ends a request."""
        try:
            message, checked = self._decode(octets)
        except DecodeError:
            return self.end(transaction, Outcome.INVALID)
        return self._answer(transaction, message, None, now, checked=checked)

    def acknowledge(self, planned: float, now: float) -> None:
        """Record that a request was acknowledged, at `now`."""
        if planned >= self._plan.warm_up:
            self._batch.acknowledgements.append(now - planned)

    def end(self, transaction: Transaction, outcome: Outcome, code: str = "") -> bool:
        """Record that a request ended without a reply of the meter; return whether one did.

        `code` is the response code or the HTTP status that says why.
        """
        entry = self._heard(transaction)
        if entry is None:
            return False
        self._count(entry.request, entry.planned, outcome)
        if code and entry.planned >= self._plan.warm_up:
            self._batch.codes[code] += 1
        return True

    def unexpected(self) -> None:
        """Record a message that belongs to no request."""
        self._batch.unexpected += 1

    def _decode(self, octets: bytes) -> tuple[Message, bool]:
        """Return a reply, and whether its MAC was checked. Raises `DecodeError`."""
        checked = self._plan.check >= 1 or self._draw() < self._plan.check
        return decode(octets, self._keystore if checked else None), checked

    def _heard(self, transaction: Transaction) -> _Open | None:
        """Return the request that a message ends, or None if it belongs to none."""
        entry = self._close(transaction)
        if entry is None:
            self.unexpected()
        else:
            self._batch.heard += 1
        return entry

    def _answer(
        self,
        transaction: Transaction,
        message: Message,
        status: str | None,
        now: float,
        *,
        checked: bool,
    ) -> bool:
        entry = self._heard(transaction)
        if entry is None:
            return False
        request, planned = entry.request, entry.planned
        outcome = _outcome(message, request.srv) if checked else _unchecked(message)
        self._count(request, planned, outcome)
        if outcome is Outcome.ANSWERED and self._plan.warm_up <= now < self._plan.total:
            self._batch.arrived += 1
        if planned >= self._plan.warm_up:
            self._batch.checked += checked
            if outcome is Outcome.ANSWERED:
                key = request.party, request.srv, origin_of(status)
                self._batch.latencies.setdefault(key, array("d")).append(now - planned)
        return True

    def expire(self, now: float) -> None:
        """Give up requests that were sent longer ago than the plan's timeout."""
        while self._open:
            entry = next(iter(self._open.values()))
            if now - entry.sent < self._plan.timeout:
                break
            self._close(entry.request.transaction)
            self._count(entry.request, entry.planned, Outcome.NO_REPLY)

    def break_off(self) -> None:
        """Give up all requests in flight, because the load ends early."""
        for entry in list(self._open.values()):
            self._close(entry.request.transaction)
            self._count(entry.request, entry.planned, Outcome.UNFINISHED)

    def take(self) -> Batch:
        """Return the counts since the last call."""
        batch, self._batch = self._batch, Batch(worker=self._worker)
        batch.in_flight = len(self._open)
        return batch

    def waiting(self, now: float) -> "array[float]":
        """Return the ages of requests in flight in seconds, without those of the warm-up."""
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

    def _count(
        self, request: PreparedRequest, planned: float, outcome: Outcome, by: int = 1
    ) -> None:
        if planned >= self._plan.warm_up:
            self._batch.counts[request.party, request.srv, outcome] += by


def _unchecked(message: Message) -> Outcome:
    return Outcome.ANSWERED if isinstance(message, Response) else Outcome.INVALID


def _outcome(message: Message, srv: str) -> Outcome:
    """Return the outcome of a verified reply."""
    if not isinstance(message, Response) or message.mac_status is not Status.VALID:
        return Outcome.INVALID
    log = BY_SRV[srv]
    try:
        readings = buffer_of(message, log)
        if isinstance(readings, int):
            return Outcome.REFUSED
        rows_of(log, readings)
    except GbcsError:
        return Outcome.INVALID
    return Outcome.ANSWERED
