"""The report of a load: `load.json`, and histograms for plotting.

`latency-<origin>.hgrm` is a percentile distribution in milliseconds, for HdrHistogram's plotter.
`load.hlog` is a log of HdrHistogram, version 1.2: full histograms in microseconds, one line per
tag.
"""

import json
from pathlib import Path

from esme_emulator.load.in_flight import Origin
from esme_emulator.load.result import LoadResult
from esme_emulator.load.tally import Tally
from esme_emulator.runtime.report_folder import ReportFolder

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
