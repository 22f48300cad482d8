"""The workload of a scenario: its requests, each with a time, a party, a meter and a window.

The changes of supplier and tenancy during it are here too. Pure and seeded: the same scenario gives
the same octets and changes at the same times.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from random import Random
from typing import Protocol

from esme_emulator.cache.entry import Key
from esme_emulator.cache.registry.registration import Registration
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.estate.parties import NEW_SUPPLIER, PARTIES, SUPPLIER, RemoteParty
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.draws import draw_unit
from esme_emulator.scenario.arrivals import fixed_arrival_times
from esme_emulator.scenario.scenario import Mix, Process, Scenario
from gbcs import EUI, Command
from gbcs.instants import DAY, EPOCH_UNIX, HALF_HOUR
from gbcs.usecases.profile_read import Window

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


MAX_REQUESTS = 1_000_000
"""The memory of a common machine holds this many requests with their replies."""
MAX_RATE = 1_000_000
"""Requests a second. Unix time as a float has no finer resolution."""

_HOUR = 2 * HALF_HOUR


class WorkloadError(ValueError):
    """A scenario whose requests cannot be made; the text is one line."""


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One request: its time, its octets, and the reading that it asks for."""

    time: float
    """Unix time in seconds."""
    party: str
    command: Command
    octets: bytes
    key: Key


@dataclass(frozen=True, slots=True)
class _Arrival:
    seconds: float
    kind: Mix
    device: EUI
    first: float
    """Time of the first of the repeats, in seconds after the start; it decides the window."""


def make_workload(
    scenario: Scenario,
    meters: Sequence[EUI],
    parties: Mapping[str, RemoteParty],
) -> list[PlannedRequest]:
    """Return the requests of `scenario` in the order of their times; `parties` are by name.

    Raises `WorkloadError`, and `AuthenticationError` if a party has no keys.
    """
    most = most_requests(scenario)
    if most > MAX_REQUESTS:
        raise WorkloadError(
            f"the scenario makes up to {most:,} requests; at most {MAX_REQUESTS:,} fit"
        )
    requests = []
    for arrival in sorted(_arrivals(scenario, meters), key=lambda item: item.seconds):
        kind = arrival.kind
        party = parties.get(kind.party)
        if party is None:
            raise WorkloadError(f"there is no party {kind.party}; known: {', '.join(parties)}")
        time = scenario.start + arrival.seconds + EPOCH_UNIX
        window = window_of(kind, scenario.start + int(arrival.first))
        command, octets = party.command(arrival.device, kind.srv, window)
        key = Key(arrival.device, kind.srv, window.start, window.end)
        requests.append(PlannedRequest(time, kind.party, command, octets, key))
    return requests


def most_requests(scenario: Scenario) -> int:
    """Return an upper bound of the number of requests, repeats included."""
    if scenario.arrivals.process is Process.TRACE:
        return len(scenario.trace)
    repeats = max(kind.repeats for kind in scenario.mix)
    return scenario.arrivals.requests * (1 + repeats)


def _arrivals(scenario: Scenario, meters: Sequence[EUI]) -> Iterator[_Arrival]:
    random = Random(scenario.seed)  # noqa: S311  # an order, not a secret
    weights = list(accumulate(kind.share for kind in scenario.mix))
    arrivals = scenario.arrivals
    if arrivals.process is Process.TRACE:
        yield from _traced(scenario, meters, weights, random)
        return
    times = fixed_arrival_times(arrivals.process, arrivals.requests, arrivals.seconds, random)
    for seconds in times:
        [kind] = random.choices(scenario.mix, cum_weights=weights)
        device = meters[random.randrange(len(meters))]
        for repeat in range(kind.repeats + 1):
            yield _Arrival(seconds + repeat * kind.again, kind, device, seconds)


def _traced(
    scenario: Scenario, meters: Sequence[EUI], weights: Sequence[float], random: Random
) -> Iterator[_Arrival]:
    """Yield the requests of a trace, without repeats; draw meters and kinds that it omits."""
    for line in scenario.trace:
        # Both are drawn for each line, so that naming one meter changes no other line.
        [drawn], meter = random.choices(scenario.mix, cum_weights=weights), line.meter
        kind = drawn if line.kind is None else scenario.mix[line.kind]
        place = random.randrange(len(meters))
        if meter is not None and meter >= len(meters):
            raise WorkloadError(
                f"{scenario.arrivals.trace} asks meter {meter}, and there are 0 to "
                f"{len(meters) - 1}: give more meters"
            )
        device = meters[place if meter is None else meter]
        yield _Arrival(line.seconds, kind, device, line.seconds)


def window_of(kind: Mix, now: int) -> Window:
    """Return the window of a request of `kind` at `now`, in seconds since 2000."""
    period = DAY if kind.ends == "midnight" else _HOUR if kind.ends == "hour" else HALF_HOUR
    end = now // period * period + (HALF_HOUR if kind.ends == "now" else 0)
    return Window(end - int(kind.days * DAY), end)
