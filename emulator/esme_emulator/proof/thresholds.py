"""Which thresholds a scenario can come to: what no run of it meets is a mistake in its file.

Pure. Knows the bounds of figures that follow from a scenario, and which figures bound each other;
nothing of how a proof comes by them.
"""

from collections.abc import Iterator
from itertools import combinations
from math import inf

from esme_emulator.fleet.wan import NO_WAN
from esme_emulator.scenario.scenario import Comparison, Scenario, Threshold
from esme_emulator.scenario.workload import most_requests

_DECISIONS = ("hits", "collapsed", "forwarded", "refused", "failed")
_LATENCIES = tuple(
    tuple(f"latency.{kind}.{part}" for part in ("p50", "p99", "p99_9", "max"))
    for kind in ("direct", "hit", "miss")
)
_NEVER_FALLING = (
    *_LATENCIES,
    *((part, "requests") for part in (*_DECISIONS, "distinct_reads")),
    ("replies_different", "replies_compared"),
)
"""Figures of which none is above the ones after it."""

Most = tuple[float, str]
"""What a figure comes to at most, and why."""


def unattainable(scenario: Scenario) -> Iterator[str]:
    """Yield a line for each threshold, or set of them, that no run of `scenario` can meet."""
    most = _most(scenario)
    wanted = {item.figure: item for item in scenario.thresholds}
    for item in wanted.values():
        if item.figure == "avoided_ratio" and not 0 <= item.limit <= 1:
            yield f"avoided_ratio is from 0 to 1, and never {item.limit:.12g}"
        elif item.comparison is not Comparison.AT_LEAST and item.limit < 0:
            yield f"{_text(item)} is never met: {item.figure} is never below 0"
        elif item.comparison is not Comparison.AT_MOST:
            highest, why = most.get(item.figure, (inf, ""))
            if item.limit > highest:
                yield f"{_text(item)} is never met: {item.figure} is at most {highest:.12g}, {why}"
    yield from _against_each_other(wanted, most)


def _most(scenario: Scenario) -> dict[str, Most]:
    """Return what the figures of a scenario come to at most; those without a bound are not in."""
    cache, patience = scenario.cache, scenario.patience
    asked = most_requests(scenario)
    sent = asked * patience.attempts
    of_asked = f"since {asked:,} requests are made"
    of_sent = of_asked if sent == asked else f"{of_asked}, each up to {patience.attempts} times"
    most: dict[str, Most] = {
        "meters": (scenario.fleet.meters, "as fleet.meters says"),
        "distinct_reads": (asked, of_asked),
        **dict.fromkeys(
            ("requests", "device_hits_direct", "spent_direct.device_hits", *_DECISIONS),
            (sent, of_sent),
        ),
        **dict.fromkeys(
            ("unanswered", "replies_compared", "replies_different"),
            (2 * asked, f"{of_asked} in each run"),
        ),
        "retries": (sent * cache.retries, f"since cache.retries is {cache.retries}"),
        "avoided_ratio": (
            round(1 - 1 / sent, 6),
            f"{of_sent}, of which the first reaches its meter",
        ),
    }
    waits = 1000 * patience.timeout * patience.attempts
    for chain in _LATENCIES:
        most |= dict.fromkeys(chain, (waits, "since parties wait no longer, as patience says"))
    if not cache.shadow:
        audited = ("shadow", "shadow_compared", "shadow_different")
        most |= dict.fromkeys(audited, (0, "since cache.shadow is 0"))
    if not cache.collapse:
        most["collapsed"] = (0, "since cache.collapse is false")
    if not {kind.srv for kind in scenario.mix} & set(cache.srvs):
        nothing = (0, "since cache.srvs has no SRV of the mix")
        most |= dict.fromkeys(("hits", "collapsed"), nothing)
        if patience.attempts == 1 and not cache.hold_down_failures:
            most["avoided_ratio"] = nothing
    if scenario.fleet.wan == NO_WAN:
        for run in ("spent_direct", "spent_cached"):
            most |= dict.fromkeys((f"{run}.sms", f"{run}.pounds"), (0, "since fleet.wan is none"))
    return most


def _against_each_other(wanted: dict[str, Threshold], most: dict[str, Most]) -> Iterator[str]:
    """Yield a line for each set of thresholds of which the one excludes the other."""
    for chain in _NEVER_FALLING:
        for low, high in combinations(chain, 2):
            if low in wanted and high in wanted and _least(wanted, low) > _limit(wanted, high):
                both = f"{_text(wanted[low])} excludes {_text(wanted[high])}"
                yield f"{both}: {low} is never above {high}"
    least = sum(max(_least(wanted, figure), 0) for figure in _DECISIONS)
    requests = min(_limit(wanted, "requests"), most["requests"][0])
    if sum(figure in wanted for figure in _DECISIONS) > 1 and least > requests:
        named = ", ".join(figure for figure in _DECISIONS if _least(wanted, figure) > 0)
        yield f"{named} are {least:.12g} in all at least, of at most {requests:.12g} requests"
    direct = min(_limit(wanted, "device_hits_direct"), most["device_hits_direct"][0])
    kept = _least(wanted, "avoided_ratio")
    cached = _least(wanted, "device_hits_cached")
    if kept >= 0 and cached > (1 - kept) * direct + 0.5:
        ratio, hits = wanted["avoided_ratio"], wanted["device_hits_cached"]
        yield f"{_text(ratio)} excludes {_text(hits)}, of at most {direct:.12g} direct ones"


def _least(wanted: dict[str, Threshold], figure: str) -> float:
    """Return what a figure has to be at least, minus infinity where it need not."""
    item = wanted.get(figure)
    return item.limit if item and item.comparison is not Comparison.AT_MOST else -inf


def _limit(wanted: dict[str, Threshold], figure: str) -> float:
    """Return what a figure may be at most, infinity where it may be anything."""
    item = wanted.get(figure)
    return item.limit if item and item.comparison is not Comparison.AT_LEAST else inf


def _text(item: Threshold) -> str:
    return f"{item.figure} {item.comparison} {item.limit:.12g}"
