"""Two reports of loads side by side. Reads JSON, and needs no package of loads."""

from pathlib import Path
from typing import Any

from esme_emulator.runtime.reports import Figure, ReportError, read_json, side_by_side

FIGURES = (
    "requests.planned",
    "requests.answered",
    "requests.failed",
    "requests.refused",
    "requests.invalid",
    "requests.no_reply",
    "requests.not_sent",
    "requests.unfinished",
    "measured_seconds",
    "target_rate",
    "sent_rate",
    "achieved_rate",
    "latency.all.p50",
    "latency.all.p90",
    "latency.all.p95",
    "latency.all.p99",
    "latency.all.p99_9",
    "latency.all.max",
    "latency.hit.count",
    "latency.hit.p50",
    "latency.hit.p99",
    "latency.miss.count",
    "latency.miss.p50",
    "latency.miss.p99",
    "generator.cpu_microseconds_per_request",
    "generator.sent_late.p99",
)
ABOUT = ("scenario", "ended", "complete", "passed")
"""Keys that describe a load in a comparison."""

_NAME = "load.json"
_KEYS = frozenset({"plan", "requests", "latency", "ended"})


def load_form(path: Path) -> dict[str, Any] | None:
    """Return the JSON of a load's report, given its file or its folder.

    Returns None if it is something else, such as a proof. Raises `ReportError` if the file cannot
    be read, or if it is called `load.json` and is not the JSON of a load.
    """
    file = path / _NAME if path.is_dir() else path
    if path.is_dir() and not file.exists():
        return None
    form = read_json(file)
    if isinstance(form, dict) and form.keys() >= _KEYS:
        return form
    if file.name == _NAME:
        raise ReportError(
            f"{file}: not the JSON of a load. Name a report that `esme load --report` wrote"
        )
    return None


def about_load(form: dict[str, Any]) -> dict[str, Any]:
    """Return the scenario of a load and how it ended, with None for keys that its report lacks."""
    return {name: form.get(name) for name in ABOUT}


def compare_loads(first: dict[str, Any], second: dict[str, Any]) -> list[Figure]:
    """Return the figures of two loads side by side."""
    return side_by_side(first, second, FIGURES)


def unlike_loads(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Return one line per reason why two loads are not comparable."""
    lines = []
    for which, form in (("first", first), ("second", second)):
        if form.get("complete") is not True:
            lines.append(f"the {which} load is incomplete: {form.get('ended')}")
    plans = [_plan(form) for form in (first, second)]
    for name in plans[0] | plans[1]:
        values = [plan.get(name) for plan in plans]
        if values[0] != values[1]:
            shown = "" if name in ("mix", "trace_sha256") else f": {values[0]} and {values[1]}"
            lines.append(f"the plans differ in {name.replace('_', '-')}{shown}")
    return lines


def _plan(form: dict[str, Any]) -> dict[str, Any]:
    plan = form.get("plan")
    return plan if isinstance(plan, dict) else {}
