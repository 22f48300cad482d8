"""`esme prove`, `esme scenario` and `esme report`: what they print, write and refuse.

A failure is an exit code and one line on stderr.
"""

import asyncio
import csv
import errno
import json
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import esme_emulator.proof.bench as bench_module
from esme_emulator.cli.render.screen import show_progress
from esme_emulator.messaging.client import ReceivedReply, Requester
from esme_emulator.messaging.topics import CACHED, DIRECT
from esme_emulator.proof.evidence import Evidence
from esme_emulator.proof.report import charts
from esme_emulator.proof.result import json_schema
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.scenario.file import load_scenario, shipped_scenarios
from esme_emulator.transport import TransportError, connect
from tests.support.command_line import esme
from tests.support.mosquitto import Mosquitto
from tests.support.rtds import ROOT

GUARD = 60
"""Seconds after which a process that hangs fails its test; no test relies on it."""

CONTRACT = {
    "requests", "device_hits_direct", "device_hits_cached", "hits", "collapsed", "refused",
    "failed", "ledger_difference", "replies_compared", "replies_different", "avoided_ratio",
    "latency", "thresholds", "passed",
}  # fmt: skip
FORMS = {
    "proof.json", "accounts.csv", "over_time.csv", "ledger.csv", "costs.csv", "junit.xml",
    "summary.md", "report.html", ".esme-report",
}  # fmt: skip
MINE = """
title = "Mine"
thresholds = ["replies_different == 0"]
[fleet]
meters = 2
[arrivals]
process = "trace"
seconds = 60
trace = "mine.csv"
[[mix]]
party = "import-supplier"
srv = "4.8.1"
share = 1
"""


def assert_fails(result: Result, code: int, reason: str) -> None:
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert re.search(reason, result.stderr), result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("esme: ")
    assert isinstance(result.exception, SystemExit)


def prove(*args: object) -> Result:
    """Run a proof that starts no process, not even a broker."""
    return esme("prove", "--in-process", *args)


def test_a_name_a_seed_and_a_number_of_meters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("esme_emulator.cli.prove.SystemClock", partial(ManualClock, 1_800_000_000))
    result = prove("sms-wake", "--seed", "7", "--meters", 3, "--json", "--report", "there")
    assert result.exit_code == 0, result.output
    form = json.loads(result.stdout)
    assert form.keys() >= CONTRACT
    assert form.keys() == json_schema()["properties"].keys()
    assert (form["scenario"], form["seed"], form["meters"]) == ("sms-wake", "7", 3)
    assert form["passed"] is True
    assert form["complete"] is True
    for name in ("direct", "hit", "miss"):
        assert form["latency"][name].keys() == {"p50", "p99", "p99_9", "max"}
    assert set(form["latency"]["hit"].values()) == {0}
    assert {file.name for file in Path("there").iterdir()} == FORMS
    assert json.loads(Path("there/proof.json").read_text()) == form
    assert "run on 2027-01-15 08:00 UTC" in Path("there/report.html").read_text("utf-8")
    assert "PASSED" in result.stderr
    again = prove("sms-wake", "--seed", "7", "--meters", 3, "--json", "--report", "there")
    assert again.stdout == result.stdout


@pytest.mark.processes
def test_the_default_is_the_quickstart_and_says_nothing_on_stdout() -> None:
    result = esme("prove", "--meters", 2)
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(Path("report/proof.json").read_text())["scenario"] == "quickstart"
    assert "report: report/report.html" in result.stderr
    assert result.stderr.startswith("direct: 18 of 18\ncached: 18 of 18\n")


def test_a_file_of_ones_own_with_its_trace() -> None:
    Path("of mine").mkdir()
    mine = "of mine/mine.toml"
    Path(mine).write_text(MINE)
    Path("of mine/mine.csv").write_text(
        "0, 0, import-supplier, 4.8.1\n9, 0, import-supplier, 4.8.1\n"
    )
    assert esme("scenario", "check", mine).exit_code == 0
    result = prove(mine, "--json")
    form = json.loads(result.stdout)
    assert (form["requests"], form["hits"], form["passed"]) == (2, 1, True)
    page = Path("report/report.html").read_text()
    assert "esme prove 'of mine/mine.toml' --seed 1 --meters 2" in unescape(page)
    assert list(form["scenario_files"]) == ["mine.csv"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# nobody asks\n", "mine.csv: there is no request in it"),
        ("0\n1, 2, import-supplier, 4.8.1\n", "mine.csv, line 2: '2': give the number of a meter"),
    ],
)
def test_a_trace_with_a_mistake_is_found_by_check_too(text: str, says: str) -> None:
    Path("mine.toml").write_text(MINE)
    Path("mine.csv").write_text(text)
    assert_fails(prove("mine.toml", "--json"), 2, says)
    assert_fails(esme("scenario", "check", "mine.toml"), 1, says)


def test_a_trace_needs_all_its_meters() -> None:
    Path("mine.toml").write_text(MINE)
    Path("mine.csv").write_text("0, 1, import-supplier, 4.8.1\n")
    assert_fails(prove("mine.toml", "--meters", 1), 2, "mine.csv asks meter 1")


@pytest.mark.processes
def test_a_proof_that_fails_is_exit_1_and_writes_its_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seam: the prefix under which the second run asks."""
    monkeypatch.setattr(bench_module, "CACHED", DIRECT)
    result = esme("prove", "--meters", 1, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["passed"] is False
    assert "FAILED" in result.stderr
    assert "avoided_ratio is" in result.stderr
    assert {file.name for file in Path("report").iterdir()} == FORMS


def test_rules_side_by_side() -> None:
    result = prove("settlement-morning", "--meters", 4, "--compare", "--json")
    assert result.exit_code == 0, result.output
    rules = json.loads(result.stdout)["rules"]
    form = {rule["name"]: rule["results"][0] for rule in rules}
    strict = [f"strict, {hours} hours" for hours in (25, 48, 72)]
    names = ["as in the scenario", *strict, "literal", "sub-window", "no collapse"]
    assert list(form) == names
    assert form["literal"]["replies_different"] > 0
    assert form["as in the scenario"]["replies_different"] == 0
    assert all(item["complete"] for item in form.values())
    for name in names:
        assert name in result.stderr
    assert "6 of 7 rules meet all thresholds." in result.stderr
    written = json.loads(Path("report/proof.json").read_text())
    assert written == form["as in the scenario"]


RULES = """title = "Rare readers of one day"
thresholds = ["ledger_difference == 0", "replies_different == 0", "staleness.p95 <= 25h", {limit}]
start = "2026-01-15T06:00:00Z"
[fleet]
meters = 3
[arrivals]
process = "poisson"
requests = 60
seconds = 36000
[[mix]]
party = "import-supplier"
srv = "4.8.1"
days = 1
repeats = 3
again = 97200
share = 1
"""


def test_retentions_and_seeds_side_by_side() -> None:
    Path("rare.toml").write_text(RULES.replace("{limit}", '"avoided_ratio >= 0.1"'))
    result = prove("rare.toml", "--in-process", "--retention", "25,48h,72", "--seeds", 2, "--json")
    form = json.loads(result.stdout)
    assert [rule["retention_hours"] for rule in form["rules"]] == [25, 48, 72]
    seeds = [[each["seed"] for each in rule["results"]] for rule in form["rules"]]
    assert seeds == [["1", "1-2"]] * 3
    ages = [[each["staleness"]["max"] for each in rule["results"]] for rule in form["rules"]]
    assert all(age <= 25 * 3600 for age in ages[0])
    assert max(ages[2]) > 25 * 3600
    avoided = [[each["avoided_ratio"] for each in rule["results"]] for rule in form["rules"]]
    assert avoided[0] < avoided[1] <= avoided[2]
    passed = [all(each["passed"] for each in rule["results"]) for rule in form["rules"]]
    least = next((hours for hours, yes in zip((25, 48, 72), passed, strict=True) if yes), None)
    assert form["least_retention_hours"] == least
    assert result.exit_code == (least is None)
    with Path("report/compare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["rule"], row["seed"]) for row in rows] == [
        (f"{hours} hours", seed) for hours in (25, 48, 72) for seed in ("1", "1-2")
    ]
    assert [float(row["avoided_ratio"]) for row in rows] == [
        each for both in avoided for each in both
    ]
    page = Path("report/report.html").read_text()
    assert "Rules side by side" in page
    assert "Mean and range over 2 seeds." in page


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--retention", "24"), "give 25 to 72"),
        (("--retention", "25,,48"), "write hours such as 25,48,72"),
        (("--retention", "25", "--compare"), "--compare and --retention: give one of the two"),
        (("--seeds", "0"), "give a whole number from 1 to 1000"),
    ],
)
def test_bad_rules(options: tuple[str, ...], text: str) -> None:
    result = prove(*options)
    assert result.exit_code == 2
    assert text in result.stderr


@pytest.mark.processes
def test_a_broker_of_ones_own(tmp_path: Path) -> None:
    own = esme("prove", "--meters", 2, "--json")
    with Mosquitto(tmp_path) as mosquitto:
        other = esme("prove", "--meters", 2, "--json", "--broker", mosquitto.url)
    assert other.exit_code == 0
    assert other.stdout == own.stdout


@pytest.mark.processes
def test_a_refusing_broker_is_one_line(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, ("allow_anonymous false",)) as mosquitto:
        assert_fails(esme("prove", "--meters", 1, "--broker", mosquitto.url), 1, "not authorized")


def test_a_missing_broker_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = esme("prove", "--meters", 1, "--broker", f"mqtt://{address}")
        assert_fails(result, 1, f"no MQTT broker at {re.escape(address)}")


@pytest.mark.parametrize(
    ("args", "code", "reason"),
    [
        (("prove", "absent.toml"), 2, "no such file, nor a shipped scenario .* quickstart"),
        (("prove", "."), 2, "directory"),
        (("prove", "bad.toml"), 2, r"bad\.toml: titel: unknown key"),
        (("prove", "trace.toml"), 2, r"arrivals\.trace: .*mine\.csv: No such file"),
        (("prove", "--report", "bad.toml"), 2, "bad.toml"),
        (("prove", "--in-process", "--report", "bad.toml/deep"), 1, "bad.toml/deep"),
        (("prove", "--meters", 0), 2, "--meters"),
        (("prove", "--in-process", "--broker", "mqtt://127.0.0.1:1"), 2, "leave out --in-process"),
        (("prove", "--workers", 2), 2, "--workers needs --in-process"),
        (("prove", "--meters", 2**64), 2, r"up to [0-9A-F]{16}"),
        (("scenario", "show", "absent"), 2, "no such file"),
        (("scenario", "check"), 2, "FILE"),
        (("report", "compare", "absent", "absent"), 2, "absent: No such file"),
        (("report", "compare", "bad.toml", "bad.toml"), 2, "not the JSON of a proof"),
    ],
)
def test_impossible_options_are_one_line(args: tuple[object, ...], code: int, reason: str) -> None:
    titled = MINE.replace("title", "titel").replace('titel = "Mine"', 'title = "M"\ntitel = 1')
    Path("bad.toml").write_text(titled)
    Path("trace.toml").write_text(MINE)
    assert_fails(esme(*args), code, reason)


def files(folder: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in Path(folder).iterdir() if file.is_file()}


def test_a_file_of_somebody_else_is_neither_removed_nor_overwritten() -> None:
    Path("report").mkdir()
    Path("report/junit.xml").write_text("<testsuite name='pytest'/>")
    before = files("report")
    for args in ((), ("absent.toml",), ("--report", "report")):
        assert_fails(prove("--meters", 1, *args), 2, r"report report/junit\.xml: .*--report")
        assert files("report") == before
    Path("report/junit.xml").unlink()
    Path("report/junit.xml").mkdir()
    assert_fails(prove("--meters", 1), 2, r"report report/junit\.xml: ")


def test_a_changed_report_file_is_not_overwritten() -> None:
    assert prove("--meters", 1).exit_code == 0
    Path("report/summary.md").write_text("My notes")
    before = files("report")
    assert_fails(prove("--meters", 1), 2, r"report report/summary\.md: ")
    assert files("report") == before


@pytest.mark.parametrize(
    "args",
    [
        ("absent.toml",),
        ("bad.toml",),
        ("--broker", "mqtt:/127.0.0.1"),
    ],
)
def test_a_mistake_in_the_arguments_leaves_the_earlier_report(args: tuple[object, ...]) -> None:
    Path("bad.toml").write_text("title = 1")
    assert prove("--meters", 1).exit_code == 0
    before = files("report")
    assert esme("prove", *args).exit_code == 2
    assert files("report") == before


def test_an_earlier_report_is_removed_if_the_proof_does_not_begin() -> None:
    assert prove("--meters", 1).exit_code == 0
    Path("report/notes.txt").write_text("mine")
    assert esme("prove", "--broker", "mqtt://127.0.0.1:1").exit_code == 1
    assert list(files("report")) == ["notes.txt"]


def test_a_report_is_complete_but_for_charts_that_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise KeyError("no such colour")

    monkeypatch.setattr(charts, "decisions", broken)
    result = prove("--meters", 2, "--json")
    assert (result.exit_code, json.loads(result.stdout)["passed"]) == (0, True)
    assert set(files("report")) == FORMS
    page = Path("report/report.html").read_text()
    assert "This chart could not be drawn." in page
    assert "<svg" not in page


def test_without_matplotlib_a_report_has_no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [module for module in sys.modules if module.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert prove("--meters", 1).exit_code == 0
    assert "This chart could not be drawn." in Path("report/report.html").read_text()


def test_an_unwritable_report_keeps_verdict_and_json(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> Iterator[str]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Evidence, "lines", full)
    result = prove("--meters", 2, "--json")
    assert json.loads(result.stdout)["passed"] is True
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        1,
        "esme: report report: No space left on device",
    )
    assert files("report") == {}


@pytest.mark.processes
@pytest.mark.parametrize("part", ["direct", "cached"])
def test_a_proof_that_loses_its_broker_leaves_a_partial_report(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seam: the requester, whose tenth command of a run is more than the broker takes."""
    prefix = DIRECT if part == "direct" else CACHED
    request, commands = Requester.request, Counter[str]()

    async def lost(self: Requester, *args: Any) -> ReceivedReply:
        commands[self._prefix] += 1
        if commands[prefix] == 10:
            raise TransportError("the broker was lost")
        return await request(self, *args)

    monkeypatch.setattr(Requester, "request", lost)
    result = esme("prove", "--meters", 4, "--json")
    assert result.exit_code == 1, result.output
    form = json.loads(result.stdout)
    assert (form["complete"], form["ended"]) == (False, "the broker was lost")
    assert (form["made_direct"] == form["planned"]) is (part == "cached")
    assert result.stderr.splitlines()[-1] == "esme: the broker was lost; the report is partial"
    assert "## PARTIAL" in Path("report/summary.md").read_text()


def test_scenarios_are_listed_shown_and_checked() -> None:
    listed = json.loads(esme("scenario", "list", "--json").stdout)
    assert [item["name"] for item in listed] == list(shipped_scenarios())
    [soak] = [item for item in listed if item["name"] == "soak"]
    assert (soak["meters"], soak["requests"], soak["seconds"]) == (20, 800, 259200)
    assert soak["start"] == "2026-01-12T00:00:00Z"
    assert "settlement-morning" in esme("scenario", "list").stdout
    shown = esme("scenario", "show", "quickstart").stdout
    assert shown.strip() == load_scenario("quickstart").text.strip()
    form = json.loads(esme("scenario", "show", "retry-storm", "--json").stdout)
    assert form["fleet"]["meters"] == 60
    assert form["start"] == "2026-01-15T06:00:00Z"
    Path("good.toml").write_text(shown)
    Path("bad.toml").write_text(shown.replace("meters =", "metres =").replace("share = 3", ""))
    good = esme("scenario", "check", "good.toml", "soak")
    assert (good.exit_code, good.stdout) == (0, "good.toml: good\nsoak: good\n")
    bad = esme("scenario", "check", "bad.toml", "good.toml")
    assert (bad.exit_code, bad.stdout) == (1, "good.toml: good\n")
    assert "bad.toml: fleet.metres: unknown key; did you mean meters?" in bad.stderr
    assert "bad.toml: mix 1: share: is missing" in bad.stderr
    as_json = esme("scenario", "check", "bad.toml", "good.toml", "--json")
    first, second = map(json.loads, as_json.stdout.splitlines())
    assert (as_json.exit_code, as_json.stderr) == (1, "")
    assert first["source"] == "bad.toml"
    assert "bad.toml: mix 1: share: is missing" in first["problems"]
    assert second == {"source": "good.toml", "problems": [], "warnings": []}


def test_fault_rules_that_match_nothing_are_warned_of() -> None:
    rule = '\n[[fault]]\nkind = "no-reply"\nprofile = "toaster"\n'
    Path("mine.toml").write_text(load_scenario("quickstart").text + rule)
    warning = "fault 'no-reply-1': profile: no meter of this fleet is toaster; there are "
    checked = esme("scenario", "check", "mine.toml")
    assert (checked.exit_code, checked.stdout) == (0, "mine.toml: good\n")
    assert checked.stderr.startswith(f"esme: mine.toml: {warning}")
    as_json = json.loads(esme("scenario", "check", "mine.toml", "--json").stdout)
    assert as_json["warnings"][0].startswith(f"mine.toml: {warning}")
    proved = prove("mine.toml", "--meters", 2)
    assert proved.exit_code == 0
    assert f"esme: {warning}" in proved.stderr


def test_reports_are_compared() -> None:
    for seed in "12":
        assert prove("--meters", 2, "--seed", seed, "--report", seed).exit_code == 0
    form: dict[str, Any] = json.loads(esme("report", "compare", "1", "2", "--json").stdout)
    [requests] = [item for item in form["figures"] if item["name"] == "requests"]
    assert requests == {"name": "requests", "first": 18, "second": 18}
    assert [form[place]["seed"] for place in ("first", "second")] == ["1", "2"]
    assert form["first"]["passed"] is form["first"]["complete"] is True
    difference = "they differ in seed, 1 and 2: other requests were made"
    assert form["unlike"] == [difference]
    shown = esme("report", "compare", "1", "2/proof.json")
    assert (shown.exit_code, shown.stderr) == (0, f"esme: {difference}\n")
    text = shown.stdout
    assert text.count("PASSED") == 2
    assert "avoided_ratio" in text
    assert "2/proof.json" in text
    assert json.loads(esme("report", "schema").stdout) == json_schema()


@contextmanager
def process(*args: object) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.communicate(timeout=GUARD)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("part", "number"), [("direct", signal.SIGINT), ("cached", signal.SIGTERM)]
)
def test_an_interrupted_proof_leaves_a_partial_report(
    part: str, number: int, tmp_path: Path
) -> None:
    """When to interrupt is told by a client that listens to the proof's own broker."""
    topic = "esme/+/command" if part == "direct" else "s1sp/+/command"
    with (
        Mosquitto(tmp_path) as broker,
        process("prove", "soak", "--json", "--broker", broker.url) as proof,
    ):
        listen(broker.port, topic, messages=20)
        proof.send_signal(number)
        out, err = proof.communicate(timeout=GUARD)
    assert proof.returncode == 130, err
    form = json.loads(out)
    assert form["complete"] is False
    assert form["passed"] is False
    assert form["ended"] == "interrupted"
    assert form["device_hits_direct"] >= 20
    assert (form["requests"] > 0) is (part == "cached")
    assert (form["made_direct"] == form["planned"]) is (part == "cached")
    assert form["made_cached"] < form["planned"]
    assert form["avoided_ratio"] is form["ledger_difference"] is None
    assert {item["met"] for item in form["thresholds"].values()} == {None}
    assert err.splitlines()[-1] == "esme: interrupted; the report is partial"
    assert "PARTIAL: interrupted; of 1,076 requests " in err
    assert "Traceback" not in err
    assert ">PARTIAL<" in Path("report/report.html").read_text()
    lines = Path("report/ledger.csv").read_text().splitlines()
    assert len(lines) == 1 + form["made_direct"] + form["made_cached"]
    assert json.loads(Path("report/proof.json").read_text()) == form


def test_an_interruption_between_two_rules_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bench_module.figures_of
    runs = 0

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        nonlocal runs
        figures = whole(*args, **kwargs)
        runs += 1
        if runs == 2:
            signal.raise_signal(signal.SIGTERM)
        return figures

    monkeypatch.setattr(bench_module, "figures_of", interrupted)
    result = prove("--meters", 2, "--compare", "--json")
    assert result.exit_code == 130, result.output
    [rule] = json.loads(result.stdout)["rules"]
    assert rule["name"] == "as in the scenario"
    last = result.stderr.splitlines()[-1]
    assert last == "esme: interrupted; not every rule and seed was run to its end"
    assert json.loads(Path("report/proof.json").read_text())["complete"] is True


def test_an_interruption_while_the_report_is_written_leaves_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lines(_: Evidence) -> Iterator[str]:
        yield "direct,1"
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Evidence, "lines", lines)
    result = prove("--meters", 2)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (130, "esme: interrupted")
    assert list(Path("report").iterdir()) == []


def listen(port: int, topic: str, messages: int) -> None:
    """Return when so many messages to `topic` went through a broker."""

    async def count() -> None:
        seen = asyncio.Semaphore(0)
        taken = {topic: lambda *_: seen.release()}
        async with (
            asyncio.timeout(GUARD),
            connect(f"mqtt://127.0.0.1:{port}", client_id="listener", subscriptions=taken),
        ):
            for _ in range(messages):
                await seen.acquire()

    asyncio.run(count())


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_without_a_total_goes_when_the_next_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with show_progress() as begin:
        begin("planning", None)
        begin("direct", 3)(3)
    planned, *frames, _ = terminal.getvalue().split("direct")
    assert "planning" in planned
    assert frames
    assert "planning" not in "".join(frames)
