"""`esme load` within the process: its output and its errors."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import esme

SHORT = ("--meters", "5", "--seconds", "0.3", "--rate", "50")


pytestmark = pytest.mark.usefixtures("empty_folder")


def good(*args: str) -> dict[str, Any]:
    result = esme("load", *args, "--json")
    assert result.exit_code == 0, result.output
    form: dict[str, Any] = json.loads(result.stdout)
    return form


@pytest.mark.parametrize("via", ["cache", "direct"])
def test_a_load_within_the_process(via: str) -> None:
    form = good(*SHORT, "--via", via)
    assert form["complete"]
    assert form["requests"]["answered"] == form["requests"]["planned"] == 15
    told = form["latency"]["hit"]["count"] + form["latency"]["miss"]["count"]
    assert (told > 0) == (via == "cache")
    assert "for real figures give --broker" in form["notes"][0]


def test_it_prints_a_table_and_writes_a_report() -> None:
    result = esme("load", *SHORT, "--report", "folder")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    for words in (
        "quickstart, via cache: constant 50/s",
        "p99.9",
        "answered 15",
        "import-supplier",
    ):
        assert words in result.stderr
    assert json.loads(Path("folder/load.json").read_text())["complete"]
    assert Path("folder/latency-all.hgrm").exists()
    assert Path("folder/load.hlog").exists()
    assert re.search(r"run on 20\d\d-\d\d-\d\d \d\d:\d\d UTC", Path("folder/load.html").read_text())


def test_a_trace_gives_the_requests() -> None:
    Path("trace.csv").write_text("0\n0.1,3,distributor,4.8.1\n0.2\n")
    form = good("--meters", "5", "--trace", "trace.csv", "--seconds", "0.3")
    assert form["plan"]["arrivals"] == "trace"
    assert form["requests"]["answered"] == form["plan"]["trace"] == 3
    assert form["target_rate"] is None


def test_a_closed_loop_has_a_note_about_its_latencies() -> None:
    form = good("--meters", "5", "--closed", "2", "--seconds", "0.3")
    assert form["plan"]["arrivals"] == "closed"
    assert any("closed loop" in note for note in form["notes"])


def test_an_abort_gives_a_partial_result_and_exit_1() -> None:
    result = esme(
        "load",
        "--meters",
        "5",
        "--rate",
        "50",
        "--seconds",
        "600",
        "--abort",
        "max > 0.001ms",
        "--json",
    )
    assert result.exit_code == 1
    form = json.loads(result.stdout)
    assert not form["complete"]
    assert form["ended"].startswith("aborted: max > 0.001ms: ")
    assert form["requests"]["answered"]
    assert "PARTIAL: aborted: max > 0.001ms" in result.stderr


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--rate", "0"), 2, "rate 0: give requests a second above 0 and up to 1000000"),
        (("--rate", "-5"), 2, "rate -5: give"),
        (("--rate", "nan"), 2, "rate nan: give"),
        (("--rate", "1000001"), 2, "rate 1000001: give"),
        (("--arrivals", "ramp"), 2, "--arrivals ramp needs --seconds"),
        (("--scenario", "none-such"), 2, "none-such: there is no such file"),
        (("--broker", "http://x"), 2, "'http://x' is not the URL of a broker"),
        (("--workers", "2"), 2, "--workers 2 needs --broker"),
        (("--closed", "5", "--rate", "5"), 2, "--rate: leave it out with --trace or --closed"),
        (("--closed", "5", "--trace", "trace.csv"), 2, "give one of --trace and --closed"),
        (("--trace", "none.csv"), 2, "--trace none.csv: No such file"),
        (("--trace", "trace.csv"), 2, "trace.csv, line 2: 'x': give seconds of 0 or more"),
        (("--trace", "binary.csv"), 2, "--trace binary.csv: it is not UTF-8"),
        (("--abort", "often > 5%"), 2, "'often > 5%': write it as"),
        (("--report", "trace.csv/folder"), 1, "report folder trace.csv/folder: Not a directory"),
        (("--keystore", "none.json"), 2, "keystore none.json"),
        (("--clock", "sundial"), 2, "clock 'sundial'"),
    ],
)
def test_bad_input_is_one_line(args: tuple[str, ...], code: int, said: str) -> None:
    Path("trace.csv").write_text("1\nx\n")
    Path("binary.csv").write_bytes(b"\xff\xfe")
    result = esme("load", *args)
    assert (result.exit_code, result.stdout) == (code, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("esme: ")
    assert said in line


def test_thresholds_decide_the_exit_code() -> None:
    asked = ("load", *SHORT, "--threshold", "failed <= 0%", "--json")
    kept = esme(*asked, "--threshold", "p95 <= 60s")
    assert kept.exit_code == 0
    form = json.loads(kept.stdout)
    assert form["passed"]
    assert [item["met"] for item in form["thresholds"]] == [True, True]
    missed = esme(*asked, "--threshold", "max <= 0ms")
    assert missed.exit_code == 1
    form = json.loads(missed.stdout)
    assert (form["complete"], form["passed"]) == (True, False)
    assert "met: failed <= 0%, is 0 %\n" in missed.stderr
    assert "not met: max <= 0ms, is " in missed.stderr


def test_a_wrong_threshold_is_a_usage_error() -> None:
    result = esme("load", *SHORT, "--threshold", "p95 > 5ms")
    assert result.exit_code == 2
    assert 'write it as "p95 <= 500ms"' in result.stderr
