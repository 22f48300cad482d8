"""`esme profiles`: output and errors."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from esme_emulator.cli.shipped import profiles
from esme_emulator.profiles import load_profiles, meter_profiles, wan_profiles

NAMES = [p.name for p in (*load_profiles(), *meter_profiles(), *wan_profiles())]
PLOTTED = [p.name for p in (*load_profiles(), *meter_profiles())]
GOOD = """
profile = "wan"
title = "Mine"
latency = "1s"
wake_sms = 0
wake_latency = "none"
awake_seconds = 0
loss = 0
octets_per_second = 0
[sources]
latency = "measured: at home"
wake_sms = "assumed"
wake_latency = "assumed"
awake_seconds = "assumed"
loss = "assumed"
octets_per_second = "assumed"
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(profiles, arguments)


def lines(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_list_names_every_profile() -> None:
    result = run("list")
    assert result.exit_code == 0
    for name in NAMES:
        assert f" {name} " in result.stdout


def test_list_as_json_prints_an_object_a_line() -> None:
    found = lines(run("list", "--json"))
    assert [line["name"] for line in found] == NAMES
    assert {line["profile"] for line in found} == {"load", "meter", "wan"}


@pytest.mark.parametrize("name", NAMES)
def test_show_prints_a_source_for_every_figure(name: str) -> None:
    result = run("show", name)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{name}: ")
    (form,) = lines(run("show", name, "--json"))
    assert form["name"] == name
    assert form["sources"]


def test_show_of_a_load_prints_its_energy_and_peaks() -> None:
    (form,) = lines(run("show", "domestic", "--json"))
    assert form["annual_kwh"] == 2500
    assert form["peaks"] == {
        "winter": {"watts": 589, "at": "17:00"},
        "summer": {"watts": 348, "at": "16:30"},
    }
    shown = run("show", "domestic").stdout
    assert "2500" in shown
    assert "winter peak 589 W at 17:00 UTC" in shown
    assert "published: Ofgem" in shown


def test_show_of_a_meter_prints_its_loads() -> None:
    (form,) = lines(run("show", "twin", "--json"))
    secondary = form["secondary"]
    assert isinstance(secondary, dict)
    assert secondary["name"] == "storage-heating"
    assert "storage-heating: Storage heating" in run("show", "twin").stdout


def test_show_of_an_unknown_profile_is_an_error_of_one_line(tmp_path: Path) -> None:
    result = run("show", "absent")
    assert result.exit_code == 2
    assert result.stderr == "esme: absent: there is no such profile; see esme profiles list\n"
    result = run("show", str(tmp_path / "absent.toml"))
    assert result.exit_code == 2
    assert result.stderr.endswith("No such file or directory\n")


def test_check_of_valid_files_succeeds(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(GOOD)
    result = run("check", str(file), str(file))
    assert (result.exit_code, result.stdout) == (0, f"{file}: good\n" * 2)
    form = {"source": str(file), "problems": [], "warnings": []}
    assert lines(run("check", str(file), "--json")) == [form]
    assert lines(run("show", str(file), "--json"))[0]["latency"] == "1s"


def test_check_prints_all_mistakes_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(GOOD.replace('"1s"', '"soon"').replace("loss = 0", "loss = 2"))
    result = run("check", str(file), str(tmp_path))
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 3
    assert f"esme: {file}: latency: 'soon' is not a latency: " in result.stderr
    assert f"esme: {file}: loss: 2 is not a probability from 0 to 1" in result.stderr
    assert f"esme: {tmp_path}: Is a directory" in result.stderr
    result = run("check", str(file), "--json")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["problems"]) == 2


def test_check_reads_files_of_latencies(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(GOOD.replace('"1s"', '"empirical:reads.txt"'))
    result = run("check", str(file))
    assert result.exit_code == 1
    assert f"{file}: latency: latency 'empirical:{tmp_path}/reads.txt': cannot" in result.stderr
    (tmp_path / "reads.txt").write_text("1.5\n")
    assert run("check", str(file)).exit_code == 0


@pytest.mark.parametrize("name", PLOTTED)
def test_plot_draws_a_chart(name: str) -> None:
    result = run("plot", name)
    assert result.exit_code == 0
    assert "█" in result.stdout
    output = " ".join(run("plot", "--help").stdout.split())
    assert "a weekday and a weekend day in winter and in summer, and of a year" in output
    for line in ("winter weekday", "winter weekend", "summer weekday", "summer weekend", "a year"):
        assert line in result.stdout
    assert run("plot", name).stdout == result.stdout


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_plot_writes_a_picture(ending: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file, again, other = (tmp_path / f"{name}.{ending}" for name in ("one", "two", "three"))
    for target, seed in ((file, "1"), (again, "1"), (other, "2")):
        result = run("plot", "twin", "--out", str(target), "--seed", seed)
        assert result.exit_code == 0, result.output
        assert result.stderr == f"written to {target}\n"
    assert file.read_bytes() == again.read_bytes() != other.read_bytes()
    if ending == "svg":
        ElementTree.parse(file)
        assert file.stat().st_size < 200_000
        assert "Winter week from Monday 12 January 2026" in file.read_text("utf-8")


def test_an_unwritable_picture_is_an_error_of_one_line(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = run("plot", "twin", "--out", str(tmp_path / "absent" / "one.svg"))
    assert result.exit_code == 1
    assert result.stderr.endswith("cannot be written: No such file or directory\n")


def test_an_unknown_picture_format_and_a_plot_of_a_wan_are_bad_usage(tmp_path: Path) -> None:
    result = run("plot", "twin", "--out", str(tmp_path / "one.gif"))
    assert result.exit_code == 2
    assert "a picture ends with .svg or .png" in result.stderr
    result = run("plot", "none")
    assert result.exit_code == 2
    assert "none is a network; only loads and meters can be plotted" in result.stderr
