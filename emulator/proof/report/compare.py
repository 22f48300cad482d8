"""Comparing two proofs: their figures side by side."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.errors import NamedFileError

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


class ReportError(NamedFileError):
    """A report that cannot be read; the text is one line for the user."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of two proofs, None where one has it not."""

    name: str
    first: float | None
    second: float | None


def load_report(path: Path) -> dict[str, Any]:
    """Return the JSON of a report, from its file or its folder. Raises `ReportError`."""
    file = path / "proof.json" if path.is_dir() else path
    try:
        form = json.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise ReportError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError):
        form = None
    if not isinstance(form, dict) or "passed" not in form or "scenario" not in form:
        raise ReportError(f"{file}: it is not the JSON of a proof; esme prove --report writes it")
    return form


def compare(first: dict[str, Any], second: dict[str, Any]) -> list[Figure]:
    """Return the figures of two proofs side by side."""
    return [Figure(name, _figure(first, name), _figure(second, name)) for name in FIGURES]


def _figure(form: Any, name: str) -> float | None:
    for part in name.split("."):
        form = form.get(part) if isinstance(form, dict) else None
    number = isinstance(form, int | float) and not isinstance(form, bool)
    return form if number else None
