"""A proof over a broker, and one without in any number of processes, say the same.

So does a proof in one part and one in many: meters do not depend on each other.
"""

import asyncio
import json
import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esme_emulator.proof import parts, run
from esme_emulator.proof.parts import split
from esme_emulator.proof.run import Job, Proof, Proved, work
from esme_emulator.proof.run_record import RunRecord
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.runtime.line_sorter import LineSorter, sorted_lines
from esme_emulator.runtime.processes import Pipe
from esme_emulator.transport import Gauge
from tests.emulator.proof.proving import SHIPPED, a_folder, few, proved, small


def said(proof: Proved) -> tuple[str, list[str], list[str]]:
    """Return everything that a proof says: its JSON, its ledger, and its meters."""
    meters = [str(account) for account in proof.evidence.by_meter()]
    return proof.result.as_json(), list(proof.evidence.lines()), meters


@pytest.mark.parametrize("name", SHIPPED)
async def test_all_ways_say_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = small(name)
    expected = said(await proved(scenario))
    assert said(await proved(scenario, in_process=True)) == expected
    monkeypatch.setattr(parts, "REQUESTS", 20)
    assert len(split(scenario, a_folder())) > 2
    assert said(await proved(scenario)) == expected
    assert said(await proved(scenario, in_process=True)) == expected


@pytest.mark.processes
@pytest.mark.parametrize("name", ["quickstart", "change-of-supplier", "retry-storm"])
async def test_any_number_of_workers_says_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = small(name)
    expected = said(await proved(scenario, in_process=True))
    monkeypatch.setattr(parts, "REQUESTS", 60)
    for workers in (2, 3):
        assert said(await proved(scenario, in_process=True, workers=workers)) == expected


@pytest.mark.parametrize(
    "more",
    [
        '[[fault]]\nkind = "late-reply"\nseconds = 7200\nprobability = 0.3\n',
        '[[fault]]\nkind = "reordered"\nprobability = 0.5\n[cache]\nshadow = 1.0\n',
        '[[fault]]\nkind = "no-reply"\n[cache]\nhold_down_failures = 1\nhold_down_seconds = 60\n',
        "[cache]\nliteral = true\nsub_window = true\ncollapse = false\n",
        '[[fault]]\nkind = "clock-drift"\nseconds = 9\n[cache]\ndevice_limit = 1\ndevice_queue = 1',
    ],
)
async def test_faults_and_caches_act_on_each_meter_by_itself(
    more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = few(more, 'strict = true\nwan = "smets1-sms"')
    expected = said(await proved(scenario))
    monkeypatch.setattr(parts, "REQUESTS", 1)
    assert len(split(scenario, a_folder())) == 4
    assert said(await proved(scenario, in_process=True)) == expected


@pytest.mark.parametrize("name", SHIPPED)
async def test_nothing_moves_once_the_gauge_is_still(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock advances then, so a task that still had to publish or to sleep would be late."""
    moved: Counter[str] = Counter()

    def count(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def counted(*args: Any, **options: Any) -> Any:
            moved[name] += 1
            return original(*args, **options)

        monkeypatch.setattr(owner, name, counted)

    for owner, method in ((Gauge, "add"), (ManualClock, "sleep"), (RunRecord, "end")):
        count(owner, method)
    still, stills = Gauge.still, 0

    async def still_then_wait(gauge: Gauge) -> None:
        nonlocal stills
        await still(gauge)
        stills, before = stills + 1, moved.copy()
        for _ in range(12):
            await asyncio.sleep(0)
        assert moved == before

    monkeypatch.setattr(Gauge, "still", still_then_wait)
    await proved(small(name, 4))
    assert stills > 40
    assert all(moved[name] for name in ("add", "sleep", "end"))


async def test_a_cache_that_retries_is_not_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its retry budget is one for all meters."""
    more = '[[fault]]\nkind = "no-reply"\n[cache]\nretries = 2\n'
    expected = said(await proved(few(more)))
    assert json.loads(expected[0])["retries"] > 0
    monkeypatch.setattr(parts, "REQUESTS", 1)
    assert said(await proved(few(more), in_process=True, workers=2)) == expected


def test_parts_have_all_meters_and_requests_once(tmp_path: Path) -> None:
    scenario = small("quickstart", 1000)
    found = split(scenario, tmp_path)
    assert [index for part in found for index in part.meters] == list(range(1000))
    numbers = [arrival.number for part in found for arrival in part.arrivals()]
    assert sorted(numbers) == list(range(1, 9001))
    assert all(arrival.meter in part.meters for part in found for arrival in part.arrivals())
    assert all(part.requests < 2 * parts.REQUESTS for part in found)


def die(pipe: Pipe, job: Job) -> None:
    """Die like a process that gets no more memory, if this is the second worker."""
    if job.owner == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    work(pipe, job)


def fail(pipe: Pipe, job: Job) -> None:
    """Run parts whose file is not there, if this is the second worker."""
    missing = tuple(replace(part, file=Path("/absent/part")) for part in job.parts)
    work(pipe, replace(job, parts=missing) if job.owner == "1" else job)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("worker", "says"),
    [(die, "worker 1 died (signal 9)"), (fail, "/absent/part: No such file or directory")],
)
async def test_a_worker_that_dies_leaves_a_partial_result(
    worker: Any, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "work", worker)
    monkeypatch.setattr(parts, "REQUESTS", 60)
    proof = await proved(small("quickstart"), in_process=True, workers=2)
    result = proof.result
    assert (result.complete, result.ended, result.passed) == (False, says, False)
    assert result.ledger_difference is result.avoided_ratio is None
    lines = list(proof.evidence.lines())
    assert len(lines) == result.made_direct + result.made_cached < 2 * result.planned


@pytest.mark.processes
async def test_interrupted_workers_give_what_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "REQUESTS", 200)
    scenario = small("quickstart", 600)
    proof = Proof(scenario, None, a_folder(), workers=2)
    made = 0

    def progress(_title: str, _total: int) -> Any:
        def step(steps: int) -> None:
            nonlocal made
            before, made = made, made + steps
            if before <= 300 < made:
                signal.raise_signal(signal.SIGINT)

        return step

    asking = asyncio.create_task(proof.run(progress))
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, asking.cancel)
    try:
        result = (await asking).result
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
    assert (result.complete, result.ended) == (False, "interrupted")
    assert 0 < result.made_direct < result.planned


def test_lines_are_sorted_on_disk(tmp_path: Path) -> None:
    for owner in ("0", "1"):
        sorter = LineSorter(tmp_path, owner, limit=20)
        for number in range(500):
            sorter.add("a", f"{number * 7 % 500:03}{owner}")
            sorter.add("b", "other")
        sorter.flush()
    assert len(list(tmp_path.glob("a.*"))) > 200
    expected = [f"{number:03}{owner}" for number in range(500) for owner in "01"]
    assert list(sorted_lines(tmp_path, "a")) == expected
    assert len(list(tmp_path.glob("a.*"))) < 200
    assert list(sorted_lines(tmp_path, "absent")) == []
