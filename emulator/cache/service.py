"""The cache on a broker: messages to the policy, its effects to store and broker.

Between prefix `s1sp`, where remote parties ask, and prefix `esme`, where the meters are. Knows what
goes on all the time and how a cache ends; how the store is asked is the business of `Asking`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import date
from typing import Any

from emulator.cache.asking import LEASE_SECONDS, Asking
from emulator.cache.effects import Effect, Forward, Reply, Wait
from emulator.cache.flushing import what_remains
from emulator.cache.policy import CachePolicy
from emulator.cache.registration import Registration
from emulator.cache.store import Store
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

ENDING_SECONDS = 2.0
"""For so long a cache that ends waits for what its store was asked, in real time."""

_log = logging.getLogger(__name__)


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
        self._asking = Asking(policy, store, clock, real, tasks)
        self._clock = clock
        self._real = real
        self._tasks = tasks
        self._something_is_due = asyncio.Event()
        self._ending = False
        self._asked = 0
        """How much the store is being asked."""
        self._nothing_is_asked = asyncio.Event()

    # Changes of who is entitled

    def register(self, registration: Registration) -> None:
        """Add a registration. Raises `ValueError` if it cannot be."""
        self.policy.register(registration, self._clock.now())

    def change_of_supplier(
        self, device: EUI, old: EUI, new: EUI, day: date
    ) -> Coroutine[Any, Any, None]:
        """Have `new` supply `device` from `day` on, and drop its readings. Raises `ValueError`.

        It holds at once; the readings are dropped by what is returned, to be awaited.
        """
        now = self._clock.now()
        return self._perform(self.policy.change_of_supplier(device, old, new, day, now))

    def change_of_tenancy(self, device: EUI, day: date) -> Coroutine[Any, Any, None]:
        """Have another consumer at `device` from `day` on, and drop its readings.

        Raises `ValueError`. It holds at once; the readings are dropped by what is returned, to be
        awaited.
        """
        return self._perform(self.policy.change_of_tenancy(device, day, self._clock.now()))

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
                        await self._perform(await self._asking.ask(effect))
                    finally:
                        self._asked -= 1
                        if not self._asked:
                            self._nothing_is_asked.set()
                    self._something_is_due.set()

    async def _wait(self, flight: int) -> None:
        self._start(await self._asking.wait(flight))

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
        """Drop, now and then, what no longer counts, for ever."""
        while True:
            await self._asking.purge()
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
            self._asking.try_again()
        await self._perform(self.policy.unflushed())
        now = self._clock.now()
        left = self.policy.unflushed()
        served = [flush for flush in left if self.policy.will_be_served(flush, now)]
        for flushes, of_next in (
            (served, True),
            ([one for one in left if one not in served], False),
        ):
            if flushes:
                _log.warning("%s", what_remains(flushes, served=of_next))

    async def renew(self) -> None:
        """Let leases last while their flights do, and drop what is still to be flushed.

        What was received before the clock was set back is; so it is looked at.
        """
        while True:
            await self._real.sleep(LEASE_SECONDS / 3)
            await self._perform(self.policy.look_at_the_clock(self._clock.now()))
            await self._asking.renew()
