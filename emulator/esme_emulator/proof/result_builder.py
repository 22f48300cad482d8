"""Build the result of a proof from the records of its two runs.

Pure. Every figure comes from the part that counts it: the attempts of parties, the cache's ledger,
the fleet's counters. If they disagree, `ledger_difference` says so.
"""

import platform
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

from esme_emulator.cache.policy.ledger import Decided, Decision, audit_of
from esme_emulator.estate.parties import PARTY_NAMES
from esme_emulator.proof.accounts import (
    Difference,
    Request,
    Seen,
    accounts,
    busiest,
    cached_difference,
    decided_request,
    direct_difference,
)
from esme_emulator.proof.driver import Exchange, request_of
from esme_emulator.proof.evidence import by_meter
from esme_emulator.proof.judge import Check, Judge
from esme_emulator.proof.result import (
    Distribution,
    Interval,
    Latencies,
    Percentiles,
    ProofResult,
    assumptions,
)
from esme_emulator.proof.run_record import RunRecord
from esme_emulator.proof.verification import check_replies, refused_requests, undelivered
from esme_emulator.scenario.scenario import Scenario
from esme_emulator.scenario.workload import PlannedChange, PlannedRequest
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX, to_iso

_PREFERRED = (
    *(1.0, 1.12, 1.25, 1.4, 1.6, 1.8, 2.0, 2.24, 2.5, 2.8),
    *(3.15, 3.55, 4.0, 4.5, 5.0, 5.6, 6.3, 7.1, 8.0, 9.0),
)
"""Series R20 of ISO 3: twenty steps per power of ten, each about an eighth larger."""
_BOUNDS = (0.0, *(round(base * 10**power, 2) for power in range(10) for base in _PREFERRED))
"""Bounds of the latency histogram, in milliseconds. The last exceeds every timeout."""
_INTERVALS = 96
"""Number of intervals of device hits over time."""
_FROM_METER = {Decision.FORWARDED, Decision.COLLAPSED}
_PACKAGES = ("esme-emulator", "aiomqtt", "construct", "cryptography", "mqtt5")


def build_result(
    scenario: Scenario,
    requests: Sequence[PlannedRequest],
    direct: RunRecord,
    cached: RunRecord,
    judge: Judge,
    changes: Sequence[PlannedChange],
    *,
    ended: str | None,
) -> ProofResult:
    """Return the result of two runs; `ended` is why they ended early, None if they did not."""
    ledger, audit = cached.ledger, audit_of(cached.ledger)
    decisions = _first_decisions(cached.decided)
    by_decision = {decision: ledger.total(decision) for decision in Decision}
    difference = None if ended else _difference(direct, cached, _excused(cached, changes))
    check_replies(direct, cached, judge)
    checks = Counter([*direct.checks, *cached.checks])
    received = direct.fleet.received, cached.fleet.received
    latencies: dict[str, list[float]] = {
        "direct": _latencies(direct.exchanges),
        "hit": _latencies(_decided(cached.exchanges, decisions, {Decision.HIT})),
        "miss": _latencies(_decided(cached.exchanges, decisions, _FROM_METER)),
    }
    return ProofResult(
        scenario=scenario.name,
        title=scenario.title,
        seed=scenario.seed,
        start=to_iso(scenario.start),
        complete=ended is None,
        ended=ended or "complete",
        planned=len(requests),
        made_direct=len(direct.exchanges),
        made_cached=len(cached.exchanges),
        versions={
            **{name: version(name) for name in _PACKAGES},
            "python": platform.python_version(),
        },
        meters=scenario.fleet.meters,
        distinct_reads=len({planned.key for planned in requests}),
        requests=ledger.requests,
        device_hits_direct=direct.fleet.counters.device_hits,
        device_hits_cached=cached.fleet.counters.device_hits,
        hits=by_decision[Decision.HIT],
        collapsed=by_decision[Decision.COLLAPSED],
        forwarded=by_decision[Decision.FORWARDED],
        refused=by_decision[Decision.REFUSED],
        failed=by_decision[Decision.FAILED],
        retries=ledger.retries,
        shadow=audit.asked,
        shadow_compared=audit.compared,
        shadow_different=audit.different,
        shadow_difference_ratio=audit.difference_ratio,
        unanswered=_unanswered(direct, cached),
        ledger_difference=difference.number if difference else None,
        ledger_lines=difference.lines if difference else (),
        replies_compared=checks[Check.SAME] + checks[Check.DIFFERENT],
        replies_different=checks[Check.DIFFERENT],
        latency=Latencies(
            direct=Percentiles.of(latencies["direct"]),
            hit=Percentiles.of(latencies["hit"]),
            miss=Percentiles.of(latencies["miss"]),
        ),
        distribution=_distribution(latencies),
        by_srv=tuple(accounts(cached.decided, *received, lambda request: request.srv)),
        by_party=tuple(
            accounts(
                cached.decided,
                *received,
                lambda request: PARTY_NAMES.get(request.party, str(request.party)),  # type: ignore[arg-type]
            )
        ),
        busiest=busiest(by_meter(direct, cached)),
        over_time=_over_time(scenario, *received),
        spent_direct=direct.fleet.spent(scenario.costs),
        spent_cached=cached.fleet.spent(scenario.costs),
        assumptions=tuple(assumptions(scenario)),
        faults_fired=dict(Counter(direct.fleet.engine.fired) + Counter(cached.fleet.engine.fired)),
        required=scenario.thresholds,
        scenario_text=scenario.text,
        scenario_files=dict(scenario.files),
    )


def _excused(run: RunRecord, changes: Sequence[PlannedChange]) -> set[Request]:
    """Return the requests whose replies may be lost.

    A fault touched them, or their meter changed supplier or tenancy before the reply.
    """
    excused = set(run.fleet.faulty)
    changed: dict[EUI, list[float]] = defaultdict(list)
    for change in changes:
        changed[change.device].append(change.time)
    for exchange in run.exchanges:
        times = changed.get(exchange.planned.key.device, ())
        if any(exchange.sent <= time <= exchange.received for time in times):
            excused.add(request_of(exchange.planned))
    return excused


def _difference(direct: RunRecord, cached: RunRecord, excused: set[Request]) -> Difference:
    ledger = cached.ledger
    found = [
        direct_difference(direct.attempts, direct.fleet.received),
        cached_difference(
            cached.attempts, cached.decided, cached.fleet.received, ledger.retries + ledger.shadow
        ),
        undelivered(cached, excused),
        *(_counted(name, run) for name, run in (("direct", direct), ("cached", cached))),
    ]
    decided = len(cached.decided)
    undecided = ledger.undecided()
    if undecided:
        found.append(Difference(abs(undecided), (f"{undecided} requests are undecided",)))
    if ledger.requests - undecided != decided:
        number = abs(ledger.requests - undecided - decided)
        line = f"the cache counts {ledger.requests - undecided} decisions and reported {decided}"
        found.append(Difference(number, (line,)))
    lines = [line for one in found for line in one.lines]
    return Difference(sum(one.number for one in found), tuple(lines))


def _counted(name: str, run: RunRecord) -> Difference:
    """Compare the fleet's counters with the commands that it received."""
    counted, received = run.fleet.counters.device_hits, len(run.fleet.received)
    if counted == received:
        return Difference(0, ())
    line = f"{name}: the fleet counts {counted} device hits and received {received} commands"
    return Difference(abs(counted - received), (line,))


def _unanswered(direct: RunRecord, cached: RunRecord) -> int:
    """Return how many requests of both runs got no reply, without those that upstream refuses."""
    withheld = refused_requests(direct)
    return sum(
        not exchange.accepted and request_of(exchange.planned) not in withheld
        for run in (direct, cached)
        for exchange in run.exchanges
    )


def _first_decisions(decided: Iterable[Decided]) -> dict[Request, Decision]:
    """Return the decision on the first attempt of each request."""
    first: dict[Request, Decision] = {}
    for item in decided:
        first.setdefault(decided_request(item), item.decision)
    return first


def _decided(
    exchanges: Iterable[Exchange],
    decisions: Mapping[Request, Decision],
    wanted: set[Decision],
) -> list[Exchange]:
    return [item for item in exchanges if decisions.get(request_of(item.planned)) in wanted]


def _latencies(exchanges: Iterable[Exchange]) -> list[float]:
    return [item.seconds for item in exchanges if item.accepted]


def _distribution(latencies: Mapping[str, Iterable[float]]) -> Distribution:
    """Return the histogram of latencies in seconds, without empty bins at its end."""
    bins = {
        name: Counter(bisect_left(_BOUNDS, round(latency * 1000, 3)) for latency in seconds)
        for name, seconds in latencies.items()
    }
    number = 1 + max((place for found in bins.values() for place in found), default=0)
    counts = {name: tuple(found[n] for n in range(number)) for name, found in bins.items()}
    return Distribution(_BOUNDS[:number], **counts)


def _over_time(
    scenario: Scenario, direct: Sequence[Seen], cached: Sequence[Seen]
) -> tuple[Interval, ...]:
    """Return device hits in intervals of whole seconds from the scenario's start."""
    start = scenario.start + EPOCH_UNIX
    last = max((seen.time for seen in (*direct, *cached)), default=start) - start
    width = max(int(last / _INTERVALS) + 1, 1)
    counts = [
        Counter(int((seen.time - start) // width) for seen in received)
        for received in (direct, cached)
    ]
    number = int(last // width) + 1
    return tuple(
        Interval(to_iso(scenario.start + place * width), counts[0][place], counts[1][place])
        for place in range(number)
    )
