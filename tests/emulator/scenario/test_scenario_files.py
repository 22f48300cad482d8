"""Scenario files: what they parse into, and how their mistakes are reported."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from esme_emulator.estate.parties import PARTIES
from esme_emulator.proof.result import ProofResult
from esme_emulator.scenario.file import (
    ScenarioError,
    load_scenario,
    parse_scenario,
    resized,
    shipped_scenarios,
)
from esme_emulator.scenario.scenario import Process, TraceLine
from esme_emulator.scenario.thresholds import FIGURES
from tests.emulator.proof.proving import prove
from tests.support.rtds import ROOT

WANS = ROOT / "profiles" / "wan"

GOOD = """
title = "A scenario"
thresholds = ["avoided_ratio >= 0.5"]

[fleet]
meters = 10

[arrivals]
process = "poisson"
seconds = 60
requests = 20

[[mix]]
party = "import-supplier"
srv = "4.8.1"
share = 1
"""


def mistakes(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario("mine", text)
    return str(caught.value)


def test_the_documented_scenarios_are_shipped() -> None:
    assert shipped_scenarios() == (
        "change-of-supplier",
        "quickstart",
        "retry-storm",
        "settlement-morning",
        "sms-wake",
        "soak",
    )
    for name in shipped_scenarios():
        scenario = load_scenario(name)
        assert scenario.name == name
        assert scenario.title
        assert {item.figure for item in scenario.thresholds} >= {
            "ledger_difference",
            "replies_different",
            "avoided_ratio",
        }


def test_a_valid_file_gives_its_scenario() -> None:
    scenario = parse_scenario("mine", GOOD)
    assert scenario.fleet.meters == 10
    assert scenario.arrivals.process is Process.POISSON
    assert scenario.mix[0].party == "import-supplier"
    assert scenario.seed == "1"
    assert scenario.text == GOOD


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("title", "titel", "titel: unknown key"),
        ('title = "A scenario"', "", "title: is missing"),
        ('title = "A scenario"', "title = 3", "title: 3 should be a valid string"),
        ("meters = 10", "meters = 0", "fleet.meters: 0 should be greater than"),
        ("meters = 10", "meters = true", "fleet.meters: true should be a valid integer"),
        ("meters = 10", 'meters = "10"', "fleet.meters: '10' should be a valid integer"),
        ("meters = 10", "meters = 10\nstrict = 1", "fleet.strict: 1 should be a valid boolean"),
        (
            "share = 1",
            "share = 1\n[costs]\nsms_per_wake = true",
            "sms_per_wake: true should",
        ),
        (
            "title",
            "start = 2136-02-07T06:28:00Z\ntitle",
            "start: the last timeout ends after 2136-02-07",
        ),
        ("title", "start = 2000-01-01\ntitle", "mix 1: days: the windows of the first requests"),
        ("meters = 10", "meters = 1.5", "fleet.meters: 1.5 should be a valid integer"),
        ("meters = 10", "metres = 10", "fleet.metres: unknown key; did you mean meters?"),
        (
            "meters = 10",
            'meters = 10\nlatency = "fast"',
            "fleet.latency: 'fast' is not a l",
        ),
        ("meters = 10", 'meters = 10\nwan = "5g"', "fleet.wan: "),
        ("meters = 10", 'meters = 10\nprofiles = ["toaster"]', "fleet.profiles: "),
        ("requests = 20", "requests = -1", "arrivals.requests: -1 should be greater"),
        ("seconds = 60", "seconds = nan", "arrivals.seconds: "),
        (
            "seconds = 60",
            "seconds = 0",
            "arrivals.seconds: 0 should be greater than 0",
        ),
        ('"poisson"', '"sudden"', "arrivals.process: 'sudden' should be 'constant', 'poisson'"),
        ('"poisson"', '"trace"', "arrivals.trace: name the file of the trace"),
        ('"import-supplier"', '"the-butcher"', "mix 1: party: there is no party the-butcher"),
        ('"4.8.1"', '"9.9.9"', "mix 1: srv: 9.9.9 is not read by window"),
        ("share = 1", "share = 0", "mix 1: share: 0 should be greater"),
        ("[[mix]]", "[mix]", "mix: write it as [[mix]]"),
        ('["avoided_ratio >= 0.5"]', "[]", "thresholds: give at least 1"),
        (">= 0.5", "around 0.5", "thresholds 1: 'avoided_ratio around 0.5' is not a condition"),
        ("avoided_ratio", "joy", "thresholds 1: there is no figure joy"),
        ("avoided_ratio", "latency.hit.p98", "thresholds 1: there is no figure latency.hit.p98"),
        ("avoided_ratio", "title", "thresholds 1: there is no figure title"),
        ("avoided_ratio", "passed", "thresholds 1: there is no figure passed"),
        (">= 0.5", ">= 1.5", "avoided_ratio is from 0 to 1"),
        ("seconds = 60", "seconds = 1e-6", "arrivals: 20,000,000 requests a second; the limit"),
        (
            "requests = 20",
            "requests = 2000000000",
            "arrivals.requests: 2000000000 should be less",
        ),
        ("share = 1", "share = inf", "mix 1: share: inf should be a finite"),
        ("share = 1", "share = 1\nagain = inf", "mix 1: again: inf should be"),
        (
            "share = 1",
            "share = 1\nrepeats = 101",
            "mix 1: repeats: 101 should be less",
        ),
        ("share = 1", "share = 1\ndays = 0", "mix 1: days: 0 should be greater"),
        ("share = 1", 'share = 1\nends = "never"', "mix 1: ends: 'never' should be 'midnight'"),
        (
            "share = 1",
            "share = 1\n[patience]\ntimeout = inf",
            "patience.timeout: inf should",
        ),
        (
            "share = 1",
            "share = 1\n[patience]\nattempts = 0",
            "patience.attempts: 0 should",
        ),
        ("share = 1", 'share = 1\n[cache]\nsrvs = ["9.9"]', "cache: SRV 9.9 cannot be cached"),
        ("share = 1", "share = 1\n[cache]\nhold_down_failures = 2", "cache: hold-down: give 1"),
        (
            "share = 1",
            "share = 1\n[cache]\nshadow = 2",
            "cache.shadow: 2 should be less",
        ),
        (
            "share = 1",
            "share = 1\n[costs]\nsms_pounds = -1",
            "costs.sms_pounds: -1 should",
        ),
        ("[fleet]", "start = 1999-01-01\n[fleet]", "start: "),
        ("[fleet]", "start = 7\n[fleet]", "start: "),
        ("[fleet]", "start = " + "[" * 9000 + "\n[fleet]", "mine.toml: "),
        (
            '["avoided_ratio >= 0.5"]',
            '["failed >= 3", "failed <= 1"]',
            "thresholds: failed has 2 limits; give one",
        ),
        ("[fleet]", 'start = "soon"\n[fleet]', "start: "),
        ("share = 1", 'share = 1\n[[fault]]\nkind = "gremlins"', "gremlins"),
        ("share = 1", "share = 1\n[cache]\nretention_hours = 24", "cache.retention_hours: "),
        (
            "share = 1",
            'share = 1\n[[change]]\nkind = "supplier"\nat = 99\nfraction = 0.5',
            "change 1: at: is after the last request",
        ),
        ("meters = 10", "meters = ", "mine.toml: "),
    ],
)
def test_a_mistake_is_reported_with_file_key_and_reason(old: str, new: str, says: str) -> None:
    assert old in GOOD
    text = mistakes(GOOD.replace(old, new))
    assert says in text
    assert all(line.startswith("mine.toml: ") for line in text.splitlines())


def test_all_mistakes_are_reported_at_once() -> None:
    text = mistakes(GOOD.replace("share = 1", "share = 0").replace("meters = 10", "meters = 0"))
    assert len(text.splitlines()) == 2


def test_a_missing_or_unreadable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no such file, nor a shipped scenario"):
        load_scenario(str(tmp_path / "none.toml"))
    with pytest.raises(ScenarioError, match="directory"):
        load_scenario(str(tmp_path))
    (tmp_path / "latin.toml").write_bytes(b"title = '\xe9'")
    with pytest.raises(ScenarioError, match="not UTF-8"):
        load_scenario(str(tmp_path / "latin.toml"))


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("\ufeff" + GOOD, "utf-8")
    assert load_scenario(str(file)).title == "A scenario"


def test_a_wan_with_an_unreadable_latency_file_is_a_mistake(tmp_path: Path) -> None:
    wan = tmp_path / "wan.toml"
    text = (WANS / "smets2-cellular.toml").read_text("utf-8")
    wan.write_text(text.replace("lognormal:4s,30s", "empirical:reads.txt"), "utf-8")
    meter = tmp_path / "meter.toml"
    text = (WANS.parent / "meters" / "single.toml").read_text("utf-8")
    meter.write_text(text.replace('"smets2-cellular"', '"wan.toml"'), "utf-8")
    by_profile = GOOD.replace(
        "meters = 10", f'meters = 10\nwan = "profile"\nprofiles = ["{meter}"]'
    )
    scenario = GOOD.replace("meters = 10", f'meters = 10\nwan = "{wan}"')
    reads = tmp_path / "reads.txt"
    latency = f"latency 'empirical:{reads}': cannot read {reads}: No such file or directory"
    for text in (scenario, by_profile):
        assert mistakes(text) == f"mine.toml: fleet.wan: {wan}: latency: {latency}"
    reads.write_text("1.5\n")
    assert parse_scenario("mine", scenario).fleet.wan == str(wan)


def test_paths_in_a_scenario_are_relative_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "kinds").mkdir()
    meter, load, wan = (
        tmp_path / name for name in ("kinds/mine.toml", "kinds/load.toml", "w.toml")
    )
    profiles = WANS.parent
    text = (profiles / "meters" / "single.toml").read_text("utf-8")
    meter.write_text(text.replace('import = "domestic"', 'import = ["load.toml", "heat-pump"]'))
    load.write_text((profiles / "loads" / "domestic.toml").read_text("utf-8"))
    text = (WANS / "smets2-cellular.toml").read_text("utf-8")
    wan.write_text(text.replace("lognormal:4s,30s", "empirical:kinds/wan.csv#s"), "utf-8")
    (tmp_path / "kinds" / "wan.csv").write_text("s\n1\n")
    (tmp_path / "meter.txt").write_text("2\n")
    named = (
        'profiles = ["kinds/mine.toml", "twin"]\nwan = "w.toml"\nlatency = "empirical:meter.txt"'
    )
    file = tmp_path / "mine.toml"
    file.write_text(GOOD.replace("meters = 10", f"meters = 10\n{named}"))
    scenario = load_scenario(str(file))
    assert scenario.fleet.profiles == (str(meter), "twin")
    assert scenario.fleet.wan == str(wan)
    result = asyncio.run(prove(scenario))
    assert result.latency.miss.p50 is not None
    assert result.latency.miss.p50 >= 2000
    assert result.scenario_files == {
        name: sha256((tmp_path / name).read_bytes()).hexdigest()
        for name in ("kinds/load.toml", "kinds/mine.toml", "kinds/wan.csv", "meter.txt", "w.toml")
    }
    load.unlink()
    with pytest.raises(ScenarioError, match=r"fleet\.profiles: .*mine\.toml: import: .*load\.toml"):
        load_scenario(str(file))


TRACED = GOOD.replace('"poisson"', '"trace"\ntrace = "mine.csv"').replace("requests = 20\n", "")


def test_a_trace_lies_next_to_its_scenario_and_gives_its_requests(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TRACED)
    with pytest.raises(ScenarioError, match=r"arrivals\.trace: .*mine\.csv: No such file"):
        load_scenario(str(file))
    (tmp_path / "mine.csv").write_text("0, 1, import-supplier, 4.8.1\n7\n")
    scenario = load_scenario(str(file))
    assert scenario.trace == (TraceLine(0.0, 1, 0), TraceLine(7.0))
    assert scenario.arrivals.requests == 2
    assert list(scenario.files) == ["mine.csv"]
    assert resized(scenario, None, 5).arrivals.requests == 2


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("", "", "arrivals.trace: mine.csv, line 2: '61': give seconds from 0 to 60"),
        ("seconds = 60", "seconds = 60\nrequests = 2", "arrivals.requests: remove it; a trace has"),
        ('"trace"', '"ramp"\nrequests = 2', 'arrivals.trace: remove it, or set process = "trace"'),
        ('"trace"', '"ramp"', "arrivals.requests: is missing"),
    ],
)
def test_a_mistake_in_a_trace_is_a_mistake_of_the_scenario(
    old: str, new: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text("0\n61\n")
    assert f"mine.toml: {says}" in mistakes(TRACED.replace(old, new, 1))


def test_the_number_of_requests_follows_the_number_of_meters() -> None:
    scenario = resized(parse_scenario("mine", GOOD), "7", 5)
    assert (scenario.seed, scenario.fleet.meters, scenario.arrivals.requests) == ("7", 5, 10)
    assert resized(scenario, None, None) == scenario


def test_no_more_meters_than_a_fleet_file_has(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text('[[meter]]\neui = "00DBE50000000000"\ncount = 3\n')
    file = tmp_path / "mine.toml"
    file.write_text(re.sub(r"meters = \d+", 'file = "fleet.toml"', GOOD, count=1))
    scenario = load_scenario(str(file))
    assert scenario.fleet.meters == 3
    assert resized(scenario, None, 2).fleet.meters == 2
    with pytest.raises(ScenarioError, match=r"^4 meters: .*fleet\.toml has 3: give no more$"):
        resized(scenario, None, 4)


def test_no_party_among_the_meters_of_a_fleet_file(tmp_path: Path) -> None:
    first, party = '[[meter]]\neui = "00DBE50000000000"\ncount = 2\n', PARTIES[0]
    (tmp_path / "fleet.toml").write_text(f'{first}[[meter]]\neui = "{party.eui}"\n')
    file = tmp_path / "mine.toml"
    file.write_text(re.sub(r"meters = \d+", 'file = "fleet.toml"', GOOD, count=1))
    with pytest.raises(ScenarioError, match=f"{party.eui} is the party {party.name} and cannot be"):
        load_scenario(str(file))


@pytest.mark.parametrize(
    ("thresholds", "more", "says"),
    [
        ("avoided_ratio >= 1", "", "avoided_ratio is at most 0.95, since 20 requests are made"),
        ("avoided_ratio == 0.96", "", "avoided_ratio == 0.96 is never met"),
        ("avoided_ratio >= 1", "[patience]\nattempts = 2", "at most 0.975, .* up to 2 times"),
        ("failed <= -1", "", "failed <= -1 is never met: failed is never below 0"),
        ("meters == 11", "", "meters is at most 10, as fleet.meters says"),
        ("hits >= 21", "", "hits is at most 20"),
        ("replies_compared >= 41", "", "replies_compared is at most 40, .* in each run"),
        ("distinct_reads >= 21", "", "distinct_reads is at most 20"),
        (
            "latency.miss.p50 >= 60001",
            "",
            "latency.miss.p50 is at most 60000, since parties",
        ),
        ("spent_cached.sms >= 1", "", "spent_cached.sms is at most 0, since fleet.wan is none"),
        ("retries >= 1", "", "retries is at most 0, since cache.retries is 0"),
        ("shadow >= 1", "", "shadow is at most 0, since cache.shadow is 0"),
        ("collapsed >= 1", "[cache]\ncollapse = false", "since cache.collapse is false"),
        ("hits >= 1", "[cache]\nsrvs = []", "hits is at most 0, since cache.srvs has no SRV of"),
        ("hits >= 1", '[cache]\nsrvs = ["4.6.1"]', "since cache.srvs has no SRV of the mix"),
        ("avoided_ratio >= 0.5", "[cache]\nsrvs = []", "avoided_ratio is at most 0, since cache"),
        (
            "latency.miss.p50 >= 500, latency.miss.p99 <= 100",
            "",
            "latency.miss.p50 >= 500 excludes latency.miss.p99 <= 100: .*p50 is never above .*p99",
        ),
        ("hits >= 9, requests <= 8", "", "hits is never above requests"),
        ("replies_different >= 9, replies_compared == 8", "", "replies_different is never above"),
        (
            "hits >= 15, forwarded >= 6",
            "",
            "hits, forwarded add up to at least 21, .* at most 20",
        ),
        ("avoided_ratio >= 0.5, device_hits_cached >= 11", "", "excludes device_hits_cached >= 11"),
    ],
)
def test_unattainable_thresholds_are_mistakes(thresholds: str, more: str, says: str) -> None:
    rows = ", ".join(f'"{row}"' for row in thresholds.split(", "))
    text = mistakes(GOOD.replace('"avoided_ratio >= 0.5"', rows) + more)
    assert re.match("mine.toml: thresholds: ", text)
    assert re.search(says, text), text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    ("thresholds", "more"),
    [
        ("avoided_ratio >= 0.95", ""),
        ("avoided_ratio <= 1", ""),
        ("hits == 20, requests == 20", ""),
        ("latency.miss.p50 <= 500, latency.miss.p99 >= 100", ""),
        ("avoided_ratio >= 0.5, device_hits_cached >= 10", ""),
        ("avoided_ratio <= 0, hits == 0, collapsed <= 0", "[cache]\nsrvs = []"),
    ],
)
def test_thresholds_at_their_bounds_are_valid(thresholds: str, more: str) -> None:
    rows = ", ".join(f'"{row}"' for row in thresholds.split(", "))
    assert parse_scenario("mine", GOOD.replace('"avoided_ratio >= 0.5"', rows) + more)


def _numbers(kind: Any, prefix: str = "") -> Iterator[str]:
    for name, hint in get_type_hints(kind).items():
        if is_dataclass(hint):
            yield from _numbers(hint, f"{prefix}{name}.")
        elif hint in (int, float, int | None, float | None):
            yield prefix + name


def test_the_figures_are_the_numbers_of_a_result() -> None:
    assert len(FIGURES) == len(set(FIGURES))
    assert set(FIGURES) == set(_numbers(ProofResult))


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_can_have_a_threshold(figure: str) -> None:
    limit = "<= 1" if figure == "avoided_ratio" else ">= 0"
    scenario = parse_scenario("mine", GOOD.replace("avoided_ratio >= 0.5", f"{figure} {limit}"))
    assert scenario.thresholds[0].figure == figure


def test_thresholds_are_compared_with_their_figures() -> None:
    text = GOOD.replace(
        '"avoided_ratio >= 0.5"', '"meters == 10", "latency.hit.p99 <= 0", "requests <= 19"'
    )
    result = asyncio.run(prove(parse_scenario("mine", text)))
    met = {name: (item.value, item.met) for name, item in result.thresholds.items()}
    assert met["meters"] == (10, True)
    assert met["requests"] == (20, False)
    assert met["latency.hit.p99"] in {(0, True), (None, False)}
    assert not result.passed
