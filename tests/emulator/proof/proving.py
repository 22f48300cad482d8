"""Helpers of the tests of proofs: proofs of shipped, resized and short scenarios."""

import asyncio
import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from esme_emulator.proof.accounts import checks
from esme_emulator.proof.bench import Variants
from esme_emulator.proof.evidence import Evidence, Line
from esme_emulator.proof.figures import figures_of
from esme_emulator.proof.judge import Check
from esme_emulator.proof.result import ProofResult
from esme_emulator.proof.run import Proof, Proved
from esme_emulator.proof.run_record import Run
from esme_emulator.scenario.file import load_scenario, parse_scenario, resized, shipped_scenarios
from esme_emulator.scenario.scenario import Scenario
from esme_emulator.transport import MemoryBroker
from tests.support.rtds import ROOT

SHIPPED = shipped_scenarios()

PAGE = (ROOT / "docs/proof.md").read_text("utf-8")

SMALL = {"soak": 3}
"""Meters of a resized scenario, if not 8."""


IN_BOTH_WAYS = pytest.mark.parametrize(
    "in_process", [False, True], ids=["over-a-broker", "in-process"]
)

_FOLDERS: list[TemporaryDirectory[str]] = []
"""Folders of proofs, whose evidence is read after them; removed when the tests end."""


def a_folder() -> Path:
    _FOLDERS.append(TemporaryDirectory(prefix="proving-"))
    return Path(_FOLDERS[-1].name)


def no_progress(_title: str, _total: int) -> Callable[[int], None]:
    return lambda _: None


async def prove(
    scenario: Scenario, broker: str | MemoryBroker | None = None, *, in_process: bool = False
) -> ProofResult:
    return (await proved(scenario, broker, in_process=in_process)).result


async def proved(
    scenario: Scenario,
    broker: str | MemoryBroker | None = None,
    variants: Variants = (),
    *,
    in_process: bool = False,
    workers: int = 1,
) -> Proved:
    """Return a proof without a broker, or over `broker`, or over one in memory."""
    used = None if in_process else broker or MemoryBroker()
    return await Proof(scenario, used, a_folder(), variants, workers).run(no_progress)


def lines_of(evidence: Evidence) -> list[Line]:
    """Return the lines of a ledger, with numbers as such."""
    return [Line(*map(_value, Line._fields, row)) for row in csv.reader(evidence.lines())]


def _value(field: str, text: str) -> Any:
    if field in ("request", "counter", "attempts", "received", "octets"):
        return int(text) if text else None
    if field in ("planned", "latency_ms"):
        return float(text) if text else None
    return text


def small(name: str, meters: int | None = None) -> Scenario:
    return resized(load_scenario(name), None, meters or SMALL.get(name, 8))


@cache
def as_shipped(name: str) -> ProofResult:
    """Return the cached proof of a shipped scenario. Call outside an event loop."""
    return asyncio.run(prove(load_scenario(name)))


@cache
def smaller(name: str) -> ProofResult:
    """Return the cached proof of a scenario with fewer meters. Call outside an event loop."""
    return asyncio.run(prove(small(name)))


def unmet(result: ProofResult) -> set[str]:
    return {name for name, verdict in result.thresholds.items() if not verdict.met}


FEW = """
title = "Few"
thresholds = ["ledger_difference == 0", "replies_different == 0"]
[fleet]
meters = 4
{latency}
{fleet}
[arrivals]
process = "poisson"
seconds = 3600
requests = 60
[[mix]]
party = "import-supplier"
srv = "4.8.1"
share = 2
repeats = 1
again = 20
[[mix]]
party = "other-user"
srv = "4.8.1"
share = 1
[patience]
timeout = 40
attempts = 2
{more}
"""


def few(more: str = "", fleet: str = "", latency: str = 'latency = "lognormal:2s,15s"') -> Scenario:
    """Return a scenario of few requests, with the TOML text `more`."""
    return parse_scenario("few", FEW.format(more=more, fleet=fleet, latency=latency))


def runs_of(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """Return a list that receives the runs of the next proof: direct, then cached."""
    found: list[Run] = []

    def note(run: Run, *others: Any, **options: Any) -> Any:
        found[:] = [run] if run.policy is None else [*found, run]
        return figures_of(run, *others, **options)

    monkeypatch.setattr("esme_emulator.proof.bench.figures_of", note)
    return found


def checks_of(run: Run) -> list[Check]:
    return [check for _, check in checks(run)]


def rows(part: str) -> dict[str, list[str]]:
    """Return the rows of a Markdown table by their first cell, which is code."""
    found = [line.split("|")[1:-1] for line in part.splitlines() if line.startswith("| `")]
    return {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in found}
