"""Every form of a report shows the result and is well-formed."""

import asyncio
import csv
import io
import json
import re
from collections import Counter
from dataclasses import fields, replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pydantic import TypeAdapter
from rich.console import Console

from esme_emulator.cli.render.proof import (
    figures_table,
    proof_table,
    rules_table,
)
from esme_emulator.gateway.services import titled
from esme_emulator.profiles import wan_profile
from esme_emulator.proof.figures import over_time as hits_in_intervals
from esme_emulator.proof.report.charts import hit_ages, hits_over_time, latencies
from esme_emulator.proof.report.ci import junit, markdown
from esme_emulator.proof.report.compare import (
    FIGURES,
    about,
    compare,
    load_report,
    unlike,
)
from esme_emulator.proof.report.page import page
from esme_emulator.proof.report.words import (
    again,
    compared,
    duration,
    exact,
    figure,
    milliseconds,
    percent,
    quotation,
)
from esme_emulator.proof.report.write import (
    Rows,
    accounts,
    costs,
    over_time,
    report_folder,
    write_report,
)
from esme_emulator.proof.result import (
    Account,
    Ages,
    Distribution,
    Interval,
    ProofResult,
    Verdict,
    json_schema,
)
from esme_emulator.proof.side_by_side import of_seeds
from esme_emulator.runtime.reports import ReportError
from esme_emulator.scenario.file import load_scenario
from esme_emulator.scenario.scenario import Comparison, Threshold
from tests.emulator.control.browser import chromium
from tests.emulator.proof.proving import SHIPPED, few, proved, small, smaller
from tests.support.command_line import esme
from tests.support.json_schema import conforms
from tests.support.rtds import ROOT

NASTY = 'A <script>alert("1")</script> & a title'


class Page(HTMLParser):
    """A parsed page: its elements, their attributes, and its text."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(name="result", scope="module")
def a_result() -> ProofResult:
    return smaller("quickstart")


def failed(result: ProofResult, **changed: Any) -> ProofResult:
    limits = (
        *result.required[:-1],
        Threshold("avoided_ratio", Comparison.AT_LEAST, 0.99),
        Threshold("latency.hit.p50", Comparison.AT_LEAST, 1),
    )
    lines = ("2026-01-15T06:00:00Z: SRV 4.8.1 of A <b> for B was sent, and not received",)
    return replace(result, required=limits, ledger_difference=1, ledger_lines=lines, **changed)


def partial(result: ProofResult) -> ProofResult:
    """Return a result whose run through the cache was interrupted half way."""
    half = replace(result.spent_cached, device_hits=1, octets=1, radio_seconds=0.5)
    return replace(
        result,
        complete=False,
        ended="interrupted",
        made_cached=result.planned // 2,
        device_hits_cached=1,
        spent_cached=half,
        ledger_difference=None,
    )


def test_the_page_shows_the_whole_result(result: ProofResult) -> None:
    read = Page(page(result, named="quickstart"))
    for heading in (
        "Thresholds",
        "Device hits over time",
        "Ledger of the run through the cache",
        "Requests by SRV",
        "Requests by party",
        "Latency",
        "Load avoided on meters and network",
        "Busiest meters",
        "Reproduce",
    ):
        assert heading in read.text
    assert read.tags.count("svg") == 5
    assert "PASSED" in read.text
    assert "PARTIAL" not in read.text
    assert f"{result.device_hits_direct:,} device hits direct" in read.text
    for name, verdict in result.thresholds.items():
        assert f"{name} {exact(verdict.value)} {verdict.comparison} {exact(verdict.limit)} met" in (
            read.text
        )
    for account in (*result.by_srv, *result.by_party):
        direct, cached = account.device_hits_direct, account.device_hits_cached
        assert f"{titled(account.name)} {account.requests:,} {account.hits:,}" in read.text
        assert f"{cached:,} {direct:,} {100 * (1 - cached / direct):.1f} %" in read.text
    for meter in result.busiest:
        assert meter.name in read.text
    for version in result.versions.values():
        assert version in read.text
    assert "esme prove quickstart --seed 1 --meters 8" in read.text
    assert " ".join(result.scenario_text.split()) in read.text


@pytest.mark.parametrize("name", SHIPPED)
def test_the_page_has_no_external_resources(name: str) -> None:
    text = page(smaller(name), named="quickstart")
    assert len(text.encode()) < 500_000
    read = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(read.tags)
    for tag, attribute, value in read.attributes:
        if attribute in ("src", "href", "xlink:href", "action", "data", "srcset"):
            assert value.startswith("#"), (tag, attribute, value)
    assert not re.search(r"@import|url\((?!#)", text)


def test_the_page_names_the_files_of_its_scenario(result: ProofResult) -> None:
    assert "SHA-256" not in Page(page(result, named="mine.toml")).text
    with_files = replace(result, scenario_files={"a/b.toml": "00ff", "c.csv": "11ee"})
    assert "Their SHA-256: 00ff a/b.toml 11ee c.csv" in (
        Page(page(with_files, named="mine.toml")).text
    )


def test_wide_tables_and_charts_scroll_on_a_narrow_screen(result: ProofResult) -> None:
    text = page(replace(result, faults_fired={"no-reply-1": 3}), named="quickstart")
    assert text.count("<table") == text.count('<div class="scroll"><table') == 8
    assert text.count('<div class="scroll wide"><svg') == 3
    assert not re.search(r"minmax\(\d{3,}px, 1fr\)", text.replace("minmax(150px", ""))


def test_charts_take_their_colours_from_the_page(result: ProofResult) -> None:
    text = page(result, named="quickstart")
    styles, *drawn = text.partition("</style>")
    used = set(re.findall(r"var\((--[a-z]+), #", "".join(drawn)))
    assert used >= {"--ink", "--direct", "--cached"}
    for light_or_dark in styles.split("prefers-color-scheme: dark"):
        assert used <= set(re.findall(r"(--[a-z]+):", light_or_dark))


def test_the_page_shows_maximum_latencies_and_explains_misses(result: ProofResult) -> None:
    longest = replace(result.latency.miss, p99_9=99_000.0, max=120_000.5)
    result = replace(result, latency=replace(result.latency, miss=longest))
    read = Page(page(result, named="quickstart"))
    miss, counts = result.latency.miss, result.distribution
    told = " ".join(map(milliseconds, (miss.p50, miss.p99, miss.p99_9, miss.max)))
    assert f"miss {sum(counts.miss):,} {told}" in read.text
    assert sum(counts.miss) == result.forwarded + result.collapsed
    assert "collapsed into a request" in read.text
    assert "0 ms by construction" in read.text


@pytest.mark.parametrize(
    ("bounds", "counts", "ticks"),
    [
        ((0.0, 1.0, 900.0, 1000.0), (0, 0, 0, 5), {"0.1", "1"}),
        ((0.0, 1.0, 20.0, 50_000.0), (0, 0, 3, 5), {"0.01", "0.1", "1", "10"}),
        ((0.0,), (7,), {"0"}),
        ((0.0,), (0,), {"0"}),
    ],
)
def test_the_latency_axis_spans_a_power_of_ten_or_more(
    bounds: tuple[float, ...], counts: tuple[int, ...], ticks: set[str]
) -> None:
    text = latencies(Distribution(bounds, direct=counts, hit=(0,) * len(counts), miss=counts))
    assert ticks <= set(re.findall(r">\s*([\d.,]+)\s*</text>", text))
    assert "10^" not in text


def test_latency_bins_are_an_eighth_wide(result: ProofResult) -> None:
    bounds = result.distribution.bounds
    assert len([bound for bound in bounds if bound >= 1000]) > 20
    assert all(high / low < 1.15 for low, high in pairwise(bounds[1:]))
    assert result.latency.direct.max is not None
    assert bounds[-2] < result.latency.direct.max <= bounds[-1]


def test_a_page_of_ten_thousand_requests_is_below_five_megabytes(result: ProofResult) -> None:
    many = tuple(Account(f"{place:016X}", *[10_000] * 8) for place in range(20))
    times = result.over_time * (96 // len(result.over_time) + 1)
    large = replace(result, requests=10_000, busiest=many, over_time=times[:97])
    assert len(page(large, named="quickstart").encode()) < 5_000_000


def test_texts_of_a_scenario_are_escaped(result: ProofResult) -> None:
    nasty = failed(result, title=NASTY, seed="1; rm -rf '", scenario_text=f"# {NASTY}</pre>")
    text = page(nasty, named="there/my proof.toml")
    assert "<script" not in text
    read = Page(text)
    assert "script" not in read.tags
    assert NASTY in read.text
    assert "<b> for B" in read.text
    assert again(nasty, named="'there/my proof.toml'") == (
        "esme prove 'there/my proof.toml' --seed '1; rm -rf '\"'\"'' --meters 8"
    )
    assert "<script" not in markdown(nasty, named="mine.toml")


def test_the_page_of_a_failure_gives_the_reasons(result: ProofResult) -> None:
    read = Page(page(failed(result), named="quickstart"))
    assert "FAILED" in read.text
    assert f"avoided_ratio {exact(result.avoided_ratio)} >= 0.99 not met" in read.text
    assert "Ledger differences:" in read.text
    nothing = replace(result, replies_compared=0, over_time=())
    assert "Nothing was measured" in Page(page(nothing, named="quickstart")).text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0, "0"), (1234567, "1,234,567"), (0.5, "0.5"), (12.3456, "12.346"),
     (0.0004, "0.0004"), (-3.0, "-3"), (1e-9, "1e-09")],
)  # fmt: skip
def test_numbers_are_formatted_for_people(value: float | None, shown: str) -> None:
    assert figure(value) == shown


def test_a_narrowly_missed_threshold_is_visible(result: ProofResult) -> None:
    ratio = result.avoided_ratio
    assert ratio is not None
    limit = round(ratio + 4e-7, 7)
    required = (
        Threshold("avoided_ratio", Comparison.AT_LEAST, limit),
        Threshold("spent_cached.octets", Comparison.AT_LEAST, 1234567),
    )
    near = replace(result, required=required)
    shown = io.StringIO()
    proof_table(near, Console(file=shown, width=120))
    assert f"avoided_ratio is {ratio} and must be >= {limit}\n" in shown.getvalue()
    assert f"avoided_ratio {ratio} >= {limit} not met" in Page(page(near, named="few")).text
    assert f"| avoided_ratio | {ratio} | >= {limit} | **not met** |" in markdown(near, named="few")
    cases = ET.fromstring(junit(near)).findall("testcase")
    names = [f"avoided_ratio >= {limit}", "spent_cached.octets >= 1234567"]
    assert [case.attrib["name"] for case in cases[1:]] == names
    [message] = [failure.attrib["message"] for failure in cases[1].findall("failure")]
    assert message == f"avoided_ratio is {ratio}"


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(1, "100.0 %"), (0.99996, "99.996 %"), (0.7244, "72.4 %"), (0.000004, "0.0004 %"),
     (0, "0.0 %"), (-0.5, "-50.0 %"), (None, "not measured")],
)  # fmt: skip
def test_almost_all_is_not_shown_as_100_percent(ratio: float | None, shown: str) -> None:
    assert percent(ratio) == shown


# JSON


@pytest.mark.parametrize("alter", [lambda same: same, failed, partial])
@pytest.mark.parametrize("name", ["quickstart", "retry-storm"])
def test_the_json_conforms_to_its_schema(name: str, alter: Any) -> None:
    form = json.loads(alter(smaller(name)).as_json())
    rules = json_schema()
    conforms(form, rules, rules["$defs"])
    assert set(form) == set(rules["properties"]) == set(rules["required"])


def test_the_published_schema_is_current() -> None:
    published = json.loads((ROOT / "docs/proof.schema.json").read_text("utf-8"))
    assert published == json_schema(), "run `esme report schema > docs/proof.schema.json`"


def test_the_json_round_trips(result: ProofResult) -> None:
    form = json.loads(result.as_json())
    assert form["latency"].keys() == {"direct", "hit", "miss", "unit"}
    assert form["latency"]["hit"].keys() == {"p50", "p99", "p99_9", "max"}
    derived = {item.name for item in fields(ProofResult) if not item.init}
    given = {name: value for name, value in form.items() if name not in derived | {"format"}}
    kept = TypeAdapter(ProofResult).validate_python({**given, "required": result.required})
    assert json.loads(kept.as_json()) == form


# CSV, JUnit XML, Markdown


def read(rows: Rows) -> list[dict[str, str]]:
    """Return rows as a CSV reader does."""
    head, *others = ([str(cell) for cell in row] for row in rows)
    return [dict(zip(head, row, strict=True)) for row in others]


def test_the_csv_has_a_column_for_each_field(result: ProofResult) -> None:
    evidence = asyncio.run(proved(small("quickstart"))).evidence
    rows = read(accounts(result, evidence))
    assert list(rows[0]) == ["by", *(item.name for item in fields(Account))]
    assert [row["by"] for row in rows].count("srv") == len(result.by_srv)
    assert [row["name"] for row in rows if row["by"] == "party"] == [
        item.name for item in result.by_party
    ]
    assert sum(int(row["requests"]) for row in rows if row["by"] == "srv") == result.requests
    times = read(over_time(result, evidence))
    assert list(times[0]) == [item.name for item in fields(Interval)]
    assert sum(int(row["direct"]) for row in times) == result.device_hits_direct


def test_junit_has_a_case_for_each_threshold(result: ProofResult) -> None:
    good, bad = ET.fromstring(junit(result)), ET.fromstring(junit(failed(result)))
    assert good.attrib["tests"] == str(len(good.findall("testcase"))) == "6"
    assert (good.attrib["failures"], good.findall(".//failure")) == ("0", [])
    failures = bad.findall(".//failure")
    assert bad.attrib["failures"] == str(len(failures)) == "3"
    messages = [failure.attrib["message"] for failure in failures]
    assert "ledger_difference is 1" in messages
    assert "SRV 4.8.1 of A <b>" in (failures[0].text or "")
    nothing = ET.fromstring(junit(replace(result, replies_compared=0)))
    [failure] = nothing.findall(".//failure")
    assert failure.attrib["message"] == "nothing was measured"


def test_the_summary_has_well_formed_tables(result: ProofResult) -> None:
    for alter, verdict in (
        (result, "## PASSED: Quickstart"),
        (failed(result), "## FAILED: Quickstart"),
        (partial(result), "## PARTIAL: Quickstart"),
        (replace(result, title="Two\nlines | and a bar"), "## PASSED: Two lines | and a bar"),
    ):
        text = markdown(alter, named="quickstart")
        assert text.startswith(verdict)
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            lines = table.splitlines()
            assert re.fullmatch(r"\|(-+:?\|)+", lines[1])
            assert len({line.count("|") for line in lines}) == 1
    assert "Ledger differences:" in markdown(failed(result), named="quickstart")


def test_the_summary_has_totals_latencies_versions_and_the_command(result: ProofResult) -> None:
    text = markdown(result, named="there/mine.toml")
    counts = (result.requests, result.hits, result.collapsed, result.forwarded, 0, 0)
    assert (
        f"| **all** | {' | '.join(map(figure, counts))} | {percent(result.avoided_ratio)} |" in text
    )
    miss = result.latency.miss
    figures = " | ".join(map(milliseconds, (miss.p50, miss.p99, miss.p99_9, miss.max)))
    assert f"| miss | {sum(result.distribution.miss)} | {figures} |" in text
    assert f"\n```\n{again(result, named='there/mine.toml')}\n```\n" in text
    for name, version in result.versions.items():
        assert f"{name} {version}" in text


def test_a_partial_result_omits_figures_that_need_both_runs(result: ProofResult) -> None:
    part = partial(result)
    assert (part.avoided_ratio, part.ledger_difference, part.passed) == (None, None, False)
    assert {(item.value, item.met) for item in part.thresholds.values()} == {(None, None)}
    made = "of 72 requests 72 were made directly and 36 through the cache"
    text = io.StringIO()
    proof_table(part, Console(file=text, width=200))
    rules_table(of_seeds([25.0], [[("rule", part)]]), part.title, Console(file=text, width=200))
    read = Page(page(part, named="quickstart")).text
    for form in (read, markdown(part, named="quickstart"), text.getvalue()):
        assert "PARTIAL" in form
        assert f"interrupted; {made}" in form
        assert "not measured" in form
        assert not re.search(r"\d met\b|\| met\b|not met| is – and must be", form)
    assert "not measured of device hits avoided" in read
    for title in ("device hits", "octets to and from meters", "radio time", "pounds"):
        assert re.search(rf"{title} [\d,.]+( \w+)? [\d,.]+( \w+)? not measured", read), title


def test_junit_of_a_partial_result_is_an_error_and_skips_the_thresholds(
    result: ProofResult,
) -> None:
    suite = ET.fromstring(junit(partial(result)))
    counts = {name: suite.attrib[name] for name in ("tests", "errors", "skipped", "failures")}
    assert counts == {"tests": "6", "errors": "1", "skipped": "5", "failures": "0"}
    [error] = suite.findall("testcase/error")
    assert error.attrib["message"].startswith("interrupted; of 72 requests 72 were made directly")
    assert len(suite.findall("testcase/skipped")) == 5


def test_every_form_shows_the_assumptions_behind_costs() -> None:
    """Busy seconds are None if meters have no latency."""
    proof = asyncio.run(
        proved(few("[costs]\nsms_pounds = 0.031\n", 'wan = "smets1-sms"', latency=""))
    )
    result = proof.result
    assert result.spent_direct.busy_seconds is result.spent_cached.busy_seconds is None
    known = {item.key: (item.value, item.basis) for item in result.assumptions}
    assert known == {
        "costs.sms_pounds": (0.031, "the scenario's"),
        "costs.sms_per_wake": (2, f"of the WAN; {wan_profile('smets1-sms').sources['wake_sms']}"),
        "costs.radio_seconds_per_message": (0.5, "assumed"),
        "costs.octets_per_radio_second": (12500, "assumed: 100 kbit/s"),
        "fleet.wan": ("smets1-sms", "the scenario's"),
        "fleet.latency": ("none", "the scenario's"),
    }
    assert json.loads(result.as_json())["assumptions"] == [
        {"key": key, "value": value, "basis": basis} for key, (value, basis) in known.items()
    ]
    words, text = Page(page(result, named="few.toml")).text, markdown(result, named="few.toml")
    rows = {row["name"]: row for row in read(costs(result, proof.evidence))}
    for key, (value, basis) in known.items():
        shown = value if isinstance(value, str) else figure(value)
        assert f"{key} {shown} {basis}" in words
        assert f"| `{key}` | {shown} | {basis} |" in text
        assert (rows[key]["value"], rows[key]["basis"]) == (str(value), basis)
    assert "time that meters were busy no latency configured no latency configured" in words
    assert "| time that meters were busy | no latency configured |" in text
    assert rows["pounds"]["direct"] == str(result.spent_direct.pounds)
    assert rows["pounds"]["basis"] == "assumed: SMS × costs.sms_pounds"


# Files, and comparisons


def test_a_report_has_every_form_and_its_json_can_be_read(
    result: ProofResult, tmp_path: Path
) -> None:
    folder = tmp_path / "deep" / "report"
    report_folder(folder).clear()
    whole = asyncio.run(proved(small("quickstart", 30)))
    kept = report_folder(folder)
    path = write_report(whole.result, whole.evidence, kept, named="quickstart")
    assert path.name == "report.html"
    assert {file.name for file in path.parent.iterdir()} == {
        "proof.json",
        "accounts.csv",
        "over_time.csv",
        "costs.csv",
        "ledger.csv",
        "junit.xml",
        "summary.md",
        "report.html",
        ".esme-report",
    }
    for given in (path.parent, path.parent / "proof.json"):
        assert load_report(given) == json.loads(whole.result.as_json())
    with (folder / "accounts.csv").open(newline="") as file:
        meters = [row for row in csv.DictReader(file) if row["by"] == "meter"]
    assert len(meters) == 30 > len(whole.result.busiest) == 20
    assert sum(int(row["requests"]) for row in meters) == whole.result.requests
    with (folder / "ledger.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 2 * whole.result.planned


MADE = "2026-02-03 04:05 UTC"


def test_the_date_of_the_run_is_in_what_people_read_alone(
    result: ProofResult, tmp_path: Path
) -> None:
    whole = asyncio.run(proved(small("quickstart", 3)))
    texts: list[dict[str, str]] = []
    for made in (MADE, MADE, "another day"):
        folder = report_folder(tmp_path)
        folder.clear()
        write_report(whole.result, whole.evidence, folder, named="quickstart", made=made)
        texts.append({path.name: path.read_text("utf-8") for path in tmp_path.iterdir()})
    first, same, other = texts
    assert first == same
    changed = {name for name in first if first[name] != other[name]}
    assert changed == {"report.html", "summary.md", ".esme-report"}
    said = f"run on {MADE}, in scenario time from {result.start[:10]} 06:00 UTC"
    assert said in Page(first["report.html"]).text
    assert f"; run on {MADE}." in first["summary.md"]
    assert "run on" not in page(result, named="quickstart") + markdown(result, named="quickstart")


def test_srvs_have_their_names(result: ProofResult) -> None:
    name = "4.8.1 Read Active Import Profile Data"
    [account] = [each for each in result.by_srv if each.name == "4.8.1"]
    html = page(result, named="quickstart")
    assert f"{name} {account.requests}" in Page(html).text
    assert "4.8.1 Read Active Import" in "".join(re.findall(r"<text[^>]*>(.*?)</text>", html))
    text = markdown(result, named="quickstart")
    assert f"| {name} | {account.requests} |" in text
    assert f"| {name} | {account.hits} |" in text  # ages of hits


def test_failures_are_told_with_their_reasons() -> None:
    result = asyncio.run(proved(small("retry-storm", 40))).result
    assert result.failed == sum(result.failures.values()) > 0
    assert {name.split()[-1] for name in result.failures} <= {"no-reply", "timeout", "cooldown"}
    told = ", ".join(f"{name} {count}" for name, count in result.failures.items())
    for form in (page(result, named="x"), markdown(result, named="x")):
        assert f"Failed by party and reason: {told}." in form
    shown = io.StringIO()
    proof_table(result, Console(file=shown, width=120))
    for name, count in result.failures.items():
        assert f"\n  {count} failed: {name}\n" in shown.getvalue()


@pytest.mark.parametrize(
    ("name", "value", "limit", "shown"),
    [
        ("latency.miss.p99", 1_375_300.426, 2000.0, ("22.9 min", "2 s")),
        ("latency.miss.p99", 2000.001, 2000.0, ("2.000001 s", "2 s")),
        ("staleness.p95", 93_601, 93_600.0, ("93,601 s", "93,600 s")),
        ("staleness.p95", 93_600, 93_600.0, ("26 h", "26 h")),
        ("spent_cached.radio_seconds", 1244.736, 4000.0, ("20.7 min", "1.11 h")),
        ("latency.hit.p50", None, 5.0, ("–", "0.005 s")),
        ("avoided_ratio", 0.663569, 0.4, ("0.663569", "0.4")),
    ],
)
def test_thresholds_on_times_are_in_seconds_minutes_and_hours(
    name: str, value: float | None, limit: float, shown: tuple[str, str]
) -> None:
    assert compared(name, Verdict("<=", limit, value, None)) == shown


@pytest.mark.parametrize(
    ("last", "width"),
    [(0, 1), (95, 1), (96, 2), (3599, 60), (17_999, 300), (439_200, 7200), (4_000_000, 43_200),
     (10_000_000, 2 * 86_400)],
)  # fmt: skip
def test_device_hits_are_counted_in_round_intervals(last: int, width: int) -> None:
    scenario = load_scenario("soak")
    times = [
        datetime.fromisoformat(each.start)
        for each in hits_in_intervals(scenario, Counter({0: 1, last: 1}), Counter())
    ]
    assert len(times) == last // width + 1 <= 96
    assert times[-1] - times[0] == timedelta(seconds=last // width * width)


@pytest.mark.parametrize(
    ("hours", "ticks"),
    [(1, range(3)), (8, range(9)), (24, range(0, 25, 3)), (72, range(0, 73, 12))],
)
def test_ages_have_round_ticks(hours: int, ticks: range) -> None:
    assert f"{'|'.join(map(str, ticks))}|hours since" in _texts_of(hit_ages([1] * hours))


@pytest.mark.processes
async def test_the_table_of_rules_fits_on_a_screen_and_on_paper(result: ProofResult) -> None:
    def seed(more: int) -> list[tuple[str, ProofResult]]:
        ages = Ages("all", 900, 190_000 + more, 210_000 + more, 255_000 + more)
        found = replace(result, device_hits_cached=30 + more, staleness=ages)
        return [("72 hours", found), ("as in the scenario", found)]

    rules = of_seeds([72.0, 48.0], [seed(0), seed(1500)])
    async with chromium() as browser:
        for width, media in ((1200, "screen"), (718, "print")):  # A4 without its margins
            shown = await browser.new_page(viewport={"width": width, "height": 900})
            await shown.emulate_media(media=media)  # type: ignore[arg-type]
            await shown.set_content(page(result, named="quickstart", side_by_side=rules))
            over = "table => table.scrollWidth - table.parentElement.clientWidth"
            assert await shown.eval_on_selector(".dense", over) <= 0, media


def test_the_axis_of_device_hits_says_their_interval() -> None:
    intervals = [Interval(f"2026-01-15T05:{minute:02}:00Z", 1, 0) for minute in range(0, 60, 5)]
    assert "device hits in 5 min" in _texts_of(hits_over_time(intervals))
    assert "|device hits" in _texts_of(hits_over_time(intervals[:1]))


def _texts_of(svg: str) -> str:
    return "|".join(re.findall(r"<text[^>]*>\s*(.*?)\s*</text>", svg))


def test_two_reports_side_by_side(result: ProofResult) -> None:
    one, other = result.as_dict(), failed(result, hits=result.hits + 7).as_dict()
    other["latency"]["hit"]["p50"] = None
    figures = {item.name: (item.first, item.second) for item in compare(one, other)}
    assert tuple(figures) == FIGURES
    assert figures["hits"] == (result.hits, result.hits + 7)
    assert figures["latency.hit.p50"] == (0, None)
    assert all(first is not None for first, _ in figures.values())
    text = io.StringIO()
    of = about(one), about({**other, "complete": False, "seed": "7"})
    figures_table(("a", "b"), of, compare(one, other), Console(file=text, width=120))
    assert re.search(r"verdict +PASSED +PARTIAL\b", text.getvalue())
    assert re.search(r"seed +1 +7 +differs\b", text.getvalue())
    [line] = [line for line in text.getvalue().splitlines() if line.startswith("hits ")]
    assert line.split()[-1] == "7"


def test_two_reports_fit_on_a_narrow_terminal(result: ProofResult) -> None:
    one = result.as_dict()
    text = io.StringIO()
    of = about(one), about({**one, "scenario": "change-of-supplier"})
    figures_table(("a", "b"), of, compare(one, one), Console(file=text, width=80))
    words = set(text.getvalue().split())
    assert words >= {*FIGURES, "change-of-supplier", *result.start.split("T")}


def test_a_proof_without_device_hits_fails(result: ProofResult) -> None:
    text = io.StringIO()
    none = replace(result, device_hits_direct=0)
    proof_table(none, Console(file=text, width=120))
    assert "FAILED: there were no device hits that a cache could avoid; " in text.getvalue()


def test_differences_between_proofs_are_reported(result: ProofResult) -> None:
    one = result.as_dict()
    assert unlike(one, one) == []
    for changed, says in (
        ({"seed": "7"}, "they differ in seed, 1 and 7: other requests were made"),
        ({"meters": 9}, "they differ in meters, 8 and 9: other requests were made"),
        ({"scenario_text": "#"}, "they differ in the text of the scenario"),
        ({"scenario_files": {"a": "0"}}, "they differ in the content of the scenario's files"),
        ({"complete": False}, "the second proof was interrupted"),
    ):
        [line] = unlike(one, {**one, **changed})
        assert line.startswith(says)


def test_proofs_are_compared_by_what_was_asked(result: ProofResult) -> None:
    one = result.as_dict()
    text = str(one["scenario_text"])

    def lines(old: str, new: str) -> list[str]:
        assert old in text
        return unlike(one, {**one, "scenario": "b", "scenario_text": text.replace(old, new, 1)})

    assert lines('title = "', '# renamed\ntitle = "My ') == []
    assert lines("[arrivals]", "[patience]\ntimeout = 60\n[arrivals]") == []  # the default
    others = ": other requests were made"
    assert lines("seconds = 3600", "seconds = 60") == [
        f"they differ in arrivals.seconds, 3600.0 and 60.0{others}"
    ]
    assert lines('srv = "4.8.3"', 'srv = "4.8.2"') == [f"they differ in mix{others}"]
    assert lines("[arrivals]", "[cache]\nretention_hours = 48\n[arrivals]") == [
        "they differ in cache.retention_hours, 25.0 and 48.0"
    ]
    assert lines("avoided_ratio >= 0.6", "avoided_ratio >= 0.5") == ["they differ in thresholds"]


def test_files_are_compared_by_their_content(result: ProofResult) -> None:
    one = result.as_dict()
    latency = 'latency = "lognormal:2s,15s"'
    assert latency in one["scenario_text"]

    def measured(name: str, digest: str) -> dict[str, Any]:
        text = one["scenario_text"].replace(latency, f'latency = "empirical:{name}"')
        return {**one, "scenario_text": text, "scenario_files": {name: digest}}

    first = measured("a.csv", "aa")
    assert unlike(first, measured("b.csv", "aa")) == []
    assert unlike(first, measured("a.csv", "bb")) == [
        "they differ in fleet.latency, empirical:aa and empirical:bb",
        "they differ in the content of the scenario's files",
    ]


def test_other_parties_make_other_requests(result: ProofResult) -> None:
    one = result.as_dict()
    [line] = unlike(one, {**one, "by_party": one["by_party"][:1]})
    assert line == "they differ in the parties that asked: other requests were made"


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"", "not the JSON of a proof"),
        (b"[]", "not the JSON of a proof"),
        (b"{}", "not the JSON of a proof"),
        (b"\xff", "not the JSON of a proof"),
        (b"[" * 100_000, "not the JSON of a proof"),
        (None, "No such file"),
    ],
)
def test_an_invalid_report_is_an_error(octets: bytes | None, says: str, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    if octets is not None:
        file.write_bytes(octets)
    with pytest.raises(ReportError, match=says):
        load_report(file)
    with pytest.raises(ReportError, match=says):
        load_report(tmp_path)


def test_scenarios_are_listed_with_their_size() -> None:
    text = esme("scenario", "list").stdout
    for name in SHIPPED:
        scenario = load_scenario(name)
        [line] = [line for line in text.splitlines() if scenario.title in line]
        assert f" {name} " in line
        assert f" {scenario.arrivals.requests:,} " in line


def test_every_form_tells_the_age_of_hits(result: ProofResult) -> None:
    ages = result.staleness
    assert ages.hits == result.hits == sum(result.hit_ages)
    assert ages.hits == sum(each.hits for each in result.staleness_by_srv)
    assert 0 <= (ages.p50 or 0) <= (ages.p95 or 0) <= (ages.max or 0) < 3600 * len(result.hit_ages)
    row = f"all {ages.hits:,} {duration(ages.p50)} {duration(ages.p95)} {duration(ages.max)}"
    assert row in Page(page(result, named="quickstart")).text
    assert row.replace(" min", "_min").replace(" ", " | ").replace("_", " ") in markdown(
        result, named="quickstart"
    )


def test_a_proof_without_hits_has_no_ages(result: ProofResult) -> None:
    none = Ages("all", 0, None, None, None)
    without = replace(result, staleness=none, staleness_by_srv=(), hit_ages=())
    assert "Age of the readings" not in page(without, named="quickstart")
    assert "| all | 0 | – | – | – |" in markdown(without, named="quickstart")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (90, "1.5 min"), (93_600, "26 h"), (4_000, "1.11 h"), (None, "–"),
     (9_000_000, "2,500 h"), (-90, "-1.5 min")],
)  # fmt: skip
def test_times_are_in_a_unit_that_suits_them(seconds: int | None, text: str) -> None:
    assert duration(seconds) == text


def test_a_finished_proof_has_a_paragraph_to_quote(result: ProofResult) -> None:
    said = quotation(result)
    assert f"{result.planned:,} requests to {result.meters} meters" in said
    assert f"{result.hits_compared:,} of them from the cache's store; none differed." in said
    assert "Readings were kept for 25 hours." in said
    for text in (Page(page(result, named="quickstart")).text, markdown(result, named="quickstart")):
        assert said in " ".join(text.split())
    assert 0 < result.hits_compared <= result.replies_compared
    assert quotation(replace(result, complete=False)) == ""
