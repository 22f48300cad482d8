"""The cache on a broker: messages to the policy, its effects to store and broker.

Between prefix `s1sp`, where remote parties ask, and prefix `esme`, where the meters are. A store
that fails is no reason to fail a request: the cache then forwards, and counts and logs why.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import asynccontextmanager

from emulator.cache.effects import Effect, Forward, Keep, Look, Reply, Reserve
from emulator.cache.entry import Entry, Key
from emulator.cache.policy import CachePolicy
from emulator.cache.store import Store, StoreError
from emulator.clock import Clock
from emulator.tasks import Tasks
from emulator.topics import CACHE_STATUS, CACHED, DIRECT, command_topic, device_of, response_topic
from emulator.transport import NO_PROPERTIES, Broker, Transport, TransportError, connect

PURGE_SECONDS = 600.0
"""How often entries past their retention are dropped from the store."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def serve_cache(
    broker: Broker, policy: CachePolicy, store: Store, clock: Clock
) -> AsyncIterator[None]:
    """Answer requests with `policy` and `store` as long as the context lasts.

    Raises `TransportError` where there is no broker.
    """
    tasks = Tasks()
    service = _Service(policy, store, clock, tasks)
    subscriptions = {
        command_topic(CACHED, "+"): service.receive_command,
        response_topic(DIRECT, "+", "+"): service.receive_response,
    }
    async with (
        connect(broker, client_id="s1sp-cache", subscriptions=subscriptions) as transport,
        tasks,
    ):
        service.transport = transport
        tasks.start(service.expire())
        tasks.start(service.purge())
        yield


class _Service:
    transport: Transport

    def __init__(self, policy: CachePolicy, store: Store, clock: Clock, tasks: Tasks) -> None:
        self._policy = policy
        self._store = store
        self._clock = clock
        self._tasks = tasks
        self._forwarded = asyncio.Event()

    def receive_command(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        device = device_of(topic)
        if device is not None:
            effects = self._policy.command(device, octets, self._clock.now())
            self._tasks.start(self._perform(effects))

    def receive_response(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        effects = self._policy.response(octets, self._clock.now())
        if effects:
            self._tasks.start(self._perform(effects))

    async def _perform(self, effects: Iterable[Effect]) -> None:
        """Do what the policy asks, each write before the replies that follow it."""
        for effect in effects:
            match effect:
                case Look(key):
                    entry = await self._look(key)
                    await self._perform(self._policy.found(key, entry, self._clock.now()))
                case Keep(key, entry):
                    await self._write(self._store.put(key, entry))
                case Reserve(counter):
                    await self._write(self._store.reserve(counter))
                case Forward(device, octets):
                    self._forwarded.set()
                    self._tasks.start(self._publish(command_topic(DIRECT, device), octets))
                case Reply(device, recipient, octets, status):
                    topic = response_topic(CACHED, device, recipient)
                    self._tasks.start(self._publish(topic, octets, {CACHE_STATUS: status}))

    async def _look(self, key: Key) -> Entry | None:
        try:
            return await self._store.get(key)
        except StoreError as error:
            self._complain(error)
            return None

    async def _write(self, writing: Awaitable[None]) -> None:
        try:
            await writing
        except StoreError as error:
            self._complain(error)

    async def _publish(
        self, topic: str, octets: bytes, properties: Mapping[str, str] = NO_PROPERTIES
    ) -> None:
        try:
            await self.transport.publish(topic, octets, properties)
        except TransportError as error:
            self._policy.ledger.reasons["not-published"] += 1
            if not self._tasks.ending:
                _log.warning("%s", error)

    async def expire(self) -> None:
        """Give up what is overdue, for ever, each at its time."""
        while True:
            deadline = self._policy.next_deadline()
            if deadline is None:
                self._forwarded.clear()
                await self._forwarded.wait()
            else:
                await self._clock.sleep(deadline - self._clock.now())
                self._policy.expire(self._clock.now())

    async def purge(self) -> None:
        """Drop entries past their retention, for ever, now and then."""
        while True:
            try:
                await self._store.purge(self._clock.now() - self._policy.retention)
            except StoreError as error:
                self._complain(error)
            await self._clock.sleep(PURGE_SECONDS)

    def _complain(self, error: StoreError) -> None:
        reasons = self._policy.ledger.reasons
        if not reasons["store-failed"]:
            _log.warning("%s; requests are forwarded meanwhile", error)
        reasons["store-failed"] += 1
