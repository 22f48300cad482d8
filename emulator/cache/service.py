"""The cache on a broker: messages to the policy, its effects to store and broker.

Between prefix `s1sp`, where remote parties ask, and prefix `esme`, where the meters are. A store
that fails is no reason to fail a request: the cache then forwards, and counts and logs why; one
that is away holds up nobody.
Leases are in real time; everything else goes by the cache's clock.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import date
from typing import ParamSpec, TypeVar

from emulator.cache.breaker import Breaker, NotAskedError
from emulator.cache.effects import (
    Abandon,
    Claim,
    Claimed,
    Cover,
    Effect,
    Flush,
    Forward,
    Put,
    Reply,
    Reserve,
    Settle,
    Wait,
)
from emulator.cache.entry import Entry, Key
from emulator.cache.flushing import what_remains
from emulator.cache.policy import CachePolicy
from emulator.cache.registration import Registration
from emulator.cache.store import Held, Lease, Store, StoreError
from emulator.clock import Clock, SystemClock
from emulator.tasks import Tasks
from emulator.topics import CACHE_STATUS, CACHED, DIRECT, command_topic, device_of, response_topic
from emulator.transport import NO_PROPERTIES, Broker, Transport, TransportError, connect
from gbcs import EUI

AGE = "age"
"""User property of MQTT 5 of what was kept: whole seconds since it was received."""

GROUP = "$share/cache/"
"""Begins the filters under which caches share commands, and alerts."""

PURGE_SECONDS = 600.0
"""How often entries past their retention are dropped from the store, by the cache's clock."""

AHEAD_SECONDS = 60.0
"""Real time by which the clocks of processes that share a store may differ, and the time that a
purge takes: what was received later than so is of the future."""

LEASE_SECONDS = 10.0
"""How long a lease lasts unless it is renewed, in real time; it is, three times as often."""

AT_ONCE = 0.001
"""For so long lasts a lease that is given back, in seconds."""

ENDING_SECONDS = 2.0
"""For so long a cache that ends waits for what its store was asked, in real time."""

QUIET_SECONDS = 60.0
"""A store that fails is complained of once, until it has worked for so long."""

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


@asynccontextmanager
async def serve_cache(
    broker: Broker,
    policy: CachePolicy,
    store: Store,
    clock: Clock,
    *,
    real: Clock | None = None,
) -> AsyncIterator["CacheService"]:
    """Answer requests with `policy` and `store` as long as the context lasts.

    `real` is the clock of leases, by default the machine's. Raises `TransportError` where there is
    no broker.
    """
    tasks = Tasks()
    service = CacheService(policy, store, clock, real or SystemClock(), tasks)
    shared = policy.settings.shared
    responses = response_topic(DIRECT, "+", "+")
    subscriptions = {
        (GROUP if shared else "") + command_topic(CACHED, "+"): service.receive_command,
        responses: service.receive_response,
    }
    alerts = {GROUP + responses: service.receive_alert}
    async with connect(broker, client_id="s1sp-cache", subscriptions=subscriptions) as transport:
        service.transport = transport
        async with (
            connect(broker, client_id="s1sp-alerts", subscriptions=alerts)
            if shared
            else nullcontext(),
            tasks,
        ):
            tasks.start(service.expire())
            tasks.start(service.purge())
            tasks.start(service.renew())
            try:
                yield service
            finally:
                await service.end()


class CacheService:
    """A cache that runs; who may ask for what can be changed while it does."""

    transport: Transport

    def __init__(
        self, policy: CachePolicy, store: Store, clock: Clock, real: Clock, tasks: Tasks
    ) -> None:
        self.policy = policy
        self._store = store
        self._breaker = Breaker(store, real, tasks)
        self._clock = clock
        self._real = real
        self._tasks = tasks
        self._leases: dict[int, Lease] = {}
        self._held: dict[int, Held] = {}
        self._something_is_due = asyncio.Event()
        self._ending = False
        self._asked = 0
        """How much the store is being asked."""
        self._nothing_is_asked = asyncio.Event()
        self._replaced = store.replaced
        self._failed_at = -QUIET_SECONDS
        # the store may drop by itself what is past retention, where its time is ours
        self._ttl = policy.settings.retention if isinstance(clock, SystemClock) else None

    # Changes of who is entitled

    def register(self, registration: Registration) -> None:
        """Add a registration. Raises `ValueError` where its party is not known."""
        self.policy.register(registration)

    async def change_of_supplier(self, device: EUI, old: EUI, new: EUI, day: date) -> None:
        """Have `new` supply `device` from `day` on, and drop its readings. Raises `ValueError`."""
        now = self._clock.now()
        await self._perform(self.policy.change_of_supplier(device, old, new, day, now))

    async def change_of_tenancy(self, device: EUI, day: date) -> None:
        """Have another consumer at `device` from `day` on, and drop its readings."""
        await self._perform(self.policy.change_of_tenancy(device, day, self._clock.now()))

    # Messages

    def receive_command(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        """Take what a party sent."""
        device = device_of(topic)
        if device is not None and not self._ending:
            self._start(self.policy.command(device, octets, self._clock.now()))

    def receive_response(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        """Take what a meter sent."""
        if not self._ending:
            self._start(self.policy.response(octets, self._clock.now()))

    def receive_alert(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        """Take what a meter sent, among caches that share; alerts alone are of interest."""
        self._start(self.policy.alert(octets))

    # Effects

    def _start(self, effects: list[Effect]) -> None:
        if effects:
            self._something_is_due.set()
            self._tasks.start(self._perform(effects))

    async def _perform(self, effects: Iterable[Effect]) -> None:
        """Do what the policy asks, in its order; waiting for others goes on meanwhile."""
        for effect in effects:
            match effect:
                case Forward(device, octets):
                    self._tasks.start(self._publish(command_topic(DIRECT, device), octets))
                case Reply(device, recipient, octets, status, age):
                    properties = {CACHE_STATUS: status}
                    if age is not None:
                        properties[AGE] = str(age)
                    topic = response_topic(CACHED, device, recipient)
                    self._tasks.start(self._publish(topic, octets, properties))
                case Wait(flight):
                    self._tasks.start(self._wait(flight))
                case _:
                    self._asked += 1
                    try:
                        await self._perform(await self._ask(effect))
                    finally:
                        self._asked -= 1
                        if not self._asked:
                            self._nothing_is_asked.set()
                    self._something_is_due.set()

    async def _ask(self, effect: Effect) -> list[Effect]:
        """Do what takes the store, and return what the policy says to the outcome."""
        policy, now = self.policy, self._clock.now
        match effect:
            case Claim(flight, key, received_after, leases):
                found = await self._claim(flight, key, received_after, leases)
                return policy.claimed(flight, found, now())
            case Cover(flight, key, received_after):
                wider = await self._try(self._store.covering, key, received_after)
                return policy.covered(flight, wider if isinstance(wider, tuple) else None, now())
            case Settle(flight, key, readings, entry):
                return policy.kept(flight, await self._settle(flight, key, readings, entry), now())
            case Abandon(flight):
                lease = self._leases.pop(flight, None)
                if lease is not None:
                    await self._try(self._store.renew, lease, AT_ONCE)
            case Put(_, key, entry):
                await self._try(self._store.put, key, entry, self._ttl)
                return policy.was_put(effect, now())
            case Flush(_, device, after):
                gone = await self._try(self._store.purge, device=device, received_after=after)
                if not isinstance(gone, StoreError):
                    policy.flushed(effect)
            case Reserve(earliest, size):
                first = await self._try(self._store.reserve, earliest, size)
                return policy.reserved(first if isinstance(first, int) else None, now())
        return []

    async def _claim(
        self, flight: int, key: Key, received_after: float, lease: bool
    ) -> Entry | Claimed:
        if not lease:
            entry = await self._try(self._store.get, key)
            if isinstance(entry, StoreError):
                return Claimed.FAILED
            fresh = entry is not None and entry.received > received_after
            return entry if entry is not None and fresh else Claimed.ABSENT
        found = await self._try(self._store.claim, key, LEASE_SECONDS, received_after)
        match found:
            case Entry():
                return found
            case Lease():
                self._leases[flight] = found
                return Claimed.LEASED
            case Held():
                self._held[flight] = found
                return Claimed.HELD
        return Claimed.FAILED

    async def _settle(
        self, flight: int, key: Key, readings: bytes | int | None, entry: Entry | None
    ) -> bool | None:
        lease = self._leases.pop(flight, None)
        if lease is not None:
            kept = await self._try(self._store.settle, lease, readings, entry, self._ttl)
            if kept is False:
                self.policy.ledger.reasons["lease-lost"] += 1
        elif entry is not None:
            kept = await self._try(self._put, key, entry)
        else:
            kept = False
        return None if isinstance(kept, StoreError) else kept

    async def _put(self, key: Key, entry: Entry) -> bool:
        await self._store.put(key, entry, self._ttl)
        return True

    async def _wait(self, flight: int) -> None:
        """Wait until whoever has the lease that `flight` was refused has settled it."""
        outcome = await self._try(self._store.settled, self._held.pop(flight), LEASE_SECONDS)
        now = self._clock.now()
        if isinstance(outcome, StoreError):
            effects = self.policy.settled(flight, None, None, now)
        else:
            effects = self.policy.settled(flight, outcome.came, outcome.readings, now)
        self._start(effects)

    async def _try(
        self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T | StoreError:
        try:
            return await self._breaker.ask(call, *args, **kwargs)
        except StoreError as error:
            self._complain(error)
            return error
        finally:
            if self._store.replaced != self._replaced:
                self._replaced = self._store.replaced
                self.policy.forget_own_counters()

    def _complain(self, error: StoreError) -> None:
        if isinstance(error, NotAskedError):
            self.policy.ledger.reasons["store-away"] += 1
            return
        now = self._real.now()
        if not 0 <= now - self._failed_at < QUIET_SECONDS:
            _log.warning("%s; requests are forwarded meanwhile", error)
        self._failed_at = now
        self.policy.ledger.reasons["store-failed"] += 1

    async def _publish(
        self, topic: str, octets: bytes, properties: Mapping[str, str] = NO_PROPERTIES
    ) -> None:
        try:
            await self.transport.publish(topic, octets, properties)
        except TransportError as error:
            self.policy.ledger.reasons["not-published"] += 1
            if not self._tasks.ending:
                _log.warning("%s", error)

    # What goes on all the time

    async def expire(self) -> None:
        """Give up what is overdue, each at its time, until the cache ends."""
        while not self._ending:
            deadline = self.policy.next_deadline()
            if deadline is None:
                self._something_is_due.clear()
                await self._something_is_due.wait()
            else:
                await self._clock.sleep(deadline - self._clock.now())
                if not self._ending:
                    self._start(self.policy.expire(self._clock.now()))

    async def purge(self) -> None:
        """Drop, now and then, what no longer counts.

        Entries past their retention, and those of the future: some clock was ahead, and they would
        count one day.
        """
        while True:
            now = self._clock.now()
            before = now - self.policy.settings.retention
            await self._try(self._store.purge, received_before=before)
            ahead = AHEAD_SECONDS * max(self._clock.factor, 1.0)
            await self._try(self._store.purge, received_after=now + ahead)
            await self._clock.sleep(PURGE_SECONDS)

    async def end(self) -> None:
        """Decide what waits, give leases back so that others go on, and drop what is left.

        Messages that come from now on are not taken. A lease that is being asked for is given back
        too, and what came is kept where it is being kept.
        """
        self._ending = True
        await self._perform(self.policy.end(self._clock.now()))
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING_SECONDS):
                while self._asked:
                    self._nothing_is_asked.clear()
                    await self._nothing_is_asked.wait()
        await self._drop_what_is_left()

    async def _drop_what_is_left(self) -> None:
        """Try once more to drop what is still to be flushed, and say what remains.

        A store that was away is asked itself: the next probe would come too late.
        """
        if self.policy.unflushed():
            self._breaker.try_again()
        await self._perform(self.policy.unflushed())
        left = self.policy.unflushed()
        if left:
            _log.warning("%s", what_remains(left))

    async def renew(self) -> None:
        """Let leases last while their flights do, and drop what is still to be flushed.

        What was received before the clock was set back is; so it is looked at.
        """
        while True:
            await self._real.sleep(LEASE_SECONDS / 3)
            await self._perform(self.policy.look_at_the_clock(self._clock.now()))
            for flight, lease in list(self._leases.items()):
                if flight in self._leases:
                    await self._try(self._store.renew, lease, LEASE_SECONDS)
