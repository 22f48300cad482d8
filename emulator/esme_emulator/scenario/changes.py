"""Changes of supplier and tenancy during a scenario: the meters, the times, and who applies them.

The meters are drawn from the scenario's seed, so they are the same in every run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from esme_emulator.cache.registry.registration import Registration
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.estate.parties import NEW_SUPPLIER, PARTIES, SUPPLIER
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.draws import draw_unit
from esme_emulator.scenario.scenario import Scenario
from gbcs import EUI
from gbcs.instants import DAY, EPOCH_UNIX

_EPOCH = date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One meter changes supplier or tenancy at `time`, Unix time in seconds."""

    time: float
    kind: str
    """`supplier` or `tenancy`."""
    device: EUI
    day: date
    """First day of the new supplier or tenant: the day of `time`."""
    old: EUI = SUPPLIER
    new: EUI = NEW_SUPPLIER


def planned_changes(scenario: Scenario, meters: Sequence[EUI]) -> list[PlannedChange]:
    """Return all changes of `scenario` in the order of their times."""
    return sorted(_changes(scenario, meters), key=lambda change: (change.time, change.device))


def _changes(scenario: Scenario, meters: Sequence[EUI]) -> Iterator[PlannedChange]:
    for place, change in enumerate(scenario.changes):
        at = scenario.start + change.at
        day = _EPOCH + timedelta(days=int(at) // DAY)
        for device in meters:
            subject = f"{place} {device}".encode()
            if draw_unit(scenario.seed, "change", subject) < change.fraction:
                yield PlannedChange(at + EPOCH_UNIX, change.kind, device, day)


def initial_registry() -> Registry:
    """Return the registry before any change: the new supplier supplies no meter yet."""
    parties = [(eui, [role]) for eui, role, _ in PARTIES]
    registrations = [Registration(eui) for eui, _, _ in PARTIES if eui != NEW_SUPPLIER]
    return Registry(parties, registrations)


class RegistryHolder(Protocol):
    """A holder of a registry that changes apply to: `Upstream`, or a cache."""

    async def change_of_supplier(self, device: EUI, old: EUI, new: EUI, day: date) -> None:
        """Register `new` instead of `old` for `device` from `day` on."""

    async def change_of_tenancy(self, device: EUI, day: date) -> None:
        """Start a new tenancy at `device` on `day`."""


class Upstream:
    """The registry of the systems that refuse a request before it reaches a cache or a meter."""

    def __init__(self) -> None:
        self.registry = initial_registry()

    async def change_of_supplier(self, device: EUI, old: EUI, new: EUI, day: date) -> None:
        """Register `new` instead of `old` for `device` from `day` on."""
        self.registry.change_of_supplier(device, old, new, day)

    async def change_of_tenancy(self, device: EUI, day: date) -> None:
        """Start a new tenancy at `device` on `day`."""
        self.registry.change_of_tenancy(device, day)


async def apply_changes(
    changes: Sequence[PlannedChange], holder: RegistryHolder, clock: Clock
) -> None:
    """Apply each change to the registry of `holder` at its time."""
    for change in changes:
        await clock.sleep(change.time - clock.now())
        if change.kind == "supplier":
            await holder.change_of_supplier(change.device, change.old, change.new, change.day)
        else:
            await holder.change_of_tenancy(change.device, change.day)
