"""Starts and stops what tests need: broker, clock, meters, cache and parties.

The only module of the plugin that starts anything. Each part ends with the context manager that
started it.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esme_emulator.cache.policy.ledger import Decided
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.registry.registry import Registry, default_registry
from esme_emulator.cache.service import serve_cache
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.device.model import profile_of
from esme_emulator.estate.estate import DEFAULT_BASE, Estate
from esme_emulator.estate.euis import EVERY_EUI, EuiRange, euis_of
from esme_emulator.estate.keys import DerivedKeystore, OverlaidKeystore
from esme_emulator.estate.parties import PARTIES, Party, with_more
from esme_emulator.estate.parties_file import load_parties
from esme_emulator.faults.lint import Meters
from esme_emulator.fleet.counters import Counters
from esme_emulator.fleet.fleet import CommandReceived, Fleet
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.fleet.wan import NO_WAN, wan_of
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.topics import PREFIXES
from esme_emulator.monitor.parts import counted
from esme_emulator.profiles import (
    MeterMix,
    MeterProfile,
    built,
    meter_profile,
    meter_profiles,
    read_fleet,
)
from esme_emulator.profiles.latency import (
    Latency,
    latency_file,
    located_latency,
    parse_latency,
)
from esme_emulator.pytest_plugin.clock import AnyClock, RunningClock, SteppedClock, Traffic
from esme_emulator.pytest_plugin.faults import EsmeFaults
from esme_emulator.pytest_plugin.journal import Hits, Journal
from esme_emulator.pytest_plugin.party import Parties, PartyContext, PendingReads
from esme_emulator.pytest_plugin.settings import EMBEDDED, MEMORY, Settings
from esme_emulator.pytest_plugin.system import EsmeCache, EsmeFleet, FleetContext, OwnDevices
from esme_emulator.runtime.clock import ManualClock, parse_clock
from esme_emulator.runtime.events import Events
from esme_emulator.transport import Broker, MemoryBroker, connect
from esme_emulator.transport.embedded import embedded_broker
from gbcs import EUI

if TYPE_CHECKING:
    from esme_emulator.pytest_plugin.dsp import EsmeDsp

METERS_PER_WORKER = 1 << 24
"""EUIs reserved for one worker on a shared broker."""

_MICROSECONDS = 1_000_000


class EuiAllocator:
    """Hands out the EUIs of one worker process on a shared broker; `worker` is its number.

    It never hands out an EUI twice, so a late message of one test reaches no meter of the next.
    """

    def __init__(self, worker: int) -> None:
        self._next = int(DEFAULT_BASE) + worker * METERS_PER_WORKER
        self._end = self._next + METERS_PER_WORKER

    def take(self, number: int) -> EUI:
        """Return the first of `number` unused EUIs. Raises `ValueError` if none are left."""
        first, self._next = self._next, self._next + number
        if self._next > self._end:
            raise ValueError(
                f"one worker has used its {METERS_PER_WORKER} meters on the shared broker. "
                "Use fewer meters, or a broker for each test"
            )
        return EUI.from_int(first)


@dataclass(frozen=True, slots=True)
class NearbyFiles:
    """Finds the files that a test names: in the folder of the test, else where pytest started."""

    folder: Path

    def path(self, name: str) -> str:
        """Return the path of a file in the folder if it exists there, else `name` unchanged."""
        found = self.folder / name
        return str(found) if found.is_file() else name

    def profile(self, name: str) -> str:
        """Return the name of a shipped profile unchanged, or the path of a `.toml` file."""
        return self.path(name) if name.endswith(".toml") else name

    def latency(self, text: str) -> Latency:
        """Return the latency that `text` describes. Raises `ValueError`."""
        file = latency_file(text)
        is_nearby = file is not None and (self.folder / file).is_file()
        return parse_latency(located_latency(text, self.folder) if is_nearby else text)


class Bench:
    """Runs the parts of one test, or of several that share them.

    `allocator` provides EUIs if the broker is shared.
    """

    def __init__(self, settings: Settings, allocator: EuiAllocator, files: NearbyFiles) -> None:
        """Prepare; start nothing. Raises `ValueError` if `clock` or `now` is wrong."""
        self.settings = settings
        self._traffic = Traffic()
        base = parse_clock(settings.clock_text)
        start = base.now()
        self.clock: AnyClock = (
            SteppedClock(start, self._traffic, settings.quiet_seconds)
            if isinstance(base, ManualClock)
            else RunningClock(base)
        )
        self.hosted = HostedMeters()
        self._counters: list[Counters] = []
        self._reads = PendingReads()
        self.keystore: DerivedKeystore | OverlaidKeystore = _keystore(settings.seed)
        self._files = files
        self.known_parties: tuple[Party, ...] = PARTIES
        if settings.parties is not None:
            found = load_parties(Path(files.path(settings.parties)))
            self.known_parties = with_more(PARTIES, found.parties)
            self.keystore = OverlaidKeystore(found.keys, self.keystore)
        self.journal = Journal(self.clock.now, self.known_parties)
        self._allocator = allocator if settings.is_shared else EuiAllocator(0)
        self._events = Events()
        self._events.subscribe(CommandReceived, self.journal.add)
        self.faults = EsmeFaults(
            settings.seed, self.hosted.meters, self.clock, self.journal, self._events
        )
        self._counter = int(start * _MICROSECONDS)
        self._resets: list[Callable[[], object]] = [self.journal.events.clear]
        """Functions that let a part count from 0 again."""

    def begin_test(self) -> None:
        """Forget what happened; meters, clock, cached readings and registry stay as they are."""
        for reset in self._resets:
            reset()

    def hits(self, srv: str | None = None) -> Hits:
        """Return the number of commands that the meters of all fleets received, for one SRV or all.

        Raises `ValueError` for an unknown SRV.
        """
        srv = counted(srv)
        number = sum(counters.hits(srv) for counters in self._counters)
        subject = f"device hits{f', SRV {srv}' if srv else ''}"
        return Hits(number, subject, lambda shown: self.journal.lines(None, srv, shown))

    @asynccontextmanager
    async def broker(self) -> AsyncIterator[Broker]:
        """Run a broker, or connect to the one of the settings, and count its messages."""
        async with AsyncExitStack() as stack:
            broker: Broker = MemoryBroker()
            if self.settings.broker in EMBEDDED:
                running = embedded_broker(mqtt=EMBEDDED[self.settings.broker])
                broker = await stack.enter_async_context(running)
            elif self.settings.broker != MEMORY:
                broker = self.settings.broker
            ours = [f"{prefix}/#" for prefix in PREFIXES.values()]
            filters = ours if self.settings.is_shared else ["#"]
            counting = dict.fromkeys(filters, self._count)
            watch = connect(broker, client_id="esme-test", subscriptions=counting)
            await stack.enter_async_context(watch)
            yield broker

    def _count(self, _: str, __: bytes, ___: Mapping[str, str]) -> None:
        self._traffic.messages += 1

    @asynccontextmanager
    async def fleet(self, broker: Broker, **changes: Any) -> AsyncIterator[EsmeFleet]:
        """Run a fleet with the settings and `changes` to them; a change of None does not count.

        Raises `ValueError` and `ProfileError`.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        wanted = replace(self.settings, **given)
        files, wan = self._files, self._files.profile(wanted.wan or NO_WAN)
        profiles: tuple[MeterProfile, ...] | None = None
        euis: Sequence[EUI]
        if wanted.fleet is not None:
            if wanted.profiles is not None:
                raise ValueError("give profiles or fleet: a fleet gives each meter its profile")
            mix = self._meters_of(wanted.fleet)
            profiles, euis = mix, euis_of(mix.ranges)
        else:
            euis = EuiRange(self._allocator.take(wanted.meters), wanted.meters)
        if wanted.profiles is not None:
            profiles = tuple(meter_profile(files.profile(name)) for name in wanted.profiles)
        fleet = Fleet(
            euis,
            self.keystore,
            wanted.seed,
            files.latency(wanted.latency),
            wan=wan_of(wan, wanted.seed, profiles),
            faults=self.faults.engine,
            strict=wanted.strict,
            profiles=profiles,
            events=self._events,
        )
        counters = fleet.counters
        context = FleetContext(wanted.seed, profiles, counters, self.journal, self.clock)
        self.hosted.add(euis, wanted.seed, profiles)
        self._counters.append(counters)
        self._resets.append(fleet.reset)
        # Other fleets may host all other meters: their commands are not counted or answered.
        async with serve_fleet(broker, fleet, self.clock, whole=EVERY_EUI):
            yield EsmeFleet(fleet, euis, self.keystore, context)

    def _meters_of(self, fleet: str | Mapping[str, Any]) -> MeterMix:
        if isinstance(fleet, str):
            return read_fleet(self._files.profile(fleet))
        return built(fleet)

    @asynccontextmanager
    async def cache(
        self, broker: Broker, registry: Registry | None = None
    ) -> AsyncIterator[EsmeCache]:
        """Run the reading cache. Raises `ValueError` for invalid settings."""
        wanted = self.settings
        given = {"retention_hours": wanted.retention, "seed": wanted.seed, **wanted.cache}
        settings = CacheSettings(**given)
        registry = registry or default_registry(self.known_parties)
        policy: CachePolicy
        if wanted.is_shared:
            policy = OwnDevices(self.keystore, settings, registry)
            policy.is_ours = self.hosted.__contains__
        else:
            policy = CachePolicy(self.keystore, settings, registry)
        policy.events.subscribe(Decided, self._decided)
        self._resets.append(policy.reset)
        store = MemoryStore()
        async with serve_cache(broker, policy, store, self.clock) as service:
            yield EsmeCache(service, store, self.journal)

    def _decided(self, event: Decided) -> None:
        self.journal.add(event)
        self._reads.on_decision(event)

    @asynccontextmanager
    async def dsp(self, broker: Broker, folder: Path) -> "AsyncIterator[EsmeDsp]":
        """Run the front door for DUIS; `folder` is for its outbox."""
        from esme_emulator.gateway.keys import derived_keys
        from esme_emulator.pytest_plugin.dsp import esme_dsp

        seed = self.settings.seed
        meters = tuple(self.hosted)
        estate = Estate(f"seed-{seed}", seed, self.keystore, meters, self.known_parties)
        keys = derived_keys(seed, self.keystore, self.known_parties)
        kind_of = self.hosted.kind_of
        async with esme_dsp(broker, estate, keys, self.clock, kind_of, folder) as dsp:
            self._resets.append(dsp.forget)
            yield dsp

    @asynccontextmanager
    async def parties(self, broker: Broker) -> AsyncIterator[Parties]:
        """Connect the parties, each with a client for either prefix."""
        requesters = {via: Requester(prefix, self.keystore) for via, prefix in PREFIXES.items()}
        self._resets += [requester.dropped.clear for requester in requesters.values()]
        recipients = {party.eui for party in self.known_parties if not party.behind_acb}
        recipients.add(self.keystore.access_control_broker)
        async with AsyncExitStack() as stack:
            for requester in requesters.values():
                await stack.enter_async_context(requester.connected(broker, recipients))
            reads = await stack.enter_async_context(self._reads)
            context = PartyContext(requesters, self.clock, reads, self.journal)
            yield Parties(self.keystore, self._counter, context, self.known_parties)


class HostedMeters(Collection[EUI]):
    """The meters of all fleets of a test."""

    def __init__(self) -> None:
        self._fleets: list[tuple[Sequence[EUI], str, tuple[MeterProfile, ...] | None]] = []

    def add(
        self, euis: Sequence[EUI], seed: str, profiles: tuple[MeterProfile, ...] | None
    ) -> None:
        """Add the meters of a fleet, which `seed` draws from `profiles`."""
        self._fleets.append((euis, seed, profiles))

    def meters(self) -> Meters:
        """Return all meters and their profiles; all shipped profiles if there is no fleet yet."""
        used = [one for _, _, profiles in self._fleets for one in profiles or meter_profiles()]
        return Meters(self, tuple(dict.fromkeys(used)) or meter_profiles(), self._profile_of)

    def kind_of(self, eui: EUI) -> str | None:
        """Return the kind of a meter, such as `single`, or None if no fleet has it."""
        return self._profile_of(eui).variant if eui in self else None

    def _profile_of(self, eui: EUI) -> MeterProfile:
        _, seed, profiles = next(one for one in self._fleets if eui in one[0])
        return profile_of(seed, eui, profiles)

    def __contains__(self, eui: object) -> bool:
        return any(eui in euis for euis, _, _ in self._fleets)

    def __iter__(self) -> Iterator[EUI]:
        return chain.from_iterable(euis for euis, _, _ in self._fleets)

    def __len__(self) -> int:
        return sum(len(euis) for euis, _, _ in self._fleets)


@cache
def _keystore(seed: str) -> DerivedKeystore:
    """Return the keystore of a seed: one for all tests, since deriving keys takes time."""
    return DerivedKeystore(seed)
