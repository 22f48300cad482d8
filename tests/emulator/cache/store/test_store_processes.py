"""Several processes on one store, and processes that are killed. For SQLite and a Valkey server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from esme_emulator.cache.store import open_store
from esme_emulator.cache.store.base import HeldLease, Lease, Settled
from tests.support.stores import (
    CLAIMS,
    ESTATE,
    LEASE,
    RESERVATIONS,
    RESERVED,
    key_of,
    kill_rounds,
    workers,
)
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.processes

KILLS = 5
"""Rounds of writing and killing; `python -m benchmarks stores` has more of them."""


@pytest.fixture(params=["sqlite", "valkey"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "store.sqlite")
    else:
        with ValkeyServer(tmp_path) as server:
            yield server.url


def test_processes_that_race_for_claims_get_one_lease_on_each_key(where: str) -> None:
    with workers(3, "claim", where) as racing:
        said = [worker.lines() for worker in racing]
    fences = []
    for claims in zip(*said, strict=True):
        (lease,) = [claim for claim in claims if claim.startswith("Lease")]
        fence = lease.split()[1]
        assert sorted(claims) == sorted([lease, *[f"HeldLease {fence}"] * 2])
        fences.append(int(fence))
    assert len(set(fences)) == CLAIMS


def test_processes_never_reserve_the_same_counters(where: str) -> None:
    with workers(3, "reserve", where) as racing:
        killed, *others = racing
        firsts = [int(killed.line()) for _ in range(10)]
        firsts += map(int, killed.kill())
        for worker in others:
            firsts += map(int, worker.lines())
    assert len(firsts) >= 2 * RESERVATIONS + 10
    taken = [first + more for first in firsts for more in range(RESERVED)]
    assert len(set(taken)) == len(taken)


async def test_a_holder_that_is_killed_holds_no_longer(where: str) -> None:
    store = open_store(where, ESTATE)
    with workers(1, "hold", where) as (worker,):
        assert worker.line().startswith("Lease")
        worker.kill()
    first = await store.claim(key_of(0), LEASE, 0.0)
    if isinstance(first, HeldLease):  # else the machine was slower than the lease
        assert await store.settled(first, LEASE) == Settled(None, came=False)
        first = await store.claim(key_of(0), LEASE, 0.0)
    assert isinstance(first, Lease)
    await store.close()


def test_acknowledged_writes_survive_killed_processes(where: str) -> None:
    assert kill_rounds(where, KILLS, seed=1) > KILLS
