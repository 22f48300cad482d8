"""Meters that get other data or another state while caches keep their readings."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from esme_emulator.app.services import CacheOptions, FleetOptions, Running, run_services
from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.store import MEMORY
from esme_emulator.estate.parties import SUPPLIER, RemoteParty
from esme_emulator.fleet.fleet import identity_of
from esme_emulator.messaging.client import NoReplyError, Requester
from esme_emulator.messaging.topics import ASK_IDENTITY, CACHED, IDENTITY
from esme_emulator.monitor.parts import RunningFleet
from esme_emulator.profiles import meter_table
from esme_emulator.profiles.latency import NONE, Fixed, Latency
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.transport import MemoryBroker, connect
from gbcs import EUI
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Row
from tests.support.estate import (
    ESTATE,
    KEYS,
    METER,
    OTHER_METER,
    SEED,
    UNIX_NOW,
    YESTERDAY,
    party,
    readings_in,
)
from tests.support.waiting import settle, until

FLAT = meter_table({"half_hours": {"start": "2026-01-13T23:00", "values": {"import": [1000] * 52}}})
TIMEOUT = 30.0


@dataclass
class Bench:
    """Meters, a cache and a supplier."""

    meters: Running
    caching: Running
    clock: ManualClock
    requester: Requester
    supplier: RemoteParty
    broker: MemoryBroker

    @property
    def fleet(self) -> RunningFleet:
        assert self.meters.parts.fleet is not None
        return self.meters.parts.fleet

    @property
    def hits(self) -> int:
        assert self.caching.ledger is not None
        return self.caching.ledger.total(Decision.HIT)

    async def start(self) -> "asyncio.Task[list[Row]]":
        """Start a read, and wait until its command has reached the meter."""
        before = self.fleet.counters.hits("4.8.1")
        reading = asyncio.create_task(self.read())
        await until(lambda: self.fleet.counters.hits("4.8.1") > before)
        return reading

    async def read(self, device: EUI = METER) -> list[Row]:
        asked = self.supplier.command(device, "4.8.1", YESTERDAY)
        reply = await self.requester.request(*asked, TIMEOUT)
        return readings_in(reply.response, "4.8.1")


def energies(rows: list[Row]) -> set[object]:
    return {value for row in rows for name, value in row.items() if name not in ("time", "status")}


@pytest.fixture(params=["one process", "two processes"])
async def bench(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    async with running(monkeypatch, apart=request.param == "two processes") as bench:
        yield bench


@asynccontextmanager
async def running(
    monkeypatch: pytest.MonkeyPatch, *, apart: bool = False, latency: Latency = NONE
) -> AsyncIterator[Bench]:
    monkeypatch.setattr("esme_emulator.messaging.service.ANSWER_SECONDS", 0.01)
    broker, clock = MemoryBroker(), ManualClock(UNIX_NOW)
    fleet, cache = FleetOptions(latency=latency), CacheOptions(CacheSettings(), MEMORY)
    async with AsyncExitStack() as stack:
        caching = None if apart else cache
        meters = await stack.enter_async_context(
            run_services(broker, ESTATE, clock, fleet, caching)
        )
        other = meters
        if apart:
            other = await stack.enter_async_context(
                run_services(broker, ESTATE, clock, None, cache)
            )
        requester = Requester(CACHED, KEYS, clock)
        await stack.enter_async_context(requester.connected(broker, {SUPPLIER}))
        yield Bench(meters, other, clock, requester, party(Role.IS), broker)


async def test_no_cache_serves_readings_of_before(bench: Bench) -> None:
    before = await bench.read()
    assert await bench.read() == before
    assert bench.hits == 1
    await bench.fleet.replace(METER, FLAT)
    after = await bench.read()
    assert energies(after) == {1000}
    assert (bench.hits, after != before) == (1, True)

    async def has_hit() -> bool:
        assert await bench.read() == after
        return bench.hits > 1

    while not await has_hit():  # once the cache knows all fleets again, it keeps readings
        await settle()
    await bench.fleet.reset()
    assert await bench.read() == before


async def test_a_reply_on_its_way_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch, latency=Fixed(5.0)) as bench:
        reading = await bench.start()
        await bench.fleet.replace(METER, FLAT)
        await bench.clock.advance(5.0)
        before = await reading
        again = await bench.start()
        await bench.clock.advance(5.0)
        after = await again
        assert energies(after) == {1000}
        assert before != after
        assert bench.hits == 0


async def test_a_request_after_the_change_does_not_join_one_of_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(monkeypatch, latency=Fixed(5.0)) as bench:
        first = await bench.start()
        await bench.fleet.replace(METER, FLAT)
        second = await bench.start()
        await bench.clock.advance(10.0)
        assert energies(await first) != {1000}
        assert energies(await second) == {1000}


async def test_a_late_reply_to_a_command_of_before_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(monkeypatch, latency=Fixed(200.0)) as bench:
        reading = await bench.start()
        await bench.clock.advance(150.0)
        with pytest.raises(NoReplyError):
            await reading
        await bench.fleet.replace(METER, FLAT)
        bench.fleet.fleet.set_network(NONE, None)
        await bench.clock.advance(60.0)
        assert energies(await bench.read()) == {1000}
        assert bench.hits == 0


async def test_a_state_leaves_the_readings_that_caches_keep(bench: Bench) -> None:
    before = await bench.read()
    bench.fleet.profiles.set_state(METER, "suspended")
    assert await bench.read() == before
    assert bench.hits == 1
    bench.fleet.profiles.set_state(OTHER_METER, "suspended")
    asking = asyncio.create_task(bench.read(OTHER_METER))
    await settle()
    await bench.clock.advance(2 * TIMEOUT)
    with pytest.raises(NoReplyError):
        await asking
    assert bench.fleet.counters.hits(device=OTHER_METER) == 0


async def test_a_change_that_is_cancelled_leaves_the_identity_of_before(bench: Bench) -> None:
    changing = asyncio.create_task(bench.fleet.replace(METER, FLAT))
    await asyncio.sleep(0)
    changing.cancel()
    await asyncio.wait([changing])
    assert changing.cancelled()
    announced: list[str] = []

    def hear(_: str, octets: bytes, __: Mapping[str, str]) -> None:
        announced.append(octets.decode())

    async with connect(bench.broker, client_id="ear", subscriptions={IDENTITY: hear}) as ear:
        await ear.publish(ASK_IDENTITY, b"")
        await until(lambda: announced)
    assert set(announced) == {identity_of(SEED)}


async def test_two_changes_at_once_are_made_one_after_the_other(bench: Bench) -> None:
    await asyncio.gather(*(bench.fleet.replace(device, FLAT) for device in ESTATE.meters[:2]))
    for device in ESTATE.meters[:2]:
        assert energies(await bench.read(device)) == {1000}


async def test_the_readings_of_the_start_are_served_again_after_a_reset(bench: Bench) -> None:
    before = await bench.read()
    await bench.fleet.replace(METER, FLAT)
    await bench.read()
    await bench.fleet.reset()
    for _ in range(3):
        assert await bench.read() == before
        await settle()
