"""Helpers of the tests of proofs: proofs of shipped, resized and short scenarios."""

import asyncio
from collections.abc import Callable
from functools import cache

import pytest

from esme_emulator.proof.result import ProofResult
from esme_emulator.proof.result_builder import build_result
from esme_emulator.proof.run import Proof, Proved
from esme_emulator.proof.run_record import RunRecord
from esme_emulator.scenario.file import load_scenario, parse_scenario, resized, shipped_scenarios
from esme_emulator.scenario.scenario import Scenario
from esme_emulator.transport import MemoryBroker
from tests.support.rtds import ROOT

SHIPPED = shipped_scenarios()

PAGE = (ROOT / "docs/proof.md").read_text("utf-8")

SMALL = {"soak": 3}
"""Meters of a resized scenario, if not 8."""


def no_progress(_title: str, _total: int) -> Callable[[], None]:
    return lambda: None


async def prove(scenario: Scenario, broker: str | MemoryBroker | None = None) -> ProofResult:
    return (await proved(scenario, broker)).result


async def proved(scenario: Scenario, broker: str | MemoryBroker | None = None) -> Proved:
    return await Proof(scenario, broker or MemoryBroker()).run(no_progress)


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


def records_of(monkeypatch: pytest.MonkeyPatch) -> list[RunRecord]:
    """Return a list that receives the records of the next proof: direct, then cached."""
    found: list[RunRecord] = []

    def note(scenario, requests, direct, cached, *others, **options):  # type: ignore[no-untyped-def]
        found[:] = [direct, cached]
        return build_result(scenario, requests, direct, cached, *others, **options)

    monkeypatch.setattr("esme_emulator.proof.run.build_result", note)
    return found


def rows(part: str) -> dict[str, list[str]]:
    """Return the rows of a Markdown table by their first cell, which is code."""
    found = [line.split("|")[1:-1] for line in part.splitlines() if line.startswith("| `")]
    return {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in found}
