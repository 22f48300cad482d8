"""The report of a load: `load.json`, and its histograms for others to plot.

`latency-<which>.hgrm` is HdrHistogram's percentile distribution in milliseconds, which its
plotter reads; `load.hlog` is its log, version 1.2, with the histograms in full and values
in microseconds, one line a tag.
"""

import json
from pathlib import Path

from emulator.load.book import Origin
from emulator.load.result import LoadResult
from emulator.load.tally import Tally

_HEAD = """\
#[Histogram log format version 1.2]
"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
"""


class LoadReportError(Exception):
    """A report that cannot be written; the text says why."""


def prepare(folder: Path) -> None:
    """Make `folder`, before there is anything to write. Raises `LoadReportError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LoadReportError(f"report folder {folder}: {error.strerror}") from None


def write_report(folder: Path, result: LoadResult, tally: Tally) -> list[Path]:
    """Write the files of a load into `folder` and return them. Raises `LoadReportError`."""
    histograms = {"all": tally.latency()}
    histograms |= {origin.value: tally.latency(origin=origin) for origin in Origin}
    texts = {"load.json": json.dumps(result.as_dict(), indent=1) + "\n"}
    lines = []
    for name, histogram in histograms.items():
        if len(histogram):
            texts[f"latency-{name}.hgrm"] = histogram.distribution()
            highest = (histogram.quantiles().max or 0.0) / 1000
            seconds = f"0.000,{result.measured_seconds:.3f},{highest:.6f}"
            lines.append(f"Tag={name},{seconds},{histogram.encoded()}\n")
    texts["load.hlog"] = _HEAD + "".join(lines)
    try:
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise LoadReportError(f"{error.filename}: {error.strerror}") from None
    return [folder / name for name in texts]
