"""Changes of supplier and tenancy within a scenario: which meters, when, and what they alter.

The meters are drawn from the scenario's seed, the same every time.
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
class Event:
    """One meter changes supplier or tenancy at `time`, Unix time in seconds."""

    time: float
    kind: str
    """`supplier` or `tenancy`."""
    device: EUI
    day: date
    """From which on it holds: that of `time`."""
    old: EUI = SUPPLIER
    new: EUI = NEW_SUPPLIER


def events(scenario: Scenario, meters: Sequence[EUI]) -> list[Event]:
    """Return all changes of `scenario` in the order of their times."""
    return sorted(_events(scenario, meters), key=lambda event: (event.time, event.device))


def _events(scenario: Scenario, meters: Sequence[EUI]) -> Iterator[Event]:
    for place, change in enumerate(scenario.changes):
        at = scenario.start + change.at
        day = _EPOCH + timedelta(days=int(at) // DAY)
        for device in meters:
            subject = f"{place} {device}".encode()
            if draw_unit(scenario.seed, "change", subject) < change.fraction:
                yield Event(at + EPOCH_UNIX, change.kind, device, day)


def registry() -> Registry:
    """Return who is entitled before anything changes: the new supplier supplies no meter yet."""
    parties = [(eui, [role]) for eui, role, _ in PARTIES]
    registrations = [Registration(eui) for eui, _, _ in PARTIES if eui != NEW_SUPPLIER]
    return Registry(parties, registrations)


class Upstream:
    """The registry of those who refuse before anything reaches a cache or a meter."""

    def __init__(self) -> None:
        self.registry = registry()

    async def change_of_supplier(self, device: EUI, old: EUI, new: EUI, day: date) -> None:
        """Have `new` supply `device` from `day` on."""
        self.registry.change_of_supplier(device, old, new, day)

    async def change_of_tenancy(self, device: EUI, day: date) -> None:
        """Have another consumer at `device` from `day` on."""
        self.registry.change_of_tenancy(device, day)


class Entitling(Protocol):
    """Who is told of changes: upstream, or a cache."""

    async def change_of_supplier(self, device: EUI, old: EUI, new: EUI, day: date) -> None:
        """Have `new` supply `device` from `day` on."""

    async def change_of_tenancy(self, device: EUI, day: date) -> None:
        """Have another consumer at `device` from `day` on."""


async def follow(changes: Sequence[Event], entitling: Entitling, clock: Clock) -> None:
    """Tell `entitling` of each change at its time."""
    for event in changes:
        await clock.sleep(event.time - clock.now())
        if event.kind == "supplier":
            await entitling.change_of_supplier(event.device, event.old, event.new, event.day)
        else:
            await entitling.change_of_tenancy(event.device, event.day)
