"""The running parts at one moment, as the page of the control interface shows them.

Counts are since the start or the last reset. Latencies are those of the latest requests.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from itertools import islice
from math import ceil
from typing import Any

from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.fleet.counters import Stage
from esme_emulator.monitor.journal import Record
from esme_emulator.monitor.parts import RunningCache, RunningFleet, RunningParts, avoided_ratio
from esme_emulator.runtime.clock import ManualClock, ScaledClock, iso

LATEST = 1000
"""Number of latest requests whose latencies are shown."""

MOST_PARTIES = 20
"""Most parties that are shown one by one."""

PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def live_state(parts: RunningParts) -> dict[str, Any]:
    """Return clock, counts and latencies as JSON; `fleet` or `cache` is None if it does not run."""
    clock = parts.clock
    return {
        "now": iso(clock.now()),
        "clock": clock.describe(),
        "manual": isinstance(clock, ManualClock),
        "factor": clock.factor if isinstance(clock, ScaledClock) else None,
        "broker": parts.broker,
        "lost": parts.lost(),
        "fleet": None if parts.fleet is None else _fleet(parts.fleet),
        "cache": None if parts.cache is None else _cache(parts.cache),
        "latency": list(latencies(islice(parts.journal.newest(), LATEST))),
        "journal": parts.journal.total,
    }


def latencies(records: Iterable[Record]) -> Iterator[dict[str, Any]]:
    """Yield percentiles of the time to the reply in seconds, by nearest rank, for each decision."""
    by_decision: defaultdict[str, list[float]] = defaultdict(list)
    for record in records:
        seconds = record.seconds
        if seconds is not None:
            by_decision[record.decision].append(seconds)
    for decision, found in sorted(by_decision.items()):
        found.sort()
        ranks = {name: ceil(part * len(found)) - 1 for name, part in PERCENTILES.items()}
        figures = {name: found[rank] for name, rank in ranks.items()}
        yield {"decision": str(decision), "number": len(found), **figures}


def _fleet(fleet: RunningFleet) -> dict[str, Any]:
    counters, log = fleet.counters, fleet.faults.log
    return {
        "meters": len(fleet.meters),
        "device_hits": counters.device_hits,
        "commands": counters.total(Stage.RECEIVED),
        "replies": counters.total(Stage.REPLIED),
        "outcomes": [
            {"srv": srv, "outcome": outcome, "commands": received, "replies": replied}
            for srv, outcome, received, replied in counters.as_table()
        ],
        "faults": len(log) + log.dropped,
    }


def _cache(cache: RunningCache) -> dict[str, Any]:
    ledger = cache.ledger
    by_srv: Counter[tuple[Hashable, Decision]] = Counter(ledger.decisions)
    by_party: Counter[tuple[Hashable, Decision]] = Counter()
    for (party, _, decision), number in ledger.by_party.items():
        by_party["unknown" if party is None else str(party), decision] += number
    return {
        "requests": ledger.requests,
        "undecided": ledger.undecided(),
        "avoided_ratio": avoided_ratio(ledger),
        "decisions": {kind.value: ledger.total(kind) for kind in Decision},
        "by_srv": _rows("srv", by_srv),
        "by_party": _rows("party", by_party)[:MOST_PARTIES],
        "reasons": dict(ledger.reasons.most_common()),
    }


def _rows(name: str, counts: Counter[tuple[Hashable, Decision]]) -> list[dict[str, Any]]:
    """Return the decisions for each subject, the subject with most requests first."""
    rows: defaultdict[Hashable, Counter[str]] = defaultdict(Counter)
    for (subject, decision), number in counts.items():
        rows[subject][decision.value] += number
    ranked = sorted(rows.items(), key=lambda row: (-row[1].total(), str(row[0])))
    kinds = [kind.value for kind in Decision]
    return [{name: subject} | {kind: row[kind] for kind in kinds} for subject, row in ranked]
