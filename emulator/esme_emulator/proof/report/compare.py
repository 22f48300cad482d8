"""Comparing two proofs: what they are of, how they ended, and their figures side by side."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esme_emulator.runtime.errors import NamedFileError

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


ABOUT = ("scenario", "seed", "meters", "start", "passed", "complete", "versions")
"""What else is told of each proof."""


class ReportError(NamedFileError):
    """A report that cannot be read; the text is one line for the user."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of two reports, None where one has it not."""

    name: str
    first: float | None
    second: float | None


def read_form(file: Path) -> Any:
    """Return what JSON there is in a file, None where it is none. Raises `ReportError`."""
    try:
        return json.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise ReportError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError):
        return None


def load_report(path: Path) -> dict[str, Any]:
    """Return the JSON of a report, from its file or its folder. Raises `ReportError`."""
    file = path / "proof.json" if path.is_dir() else path
    form = read_form(file)
    if not isinstance(form, dict) or "passed" not in form or "scenario" not in form:
        raise ReportError(f"{file}: it is not the JSON of a proof; esme prove --report writes it")
    return form


def compare(
    first: dict[str, Any], second: dict[str, Any], names: Sequence[str] = FIGURES
) -> list[Figure]:
    """Return the figures of two proofs side by side, or those that `names` say."""
    return [Figure(name, _figure(first, name), _figure(second, name)) for name in names]


def about(report: dict[str, Any]) -> dict[str, Any]:
    """Return what a proof is of and how it ended, None where its report does not say."""
    verdict = "PASSED" if report["passed"] else "FAILED"
    ended = "PARTIAL" if report.get("complete") is False else verdict
    return {"verdict": ended, **{name: report.get(name) for name in ABOUT}}


def unlike(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Return a line for each reason why the figures of two proofs are not of the same thing."""
    found = [
        f"{place} is of a proof that was interrupted, so its figures are partial"
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


def _figure(form: Any, name: str) -> float | None:
    for part in name.split("."):
        form = form.get(part) if isinstance(form, dict) else None
    number = isinstance(form, int | float) and not isinstance(form, bool)
    return form if number else None
