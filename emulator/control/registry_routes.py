"""Endpoints of the registry of the cache: who is registered for what, and changes of it.

Each cache has a registry of its own, so several processes are told each for itself. What a
registry cannot keep for the next process is said, and logged.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import date
from functools import partial
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from emulator.cache.registration import Devices, Registration, day_at
from emulator.cache.store import StoreError
from emulator.clock import Clock
from emulator.control.asked import eui_of
from emulator.control.asking_store import PATIENCE, first_of, within
from emulator.control.cache_models import (
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
from emulator.control.parts import Controlled, ControlledCache, cache_of
from gbcs import EUI

MAX_CHANGES = 10_000
"""Changes that a registry takes from here, at most, since each is kept and asked about."""

_MOST_COUNTED = 10_000
"""Entries of a device that are counted before they are dropped, at most."""


_log = logging.getLogger(__name__)


def registry_routes(parts: Controlled) -> APIRouter:
    """Return the endpoints; where there is no cache they answer 404."""
    router = APIRouter(tags=["registry"], prefix="/cache/registry")
    before = 0 if parts.cache is None else parts.cache.policy.registry.version

    def changeable() -> ControlledCache:
        cache = cache_of(parts)
        if cache.policy.registry.version - before >= MAX_CHANGES:
            raise HTTPException(409, f"the registry was changed {MAX_CHANGES} times already")
        return cache

    def party(cache: ControlledCache, text: str, what: str) -> EUI:
        eui = eui_of(text, what)
        if not cache.policy.registry.knows(eui):
            raise HTTPException(422, f"{what}: {eui} is not a party of the registry")
        return eui

    def of_device(cache: ControlledCache, device: EUI) -> list[RegistrationState]:
        found = cache.policy.registry.registrations(device)
        return [_state(one, parts.clock) for one in found]

    async def changed(
        cache: ControlledCache, device: EUI, day: date, change: Callable[[], Awaitable[None]]
    ) -> Changed:
        """Make a change, and tell what it dropped."""
        flushed, waiting = await _flushing(cache, device, change)
        return Changed(
            device=str(device),
            day=day,
            flushed=flushed,
            waiting=waiting,
            forgotten=_forgotten(cache),
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
        cache.service.register(registration)
        state = _state(registration, parts.clock)
        return Registered(**state.model_dump(), forgotten=_forgotten(cache))

    @router.post("/change-of-supplier")
    async def change_supplier(asked: SupplierChange) -> Changed:
        """Have another supplier from a day on, and drop the readings of the device."""
        cache = changeable()
        device = eui_of(asked.device, "device")
        old, new = party(cache, asked.old, "old"), party(cache, asked.new, "new")
        service, day = cache.service, asked.day
        change = partial(service.change_of_supplier, device, old, new, day)
        try:
            return await changed(cache, device, day, change)
        except ValueError as error:
            raise HTTPException(409, str(error)) from None

    @router.post("/change-of-tenancy")
    async def change_tenancy(asked: TenancyChange) -> Changed:
        """Have another consumer from a day on, and drop the readings of the device."""
        cache = changeable()
        device = eui_of(asked.device, "device")
        change = partial(cache.service.change_of_tenancy, device, asked.day)
        return await changed(cache, device, asked.day, change)

    return router


async def _flushing(
    cache: ControlledCache, device: EUI, change: Callable[[], Awaitable[None]]
) -> tuple[int | None, str | None]:
    """Make a change; return how many entries it dropped, or why they are still to be dropped.

    The registry is changed at once, and what was received before is served no more, whatever the
    store does. Raises `ValueError` where it cannot be made.
    """
    flushed, waiting = None, ""
    try:
        found = cache.store.entries(device)
        flushed = len(await within(PATIENCE, first_of(found, _MOST_COUNTED)))
    except StoreError as error:
        waiting = str(error)
    try:
        await within(PATIENCE, change())
    except StoreError as error:
        waiting = str(error)
    if any(flush.device == device for flush in cache.policy.unflushed()):
        return None, waiting or "the store could not be used"
    return flushed, None


def _forgotten(cache: ControlledCache) -> str | None:
    """Return why the last change is forgotten when the cache ends, and log it; None: it is not."""
    reason = cache.policy.registry.forgotten
    if reason:
        _log.warning("a change of the registry is forgotten when the cache ends: %s", reason)
    return reason or None


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
