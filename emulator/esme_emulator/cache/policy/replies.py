"""Replies of the cache's own: minted for each requester as the meter would have made them.

Pure. Knows own counters, which some replies take, that no two replies may be made for one counter
of a requester, and the audit that asks the meter for some hits all the same; knows nothing of where
readings come from.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from esme_emulator.cache.policy.accounts import Accounts
from esme_emulator.cache.policy.audit import DIFFERENT, EQUAL
from esme_emulator.cache.policy.counter_block import BLOCK_SIZE, OwnBlock, earliest
from esme_emulator.cache.policy.dispatch import Sender
from esme_emulator.cache.policy.effects import Effect, Reply, Reserve
from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.reads import (
    certificate_of,
    mint,
    needs_own_counter,
    readings_of,
    same_entries,
)
from esme_emulator.cache.policy.requests import Kind, Leg, Request
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.policy.status import CacheStatus
from esme_emulator.cache.policy.transactions import Transactions
from esme_emulator.runtime.draws import draw_unit
from gbcs import EUI, GbcsError, Keystore, Message

STORE_FAILED = "store-failed"
COUNTER_REUSED = "counter-reused"
WITHHELD_REUSED = f"withheld-{COUNTER_REUSED}"
FLUSHED = "flushed-not-kept"


@dataclass(frozen=True, slots=True)
class Order:
    """A reply to mint."""

    request: Request
    readings: bytes | int
    decision: Decision
    status: CacheStatus
    age: int | None = None
    """Whole seconds since receipt, of a hit."""


class Minter:
    """Makes replies with the device-side keys of `keystore`."""

    def __init__(
        self,
        keystore: Keystore,
        settings: CacheSettings,
        accounts: Accounts,
        transactions: Transactions,
        sender: Sender,
    ) -> None:
        self._keystore = keystore
        self._settings = settings
        self._accounts = accounts
        self._transactions = transactions
        self._sender = sender
        self._own = OwnBlock()
        self._parked: list[Order] = []
        """Replies that wait for own counters, which were asked for."""
        self._worthless: list[Order] = []
        """Those of them whose readings do not count any more."""

    def mint(self, orders: Iterable[Order], now: float) -> list[Effect]:
        """Return the replies to those who are still entitled to them."""
        effects: list[Effect] = []
        waited = bool(self._parked)
        for order in orders:
            request = order.request
            refusal = self._accounts.refusal(request, now)
            if refusal:
                effects += self._accounts.refuse(request, refusal, now)
            elif self._transactions.is_reused(request.transaction):
                effects += self._pass_on([order], COUNTER_REUSED, now)
            else:
                effects += self._fill(order, now)
        if self._parked and not waited:
            effects.append(Reserve(earliest(now), BLOCK_SIZE))
        return effects

    def reserved(self, first: int | None, now: float) -> list[Effect]:
        """Return the replies that waited for own counters; without any the meter is asked."""
        parked, self._parked = self._parked, []
        worthless, self._worthless = self._worthless, []
        effects = self._pass_on(worthless, FLUSHED, now)
        if first is None:
            return [*effects, *self._pass_on(parked, STORE_FAILED, now)]
        self._own.grant(first, BLOCK_SIZE)
        return [*effects, *self.mint(parked, now)]

    def _pass_on(self, orders: Iterable[Order], detail: str, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for order in orders:
            effects += self._sender.send(Leg(order.request, Kind.BYPASS, detail=detail), now)
        return effects

    def distrust(self, device: EUI | None) -> None:
        """Have a device, or each, asked anew for the hits that wait for own counters."""
        parked, self._parked = self._parked, []
        for order in parked:
            of_it = order.decision is Decision.HIT and device in (None, order.request.device)
            (self._worthless if of_it else self._parked).append(order)

    def forget_own_counters(self) -> None:
        """Take own counters anew from the store, since others may be given those in hand."""
        self._own.drop()

    def give_up(self) -> list[Request]:
        """Return whose replies wait for own counters, and make none of them."""
        waiting = [*self._parked, *self._worthless]
        self._parked, self._worthless = [], []
        return [order.request for order in waiting]

    def _fill(self, order: Order, now: float) -> list[Effect]:
        request, command, read = order.request, order.request.command, order.request.read
        if read is None:
            raise TypeError("only reads of a log are minted")
        own = None
        if needs_own_counter(command, read, order.readings):
            # a command that comes again gets the same octets, so the same own counter
            own = self._transactions.own_counter(request.transaction) or self._own.take(now)
            if own is None:
                self._parked.append(order)
                return []
        try:
            octets = mint(command, read, order.readings, self._keystore, own)
        except GbcsError:
            self._accounts.decide(request, Decision.FAILED, now, "not-minted")
            return self._accounts.note("not-minted")
        if not self._transactions.may_say(request.transaction, octets, own):
            self._accounts.decide(request, Decision.FAILED, now, COUNTER_REUSED)
            return self._accounts.note(WITHHELD_REUSED)
        self._accounts.decide(request, order.decision, now, age=order.age)
        self._accounts.replied(request, order.status, now, order.age)
        reply = Reply(command.recipient, command.originator, octets, str(order.status), order.age)
        return [reply, *self._audit(order, now)]

    def _audit(self, order: Order, now: float) -> list[Effect]:
        """Ask the meter too, for some hits, where that is no burden to it."""
        request, readings = order.request, order.readings
        if order.decision is not Decision.HIT or not isinstance(readings, bytes):
            return []
        if not self._settings.shadow or self._draw(request) >= self._settings.shadow:
            return []
        past = self._transactions.get(request.transaction)
        if (past and past.legs) or not self._sender.can_send_now(request.device, now):
            return self._accounts.note("shadow-skipped")
        return self._sender.send(Leg(request, Kind.SHADOW, served=readings), now)

    def _draw(self, request: Request) -> float:
        transaction = request.transaction
        subject = f"{transaction.device} {transaction.party} {transaction.counter}"
        return draw_unit(self._settings.seed, "shadow", f"{subject} {request.srv}".encode())

    def compare(self, leg: Leg, response: Message) -> list[Effect]:
        """Count whether the meter says what was served; its response is for nobody."""
        request = leg.request
        if request.read is None:
            raise TypeError("only reads of a log are served")
        try:
            certificate = certificate_of(request.command)
            said = readings_of(response, certificate, request.read, self._keystore)
            equal = isinstance(said, bytes) and same_entries(said, leg.served)
        except GbcsError:
            equal = False
        return self._accounts.note(EQUAL if equal else DIFFERENT)
