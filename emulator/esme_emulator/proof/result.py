"""The result of a proof: its numbers, its verdict, and its JSON.

Pure. Latencies are milliseconds of the scenario's time, in which the machine itself takes none.
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, is_dataclass
from operator import eq, ge, le
from typing import Any, get_type_hints

from esme_emulator.scenario.scenario import Comparison, Threshold

FORMAT = 3
"""Of the JSON, raised when a reader of an earlier one would misunderstand it."""

INTERRUPTED = "interrupted"
"""Why a proof ended that somebody ended."""

_PARTS = (0.50, 0.99, 0.999, 1.0)
_MEETS = {Comparison.AT_LEAST: ge, Comparison.AT_MOST: le, Comparison.EQUAL: eq}


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Latency in milliseconds: what so many in a hundred stay within, and the longest.

    None where none were.
    """

    p50: float | None
    p99: float | None
    p99_9: float | None
    max: float | None

    @classmethod
    def of(cls, seconds: Iterable[float]) -> "Percentiles":
        """Return the percentiles, by nearest rank, of latencies in seconds."""
        ordered = sorted(seconds)
        if not ordered:
            return cls(None, None, None, None)
        return cls(*[round(_nearest_rank(ordered, part) * 1000, 3) for part in _PARTS])


def _nearest_rank(ordered: list[float], part: float) -> float:
    return ordered[math.ceil(part * len(ordered)) - 1]


@dataclass(frozen=True, slots=True)
class Latencies:
    """Latency of direct reads, of cache hits, and of reads for which the cache asked a meter.

    Of each request that was answered once, from when it was first sent; a miss is one that was then
    forwarded, or collapsed into another that was.
    """

    direct: Percentiles
    hit: Percentiles
    miss: Percentiles
    unit: str = "ms"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Latencies by class: how many are at most the bound of their place, above the one before."""

    bounds: tuple[float, ...]
    direct: tuple[int, ...]
    hit: tuple[int, ...]
    miss: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the requests of one SRV, one party or one meter; `name` says which."""

    name: str
    requests: int = 0
    hits: int = 0
    collapsed: int = 0
    forwarded: int = 0
    refused: int = 0
    failed: int = 0
    device_hits_direct: int = 0
    device_hits_cached: int = 0


@dataclass(frozen=True, slots=True)
class Interval:
    """Device hits within one interval of the scenario's time."""

    start: str
    """ISO 8601, UTC."""
    direct: int
    cached: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run asked of meters and their network."""

    device_hits: int
    octets: int
    radio_seconds: float
    busy_seconds: float | None
    """None where meters take no time, since the scenario has no latency for them."""
    sms: int
    pounds: float


@dataclass(frozen=True, slots=True)
class Assumption:
    """A figure that costs follow from and that was not measured here."""

    key: str
    """Of the scenario, which may replace it."""
    value: float | str
    basis: str
    """Who says so."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One threshold, the figure it was held against, and whether that meets it."""

    comparison: str
    limit: float
    value: float | None
    met: bool | None
    """None where the proof did not run to its end, and so did not measure it."""


@dataclass(frozen=True, slots=True)
class ProofResult:
    """What a proof counted. Requests and decisions are those of the run through the cache."""

    scenario: str
    title: str
    seed: str
    start: str
    """Of the scenario's time, ISO 8601, UTC."""
    complete: bool
    """Whether it ran to its end. Where it did not, the two runs made other requests, so nothing is
    compared that needs both."""
    ended: str
    """Why it ended, in words: `complete`, `interrupted`, or what went wrong."""
    planned: int
    """Requests of the scenario, however often each is sent."""
    made_direct: int
    """Of those, the ones that were over when the proof ended."""
    made_cached: int
    versions: dict[str, str]
    meters: int
    distinct_reads: int
    """Different (device, SRV, window) among the requests."""
    requests: int
    device_hits_direct: int
    device_hits_cached: int
    hits: int
    collapsed: int
    forwarded: int
    refused: int
    failed: int
    retries: int
    """Commands that the cache sent to a meter once more."""
    shadow: int
    """Commands that the cache sent to audit a hit."""
    shadow_compared: int
    """Hits whose audit got a reply."""
    shadow_different: int
    """Hits whose audit found other readings than were served, or none that can be read."""
    shadow_difference_ratio: float | None
    """The part of the compared ones that is different, 0 to 1; None where none was compared."""
    unanswered: int
    """Requests of both runs to which no reply came that its party could take."""
    ledger_difference: int | None
    """Of both runs: commands or decisions that one ledger has and the other has not, and answers
    that were given and did not come to their party. None where requests were still under way."""
    ledger_lines: tuple[str, ...]
    """What does not add up, the first request that does not named first."""
    replies_compared: int
    replies_different: int
    """Replies, of both runs, with other readings than the meter's, with other octets, or to whom
    is not entitled to them."""
    latency: Latencies
    distribution: Distribution
    by_srv: tuple[Account, ...]
    by_party: tuple[Account, ...]
    busiest: tuple[Account, ...]
    """The meters asked most, at most 20."""
    over_time: tuple[Interval, ...]
    spent_direct: Spent
    spent_cached: Spent
    assumptions: tuple[Assumption, ...]
    """What radio seconds, busy seconds, SMS and pounds of the two follow from."""
    faults_fired: dict[str, int]
    """By rule, of both runs."""
    required: tuple[Threshold, ...]
    scenario_text: str = field(repr=False)
    """The scenario's file, which with the seed and the files that it names reproduces the proof."""
    scenario_files: dict[str, str] = field(repr=False)
    """SHA-256 of these, by their paths from the scenario's file."""
    avoided_ratio: float | None = field(init=False)
    """The part of the device hits that the cache avoided, 0 to 1; None where not measured."""
    thresholds: dict[str, Verdict] = field(init=False)
    passed: bool = field(init=False)

    def __post_init__(self) -> None:
        direct, ratio = self.device_hits_direct, None
        if self.complete and direct and self.requests:
            ratio = round(1 - self.device_hits_cached / direct, 6)
        object.__setattr__(self, "avoided_ratio", ratio)
        verdicts = {item.figure: self._verdict(item) for item in self.required}
        object.__setattr__(self, "thresholds", verdicts)
        met = all(verdict.met for verdict in verdicts.values())
        measured = self.replies_compared > 0 and bool(verdicts)
        object.__setattr__(self, "passed", met and measured and self.complete)

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended it, rather than that it could not go on."""
        return self.ended == INTERRUPTED

    def _verdict(self, threshold: Threshold) -> Verdict:
        comparison, limit = threshold.comparison, threshold.limit
        if not self.complete:
            return Verdict(comparison.value, limit, None, None)
        value = self.figure(threshold.figure)
        met = value is not None and bool(_MEETS[comparison](value, limit))
        return Verdict(comparison.value, limit, value, met)

    def figure(self, name: str) -> float | None:
        """Return a number by its name, dotted where it is within another: `latency.hit.p99`.

        None where it was not measured. Raises `KeyError` where there is no such figure.
        """
        found: Any = self
        for part in name.split("."):
            if not hasattr(found, part):
                raise KeyError(name)
            found = getattr(found, part)
        if found is not None and (isinstance(found, bool) or not isinstance(found, int | float)):
            raise KeyError(name)
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON has it."""
        form = asdict(self)
        del form["required"]
        return {"format": FORMAT, **form}

    def as_json(self) -> str:
        """Return the result as one line of JSON."""
        return json.dumps(self.as_dict())


def figure_names() -> frozenset[str]:
    """Return the names of the numbers in a result, which `ProofResult.figure` takes."""
    return frozenset(_numbers(ProofResult, ""))


def _numbers(kind: Any, prefix: str) -> Iterator[str]:
    for name, hint in get_type_hints(kind).items():
        if is_dataclass(hint):
            yield from _numbers(hint, f"{prefix}{name}.")
        elif hint in (int, float, int | None, float | None):
            yield prefix + name
