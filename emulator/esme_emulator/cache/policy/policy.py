"""The policy of the reading cache: which request is answered from where.

Pure. Messages, answers of the store and the time come in, effects go out; a question among them
comes back through `CachePolicy.answer`. Knows no store, no broker and no clock.

Entitlement is checked first, hit or not. A request that the cache does not answer is passed on to
the meter, and its response passed back; the others become part of a flight (`flights`).
"""

from datetime import date
from itertools import chain

from esme_emulator.cache.entry import Key
from esme_emulator.cache.policy.context import Context
from esme_emulator.cache.policy.dispatch import Dispatcher
from esme_emulator.cache.policy.effects import (
    NAME,
    Alarm,
    Claim,
    Cover,
    Effect,
    Flush,
    Put,
    Question,
    Reply,
    Reserve,
    Settle,
    Wait,
)
from esme_emulator.cache.policy.flights import Flights, MeterReply
from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.reads import can_build_reply, read_of, touched
from esme_emulator.cache.policy.replies import COUNTER_REUSED, ReplyBuilder
from esme_emulator.cache.policy.requests import (
    Kind,
    PendingCommand,
    Request,
    Stage,
    TransactionRecord,
)
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.registry.registration import Registration
from esme_emulator.cache.registry.registry import Registry, default_registry
from esme_emulator.messaging.transaction import counter_in, transaction_of
from esme_emulator.messaging.validation import Accepted, Discard, accept, readable
from esme_emulator.runtime.events import Events
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
    """The reading cache of an S1SP, with the device-side keys of `keystore`.

    `registry` says which party may read what, by default that of the emulated parties. `Decided`
    and `Replied` are published on `events`. Times are Unix times in seconds.
    """

    def __init__(
        self,
        keystore: Keystore,
        settings: CacheSettings,
        registry: Registry | None = None,
        events: Events | None = None,
    ) -> None:
        self.settings = settings
        self.registry = registry or default_registry()
        self.events = events or Events()
        self._context = Context(keystore, settings, self.registry, self.events)
        self.ledger = self._context.ledger
        self._keystore = keystore
        self._transactions = self._context.transactions
        self._dispatcher = Dispatcher(
            self._context, lambda flight, reason: self._flights.resume(flight, reason)
        )
        self._replies = ReplyBuilder(self._context, self._dispatcher)
        self._flights = Flights(self._context, self._dispatcher, self._replies)

    def reset(self) -> None:
        """Count from 0 again, and end all cooldowns. Requests in flight go on."""
        self.ledger.reset()
        self._dispatcher.end_cooldowns()

    # Messages

    def command(self, device: EUI, octets: bytes, now: float) -> list[Effect]:
        """Return what to do with a command for `device`."""
        self._context.tick(now)
        self.ledger.requests += 1
        accepted = accept(device, octets, self._keystore, now)
        if isinstance(accepted, Accepted):
            request = self._request(accepted.command, accepted.srv, octets, verified=True)
            refusal = self._context.refusal(request)
            if refusal:
                return self.ledger.refuse(request, refusal, now)
            return self._admit(request)
        reason = accepted.reason
        if reason is Discard.NO_KEY:
            # The meter will verify it. It is read all the same: entitlement is checked here.
            command = readable(open_message(octets))
            if command is not None:
                request = self._request(command, accepted.srv, octets, verified=False)
                refusal = self._context.refusal(request)
                if refusal:
                    return self.ledger.refuse(request, refusal, now)
                return self._bypass(request, "no-key")
            reason = Discard.MALFORMED
        return self.ledger.discard(device, accepted.srv, reason, now, octets)

    def response(self, octets: bytes, now: float, sender: EUI | None = None) -> list[Effect]:
        """Return what to do with octets on the topic of responses of the device `sender`.

        Octets that answer no command of this cache are dropped before they are decoded. Only
        readings that are to be kept, shared or compared are decrypted.
        """
        note = self.ledger.note
        unsolicited = "others-reply" if self.settings.shared else "reply-unsolicited"
        counter = counter_in(octets)
        if counter is not None and not self._transactions.has_used(counter):
            return note(unsolicited)
        self._context.tick(now)
        try:
            message = open_message(octets, self._keystore)
        except DecodeError:
            return note("reply-malformed")
        record = None
        if isinstance(message, Response):
            record = self._transactions.get(transaction_of(message))
            if record is None or record.stage is Stage.SEEN:
                return note(unsolicited)
        if forged := _forged_part(message):
            return note(f"reply-{forged}-invalid")
        if sender not in (None, message.originator):
            return note("reply-of-another-topic")
        if isinstance(message, Alert):
            # Every cache of several gets this; their alerts have a topic of their own.
            return [] if self.settings.shared else self._pass(message, octets)
        if record is None:
            return note(unsolicited)
        if not record.unanswered:
            return self._contradiction(record, message, octets) or note("duplicate-reply")
        if unproven := _unproven(message, record.unanswered):
            return note(f"reply-{unproven}")
        return self._solicited(record, message, octets)

    def _solicited(
        self, record: TransactionRecord, message: Message, octets: bytes
    ) -> list[Effect]:
        alarm = self._contradiction(record, message, octets)
        reply = MeterReply(record, message, octets)
        if not record.in_flight:
            return [*alarm, *self._flights.take_late_reply(reply)]
        pending = record.in_flight[0]
        refusal = self._refusal_of_any(record) if record.reused else ""
        sent = self._dispatcher.replied(record, pending)
        if refusal:
            return [*alarm, *self.ledger.note(f"withheld-{refusal}"), *sent]
        return [*alarm, *self._flights.take_reply(pending, reply), *sent]

    def alert(self, octets: bytes, sender: EUI | None = None) -> list[Effect]:
        """Return what to do with octets on the topic of alerts of the device `sender`."""
        note = self.ledger.note
        try:
            message = open_message(octets, self._keystore)
        except DecodeError:
            return note("alert-malformed")
        if not isinstance(message, Alert):
            return note("alert-malformed")
        if forged := _forged_part(message):
            return note(f"alert-{forged}-invalid")
        if sender not in (None, message.originator):
            return note("alert-of-another-topic")
        return self._pass(message, octets)

    def undelivered(self, octets: bytes, reason: str, now: float) -> list[Effect]:
        """Return what to do about a forwarded command that no meter received."""
        self._context.tick(now)
        record = self._transactions.get(transaction_of(open_message(octets)))
        for pending in reversed(record.in_flight if record is not None else ()):
            if pending.request.octets == octets:
                return self._dispatcher.undelivered(pending, reason)
        return self.ledger.note(reason)

    # Time

    def next_deadline(self) -> float | None:
        """Return when `expire` has something to do next, or None if nothing is in flight."""
        return self._context.timers.next_deadline()

    def expire(self, now: float) -> list[Effect]:
        """Return what to do about commands that got no reply in time."""
        self._context.tick(now)
        effects: list[Effect] = []
        while (due := self._context.timers.pop_due(now)) is not None:
            if isinstance(due, PendingCommand):
                effects += self._dispatcher.overdue(due)
            else:
                effects += self._flights.overdue(due)
        return effects

    def check_clock(self, now: float) -> list[Flush]:
        """Notice if the clock was set back; return the pending flushes. Call it often."""
        self._context.tick(now)
        return self.pending_flushes()

    def end(self, now: float) -> list[Effect]:
        """Fail all waiting requests as the cache ends; return what to do.

        From then on, call `answer` only.
        """
        waiting = self._flights.waiting(), self._dispatcher.waiting(), self._replies.give_up()
        for request in chain(*waiting):
            self.ledger.decide(request, Decision.FAILED, now, CACHE_ENDED)
            self.ledger.note(CACHE_ENDED)
        return self._flights.abandon()

    def readings_changed(self) -> None:
        """Note that the meters may now have other readings than before.

        Keep no reply to a command sent before, and let no later request share it.
        """
        self._transactions.distrust()
        self._flights.readings_changed()

    # The store

    def answer(self, question: Question, answer: object, now: float) -> list[Effect]:
        """Return what to do now that the store has answered; `effects` says with what."""
        self._context.tick(now)
        match question:
            case Claim() | Cover() | Wait() | Settle():
                return self._flights.answer(question.flight, answer)
            case Put():
                return self._flights.was_put(question)
            case Reserve():
                return self._replies.reserved(answer if isinstance(answer, int) else None)
            case Flush() if answer:
                self._flights.flushes.done(question)
        return []

    def forget_device_counters(self) -> None:
        """Note that the store which gave device counters was replaced."""
        self._replies.forget_device_counters()

    def pending_flushes(self) -> list[Flush]:
        """Return the flushes that the store has still to do."""
        return self._flights.flushes.pending()

    def will_be_served(self, flush: Flush, now: float) -> bool:
        """Return whether the next cache would serve the entries of a pending flush.

        It would not if the registry itself says since when entries of the device count.
        """
        registry, device = self.registry, flush.device
        if device is None or registry.forgotten:
            return True
        return registry.changed(device, now) < self._flights.flushes.since(device)

    # Changes of the registry

    def register(self, registration: Registration, now: float) -> None:
        """Add a registration. Raises `ValueError` if it is not possible."""
        self.registry.register(registration, now)

    def change_of_supplier(
        self, device: EUI, old: EUI, new: EUI, day: date, now: float
    ) -> list[Effect]:
        """Let `new` supply `device` from `day` on, and drop its readings. Raises `ValueError`.

        An equal change is not made twice, but drops the readings again.
        """
        self.registry.change_of_supplier(device, old, new, day, now)
        return self._flush(device, now)

    def change_of_tenancy(self, device: EUI, day: date, now: float) -> list[Effect]:
        """Note another consumer at `device` from `day` on, and drop its readings.

        Raises `ValueError` if the change cannot be kept; then it is not made.
        """
        self.registry.change_of_tenancy(device, day, now)
        return self._flush(device, now)

    def _flush(self, device: EUI, now: float) -> list[Effect]:
        self._context.tick(now)
        for record in self._transactions.sent_to(device):
            record.keeps = False
        return self._flights.flush(device)

    # Requests

    def _request(self, command: Command, srv: str, octets: bytes, *, verified: bool) -> Request:
        settings, requests = self.settings, read_requests_of(command)
        read = read_of(command, requests, settings.literal) if verified else None
        if read is not None and read.log.srv not in settings.srvs:
            read = None
        transaction = transaction_of(command)
        device, originator, _, _, party = transaction
        parties: tuple[EUI, ...] = (party,)
        if originator not in (party, self._keystore.access_control_broker):
            parties = party, originator
        srvs, now = touched(command, srv, requests), self._context.now
        return Request(command, octets, srv, transaction, device, party, srvs, parties, read, now)

    def _admit(self, request: Request) -> list[Effect]:
        """Answer a request of entitled parties, or pass it on."""
        # Only now: secrets are agreed, and kept, for no other parties.
        read = request.read
        if read is not None and can_build_reply(request.command, read, self._keystore):
            window = read.window
            request.key = Key(request.device, read.kept_as, window.start, window.end)
        else:
            read = request.read = None
        key = request.key
        record, newly_reused = self._transactions.use(request.transaction, key, self._context.now)
        if record.reused:
            self.ledger.note(COUNTER_REUSED)
            commands = [pending for one in newly_reused for pending in one.in_flight]
            return [*self._dispatcher.detach(commands), *self._bypass(request, COUNTER_REUSED)]
        if key is None or read is None:
            return self._bypass(request, "")
        return self._flights.join(request, read, key)

    def _bypass(self, request: Request, detail: str) -> list[Effect]:
        return self._dispatcher.send(PendingCommand(request, Kind.BYPASS, detail=detail))

    # Replies of meters

    def _refusal_of_any(self, record: TransactionRecord) -> str:
        """Return why one of the requests of a transaction may not be answered; empty if all may.

        If the transaction was used for several reads, a response may be to any of them.
        """
        refusals = (self._context.refusal(pending.request) for pending in record.unanswered)
        return next(filter(None, refusals), "")

    def _contradiction(
        self, record: TransactionRecord, message: Message, octets: bytes
    ) -> list[Effect]:
        """Return what to do if a reply is proven and differs from the first to its command.

        It is unknown which of the two is the meter's, so all entries of the device are dropped:
        parts of a forged reply may be kept as entries of their own.
        """
        if message.mac_status is not Status.VALID or not record.is_contradicted_by(
            message, octets, self._keystore, shared=self.settings.shared
        ):
            return []
        record.first_reply, record.contradicted = None, True
        self.ledger.note(CONTRADICTED)
        device, party = message.originator, message.remote_party
        alarm = Alarm(device, party, message.originator_counter)
        return [alarm, *self._flush(device, self._context.now)]

    def _pass(self, alert: Message, octets: bytes) -> list[Effect]:
        """Pass an alert on, unless anybody could have made it."""
        if _proves_nothing(alert):
            return self.ledger.note("alert-unproven")
        return [Reply(alert.originator, alert.recipient, octets, NAME)]


def _forged_part(message: Message) -> str:
    """Return which part of a meter's message is invalid; empty if none is."""
    if message.mac_status is Status.INVALID:
        return "mac"
    return "signature" if message.signature_status is Status.INVALID else ""


def _unproven(response: Message, commands: tuple[PendingCommand, ...]) -> str:
    """Return why a response may not be the meter's own; empty if it may be relied on.

    It needs a valid MAC, or in answer to a critical command the meter's signature. If it cannot be
    verified for want of a key, it is still passed on to a requester that can.
    """
    if commands[0].request.command.critical and response.mac_status is Status.ABSENT:
        kind, found = "signature", response.signature_status
    else:
        kind, found = "mac", response.mac_status
    passed_on = found is Status.UNVERIFIED and all(
        pending.kind is Kind.BYPASS for pending in commands
    )
    return "" if found is Status.VALID or passed_on else f"{kind}-{found}"


def _proves_nothing(alert: Message) -> bool:
    """Return whether an alert has neither a MAC nor a signature, valid or unverified."""
    return alert.mac_status is Status.ABSENT and alert.signature_status is Status.ABSENT
