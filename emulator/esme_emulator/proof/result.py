"""The result of a proof: its figures, its verdict, and its JSON.

Pure. Latencies are milliseconds of scenario time; computing takes none of it.

The assumptions behind the costs in a result, each with its basis.

Knows scenarios and WAN profiles; knows nothing of what a run counted.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from esme_emulator.fleet.wan import BY_PROFILE
from esme_emulator.profiles import wan_profile
from esme_emulator.runtime.reports import schema_of
from esme_emulator.scenario.scenario import Costs, Scenario, Threshold

FORMAT = 3
"""Version of the JSON, incremented if a reader of the previous one would misunderstand it."""

INTERRUPTED = "interrupted"
"""`ended` of a proof that a user interrupted."""

PERCENTILES = (0.50, 0.99, 0.999, 1.0)
"""The fractions that `Percentiles` are of."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles and maximum of latencies, in milliseconds; None if there are no latencies."""

    p50: float | None
    p99: float | None
    p99_9: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class Latencies:
    """Latencies of direct reads, of cache hits, and of misses.

    Each answered request counts once, from its first attempt to its reply. A miss is a request
    that the cache forwarded, or collapsed into a forwarded one.
    """

    direct: Percentiles
    hit: Percentiles
    miss: Percentiles
    unit: str = "ms"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Histogram of latencies: counts of those at most a bound, and above the previous bound."""

    bounds: tuple[float, ...]
    direct: tuple[int, ...]
    hit: tuple[int, ...]
    miss: tuple[int, ...]


AGE_PERCENTILES = (0.50, 0.95, 1.0)
"""The fractions that `Ages` are of."""


@dataclass(frozen=True, slots=True)
class Ages:
    """Staleness of hits: the time since the meter gave the readings, in seconds.

    `name` is an SRV, or `all`. The times are None if there is no hit.
    """

    name: str
    hits: int
    p50: int | None
    p95: int | None
    max: int | None


@dataclass(frozen=True, slots=True)
class Account:
    """Decisions on the requests of one SRV, party or meter, called `name`, and its device hits."""

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
    """Device hits within one interval of scenario time."""

    start: str
    """ISO 8601, UTC."""
    direct: int
    cached: int


@dataclass(frozen=True, slots=True)
class Spent:
    """Load of one run on meters and their network."""

    device_hits: int
    octets: int
    radio_seconds: float
    busy_seconds: float | None
    """None if the scenario gives its meters no latency."""
    sms: int
    pounds: float


@dataclass(frozen=True, slots=True)
class Assumption:
    """A figure that costs depend on and that the proof did not measure."""

    key: str
    """Key in a scenario that replaces the figure."""
    value: float | str
    basis: str
    """Source of the figure."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One threshold, the value of its figure, and whether the value meets it."""

    comparison: str
    limit: float
    value: float | None
    met: bool | None
    """None if the proof is incomplete and so did not measure the figure."""


@dataclass(frozen=True, slots=True)
class ProofResult:
    """The figures of a proof. Requests and decisions are those of the run through the cache."""

    scenario: str
    title: str
    seed: str
    start: str
    """Start in scenario time, ISO 8601, UTC."""
    complete: bool
    """Whether the proof ran to its end. If not, the runs made different requests, so figures that
    need both runs are None."""
    ended: str
    """Why the proof ended: `complete`, `interrupted`, or an error message."""
    planned: int
    """Requests of the scenario; several attempts count once."""
    made_direct: int
    """Requests of the direct run that were over when the proof ended."""
    made_cached: int
    """Requests of the run through the cache that were over when the proof ended."""
    versions: dict[str, str]
    meters: int
    retention_hours: float
    """How long the cache kept readings."""
    distinct_reads: int
    """Different (device, SRV, window) among the requests."""
    requests: int
    device_hits_direct: int
    device_hits_cached: int
    hits: int
    collapsed: int
    forwarded: int
    refused: int
    refusals: dict[str, int]
    """Refused requests by party and reason, such as `new-supplier not-registered`."""
    never_answered: tuple[str, ...]
    """One line for each party and SRV whose requests are all refused, with the reason."""
    duis_codes: dict[str, int]
    """Acknowledgements and responses of both runs by their response codes, with DUIS alone."""
    failed: int
    failures: dict[str, int]
    """Failed requests by party and reason, such as `import-supplier no-reply`."""
    retries: int
    """Commands that the cache sent to a meter again."""
    shadow: int
    """Commands that the cache sent to audit a hit."""
    shadow_compared: int
    """Audited hits for which the meter replied."""
    shadow_different: int
    """Audited hits whose readings differ from the meter's, or whose audit could not be read."""
    shadow_difference_ratio: float | None
    """`shadow_different` / `shadow_compared`, 0 to 1; None if nothing was compared."""
    failed_ratio: float | None
    """`failed` / `requests`, 0 to 1; None if nothing was requested."""
    unanswered: int
    """Requests of both runs without a reply that the party accepts."""
    unanswered_ratio: float | None
    """Share of such requests, 0 to 1, among those that upstream does not refuse; None if none."""
    ledger_difference: int | None
    """Commands and decisions that one ledger of a run has and the other has not, plus answers that
    never reached their party. None if requests were still in flight."""
    ledger_lines: tuple[str, ...]
    """Explanations of `ledger_difference`, the earliest first."""
    replies_compared: int
    replies_different: int
    """Replies of both runs with other readings or octets than the meter's, or to a party without
    entitlement."""
    hits_compared: int
    """Compared replies that the cache gave from its store."""
    latency: Latencies
    distribution: Distribution
    staleness: Ages
    staleness_by_srv: tuple[Ages, ...]
    hit_ages: tuple[int, ...]
    """Hits by age in whole hours: the first number is those of less than an hour."""
    by_srv: tuple[Account, ...]
    by_party: tuple[Account, ...]
    busiest: tuple[Account, ...]
    """The meters with most device hits, at most 20."""
    over_time: tuple[Interval, ...]
    spent_direct: Spent
    spent_cached: Spent
    assumptions: tuple[Assumption, ...]
    """The basis of radio seconds, busy seconds, SMS and pounds."""
    faults_fired: dict[str, int]
    """Fired faults by rule, in both runs."""
    required: tuple[Threshold, ...]
    scenario_text: str = field(repr=False)
    """The scenario file. It reproduces the proof, with the seed and the files that it names."""
    scenario_files: dict[str, str] = field(repr=False)
    """SHA-256 of the files that the scenario names, by path relative to the scenario file."""
    avoided_ratio: float | None = field(init=False)
    """Fraction of device hits that the cache avoided, 0 to 1; None if not measured."""
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
        """Whether a user interrupted the proof, rather than an error."""
        return self.ended == INTERRUPTED

    def _verdict(self, threshold: Threshold) -> Verdict:
        comparison, limit = threshold.comparison, threshold.limit
        if not self.complete:
            return Verdict(comparison.value, limit, None, None)
        value = self.figure(threshold.figure)
        met = value is not None and comparison.holds(value, limit)
        return Verdict(comparison.value, limit, value, met)

    def figure(self, name: str) -> float | None:
        """Return a figure by name, with dots if it is nested: `latency.hit.p99`.

        Returns None if it was not measured. Raises `KeyError` if there is no such figure.
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
        """Return the result in the form of its JSON."""
        form = asdict(self)
        del form["required"]
        return {"format": FORMAT, **form}

    def as_json(self) -> str:
        """Return the result as one line of JSON."""
        return json.dumps(self.as_dict())


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of `ProofResult.as_json`; all its keys are required."""
    form = schema_of(ProofResult, FORMAT)
    # The thresholds in the JSON are the verdicts on `required`.
    del form["properties"]["required"], form["$defs"]["Threshold"], form["$defs"]["Comparison"]
    form["required"].remove("required")
    return form


_SCENARIO = "the scenario's"
_BASES = {
    "sms_pounds": "published: SEC modification MP312, a wake-up SMS over allowance",
    "radio_seconds_per_message": "assumed",
    "octets_per_radio_second": "assumed: 100 kbit/s",
}
"""Basis of each default in `Costs`."""


def assumptions(scenario: Scenario) -> Iterator[Assumption]:
    """Yield every figure that costs depend on, by the scenario key that replaces it."""
    costs, fleet = scenario.costs, scenario.fleet
    for item in fields(Costs):
        value = getattr(costs, item.name)
        if value is None:
            yield Assumption("costs.sms_per_wake", *_sms_per_wake(fleet.wan))
        else:
            basis = _SCENARIO if value != item.default else _BASES[item.name]
            yield Assumption(f"costs.{item.name}", value, basis)
    yield Assumption("fleet.wan", fleet.wan, _SCENARIO)
    yield Assumption("fleet.latency", fleet.latency, _SCENARIO)


def _sms_per_wake(wan: str) -> tuple[float | str, str]:
    """Return the SMS per wake-up of a meter behind `wan`, and the basis of that number."""
    if wan == BY_PROFILE:
        return "that of each meter's WAN", "esme profiles shows it with its source"
    profile = wan_profile(wan)
    return profile.wake_sms, f"of the WAN; {profile.sources['wake_sms']}"
