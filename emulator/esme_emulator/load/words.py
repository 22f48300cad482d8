"""The words and number formats that all forms of a load's report share."""

from collections.abc import Iterator

from esme_emulator.gateway.services import titled
from esme_emulator.load.plan import Arrivals
from esme_emulator.load.result import LoadResult
from esme_emulator.load.tally import PARTS, Quantiles
from esme_emulator.load.thresholds import RATE, LoadVerdict
from esme_emulator.runtime.verdicts import NOT_MEASURED

ORIGINS = {
    "hit": "from the cache",
    "miss": "from the meter",
    "collapsed": "collapsed",
    "bypass": "past the cache",
}
COLUMNS = ("requests", "number", "failed", "p50", "p95", "p99", "p99.9", "longest")
"""Titles of the columns of `rows`."""


def value(item: LoadVerdict) -> str:
    """Return the value of a threshold's figure with its unit."""
    if item.value is None:
        return NOT_MEASURED if item.met is None else "no answer in time"
    if item.figure in PARTS:
        return milliseconds(item.value)
    return f"{item.value:g}/s" if item.figure == RATE else share(item.value)


def share(ratio: float) -> str:
    """Format a ratio as a percentage; only 0 and 1 are shown as 0 % and 100 %."""
    shown = f"{100 * ratio:.2f}"
    if shown in ("0.00", "100.00") and ratio not in (0, 1):
        shown = f"{100 * ratio:.6f}"
    return f"{shown.rstrip('0').rstrip('.')} %"


def milliseconds(time: float | None) -> str:
    """Format milliseconds for people, in seconds from one second on; None becomes a dash."""
    if time is None:
        return "–"
    return f"{time:.1f} ms" if time < 1000 else f"{time / 1000:.2f} s"


def headline(result: LoadResult) -> str:
    """Return scenario, way, arrivals and duration in a line."""
    plan = result.plan
    asked = plan.arrivals.value
    if result.target_rate is not None:
        asked += f" {result.target_rate:g}/s"
    if plan.arrivals is Arrivals.CLOSED:
        asked += f" loop, {plan.closed} in flight"
    return f"{result.scenario}, via {plan.via}: {asked}, {result.measured_seconds:g} s"


def sentence(result: LoadResult) -> str:
    """Return the result in words that a person can quote."""
    requests, latency = result.requests, result.latency["all"]
    text = f"Of {requests.planned:,} requests {requests.answered:,} were answered"
    text += f" and {requests.failed:,} failed"
    if latency.count:
        half, most = milliseconds(latency.p50), milliseconds(latency.p95)
        text += f"; half of the answers came within {half}, and 95 % within {most}"
    ended = "" if result.complete else f" The load is partial: {result.ended}."
    return f"{text}.{ended}"


def rows(result: LoadResult) -> list[tuple[str, ...]]:
    """Return the rows of the table of latencies, for all requests, by origin, SRV and party."""
    requests = result.requests
    found = [_row("all", requests.planned, f"{requests.failed:,}", result.latency["all"])]
    for name, title in ORIGINS.items():
        of = result.latency[name]
        if of.count:
            found.append(_row(title, of.count, "", of))
    for part in (*result.by_srv, *result.by_party):
        counts = part.requests
        found.append(_row(titled(part.name), counts.planned, f"{counts.failed:,}", part.latency))
    return found


def _row(name: str, number: int, failed: str, of: Quantiles) -> tuple[str, ...]:
    times = (of.p50, of.p95, of.p99, of.p99_9, of.max)
    return (name, f"{number:,}", failed, *map(milliseconds, times))


def facts(result: LoadResult) -> Iterator[tuple[str, str]]:
    """Yield what else a reader needs to judge the figures, with titles."""
    requests, plan = result.requests, result.plan
    yield "latency", "of answers, from the planned time of each request"
    yield "rates", f"{result.sent_rate:g}/s sent, {result.achieved_rate:g}/s answered"
    yield (
        "failed",
        f"refused {requests.refused:,}, invalid {requests.invalid:,}, no reply "
        f"{requests.no_reply:,}, not sent {requests.not_sent:,}; "
        f"{requests.unfinished:,} unfinished",
    )
    if result.duis is not None:
        times = result.duis.acknowledgement
        yield "acknowledged", f"{times.count:,}, p95 {milliseconds(times.p95)}"
        for code, number in result.duis.codes.items():
            yield f"response code {code}", f"{number:,}"
    yield "verified", f"{result.checked:,} replies"
    yield "meters", f"{plan.meters:,}, seed {plan.seed}, clock {plan.clock}"
    for note in result.notes:
        yield "note", note
