"""The result of a load: its numbers and its JSON. Pure.

Latencies are milliseconds from the planned time of a request to its reply, of answers alone: what
was refused, invalid or without a reply is counted and in no latency.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from esme_emulator.load.histogram import Quantiles
from esme_emulator.load.in_flight import Fate, Origin
from esme_emulator.load.plan import Arrivals, Plan
from esme_emulator.load.tally import Tally
from esme_emulator.messaging.topics import CACHE_STATUS, CACHED

FORMAT = 1
"""Of the JSON, raised when a reader of an earlier one would misunderstand it."""
BUSY = 0.85
"""The part of a core from which on the generator is itself in the figures."""
LATE = 10.0
"""Milliseconds that one request in a hundred may be sent late without a note."""


@dataclass(frozen=True, slots=True)
class Requests:
    """What became of the requests that are counted."""

    planned: int
    sent: int
    answered: int
    refused: int
    invalid: int
    no_reply: int
    not_sent: int
    unfinished: int
    failed: int = field(init=False)
    """Those refused, invalid, without a reply or not sent."""

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
class Generator:
    """What the load cost its maker."""

    cpu_seconds: float | None
    """None where meters or cache ran in the same process."""
    cpu_microseconds_per_request: float | None
    busiest_worker: float | None
    """The part of a core that the busiest worker took."""
    sent_late: Quantiles


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load counted."""

    scenario: str
    plan: Plan
    complete: bool
    """False where it ended before its time."""
    ended: str
    """Why it ended, in words."""
    measured_seconds: float
    """How long was counted."""
    requests: Requests
    target_rate: float | None
    """Requests a second, as planned; None of a trace and of a closed loop."""
    sent_rate: float
    achieved_rate: float
    """Answers that came within the time that is counted, a second."""
    latency: dict[str, Quantiles]
    """All answers, then by origin: hit, miss, collapsed, bypass, untold."""
    by_srv: tuple[Part, ...]
    by_party: tuple[Part, ...]
    checked: int
    unexpected: int
    reconnections: int
    """How often a connection to the broker was lost and made again."""
    generator: Generator
    notes: tuple[str, ...]
    """What to bear in mind when reading the figures."""

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON has it."""
        form = asdict(self)
        plan = form.pop("plan")
        plan["trace"] = len(plan["trace"])
        return {"format": FORMAT, **form, "plan": plan}


def make_result(
    scenario: str,
    plan: Plan,
    tally: Tally,
    *,
    ended: str | None,
    elapsed: float,
    shared: bool,
) -> LoadResult:
    """Return the result of what `tally` holds.

    `ended` says why it ended before its time, None where it did not; `elapsed` is seconds since
    its start; `shared` whether meters or cache ran in the process of the generator.
    """
    measured = min(max(elapsed - plan.warm_up, 0.0), plan.seconds)
    requests = _requests(tally)
    by_origin = {origin.value: tally.latency(origin=origin).quantiles() for origin in Origin}
    open_loop = plan.arrivals in (Arrivals.CONSTANT, Arrivals.POISSON, Arrivals.RAMP)
    generator = _generator(tally, requests, measured, shared)
    return LoadResult(
        scenario=scenario,
        plan=plan,
        complete=ended is None,
        ended=ended or "complete",
        measured_seconds=round(measured, 3),
        requests=requests,
        target_rate=plan.rate if open_loop else None,
        sent_rate=_rate(requests.sent, measured),
        achieved_rate=_rate(tally.arrived, measured),
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
        notes=tuple(_notes(plan, tally, requests, generator, shared)),
    )


def _rate(number: int, seconds: float) -> float:
    return round(number / seconds, 1) if seconds else 0.0


def _requests(tally: Tally, party: str | None = None, srv: str | None = None) -> Requests:
    number = {fate: tally.total(fate, party, srv) for fate in Fate}
    return Requests(
        planned=number[Fate.SENT] + number[Fate.NOT_SENT],
        sent=number[Fate.SENT],
        answered=number[Fate.ANSWERED],
        refused=number[Fate.REFUSED],
        invalid=number[Fate.INVALID],
        no_reply=number[Fate.NO_REPLY],
        not_sent=number[Fate.NOT_SENT],
        unfinished=number[Fate.UNFINISHED],
    )


def _generator(tally: Tally, requests: Requests, measured: float, shared: bool) -> Generator:
    late = tally.lags.quantiles()
    spent = sum(tally.cpu.values())
    if shared or not requests.sent or not measured or not tally.cpu:
        return Generator(None, None, None, late)
    each = round(spent / requests.sent * 1_000_000, 1)
    return Generator(round(spent, 3), each, round(max(tally.cpu.values()) / measured, 3), late)


def _why(tally: Tally) -> str:
    """Return why it is not known where answers came from."""
    if all(link.carries_properties for link in tally.links.values()):
        return (
            f"what answers on {CACHED}/ sent them without a user property {CACHE_STATUS} that says "
            "hit or fwd (RFC 9211)"
        )
    return "the broker speaks MQTT 3.1.1 alone, which carries no Cache-Status; use one of MQTT 5"


def _notes(
    plan: Plan,
    tally: Tally,
    requests: Requests,
    generator: Generator,
    shared: bool,
) -> list[str]:
    notes = []
    if shared:
        notes.append(
            "meters and cache ran in this process, without MQTT: for real figures give --broker"
        )
    if plan.arrivals is Arrivals.CLOSED:
        notes.append(
            "a closed loop asks less when replies are slow, so these latencies flatter; "
            "plan a rate to see what users would"
        )
    if tally.reconnections:
        notes.append(
            f"connections to the broker that were lost and made again: {tally.reconnections}; "
            "what was on its way then is in the figures"
        )
    untold = len(tally.latency(origin=Origin.UNTOLD))
    if plan.via == "cache" and untold:
        notes.append(f"hits and misses are not told apart in {untold} answers: {_why(tally)}")
    if generator.busiest_worker is not None and generator.busiest_worker > BUSY:
        notes.append(
            f"a worker was busy {generator.busiest_worker:.0%} of the time: the generator's own "
            "limit is in these figures; give more --workers"
        )
    late = generator.sent_late.p99
    if late is not None and late > LATE and plan.arrivals is not Arrivals.CLOSED:
        notes.append(f"one request in a hundred was sent {late:.0f} ms or more after its time")
    if requests.no_reply and not (requests.answered or requests.refused or requests.invalid):
        notes.append("nothing was answered: are meters on this broker, with this seed or keystore?")
    return notes
