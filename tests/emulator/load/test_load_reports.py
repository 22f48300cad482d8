"""Reports of loads for programs: their schema and their comparison."""

import json
from pathlib import Path
from typing import Any

import pytest

from esme_emulator.load.result import json_schema
from tests.support.command_line import esme
from tests.support.json_schema import conforms
from tests.support.rtds import ROOT

SHORT = ("--meters", "5", "--seconds", "0.2")
RATE = ("--rate", "50")


pytestmark = pytest.mark.usefixtures("empty_folder")


def form(folder: str, *args: str) -> dict[str, Any]:
    assert esme("load", *SHORT, *(args or RATE), "--report", folder).exit_code == 0
    read: dict[str, Any] = json.loads(Path(folder, "load.json").read_text("utf-8"))
    return read


def test_the_json_conforms_to_its_schema() -> None:
    rules = json_schema()
    Path("trace.csv").write_text("0\n0.1\n")
    wanted: list[tuple[str, ...]] = [(), ("--closed", "2"), ("--arrivals", "ramp", *RATE)]
    for number, args in enumerate(wanted):
        made = form(str(number), *args)
        conforms(made, rules, rules["$defs"])
        assert set(made) == set(rules["properties"]) == set(rules["required"])
    traced = json.loads(esme("load", "--meters", "5", "--trace", "trace.csv", "--json").stdout)
    conforms(traced, rules, rules["$defs"])
    assert traced["plan"]["trace"] == 2


def test_the_published_schema_is_current() -> None:
    published = json.loads((ROOT / "docs/load.schema.json").read_text("utf-8"))
    assert published == json_schema(), "run `esme report schema load > docs/load.schema.json`"
    assert json.loads(esme("report", "schema", "load").stdout) == published


def test_a_report_replaces_an_earlier_one_and_nothing_else() -> None:
    form("a")
    Path("a/notes.txt").write_text("mine")
    form("a", *RATE, "--via", "direct")
    assert not Path("a/latency-hit.hgrm").exists()
    assert Path("a/notes.txt").read_text() == "mine"
    Path("a/load.json").write_text("{}")
    result = esme("load", *SHORT, *RATE, "--report", "a")
    assert result.exit_code == 2
    assert result.stderr.startswith("esme: report a/load.json: this file is not of an earlier")
    assert Path("a/load.json").read_text() == "{}"


@pytest.mark.processes
def test_reports_of_both_kinds_share_a_folder() -> None:
    for _ in range(2):
        form("a")
        assert esme("prove", "--meters", "1", "--report", "a").exit_code == 0
    assert {"load.json", "proof.json"} <= {file.name for file in Path("a").iterdir()}


def test_two_loads_can_be_compared() -> None:
    form("a")
    form("b")
    result = esme("report", "compare", "a", "b/load.json", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    figures = {item["name"]: item for item in json.loads(result.stdout)["figures"]}
    planned = figures["requests.planned"]
    assert (planned["first"], planned["second"]) == (10, 10)
    assert figures["latency.all.p99"]["second"] > 0
    assert "achieved_rate" in esme("report", "compare", "a", "b").stdout


def test_differences_of_plans_are_reported() -> None:
    changed = form("a", "--rate", "100")
    changed["complete"], changed["ended"] = False, "interrupted"
    Path("a/load.json").write_text(json.dumps(changed))
    form("b", *RATE, "--via", "direct")
    result = esme("report", "compare", "a", "b")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "esme: the first load is incomplete: interrupted",
        "esme: the plans differ in via: cache and direct",
        "esme: the plans differ in rate: 100.0 and 50.0",
    ]


def test_traces_are_compared_by_their_requests() -> None:
    for name, text in (("a", "0\n0.1\n"), ("b", "# same\n0\n0.1\n"), ("c", "0\n0.2\n")):
        Path(f"{name}.csv").write_text(text)
        form(name, "--trace", f"{name}.csv")
    assert esme("report", "compare", "a", "b").stderr == ""
    assert esme("report", "compare", "a", "c").stderr == "esme: the plans differ in trace-sha256\n"


def test_an_impossible_comparison_is_one_line() -> None:
    form("a")
    for name, text in (("bad/load.json", "{"), ("proof/proof.json", "{}"), ("list.json", "[]")):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    for second, said in (
        (
            "bad",
            "bad/load.json: not the JSON of a load. Name a report that `esme load --report` wrote",
        ),
        ("proof", "a and proof: only one is the report of a load; give two of one kind"),
        ("list.json", "a and list.json: only one is the report of a load; give two of one kind"),
        ("none", "none: No such file or directory"),
    ):
        result = esme("report", "compare", "a", second)
        assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"esme: {said}\n")
