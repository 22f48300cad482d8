"""Services: puts fleet, cache and control interface together, as the user chose.

Knows the parts, and the order in which they start and stop.
"""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from esme_emulator.cache.policy.ledger import Decided, Ledger, Replied
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.registry.registry import Reason, Registry, default_registry
from esme_emulator.cache.service import serve_cache
from esme_emulator.cache.store import MEMORY, open_store, read_store_key
from esme_emulator.cache.store.base import DEFAULT_LIMIT
from esme_emulator.estate.estate import Estate
from esme_emulator.faults.engine import FaultFired, Faults
from esme_emulator.faults.lint import Meters, lint
from esme_emulator.faults.selector import FaultRule
from esme_emulator.fleet.fleet import Fleet, identity_of
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.fleet.wan import NO_WAN, wan_of
from esme_emulator.messaging.identity import KnownIdentity
from esme_emulator.messaging.service import IdentityExchange, MeterCheck, random_identity
from esme_emulator.monitor.parts import RunningCache, RunningFleet, RunningParts
from esme_emulator.profiles import MeterMix, MeterProfile
from esme_emulator.profiles.latency import NONE, Latency
from esme_emulator.runtime.clock import Clock, ManualClock
from esme_emulator.runtime.events import Events
from esme_emulator.runtime.files import journal
from esme_emulator.runtime.listening import LOCAL, Listen
from esme_emulator.transport import (
    Broker,
    BrokerAddress,
    Gauged,
    MemoryBroker,
    Transport,
    connect,
)
from gbcs import EUI

if TYPE_CHECKING:  # its packages are in an extra of their own
    from esme_emulator.app.dsp import DspOptions, RunningDsp


_log = logging.getLogger(__name__)

_MOST_LOGGED = 1_000
"""Unknown parties that are logged, at most."""


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """How meters behave and how they are reached."""

    latency: Latency = NONE
    wan: str = NO_WAN
    """Name or file of the network of all meters, or `profile` for that of each meter's profile."""
    profiles: tuple[MeterProfile, ...] | None = None
    """Meter profiles, None for the shipped mix."""
    faults: tuple[FaultRule, ...] = ()
    fault_log: Path | None = None
    """File to append every fault that fires to, as JSON lines."""
    strict: bool = False
    shared: bool = False
    connections: bool = False

    def identity(self, seed: str) -> str:
        """Return the identity of the readings of these meters in a fleet of `seed`."""
        return identity_of(seed, self.profiles, self.faults)


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """How a cache behaves and where it keeps readings."""

    settings: CacheSettings
    store: str
    store_limit: int = DEFAULT_LIMIT
    """Size limit of the readings in the store, in octets."""
    store_key: Path | None = None
    registry: Registry | None = None
    decisions: Path | None = None
    """File to append every decision and reply to, as JSON lines."""


@dataclass(frozen=True, slots=True)
class Running:
    """The parts that run."""

    parts: RunningParts
    control: str | None = None
    """URL of the control interface."""
    dsp: "RunningDsp | None" = None
    warnings: list[str] = field(default_factory=list)

    @property
    def fleet(self) -> Fleet | None:
        """The fleet, None if no meters run in this process."""
        return None if self.parts.fleet is None else self.parts.fleet.fleet

    @property
    def ledger(self) -> Ledger | None:
        """The ledger of the cache, None if no cache runs in this process."""
        return self.parts.ledger


@asynccontextmanager
async def run_services(
    broker: Broker,
    estate: Estate,
    clock: Clock,
    fleet_options: FleetOptions | None = None,
    cache_options: CacheOptions | None = None,
    control_port: int | None = None,
    whole: Estate | None = None,
    dsp_options: "DspOptions | None" = None,
    listen: Listen = LOCAL,
) -> AsyncIterator[Running]:
    """Run a fleet, a cache and a front door for DUIS, each if it has options.

    `listen` is for the control interface. `whole` is the estate if `estate` is a shard of it.
    Raises `TransportError` if the broker cannot be reached, and `StoreError`, `ProfileError`,
    `ListenError` or `JournalError` if a part cannot be started.
    """
    place = broker.broker if isinstance(broker, Gauged) else broker
    address = str(BrokerAddress.parse(place)) if isinstance(place, str) else "in memory"
    async with AsyncExitStack() as stack:
        fleet, cache, control = None, None, None
        transports: dict[str, Sequence[Transport]] = {}
        warnings: list[str] = []
        identity = "" if fleet_options is None else fleet_options.identity(estate.seed)
        known = KnownIdentity(random_identity, identity)
        exchange = IdentityExchange(identity, None if cache_options is None else known)
        subscriptions = exchange.subscriptions
        check = None
        if fleet_options is not None and not fleet_options.shared:
            check = MeterCheck(estate.meters)
            subscriptions = subscriptions | check.subscriptions
        announcer = await stack.enter_async_context(
            connect(broker, client_id="esme-identity", subscriptions=subscriptions)
        )
        await stack.enter_async_context(exchange.run(announcer))
        if check is not None:
            await stack.enter_async_context(check.run(announcer))
        if fleet_options is not None:
            warnings = fault_warnings(fleet_options, whole or estate, clock)
            fleet, transports["fleet"] = await stack.enter_async_context(
                _fleet(broker, estate, clock, fleet_options, whole, exchange)
            )
        if cache_options is not None:
            cache = await stack.enter_async_context(
                _cache(broker, estate, clock, cache_options, known)
            )
            transports["cache"] = cache.service.transports
        dsp = None
        if dsp_options is not None:
            from esme_emulator.app.dsp import serve_dsp

            if fleet is not None:
                dsp_options = replace(dsp_options, profiles=fleet.profiles)
            dsp = await stack.enter_async_context(serve_dsp(broker, estate, clock, dsp_options))
        door = dsp.dsp if dsp else None
        keystore = estate.keystore
        parts = RunningParts(clock, address, transports, fleet, cache, door, keystore)
        if control_port is not None:
            from esme_emulator.control.app import create_app
            from esme_emulator.runtime.http_server import serve_http

            parts.keep_journal()
            control = await stack.enter_async_context(
                serve_http(
                    create_app(parts, listen.token),
                    control_port,
                    listen.host,
                    what="control interface",
                )
            )
        yield Running(parts, control, dsp, warnings)


_TURNS = 25
"""Turns of the event loop after which a woken task has sent its first message, if it sends any."""


def paced(broker: str | MemoryBroker, clock: Clock) -> Broker:
    """Return the broker for parts that share `clock`.

    If that is a manual clock, it moves on only when none of their messages is in flight. So a read
    that it started is over before its timeout, however far the clock jumps.
    """
    if not isinstance(clock, ManualClock):
        return broker
    gauged = Gauged(broker)

    async def settled() -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        await gauged.gauge.still()

    clock.settled = settled
    return gauged


@asynccontextmanager
async def run_alone(
    estate: Estate, clock: Clock, profiles: tuple[MeterProfile, ...] | None = None
) -> AsyncIterator[Broker]:
    """Run the meters of `estate` and a cache by default settings, in memory; yield their broker."""
    broker = MemoryBroker()
    cache = CacheOptions(CacheSettings(), MEMORY)
    async with run_services(broker, estate, clock, FleetOptions(profiles=profiles), cache):
        yield broker


def settle() -> None:
    """Make the garbage collector run less often, after everything has started.

    A service keeps many small objects and makes no cycles of them. Collecting them again and again
    took a seventh of a cache's time, in pauses of up to a tenth of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)


@asynccontextmanager
async def _fleet(
    broker: Broker,
    estate: Estate,
    clock: Clock,
    options: FleetOptions,
    whole: Estate | None,
    exchange: IdentityExchange,
) -> AsyncIterator[tuple[RunningFleet, Sequence[Transport]]]:
    profiles = MeterMix.of(options.profiles)
    options = replace(options, profiles=profiles)
    lock = asyncio.Lock()

    async def change(make: Callable[[], None]) -> None:
        """Make a change of readings. Under a random identity no cache keeps any meanwhile."""
        async with lock:
            try:
                await exchange.change(random_identity())
                make()
            finally:
                await exchange.change(options.identity(estate.seed))

    with journal(options.fault_log, FaultFired.to_json) as write:
        events = Events()
        if write is not None:
            events.subscribe(FaultFired, write)
        faults = Faults(estate.seed, options.faults, events=events)
        fleet = _made(estate, options, faults, events)
        async with serve_fleet(
            broker,
            fleet,
            clock,
            shared=options.shared,
            connections=options.connections,
            whole=whole.meters if whole else (),
        ) as transports:
            controlled = RunningFleet(
                estate.seed,
                estate.meters,
                fleet,
                profiles,
                faults,
                change,
                options.strict,
                options.shared,
            )
            yield controlled, transports


def _made(estate: Estate, options: FleetOptions, faults: Faults, events: Events) -> Fleet:
    return Fleet(
        estate.meters,
        estate.keystore,
        estate.seed,
        options.latency,
        wan=wan_of(options.wan, estate.seed, options.profiles),
        faults=faults,
        strict=options.strict,
        profiles=options.profiles,
        events=events,
    )


def fault_warnings(options: FleetOptions, whole: Estate, clock: Clock) -> list[str]:
    """Return a line for each fault rule, or part of a rule, that can match nothing."""
    meters = Meters.drawn(whole.meters, whole.seed, options.profiles)
    return lint(options.faults, meters, now=clock.now(), seed=whole.seed)


class _StrangerLog:
    """Logs each party that the registry lacks once: its requests get no reply that says why."""

    def __init__(self, estate: Estate) -> None:
        self._meters = estate.meters
        self._logged: set[EUI] = set()

    def note(self, event: Decided) -> None:
        """Log the party of a refused request, unless it was logged before."""
        party = event.party
        if event.reason != Reason.UNKNOWN_PARTY or party is None or party in self._logged:
            return
        if len(self._logged) < _MOST_LOGGED:  # anybody can make up parties
            self._logged.add(party)
            which = "is a meter and no party" if party in self._meters else "is in no registry"
            _log.warning(
                "%s %s, so its requests are refused: declare it in --parties or --registry",
                *(party, which),
            )


def _line(event: Decided | Replied) -> object:
    return event.as_dict()


@asynccontextmanager
async def _cache(
    broker: Broker, estate: Estate, clock: Clock, options: CacheOptions, known: KnownIdentity
) -> AsyncIterator[RunningCache]:
    key = None if options.store_key is None else read_store_key(options.store_key)
    store = open_store(options.store, estate.name, key=key, limit=options.store_limit)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        write = stack.enter_context(journal(options.decisions, _line))
        events = Events()
        if write is not None:
            events.subscribe(Decided, write)
            events.subscribe(Replied, write)
        events.subscribe(Decided, _StrangerLog(estate).note)
        registry = options.registry or default_registry(estate.known_parties)
        policy = CachePolicy(estate.keystore, options.settings, registry, events)
        await store.check()
        service = await stack.enter_async_context(
            serve_cache(broker, policy, store, clock, known=known)
        )
        yield RunningCache.watched(service, store)
