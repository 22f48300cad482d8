"""Builds the cache's replies, for each requester as the meter would have made them.

Pure. Knows device counters, which some replies need; that no two different replies may be sent
under one counter of a requester; and the shadow audit, which asks the meter for some hits too. Does
not know where readings come from.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from esme_emulator.cache.policy.context import Context
from esme_emulator.cache.policy.dispatch import Dispatcher
from esme_emulator.cache.policy.effects import CacheStatus, Effect, Reply, Reserve
from esme_emulator.cache.policy.ledger import SHADOW_DIFFERENT, SHADOW_EQUAL, Decision
from esme_emulator.cache.policy.reads import (
    build_reply,
    certificate_of,
    readings_of,
    same_entries,
)
from esme_emulator.cache.policy.requests import Kind, PendingCommand, Request
from esme_emulator.messaging.transaction import CACHE
from esme_emulator.runtime.draws import draw_unit
from gbcs import EUI, GbcsError, Message
from gbcs.usecases.profile_read import takes_own_counter

STORE_FAILED = "store-failed"
COUNTER_REUSED = "counter-reused"
WITHHELD_REUSED = f"withheld-{COUNTER_REUSED}"
FLUSHED = "flushed-not-kept"

BLOCK_SECONDS = 5
"""Seconds of the clock in a block of device counters: the store is not asked for each reply."""

BLOCK_SIZE = 2_000_000 * BLOCK_SECONDS


class CounterBlock:
    """The block of device counters that the store has given to this process alone.

    Values are those of `messaging.device_counter`: microseconds of the clock times two, odd for
    caches. No value beyond the block is taken, so none is ever taken twice, even if the store fails
    or the clock is set back.
    """

    def __init__(self) -> None:
        self._next = self._end = 0

    def grant(self, first: int, size: int) -> None:
        """Use `size` counters from `first` on."""
        self._next, self._end = first, first + size

    def drop(self) -> None:
        """Use no more counters of this block."""
        self._next = self._end = 0

    def take(self, now: float) -> int | None:
        """Return the next counter at `now`, or None if the block is used up."""
        value = max(self._next, earliest(now)) | CACHE
        if value >= self._end:
            return None
        self._next = value + 1
        return value


def earliest(now: float) -> int:
    """Return the first device counter at `now`, Unix time in seconds."""
    return 2 * int(now * 1_000_000)


@dataclass(frozen=True, slots=True)
class Answer:
    """Readings for one or more requesters, and how they came about."""

    readings: bytes | int
    decision: Decision
    status: CacheStatus
    age: int | None = None
    """Whole seconds since receipt of the readings, of a hit."""


class ReplyBuilder:
    """Builds replies with the device-side keys of the cache."""

    def __init__(self, context: Context, dispatcher: Dispatcher) -> None:
        self._context = context
        self._ledger = context.ledger
        self._transactions = context.transactions
        self._dispatcher = dispatcher
        self._block = CounterBlock()
        self._parked: list[tuple[Request, Answer]] = []
        """Requests that wait for a block of device counters, which the store was asked for."""
        self._invalidated: list[Request] = []
        """Further ones, whose readings do not count any more."""

    def build(self, requests: Iterable[Request], answer: Answer) -> list[Effect]:
        """Return the replies to all requesters that are still entitled to them."""
        is_reserving = bool(self._parked)
        effects: list[Effect] = []
        for request in requests:
            effects += self._build(request, answer)
        return effects if is_reserving or not self._parked else [*effects, self._reserve()]

    def reserved(self, first: int | None) -> list[Effect]:
        """Build the replies that waited for device counters, or ask the meter if none came."""
        parked, self._parked = self._parked, []
        invalidated, self._invalidated = self._invalidated, []
        effects = self._pass_on(invalidated, FLUSHED)
        if first is None:
            return [*effects, *self._pass_on((request for request, _ in parked), STORE_FAILED)]
        self._block.grant(first, BLOCK_SIZE)
        for request, answer in parked:
            effects += self._build(request, answer)
        return [*effects, self._reserve()] if self._parked else effects

    def invalidate(self, device: EUI | None) -> None:
        """Ask a device, or all, anew for the hits that wait for device counters."""
        parked, self._parked = self._parked, []
        for request, answer in parked:
            if answer.decision is Decision.HIT and device in (None, request.device):
                self._invalidated.append(request)
            else:
                self._parked.append((request, answer))

    def forget_device_counters(self) -> None:
        """Take a new block from the store, since others may be given the one in use."""
        self._block.drop()

    def give_up(self) -> list[Request]:
        """Drop the replies that wait for device counters; return their requests."""
        waiting = [*(request for request, _ in self._parked), *self._invalidated]
        self._parked, self._invalidated = [], []
        return waiting

    def compare(self, pending: PendingCommand, response: Message) -> list[Effect]:
        """Count whether the meter replied with the readings that were served."""
        request = pending.request
        if request.read is None:
            raise TypeError("only reads of a log are served")
        try:
            certificate = certificate_of(request.command)
            readings = readings_of(response, certificate, request.read, self._context.keystore)
            equal = isinstance(readings, bytes) and same_entries(readings, pending.served)
        except GbcsError:
            equal = False
        return self._ledger.note(SHADOW_EQUAL if equal else SHADOW_DIFFERENT)

    def _reserve(self) -> Reserve:
        return Reserve(earliest(self._context.now), BLOCK_SIZE)

    def _pass_on(self, requests: Iterable[Request], detail: str) -> list[Effect]:
        effects: list[Effect] = []
        for request in requests:
            effects += self._dispatcher.send(PendingCommand(request, Kind.BYPASS, detail=detail))
        return effects

    def _build(self, request: Request, answer: Answer) -> list[Effect]:
        context, ledger = self._context, self._ledger
        now, transaction = context.now, request.transaction
        command, read = request.command, request.read
        refusal = context.refusal(request)
        if refusal:
            return ledger.refuse(request, refusal, now)
        if self._transactions.is_reused(transaction):
            return self._pass_on([request], COUNTER_REUSED)
        if read is None:
            raise TypeError("only reads of a log are served")
        device_counter = None
        if isinstance(answer.readings, bytes) and takes_own_counter(command, read.log):
            # A command that comes again gets the same octets, so the same device counter.
            device_counter = self._transactions.device_counter(transaction)
            device_counter = device_counter or self._block.take(now)
            if device_counter is None:
                self._parked.append((request, answer))
                return []
        try:
            octets = build_reply(command, read, answer.readings, context.keystore, device_counter)
        except GbcsError:
            ledger.decide(request, Decision.FAILED, now, "reply-failed")
            return ledger.note("reply-failed")
        if not self._transactions.may_reply(transaction, octets, device_counter):
            ledger.decide(request, Decision.FAILED, now, COUNTER_REUSED)
            return ledger.note(WITHHELD_REUSED)
        ledger.decide(request, answer.decision, now, age=answer.age)
        ledger.replied(request, answer.status, now, octets, answer.age)
        reply = Reply(request.device, command.originator, octets, str(answer.status), answer.age)
        if answer.decision is Decision.HIT and context.settings.shadow:
            return [reply, *self._audit(request, answer.readings)]
        return [reply]

    def _audit(self, request: Request, readings: bytes | int) -> list[Effect]:
        """Ask the meter too, for some hits, unless it is busy."""
        if not isinstance(readings, bytes) or self._draw(request) >= self._context.settings.shadow:
            return []
        record = self._transactions.get(request.transaction)
        if (record and record.in_flight) or not self._dispatcher.can_send_now(request.device):
            return self._ledger.note("shadow-skipped")
        return self._dispatcher.send(PendingCommand(request, Kind.SHADOW, served=readings))

    def _draw(self, request: Request) -> float:
        transaction = request.transaction
        subject = f"{transaction.device} {transaction.party} {transaction.counter}"
        return draw_unit(self._context.settings.seed, "shadow", f"{subject} {request.srv}".encode())
