"""The report of a load: `load.json`, histograms for plotting, and comparisons of two reports.

`latency-<origin>.hgrm` is a percentile distribution in milliseconds, for HdrHistogram's plotter.
`load.hlog` is a log of HdrHistogram, version 1.2: full histograms in microseconds, one line per
tag.
"""

import json
from pathlib import Path
from typing import Any

from esme_emulator.load.in_flight import Origin
from esme_emulator.load.result import LoadResult
from esme_emulator.load.tally import Tally
from esme_emulator.runtime.reports import Figure, ReportError, ReportFolder, read_json, side_by_side

JSON, LOG = "load.json", "load.hlog"
"""File names in a report."""

_HEAD = """\
#[Histogram log format version 1.2]
"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
"""


def report_folder(folder: Path) -> ReportFolder:
    """Return the folder for a load's report."""
    names = ("all", *(origin.value for origin in Origin))
    return ReportFolder(folder, (JSON, LOG, *map(_distribution, names)))


def write_report(folder: ReportFolder, result: LoadResult, tally: Tally) -> list[Path]:
    """Write the files of a load into a cleared `folder`, and return their paths.

    Raises `ReportFolderError` and removes the files if one cannot be written.
    """
    histograms = {"all": tally.latency()}
    histograms |= {origin.value: tally.latency(origin=origin) for origin in Origin}
    texts = {JSON: json.dumps(result.as_dict(), indent=1) + "\n"}
    lines = []
    for name, histogram in histograms.items():
        if len(histogram):
            texts[_distribution(name)] = histogram.distribution()
            highest = (histogram.quantiles().max or 0.0) / 1000
            seconds = f"0.000,{result.measured_seconds:.3f},{highest:.6f}"
            lines.append(f"Tag={name},{seconds},{histogram.encoded()}\n")
    texts[LOG] = _HEAD + "".join(lines)
    try:
        return [folder.write(name, text) for name, text in texts.items()]
    except BaseException:
        folder.discard()
        raise


def _distribution(name: str) -> str:
    return f"latency-{name}.hgrm"


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
ABOUT = ("scenario", "ended", "complete")
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
    plans = [{"scenario": form.get("scenario"), **_plan(form)} for form in (first, second)]
    for name in plans[0] | plans[1]:
        values = [plan.get(name) for plan in plans]
        if values[0] != values[1]:
            shown = "" if name == "mix" else f": {values[0]} and {values[1]}"
            lines.append(f"the plans differ in {name.replace('_', '-')}{shown}")
    return lines


def _plan(form: dict[str, Any]) -> dict[str, Any]:
    plan = form.get("plan")
    return plan if isinstance(plan, dict) else {}
