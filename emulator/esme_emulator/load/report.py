"""The report of a load: JSON, a page, JUnit XML, a Markdown summary, and histograms.

`latency-<origin>.hgrm` is a percentile distribution in milliseconds, for HdrHistogram's plotter.
`load.hlog` is a log of HdrHistogram, version 1.2: full histograms in microseconds, one line per
tag.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from esme_emulator.load.in_flight import Origin
from esme_emulator.load.result import LoadResult
from esme_emulator.load.tally import Tally
from esme_emulator.load.words import COLUMNS, facts, headline, rows, sentence, value
from esme_emulator.runtime.report_page import render_page
from esme_emulator.runtime.reports import ReportFolder
from esme_emulator.runtime.verdicts import Case, case_of, cell, junit_xml, marked, met, verdict

JSON, LOG = "load.json", "load.hlog"
PAGE, JUNIT, SUMMARY = "load.html", "load.junit.xml", "load.md"
"""File names in a report."""

_HEAD = """\
#[Histogram log format version 1.2]
"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
"""


def report_folder(folder: Path) -> ReportFolder:
    """Return the folder for a load's report."""
    names = ("all", *(origin.value for origin in Origin))
    forms = (JSON, PAGE, JUNIT, SUMMARY, LOG)
    return ReportFolder(folder, (*forms, *map(_distribution, names)))


def write_report(
    folder: ReportFolder, result: LoadResult, tally: Tally, *, made: str = ""
) -> list[Path]:
    """Write the files of a load into a cleared `folder`, and return their paths.

    `made` is the time of the run, for people. Raises `ReportFolderError` and removes the files if
    one cannot be written.
    """
    histograms = {"all": tally.latency()}
    histograms |= {origin.value: tally.latency(origin=origin) for origin in Origin}
    texts = {
        JSON: json.dumps(result.as_dict(), indent=1) + "\n",
        PAGE: page(result, made=made),
        JUNIT: junit(result),
        SUMMARY: markdown(result, made=made),
    }
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


def page(result: LoadResult, *, made: str = "") -> str:
    """Return the HTML of a result, one file without external resources.

    `made` is the time of the run.
    """
    return render_page(
        "esme_emulator.load",
        "",
        "page.html.j2",
        result=result,
        made=made,
        verdict=verdict(result),
        headline=headline(result),
        sentence=sentence(result),
        columns=COLUMNS,
        rows=rows(result),
        facts=facts(result),
        met=met,
        value=value,
    )


def markdown(result: LoadResult, *, made: str = "") -> str:
    """Return the summary of a result, for the page of a CI job; `made` is the time of the run."""
    return "\n".join(_lines(result, made)) + "\n"


def _lines(result: LoadResult, made: str) -> Iterator[str]:
    yield f"## {verdict(result)}: {cell(headline(result))}"
    if made:
        yield from ("", f"Run on {made}.")
    yield from ("", cell(sentence(result)), "")
    if result.thresholds:
        yield from ("| threshold | is | |", "|---|---:|---|")
        for item in result.thresholds:
            yield f"| {cell(item.threshold)} | {value(item)} | {marked(item)} |"
        yield ""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---|" + "---:|" * (len(COLUMNS) - 1)
    for row in rows(result):
        yield f"| {' | '.join(map(cell, row))} |"
    yield from ("", *(f"- {name}: {cell(text)}" for name, text in facts(result)))


def junit(result: LoadResult) -> str:
    """Return the verdict as JUnit XML, with one test case per threshold.

    An incomplete load is an error, and its thresholds are skipped.
    """
    return junit_xml(f"esme load {result.scenario}", result.scenario, _cases(result))


def _cases(result: LoadResult) -> Iterator[Case]:
    ran = Case("ran to the end")
    if not result.complete:
        ran = replace(ran, outcome="error", message=result.ended)
    elif not result.requests.answered:
        ran = replace(ran, outcome="failure", message="nothing was answered")
    yield ran
    for item in result.thresholds:
        yield case_of(item, item.threshold, item.figure, value(item))
