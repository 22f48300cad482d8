"""The workload of a scenario: its requests, each with a time, a party, a meter and a window.

The changes of supplier and tenancy during it are here too. Pure and seeded: the same scenario gives
the same octets and changes at the same times.

Requests arrive at random or regular times, or at those of a trace in CSV, one request per line. A
scenario has a fixed number of requests; a load has a rate, and takes its times one by one.
"""

import csv
import logging
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from heapq import heappop, heappush, merge
from itertools import accumulate, count, groupby, islice
from math import floor, inf, sqrt
from operator import itemgetter
from random import Random
from typing import Any, NamedTuple

from esme_emulator.cache.entry import Key
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.estate.estate import Estate
from esme_emulator.estate.parties import party_called
from esme_emulator.messaging.recording import RecordingError, is_recording, read_recording
from esme_emulator.messaging.topics import CACHED
from esme_emulator.profiles.curve_file import SEMICOLONS, has_semicolons
from esme_emulator.runtime.draws import draw_unit
from esme_emulator.scenario.scenario import Mix, Process, Scenario, TraceLine, window_of
from esme_emulator.scenario.supply import Supply, estate_of
from gbcs import EUI, Command, DecodeError, decode
from gbcs.instants import EPOCH_UNIX, parse_iso, to_datetime
from gbcs.tables.reading_services import BY_CODE
from gbcs.usecases.profile_read import Window
from gbcs.usecases.read_request import read_requests_of

_log = logging.getLogger(__name__)

_CHUNK = 1_000_000
"""Times that are sorted at once."""


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
        # Given their number, the arrivals of a Poisson process are independent and uniform. Arrays
        # take a quarter of the memory of lists.
        drawn = (random.random() * seconds for _ in range(requests))
        sizes = (min(_CHUNK, requests - done) for done in range(0, requests, _CHUNK))
        yield from merge(*[array("d", sorted(islice(drawn, size))) for size in sizes])
    else:
        yield from islice(arrival_times(process, requests, seconds, random), requests)


def whole_seconds(trace: Sequence[TraceLine]) -> float:
    """Return the length of a trace in seconds, up to the end of the second of its last request."""
    return floor(max((line.seconds for line in trace), default=0.0)) + 1.0


class TraceError(ValueError):
    """A trace that is not valid; the text is one line that names file, line and reason."""


def read_trace(
    name: str, text: str, mix: Sequence[Mix], estate: Estate, last: float = inf
) -> tuple[TraceLine, ...]:
    """Return the requests of the trace `text`, in CSV or a recording of `esme record`.

    Raises `TraceError`; see `parse_trace` and `recorded_trace`.
    """
    if is_recording(text):
        return recorded_trace(name, text, mix, estate, last)
    return parse_trace(name, text, mix, len(estate.meters), last)


def recorded_trace(
    name: str, text: str, mix: Sequence[Mix], estate: Estate, last: float = inf
) -> tuple[TraceLine, ...]:
    """Return the requests of a recording that are of the mix, each with its own window.

    Requests through the cache are preferred; without any, commands that meters received are taken.
    Requests of other parties, SRVs or meters are left out, with a line in the log. Raises
    `TraceError`.
    """
    try:
        commands = [each for each in read_recording(name, text.splitlines()) if each.is_command]
    except RecordingError as error:
        raise TraceError(str(error)) from None
    made = [each for each in commands if each.prefix == CACHED] or commands
    kinds = {(kind.party, kind.srv): place for place, kind in enumerate(mix)}
    lines = []
    for each in made:
        line = _recorded_line(each.octets, each.at - made[0].at, kinds, estate)
        if line is not None and line.seconds > last:
            raise TraceError(f"{name}: it has requests after {last:g} seconds: give more seconds")
        if line is not None:
            lines.append(line)
    if not lines:
        known = ", ".join(f"{party} {srv}" for party, srv in kinds)
        raise TraceError(f"{name}: there is no request of the mix in it, which has {known}")
    if len(lines) < len(made):
        _log.warning(
            "%s: %d of %d requests are not of the mix or of these meters, and are left out",
            *(name, len(made) - len(lines), len(made)),
        )
    return tuple(lines)


def _recorded_line(
    octets: bytes, seconds: float, kinds: Mapping[tuple[str, str], int], estate: Estate
) -> TraceLine | None:
    """Return the line of a recorded command, None unless it is of `kinds` and `estate`."""
    try:
        command = decode(octets)
    except DecodeError:
        return None
    service, requests = BY_CODE.get(command.message_code), read_requests_of(command)
    if service is None or requests is None or command.device not in estate.meters:
        return None
    kind = kinds.get((estate.name_of(command.remote_party), service.srv))
    window = requests[0].attributes[0].window
    if kind is None or window is None:
        return None
    return TraceLine(max(seconds, 0.0), estate.meters.index(command.device), kind, window)


def parse_trace(
    name: str, text: str, mix: Sequence[Mix], meters: int, last: float = inf
) -> tuple[TraceLine, ...]:
    """Return the requests of the trace `text`; `name` appears in error messages.

    A line has the seconds after the start, up to `last`. It may go on with the number of the meter,
    the party and the SRV; without them, they are drawn later. Start and end of the window may
    follow, in ISO 8601; without them, the mix decides. Empty lines and lines that begin with
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
    if has_semicolons(row):
        raise ValueError(SEMICOLONS)
    if len(row) not in (1, 4, 6):
        raise ValueError(
            "give seconds, or seconds, number of the meter, party, SRV; "
            "a window of its own follows as start, end"
        )
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
    return TraceLine(seconds, int(row[1]), kind, _window(*row[4:]) if row[4:] else None)


def _window(start: str, end: str) -> Window:
    """Return the window between two instants in ISO 8601. Raises `ValueError`."""
    window = Window(parse_iso(start), parse_iso(end))
    if window.end < window.start:
        raise ValueError(f"the window ends, at {end}, before it starts")
    return window


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One meter changes supplier or tenancy at `time`, Unix time in seconds."""

    time: float
    kind: str
    """`supplier` or `tenancy`."""
    device: EUI
    day: date
    """First day of the new supplier or tenant: the day of `time`."""
    old: EUI
    new: EUI


def planned_changes(
    scenario: Scenario, supply: Supply, meters: Sequence[EUI]
) -> list[PlannedChange]:
    """Return all changes of `scenario` in the order of their times."""
    found = _changes(scenario, supply, meters)
    return sorted(found, key=lambda change: (change.time, change.device))


def _changes(scenario: Scenario, supply: Supply, meters: Sequence[EUI]) -> Iterator[PlannedChange]:
    known = scenario.known_parties
    held: dict[EUI, EUI] = {}
    """Suppliers of the meters that a change gave them."""
    for place, change in sorted(enumerate(scenario.changes), key=lambda item: item[1].at):
        at = scenario.start + change.at
        day = to_datetime(int(at)).date()
        old, new = party_called(known, change.old).eui, party_called(known, change.new).eui
        for device in meters:
            subject = f"{place} {device}".encode()
            if draw_unit(scenario.seed, "change", subject) >= change.fraction:
                continue
            if change.kind == "supplier":
                holds = held[device] == old if device in held else supply.roles_for(old, device)
                if not holds:
                    continue
                held[device] = new
            yield PlannedChange(at + EPOCH_UNIX, change.kind, device, day, old, new)


class Upstream:
    """The registry of the systems that refuse a request before it reaches a cache or a meter."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def refusal(self, planned: "PlannedRequest", now: float) -> str:
        """Return why a request is refused at `now`, Unix time in seconds; empty if it is not."""
        party, key = planned.command.remote_party, planned.key
        window = Window(key.start, key.end)
        return self.registry.check(party, key.device, key.srv, window, now) or ""

    def apply(self, change: PlannedChange) -> None:
        """Apply a change at its time."""
        apply_change(change, self.registry)


def apply_change(change: PlannedChange, holder: Any, *more: Any) -> Any:
    """Return what the method of `holder` for such a change returns.

    `holder` is a registry, or a cache, whose methods may take arguments `more`.
    """
    if change.kind == "supplier":
        about = change.device, change.old, change.new, change.day
        return holder.change_of_supplier(*about, *more)
    return holder.change_of_tenancy(change.device, change.day, *more)


MAX_RATE = 1_000_000
"""Requests a second. Unix time as a float has no finer resolution."""


class WorkloadError(ValueError):
    """A scenario whose requests cannot be made; the text is one line."""


class Arrival(NamedTuple):
    """One request, as numbers only: many of them fit into a file."""

    number: int
    """From 1, in the order of times, then of EUIs."""
    seconds: float
    """Time, in seconds after the start."""
    kind: int
    """Index into the mix."""
    meter: int
    """Index into the meters."""
    first: float
    """Time of the first of the repeats, in seconds after the start; it decides the window."""
    counter: int
    """Originator counter of its party, from 1."""
    start: int = -1
    """Start of a window of its own, in seconds since 2000; -1 if the mix decides."""
    end: int = -1
    """End of that window."""


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One request: its time, its octets, and the reading that it asks for."""

    number: int
    time: float
    """Unix time in seconds."""
    party: str
    command: Command
    octets: bytes
    key: Key


class Planner:
    """Makes the commands of `scenario`, with the keys of `estate`."""

    def __init__(self, scenario: Scenario, estate: Estate) -> None:
        self._scenario = scenario
        self._meters = estate.meters
        parties = estate.parties(counter=1)
        self.recipients = {party.recipient for party in parties}
        """The recipients of all replies."""
        self._parties = {estate.name_of(party.eui): party for party in parties}

    def request(self, arrival: Arrival) -> PlannedRequest:
        """Return a request with its command.

        Raises `WorkloadError`, and `AuthenticationError` if a party has no keys.
        """
        start, kind = self._scenario.start, self._scenario.mix[arrival.kind]
        party = self._parties.get(kind.party)
        if party is None:
            known = ", ".join(self._parties)
            raise WorkloadError(f"there is no party {kind.party}; known: {known}")
        device = self._meters[arrival.meter]
        window = Window(arrival.start, arrival.end)
        if arrival.end < 0:
            window = window_of(kind, start + int(arrival.first))
        party.counter = arrival.counter
        command, octets = party.command(device, kind.srv, window)
        key = Key(device, kind.srv, window.start, window.end)
        time = start + arrival.seconds + EPOCH_UNIX
        return PlannedRequest(arrival.number, time, kind.party, command, octets, key)


def arrivals_of(scenario: Scenario) -> Iterator[Arrival]:
    """Yield the requests of `scenario` in the order of their times, then of their EUIs.

    A party numbers its commands in the order in which they were drawn. Takes memory for the times
    of requests (8 octets each) and for the repeats that are still to come. Raises `WorkloadError`.
    """
    counters: Counter[str] = Counter()
    number = 0
    for seconds, drawn in groupby(_drawn(scenario), key=itemgetter(0)):
        counted = []
        for _, _, kind, meter, first, start, end in drawn:
            party = scenario.mix[kind].party
            counters[party] += 1
            counted.append((meter, kind, first, counters[party], start, end))
        for meter, kind, first, counter, start, end in sorted(counted, key=itemgetter(0)):
            number += 1
            yield Arrival(number, seconds, kind, meter, first, counter, start, end)


def most_requests(scenario: Scenario) -> int:
    """Return an upper bound of the number of requests, repeats included."""
    if scenario.arrivals.process is Process.TRACE:
        return len(scenario.trace)
    repeats = max(kind.repeats for kind in scenario.mix)
    return scenario.arrivals.requests * (1 + repeats)


_Drawn = tuple[float, int, int, int, float, int, int]
"""Seconds, number of the draw, kind, meter, seconds of the first of the repeats, start, end."""
_BY_MIX = -1, -1
"""Start and end of a window that the mix decides."""


def _drawn(scenario: Scenario) -> Iterator[_Drawn]:
    """Yield the requests in the order of their times; those of one time as they were drawn."""
    random = Random(scenario.seed)  # noqa: S311  # an order, not a secret
    arrivals, mix, meters = scenario.arrivals, scenario.mix, scenario.fleet.meters
    weights = list(accumulate(kind.share for kind in mix))
    if arrivals.process is Process.TRACE:
        yield from sorted(_traced(scenario, weights, random))
        return
    kinds, order = range(len(mix)), count()
    asked = _meters_by_kind(scenario)
    waiting: list[_Drawn] = []
    for first in fixed_arrival_times(arrivals.process, arrivals.requests, arrivals.seconds, random):
        [kind] = random.choices(kinds, cum_weights=weights)
        meter = _drawn_meter(random, meters, asked[kind])
        for repeat in range(mix[kind].repeats + 1):
            seconds = first + repeat * mix[kind].again
            heappush(waiting, (seconds, next(order), kind, meter, first, *_BY_MIX))
        while waiting and waiting[0][0] <= first:
            yield heappop(waiting)
    while waiting:
        yield heappop(waiting)


def _traced(scenario: Scenario, weights: Sequence[float], random: Random) -> Iterator[_Drawn]:
    """Yield the requests of a trace, without repeats; draw meters and kinds that it omits."""
    kinds, meters = range(len(scenario.mix)), scenario.fleet.meters
    asked = _meters_by_kind(scenario)
    for order, line in enumerate(scenario.trace):
        # Both are drawn for each line, so that naming one meter changes no other line.
        [kind] = random.choices(kinds, cum_weights=weights)
        kind = kind if line.kind is None else line.kind
        meter = _drawn_meter(random, meters, asked[kind])
        if line.meter is not None and line.meter >= meters:
            raise WorkloadError(
                f"{scenario.arrivals.trace} asks meter {line.meter}, and there are 0 to "
                f"{meters - 1}: give more meters"
            )
        meter = meter if line.meter is None else line.meter
        window = _BY_MIX if line.window is None else (line.window.start, line.window.end)
        yield (line.seconds, order, kind, meter, line.seconds, *window)


def _meters_by_kind(scenario: Scenario) -> list[Sequence[int] | None]:
    """Return the places of the meters that the party of each kind asks, None for all."""
    if not scenario.shares:
        return [None] * len(scenario.mix)
    estate = estate_of(scenario)
    supply = Supply(scenario, estate)
    known = scenario.known_parties
    return [supply.meters_of(party_called(known, kind.party)) for kind in scenario.mix]


def _drawn_meter(random: Random, meters: int, asked: Sequence[int] | None) -> int:
    return random.randrange(meters) if asked is None else asked[random.randrange(len(asked))]
