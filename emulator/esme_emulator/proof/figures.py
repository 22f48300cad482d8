"""The figures of a run, which add up over its parts, and the result of two runs.

Pure, but for latencies, which are in files. Every figure comes from the part that counts it: the
attempts of parties, the cache's ledger, the fleet's counters. If they disagree,
`ledger_difference` says so.
"""

import platform
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from importlib.metadata import version
from itertools import groupby, islice
from math import ceil

from esme_emulator.cache.policy.ledger import Decision, audit_of
from esme_emulator.profiles.latency import NONE
from esme_emulator.proof.accounts import MAX_LINES, Difference, checks, differences
from esme_emulator.proof.evidence import (
    AGES,
    DIRECT,
    Evidence,
    EvidenceWriter,
    line_of,
    line_of_stranger,
)
from esme_emulator.proof.judge import Check
from esme_emulator.proof.result import (
    Account,
    Distribution,
    Interval,
    Latencies,
    ProofResult,
    Spent,
    assumptions,
)
from esme_emulator.proof.run_record import Exchange, Request, Run
from esme_emulator.scenario.scenario import Scenario
from esme_emulator.scenario.supply import unanswerable
from esme_emulator.scenario.workload import PlannedChange
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX, to_iso

_PREFERRED = (
    *(1.0, 1.12, 1.25, 1.4, 1.6, 1.8, 2.0, 2.24, 2.5, 2.8),
    *(3.15, 3.55, 4.0, 4.5, 5.0, 5.6, 6.3, 7.1, 8.0, 9.0),
)
"""Series R20 of ISO 3: twenty steps per power of ten, each about an eighth larger."""
_BOUNDS = (0.0, *(round(base * 10**power, 2) for power in range(10) for base in _PREFERRED))
"""Bounds of the latency histogram, in milliseconds. The last exceeds every timeout."""
_HOUR = 3600
_INTERVALS = 96
"""Most intervals of device hits over time."""
_DAY = 24 * _HOUR
_WIDTHS = (
    *(1, 2, 5, 10, 15, 20, 30),
    *(60, 120, 300, 600, 900, 1200, 1800),
    *(_HOUR, 2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
)
"""Widths of intervals, in seconds; longer ones are whole days."""
_BUSIEST = 20
_KINDS = {Decision.HIT: "hit", Decision.FORWARDED: "miss", Decision.COLLAPSED: "miss"}
"""Kind of the latency of a request, by the decision on its first attempt."""
_PACKAGES = ("esme-emulator", "aiomqtt", "construct", "cryptography", "mqtt5")


@dataclass(slots=True)
class Figures:
    """The figures of one run, or of some parts of it. All are numbers that add up."""

    totals: Counter[str] = field(default_factory=Counter)
    accounts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By `srv` or `party`, its name, and the name of a figure of `Account`."""
    hits: Counter[int] = field(default_factory=Counter)
    """Device hits by second after the start."""
    bins: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Latencies by kind and index into `_BOUNDS`."""
    faults: Counter[str] = field(default_factory=Counter)
    """Fired faults by rule."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Requests that the cache refused, by party and reason."""
    failures: Counter[str] = field(default_factory=Counter)
    """Requests that failed at the cache, by party and reason."""
    hit_ages: Counter[int] = field(default_factory=Counter)
    """Hits by age in whole hours."""
    codes: Counter[str] = field(default_factory=Counter)
    """Response codes of DUIS."""
    differences: list[Difference] = field(default_factory=list)
    """The earliest of each kind. `totals` has their number."""

    def add(self, other: "Figures") -> None:
        """Add the figures of another part."""
        self.totals.update(other.totals)
        self.accounts.update(other.accounts)
        self.hits.update(other.hits)
        self.bins.update(other.bins)
        self.faults.update(other.faults)
        self.refusals.update(other.refusals)
        self.failures.update(other.failures)
        self.hit_ages.update(other.hit_ages)
        self.codes.update(other.codes)
        self.differences = _earliest([*self.differences, *other.differences])


def figures_of(
    run: Run,
    label: str,
    scenario: Scenario,
    changes: Sequence[PlannedChange],
    evidence: EvidenceWriter,
    *,
    ledger: bool,
    name_of: Callable[[EUI], str],
) -> Figures:
    """Return the figures of a run of some meters, and write its evidence under `label`.

    `changes` are those of these meters; `name_of` names parties. The lines of its requests are
    written if `ledger` is set.
    """
    name = DIRECT if run.policy is None else "cached"
    figures = Figures()
    _count_requests(figures, run, evidence, label)
    _count_accounts(figures, run, scenario, evidence, label, name_of)
    if ledger:
        for exchange, check in checks(run):
            line = line_of(name, scenario.start, exchange, check)
            evidence.line(label, line, exchange.sent)
        for seen in run.record.strangers:
            evidence.line(label, line_of_stranger(name, seen, name_of), seen.time)
    found = list(differences(name, run, changes))
    figures.totals["differences"] = sum(item.number for item in found)
    figures.differences = _earliest(found)
    figures.faults.update(run.faults.fired)
    return figures


def _count_requests(figures: Figures, run: Run, evidence: EvidenceWriter, label: str) -> None:
    """Count the requests of parties, with checks and latencies of their replies."""
    totals = figures.totals
    latencies: defaultdict[str, Counter[int]] = defaultdict(Counter)
    ages: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for exchange, check in checks(run):
        figures.codes.update(exchange.codes)
        totals[check] += 1
        totals["answerable"] += not exchange.refused
        totals["unanswered"] += not exchange.accepted and not exchange.refused
        last = exchange.decided[-1].decision if exchange.decided else None
        totals["hits_compared"] += last is Decision.HIT and check in (Check.SAME, Check.DIFFERENT)
        kind = DIRECT if run.policy is None else _kind_of(exchange)
        if exchange.accepted and kind:
            latency = round(exchange.seconds * 1000, 3)
            latencies[kind][round(latency * 1000)] += 1
            figures.bins[kind, bisect_left(_BOUNDS, latency)] += 1
        for item in exchange.decided:
            if item.age is not None:
                ages[AGES][item.age] += 1
                ages[AGES + item.srv][item.age] += 1
                figures.hit_ages[item.age // _HOUR] += 1
    for kind, found in (*latencies.items(), *ages.items()):
        evidence.numbers(label, kind, found)
    totals["made"] = run.record.made


def _kind_of(exchange: Exchange) -> str:
    """Return the kind of latency that a request through the cache has, or an empty string."""
    return _KINDS.get(exchange.decided[0].decision, "") if exchange.decided else ""


def _count_accounts(
    figures: Figures,
    run: Run,
    scenario: Scenario,
    evidence: EvidenceWriter,
    label: str,
    name_of: Callable[[EUI], str],
) -> None:
    """Count what fleet and cache counted, in total and by SRV, party, meter and time."""
    totals, record, fleet = figures.totals, run.record, run.fleet
    totals["device_hits"] = fleet.counters.device_hits
    totals["octets"] = record.octets
    totals["messages"] = record.commands + record.replies
    if fleet.latency != NONE:
        totals["busy_nanoseconds"] = round(fleet.busy_seconds * 1e9)
    if fleet.wan is not None:
        totals["wakes"], totals["sms"] = fleet.wan.tally.wakes, fleet.wan.tally.sms
    column = "device_hits_direct" if run.policy is None else "device_hits_cached"
    start = scenario.start + EPOCH_UNIX
    counts: Counter[tuple[str, str, str]] = Counter()
    for seen in record.received():
        figures.hits[int(seen.time - start)] += 1
        counts.update((by, of, column) for by, of in _accounts_of(seen.request, name_of))
    if run.policy is not None:
        ledger, audit = run.policy.ledger, audit_of(run.policy.ledger)
        totals.update({str(decision): ledger.total(decision) for decision in Decision})
        totals.update(requests=ledger.requests, retries=ledger.retries, shadow=audit.asked)
        totals.update(shadow_compared=audit.compared, shadow_different=audit.different)
        reasons = {Decision.REFUSED: figures.refusals, Decision.FAILED: figures.failures}
        for item in record.decided_as(reasons):
            party = str(item.party) if item.party is None else name_of(item.party)
            reasons[item.decision][f"{party} {item.reason}"] += 1
        for exchange in record.exchanges():
            if exchange.turned_away:
                _count_turned_away(figures, counts, exchange, name_of)
        for request, decision in record.decisions():
            for by, of in _accounts_of(request, name_of):
                counts.update(((by, of, "requests"), (by, of, str(decision))))
    evidence.meters(label, _rows(counts, "meter"))
    figures.accounts.update({key: number for key, number in counts.items() if key[0] != "meter"})


def _count_turned_away(
    figures: Figures,
    counts: Counter[tuple[str, str, str]],
    exchange: Exchange,
    name_of: Callable[[EUI], str],
) -> None:
    """Count a request that a front door refused, so that the cache never saw it."""
    figures.totals.update(requests=1, **{str(Decision.REFUSED): 1})
    figures.refusals[f"{exchange.planned.party} {exchange.turned_away}"] += 1
    for by, of in _accounts_of(exchange.request, name_of):
        counts.update(((by, of, "requests"), (by, of, str(Decision.REFUSED))))


def _accounts_of(request: Request, name_of: Callable[[EUI], str]) -> Iterator[tuple[str, str]]:
    """Yield the accounts in which a request counts."""
    party = request.party
    yield "srv", request.srv
    yield "party", str(party) if party is None else name_of(party)
    yield "meter", str(request.device)


def _rows(counts: Counter[tuple[str, str, str]], by: str) -> tuple[Account, ...]:
    """Return the accounts of one grouping, in the order of their names."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (group, name, column), number in counts.items():
        if group == by:
            found[name][column] = number
    return tuple(Account(name, **found[name]) for name in sorted(found))


def _earliest(found: Iterable[Difference]) -> list[Difference]:
    """Return the earliest differences of each kind."""
    kinds = groupby(sorted(found), key=lambda item: item.kind)
    return [item for _, same in kinds for item in islice(same, MAX_LINES)]


def build_result(
    scenario: Scenario,
    planned: int,
    direct: Figures,
    cached: Figures,
    evidence: Evidence,
    *,
    ended: str | None,
) -> ProofResult:
    """Return the result of two runs; `ended` is why they ended early, None if they did not.

    `planned` is the number of requests.
    """
    ours, both = cached.totals, direct.totals + cached.totals
    accounts = direct.accounts + cached.accounts
    different = ended is None and [*direct.differences, *cached.differences]
    return ProofResult(
        scenario=scenario.name,
        title=scenario.title,
        seed=scenario.seed,
        start=to_iso(scenario.start),
        complete=ended is None,
        ended=ended or "complete",
        planned=planned,
        made_direct=direct.totals["made"],
        made_cached=ours["made"],
        versions={
            **{name: version(name) for name in _PACKAGES},
            "python": platform.python_version(),
        },
        meters=scenario.fleet.meters,
        retention_hours=scenario.cache.retention_hours,
        distinct_reads=direct.totals["distinct_reads"],
        requests=ours["requests"],
        device_hits_direct=direct.totals["device_hits"],
        device_hits_cached=ours["device_hits"],
        hits=ours[Decision.HIT],
        collapsed=ours[Decision.COLLAPSED],
        forwarded=ours[Decision.FORWARDED],
        refused=ours[Decision.REFUSED],
        refusals=dict(sorted(cached.refusals.items())),
        never_answered=tuple(unanswerable(scenario)),
        duis_codes=dict(sorted((direct.codes + cached.codes).items())),
        failed=ours[Decision.FAILED],
        failures=dict(sorted(cached.failures.items())),
        failed_ratio=_ratio(ours[Decision.FAILED], ours["requests"]),
        retries=ours["retries"],
        shadow=ours["shadow"],
        shadow_compared=ours["shadow_compared"],
        shadow_different=ours["shadow_different"],
        shadow_difference_ratio=_ratio(ours["shadow_different"], ours["shadow_compared"]),
        unanswered=both["unanswered"],
        unanswered_ratio=_ratio(both["unanswered"], both["answerable"]),
        ledger_difference=both["differences"] if ended is None else None,
        ledger_lines=tuple(item.line for item in _earliest(different or ())),
        replies_compared=both[Check.SAME] + both[Check.DIFFERENT],
        replies_different=both[Check.DIFFERENT],
        hits_compared=ours["hits_compared"],
        latency=Latencies(
            direct=evidence.latencies(DIRECT),
            hit=evidence.latencies("hit"),
            miss=evidence.latencies("miss"),
        ),
        distribution=_distribution(direct.bins + cached.bins),
        staleness=evidence.ages(),
        staleness_by_srv=tuple(
            evidence.ages(account.name) for account in _rows(accounts, "srv") if account.hits
        ),
        hit_ages=_by_hour(cached.hit_ages),
        by_srv=_rows(accounts, "srv"),
        by_party=_rows(accounts, "party"),
        busiest=_busiest(evidence.by_meter()),
        over_time=over_time(scenario, direct.hits, cached.hits),
        spent_direct=_spent(direct, scenario),
        spent_cached=_spent(cached, scenario),
        assumptions=tuple(assumptions(scenario)),
        faults_fired=dict(direct.faults + cached.faults),
        required=scenario.thresholds,
        scenario_text=scenario.text,
        scenario_files=dict(scenario.files),
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _busiest(rows: Iterable[Account]) -> tuple[Account, ...]:
    """Return the meters with most direct device hits, the busiest first."""
    return tuple(
        nsmallest(
            _BUSIEST,
            rows,
            key=lambda row: (-row.device_hits_direct, -row.device_hits_cached, row.name),
        )
    )


def _by_hour(ages: Counter[int]) -> tuple[int, ...]:
    return tuple(ages[hour] for hour in range(max(ages, default=-1) + 1))


def _distribution(bins: Counter[tuple[str, int]]) -> Distribution:
    """Return the histogram of latencies, without empty bins at its end."""
    number = 1 + max((place for _, place in bins), default=0)
    counts = {kind: tuple(bins[kind, n] for n in range(number)) for kind in (DIRECT, "hit", "miss")}
    return Distribution(_BOUNDS[:number], **counts)


def over_time(
    scenario: Scenario, direct: Counter[int], cached: Counter[int]
) -> tuple[Interval, ...]:
    """Return device hits in intervals of a round width from the scenario's start."""
    last = max((*direct, *cached), default=0)
    least = last // _INTERVALS + 1
    width = next((width for width in _WIDTHS if width >= least), ceil(least / _DAY) * _DAY)
    found: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
    for counts, hits in zip(found, (direct, cached), strict=True):
        for second, number in hits.items():
            counts[second // width] += number
    return tuple(
        Interval(to_iso(scenario.start + place * width), found[0][place], found[1][place])
        for place in range(last // width + 1)
    )


def _spent(figures: Figures, scenario: Scenario) -> Spent:
    """Return what the commands of a run cost the meters and their network."""
    totals, costs = figures.totals, scenario.costs
    radio = totals["messages"] * costs.radio_seconds_per_message
    radio += totals["octets"] / costs.octets_per_radio_second
    each = costs.sms_per_wake
    sms = totals["sms"] if each is None else totals["wakes"] * each
    busy = totals.get("busy_nanoseconds")
    return Spent(
        device_hits=totals["device_hits"],
        octets=totals["octets"],
        radio_seconds=round(radio, 3),
        busy_seconds=None if busy is None else round(busy / 1e9, 3),
        sms=sms,
        pounds=round(sms * costs.sms_pounds, 6),
    )
