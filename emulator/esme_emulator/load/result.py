"""The result of a load: its figures.

Latencies are milliseconds from the planned time of a request to its answer. Requests that were
refused, invalid or without a reply are counted, and have no latency.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from esme_emulator.load.in_flight import Origin, Outcome
from esme_emulator.load.plan import DUIS, Arrivals, Plan
from esme_emulator.load.tally import Quantiles, Tally
from esme_emulator.load.thresholds import LoadThreshold, LoadVerdict, judge
from esme_emulator.messaging.topics import CACHE_STATUS, CACHED
from esme_emulator.runtime.reports import derived, schema_of

FORMAT = 1
"""Version of the JSON, incremented if a reader of the previous one would misunderstand it."""
BUSY = 0.85
"""Fraction of a core above which the generator itself limits the figures."""
LATE = 10.0
"""Longest delay of the 99th percentile of requests without a note, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests by outcome, without the warm-up."""

    planned: int
    sent: int
    answered: int
    refused: int
    invalid: int
    no_reply: int
    not_sent: int
    unfinished: int
    failed: int = field(init=False)
    """Requests refused, invalid, without a reply, or not sent."""

    def __post_init__(self) -> None:
        failed = self.refused + self.invalid + self.no_reply + self.not_sent
        object.__setattr__(self, "failed", failed)


@dataclass(frozen=True, slots=True)
class Part:
    """The requests of one party or of one SRV."""

    name: str
    requests: Requests
    latency: Quantiles


@dataclass(frozen=True, slots=True)
class GeneratorCost:
    """The processor time of the generator, and its delays."""

    cpu_seconds: float | None
    """None if meters or cache ran in the same process."""
    cpu_microseconds_per_request: float | None
    busiest_worker: float | None
    """Fraction of a core that the busiest worker used."""
    sent_late: Quantiles


@dataclass(frozen=True, slots=True)
class DuisFigures:
    """What the front door for DUIS said to the requests."""

    acknowledgement: Quantiles
    """Times from the planned time of a request to its acknowledgement (I99)."""
    codes: dict[str, int]
    """Requests by the response code, or the HTTP status, that ended them without readings."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The figures of a load."""

    scenario: str
    plan: Plan
    complete: bool
    """Whether the load ran to its end."""
    ended: str
    """Why the load ended: `complete`, `interrupted`, or another reason."""
    measured_seconds: float
    """Duration without the warm-up."""
    requests: Requests
    target_rate: float | None
    """Planned requests a second; None for a trace and a closed loop."""
    sent_rate: float
    achieved_rate: float
    """Answers a second within the measured time."""
    latency: dict[str, Quantiles]
    """Latencies of all answers, then by origin: hit, miss, collapsed, bypass, untold."""
    by_srv: tuple[Part, ...]
    by_party: tuple[Part, ...]
    checked: int
    unexpected: int
    reconnections: int
    """Times that a connection to the broker was lost and restored."""
    generator: GeneratorCost
    duis: DuisFigures | None
    """None if the requests were made on MQTT."""
    thresholds: tuple[LoadVerdict, ...]
    notes: tuple[str, ...]
    """Caveats about the figures."""
    passed: bool = field(init=False)
    """Whether the load ran to its end, was answered, and met all thresholds."""

    def __post_init__(self) -> None:
        met = all(item.met for item in self.thresholds)
        passed = self.complete and self.requests.answered > 0 and met
        object.__setattr__(self, "passed", passed)

    def as_dict(self) -> dict[str, Any]:
        """Return the result in the form of its JSON."""
        form = asdict(self)
        plan = form.pop("plan")
        plan["trace"] = len(plan["trace"])
        plan["trace_sha256"] = _digest(self.plan)
        return {"format": FORMAT, **form, "plan": plan}


def _digest(plan: Plan) -> str | None:
    """Return the SHA-256 of a trace's requests, which no comment and no file name changes."""
    lines = "\n".join(map(repr, plan.trace))
    return sha256(lines.encode()).hexdigest() if plan.trace else None


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of `LoadResult.as_dict`; all its keys are required."""
    form = schema_of(LoadResult, FORMAT)
    kinds = form["$defs"]
    requests, plan = kinds["Requests"], kinds["Plan"]
    requests["properties"] |= derived(Requests, kinds)
    requests["required"] = list(requests["properties"])
    plan["properties"]["trace"] = {"title": "Requests of the trace", "type": "integer"}
    plan["properties"]["trace_sha256"] = {
        "title": "SHA-256 of the requests of the trace",
        "anyOf": [{"type": "string"}, {"type": "null"}],
    }
    plan["required"] = list(plan["properties"])
    del kinds["TraceLine"]
    return form


def make_result(
    scenario: str,
    plan: Plan,
    tally: Tally,
    *,
    ended: str | None,
    elapsed: float,
    shared: bool,
    thresholds: Sequence[LoadThreshold] = (),
) -> LoadResult:
    """Return the result of the counts in `tally`, judged by `thresholds`.

    `ended` is why the load ended early, None if it did not. `elapsed` is its duration in seconds.
    `shared` is whether meters or cache ran in the process of the generator.
    """
    measured = min(max(elapsed - plan.warm_up, 0.0), plan.seconds)
    requests = _requests(tally)
    by_origin = {origin.value: tally.latency(origin=origin).quantiles() for origin in Origin}
    open_loop = plan.arrivals in (Arrivals.CONSTANT, Arrivals.POISSON, Arrivals.RAMP)
    generator = _generator(tally, requests, measured, shared)
    rate = _rate(tally.arrived, measured)
    return LoadResult(
        scenario=scenario,
        plan=plan,
        complete=ended is None,
        ended=ended or "complete",
        measured_seconds=round(measured, 3),
        requests=requests,
        target_rate=plan.rate if open_loop else None,
        sent_rate=_rate(requests.sent, measured),
        achieved_rate=rate,
        latency={"all": tally.latency().quantiles(), **by_origin},
        by_srv=tuple(
            Part(srv, _requests(tally, srv=srv), tally.latency(srv=srv).quantiles())
            for srv in tally.srvs()
        ),
        by_party=tuple(
            Part(party, _requests(tally, party), tally.latency(party).quantiles())
            for party in tally.parties()
        ),
        checked=tally.checked,
        unexpected=tally.unexpected,
        reconnections=tally.reconnections,
        generator=generator,
        duis=_duis(plan, tally),
        thresholds=tuple(judge(thresholds, tally, rate, complete=ended is None)),
        notes=tuple(_notes(plan, tally, requests, generator, shared)),
    )


def _duis(plan: Plan, tally: Tally) -> DuisFigures | None:
    if plan.via != DUIS:
        return None
    return DuisFigures(tally.acknowledgements.quantiles(), dict(sorted(tally.codes.items())))


def _rate(number: int, seconds: float) -> float:
    return round(number / seconds, 1) if seconds else 0.0


def _requests(tally: Tally, party: str | None = None, srv: str | None = None) -> Requests:
    number = {outcome: tally.total(outcome, party, srv) for outcome in Outcome}
    return Requests(
        planned=number[Outcome.SENT] + number[Outcome.NOT_SENT],
        sent=number[Outcome.SENT],
        answered=number[Outcome.ANSWERED],
        refused=number[Outcome.REFUSED],
        invalid=number[Outcome.INVALID],
        no_reply=number[Outcome.NO_REPLY],
        not_sent=number[Outcome.NOT_SENT],
        unfinished=number[Outcome.UNFINISHED],
    )


def _generator(tally: Tally, requests: Requests, measured: float, shared: bool) -> GeneratorCost:
    late = tally.lags.quantiles()
    spent = sum(tally.cpu.values())
    if shared or not requests.sent or not measured or not tally.cpu:
        return GeneratorCost(None, None, None, late)
    each = round(spent / requests.sent * 1_000_000, 1)
    return GeneratorCost(round(spent, 3), each, round(max(tally.cpu.values()) / measured, 3), late)


def _why(tally: Tally) -> str:
    """Return why the origin of answers is unknown."""
    if all(state.carries_properties for state in tally.connections.values()):
        return (
            f"the cache on {CACHED}/ sent no user property {CACHE_STATUS} "
            "with hit or fwd (RFC 9211)"
        )
    return "the broker speaks only MQTT 3.1.1, which has no Cache-Status; use one with MQTT 5"


def _notes(
    plan: Plan,
    tally: Tally,
    requests: Requests,
    generator: GeneratorCost,
    shared: bool,
) -> list[str]:
    notes = []
    if shared:
        notes.append(
            "meters and cache ran in this process, without MQTT: for real figures give --broker"
        )
    if plan.via == DUIS:
        notes.append(
            "latencies have in them the pause of the front door before each response "
            "(--respond-after); acknowledgements have none"
        )
    if plan.arrivals is Arrivals.CLOSED:
        notes.append(
            "a closed loop sends less when replies are slow, so these latencies are too low; "
            "use --rate to see the latencies of users"
        )
    if tally.reconnections:
        notes.append(
            f"connections to the broker lost and restored: {tally.reconnections}; "
            "the figures include requests that were in flight then"
        )
    untold = len(tally.latency(origin=Origin.UNTOLD))
    if plan.via == "cache" and untold:
        notes.append(f"{untold} answers are counted neither as hits nor as misses: {_why(tally)}")
    if generator.busiest_worker is not None and generator.busiest_worker > BUSY:
        notes.append(
            f"a worker was busy {generator.busiest_worker:.0%} of the time: the generator itself "
            "limits these figures; give more --workers"
        )
    late = generator.sent_late.p99
    if late is not None and late > LATE and plan.arrivals is not Arrivals.CLOSED:
        notes.append(f"one request in a hundred was sent {late:.0f} ms or more after its time")
    if requests.no_reply and not (requests.answered or requests.refused or requests.invalid):
        where = "on this broker, with this seed or keystore?"
        if plan.via == DUIS:
            where = "behind the endpoint, and does it deliver to --listen?"
        notes.append(f"nothing was answered: are there meters {where}")
    return notes
