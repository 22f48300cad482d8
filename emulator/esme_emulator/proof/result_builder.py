"""Putting a result together from what two runs left.

Pure. Every number is taken from whoever counts it: the parties' own attempts, the cache's ledger,
the fleet's counters; where they disagree, the difference says so.
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
from esme_emulator.proof.assumptions import assumptions
from esme_emulator.proof.driver import Exchange, request_of
from esme_emulator.proof.evidence import by_meter
from esme_emulator.proof.judge import Check, Judge
from esme_emulator.proof.replies import check_replies, refused_requests
from esme_emulator.proof.result import Distribution, Interval, Latencies, Percentiles, ProofResult
from esme_emulator.proof.run_record import RunAccount
from esme_emulator.proof.verification import Answers, undelivered
from esme_emulator.scenario.changes import Event
from esme_emulator.scenario.scenario import Scenario
from esme_emulator.scenario.workload import Ask
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX, to_iso

_PREFERRED = (
    *(1.0, 1.12, 1.25, 1.4, 1.6, 1.8, 2.0, 2.24, 2.5, 2.8),
    *(3.15, 3.55, 4.0, 4.5, 5.0, 5.6, 6.3, 7.1, 8.0, 9.0),
)
"""The series R20 of ISO 3: twenty steps to each power of ten, of about an eighth."""
_BOUNDS = (0.0, *(round(base * 10**power, 2) for power in range(10) for base in _PREFERRED))
"""Milliseconds, for the distribution of latencies; the last is beyond what any party waits for."""
_INTERVALS = 96
"""Device hits over time are counted in so many intervals."""
_FROM_METER = {Decision.FORWARDED, Decision.COLLAPSED}
_PACKAGES = ("esme-emulator", "aiomqtt", "construct", "cryptography")


def assemble(
    scenario: Scenario,
    asks: Sequence[Ask],
    direct: RunAccount,
    cached: RunAccount,
    judge: Judge,
    changes: Sequence[Event],
    *,
    ended: str | None,
) -> ProofResult:
    """Return the result of the two runs; `ended` says why they did not come to their end.

    None is for runs that did.
    """
    ledger, audit = cached.ledger, audit_of(cached.ledger)
    decisions = _first_decisions(cached.decided)
    by_decision = {decision: ledger.total(decision) for decision in Decision}
    difference = None if ended else _difference(direct, cached, _excused(cached, changes))
    check_replies(direct, cached, judge)
    checks = Counter([*direct.checks, *cached.checks])
    received = direct.fleet.received, cached.fleet.received
    parties = PARTY_NAMES
    served: dict[str, list[float]] = {
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
        planned=len(asks),
        made_direct=len(direct.exchanges),
        made_cached=len(cached.exchanges),
        versions={
            **{name: version(name) for name in _PACKAGES},
            "python": platform.python_version(),
        },
        meters=scenario.fleet.meters,
        distinct_reads=len({ask.key for ask in asks}),
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
            direct=Percentiles.of(served["direct"]),
            hit=Percentiles.of(served["hit"]),
            miss=Percentiles.of(served["miss"]),
        ),
        distribution=_distribution(served),
        by_srv=tuple(accounts(cached.decided, *received, lambda request: request.srv)),
        by_party=tuple(
            accounts(
                cached.decided,
                *received,
                lambda request: parties.get(request.party, str(request.party)),  # type: ignore[arg-type]
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


def _excused(run: RunAccount, changes: Sequence[Event]) -> set[Request]:
    """Return the requests that a fault touched, or whose meter changed hands meanwhile."""
    excused = set(run.fleet.faulty)
    changed: dict[EUI, list[float]] = defaultdict(list)
    for event in changes:
        changed[event.device].append(event.time)
    for exchange in run.exchanges:
        times = changed.get(exchange.ask.key.device, ())
        if any(exchange.sent <= time <= exchange.received for time in times):
            excused.add(request_of(exchange.ask))
    return excused


def _difference(direct: RunAccount, cached: RunAccount, excused: set[Request]) -> Difference:
    ledger = cached.ledger
    found = [
        direct_difference(direct.seen, direct.fleet.received),
        cached_difference(
            cached.seen, cached.decided, cached.fleet.received, ledger.retries + ledger.shadow
        ),
        undelivered(
            cached.exchanges,
            Answers(cached.decided, cached.fleet.replied, cached.waits, excused),
        ),
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


def _counted(name: str, run: RunAccount) -> Difference:
    """Return what the fleet's counters have more or less than the commands it received."""
    counted, received = run.fleet.counters.device_hits, len(run.fleet.received)
    if counted == received:
        return Difference(0, ())
    line = f"{name}: the fleet counts {counted} device hits and received {received} commands"
    return Difference(abs(counted - received), (line,))


def _unanswered(direct: RunAccount, cached: RunAccount) -> int:
    """Return how many requests of both runs got no reply, but for those that upstream refuses."""
    withheld = refused_requests(direct)
    return sum(
        not exchange.accepted and request_of(exchange.ask) not in withheld
        for run in (direct, cached)
        for exchange in run.exchanges
    )


def _first_decisions(decided: Iterable[Decided]) -> dict[Request, Decision]:
    """Return what became of the first attempt of each request."""
    first: dict[Request, Decision] = {}
    for item in decided:
        first.setdefault(decided_request(item), item.decision)
    return first


def _decided(
    exchanges: Iterable[Exchange],
    decisions: Mapping[Request, Decision],
    wanted: set[Decision],
) -> list[Exchange]:
    return [item for item in exchanges if decisions.get(request_of(item.ask)) in wanted]


def _latencies(exchanges: Iterable[Exchange]) -> list[float]:
    return [item.seconds for item in exchanges if item.accepted]


def _distribution(served: Mapping[str, Iterable[float]]) -> Distribution:
    """Return how many latencies, in seconds, are in which class, up to the last that has any."""
    places = {
        name: Counter(bisect_left(_BOUNDS, round(latency * 1000, 3)) for latency in seconds)
        for name, seconds in served.items()
    }
    number = 1 + max((place for found in places.values() for place in found), default=0)
    classes = {name: tuple(found[n] for n in range(number)) for name, found in places.items()}
    return Distribution(_BOUNDS[:number], **classes)


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
