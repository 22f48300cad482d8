"""Drive one run over a broker: parties, cache and fleet are clients of it.

The clock is moved by hand, and only when no message is in flight. So a run is the same on a slow
machine or broker, and hours of scenario time pass in seconds.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol, Self

from esme_emulator.cache.service import CacheService, serve_cache
from esme_emulator.cache.store.base import Store
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.messaging.client import (
    NobodyListensError,
    NoReplyError,
    ReceivedReply,
    Requester,
)
from esme_emulator.proof.run_record import Exchange, Run
from esme_emulator.runtime.clock import LAST, ManualClock
from esme_emulator.scenario.scenario import RetryPolicy
from esme_emulator.scenario.workload import PlannedChange, PlannedRequest, apply_change
from esme_emulator.transport import Gauge, Gauged
from gbcs import EUI, Keystore


class Parties(Protocol):
    """Makes the requests of a run."""

    def withholds(self, exchange: Exchange) -> bool:
        """Return whether a request is not made at all, because upstream would refuse it."""
        ...

    async def ask(self, exchange: Exchange) -> ReceivedReply | None:
        """Make one attempt; return the reply, None if the request was refused for good.

        Raises `NoReplyError`.
        """
        ...


class Senders:
    """Parties that send commands under the topic `prefix`."""

    def __init__(self, run: Run, requester: Requester, timeout: float, clock: ManualClock) -> None:
        self._run = run
        self._requester = requester
        self._timeout = timeout
        self._clock = clock

    @classmethod
    @asynccontextmanager
    async def connected(
        cls,
        broker: Gauged,
        run: Run,
        clock: ManualClock,
        *,
        prefix: str,
        keystore: Keystore,
        recipients: Iterable[EUI],
        timeout: float,  # noqa: ASYNC109  # by the run's own clock
    ) -> AsyncIterator[Self]:
        """Receive replies to `recipients` during the context. Raises `TransportError`."""
        requester = Requester(prefix, keystore, clock)
        async with requester.connected(broker, recipients):
            yield cls(run, requester, timeout, clock)

    def withholds(self, exchange: Exchange) -> bool:
        """Return whether a request is not made: no cache refuses it in the direct run."""
        return self._run.is_withheld(exchange)

    async def ask(self, exchange: Exchange) -> ReceivedReply:
        """Send the command of a request, and return the reply. Raises `NoReplyError`."""
        planned = exchange.planned
        exchange.attempts.append(self._clock.now())
        return await self._requester.request(planned.command, planned.octets, self._timeout)


async def run_over_broker(
    broker: Gauged,
    run: Run,
    agenda: Iterable[PlannedRequest | PlannedChange],
    retry: RetryPolicy,
    done: Callable[[], None],
    *,
    start: float,
    store: Store,
    parties: Callable[[ManualClock], AbstractAsyncContextManager[Parties]],
) -> None:
    """Make the requests of `agenda`, which is in the order of times, and apply its changes.

    `parties` connects those who make them. The clock begins at `start`, Unix time in seconds.
    `done` is called after each request. Raises `TransportError`.
    """
    clock = ManualClock(start)
    service: CacheService | None = None
    async with AsyncExitStack() as stack:
        if run.policy is not None:
            service = await stack.enter_async_context(serve_cache(broker, run.policy, store, clock))
        await stack.enter_async_context(serve_fleet(broker, run.fleet, clock))
        asking = await stack.enter_async_context(parties(clock))
        await _Driver(run, asking, service, clock, broker.gauge, retry, done).drive(agenda)


class _Driver:
    def __init__(
        self,
        run: Run,
        parties: Parties,
        service: CacheService | None,
        clock: ManualClock,
        gauge: Gauge,
        retry: RetryPolicy,
        done: Callable[[], None],
    ) -> None:
        self._run = run
        self._parties = parties
        self._service = service
        self._clock = clock
        self._gauge = gauge
        self._retry = retry
        self._done = done

    async def drive(self, agenda: Iterable[PlannedRequest | PlannedChange]) -> None:
        """Go through the agenda, and on until nothing is in flight."""
        begun = 0
        try:
            async with asyncio.TaskGroup() as group:
                for item in agenda:
                    await self._advance_to(item.time)
                    if isinstance(item, PlannedChange):
                        await self._change(item)
                    else:
                        group.create_task(self._exchange(item))
                        begun += 1
                while self._run.record.made < begun:
                    await self._advance_to_next_wake()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        # Late replies, which no request waits for, must be delivered and counted too.
        await self._gauge.still()
        while self._is_due_later() and await self._advance_to_next_wake():
            await self._gauge.still()

    def _is_due_later(self) -> bool:
        """Return whether the cache or a meter has something to do yet."""
        policy, last = self._run.policy, self._run.record.last_reply
        if policy is not None and policy.next_deadline() is not None:
            return True
        return self._clock.now() < last <= LAST

    async def _advance_to(self, time: float) -> None:
        """Move the clock to `time`, and let all that sleeps until then run on the way."""
        while await self._advance_to_next_wake(before=time):
            pass
        if time > self._clock.now():
            await self._clock.advance(time - self._clock.now())

    async def _advance_to_next_wake(self, before: float = LAST) -> bool:
        """Move the clock to the next wake-up, if there is one; return whether it moved."""
        await self._gauge.still()
        wake = self._clock.next_wake()
        if wake is None or wake >= before:
            return False
        await self._clock.advance(wake - self._clock.now())
        return True

    async def _change(self, change: PlannedChange) -> None:
        self._run.upstream.apply(change)
        if self._service is not None:
            await apply_change(change, self._service)

    async def _exchange(self, planned: PlannedRequest) -> None:
        exchange = self._run.begin(planned, self._clock.now())
        if not self._parties.withholds(exchange):
            await self._ask(exchange)
        if exchange.ended is None:
            self._run.record.end(exchange, self._clock.now())
        self._done()

    async def _ask(self, exchange: Exchange) -> None:
        for _ in range(self._retry.attempts):
            try:
                reply = await self._parties.ask(exchange)
            except NobodyListensError:
                # A subscriber that is reconnecting will be back by then.
                await self._clock.sleep(self._retry.timeout)
            except NoReplyError:
                continue
            else:
                if reply is None:
                    return
                self._run.take_reply(exchange, reply.response, reply.octets, self._clock.now())
                return
