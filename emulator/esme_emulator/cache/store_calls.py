"""Asking the store what the policy wants to know of it, and telling the policy what it said.

A store that fails is no reason to fail a request: the policy is told, and it is counted and logged
why; one that is away holds up nobody. Leases are in real time; all else goes by the cache's clock.

The policy knows reads alone; what is kept of them is kept for the meters' identity too, so that a
fleet with other profiles or faults never gets the readings of the former one.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy.effects import (
    Abandon,
    Claim,
    Claimed,
    Cover,
    Effect,
    Flush,
    Put,
    Reserve,
    Settle,
)
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.store.base import Held, Lease, Store, StoreError
from esme_emulator.cache.store.breaker import Breaker, NotAskedError
from esme_emulator.messaging.identity import KnownIdentity
from esme_emulator.runtime.clock import Clock, SystemClock
from esme_emulator.runtime.tasks import Tasks

AHEAD_SECONDS = 60.0
"""Real time by which the clocks of processes that share a store may differ, and the time that a
purge takes: what was received later than so is of the future."""

LEASE_SECONDS = 10.0
"""How long a lease lasts unless it is renewed, in real time; it is, three times as often."""

AT_ONCE = 0.001
"""For so long lasts a lease that is given back, in seconds."""

QUIET_SECONDS = 60.0
"""A store that fails is complained of once, until it has worked for so long."""

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Asking:
    """What goes on between one policy and its store; `real` is the clock of leases."""

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
        """Leases that no flight has any more and the store did not take back, and until when."""
        self._held: dict[int, Held] = {}
        self._replaced = store.replaced
        self._failed_at = -QUIET_SECONDS
        # the store may drop by itself what is past retention, where its time is ours
        self._ttl = policy.settings.retention if isinstance(clock, SystemClock) else None

    async def ask(self, effect: Effect) -> list[Effect]:
        """Do what takes the store, and return what the policy says to the outcome."""
        policy, now = self._policy, self._clock.now
        match effect:
            case Claim(flight, key, received_after, leases):
                found = await self._claim(flight, key, received_after, leases)
                return policy.claimed(flight, found, now())
            case Cover(flight, key, received_after):
                return policy.covered(flight, await self._covering(key, received_after), now())
            case Settle(flight, key, readings, entry):
                return policy.kept(flight, await self._settle(flight, key, readings, entry), now())
            case Abandon(flight):
                lease = self._leases.pop(flight, None)
                if lease is not None:
                    await self._give_back(lease)
            case Put(_, key, entry):
                await self._try(self._store.put, self._ours(key), entry, self._ttl)
                return policy.was_put(effect, now())
            case Flush(_, device, after):
                gone = await self._try(self._store.purge, device=device, received_after=after)
                if not isinstance(gone, StoreError):
                    policy.flushed(effect)
            case Reserve(earliest, size):
                first = await self._try(self._store.reserve, earliest, size)
                return policy.reserved(first if isinstance(first, int) else None, now())
        return []

    async def wait(self, flight: int) -> list[Effect]:
        """Wait until whoever has the lease that `flight` was refused has settled it."""
        outcome = await self._try(self._store.settled, self._held.pop(flight), LEASE_SECONDS)
        now = self._clock.now()
        if isinstance(outcome, StoreError):
            return self._policy.settled(flight, None, None, now)
        return self._policy.settled(flight, outcome.came, outcome.readings, now)

    async def renew(self) -> None:
        """Let leases last on, of flights that do, and give stranded ones back."""
        for lease, _ in list(self._stranded.values()):
            await self._give_back(lease)
        for flight, lease in list(self._leases.items()):
            if flight in self._leases:
                await self._try(self._store.renew, lease, LEASE_SECONDS)

    async def purge(self) -> None:
        """Drop what no longer counts.

        Entries past their retention, and those of the future: some clock was ahead, and they would
        count one day.
        """
        now = self._clock.now()
        before = now - self._policy.settings.retention
        await self._try(self._store.purge, received_before=before)
        ahead = AHEAD_SECONDS * max(self._clock.factor, 1.0)
        await self._try(self._store.purge, received_after=now + ahead)

    def try_again(self) -> None:
        """Ask the store itself once more, be it known to be away."""
        self._breaker.try_again()

    def _ours(self, key: Key) -> Key:
        """Return `key` for the meters that are known to be on the broker now."""
        return key._replace(identity=self._known.identity)

    async def _give_back(self, lease: Lease) -> None:
        """Let `lease` end now, so that whoever waits for it goes on.

        If the store cannot do so, remember whose it is: this process takes it up again then, and
        does not wait for itself until it expires.
        """
        now = self._real.now()
        _, until = self._stranded.pop(lease.key, (lease, now + LEASE_SECONDS))
        given = await self._try(self._store.renew, lease, AT_ONCE)
        if isinstance(given, StoreError) and now < until:
            self._stranded[lease.key] = lease, until

    async def _claim(
        self, flight: int, key: Key, received_after: float, lease: bool
    ) -> Entry | Claimed:
        key = self._ours(key)
        if not lease:
            entry = await self._try(self._store.get, key)
            if isinstance(entry, StoreError):
                return Claimed.FAILED
            fresh = entry is not None and entry.received > received_after
            return entry if entry is not None and fresh else Claimed.ABSENT
        found = await self._try(self._store.claim, key, LEASE_SECONDS, received_after)
        if isinstance(found, StoreError):
            return Claimed.FAILED
        stranded, _ = self._stranded.pop(key, (None, 0.0))
        if stranded is not None and found == Held(key, stranded.fence):
            found = stranded
        match found:
            case Entry():
                return found
            case Lease():
                self._leases[flight] = found
                return Claimed.LEASED
            case Held():
                self._held[flight] = found
                return Claimed.HELD

    async def _covering(self, key: Key, received_after: float) -> tuple[Key, Entry] | None:
        found = await self._try(self._store.covering, self._ours(key), received_after)
        if not isinstance(found, tuple):
            return None
        wider, entry = found
        return wider._replace(identity=key.identity), entry

    async def _settle(
        self, flight: int, key: Key, readings: bytes | int | None, entry: Entry | None
    ) -> bool | None:
        lease = self._leases.pop(flight, None)
        kept: bool | StoreError = False
        if lease is not None and lease.key != self._ours(key):
            # Other meters took the place of those that were asked: nobody knows whose reply it is.
            self._policy.ledger.reasons["lease-lost"] += 1
            await self._give_back(lease)
        elif lease is not None:
            kept = await self._try(self._store.settle, lease, readings, entry, self._ttl)
            if kept is False:
                self._policy.ledger.reasons["lease-lost"] += 1
            if isinstance(kept, StoreError):
                await self._give_back(lease)
        elif entry is not None:
            kept = await self._try(self._put, self._ours(key), entry)
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
            if self._store.replaced != self._replaced:
                self._replaced = self._store.replaced
                self._policy.forget_own_counters()

    def _complain(self, error: StoreError) -> None:
        if isinstance(error, NotAskedError):
            self._policy.ledger.reasons["store-away"] += 1
            return
        now = self._real.now()
        if not 0 <= now - self._failed_at < QUIET_SECONDS:
            _log.warning("%s; requests are forwarded meanwhile", error)
        self._failed_at = now
        self._policy.ledger.reasons["store-failed"] += 1
