"""Drive one run without a broker: parties, cache and fleet call each other, one event at a time.

Pure: the time is that of the next event. The order of events is that of a run over a broker: all
that is due at a time begins, and then the messages it leads to are delivered, first in, first out.
"""

from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

from esme_emulator.cache.policy.effects import (
    Abandon,
    Alarm,
    Claim,
    Claimed,
    Cover,
    Effect,
    Flush,
    Forward,
    Put,
    Question,
    Reply,
    Reserve,
    Settle,
    Wait,
)
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.fleet.queueing import Outbox
from esme_emulator.messaging.transaction import Transaction, transaction_of
from esme_emulator.proof.run_record import Exchange, Run
from esme_emulator.runtime.clock import LAST
from esme_emulator.runtime.timers import Timer, Timers
from esme_emulator.scenario.scenario import RetryPolicy
from esme_emulator.scenario.workload import PlannedChange, PlannedRequest, apply_change
from gbcs import EUI, DecodeError, Response, open_message

T = TypeVar("T")

Action = Callable[[], None]


class InProcess:
    """One run, whose requests and changes are those of `agenda`, in the order of times.

    `done` is called after each request.
    """

    def __init__(
        self,
        run: Run,
        agenda: Iterable[PlannedRequest | PlannedChange],
        retry: RetryPolicy,
        done: Action,
        store: MemoryStore,
    ) -> None:
        self._run = run
        self._agenda = agenda
        self._retry = retry
        self._done = done
        self._store = store
        self._now = 0.0
        self._timers: Timers[Action] = Timers()
        self._messages: deque[Action] = deque()
        """Deliveries of the messages in flight."""
        self._outbox = Outbox()
        self._waiting: dict[Transaction, tuple[Exchange, Timer[Action]]] = {}

    def steps(self) -> Iterator[None]:
        """Run to the end; yield after each event, when the run may be broken off."""
        for item in self._agenda:
            while (due := self._next_due()) is not None and due < item.time:
                self._advance_to(due)
                self._deliver()
                yield
            self._advance_to(item.time)
            if isinstance(item, PlannedChange):
                self._change(item)
            else:
                self._begin(item)
            self._deliver()
            yield
        while (due := self._next_due()) is not None and due <= LAST:
            self._advance_to(due)
            self._deliver()
            yield

    def end(self) -> None:
        """Decide the requests that wait in the cache, since the run is over."""
        if self._run.policy is not None:
            self._perform(self._run.policy.end(self._now))

    # Time

    def _next_due(self) -> float | None:
        due, policy = self._timers.next_deadline(), self._run.policy
        deadline = None if policy is None else policy.next_deadline()
        if due is None or deadline is None:
            return deadline if due is None else due
        return min(due, deadline)

    def _advance_to(self, time: float) -> None:
        """Move to `time`, and begin what is due then."""
        self._now, policy = time, self._run.policy
        deadline = None if policy is None else policy.next_deadline()
        if policy is not None and deadline is not None and deadline <= time:
            self._perform(policy.expire(time))
        while (action := self._timers.pop_due(time)) is not None:
            action()

    def _deliver(self) -> None:
        """Deliver the messages in flight, and those that they lead to."""
        while self._messages:
            self._messages.popleft()()

    # Parties

    def _begin(self, planned: PlannedRequest) -> None:
        exchange = self._run.begin(planned, self._now)
        if self._run.is_withheld(exchange):
            self._end(exchange)
        else:
            self._attempt(exchange)

    def _attempt(self, exchange: Exchange) -> None:
        """Send a command, or give up if it was sent often enough."""
        if len(exchange.attempts) >= self._retry.attempts:
            self._end(exchange)
            return
        exchange.attempts.append(self._now)
        planned = exchange.planned
        transaction = transaction_of(planned.command)
        timer = self._timers.start(
            self._now + self._retry.timeout, partial(self._expire, transaction)
        )
        self._waiting[transaction] = exchange, timer
        receive = self._to_meter if self._run.policy is None else self._to_cache
        self._messages.append(partial(receive, planned.key.device, planned.octets))

    def _expire(self, transaction: Transaction) -> None:
        exchange, _ = self._waiting.pop(transaction)
        self._attempt(exchange)

    def _to_party(self, octets: bytes) -> None:
        """Take a reply, unless nobody waits for it."""
        try:
            message = open_message(octets)
        except DecodeError:
            return
        if not isinstance(message, Response):
            return
        exchange, timer = self._waiting.pop(transaction_of(message), (None, None))
        if exchange is None or timer is None:
            return
        timer.cancel()
        self._run.take_reply(exchange, message, octets, self._now)
        self._done()

    def _end(self, exchange: Exchange) -> None:
        self._run.record.end(exchange, self._now)
        self._done()

    # Meters

    def _to_meter(self, device: EUI, octets: bytes) -> None:
        receipt = self._run.fleet.receive(device, octets, self._now)
        self._outbox.put(receipt.replies)
        for reply in receipt.replies:
            if reply.due > self._now:
                self._timers.start(reply.due, self._send_due)
        self._send_due()

    def _send_due(self) -> None:
        for reply in self._outbox.take(self._now):
            if self._run.policy is None:
                self._messages.append(partial(self._to_party, reply.octets))
            else:
                self._messages.append(partial(self._from_meter, reply.device, reply.octets))

    # The cache

    def _to_cache(self, device: EUI, octets: bytes) -> None:
        self._perform(self._policy.command(device, octets, self._now))

    def _from_meter(self, device: EUI, octets: bytes) -> None:
        self._perform(self._policy.response(octets, self._now, device))

    def _change(self, change: PlannedChange) -> None:
        self._run.upstream.apply(change)
        if self._run.policy is not None:
            self._perform(apply_change(change, self._run.policy, self._now))

    def _perform(self, effects: Iterable[Effect]) -> None:
        """Perform effects in their order; the effects of an answer come before the rest."""
        left = deque(effects)
        while left:
            effect = left.popleft()
            match effect:
                case Forward():
                    self._messages.append(partial(self._to_meter, effect.device, effect.octets))
                case Reply():
                    self._messages.append(partial(self._to_party, effect.octets))
                case Abandon() | Alarm():
                    pass  # there is no other cache, and an alarm is for operators
                case _:
                    answer = self._ask(effect)
                    left.extendleft(reversed(self._policy.answer(effect, answer, self._now)))

    @property
    def _policy(self) -> CachePolicy:
        policy = self._run.policy
        if policy is None:
            raise RuntimeError("the direct run has no cache")
        return policy

    def _ask(self, question: Question) -> object:
        """Return the answer of the store, which serves one cache: no lease is ever another's."""
        store = self._store
        match question:
            case Claim(_, key, received_after, lease):
                entry = _result(store.get(key))
                if entry is not None and entry.received > received_after:
                    return entry
                return Claimed.LEASED if lease else Claimed.ABSENT
            case Cover(_, key, received_after):
                return _result(store.covering(key, received_after))
            case Settle(_, key, _, entry):
                if entry is not None:
                    _result(store.put(key, entry))
                return True
            case Put(_, key, entry):
                return _result(store.put(key, entry))
            case Flush(_, device, after):
                _result(store.purge(device=device, received_after=after))
                return True
            case Reserve(earliest, size):
                return _result(store.reserve(earliest, size))
            case Wait():
                raise RuntimeError("no other cache holds a lease")


def _result(call: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that does not wait."""
    try:
        call.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise RuntimeError("the store in memory does not wait")
