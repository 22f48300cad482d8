"""Sending commands to meters: when, how often, and until when a reply is waited for.

Knows commands under way and those that wait for their turn; does not know what replies mean. Who
uses it is told of a command that comes to nothing, and decides what that means.
"""

from collections.abc import Callable

from esme_emulator.cache.policy.effects import Effect, Forward
from esme_emulator.cache.policy.ledger import Ledger
from esme_emulator.cache.policy.protecting import Admission, Gate, Holding, RetryBudget
from esme_emulator.cache.policy.requests import Due, Kind, Leg, Request
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.policy.timers import Agenda
from esme_emulator.cache.policy.transactions import Past, Stage, Transactions
from gbcs import EUI

HOLD_DOWN, QUEUE_FULL, QUEUE_TIMEOUT = "hold-down", "device-queue-full", "device-queue-timeout"
NO_REPLY = "no-reply"


class Sender:
    """Commands on their way. `sent` is told of each command that goes out for the first time.

    `failed` is told of each that comes to nothing, and why; it returns what to do then.
    """

    def __init__(
        self,
        settings: CacheSettings,
        agenda: Agenda[Due],
        transactions: Transactions,
        ledger: Ledger,
        sent: Callable[[Leg, float], list[Effect]],
        failed: Callable[[Leg, str, float], list[Effect]],
    ) -> None:
        self._settings = settings
        self._agenda = agenda
        self._transactions = transactions
        self._ledger = ledger
        self._sent = sent
        self._failed = failed
        self._gate: Gate[Leg] = Gate(settings.device_limit, settings.device_queue)
        self._holding = Holding(settings.hold_down)
        self._budget = RetryBudget()

    def can_send_now(self, device: EUI, now: float) -> bool:
        """Return whether a command for `device` would go out at once."""
        return self._gate.is_free(device) and not self._holding.is_held(device, now)

    def send(self, leg: Leg, now: float) -> list[Effect]:
        """Send a command to its meter, now or in its turn."""
        device = leg.request.device
        if self._holding.is_held(device, now):
            return self._fail(leg, HOLD_DOWN, now)
        admission = self._gate.admit(device, leg)
        if admission is Admission.NEVER:
            return self._fail(leg, QUEUE_FULL, now)
        if admission is Admission.LATER:
            leg.ticket = self._agenda.at(now + self._settings.reply_timeout, leg)
            return []
        return self._dispatch(leg, now)

    def overdue(self, leg: Leg, now: float) -> list[Effect]:
        """Try a command again that got no reply in time, or give it up."""
        request = leg.request
        if leg.sent is None:
            self._gate.withdraw(request.device, leg)
            return self._fail(leg, QUEUE_TIMEOUT, now)
        past = self._transactions.note(request.transaction, leg.request.key, now)
        if (
            leg.kind is Kind.FLIGHT
            and leg.attempts <= self._settings.retries
            and self._budget.take()
        ):
            self._ledger.retries += 1
            return self._forward(leg, past, now)
        self._holding.failed(request.device, now)
        return self._give_up(leg, NO_REPLY, now)

    def undelivered(self, leg: Leg, reason: str, now: float) -> list[Effect]:
        """Give up a command that reached nobody at once; this says nothing of its meter.

        If it was sent before, that may still be answered, so it is waited for.
        """
        if leg.attempts > 1:
            self._ledger.reasons[reason] += 1
            return []
        if leg.ticket is not None:
            leg.ticket.drop()
        return self._give_up(leg, reason, now)

    def _give_up(self, leg: Leg, reason: str, now: float) -> list[Effect]:
        request = leg.request
        past = self._transactions.note(request.transaction, request.key, now)
        past.legs = tuple(other for other in past.legs if other is not leg)
        past.stage, past.given_up = Stage.GIVEN_UP, leg
        return [*self._fail(leg, reason, now), *self._next(request.device, now)]

    def replied(self, past: Past, leg: Leg, now: float) -> list[Effect]:
        """Note that `leg` got its reply; whatever waited for its place is sent."""
        past.legs = tuple(other for other in past.legs if other is not leg)
        past.stage = Stage.ANSWERED
        if leg.ticket is not None:
            leg.ticket.drop()
        self._holding.replied(leg.request.device)
        return self._next(leg.request.device, now)

    def waiting(self) -> list[Request]:
        """Return whose commands wait for their turn."""
        return [leg.request for leg in self._gate.waiting() if leg.kind is not Kind.SHADOW]

    def _next(self, device: EUI, now: float) -> list[Effect]:
        leg = self._gate.leave(device)
        if leg is None:
            return []
        if leg.ticket is not None:
            leg.ticket.drop()
        return self._dispatch(leg, now)

    def _dispatch(self, leg: Leg, now: float) -> list[Effect]:
        leg.sent = now
        past = self._transactions.note(leg.request.transaction, leg.request.key, now)
        past.legs += (leg,)
        if past.first_sent is None:
            past.first_sent = now
        past.stage = Stage.SENT
        if leg.kind is Kind.SHADOW:
            self._ledger.shadow += 1
        self._budget.sent()
        return [*self._forward(leg, past, now), *self._sent(leg, now)]

    def _forward(self, leg: Leg, past: Past, now: float) -> list[Effect]:
        leg.attempts += 1
        past.sends += 1
        leg.ticket = self._agenda.at(now + self._settings.reply_timeout, leg)
        return [Forward(leg.request.device, leg.request.octets)]

    def _fail(self, leg: Leg, reason: str, now: float) -> list[Effect]:
        shadow = "shadow-" if leg.kind is Kind.SHADOW else ""
        self._ledger.reasons[shadow + reason] += 1
        return self._failed(leg, reason, now)
