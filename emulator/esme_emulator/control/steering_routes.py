"""Endpoints that steer what runs: latency and WAN of the fleet, its connections, reset of all."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, HTTPException

from esme_emulator.cache.store.base import drop_entries
from esme_emulator.control.models import Cut, CutState, Network, NewNetwork, Problem, ResetState
from esme_emulator.control.routing import NO_FILE, PURGE_TIMEOUT, refuse_file, within
from esme_emulator.fleet.wan import NO_WAN, Wan, wan_of
from esme_emulator.monitor.parts import RunningFleet, RunningParts, fleet_of
from esme_emulator.profiles import ProfileError
from esme_emulator.profiles.latency import Latency, latency_file, latency_text, parse_latency


def steering_routes(parts: RunningParts) -> APIRouter:
    """Return the endpoints. What runs now is what a reset goes back to."""
    router = APIRouter(tags=["steering"])
    reset = _resetting(parts)

    @router.put("/fleet/latency")
    async def set_latency(new: NewNetwork) -> Network:
        """Change latency or WAN for further commands; replies on their way keep their time."""
        hosted = fleet_of(parts)
        fleet = hosted.fleet
        latency = fleet.latency if new.latency is None else _latency(new.latency)
        wan = fleet.wan if new.wan is None else _wan(new.wan, hosted)
        fleet.set_network(latency, wan)
        return Network(latency=latency_text(latency), wan=wan.name if wan else NO_WAN)

    @router.post("/fleet/cut")
    async def cut_connections(cut: Cut) -> CutState:
        """End the fleet's connections to the broker, and stay away for a while.

        Commands that are published meanwhile reach no meter.
        """
        fleet_of(parts)
        transports = parts.transports["fleet"]
        for transport in transports:
            transport.cut(cut.seconds)
        return CutState(cut=len(transports))

    @router.post("/reset", responses={503: {"model": Problem, "description": "The store is away"}})
    async def reset_all() -> ResetState:
        """Go back to the start: counts, journal, entries, meters, faults, latency and WAN.

        The clock, the registry and the counters in the meters' messages go on.
        """
        return await reset()

    return router


def _latency(text: str) -> Latency:
    try:
        if latency_file(text) is not None:
            raise ValueError(NO_FILE)
        return parse_latency(text)
    except ValueError as error:
        raise HTTPException(422, f"latency: {error}") from None


def _wan(name: str, hosted: RunningFleet) -> Wan | None:
    refuse_file("wan", name)
    try:
        return wan_of(name, hosted.seed, hosted.profiles)
    except (ProfileError, ValueError) as error:
        raise HTTPException(422, f"wan: {error}") from None


def _resetting(parts: RunningParts) -> Callable[[], Awaitable[ResetState]]:
    """Return what resets `parts` to how they are now."""
    fleet = parts.fleet
    rules = () if fleet is None else tuple(fleet.faults.rules)
    network = None if fleet is None else (fleet.fleet.latency, fleet.fleet.wan)

    async def reset() -> ResetState:
        if fleet is not None and network is not None:
            fleet.fleet.set_network(*network)
            await fleet.reset()
            fleet.faults.clear()
            for rule in rules:
                fleet.faults.add(rule)
            fleet.faults.log.clear()
        requests = len(parts.journal)
        parts.journal.clear()
        entries = 0
        if parts.cache is not None:
            parts.cache.reset()
            dropping = drop_entries(parts.cache.store, None, None)
            entries = await within(PURGE_TIMEOUT, dropping)
        return ResetState(faults=len(rules), entries=entries, requests=requests)

    return reset
