"""Builds the cache's replies, for each requester as the meter would have made them.

Pure. Knows device counters, which some replies need; that no two different replies may be sent
under one counter of a requester; and the shadow audit, which asks the meter for some hits too. Does
not know where readings come from.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from esme_emulator.cache.policy.dispatch import Dispatcher
from esme_emulator.cache.policy.effects import Effect, Reply, Reserve
from esme_emulator.cache.policy.ledger import SHADOW_DIFFERENT, SHADOW_EQUAL, Decision, Ledger
from esme_emulator.cache.policy.reads import (
    build_reply,
    certificate_of,
    needs_device_counter,
    readings_of,
    same_entries,
)
from esme_emulator.cache.policy.requests import Entitlement, Kind, Leg, Request, Subject
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.policy.status import CacheStatus
from esme_emulator.cache.policy.timers import Timers
from esme_emulator.cache.policy.transactions import Transactions
from esme_emulator.messaging.transaction import CACHE
from esme_emulator.runtime.draws import draw_unit
from gbcs import EUI, GbcsError, Keystore, Message

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
        """Return the next counter at `now`, or None if the block has none."""
        value = max(self._next, earliest(now)) | CACHE
        if value >= self._end:
            return None
        self._next = value + 1
        return value


def earliest(now: float) -> int:
    """Return the first device counter at `now`, Unix time in seconds."""
    return 2 * int(now * 1_000_000)


@dataclass(slots=True)
class Order:
    """A reply to build."""

    request: Request
    readings: bytes | int
    decision: Decision
    status: CacheStatus
    age: int | None = None
    """Whole seconds since receipt of the readings, of a hit."""


class ReplyBuilder:
    """Builds replies with the device-side keys of `keystore`."""

    def __init__(
        self,
        keystore: Keystore,
        settings: CacheSettings,
        entitlement: Entitlement,
        ledger: Ledger,
        timers: Timers[Subject],
        transactions: Transactions,
        dispatcher: Dispatcher,
    ) -> None:
        self._keystore = keystore
        self._settings = settings
        self._entitlement = entitlement
        self._ledger = ledger
        self._timers = timers
        self._transactions = transactions
        self._dispatcher = dispatcher
        self._block = CounterBlock()
        self._parked: list[Order] = []
        """Replies that wait for a block of device counters, which was asked for."""
        self._worthless: list[Order] = []
        """Those of them whose readings do not count any more."""

    def build(self, orders: Iterable[Order]) -> list[Effect]:
        """Return the replies to all requesters that are still entitled to them."""
        effects: list[Effect] = []
        asked = bool(self._parked)
        for order in orders:
            request = order.request
            refusal = self._entitlement.refusal(request)
            if refusal:
                effects += self._ledger.refuse(request, refusal, self._timers.now)
            elif self._transactions.is_reused(request.transaction):
                effects += self._pass_on([order], COUNTER_REUSED)
            else:
                effects += self._build_one(order)
        if self._parked and not asked:
            effects.append(Reserve(earliest(self._timers.now), BLOCK_SIZE))
        return effects

    def reserved(self, first: int | None) -> list[Effect]:
        """Build the replies that waited for device counters; if there are none, ask the meter."""
        parked, self._parked = self._parked, []
        worthless, self._worthless = self._worthless, []
        effects = self._pass_on(worthless, FLUSHED)
        if first is None:
            return [*effects, *self._pass_on(parked, STORE_FAILED)]
        self._block.grant(first, BLOCK_SIZE)
        return [*effects, *self.build(parked)]

    def distrust(self, device: EUI | None) -> None:
        """Ask a device, or all, anew for the hits that wait for device counters."""
        parked, self._parked = self._parked, []
        for order in parked:
            of_it = order.decision is Decision.HIT and device in (None, order.request.device)
            (self._worthless if of_it else self._parked).append(order)

    def forget_device_counters(self) -> None:
        """Take a new block from the store, since others may be given the one in use."""
        self._block.drop()

    def give_up(self) -> list[Request]:
        """Drop the replies that wait for device counters; return their requests."""
        waiting = [*self._parked, *self._worthless]
        self._parked, self._worthless = [], []
        return [order.request for order in waiting]

    def compare(self, leg: Leg, response: Message) -> list[Effect]:
        """Count whether the meter replied with the readings that were served."""
        request = leg.request
        if request.read is None:
            raise TypeError("only reads of a log are served")
        try:
            certificate = certificate_of(request.command)
            said = readings_of(response, certificate, request.read, self._keystore)
            equal = isinstance(said, bytes) and same_entries(said, leg.served)
        except GbcsError:
            equal = False
        return self._ledger.note(SHADOW_EQUAL if equal else SHADOW_DIFFERENT)

    def _pass_on(self, orders: Iterable[Order], detail: str) -> list[Effect]:
        effects: list[Effect] = []
        for order in orders:
            effects += self._dispatcher.send(Leg(order.request, Kind.BYPASS, detail=detail))
        return effects

    def _build_one(self, order: Order) -> list[Effect]:
        request, command, read = order.request, order.request.command, order.request.read
        now = self._timers.now
        if read is None:
            raise TypeError("only reads of a log are served")
        device_counter = None
        if needs_device_counter(command, read, order.readings):
            # A command that comes again gets the same octets, so the same device counter.
            device_counter = self._transactions.device_counter(request.transaction)
            device_counter = device_counter or self._block.take(now)
            if device_counter is None:
                self._parked.append(order)
                return []
        try:
            octets = build_reply(command, read, order.readings, self._keystore, device_counter)
        except GbcsError:
            self._ledger.decide(request, Decision.FAILED, now, "not-minted")
            return self._ledger.note("not-minted")
        if not self._transactions.may_reply(request.transaction, octets, device_counter):
            self._ledger.decide(request, Decision.FAILED, now, COUNTER_REUSED)
            return self._ledger.note(WITHHELD_REUSED)
        self._ledger.decide(request, order.decision, now, age=order.age)
        self._ledger.replied(request, order.status, now, order.age)
        status = str(order.status)
        reply = Reply(request.device, command.originator, octets, status, order.age)
        if order.decision is Decision.HIT and self._settings.shadow:
            return [reply, *self._audit(request, order.readings)]
        return [reply]

    def _audit(self, request: Request, readings: bytes | int) -> list[Effect]:
        """Ask the meter too, for some hits, unless it is busy."""
        if not isinstance(readings, bytes) or self._draw(request) >= self._settings.shadow:
            return []
        past = self._transactions.get(request.transaction)
        if (past and past.legs) or not self._dispatcher.can_send_now(request.device):
            return self._ledger.note("shadow-skipped")
        return self._dispatcher.send(Leg(request, Kind.SHADOW, served=readings))

    def _draw(self, request: Request) -> float:
        transaction = request.transaction
        subject = f"{transaction.device} {transaction.party} {transaction.counter}"
        return draw_unit(self._settings.seed, "shadow", f"{subject} {request.srv}".encode())
