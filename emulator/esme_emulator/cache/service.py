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

from esme_emulator.cache.policy.effects import Alarm, Effect, Forward, Reply, Wait
from esme_emulator.cache.policy.invalidation import what_remains
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.registry.registration import Registration
from esme_emulator.cache.store.base import Store
from esme_emulator.cache.store_calls import LEASE_SECONDS, Asking
from esme_emulator.messaging.identity import KnownIdentity
from esme_emulator.messaging.topics import (
    BAD_TOPIC,
    CACHE_STATUS,
    CACHED,
    DIRECT,
    TOPIC_RULE,
    command_topic,
    device_of,
    response_topic,
)
from esme_emulator.runtime.clock import Clock, SystemClock
from esme_emulator.runtime.complaints import Complaints
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.transport import NO_PROPERTIES, Broker, Transport, TransportError, connect
from gbcs import EUI

AGE = "age"
"""User property of MQTT 5 of what was kept: whole seconds since it was received."""

GROUP = "$share/cache/"
"""Begins the filters under which caches share commands, and alerts."""

NO_SUBSCRIBER, NOT_PUBLISHED = "no-subscriber", "not-published"
"""Why a command reaches no meter: nobody listens to its topic, or the broker does not take it."""

PURGE_SECONDS = 600.0
"""How often entries past their retention are dropped from the store, by the cache's clock."""

ENDING_SECONDS = 2.0
"""For so long a cache that ends waits for what its store was asked, in real time."""

FORGED = (
    "%s gave two valid, different replies to counter %d of %s: one is forged, or the counter was "
    "used twice. Its readings are dropped; check who may publish to esme/+/response/# "
    "(docs/broker.md)"
)

_log = logging.getLogger(__name__)


@asynccontextmanager
async def serve_cache(
    broker: Broker,
    policy: CachePolicy,
    store: Store,
    clock: Clock,
    *,
    real: Clock | None = None,
    known: KnownIdentity | None = None,
) -> AsyncIterator["CacheService"]:
    """Answer requests with `policy` and `store` as long as the context lasts.

    `real` is the clock of leases, by default the machine's. `known` is whose readings are kept and
    served, as `messaging.service` keeps it up to date. Raises `TransportError` if there is no
    broker.
    """
    tasks = Tasks()
    service = CacheService(policy, store, clock, real or SystemClock(), tasks, known)
    shared = policy.settings.shared
    responses = response_topic(DIRECT, "+", "+")
    subscriptions = {
        (GROUP if shared else "") + command_topic(CACHED, "+"): service.receive_command,
        responses: service.receive_response,
    }
    alerts = {GROUP + responses: service.receive_alert}
    async with connect(
        broker, client_id="s1sp-cache", subscriptions=subscriptions, on_dropped=service.drop
    ) as transport:
        service.transports.append(transport)
        async with (
            (
                connect(
                    broker, client_id="s1sp-alerts", subscriptions=alerts, on_dropped=service.drop
                )
                if shared
                else nullcontext()
            ) as ear,
            tasks,
        ):
            if ear is not None:
                service.transports.append(ear)
            tasks.start(service.expire())
            tasks.start(service.purge())
            tasks.start(service.renew())
            try:
                yield service
            finally:
                await service.end()


class CacheService:
    """A cache that runs; who may ask for what can be changed while it does."""

    def __init__(
        self,
        policy: CachePolicy,
        store: Store,
        clock: Clock,
        real: Clock,
        tasks: Tasks,
        known: KnownIdentity | None = None,
    ) -> None:
        self.policy = policy
        self.transports: list[Transport] = []
        """Its connections: one, and if caches share, another one for alerts."""
        self._asking = Asking(policy, store, clock, real, tasks, known)
        self._clock = clock
        self._real = real
        self._tasks = tasks
        self._something_is_due = asyncio.Event()
        self._ending = False
        self._complaints = Complaints(_log)
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
        device = self._device_of(topic)
        if device is not None and not self._ending:
            self._start(self.policy.command(device, octets, self._clock.now()))

    def receive_response(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        """Take what a meter sent."""
        device = self._device_of(topic)
        if device is not None and not self._ending:
            self._start(self.policy.response(octets, self._clock.now(), device))

    def receive_alert(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        """Take what a meter sent, among caches that share; alerts alone are of interest."""
        device = device_of(topic)
        if device is not None:  # if it is none, `receive_response` notes that
            self._start(self.policy.alert(octets, device))

    def drop(self, _: str, reason: str) -> None:
        """Note a message that is not taken."""
        self.policy.ledger.reasons[reason] += 1

    def _device_of(self, topic: str) -> EUI | None:
        device = device_of(topic)
        if device is None:
            self.drop(topic, BAD_TOPIC)
            self._complaints.warn(BAD_TOPIC, f"dropped a message to {topic}: {TOPIC_RULE}")
        return device

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
                    self._tasks.start(self._forward(device, octets))
                case Reply(device, recipient, octets, status, age):
                    properties = {CACHE_STATUS: status}
                    if age is not None:
                        properties[AGE] = str(age)
                    topic = response_topic(CACHED, device, recipient)
                    self._tasks.start(self._reply(topic, octets, properties))
                case Wait(flight):
                    self._tasks.start(self._wait(flight))
                case Alarm(device, party, counter):
                    _log.warning(FORGED, device, counter, party)
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

    async def _forward(self, device: EUI, octets: bytes) -> None:
        reason = await self._publish(command_topic(DIRECT, device), octets)
        if reason and not self._ending:
            self._start(self.policy.undelivered(octets, reason, self._clock.now()))

    async def _reply(self, topic: str, octets: bytes, properties: Mapping[str, str]) -> None:
        if await self._publish(topic, octets, properties) == NOT_PUBLISHED:
            self.policy.ledger.reasons[NOT_PUBLISHED] += 1

    async def _publish(
        self, topic: str, octets: bytes, properties: Mapping[str, str] = NO_PROPERTIES
    ) -> str:
        """Publish; return why nobody gets the message, empty if somebody may."""
        try:
            heard = await self.transports[0].publish(topic, octets, properties)
        except TransportError as error:
            if not self._tasks.ending:
                self._complaints.warn(error.kind, str(error))
            return NOT_PUBLISHED
        return "" if heard else NO_SUBSCRIBER

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
