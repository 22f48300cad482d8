"""What tests of proofs share: proofs of whole or smaller scenarios, and of ones in few lines."""

import asyncio
from collections.abc import Callable
from functools import cache

import pytest

from esme_emulator.proof.result import ProofResult
from esme_emulator.proof.result_builder import assemble
from esme_emulator.proof.run import Proof, Proved
from esme_emulator.proof.run_record import RunAccount
from esme_emulator.scenario.file import load_scenario, parse_scenario, resized, shipped_scenarios
from esme_emulator.scenario.scenario import Scenario
from esme_emulator.transport import MemoryBroker
from tests.support.rtds import ROOT

SHIPPED = shipped_scenarios()

PAGE = (ROOT / "docs/proof.md").read_text("utf-8")

SMALL = {"soak": 3}
"""Meters of a smaller scenario, where it is not 8."""


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
    """Return the proof of a shipped scenario, made once; not within an event loop."""
    return asyncio.run(prove(load_scenario(name)))


@cache
def smaller(name: str) -> ProofResult:
    """Return the proof of a smaller scenario, made once; not within an event loop."""
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
    """Return a scenario of few requests, with `more` of its own."""
    return parse_scenario("few", FEW.format(more=more, fleet=fleet, latency=latency))


def accounts_of(monkeypatch: pytest.MonkeyPatch) -> list[RunAccount]:
    """Return a list that gets what the two runs of the next proof leave: direct, then cached."""
    found: list[RunAccount] = []

    def note(scenario, asks, direct, cached, *others, **options):  # type: ignore[no-untyped-def]
        found[:] = [direct, cached]
        return assemble(scenario, asks, direct, cached, *others, **options)

    monkeypatch.setattr("esme_emulator.proof.run.assemble", note)
    return found


def rows(part: str) -> dict[str, list[str]]:
    """Return the rows of a table in Markdown by their first cell, which is code."""
    found = [line.split("|")[1:-1] for line in part.splitlines() if line.startswith("| `")]
    return {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in found}
