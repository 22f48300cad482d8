"""The table of a load shows whole figures and words on any terminal."""

import re
from array import array
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from esme_emulator.cli.render import load as load_view
from esme_emulator.load.in_flight import Batch, ConnectionState, Origin, Outcome
from esme_emulator.load.plan import Arrivals, Plan
from esme_emulator.load.result import LoadResult, make_result
from esme_emulator.load.tally import Tally
from esme_emulator.scenario.scenario import Mix

PARTIES = ("import-supplier", "export-supplier", "distributor")


def result(ended: str | None = None) -> LoadResult:
    """A load with long figures, of every outcome and origin."""
    batch = Batch(connection=ConnectionState(carries_properties=False, reconnections=1), cpu=100.0)
    for party in PARTIES:
        batch.counts.update({(party, "4.8.1", outcome): 12345 for outcome in Outcome})
        for origin in Origin:
            batch.latencies[party, "4.8.1", origin] = array("d", [0.5, 1.2, 59.9])
    batch.lags.extend([0.1])
    tally = Tally()
    tally.add(batch)
    plan = Plan(Arrivals.CONSTANT, (Mix(1, PARTIES[0], "4.8.1"),), "1", 5, rate=20000.0)
    return make_result("quickstart", plan, tally, ended=ended, elapsed=10.0, shared=False)


def shown(made: LoadResult, width: int, **options: Any) -> list[str]:
    console = Console(file=StringIO(), width=width, color_system=None, soft_wrap=True, **options)
    load_view.load_table(made, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def words(lines: list[str]) -> set[str]:
    """The words and figures of the output, without the frames of tables."""
    return set(re.findall(r"[^\s:\u2500-\u257F]+", "\n".join(lines)))


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_narrow_terminal_cuts_no_figure_and_no_word(width: int) -> None:
    lines = shown(result(), width, force_terminal=True)
    assert max(len(line.rstrip()) for line in lines) <= width
    assert words(lines) == words(shown(result(), 1000))


def test_lines_are_not_wrapped_in_a_file() -> None:
    lines = shown(result(), 80)
    assert len([line for line in lines if line.startswith("note: ")]) == len(result().notes)
    assert any("answered 37035" in line and line.endswith("replies verified") for line in lines)


def test_an_interrupted_load_is_marked_above_and_below() -> None:
    lines = shown(result("interrupted"), 80)
    assert lines[0].endswith("10 s (partial)")
    assert lines[-1] == "PARTIAL: interrupted"
    assert "partial" not in shown(result(), 80)[0]
