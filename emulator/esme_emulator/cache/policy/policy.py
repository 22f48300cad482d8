"""The policy of the reading cache: which request is answered from where.

Pure: octets and the time in, effects out. Knows requests in flight and what they wait for; knows
no store, no broker and no clock.

Whoever asks is checked first, hit or not. What the cache does not answer is passed on to the meter
and its response passed back; what it does is the business of `Flights`.
"""

from collections.abc import Callable
from datetime import date
from itertools import chain

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy import status
from esme_emulator.cache.policy.accounts import Accounts
from esme_emulator.cache.policy.dispatch import Sender
from esme_emulator.cache.policy.effects import Alarm, Claimed, Effect, Flush, Put, Reply
from esme_emulator.cache.policy.flights import Flights
from esme_emulator.cache.policy.landing import Landing
from esme_emulator.cache.policy.ledger import Decided, Decision, Ledger, Replied
from esme_emulator.cache.policy.reads import can_mint, read_of, touched
from esme_emulator.cache.policy.replies import COUNTER_REUSED, Minter
from esme_emulator.cache.policy.requests import Due, Kind, Leg, Request
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.policy.timers import Agenda
from esme_emulator.cache.policy.transactions import Past, Stage, Transactions
from esme_emulator.cache.registry.registration import Registration
from esme_emulator.cache.registry.registry import Registry, default_registry
from esme_emulator.messaging.transaction import transaction_of
from esme_emulator.messaging.validation import Accepted, Discard, accept, readable
from gbcs import (
    EUI,
    Alert,
    Command,
    DecodeError,
    Keystore,
    Message,
    Response,
    Status,
    open_message,
)
from gbcs.usecases.read_request import read_requests_of

CACHE_ENDED = "cache-ended"
CONTRADICTED = "reply-contradicted"


class CachePolicy:
    """What an S1SP's reading cache does, with the device-side keys of `keystore`.

    `registry` says who may ask for what, by default that of the emulated parties; `on_decision` is
    told of every decision, `on_reply` of every reply.
    """

    def __init__(
        self,
        keystore: Keystore,
        settings: CacheSettings,
        registry: Registry | None = None,
        on_decision: Callable[[Decided], None] | None = None,
        on_reply: Callable[[Replied], None] | None = None,
    ) -> None:
        self._keystore = keystore
        self.settings = settings
        self.registry = registry or default_registry()
        self.ledger = Ledger(on_decision=on_decision, on_reply=on_reply)
        self._accounts = Accounts(self.registry, self.ledger)
        self._agenda: Agenda[Due] = Agenda()
        self._transactions = Transactions()
        self._sender = Sender(
            settings, self._agenda, self._transactions, self.ledger, self._sent, self._failed
        )
        self._minter = Minter(keystore, settings, self._accounts, self._transactions, self._sender)
        self._flights = Flights(
            settings, self._accounts, self._agenda, self._transactions, self._sender, self._minter
        )
        self._landing = Landing(keystore, settings, self._accounts, self._flights, self._minter)

    # What comes from parties and meters

    def command(self, device: EUI, octets: bytes, now: float) -> list[Effect]:
        """Return what to do with a command for `device`."""
        self._tick(now)
        self.ledger.requests += 1
        accepted = accept(device, octets, self._keystore, now)
        if isinstance(accepted, Accepted):
            request = self._request(accepted.command, accepted.srv, octets, now, verified=True)
            return [] if self._refused(request, now) else self._admitted(request, now)
        reason = accepted.reason
        if reason is Discard.NO_KEY:
            # The meter will verify it. It is read all the same, since who may ask is decided here.
            command = readable(open_message(octets))
            if command is not None:
                request = self._request(command, accepted.srv, octets, now)
                return [] if self._refused(request, now) else self._bypass(request, "no-key", now)
            reason = Discard.MALFORMED
        decided = Decided(now, device, accepted.srv, Decision.REFUSED, reason)
        self.ledger.count(decided, known=False)
        return self._accounts.note(reason)

    def response(self, octets: bytes, now: float, sender: EUI | None = None) -> list[Effect]:
        """Return what to do with octets that a device sent; `sender` is that of its topic.

        Only readings that are to be kept, shared or compared are read of them.
        """
        self._tick(now)
        note = self._accounts.note
        try:
            message = open_message(octets, self._keystore)
        except DecodeError:
            return note("reply-malformed")
        if forged := _forged(message):
            return note(f"reply-{forged}-invalid")
        if sender not in (None, message.originator):
            return note("reply-of-another-topic")
        if isinstance(message, Alert):
            return [] if self.settings.shared else self._pass(message, octets)
        past = None
        if isinstance(message, Response):
            past = self._transactions.get(transaction_of(message))
        if past is None or past.stage is Stage.SEEN:
            return note("others-reply" if self.settings.shared else "reply-unsolicited")
        if not past.unanswered:
            return self._contradicted(past, message, octets, now) or note("duplicate-reply")
        if unproven := _unproven(message, past.unanswered):
            return note(f"reply-{unproven}")
        alarm = self._contradicted(past, message, octets, now)
        if not past.legs:
            return [*alarm, *self._landing.late(past, message, octets, now)]
        leg = past.legs[0]
        lost = self._accounts.lost(past, now) if past.reused else ""
        sent = self._sender.replied(past, leg, now)
        if lost:
            return [*alarm, *note(f"withheld-{lost}"), *sent]
        return [*alarm, *self._landing.take(past, leg, message, octets, now), *sent]

    def undelivered(self, octets: bytes, reason: str, now: float) -> list[Effect]:
        """Return what to do about a command that was to be forwarded and reached nobody."""
        self._tick(now)
        past = self._transactions.get(transaction_of(open_message(octets)))
        for leg in reversed(past.legs if past is not None else ()):
            if leg.request.octets == octets:
                return self._sender.undelivered(leg, reason, now)
        return self._accounts.note(reason)

    def _contradicted(
        self, past: Past, message: Message, octets: bytes, now: float
    ) -> list[Effect]:
        """Return what to do if a reply is proven and not the first to its command that says so.

        Nobody can tell which of the two is the meter's, so all that is kept of the device goes:
        parts of a forged reply may be kept by themselves.
        """
        proven = message.mac_status is Status.VALID
        if not proven or not self._landing.contradicts(past, message, octets):
            return []
        past.brought, past.contradicted = None, True
        self._accounts.note(CONTRADICTED)
        device, party = message.originator, message.remote_party
        return [
            Alarm(device, party, message.originator_counter),
            *self._flush(device, now),
        ]

    def alert(self, octets: bytes, sender: EUI | None = None) -> list[Effect]:
        """Return what to do with octets that a device sent to one of the caches that share.

        Responses are nothing to it, since every cache gets them; alerts are passed on once.
        """
        try:
            if not isinstance(open_message(octets), Alert):
                return []
            message = open_message(octets, self._keystore)
        except DecodeError:
            return []
        if _forged(message) or sender not in (None, message.originator):
            return []
        return self._pass(message, octets)

    def _pass(self, alert: Message, octets: bytes) -> list[Effect]:
        """Pass an alert on, unless anybody could have made it."""
        if _proves_nothing(alert):
            return self._accounts.note("alert-unproven")
        return [Reply(alert.originator, alert.recipient, octets, status.NAME)]

    def expire(self, now: float) -> list[Effect]:
        """Return what to do about commands whose reply has not come in time."""
        self._tick(now)
        effects: list[Effect] = []
        while (due := self._agenda.due(now)) is not None:
            if isinstance(due, Leg):
                effects += self._sender.overdue(due, now)
            else:
                effects += self._flights.overdue(due, now)
        return effects

    def end(self, now: float) -> list[Effect]:
        """Return what to do as the cache ends; whoever still waits is failed.

        The policy is to be told of nothing any more, save what the store says.
        """
        waiting = self._flights.waiting(), self._sender.waiting(), self._minter.give_up()
        for request in chain(*waiting):
            self._accounts.decide(request, Decision.FAILED, now, CACHE_ENDED)
            self._accounts.note(CACHE_ENDED)
        return self._flights.abandon()

    def next_deadline(self) -> float | None:
        """Return when `expire` has something to do next, or None while nothing is on its way."""
        return self._agenda.next()

    # What comes from the store

    def claimed(self, flight: int, found: Entry | Claimed, now: float) -> list[Effect]:
        """Return what to do now that the store has said what it has for a flight."""
        self._tick(now)
        return self._flights.claimed(flight, found, now)

    def covered(self, flight: int, found: tuple[Key, Entry] | None, now: float) -> list[Effect]:
        """Return what to do now that the store has, or has not, a wider entry for a flight."""
        self._tick(now)
        return self._flights.covered(flight, found, now)

    def settled(
        self, flight: int, came: bool | None, readings: bytes | int | None, now: float
    ) -> list[Effect]:
        """Return what to do now that another cache has settled what a flight waits for.

        `came` is False where nobody has, so that it is to be claimed again, and None where the
        store cannot be used. `readings` are None where its meter did not reply.
        """
        self._tick(now)
        return self._flights.settled(flight, came, readings, now)

    def kept(self, flight: int, kept: bool | None, now: float) -> list[Effect]:
        """Return what to do now that a flight was settled.

        `kept` is False where its lease was lost, and None where the store cannot be used.
        """
        self._tick(now)
        return self._flights.kept(flight, kept, now)

    def reserved(self, first: int | None, now: float) -> list[Effect]:
        """Return what to do now that own counters from `first` on are ours, or that none are."""
        self._tick(now)
        return self._minter.reserved(first, now)

    def forget_own_counters(self) -> None:
        """Note that the store which gave own counters was replaced."""
        self._minter.forget_own_counters()

    def was_put(self, put: Put, now: float) -> list[Effect]:
        """Return what to do now that the store has tried to keep what came late."""
        self._tick(now)
        return self._flights.was_put(put, now)

    def flushed(self, flush: Flush) -> None:
        """Note that the store has dropped what `flush` says."""
        self._flights.flushing.done(flush)

    def unflushed(self) -> list[Flush]:
        """Return what the store has still to drop."""
        return self._flights.flushing.pending()

    def will_be_served(self, flush: Flush, now: float) -> bool:
        """Return whether the next cache would serve what this one has still to drop.

        It does not if the registry says by itself since when readings of the device count.
        """
        registry, device = self.registry, flush.device
        if device is None or registry.forgotten:
            return True
        return registry.changed(device, now) < self._flights.flushing.since(device)

    def look_at_the_clock(self, now: float) -> list[Effect]:
        """Return what the store has still to drop, since the clock was set back too.

        To be called often.
        """
        self._tick(now)
        return list(self.unflushed())

    def _tick(self, now: float) -> None:
        before = self._agenda.tick(now)
        if now < before:
            self._flights.set_back(before, now)

    # Changes of who is entitled

    def register(self, registration: Registration, now: float) -> None:
        """Add a registration. Raises `ValueError` if it cannot be."""
        self.registry.register(registration, now)

    def change_of_supplier(
        self, device: EUI, old: EUI, new: EUI, day: date, now: float
    ) -> list[Effect]:
        """Have `new` supply `device` from `day` on, and drop its readings. Raises `ValueError`.

        An equal change that was made before is not made again, but its readings are dropped.
        """
        self.registry.change_of_supplier(device, old, new, day, now)
        return self._flush(device, now)

    def change_of_tenancy(self, device: EUI, day: date, now: float) -> list[Effect]:
        """Have another consumer at `device` from `day` on, and drop its readings.

        Raises `ValueError` if it cannot be kept, and is not made then.
        """
        self.registry.change_of_tenancy(device, day, now)
        return self._flush(device, now)

    def _flush(self, device: EUI, now: float) -> list[Effect]:
        for past in self._transactions.sent_to(device):
            past.keeps = False
        return self._flights.flush(device, now)

    # Requests

    def _request(
        self, command: Command, srv: str, octets: bytes, now: float, verified: bool = False
    ) -> Request:
        asks = read_requests_of(command)
        read = read_of(command, asks, self.settings.literal) if verified else None
        if read is not None and read.log.srv not in self.settings.srvs:
            read = None
        transaction = transaction_of(command)
        touches = tuple(touched(command, srv, asks))
        acb = self._keystore.access_control_broker
        others = {transaction.originator} - {transaction.party, acb}
        parties = transaction.party, *others
        return Request(command, octets, srv, transaction, touches, parties, read, now)

    def _refused(self, request: Request, now: float) -> bool:
        """Return whether a request is refused, and count it then."""
        reason = self._accounts.refusal(request, now)
        if reason:
            self._accounts.refuse(request, reason, now)
        return bool(reason)

    def _admitted(self, request: Request, now: float) -> list[Effect]:
        # Only now: keys are agreed, and kept, for parties that may ask and for no others.
        read = request.read
        if read is not None and not can_mint(request.command, read, self._keystore):
            read = request.read = None
        key = request.key
        turned = self._transactions.use(request.transaction, key, now)
        if self._transactions.is_reused(request.transaction):
            self._accounts.note(COUNTER_REUSED)
            parted = [effect for one in turned for effect in self._flights.part(one, now)]
            return [*parted, *self._bypass(request, COUNTER_REUSED, now)]
        if key is None or read is None:
            return self._bypass(request, "", now)
        return self._flights.join(request, read, key, now)

    def _bypass(self, request: Request, detail: str, now: float) -> list[Effect]:
        return self._sender.send(Leg(request, Kind.BYPASS, detail=detail), now)

    def _sent(self, leg: Leg, now: float) -> list[Effect]:
        if leg.kind is Kind.SHADOW:
            return []
        self._accounts.decide(leg.request, Decision.FORWARDED, now, leg.detail)
        past = self._transactions.get(leg.request.transaction)
        return self._flights.leave(leg, now) if past is not None and past.reused else []

    def _failed(self, leg: Leg, reason: str, now: float) -> list[Effect]:
        if leg.sent is None and leg.kind is not Kind.SHADOW:
            self._accounts.decide(leg.request, Decision.FAILED, now, reason)
        return self._flights.end(leg.flight, reason, now) if leg.flight else []


def _forged(message: Message) -> str:
    """Return what of a message from a meter is not its own, empty where nothing is."""
    if message.mac_status is Status.INVALID:
        return "mac"
    return "signature" if message.signature_status is Status.INVALID else ""


def _unproven(response: Message, legs: tuple[Leg, ...]) -> str:
    """Return why a response may not be the meter's own, empty where it may be relied on.

    It has a MAC, or in answer to a critical command the meter's signature. What cannot be verified,
    since a key is missing, is still passed on to who can.
    """
    if legs[0].request.command.critical and response.mac_status is Status.ABSENT:
        kind, status = "signature", response.signature_status
    else:
        kind, status = "mac", response.mac_status
    passed_on = status is Status.UNVERIFIED and all(leg.kind is Kind.BYPASS for leg in legs)
    return "" if status is Status.VALID or passed_on else f"{kind}-{status}"


def _proves_nothing(alert: Message) -> bool:
    """Return whether there is neither a MAC nor a signature on an alert, valid or unverified."""
    return alert.mac_status is Status.ABSENT and alert.signature_status is Status.ABSENT
