"""The figures that a threshold may limit, and the thresholds that no run of a scenario can meet.

Pure. Knows the bounds of figures that follow from a scenario, and which figures bound each other.
Knows nothing of how a proof measures them.
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
STALENESS = ("staleness.p50", "staleness.p95", "staleness.max")
"""Ages of hits, in seconds."""
_SPENT = ("device_hits", "octets", "radio_seconds", "busy_seconds", "sms", "pounds")

FIGURES = (
    *("planned", "made_direct", "made_cached", "meters", "retention_hours"),
    "distinct_reads",
    *("requests", "device_hits_direct", "device_hits_cached", "avoided_ratio"),
    *(*_DECISIONS, "failed_ratio", "retries", "unanswered", "unanswered_ratio"),
    *("shadow", "shadow_compared", "shadow_different", "shadow_difference_ratio"),
    *("ledger_difference", "replies_compared", "replies_different", "hits_compared"),
    *(name for chain in _LATENCIES for name in chain),
    *("staleness.hits", *STALENESS),
    *(f"{run}.{name}" for run in ("spent_direct", "spent_cached") for name in _SPENT),
)
"""Names of the numbers in the result of a proof. A test compares them with `ProofResult`."""

_ASCENDING = (
    *_LATENCIES,
    STALENESS,
    *((part, "requests") for part in (*_DECISIONS, "distinct_reads")),
    ("replies_different", "replies_compared"),
)
"""Chains of figures: no figure exceeds a later one of its chain."""

UpperBound = tuple[float, str]
"""The highest value of a figure, and the reason."""


def unattainable(scenario: Scenario) -> Iterator[str]:
    """Yield one line per threshold, or set of thresholds, that no run of `scenario` can meet."""
    bounds = _upper_bounds(scenario)
    wanted = {item.figure: item for item in scenario.thresholds}
    for item in wanted.values():
        if item.figure.endswith("_ratio") and not 0 <= item.limit <= 1:
            yield f"{item.figure} is from 0 to 1, and never {item.limit:.12g}"
        elif item.comparison is not Comparison.AT_LEAST and item.limit < 0:
            yield f"{_text(item)} is never met: {item.figure} is never below 0"
        elif item.comparison is not Comparison.AT_MOST:
            highest, why = bounds.get(item.figure, (inf, ""))
            if item.limit > highest:
                yield f"{_text(item)} is never met: {item.figure} is at most {highest:.12g}, {why}"
    yield from _exclusions(wanted, bounds)


def _upper_bounds(scenario: Scenario) -> dict[str, UpperBound]:
    """Return the upper bounds of figures; figures without a bound are left out."""
    cache, retry = scenario.cache, scenario.retry
    asked = most_requests(scenario)
    sent = asked * retry.attempts
    of_asked = f"since {asked:,} requests are made"
    of_sent = of_asked if sent == asked else f"{of_asked}, each up to {retry.attempts} times"
    bounds: dict[str, UpperBound] = {
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
    timeout = 1000 * retry.timeout * retry.attempts
    for chain in _LATENCIES:
        bounds |= dict.fromkeys(chain, (timeout, "since parties give up then, as patience says"))
    longest = cache.retention_hours * 3600
    retained = f"since cache.retention_hours is {cache.retention_hours:g}"
    bounds |= dict.fromkeys(STALENESS, (longest, retained))
    if not cache.shadow:
        audited = ("shadow", "shadow_compared", "shadow_different")
        bounds |= dict.fromkeys(audited, (0, "since cache.shadow is 0"))
    if not cache.collapse:
        bounds["collapsed"] = (0, "since cache.collapse is false")
    if not {kind.srv for kind in scenario.mix} & set(cache.srvs):
        nothing = (0, "since cache.srvs has no SRV of the mix")
        bounds |= dict.fromkeys(("hits", "collapsed"), nothing)
        # A second attempt, or a hold-down, can save a device hit without any caching.
        if retry.attempts == 1 and not cache.hold_down_failures:
            bounds["avoided_ratio"] = nothing
    if scenario.fleet.wan == NO_WAN:
        for run in ("spent_direct", "spent_cached"):
            bounds |= dict.fromkeys((f"{run}.sms", f"{run}.pounds"), (0, "since fleet.wan is none"))
    return bounds


def _exclusions(wanted: dict[str, Threshold], bounds: dict[str, UpperBound]) -> Iterator[str]:
    """Yield one line per set of thresholds that exclude each other."""
    for chain in _ASCENDING:
        for low, high in combinations(chain, 2):
            if low in wanted and high in wanted and _least(wanted, low) > _most(wanted, high):
                both = f"{_text(wanted[low])} excludes {_text(wanted[high])}"
                yield f"{both}: {low} is never above {high}"
    least = sum(max(_least(wanted, figure), 0) for figure in _DECISIONS)
    requests = min(_most(wanted, "requests"), bounds["requests"][0])
    if sum(figure in wanted for figure in _DECISIONS) > 1 and least > requests:
        named = ", ".join(figure for figure in _DECISIONS if _least(wanted, figure) > 0)
        yield (
            f"{named} add up to at least {least:.12g}, and there are at most "
            f"{requests:.12g} requests"
        )
    direct = min(_most(wanted, "device_hits_direct"), bounds["device_hits_direct"][0])
    avoided = _least(wanted, "avoided_ratio")
    cached = _least(wanted, "device_hits_cached")
    if avoided >= 0 and cached > (1 - avoided) * direct + 0.5:
        ratio, hits = wanted["avoided_ratio"], wanted["device_hits_cached"]
        yield f"{_text(ratio)} excludes {_text(hits)}: there are at most {direct:.12g} direct hits"


def _least(wanted: dict[str, Threshold], figure: str) -> float:
    """Return the lower limit of a figure, minus infinity if it has none."""
    item = wanted.get(figure)
    return item.limit if item and item.comparison is not Comparison.AT_MOST else -inf


def _most(wanted: dict[str, Threshold], figure: str) -> float:
    """Return the upper limit of a figure, infinity if it has none."""
    item = wanted.get(figure)
    return item.limit if item and item.comparison is not Comparison.AT_LEAST else inf


def _text(item: Threshold) -> str:
    return f"{item.figure} {item.comparison} {item.limit:.12g}"
