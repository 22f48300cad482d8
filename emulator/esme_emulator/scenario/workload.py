"""The workload of a scenario: its requests, each with a time, a party, a meter and a window.

The changes of supplier and tenancy during it are here too. Pure and seeded: the same scenario gives
the same octets and changes at the same times.

Requests arrive at random or regular times, or at those of a trace in CSV, one request per line. A
scenario has a fixed number of requests; a load has a rate, and takes its times one by one.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate, count, islice
from math import floor, inf, sqrt
from random import Random
from typing import Protocol

from esme_emulator.cache.entry import Key
from esme_emulator.cache.registry.registration import Registration
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.estate.parties import NEW_SUPPLIER, PARTIES, SUPPLIER, RemoteParty
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.draws import draw_unit
from esme_emulator.scenario.scenario import Mix, Process, Scenario, TraceLine
from gbcs import EUI, Command
from gbcs.instants import DAY, EPOCH_UNIX, HALF_HOUR
from gbcs.usecases.profile_read import Window


def arrival_times(
    process: Process, requests: float, seconds: float, random: Random
) -> Iterator[float]:
    """Yield arrival times without end, on average `requests` of them in `seconds`.

    A ramp has twice the mean rate at `seconds`, and goes on growing. The process is not a trace.
    """
    match process:
        case Process.CONSTANT:
            yield from (place * seconds / requests for place in count())
        case Process.RAMP:
            yield from (seconds * sqrt((place + 0.5) / requests) for place in count())
        case _:
            rate = requests / seconds
            yield from accumulate(random.expovariate(rate) for _ in count())


def fixed_arrival_times(
    process: Process, requests: int, seconds: float, random: Random
) -> Iterator[float]:
    """Yield exactly `requests` arrival times within `seconds`, in order."""
    if process is Process.POISSON:
        # Given their number, the arrivals of a Poisson process are independent and uniform.
        yield from sorted(random.random() * seconds for _ in range(requests))
    else:
        yield from islice(arrival_times(process, requests, seconds, random), requests)


def whole_seconds(trace: Sequence[TraceLine]) -> float:
    """Return the length of a trace in seconds, up to the end of the second of its last request."""
    return floor(max((line.seconds for line in trace), default=0.0)) + 1.0


class TraceError(ValueError):
    """A trace that is not valid; the text is one line that names file, line and reason."""


def parse_trace(
    name: str, text: str, mix: Sequence[Mix], meters: int, last: float = inf
) -> tuple[TraceLine, ...]:
    """Return the requests of the trace `text`; `name` appears in error messages.

    A line has the seconds after the start, up to `last`. It may go on with the number of the meter,
    the party and the SRV; without them, they are drawn later. Empty lines and lines that begin with
    # are ignored. Raises `TraceError`.
    """
    kinds = {(kind.party, kind.srv): place for place, kind in enumerate(mix)}
    lines = []
    rows = csv.reader(text.splitlines())
    try:
        for row in rows:
            if row and not row[0].startswith("#"):
                columns = [column.strip() for column in row]
                lines.append(_trace_line(columns, kinds, meters, last))
    except (ValueError, csv.Error) as error:
        raise TraceError(f"{name}, line {rows.line_num}: {error}") from None
    if not lines:
        raise TraceError(f"{name}: there is no request in it; write lines of seconds")
    return tuple(lines)


def _trace_line(
    row: list[str], kinds: dict[tuple[str, str], int], meters: int, last: float
) -> TraceLine:
    if len(row) not in (1, 4):
        raise ValueError("give seconds, or seconds, number of the meter, party, SRV")
    try:
        seconds = float(row[0])
    except ValueError:
        seconds = -1.0
    if not (0 <= seconds <= last and seconds < inf):
        wanted = "of 0 or more" if last == inf else f"from 0 to {last:g}"
        raise ValueError(f"{row[0]!r}: give seconds {wanted}")
    if len(row) == 1:
        return TraceLine(seconds)
    if not (row[1].isascii() and row[1].isdecimal() and int(row[1]) < meters):
        raise ValueError(f"{row[1]!r}: give the number of a meter, 0 to {meters - 1}")
    kind = kinds.get((row[2], row[3]))
    if kind is None:
        known = ", ".join(f"{party} {srv}" for party, srv in kinds)
        raise ValueError(f"the scenario's mix has no {row[2]} {row[3]}; it has {known}")
    return TraceLine(seconds, int(row[1]), kind)


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
