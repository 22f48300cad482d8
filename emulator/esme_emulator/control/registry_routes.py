"""Endpoints of the cache's registry: who may read what, and changes of that.

Each process has its own registry, so each has to be told. A change that cannot be kept for the next
process is reported in the answer and logged.
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
from esme_emulator.control.models import (
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
from esme_emulator.control.routing import STORE_TIMEOUT, eui_of, first_of, within
from esme_emulator.monitor.parts import RunningCache, RunningParts, cache_of
from esme_emulator.runtime.clock import Clock
from gbcs import EUI

MAX_CHANGES = 10_000
"""Maximum number of changes of one process, because each is kept in memory."""

_MOST_COUNTED = 10_000
"""Maximum number of entries of a device that are counted before they are dropped."""

_log = logging.getLogger(__name__)


def registry_routes(parts: RunningParts) -> APIRouter:
    """Return the endpoints; they answer 404 if no cache runs in this process."""
    router = APIRouter(tags=["registry"], prefix="/cache/registry")
    made = 0

    def changeable() -> RunningCache:
        cache = cache_of(parts)
        if made >= MAX_CHANGES:
            reason = f"the registry was already changed {MAX_CHANGES} times"
            raise HTTPException(409, f"{reason}: restart the cache to change it further")
        return cache

    def party(cache: RunningCache, text: str, name: str) -> EUI:
        eui = eui_of(text, name)
        if not cache.policy.registry.knows(eui):
            raise HTTPException(
                422, f"{name}: {eui} is not in the registry; GET /cache/registry lists its parties"
            )
        return eui

    def of_device(cache: RunningCache, device: EUI) -> list[RegistrationState]:
        found = cache.policy.registry.registrations(device)
        return [_state(one, parts.clock) for one in found]

    def outcome(cache: RunningCache) -> _Outcome:
        """Count the change that was just made, and return its outcome."""
        nonlocal made
        made += 1
        registry = cache.policy.registry
        if registry.forgotten:
            _log.warning("a registry change is lost when the cache ends: %s", registry.forgotten)
        return _Outcome(registry.repeated, registry.forgotten or None)

    async def changed(
        cache: RunningCache, device: EUI, day: date, change: Callable[[], Awaitable[None]]
    ) -> Changed:
        """Make a change, and return what it dropped."""
        counted, waiting = await _counted(cache, device)
        try:
            flushing = change()
        except ValueError as error:
            raise HTTPException(409, str(error)) from None
        made_change = outcome(cache)
        flushed, why = await _flushed(cache, device, flushing, counted, waiting)
        return Changed(
            device=str(device),
            day=day,
            flushed=flushed,
            waiting=why,
            repeated=made_change.repeated,
            forgotten=made_change.forgotten,
            registrations=of_device(cache, device),
        )

    @router.get("")
    async def get_registry(wanted: Annotated[RegistryQuery, Query()]) -> RegistryState:
        """List the parties and, for a given device, its registrations."""
        cache = cache_of(parts)
        known = cache.policy.registry.parties()
        registrations = None
        if wanted.device is not None:
            registrations = of_device(cache, eui_of(wanted.device, "device"))
        limit = wanted.limit
        names = {one.eui: one.name for one in cache.policy.registry.party_list.parties}
        return RegistryState(
            parties=[
                PartyState(party=str(eui), name=names.get(eui), roles=sorted(known[eui]))
                for eui in islice(known, limit)
            ],
            registrations=None if registrations is None else registrations[:limit],
            left_off=max(len(known), len(registrations or ())) > limit,
        )

    @router.post("/registrations", status_code=201)
    async def add_registration(wanted: NewRegistration) -> Registered:
        """Add a registration. It drops no entries."""
        cache = changeable()
        eui = party(cache, wanted.party, "party")
        roles = None if wanted.roles is None else frozenset(wanted.roles)
        registration = Registration(eui, _devices(wanted.devices), wanted.start, wanted.end, roles)
        for mistake in registration.contradictions(cache.policy.registry.parties()):
            raise HTTPException(422, mistake)
        try:
            cache.service.register(registration)
        except ValueError as error:
            raise HTTPException(409, str(error)) from None
        made_change = outcome(cache)
        state = _state(registration, parts.clock).model_dump()
        return Registered(**state, repeated=made_change.repeated, forgotten=made_change.forgotten)

    @router.post("/change-of-supplier")
    async def change_supplier(wanted: SupplierChange) -> Changed:
        """Register another supplier from a day on, and drop the device's readings."""
        cache = changeable()
        device = eui_of(wanted.device, "device")
        old, new = party(cache, wanted.old, "old"), party(cache, wanted.new, "new")
        service, day = cache.service, wanted.day
        change = partial(service.change_of_supplier, device, old, new, day)
        return await changed(cache, device, day, change)

    @router.post("/change-of-tenancy")
    async def change_tenancy(wanted: TenancyChange) -> Changed:
        """End other users' registrations from a day on, and drop the device's readings."""
        cache = changeable()
        device = eui_of(wanted.device, "device")
        change = partial(cache.service.change_of_tenancy, device, wanted.day)
        return await changed(cache, device, wanted.day, change)

    return router


class _Outcome(NamedTuple):
    """The outcome of a change."""

    repeated: bool
    forgotten: str | None


async def _counted(cache: RunningCache, device: EUI) -> tuple[int | None, str]:
    """Return the number of entries of a device, or None and why it is unknown."""
    found = cache.store.entries(device)
    try:
        return len(await within(STORE_TIMEOUT, first_of(found, _MOST_COUNTED))), ""
    except StoreError as error:
        return None, str(error)


async def _flushed(
    cache: RunningCache,
    device: EUI,
    flushing: Awaitable[None],
    counted: int | None,
    waiting: str,
) -> tuple[int | None, str | None]:
    """Return the number of dropped entries, or None and why they could not be dropped yet.

    The registry has changed already, so older readings are not served, whatever the store does.
    """
    try:
        await within(STORE_TIMEOUT, flushing)
    except StoreError as error:
        waiting = str(error)
    if any(flush.device == device for flush in cache.policy.pending_flushes()):
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
