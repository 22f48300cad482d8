"""Compare the reports of two proofs: their scenarios, how they ended, and their figures."""

from pathlib import Path
from typing import Any

from esme_emulator.runtime.reports import Figure, ReportError, read_json, side_by_side

FIGURES = (
    "requests",
    "device_hits_direct",
    "device_hits_cached",
    "avoided_ratio",
    "hits",
    "collapsed",
    "forwarded",
    "refused",
    "failed",
    "retries",
    "unanswered",
    "ledger_difference",
    "replies_different",
    "latency.direct.p50",
    "latency.direct.p99",
    "latency.direct.max",
    "latency.hit.p50",
    "latency.hit.p99",
    "latency.miss.p50",
    "latency.miss.p99",
    "latency.miss.max",
    "spent_cached.octets",
    "spent_cached.radio_seconds",
    "spent_cached.busy_seconds",
    "spent_cached.sms",
    "spent_cached.pounds",
)
"""Figures that a comparison shows."""

ABOUT = ("scenario", "seed", "meters", "start", "passed", "complete", "versions")
"""Keys that describe a proof in a comparison."""


def load_report(path: Path) -> dict[str, Any]:
    """Return the JSON of a report, given its file or its folder. Raises `ReportError`."""
    file = path / "proof.json" if path.is_dir() else path
    form = read_json(file)
    if not isinstance(form, dict) or "passed" not in form or "scenario" not in form:
        raise ReportError(
            f"{file}: not the JSON of a proof. Name a report that `esme prove --report` wrote"
        )
    return form


def compare(first: dict[str, Any], second: dict[str, Any]) -> list[Figure]:
    """Return the figures of two proofs side by side."""
    return side_by_side(first, second, FIGURES)


def about(report: dict[str, Any]) -> dict[str, Any]:
    """Return the scenario and verdict of a proof, with None for keys that its report lacks."""
    verdict = "PASSED" if report["passed"] else "FAILED"
    ended = "PARTIAL" if report.get("complete") is False else verdict
    return {"verdict": ended, **{name: report.get(name) for name in ABOUT}}


def unlike(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Return one line per reason why two proofs are not comparable."""
    found = [
        f"{place} proof was interrupted, so its figures are partial"
        for place, form in (("the first", first), ("the second", second))
        if form.get("complete") is False
    ]
    for name in ("scenario", "seed", "meters", "start"):
        one, other = first.get(name), second.get(name)
        if one != other:
            found.append(f"they differ in {name}, {one} and {other}: other requests were made")
    if first.get("scenario") == second.get("scenario"):
        for name, what in (("scenario_text", "the text"), ("scenario_files", "the files")):
            if first.get(name) != second.get(name):
                found.append(f"they differ in {what} of the scenario")
    return found
