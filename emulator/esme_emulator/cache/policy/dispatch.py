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
from esme_emulator.cache.policy.requests import (
    Flight,
    Kind,
    PendingCommand,
    Request,
    Stage,
    TransactionRecord,
)
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

    def reset(self) -> None:
        """Forget all timeouts."""
        self._failures.clear()
        self._since.clear()

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
        self._queue: DeviceQueue[PendingCommand] = DeviceQueue(
            settings.device_limit, settings.device_queue
        )
        self._cooldown = Cooldown(settings.hold_down)
        self._budget = RetryBudget()

    def end_cooldowns(self) -> None:
        """Send commands to all meters again, whatever timeouts they had."""
        self._cooldown.reset()

    def can_send_now(self, device: EUI) -> bool:
        """Return whether a command for `device` would be sent at once."""
        cooling_down = self._cooldown.applies_to(device, self._context.now)
        return self._queue.is_free(device) and not cooling_down

    def send(self, pending: PendingCommand) -> list[Effect]:
        """Send a command to its meter, at once or in its turn."""
        device = pending.request.device
        if self._cooldown.applies_to(device, self._context.now):
            return self._fail(pending, HOLD_DOWN)
        admission = self._queue.admit(device, pending)
        if admission is Admission.NEVER:
            return self._fail(pending, QUEUE_FULL)
        if admission is Admission.LATER:
            pending.timer = self._context.start_timer(pending)
            return []
        return self._send_first(pending)

    def overdue(self, pending: PendingCommand) -> list[Effect]:
        """Retry a command that got no reply in time, or give it up."""
        request = pending.request
        if pending.sent is None:
            self._queue.withdraw(request.device, pending)
            return self._fail(pending, QUEUE_TIMEOUT)
        record = self._context.note(request)
        if (
            pending.kind is Kind.FLIGHT
            and pending.attempts <= self._context.settings.retries
            and self._budget.take()
        ):
            self._ledger.retries += 1
            return self._forward(pending, record)
        self._cooldown.failed(request.device, self._context.now)
        return self._give_up(pending, NO_REPLY)

    def undelivered(self, pending: PendingCommand, reason: str) -> list[Effect]:
        """Give up at once a command without a receiver; this says nothing about its meter.

        If an earlier attempt was delivered, go on waiting: the meter may still answer that.
        """
        if pending.attempts > 1:
            return self._ledger.note(reason)
        if pending.timer is not None:
            pending.timer.cancel()
        return self._give_up(pending, reason)

    def replied(self, record: TransactionRecord, pending: PendingCommand) -> list[Effect]:
        """Note that `pending` got its reply; send the next command of the meter's queue."""
        record.in_flight = tuple([other for other in record.in_flight if other is not pending])
        record.stage = Stage.ANSWERED
        if pending.timer is not None:
            pending.timer.cancel()
        self._cooldown.replied(pending.request.device)
        return self._send_next(pending.request.device)

    def detach(self, commands: Iterable[PendingCommand]) -> list[Effect]:
        """Keep the replies of commands for their requesters; resume their flights without them."""
        effects: list[Effect] = []
        for pending in commands:
            flight, pending.flight = pending.flight, None
            if flight is not None:
                pending.kind = Kind.BYPASS
                effects += self._resume(flight, None)
        return effects

    def waiting(self) -> list[Request]:
        """Return the requests whose commands are in a queue."""
        return [
            pending.request for pending in self._queue.waiting() if pending.kind is not Kind.SHADOW
        ]

    def _give_up(self, pending: PendingCommand, reason: str) -> list[Effect]:
        request = pending.request
        record = self._context.note(request)
        record.in_flight = tuple([other for other in record.in_flight if other is not pending])
        record.stage, record.given_up = Stage.GIVEN_UP, pending
        return [*self._fail(pending, reason), *self._send_next(request.device)]

    def _send_next(self, device: EUI) -> list[Effect]:
        pending = self._queue.leave(device)
        if pending is None:
            return []
        if pending.timer is not None:
            pending.timer.cancel()
        return self._send_first(pending)

    def _send_first(self, pending: PendingCommand) -> list[Effect]:
        """Send a command for the first time."""
        request, now = pending.request, self._context.now
        pending.sent = now
        record = self._context.note(request)
        record.in_flight += (pending,)
        if record.first_sent is None:
            record.first_sent = now
        record.stage = Stage.SENT
        self._budget.sent()
        forward = self._forward(pending, record)
        if pending.kind is Kind.SHADOW:
            self._ledger.shadow += 1
            return forward
        self._ledger.decide(request, Decision.FORWARDED, now, pending.detail)
        # A counter that was used twice since does not tell which of the two reads a reply answers.
        return [*forward, *self.detach([pending])] if record.reused else forward

    def _forward(self, pending: PendingCommand, record: TransactionRecord) -> list[Effect]:
        pending.attempts += 1
        record.sends += 1
        pending.timer = self._context.start_timer(pending)
        request = pending.request
        return [Forward(request.device, request.command.originator, request.octets)]

    def _fail(self, pending: PendingCommand, reason: str) -> list[Effect]:
        request, now = pending.request, self._context.now
        if pending.kind is Kind.SHADOW:
            self._ledger.note(f"shadow-{reason}")
        elif pending.sent is None:
            self._ledger.note(reason)
            self._ledger.decide(request, Decision.FAILED, now, reason)
        else:
            self._ledger.give_up(request, reason, now)
        return self._resume(pending.flight, reason) if pending.flight else []
