"""What one test runs: broker, clock, meters, cache and parties, put together.

The one place of the plugin that starts anything. What it starts ends with the context that it was
started in.
"""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import Any

from esme_emulator.cache.entry import retention_seconds
from esme_emulator.cache.policy.ledger import Decided
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.service import serve_cache
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.device.model import meter_of
from esme_emulator.estate.estate import DEFAULT_BASE
from esme_emulator.estate.eui_range import EVERY_EUI, EuiRange
from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.estate.parties import PARTIES
from esme_emulator.faults.lint import Meters
from esme_emulator.fleet.counters import Counters
from esme_emulator.fleet.fleet import CommandReceived, Fleet
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.fleet.wan import NO_WAN, wan_of
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.topics import PREFIXES
from esme_emulator.profiles import MeterProfile, meter_profile, meter_profiles
from esme_emulator.pytest_plugin.cache import EsmeCache, OwnDevices
from esme_emulator.pytest_plugin.clock import SteppedClock, Traffic
from esme_emulator.pytest_plugin.faults import EsmeFaults
from esme_emulator.pytest_plugin.fleet import EsmeFleet
from esme_emulator.pytest_plugin.journal import Hits, Journal
from esme_emulator.pytest_plugin.nearby import Nearby
from esme_emulator.pytest_plugin.parties import Parties
from esme_emulator.pytest_plugin.party import Asking
from esme_emulator.pytest_plugin.settings import EMBEDDED, MEMORY, Settings
from esme_emulator.pytest_plugin.srvs import counted
from esme_emulator.runtime.clock import ManualClock, parse_clock
from esme_emulator.runtime.events import Events
from esme_emulator.transport import Broker, MemoryBroker, connect
from gbcs import EUI

RANGE = 1 << 24
"""Meters that one worker has for itself on a broker that it shares with others."""

_MICROSECONDS = 1_000_000


class Allotment:
    """Which EUIs the tests of one process take on a broker that others use too.

    `worker` is its number. Every fleet gets EUIs that none had before, so that what is late for
    one test is for no meter of the next.
    """

    def __init__(self, worker: int) -> None:
        self._next = int(DEFAULT_BASE) + worker * RANGE
        self._end = self._next + RANGE

    def take(self, number: int) -> EUI:
        """Return the first EUI of `number` new ones. Raises `ValueError` where none are left."""
        first, self._next = self._next, self._next + number
        if self._next > self._end:
            raise ValueError(f"more than {RANGE} meters in one worker, on a broker that is shared")
        return EUI.from_int(first)


class Bench:
    """What one test runs by `settings`; `allotment` matters on a shared broker alone.

    `nearby` finds the files that the test names.
    """

    def __init__(self, settings: Settings, allotment: Allotment, nearby: Nearby) -> None:
        """Make ready, and start nothing. Raises `ValueError` for a time that is none."""
        self.settings = settings
        self.journal = Journal()
        self.hosted = Hosted()
        self._counters: list[Counters] = []
        self._asking = Asking()
        self.keystore = _keystore(settings.seed)
        self._nearby = nearby
        self._allotment = allotment if settings.is_shared else Allotment(0)
        self._traffic = Traffic()
        start = parse_clock(f"manual@{settings.now}", machine=ManualClock(0.0)).now()
        self.clock = SteppedClock(start, self._traffic, settings.quiet_seconds)
        self._events = Events()
        self._events.subscribe(CommandReceived, self.journal.add)
        self.faults = EsmeFaults(
            settings.seed, self.hosted.meters, self.clock, self.journal, self._events
        )
        self._counter = int(start * _MICROSECONDS)

    def hits(self, srv: str | None = None) -> Hits:
        """Return how many commands the meters of all fleets received, of `srv` or in all.

        Raises `ValueError` for an SRV that there is not.
        """
        srv = counted(srv)
        number = sum(counters.hits(srv) for counters in self._counters)
        subject = f"device hits{f', SRV {srv}' if srv else ''}"
        return Hits(number, subject, lambda shown: self.journal.lines(None, srv, shown))

    @asynccontextmanager
    async def broker(self) -> AsyncIterator[Broker]:
        """Run the broker, or connect to the one that is there, and count what it carries."""
        async with AsyncExitStack() as stack:
            broker: Broker = MemoryBroker()
            if self.settings.broker == EMBEDDED:
                from esme_emulator.transport.embedded import (
                    embedded_broker,  # amqtt is slow to import
                )

                broker = await stack.enter_async_context(embedded_broker())
            elif self.settings.broker != MEMORY:
                broker = self.settings.broker
            ours = [f"{prefix}/#" for prefix in PREFIXES.values()]
            filters = ours if self.settings.is_shared else ["#"]
            watch = connect(
                broker, client_id="esme-test", subscriptions=dict.fromkeys(filters, self._seen)
            )
            await stack.enter_async_context(watch)
            yield broker

    def _seen(self, _: str, __: bytes, ___: Mapping[str, str]) -> None:
        self._traffic.messages += 1

    @asynccontextmanager
    async def fleet(self, broker: Broker, **changes: Any) -> AsyncIterator[EsmeFleet]:
        """Run a fleet by the settings and `changes` to them; one of None is none.

        Raises `ValueError` and `ProfileError`.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        wanted = replace(self.settings, **given)
        nearby, wan = self._nearby, self._nearby.profile(wanted.wan or NO_WAN)
        base = self._allotment.take(wanted.meters)
        euis = EuiRange(base, wanted.meters)
        profiles: tuple[MeterProfile, ...] | None = None
        if wanted.profiles is not None:
            profiles = tuple(meter_profile(nearby.profile(name)) for name in wanted.profiles)
        fleet = Fleet(
            euis,
            self.keystore,
            wanted.seed,
            nearby.latency(wanted.latency),
            wan=wan_of(wan, wanted.seed, nearby.read, profiles),
            faults=self.faults.engine,
            strict=wanted.strict,
            profiles=profiles,
            events=self._events,
        )
        parts = self.keystore, wanted.seed, profiles, self.journal, self.clock
        self.hosted.add(euis, wanted.seed, profiles)
        self._counters.append(fleet.counters)
        # Other fleets may host all other meters: their commands are not counted or answered.
        async with serve_fleet(broker, fleet, self.clock, whole=EVERY_EUI):
            yield EsmeFleet(fleet, euis, *parts)

    @asynccontextmanager
    async def cache(self, broker: Broker) -> AsyncIterator[EsmeCache]:
        """Run the reading cache. Raises `ValueError` for settings that cannot be."""
        wanted = self.settings
        retention = retention_seconds(wanted.retention)
        settings = CacheSettings(**{"retention": retention, "seed": wanted.seed, **wanted.cache})
        policy: CachePolicy
        if wanted.is_shared:
            policy = OwnDevices(self.keystore, settings, on_decision=self._decided)
            policy.is_ours = self.hosted.__contains__
        else:
            policy = CachePolicy(self.keystore, settings, on_decision=self._decided)
        store = MemoryStore()
        async with serve_cache(broker, policy, store, self.clock) as service:
            yield EsmeCache(service, store, self.journal)

    def _decided(self, event: Decided) -> None:
        self.journal.add(event)
        self._asking.decided(event)

    @asynccontextmanager
    async def parties(self, broker: Broker) -> AsyncIterator[Parties]:
        """Connect the parties, each under both prefixes."""
        requesters = {via: Requester(prefix, self.keystore) for via, prefix in PREFIXES.items()}
        recipients = {eui for eui, _, behind_acb in PARTIES if not behind_acb}
        recipients.add(self.keystore.access_control_broker)
        async with AsyncExitStack() as stack:
            for requester in requesters.values():
                await stack.enter_async_context(requester.connected(broker, recipients))
            asking = await stack.enter_async_context(self._asking)
            parts = requesters, self.clock, asking, self.journal
            yield Parties(self.keystore, self._counter, *parts)


class Hosted(Collection[EUI]):
    """The meters of all fleets of a test."""

    def __init__(self) -> None:
        self._fleets: list[tuple[EuiRange, str, tuple[MeterProfile, ...] | None]] = []

    def add(self, euis: EuiRange, seed: str, profiles: tuple[MeterProfile, ...] | None) -> None:
        """Host these too; `profiles` are the kinds that they are drawn from by `seed`."""
        self._fleets.append((euis, seed, profiles))

    def meters(self) -> Meters:
        """Return all meters and their kinds; before there is a fleet, all kinds there could be."""
        kinds = [kind for _, _, profiles in self._fleets for kind in profiles or meter_profiles()]
        return Meters(self, tuple(dict.fromkeys(kinds)) or meter_profiles(), self._profile_of)

    def _profile_of(self, eui: EUI) -> MeterProfile:
        seed, profiles = next(rest for euis, *rest in self._fleets if eui in euis)
        return meter_of(seed, eui, profiles).profile

    def __contains__(self, eui: object) -> bool:
        return any(eui in euis for euis, _, _ in self._fleets)

    def __iter__(self) -> Iterator[EUI]:
        return chain.from_iterable(euis for euis, _, _ in self._fleets)

    def __len__(self) -> int:
        return sum(len(euis) for euis, _, _ in self._fleets)


@cache
def _keystore(seed: str) -> DerivedKeystore:
    """Return the keys of a seed: the same object in every test, since it keeps what it derived."""
    return DerivedKeystore(seed)
