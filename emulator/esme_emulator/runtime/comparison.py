"""Compare two JSON reports figure by figure.

Knows JSON and dotted names of figures; knows nothing of proofs or loads.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esme_emulator.runtime.errors import NamedFileError


class ReportError(NamedFileError):
    """A report that cannot be read or compared; the text is one line for the user."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of two reports; None if a report lacks it."""

    name: str
    first: float | None
    second: float | None


def read_json(file: Path) -> Any:
    """Return the JSON value of a file, or None if it is not JSON. Raises `ReportError`."""
    try:
        return json.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise ReportError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError):
        return None


def side_by_side(
    first: dict[str, Any], second: dict[str, Any], names: Sequence[str]
) -> list[Figure]:
    """Return the figures called `names`, such as `latency.hit.p99`, of two reports."""
    return [Figure(name, _figure(first, name), _figure(second, name)) for name in names]


def _figure(form: Any, name: str) -> float | None:
    for part in name.split("."):
        form = form.get(part) if isinstance(form, dict) else None
    number = isinstance(form, int | float) and not isinstance(form, bool)
    return form if number else None
