"""Flights: requests that wait for the same readings, from the look into the store to the replies.

Pure. One flight a key and process; through the store's leases one for all processes. A flight is
one generator, `Flights._run`, that reads from top to bottom: it yields effects, the last of which
is a question, and is sent the answer; or it yields a command for the meter, and is sent the reply.
It returns its last effects.

Readings may be kept if they are of a success, of a window that was over for the cache when it asked
and for the meter when it answered, and of a device that was not flushed since.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass
from itertools import count
from typing import Any

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy.context import Context
from esme_emulator.cache.policy.dispatch import NO_REPLY, Dispatcher
from esme_emulator.cache.policy.effects import (
    Abandon,
    CacheStatus,
    Claim,
    Claimed,
    Cover,
    Effect,
    Flush,
    Put,
    Reply,
    Settle,
    Wait,
)
from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.reads import Read, certificate_of, cut, reaches_end, readings_of
from esme_emulator.cache.policy.replies import (
    COUNTER_REUSED,
    FLUSHED,
    STORE_FAILED,
    WITHHELD_REUSED,
    Answer,
    ReplyBuilder,
)
from esme_emulator.cache.policy.requests import (
    Flight,
    FlightSteps,
    Kind,
    PendingCommand,
    Request,
    Stage,
    TransactionRecord,
    first_reply,
)
from gbcs import EUI, GbcsError, Message
from gbcs.instants import EPOCH_UNIX

UNREADABLE = "reply-unreadable"
INCOMPLETE = "incomplete-window"


@dataclass(frozen=True, slots=True)
class MeterReply:
    """A meter's response, and what is remembered of its transaction."""

    record: TransactionRecord
    message: Message
    octets: bytes


class Flushes:
    """The flushes in progress: their entries do not count, and the store has still to drop them.

    A store that is away drops nothing, and an entry may be stored just after a flush. So each flush
    has a number, and only the answer to the last one of a device ends it. Times are Unix times in
    seconds.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self._devices: dict[EUI, tuple[Flush, float]] = {}
        """Each with the time at which it began."""
        self._ahead: tuple[Flush, float] | None = None
        """With the time before the clock was set back."""

    def device(self, device: EUI, now: float) -> Flush:
        """Return a new flush of all entries of a device."""
        flush = Flush(next(self._numbers), device)
        self._devices[device] = flush, now
        return flush

    def set_back(self, latest: float, now: float) -> None:
        """Begin to flush all entries received after `now`, since the clock stood at `latest`."""
        if self._ahead is not None:
            before, until = self._ahead
            now, latest = min(now, before.received_after), max(latest, until)
        self._ahead = Flush(next(self._numbers), None, now), latest

    def done(self, flush: Flush) -> None:
        """Note that the store has dropped the entries of `flush`."""
        if flush.device is not None:
            if self._devices.get(flush.device, (None,))[0] == flush:
                del self._devices[flush.device]
        elif self._ahead is not None and self._ahead[0] == flush:
            self._ahead = None

    def pending(self) -> list[Flush]:
        """Return the flushes that the store has still to do."""
        ahead = [self._ahead[0]] if self._ahead is not None else []
        return [*ahead, *(flush for flush, _ in self._devices.values())]

    def since(self, device: EUI) -> float:
        """Return the time after which entries of a device must have been received to count."""
        return self._devices[device][1] if device in self._devices else 0.0

    def was_ahead(self, received: float) -> bool:
        """Return whether an entry may have been received before the clock was set back."""
        if self._ahead is None:
            return False
        flush, latest = self._ahead
        return flush.received_after < received <= latest


class Flights:
    """All flights of a cache."""

    def __init__(self, context: Context, dispatcher: Dispatcher, replies: ReplyBuilder) -> None:
        self._context = context
        self._settings = context.settings
        self._ledger = context.ledger
        self._transactions = context.transactions
        self._dispatcher = dispatcher
        self._replies = replies
        context.on_set_back = self._distrust
        self._numbers = count(1)
        self._flights: dict[int, Flight] = {}
        self._by_key: dict[Key, Flight] = {}
        self._putting: dict[int, EUI] = {}
        """Devices of the late replies that the store is keeping, unless flushed since."""
        self.flushes = Flushes()

    # The way in

    def join(self, request: Request, read: Read, key: Key) -> list[Effect]:
        """Let a request wait for its readings."""
        flight = self._by_key.get(key)
        if flight is not None:
            flight.waiting.append(request)
            return []
        flight = Flight(next(self._numbers), key, read, [request])
        self._flights[flight.number] = flight
        if self._settings.collapse:
            self._by_key[key] = flight
        flight.steps = self._run(flight)
        return self.resume(flight, None)

    def answer(self, number: int, answer: object) -> list[Effect]:
        """Continue a flight with the store's answer to its question."""
        flight = self._flights.get(number)
        if flight is None:
            # It ended while it waited for the store: a lease is of no use to it any more.
            return [Abandon(number)] if answer is Claimed.LEASED else []
        return self.resume(flight, answer)

    def resume(self, flight: Flight, answer: object) -> list[Effect]:
        """Continue a flight with the answer to what it yielded last."""
        try:
            step = flight.steps.send(answer)
        except StopIteration as end:
            effects: list[Effect] = end.value
            return effects
        return self._dispatcher.send(step) if isinstance(step, PendingCommand) else step

    def take_reply(self, pending: PendingCommand, reply: MeterReply) -> list[Effect]:
        """Return what to do with the response to a command in flight."""
        if pending.kind is Kind.SHADOW:
            return self._replies.compare(pending, reply.message)
        if pending.flight is None:
            status = CacheStatus("bypass", detail=pending.detail)
            return self._relay(pending.request, reply, status)
        return self.resume(pending.flight, reply)

    def take_late_reply(self, reply: MeterReply) -> list[Effect]:
        """Keep the response to a command that was given up, if it may be kept."""
        record = reply.record
        pending = record.given_up
        record.stage, record.given_up = Stage.ANSWERED, None
        self._ledger.note("late-reply")
        if pending is None or pending.kind is not Kind.FLIGHT or record.reused:
            return []
        key, read = pending.request.key, pending.request.read
        if key is None or read is None:
            return []
        readings, gap = self._open(pending.request, key, read, reply)
        if gap in (UNREADABLE, INCOMPLETE):
            self._ledger.note(gap)
        if gap or isinstance(readings, int) or self._was_flushed(key, record):
            return []
        number = next(self._numbers)
        self._putting[number] = key.device
        return [Put(number, key, Entry(readings, self._context.now))]

    def was_put(self, put: Put) -> list[Effect]:
        """Flush a device again if it was flushed while the store kept a late reply."""
        if self._putting.pop(put.number, None) is not None:
            return []
        return [self.flushes.device(put.key.device, self._context.now)]

    def flush(self, device: EUI) -> list[Effect]:
        """Drop the entries of a device, and keep no reply to a command sent before."""
        for flight in self._flights.values():
            flight.keeps &= flight.key.device != device
        self._putting = {number: of for number, of in self._putting.items() if of != device}
        self._replies.invalidate(device)
        return [self.flushes.device(device, self._context.now)]

    def readings_changed(self) -> None:
        """Keep no reply to a command sent before, and let no later request join its flight."""
        for flight in self._flights.values():
            flight.keeps = False
        self._by_key.clear()
        self._putting.clear()
        self._replies.invalidate(None)

    def _distrust(self, latest: float, now: float) -> None:
        """Distrust entries received before the clock, at `latest`, was set back to `now`."""
        for flight in self._flights.values():
            flight.keeps &= not flight.settling
        self._putting.clear()
        self._replies.invalidate(None)
        self.flushes.set_back(latest, now)

    def overdue(self, flight: Flight) -> list[Effect]:
        """Go on waiting for another cache, up to the time that its meter may take, and once more.

        The one time more is for the command's turn in the meter's queue.
        """
        flight.waits += 1
        if flight.waits <= self._settings.retries + 1:
            flight.timer = self._context.start_timer(flight)
            return []
        return [*self._ledger.note(NO_REPLY), *self._fail(flight, NO_REPLY)]

    def waiting(self) -> list[Request]:
        """Return the requests in flights, except for those whose command was sent."""
        return [request for flight in self._flights.values() for request in flight.waiting]

    def abandon(self) -> list[Effect]:
        """Forget all flights, so that other caches may ask the meters at once."""
        flights = list(self._flights.values())
        for flight in flights:
            self._forget(flight)
        return [Abandon(flight.number) for flight in flights if flight.leased]

    # The steps of a flight

    def _run(self, flight: Flight) -> FlightSteps:
        """Look for the readings in the store, then at other caches, then at the meter."""
        number, key = flight.number, flight.key
        before: list[Effect] = []
        stale = False
        while True:
            # An entry that is too old must not keep the flight from a lease.
            limit = math.inf if stale else self._received_after(flight)
            found = yield [*before, Claim(number, key, limit, self._settings.collapse)]
            before, stale = [], False
            if isinstance(found, Entry):
                if not flight.keeps:  # flushed while it was looked up
                    flight.keeps = True
                elif self._is_fresh(flight, found):
                    return self._serve(flight, found.buffer, found.received)
                else:
                    flight.why, stale = "stale", True
                continue
            if found is Claimed.HELD:
                if flight.timer is None:
                    flight.timer = self._context.start_timer(flight)
                settled = yield [Wait(number)]
                if settled is not None and settled.came:
                    return self._share(flight, settled.readings)
                if settled is not None:
                    continue
                found = Claimed.FAILED
            if found is Claimed.FAILED:
                flight.why, flight.detail = "bypass", STORE_FAILED
                return (yield from self._ask_meter(flight))
            flight.leased = found is Claimed.LEASED
            wider = (yield from self._look_for_wider(flight)) if self._settings.sub_window else None
            if wider is None:
                return (yield from self._ask_meter(flight))
            readings, received = wider.buffer, wider.received
            kept = yield self._settle(flight, readings, Entry(readings, received))
            flight.settling = False
            if flight.keeps:
                return self._serve(flight, readings, received, "sub-window")
            # Flushed while it was kept: look again. A store that failed may have kept it.
            if kept is not False:
                before = [self.flushes.device(key.device, self._context.now)]
            flight.leased, flight.keeps = False, True

    def _look_for_wider(self, flight: Flight) -> Generator[list[Effect], Any, Entry | None]:
        """Return the part of a wider entry that the flight waits for, if the store has one."""
        found = yield [Cover(flight.number, flight.key, self._received_after(flight))]
        if found is None or not flight.keeps or not self._holds(flight, *found):
            return None
        _, entry = found
        return Entry(cut(entry.buffer, flight.read.window), entry.received)

    def _ask_meter(self, flight: Flight) -> FlightSteps:
        """Send the first waiting command whose transaction is its own to the meter."""
        self._stop_timer(flight)
        while True:
            flight.keeps = True
            leader = self._take_leader(flight)
            if leader is None:
                break
            reply = yield PendingCommand(leader, Kind.FLIGHT, flight, flight.detail)
            if isinstance(reply, MeterReply):
                return (yield from self._handle_reply(flight, leader, reply))
            if isinstance(reply, str):
                return self._fail(flight, reply)
            # The leader's counter was used for another read: its reply is for it alone.
        self._forget(flight)
        effects: list[Effect] = [Abandon(flight.number)] if flight.leased else []
        for request in flight.waiting:
            effects += self._dispatcher.send(
                PendingCommand(request, Kind.BYPASS, detail=COUNTER_REUSED)
            )
        return effects

    def _take_leader(self, flight: Flight) -> Request | None:
        for request in flight.waiting:
            if not self._transactions.is_reused(request.transaction):
                flight.waiting.remove(request)
                return request
        return None

    def _handle_reply(self, flight: Flight, leader: Request, reply: MeterReply) -> FlightSteps:
        """Keep the meter's readings if they may be kept, then answer all requests."""
        readings, gap = self._open(leader, flight.key, flight.read, reply)
        if gap == UNREADABLE:
            self._ledger.note(UNREADABLE)
            failed = self._fail(flight, UNREADABLE)
            status = CacheStatus(flight.why, detail=UNREADABLE)
            return [*failed, *self._relay(leader, reply, status)]
        detail = self._why_not_kept(flight, reply.record, readings, gap)
        if detail:
            self._ledger.note(detail)
        was_open = not self._settings.literal and self._was_open(flight.key, reply.record)
        effects: list[Effect] = []
        if was_open and flight.leased and self._is_over(flight.key, self._context.now):
            # Waiting caches may have been asked since the window ended: they ask the meter anew.
            effects, flight.leased = [Abandon(flight.number)], False
        kept: bool | None = False
        if flight.leased or not detail:
            entry = None
            if not detail and isinstance(readings, bytes):
                entry = Entry(readings, self._context.now)
            kept = yield [*effects, *self._settle(flight, readings, entry)]
            effects = []
        if kept is not False and not flight.keeps:  # a store that failed may have kept it
            effects.append(self.flushes.device(flight.key.device, self._context.now))
        self._forget(flight)
        if not detail and not kept:
            detail = STORE_FAILED if kept is None else "lease-lost"
        elif not detail and not flight.keeps:
            detail = FLUSHED
            self._ledger.note(FLUSHED)
        why, stored, detail = flight.why, not detail, detail or flight.detail
        status = CacheStatus(why, stored=stored, detail=detail)
        effects += self._relay(leader, reply, status)
        later: list[Request] = []
        if was_open:  # requests that came after the window had ended are for all of it
            later = [one for one in flight.waiting if self._is_over(flight.key, one.received)]
            flight.waiting = [one for one in flight.waiting if one not in later]
        status = CacheStatus(why, collapsed=True, stored=stored, detail=detail)
        answer = Answer(readings, Decision.COLLAPSED, status)
        effects += self._replies.build(flight.waiting, answer)
        for request in later:
            effects += self.join(request, flight.read, flight.key)
        return effects

    def _settle(self, flight: Flight, readings: bytes | int, entry: Entry | None) -> list[Effect]:
        self._stop_timer(flight)
        flight.settling = True
        return [Settle(flight.number, flight.key, readings, entry)]

    def _share(self, flight: Flight, readings: bytes | int | None) -> list[Effect]:
        """Answer all requests with what another cache got; None if its meter did not reply."""
        if readings is None:
            return [*self._ledger.note(NO_REPLY), *self._fail(flight, NO_REPLY)]
        self._forget(flight)
        status = CacheStatus("miss", collapsed=True, detail="elsewhere")
        return self._replies.build(flight.waiting, Answer(readings, Decision.COLLAPSED, status))

    def _serve(
        self, flight: Flight, readings: bytes | int, received: float, detail: str = ""
    ) -> list[Effect]:
        """Answer all requests from the store."""
        self._forget(flight)
        now = self._context.now
        status = CacheStatus(ttl=int(received + self._settings.retention - now), detail=detail)
        answer = Answer(readings, Decision.HIT, status, int(now - received))
        return self._replies.build(flight.waiting, answer)

    def _fail(self, flight: Flight, reason: str) -> list[Effect]:
        """Fail all waiting requests, here and at other caches."""
        self._forget(flight)
        for request in flight.waiting:
            self._ledger.decide(request, Decision.FAILED, self._context.now, reason)
        return [Settle(flight.number, flight.key, None, None)] if flight.leased else []

    def _forget(self, flight: Flight) -> None:
        del self._flights[flight.number]
        if self._by_key.get(flight.key) is flight:
            del self._by_key[flight.key]
        if flight.timer is not None:
            self._stop_timer(flight)

    def _stop_timer(self, flight: Flight) -> None:
        if flight.timer is not None:
            flight.timer.cancel()
            flight.timer = None

    # Replies of the meter

    def _relay(self, request: Request, reply: MeterReply, status: CacheStatus) -> list[Effect]:
        """Pass a response on as it came, if its requester is still entitled to it."""
        refusal = self._context.refusal(request)
        if refusal:
            return self._ledger.note(f"withheld-{refusal}")
        response, octets = reply.message, reply.octets
        named = response.supplementary
        device_counter = named.originator_counter if named is not None else None
        # A response without a MAC is signed and in clear, so it uses no key.
        if response.mac is not None and not self._transactions.may_reply(
            request.transaction, octets, device_counter
        ):
            return self._ledger.note(WITHHELD_REUSED)
        self._ledger.replied(request, status, self._context.now, octets)
        return [Reply(response.originator, response.recipient, octets, str(status))]

    def _open(
        self, request: Request, key: Key, read: Read, reply: MeterReply
    ) -> tuple[bytes | int, str]:
        """Return the readings of a reply, or its result code, and why they may be incomplete.

        The first reply to a transaction is remembered.
        """
        record, certificate = reply.record, certificate_of(request.command)
        readings: bytes | int
        try:
            readings = readings_of(reply.message, certificate, read, self._context.keystore)
        except GbcsError:
            readings, gap = reply.octets, UNREADABLE
        else:
            gap = self._gap(key, read, record, readings)
        if record.first_reply is None and not record.contradicted:
            record.first_reply = first_reply(readings, read, certificate, final=not gap)
        return readings, gap

    def _gap(self, key: Key, read: Read, record: TransactionRecord, readings: bytes | int) -> str:
        """Return why readings may lack the end of their window; empty if they cannot.

        The window has to be over by the cache's clock and by the meter's: a log that the meter had
        not finished lacks its last entry, whatever the cache's clock says. Such a reply is not
        wrong, but no answer to later requests. A meter that has lost its last entry for good is
        asked each time, which is the safe side.
        """
        if self._was_open(key, record):
            return "open-window"
        reached = None
        if isinstance(readings, bytes):
            reached = reaches_end(readings, read, self._context.now)
        if reached is None and self._was_open(key, record, self._settings.clock_skew):
            return "open-window"
        return INCOMPLETE if reached is False else ""

    def _why_not_kept(
        self, flight: Flight, record: TransactionRecord, readings: bytes | int, gap: str
    ) -> str:
        if isinstance(readings, int):
            return "failure-not-kept"
        if not flight.keeps or self._was_flushed(flight.key, record):
            return FLUSHED
        return "" if self._settings.literal else gap

    def _was_flushed(self, key: Key, record: TransactionRecord) -> bool:
        """Return whether a device was flushed, or changed hands, since it was asked."""
        changed = self._context.registry.changed(key.device, self._context.now)
        return not record.keeps or (record.first_sent or 0.0) < changed

    def _was_open(self, key: Key, record: TransactionRecord, skew: float = 0.0) -> bool:
        """Return whether a window may have been open, for `skew` seconds, when the meter answered.

        It may have answered the first of several equal commands, and before a clock was set back.
        """
        if record.first_sent is None:
            return True
        return key.end > min(record.first_sent, self._context.now) - EPOCH_UNIX - skew

    def _is_over(self, key: Key, now: float) -> bool:
        """Return whether a window has ended by the cache's clock."""
        return key.end <= now - EPOCH_UNIX

    # Entries of the store

    def _received_after(self, flight: Flight) -> float:
        """Return the time after which an entry must have been received to count."""
        device, now, as_of = flight.key.device, self._context.now, self._context.as_of
        if flight.changed is None or flight.changed[0] != as_of:
            flight.changed = as_of, self._context.registry.changed(device, now)
        return max(now - self._settings.retention, self.flushes.since(device), flight.changed[1])

    def _is_fresh(self, flight: Flight, entry: Entry) -> bool:
        """Return whether an entry may be served; not if it comes from a clock that was ahead."""
        fresh = self._received_after(flight) < entry.received <= self._context.now
        return fresh and not self.flushes.was_ahead(entry.received)

    def _holds(self, flight: Flight, wider: Key, entry: Entry) -> bool:
        """Return whether a wider entry may be served, and has everything in the window."""
        if not self._is_fresh(flight, entry):
            return False
        if not self._settings.literal:
            return True  # the whole window of the entry was over at the meter, so each part was
        read = flight.read
        longest = self._settings.reply_timeout * (self._settings.retries + 1)
        # The meter may have answered this early.
        earliest = entry.received - longest - EPOCH_UNIX
        reached = reaches_end(entry.buffer, read, entry.received)
        if reached is None:
            reached = read.window.end <= earliest - self._settings.clock_skew
        return reached and read.window.end <= earliest
