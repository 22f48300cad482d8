"""Services: fleet, cache, control interface and live view, put together from what a user chose.

Knows which parts make up what runs, and in which order they start and stop.
"""

import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from emulator.cache.entitlement import Registry
from emulator.cache.ledger import Decided, Ledger
from emulator.cache.opening import open_store, read_store_key
from emulator.cache.policy import CachePolicy
from emulator.cache.service import serve_cache
from emulator.cache.settings import CacheSettings
from emulator.clock import Clock
from emulator.control.parts import Controlled, ControlledCache, ControlledFleet
from emulator.device.physics import nature
from emulator.estate import Estate
from emulator.faults.engine import Faults
from emulator.faults.log import Fired
from emulator.faults.rule import FaultRule
from emulator.faults.unmatched import unmatched
from emulator.fleet import Fleet
from emulator.fleet_service import serve_fleet
from emulator.journal import journal
from emulator.latency import NONE, Latency
from emulator.latency_file import load_latency
from emulator.transport import Broker, BrokerAddress, connect
from emulator.wan import WanLink
from gbcs.tables.reading_services import READING_SERVICES
from profiles import MeterProfile, meter_profiles, wan_profile


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """How meters are to behave, and how they are reached."""

    latency: Latency = NONE
    wan: str = "none"
    profiles: tuple[MeterProfile, ...] | None = None
    """Kinds of meters; None for the shipped mix."""
    faults: tuple[FaultRule, ...] = ()
    fault_log: Path | None = None
    """Every fault that fires is written to it, a line of JSON each."""
    strict: bool = False
    shared: bool = False
    connections: bool = False


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """How a cache is to behave, and where it keeps readings."""

    settings: CacheSettings
    store: str
    store_key: Path | None = None
    registry: Registry | None = None
    decisions: Path | None = None
    """Every decision is written to it, a line of JSON each."""


@dataclass(slots=True)
class Running:
    """What runs."""

    parts: Controlled
    fleet: Fleet | None = None
    ledger: Ledger | None = None
    control: str | None = None
    """URL of the control interface."""
    warnings: list[str] = field(default_factory=list)


@asynccontextmanager
async def run_services(
    broker: Broker,
    estate: Estate,
    clock: Clock,
    fleet_options: FleetOptions | None = None,
    cache_options: CacheOptions | None = None,
    control_port: int | None = None,
    whole: Estate | None = None,
) -> AsyncIterator[Running]:
    """Run what options are given for, as long as the context lasts.

    `whole` is the estate of which `estate` has a shard. Raises `TransportError` where there is no
    broker, `StoreError`, `ProfileError`, `ControlError` and `JournalError` where a part cannot be
    had.
    """
    address = str(BrokerAddress.parse(broker)) if isinstance(broker, str) else "in memory"
    async with AsyncExitStack() as stack:
        running = Running(Controlled(clock, address, lambda: True))
        controlled, cache = None, None
        if fleet_options is not None:
            running.warnings = fault_warnings(fleet_options, whole or estate, clock)
            faults = Faults(
                estate.seed,
                fleet_options.faults,
                on_fired=stack.enter_context(journal(fleet_options.fault_log, Fired.to_json)),
            )
            running.fleet = _fleet(estate, fleet_options, faults)
            await stack.enter_async_context(
                serve_fleet(
                    broker,
                    running.fleet,
                    clock,
                    shared=fleet_options.shared,
                    connections=fleet_options.connections,
                    whole=whole.meters if whole else (),
                )
            )
            kinds = fleet_options.profiles or meter_profiles()
            controlled = ControlledFleet(
                estate.seed,
                estate.meters,
                running.fleet,
                partial(nature, estate.seed, profiles=fleet_options.profiles),
                kinds,
                faults,
                fleet_options.strict,
            )
        if cache_options is not None:
            cache = await stack.enter_async_context(_cache(broker, estate, clock, cache_options))
            running.ledger = cache.ledger
        watching = await stack.enter_async_context(connect(broker, client_id="esme-control"))
        running.parts = Controlled(clock, address, lambda: watching.is_connected, controlled, cache)
        if control_port is not None:
            from emulator.control.app import create_app
            from emulator.control.server import serve_control

            running.control = await stack.enter_async_context(
                serve_control(create_app(running.parts), control_port)
            )
        yield running


def settle() -> None:
    """Tell the garbage collector that this process has started, and has little to collect.

    It leaves what lasts alone, and looks less often at what comes and goes. A service keeps many
    small things and makes no cycles of them; going through all of it again and again took a seventh
    of a cache's time, in pauses of up to a tenth of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)


def _fleet(estate: Estate, options: FleetOptions, faults: Faults) -> Fleet:
    link = None
    if options.wan != "none":
        link = WanLink(wan_profile(options.wan), estate.seed, load_latency)
    return Fleet(
        estate.meters,
        estate.keystore,
        estate.seed,
        options.latency,
        wan=link,
        faults=faults,
        strict=options.strict,
        profiles=options.profiles,
    )


def fault_warnings(options: FleetOptions, whole: Estate, clock: Clock) -> list[str]:
    """Return a line for each fault rule, or part of it, that can match nothing in a fleet."""
    srvs = {service.srv for service in READING_SERVICES}
    return unmatched(options.faults, whole.meters, srvs, now=clock.now(), seed=whole.seed)


@asynccontextmanager
async def _cache(
    broker: Broker, estate: Estate, clock: Clock, options: CacheOptions
) -> AsyncIterator[ControlledCache]:
    key = None if options.store_key is None else read_store_key(options.store_key)
    store = open_store(options.store, estate.name, key=key)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        on_decision = stack.enter_context(journal(options.decisions, Decided.as_dict))
        policy = CachePolicy(estate.keystore, options.settings, options.registry, on_decision)
        await store.size()
        service = await stack.enter_async_context(serve_cache(broker, policy, store, clock))
        yield ControlledCache.watched(service, store)
