"""Sends commands to meters: when, how often, and until when to wait for a reply.

Pure. Knows the commands in flight and those in a meter's queue; does not know what replies mean. A
meter gets a limited number of commands at once, few retries, and none at all for a while after
several timeouts in a row.
"""

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Generic, TypeVar

from esme_emulator.cache.policy.context import Context
from esme_emulator.cache.policy.effects import Effect, Forward
from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.requests import Flight, Kind, Leg, Past, Request, Stage
from esme_emulator.cache.policy.settings import HoldDown
from gbcs import EUI

HOLD_DOWN, QUEUE_FULL, QUEUE_TIMEOUT = "hold-down", "device-queue-full", "device-queue-timeout"
NO_REPLY = "no-reply"

COMMANDS_PER_RETRY = 10
"""Commands that must be sent for each retry that is allowed."""
_MAX_SAVED = 10 * COMMANDS_PER_RETRY
_MAX_FAILING_METERS = 100_000

T = TypeVar("T")


class Admission(Enum):
    """Whether a command may go to a meter now."""

    NOW = auto()
    LATER = auto()
    """It waits in the meter's queue."""
    NEVER = auto()
    """The queue is full."""


class DeviceQueue(Generic[T]):
    """Limits the commands in flight to one meter, and those that wait for it, first in first out.

    `limit` and `length` are for each meter.
    """

    def __init__(self, limit: int, length: int) -> None:
        self._limit = limit
        self._length = length
        self._in_flight: dict[EUI, int] = {}
        self._queues: dict[EUI, deque[T]] = {}

    def is_free(self, device: EUI) -> bool:
        """Return whether a command could go to `device` now."""
        return self._in_flight.get(device, 0) < self._limit

    def admit(self, device: EUI, item: T) -> Admission:
        """Count `item` as in flight, or queue it."""
        if self.is_free(device):
            self._in_flight[device] = self._in_flight.get(device, 0) + 1
            return Admission.NOW
        queue = self._queues.setdefault(device, deque())
        if len(queue) >= self._length:
            return Admission.NEVER
        queue.append(item)
        return Admission.LATER

    def leave(self, device: EUI) -> T | None:
        """Count one in flight less; return the first of the queue, which is in flight now."""
        queue = self._queues.get(device)
        if queue:
            return queue.popleft()
        self._queues.pop(device, None)
        self._in_flight[device] -= 1
        if not self._in_flight[device]:
            del self._in_flight[device]
        return None

    def waiting(self) -> list[T]:
        """Return everything in a queue."""
        return [item for queue in self._queues.values() for item in queue]

    def withdraw(self, device: EUI, item: T) -> None:
        """Remove `item` from the queue of `device`."""
        self._queues[device].remove(item)


class RetryBudget:
    """Allows one retry for every `COMMANDS_PER_RETRY` commands; ten retries can be saved up."""

    def __init__(self) -> None:
        self._saved = 0

    def sent(self) -> None:
        """Count a command that was sent for the first time."""
        self._saved = min(self._saved + 1, _MAX_SAVED)

    def take(self) -> bool:
        """Return whether one retry is allowed, and count it."""
        if self._saved < COMMANDS_PER_RETRY:
            return False
        self._saved -= COMMANDS_PER_RETRY
        return True


class Cooldown:
    """Knows the meters that get no commands for a while, after several timeouts in a row.

    If very many meters fail, it forgets those that failed first.
    """

    def __init__(self, hold_down: HoldDown | None) -> None:
        self._hold_down = hold_down
        self._failures: dict[EUI, int] = {}
        self._since: dict[EUI, float] = {}

    def failed(self, device: EUI, now: float) -> None:
        """Count a timeout of `device`."""
        if self._hold_down is None:
            return
        self._failures[device] = self._failures.pop(device, 0) + 1
        if len(self._failures) > _MAX_FAILING_METERS:
            self.replied(next(iter(self._failures)))
        if self._failures[device] >= self._hold_down.failures:
            self._since[device] = now

    def replied(self, device: EUI) -> None:
        """Forget the timeouts of `device`."""
        self._failures.pop(device, None)
        self._since.pop(device, None)

    def applies_to(self, device: EUI, now: float) -> bool:
        """Return whether `device` gets no commands at `now`.

        Once the cooldown is over, one more timeout begins another. A clock that was set back to
        before its beginning ends it.
        """
        since = self._since.get(device)
        if since is None or self._hold_down is None:
            return False
        if 0 <= now - since < self._hold_down.seconds:
            return True
        del self._since[device]
        return False


class Dispatcher:
    """Commands on their way.

    `resume` continues the flight of a command without it: with the reason if the command failed,
    with None if its reply will be for its requester alone.
    """

    def __init__(
        self, context: Context, resume: Callable[[Flight, str | None], list[Effect]]
    ) -> None:
        self._context = context
        self._ledger = context.ledger
        self._resume = resume
        settings = context.settings
        self._queue: DeviceQueue[Leg] = DeviceQueue(settings.device_limit, settings.device_queue)
        self._cooldown = Cooldown(settings.hold_down)
        self._budget = RetryBudget()

    def can_send_now(self, device: EUI) -> bool:
        """Return whether a command for `device` would be sent at once."""
        cooling_down = self._cooldown.applies_to(device, self._context.now)
        return self._queue.is_free(device) and not cooling_down

    def send(self, leg: Leg) -> list[Effect]:
        """Send a command to its meter, at once or in its turn."""
        device = leg.request.device
        if self._cooldown.applies_to(device, self._context.now):
            return self._fail(leg, HOLD_DOWN)
        admission = self._queue.admit(device, leg)
        if admission is Admission.NEVER:
            return self._fail(leg, QUEUE_FULL)
        if admission is Admission.LATER:
            leg.timer = self._context.start_timer(leg)
            return []
        return self._send_first(leg)

    def overdue(self, leg: Leg) -> list[Effect]:
        """Retry a command that got no reply in time, or give it up."""
        request = leg.request
        if leg.sent is None:
            self._queue.withdraw(request.device, leg)
            return self._fail(leg, QUEUE_TIMEOUT)
        past = self._context.note(request)
        if (
            leg.kind is Kind.FLIGHT
            and leg.attempts <= self._context.settings.retries
            and self._budget.take()
        ):
            self._ledger.retries += 1
            return self._forward(leg, past)
        self._cooldown.failed(request.device, self._context.now)
        return self._give_up(leg, NO_REPLY)

    def undelivered(self, leg: Leg, reason: str) -> list[Effect]:
        """Give up at once a command without a receiver; this says nothing about its meter.

        If an earlier attempt was delivered, go on waiting: the meter may still answer that.
        """
        if leg.attempts > 1:
            return self._ledger.note(reason)
        if leg.timer is not None:
            leg.timer.cancel()
        return self._give_up(leg, reason)

    def replied(self, past: Past, leg: Leg) -> list[Effect]:
        """Note that `leg` got its reply; send the next command of the meter's queue."""
        past.legs = tuple([other for other in past.legs if other is not leg])
        past.stage = Stage.ANSWERED
        if leg.timer is not None:
            leg.timer.cancel()
        self._cooldown.replied(leg.request.device)
        return self._send_next(leg.request.device)

    def detach(self, legs: Iterable[Leg]) -> list[Effect]:
        """Keep the replies of commands for their requesters; resume their flights without them."""
        effects: list[Effect] = []
        for leg in legs:
            flight, leg.flight = leg.flight, None
            if flight is not None:
                leg.kind = Kind.BYPASS
                effects += self._resume(flight, None)
        return effects

    def waiting(self) -> list[Request]:
        """Return the requests whose commands are in a queue."""
        return [leg.request for leg in self._queue.waiting() if leg.kind is not Kind.SHADOW]

    def _give_up(self, leg: Leg, reason: str) -> list[Effect]:
        request = leg.request
        past = self._context.note(request)
        past.legs = tuple([other for other in past.legs if other is not leg])
        past.stage, past.given_up = Stage.GIVEN_UP, leg
        return [*self._fail(leg, reason), *self._send_next(request.device)]

    def _send_next(self, device: EUI) -> list[Effect]:
        leg = self._queue.leave(device)
        if leg is None:
            return []
        if leg.timer is not None:
            leg.timer.cancel()
        return self._send_first(leg)

    def _send_first(self, leg: Leg) -> list[Effect]:
        """Send a command for the first time."""
        request, now = leg.request, self._context.now
        leg.sent = now
        past = self._context.note(request)
        past.legs += (leg,)
        if past.first_sent is None:
            past.first_sent = now
        past.stage = Stage.SENT
        self._budget.sent()
        forward = self._forward(leg, past)
        if leg.kind is Kind.SHADOW:
            self._ledger.shadow += 1
            return forward
        self._ledger.decide(request, Decision.FORWARDED, now, leg.detail)
        # A counter that was used twice since does not tell which of the two reads a reply answers.
        return [*forward, *self.detach([leg])] if past.reused else forward

    def _forward(self, leg: Leg, past: Past) -> list[Effect]:
        leg.attempts += 1
        past.sends += 1
        leg.timer = self._context.start_timer(leg)
        request = leg.request
        return [Forward(request.device, request.command.originator, request.octets)]

    def _fail(self, leg: Leg, reason: str) -> list[Effect]:
        shadow = leg.kind is Kind.SHADOW
        self._ledger.note(f"shadow-{reason}" if shadow else reason)
        if leg.sent is None and not shadow:
            self._ledger.decide(leg.request, Decision.FAILED, self._context.now, reason)
        return self._resume(leg.flight, reason) if leg.flight else []
