"""The workload of a scenario: which party asks which meter for what, and when.

Pure and seeded: the same scenario gives the same octets at the same times.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import sqrt
from random import Random

from esme_emulator.cache.entry import Key
from esme_emulator.estate.parties import RemoteParty
from esme_emulator.scenario.scenario import Arrivals, Mix, Process, Scenario
from gbcs import EUI, Command
from gbcs.instants import DAY, EPOCH_UNIX, HALF_HOUR
from gbcs.usecases.profile_read import Window

MAX_REQUESTS = 1_000_000
"""So many requests fit into the memory of a common machine, with their replies."""
MAX_RATE = 1_000_000
"""Requests a second: Unix time in seconds, as the clock has it, tells no more moments apart."""

_HOUR = 2 * HALF_HOUR


class WorkloadError(ValueError):
    """A workload that a scenario asks for and that cannot be made; the text is one line."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: when it is made, its octets, and the read they ask for."""

    time: float
    """Unix time in seconds."""
    party: str
    command: Command
    octets: bytes
    key: Key


@dataclass(frozen=True, slots=True)
class _Planned:
    seconds: float
    kind: Mix
    device: EUI
    first: float
    """When this was asked for the first time; that decides the window."""


def make_workload(
    scenario: Scenario,
    meters: Sequence[EUI],
    parties: Mapping[str, RemoteParty],
) -> list[Ask]:
    """Return the requests of `scenario` in the order of their times; `parties` are by name.

    Raises `WorkloadError`, and `AuthenticationError` where a party has no keys.
    """
    most = most_requests(scenario)
    if most > MAX_REQUESTS:
        raise WorkloadError(f"these are up to {most:,} requests; at most {MAX_REQUESTS:,} are made")
    planned = sorted(_planned(scenario, meters), key=lambda item: item.seconds)
    asks = []
    for item in planned:
        party = parties.get(item.kind.party)
        if party is None:
            raise WorkloadError(f"there is no party {item.kind.party}; known: {', '.join(parties)}")
        at = scenario.start + item.seconds
        window = window_of(item.kind, scenario.start + int(item.first))
        command, octets = party.command(item.device, item.kind.srv, window)
        key = Key(item.device, item.kind.srv, window.start, window.end)
        asks.append(Ask(at + EPOCH_UNIX, item.kind.party, command, octets, key))
    return asks


def most_requests(scenario: Scenario) -> int:
    """Return how many requests a scenario makes at most, those that are asked again included."""
    if scenario.arrivals.process is Process.TRACE:
        return len(scenario.trace)
    again = max(kind.repeats for kind in scenario.mix)
    return scenario.arrivals.requests * (1 + again)


def _planned(scenario: Scenario, meters: Sequence[EUI]) -> Iterator[_Planned]:
    random = Random(scenario.seed)  # noqa: S311  # an order, not a secret
    weights = list(accumulate(kind.share for kind in scenario.mix))
    if scenario.arrivals.process is Process.TRACE:
        yield from _traced(scenario, meters, weights, random)
        return
    for seconds in _times(scenario.arrivals, random):
        [kind] = random.choices(scenario.mix, cum_weights=weights)
        device = meters[random.randrange(len(meters))]
        for again in range(kind.repeats + 1):
            yield _Planned(seconds + again * kind.again, kind, device, seconds)


def _times(arrivals: Arrivals, random: Random) -> Iterator[float]:
    number, seconds = arrivals.requests, arrivals.seconds
    match arrivals.process:
        case Process.CONSTANT:
            yield from (place * seconds / number for place in range(number))
        case Process.RAMP:
            yield from (seconds * sqrt((place + 0.5) / number) for place in range(number))
        case _:  # so many arrivals of a Poisson process are independent and uniform
            yield from sorted(random.random() * seconds for _ in range(number))


def _traced(
    scenario: Scenario, meters: Sequence[EUI], weights: Sequence[float], random: Random
) -> Iterator[_Planned]:
    """Yield the requests of a trace, with what it leaves out drawn; they are not asked again."""
    for line in scenario.trace:
        [drawn], meter = random.choices(scenario.mix, cum_weights=weights), line.meter
        kind = drawn if line.kind is None else scenario.mix[line.kind]
        place = random.randrange(len(meters))
        if meter is not None and meter >= len(meters):
            raise WorkloadError(
                f"{scenario.arrivals.trace} asks meter {meter}, and there are 0 to "
                f"{len(meters) - 1}: give more meters"
            )
        device = meters[place if meter is None else meter]
        yield _Planned(line.seconds, kind, device, line.seconds)


def window_of(kind: Mix, now: int) -> Window:
    """Return the window that a request of `kind` asks for at `now`, seconds since 2000."""
    period = DAY if kind.ends == "midnight" else _HOUR if kind.ends == "hour" else HALF_HOUR
    end = now // period * period + (HALF_HOUR if kind.ends == "now" else 0)
    return Window(end - int(kind.days * DAY), end)
