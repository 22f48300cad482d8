"""Endpoints of the registry of the cache: who is registered for what, and changes of it.

Each cache has a registry of its own, so several processes are told each for itself. What a
registry cannot keep for the next process is said, and logged.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import date
from functools import partial
from itertools import islice
from typing import Annotated, NamedTuple

from fastapi import APIRouter, HTTPException, Query

from esme_emulator.cache.registry.registration import Devices, Registration, day_at
from esme_emulator.cache.store.base import StoreError
from esme_emulator.control.cache_models import (
    Changed,
    NewRegistration,
    PartyState,
    Registered,
    RegistrationState,
    RegistryQuery,
    RegistryState,
    SupplierChange,
    TenancyChange,
)
from esme_emulator.control.parameters import eui_of
from esme_emulator.control.store_calls import PATIENCE, first_of, within
from esme_emulator.monitor.parts import RunningCache, RunningParts, cache_of
from esme_emulator.runtime.clock import Clock
from gbcs import EUI

MAX_CHANGES = 10_000
"""Changes that one process takes from here, at most, since each is kept in memory."""

_MOST_COUNTED = 10_000
"""Entries of a device that are counted before they are dropped, at most."""


_log = logging.getLogger(__name__)


def registry_routes(parts: RunningParts) -> APIRouter:
    """Return the endpoints; where there is no cache they answer 404."""
    router = APIRouter(tags=["registry"], prefix="/cache/registry")
    made = 0

    def changeable() -> RunningCache:
        cache = cache_of(parts)
        if made >= MAX_CHANGES:
            told = f"the registry was changed {MAX_CHANGES} times already"
            raise HTTPException(409, f"{told}: start the cache anew to change it further")
        return cache

    def party(cache: RunningCache, text: str, what: str) -> EUI:
        eui = eui_of(text, what)
        if not cache.policy.registry.knows(eui):
            raise HTTPException(422, f"{what}: {eui} is not a party of the registry")
        return eui

    def of_device(cache: RunningCache, device: EUI) -> list[RegistrationState]:
        found = cache.policy.registry.registrations(device)
        return [_state(one, parts.clock) for one in found]

    def outcome(cache: RunningCache) -> _Outcome:
        """Count the change that was just made, and return what became of it."""
        nonlocal made
        made += 1
        registry = cache.policy.registry
        if registry.forgotten:
            _log.warning(
                "a change of the registry is forgotten when the cache ends: %s", registry.forgotten
            )
        return _Outcome(registry.repeated, registry.forgotten or None)

    async def changed(
        cache: RunningCache, device: EUI, day: date, change: Callable[[], Awaitable[None]]
    ) -> Changed:
        """Make a change, and tell what it dropped."""
        counted, waiting = await _counted(cache, device)
        try:
            flushing = change()
        except ValueError as error:
            raise HTTPException(409, str(error)) from None
        became = outcome(cache)
        flushed, why = await _flushed(cache, device, flushing, counted, waiting)
        return Changed(
            device=str(device),
            day=day,
            flushed=flushed,
            waiting=why,
            repeated=became.repeated,
            forgotten=became.forgotten,
            registrations=of_device(cache, device),
        )

    @router.get("")
    async def get_registry(asked: Annotated[RegistryQuery, Query()]) -> RegistryState:
        """Tell which parties there are, and what is registered for a device."""
        cache = cache_of(parts)
        known = cache.policy.registry.parties()
        registrations = None
        if asked.device is not None:
            registrations = of_device(cache, eui_of(asked.device, "device"))
        limit = asked.limit
        return RegistryState(
            parties=[
                PartyState(party=str(eui), roles=sorted(known[eui])) for eui in islice(known, limit)
            ],
            registrations=None if registrations is None else registrations[:limit],
            left_off=max(len(known), len(registrations or ())) > limit,
        )

    @router.post("/registrations", status_code=201)
    async def add_registration(asked: NewRegistration) -> Registered:
        """Add a registration; nothing is dropped for it."""
        cache = changeable()
        eui = party(cache, asked.party, "party")
        others = set(asked.roles or ()) - cache.policy.registry.parties()[eui]
        if others:
            raise HTTPException(422, f"roles: {eui} is not {', '.join(sorted(others))}")
        if asked.start is not None and asked.end is not None and asked.end <= asked.start:
            raise HTTPException(422, f"to: {asked.end} is not after {asked.start}")
        roles = None if asked.roles is None else frozenset(asked.roles)
        registration = Registration(eui, _devices(asked.devices), asked.start, asked.end, roles)
        try:
            cache.service.register(registration)
        except ValueError as error:
            raise HTTPException(409, str(error)) from None
        became = outcome(cache)
        state = _state(registration, parts.clock).model_dump()
        return Registered(**state, repeated=became.repeated, forgotten=became.forgotten)

    @router.post("/change-of-supplier")
    async def change_supplier(asked: SupplierChange) -> Changed:
        """Have another supplier from a day on, and drop the readings of the device."""
        cache = changeable()
        device = eui_of(asked.device, "device")
        old, new = party(cache, asked.old, "old"), party(cache, asked.new, "new")
        service, day = cache.service, asked.day
        change = partial(service.change_of_supplier, device, old, new, day)
        return await changed(cache, device, day, change)

    @router.post("/change-of-tenancy")
    async def change_tenancy(asked: TenancyChange) -> Changed:
        """Have another consumer from a day on, and drop the readings of the device."""
        cache = changeable()
        device = eui_of(asked.device, "device")
        change = partial(cache.service.change_of_tenancy, device, asked.day)
        return await changed(cache, device, asked.day, change)

    return router


class _Outcome(NamedTuple):
    """What became of a change."""

    repeated: bool
    forgotten: str | None


async def _counted(cache: RunningCache, device: EUI) -> tuple[int | None, str]:
    """Return how many entries of a device there are to drop, or why nobody knows."""
    found = cache.store.entries(device)
    try:
        return len(await within(PATIENCE, first_of(found, _MOST_COUNTED))), ""
    except StoreError as error:
        return None, str(error)


async def _flushed(
    cache: RunningCache,
    device: EUI,
    flushing: Awaitable[None],
    counted: int | None,
    waiting: str,
) -> tuple[int | None, str | None]:
    """Return how many entries were dropped, or why they are still to be dropped.

    The registry is changed by now, and what was received before is served no more, whatever the
    store does.
    """
    try:
        await within(PATIENCE, flushing)
    except StoreError as error:
        waiting = str(error)
    if any(flush.device == device for flush in cache.policy.unflushed()):
        return None, waiting or "the store could not be used"
    return counted, None


def _state(one: Registration, clock: Clock) -> RegistrationState:
    return RegistrationState(
        party=str(one.party),
        devices=str(one.devices),
        start=one.start,
        end=one.end,
        roles=None if one.roles is None else sorted(one.roles),
        current=one.holds(day_at(clock.now())),
    )


def _devices(text: str) -> Devices:
    try:
        return Devices.parse(text)
    except ValueError as error:
        raise HTTPException(422, f"devices: {error}") from None
