"""docs/proof.md names every key of a scenario and its default.

`test_running_a_proof` compares its figures with those of shipped scenarios.
"""

import json
import re
import tomllib
from dataclasses import MISSING, fields
from typing import Any

import pytest

from esme_emulator.scenario.file import load_scenario
from esme_emulator.scenario.scenario import (
    ArrivalSettings,
    Caching,
    Change,
    Costs,
    FleetSettings,
    Mix,
    RetryPolicy,
)
from tests.emulator.proof.proving import PAGE, SHIPPED, rows, smaller
from tests.support.rtds import ROOT

SECTIONS = {
    "fleet": FleetSettings,
    "arrivals": ArrivalSettings,
    "mix": Mix,
    "patience": RetryPolicy,
    "cache": Caching,
    "change": Change,
    "costs": Costs,
}


KEYS = rows(PAGE.split("<!-- keys -->")[1].split("<!-- end of keys -->")[0])


def test_the_page_has_exactly_the_keys_of_a_scenario() -> None:
    known = {f"{name}.{item.name}" for name, kind in SECTIONS.items() for item in fields(kind)}
    assert set(KEYS) == known | {
        *("title", "seed", "start", "thresholds", "fault", "party", "party.share")
    }


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_has_the_defaults_of_the_code(section: str) -> None:
    for item in fields(SECTIONS[section]):
        said = KEYS[f"{section}.{item.name}"][0]
        default: Any = item.default
        if default is MISSING:
            assert said == "needed"
        elif item.name == "meters":
            assert said == "needed, unless a file"
        elif item.name == "requests":
            assert said == "needed, unless a trace"
        elif item.name == "srvs":
            assert tuple(said.split(", ")) == default
        elif default in ((), "", None):
            assert said
        else:
            value = tomllib.loads(f"value = {said.strip('`')}")["value"]
            assert value == default


def test_figures_named_on_the_page_exist() -> None:
    [line] = re.findall(r"\*\*Thresholds\*\*(.*?)\n\n", PAGE, re.DOTALL)
    result = smaller("quickstart")
    for name in re.findall(r"`([a-z_0-9.]+)`", line):
        assert isinstance(result.figure(name), int | float)


def test_schema_and_picture_are_next_to_the_page() -> None:
    assert json.loads((ROOT / "docs/proof.schema.json").read_text("utf-8"))["title"]
    picture = (ROOT / "docs/report.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 400_000


def test_shipped_scenarios_begin_with_a_comment() -> None:
    for name in SHIPPED:
        scenario = load_scenario(name)
        assert scenario.text.startswith("# "), "begins with a comment"
