"""The cache on a broker and a store: messages go to the policy, its effects to store and broker.

The cache stands between prefix `s1sp`, under which remote parties ask, and prefix `esme`, under
which the meters are. `CacheService` performs the effects and runs what recurs; `StoreCalls` asks
the store. Neither decides anything.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from datetime import date
from functools import partial
from typing import Any, ParamSpec, TypeVar

from esme_emulator.cache.connections import OtherResponses
from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy.dispatch import NO_REPLY
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
from esme_emulator.cache.registry.registration import Registration
from esme_emulator.cache.store.base import (
    Breaker,
    HeldLease,
    Lease,
    NotAskedError,
    Store,
    StoreError,
)
from esme_emulator.messaging.identity import KnownIdentity
from esme_emulator.messaging.topics import (
    BAD_TOPIC,
    CACHE_STATUS,
    CACHED,
    DIRECT,
    TOPIC_RULE,
    alert_topic,
    command_topic,
    device_of,
    own_response_topic,
    response_topic,
)
from esme_emulator.runtime.clock import Clock, SystemClock
from esme_emulator.runtime.complaints import Complaints
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.transport import (
    RESPONSE_TOPIC,
    Broker,
    Outcome,
    Transport,
    TransportError,
    connect,
)
from gbcs import EUI

AGE = "age"
"""User property of MQTT 5 on replies from stored readings: whole seconds since receipt."""

GROUP, ALERTS_GROUP = "$share/cache/", "$share/cache-alerts/"
"""Prefixes of the topic filters under which caches share commands, and alerts.

They differ because rumqttd divides the messages of all filters of a group by one turn.
"""

NO_SUBSCRIBER, NOT_PUBLISHED = "no-subscriber", "not-published"
"""Why a command reaches no meter: its topic has no subscriber, or the broker refused it."""

PURGE_SECONDS = 600.0
"""Interval between purges of expired entries, in seconds of the cache's clock."""

ENDING_SECONDS = 2.0
"""Time that an ending cache waits for its store, in seconds of real time."""

SKEW_SECONDS = 60.0
"""Tolerated clock skew between processes, with the duration of a purge, in seconds of real time.

Entries received further ahead than this are purged.
"""

LEASE_SECONDS = 10.0
"""Lease lifetime in seconds of real time. Live leases are renewed every third of it."""

EXPIRE_SECONDS = 0.001
"""Lifetime that ends a lease at once, in seconds."""

QUIET_SECONDS = 60.0
"""Log a failing store once; log again only after it has worked this long, in seconds."""

FORGED = (
    "%s gave two valid, different replies to counter %d of %s: one is forged, or the counter was "
    "used twice. Its readings are dropped; check who may publish to esme/+/response/# "
    "(docs/broker.md)"
)

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
    known: KnownIdentity | None = None,
) -> AsyncIterator["CacheService"]:
    """Answer requests with `policy` and `store` while the context is open.

    `real` is the clock of leases, by default the machine's. `known` is the identity of the fleet's
    readings, which `messaging.service` keeps up to date. Raises `TransportError` if there is no
    broker.
    """
    tasks = Tasks()
    service = CacheService(policy, store, clock, real or SystemClock(), tasks, known)
    if known is not None:
        known.on_new_identity = policy.readings_changed
    group, alerts = (GROUP, ALERTS_GROUP) if policy.settings.shared else ("", "")
    subscriptions = {
        group + command_topic(CACHED, "+"): service.receive_command,
        own_response_topic("+", "+", service.name): service.receive_response,
        alerts + alert_topic("+", "+"): service.receive_alert,
    }
    async with connect(
        broker, client_id="s1sp-cache", subscriptions=subscriptions, on_dropped=service.drop
    ) as transport:
        service.transports.append(transport)
        others = OtherResponses(
            broker,
            service.receive_response,
            service.drop,
            service.transports,
            known,
            lambda: NO_REPLY in policy.ledger.reasons,
        )
        service.on_expired = others.check
        async with tasks, others.open():
            service.hears.set()
            tasks.start(service.expire())
            tasks.start(service.purge())
            tasks.start(service.renew())
            try:
                yield service
            finally:
                await service.end()


class CacheService:
    """A running cache; its registry can be changed meanwhile."""

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
        self.name = secrets.token_hex(8)
        """Last level of the topics of responses to this cache."""
        self.transports: list[Transport] = []
        """Its connections: one, and perhaps one of `OtherResponses`."""
        self._store = StoreCalls(policy, store, clock, real, tasks, known)
        self._clock = clock
        self._real = real
        self._tasks = tasks
        self._has_deadline = asyncio.Event()
        """Set when a command or a wait has begun, so that there is a deadline."""
        self._ending = False
        self._complaints = Complaints(_log)
        self.hears = asyncio.Event()
        """Set when responses can arrive; until then no command is forwarded."""
        self.on_expired: Callable[[], None] = lambda: None
        """Is called after commands may have been given up."""
        self._store_calls = 0
        """Calls of the store that have not returned."""
        self._store_is_idle = asyncio.Event()

    # Changes of the registry

    def register(self, registration: Registration) -> None:
        """Add a registration. Raises `ValueError` if it is not possible."""
        self.policy.register(registration, self._clock.now())

    def change_of_supplier(
        self, device: EUI, old: EUI, new: EUI, day: date
    ) -> Coroutine[Any, Any, None]:
        """Let `new` supply `device` from `day` on. Raises `ValueError` if it is not possible.

        The change holds at once; await what is returned to drop the readings of the device.
        """
        now = self._clock.now()
        return self._perform(self.policy.change_of_supplier(device, old, new, day, now))

    def change_of_tenancy(self, device: EUI, day: date) -> Coroutine[Any, Any, None]:
        """Note another consumer at `device` from `day` on. Raises `ValueError`.

        The change holds at once; await what is returned to drop the readings of the device.
        """
        return self._perform(self.policy.change_of_tenancy(device, day, self._clock.now()))

    # Messages

    def receive_command(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        """Handle a command of a party."""
        device = device_of(topic)
        if device is None:
            self._drop_bad(topic)
        elif not self._ending:
            self._start(self.policy.command(device, octets, self._clock.now()))

    def receive_response(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        """Handle a message of a meter."""
        device = device_of(topic)
        if device is None:
            self._drop_bad(topic)
        elif not self._ending:
            self._start(self.policy.response(octets, self._clock.now(), device))

    def receive_alert(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        """Handle an alert of a meter."""
        device = device_of(topic)
        if device is None:
            self._drop_bad(topic)
        elif not self._ending:
            self._start(self.policy.alert(octets, device))

    def drop(self, _: str, reason: str) -> None:
        """Count a message that is not handled."""
        self.policy.ledger.reasons[reason] += 1

    def _drop_bad(self, topic: str) -> None:
        self.drop(topic, BAD_TOPIC)
        self._complaints.warn(BAD_TOPIC, f"dropped a message to {topic}: {TOPIC_RULE}")

    # Effects

    def _start(self, effects: list[Effect]) -> None:
        """Perform effects. A hit whose entry is at hand needs no task."""
        while len(effects) == 1 and isinstance(effects[0], Claim):
            entry = self._store.at_hand(effects[0])
            if entry is None:
                break
            effects = self.policy.answer(effects[0], entry, self._clock.now())
        if len(effects) == 1 and isinstance(effects[0], Reply):
            self._publish(effects[0])
        elif effects:
            self._tasks.start(self._perform(effects))

    async def _perform(self, effects: Iterable[Effect]) -> None:
        """Perform effects in their order; do not wait for acknowledgements and other caches.

        The effects of an answer come before the rest.
        """
        left = deque(effects)
        while left:
            match effect := left.popleft():
                case Forward():
                    self._has_deadline.set()
                    await self.hears.wait()
                    self._publish(effect)
                case Reply():
                    self._publish(effect)
                case Wait():
                    self._has_deadline.set()
                    self._tasks.start(self._wait(effect))
                case Alarm(device, party, counter):
                    _log.warning(FORGED, device, counter, party)
                case _:
                    left.extendleft(reversed(await self._ask_store(effect)))

    async def _ask_store(self, effect: Question | Abandon) -> list[Effect]:
        self._store_calls += 1
        try:
            answer = await self._store.ask(effect)
        finally:
            self._store_calls -= 1
            if self._ending and not self._store_calls:
                self._store_is_idle.set()
        if isinstance(effect, Abandon):
            return []
        return self.policy.answer(effect, answer, self._clock.now())

    async def _wait(self, wait: Wait) -> None:
        answer = await self._store.ask(wait)
        self._start(self.policy.answer(wait, answer, self._clock.now()))

    def _publish(self, effect: Forward | Reply) -> None:
        device, recipient = effect.device, effect.recipient
        if isinstance(effect, Reply):
            topic = response_topic(CACHED, device, recipient)
            properties = {CACHE_STATUS: effect.status}
            if effect.age is not None:
                properties[AGE] = str(effect.age)
        else:
            topic = command_topic(DIRECT, device)
            properties = {RESPONSE_TOPIC: own_response_topic(device, recipient, self.name)}
        done = partial(self._published, effect, topic)
        self.transports[0].post(topic, effect.octets, done, properties)

    def _published(self, effect: Forward | Reply, topic: str, outcome: Outcome) -> None:
        if self._tasks.ending:
            return
        if isinstance(outcome, TransportError):
            self._complaints.warn(outcome.kind, str(outcome))
            reason = NOT_PUBLISHED
        else:
            reason = "" if outcome else NO_SUBSCRIBER
        if isinstance(effect, Reply):
            if reason == NOT_PUBLISHED:
                self.drop(topic, NOT_PUBLISHED)
        elif reason and not self._ending:
            self._start(self.policy.undelivered(effect.octets, reason, self._clock.now()))

    # Recurring work

    async def expire(self) -> None:
        """Give up overdue commands, each at its time, until the cache ends."""
        while not self._ending:
            deadline = self.policy.next_deadline()
            if deadline is None:
                self._has_deadline.clear()
                await self._has_deadline.wait()
            else:
                await self._clock.sleep(deadline - self._clock.now())
                if not self._ending:
                    self._start(self.policy.expire(self._clock.now()))
                    self.on_expired()

    async def purge(self) -> None:
        """Drop expired entries every `PURGE_SECONDS`, for ever."""
        while True:
            await self._store.purge()
            await self._clock.sleep(PURGE_SECONDS)

    async def renew(self) -> None:
        """Renew leases and retry pending flushes, for ever.

        This also notices a clock that was set back while no message came.
        """
        while True:
            await self._real.sleep(LEASE_SECONDS / 3)
            await self._perform(self.policy.check_clock(self._clock.now()))
            await self._store.renew()

    async def end(self) -> None:
        """Decide waiting requests, give leases back to other caches, and finish flushes.

        Ignore all further messages. Store calls in progress are completed: a lease that is being
        asked for is given back, and an entry that is being kept is kept.
        """
        self._ending = True
        await self._perform(self.policy.end(self._clock.now()))
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING_SECONDS):
                while self._store_calls:
                    self._store_is_idle.clear()
                    await self._store_is_idle.wait()
        await self._finish_flushes()

    async def _finish_flushes(self) -> None:
        """Retry the pending flushes once, and warn of those that fail."""
        if self.policy.pending_flushes():
            self._store.try_again()  # the next probe of a store that was away would come too late
        await self._perform(self.policy.pending_flushes())
        now = self._clock.now()
        flushes = self.policy.pending_flushes()
        served = [flush for flush in flushes if self.policy.will_be_served(flush, now)]
        not_served = [flush for flush in flushes if flush not in served]
        for some, of_next in ((served, True), (not_served, False)):
            if some:
                _log.warning("%s", _undropped_warning(some, served=of_next))


class StoreCalls:
    """Asks the store the policy's questions; `real` is the clock of leases.

    A store that fails is no reason to fail a request: the policy gets that as the answer, and the
    failure is counted and logged. No call waits for a store that is away. The policy's keys have no
    identity: here they get the fleet's, so that a fleet with other profiles or faults never gets
    the readings of the one before.
    """

    def __init__(
        self,
        policy: CachePolicy,
        store: Store,
        clock: Clock,
        real: Clock,
        tasks: Tasks,
        known: KnownIdentity | None = None,
    ) -> None:
        self._policy = policy
        self._store = store
        self._breaker = Breaker(store, real, tasks)
        self._clock = clock
        self._real = real
        self._known = known or KnownIdentity(str)
        self._leases: dict[int, Lease] = {}
        self._stranded: dict[Key, tuple[Lease, float]] = {}
        """Leases without a flight that the store failed to take back, and when they expire."""
        self._held: dict[int, HeldLease] = {}
        self._replaced = store.replaced
        self._failed_at = -QUIET_SECONDS
        # The store's own expiry goes by real time, so it is used only if the clock does too.
        self._ttl = policy.settings.retention if isinstance(clock, SystemClock) else None

    async def ask(self, question: Question | Abandon) -> object:
        """Return the store's answer, as `policy.effects` describes it."""
        match question:
            case Claim():
                return await self._claim(question)
            case Cover(_, key, received_after):
                return await self._covering(key, received_after)
            case Settle():
                return await self._settle(question)
            case Wait(flight):
                held = self._held.pop(flight)
                settled = await self._try(self._store.settled, held, LEASE_SECONDS)
                return None if isinstance(settled, StoreError) else settled
            case Put(_, key, entry):
                await self._try(self._store.put, self._with_identity(key), entry, self._ttl)
                return None
            case Flush(_, device, after):
                gone = await self._try(self._store.purge, device=device, received_after=after)
                return not isinstance(gone, StoreError)
            case Reserve(earliest, size):
                first = await self._try(self._store.reserve, earliest, size)
                return first if isinstance(first, int) else None
            case Abandon(flight):
                lease = self._leases.pop(flight, None)
                if lease is not None:
                    await self._give_back(lease)
                return None

    def at_hand(self, claim: Claim) -> Entry | None:
        """Return the entry that answers `claim`, if the store has it at hand."""
        entry = self._breaker.at_hand(self._with_identity(claim.key))
        self._note_replacement()
        return entry if entry is not None and entry.received > claim.received_after else None

    async def renew(self) -> None:
        """Renew the leases of all flights, and give stranded ones back."""
        for lease, _ in list(self._stranded.values()):
            await self._give_back(lease)
        for flight, lease in list(self._leases.items()):
            if flight in self._leases:
                await self._try(self._store.renew, lease, LEASE_SECONDS)

    async def purge(self) -> None:
        """Drop expired entries, and entries of the future, which would count some day.

        Entries of the future come from a clock that was ahead.
        """
        now = self._clock.now()
        before = now - self._policy.settings.retention
        await self._try(self._store.purge, received_before=before)
        ahead = SKEW_SECONDS * max(self._clock.factor, 1.0)
        await self._try(self._store.purge, received_after=now + ahead)

    def try_again(self) -> None:
        """Let the next call reach the store, even if it is known to be away."""
        self._breaker.try_again()

    def _with_identity(self, key: Key) -> Key:
        device, srv, start, end, _ = key
        return Key(device, srv, start, end, self._known.identity)

    async def _give_back(self, lease: Lease) -> None:
        """End `lease` now, so that other caches need not wait for it.

        If the store fails, remember the lease: this process then takes it up again, and does not
        wait for itself until it expires.
        """
        now = self._real.now()
        _, until = self._stranded.pop(lease.key, (lease, now + LEASE_SECONDS))
        given = await self._try(self._store.renew, lease, EXPIRE_SECONDS)
        if isinstance(given, StoreError) and now < until:
            self._stranded[lease.key] = lease, until

    async def _claim(self, claim: Claim) -> Entry | Claimed:
        key, received_after = self._with_identity(claim.key), claim.received_after
        if not claim.lease:
            entry = await self._try(self._store.get, key)
            if isinstance(entry, StoreError):
                return Claimed.FAILED
            fresh = entry is not None and entry.received > received_after
            return entry if entry is not None and fresh else Claimed.ABSENT
        found = await self._try(self._store.claim, key, LEASE_SECONDS, received_after)
        if isinstance(found, StoreError):
            return Claimed.FAILED
        stranded, _ = self._stranded.pop(key, (None, 0.0))
        if stranded is not None and found == HeldLease(key, stranded.fence):
            found = stranded
        match found:
            case Entry():
                return found
            case Lease():
                self._leases[claim.flight] = found
                return Claimed.LEASED
            case HeldLease():
                self._held[claim.flight] = found
                return Claimed.HELD

    async def _covering(self, key: Key, received_after: float) -> tuple[Key, Entry] | None:
        found = await self._try(self._store.covering, self._with_identity(key), received_after)
        if not isinstance(found, tuple):
            return None
        wider, entry = found
        return wider._replace(identity=key.identity), entry

    async def _settle(self, settle: Settle) -> bool | None:
        key, entry = self._with_identity(settle.key), settle.entry
        lease = self._leases.pop(settle.flight, None)
        kept: bool | StoreError = False
        if lease is not None and lease.key != key:
            # Another fleet replaced the one that was asked: it is unknown whose reply this is.
            self._policy.ledger.note("lease-lost")
            await self._give_back(lease)
        elif lease is not None:
            kept = await self._try(self._store.settle, lease, settle.readings, entry, self._ttl)
            if kept is False:
                self._policy.ledger.note("lease-lost")
            if isinstance(kept, StoreError):
                await self._give_back(lease)
        elif entry is not None:
            kept = await self._try(self._put, key, entry)
        return None if isinstance(kept, StoreError) else kept

    async def _put(self, key: Key, entry: Entry) -> bool:
        await self._store.put(key, entry, self._ttl)
        return True

    async def _try(
        self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T | StoreError:
        try:
            return await self._breaker.ask(call, *args, **kwargs)
        except StoreError as error:
            self._complain(error)
            return error
        finally:
            self._note_replacement()

    def _note_replacement(self) -> None:
        if self._store.replaced != self._replaced:
            self._replaced = self._store.replaced
            self._policy.forget_device_counters()

    def _complain(self, error: StoreError) -> None:
        if isinstance(error, NotAskedError):
            self._policy.ledger.note("store-away")
            return
        now = self._real.now()
        if not 0 <= now - self._failed_at < QUIET_SECONDS:
            _log.warning("%s; requests are forwarded meanwhile", error)
        self._failed_at = now
        self._policy.ledger.note("store-failed")


def _undropped_warning(flushes: Sequence[Flush], *, served: bool) -> str:
    """Return a line about entries that an ending cache could not drop.

    `served` tells whether the next cache would serve them.
    """
    devices = [str(flush.device) for flush in flushes if flush.device is not None]
    readings, command = "readings received by a clock that was ahead", "esme cache purge"
    if len(devices) == len(flushes):
        more = f" and {len(devices) - 3} more" if len(devices) > 3 else ""
        readings = f"readings of {', '.join(devices[:3])}{more}"
        command += f" --device {devices[0] if len(devices) == 1 else 'EUI'}"
    if served:
        return f"{readings} could not be dropped, and the next cache will serve them: {command}"
    return (
        f"{readings} could not be dropped. No cache with this registry serves them, and they "
        f"expire with their retention; to drop them now: {command}"
    )
