"""Compare the reports of two proofs: their scenarios, how they ended, and their figures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from esme_emulator.runtime.reports import Figure, ReportError, read_json, side_by_side
from esme_emulator.scenario.file import settings_in

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
    """Return one line per reason why two proofs are not comparable.

    Requests and settings are compared; names of scenarios and files do not matter.
    """
    found = [
        f"{place} proof was interrupted, so its figures are partial"
        for place, form in (("the first", first), ("the second", second))
        if form.get("complete") is False
    ]
    for name in ("seed", "meters", "start", "planned"):
        one, other = first.get(name), second.get(name)
        if one != other:
            shown = "requests" if name == "planned" else name
            found.append(f"they differ in {shown}, {one} and {other}{_OTHERS}")
    if not found and _parties(first) != _parties(second):
        found.append(f"they differ in the parties that asked{_OTHERS}")
    return [*found, *_unlike_scenarios(first, second)]


_OTHERS = ": other requests were made"
_ASKS = frozenset({"arrivals", "mix", "patience", "party"})
"""Tables of a scenario that decide which requests are made."""


def _unlike_scenarios(first: dict[str, Any], second: dict[str, Any]) -> Iterator[str]:
    """Yield one line per setting in which two scenarios differ."""
    one, other = _settings(first), _settings(second)
    if one is None or other is None:
        if first.get("scenario_text") != second.get("scenario_text"):
            yield "they differ in the text of the scenario"
        one, other = {}, {}
    for table in one:
        others = _OTHERS if table in _ASKS else ""
        for line in _differences(table, one[table], other[table]):
            yield f"they differ in {line}{others}"
    if sorted(_digests(first).values()) != sorted(_digests(second).values()):
        yield "they differ in the content of the scenario's files"


def _settings(form: dict[str, Any]) -> dict[str, Any] | None:
    """Return the settings of a report's scenario by table, with digests in place of file names.

    None if this version cannot read the text. The title is left out, and so is what the report
    says itself, because options may have replaced it.
    """
    found = settings_in(str(form.get("scenario_text")))
    if found is None:
        return None
    for name in ("title", "seed", "start"):
        del found[name]
    del found["fleet"]["meters"], found["arrivals"]["requests"]
    digests = _digests(form)
    return {name: _by_content(value, digests) for name, value in found.items()}


def _by_content(value: Any, digests: dict[str, str]) -> Any:
    """Return `value` with the digest of each file in place of its name."""
    if isinstance(value, dict):
        return {name: _by_content(item, digests) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_by_content(item, digests) for item in value]
    if isinstance(value, str):
        kind, colon, name = value.rpartition(":")
        digest = digests.get(str(Path(name)))
        return value if digest is None else f"{kind}{colon}{digest}"
    return value


def _differences(name: str, one: Any, other: Any) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one | other:
            if one.get(key) != other.get(key):
                yield f"{name}.{key}, {one.get(key)} and {other.get(key)}"
    elif one != other:
        yield name


def _parties(form: dict[str, Any]) -> list[Any]:
    return [account.get("name") for account in form.get("by_party", ())]


def _digests(form: dict[str, Any]) -> dict[str, str]:
    return form.get("scenario_files") or {}
