"""The control interface over all parts: it shows and drops what parties read."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from esme_emulator.app.services import CacheOptions, FleetOptions, run_services
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.store.sqlite import SqliteStore
from esme_emulator.cache.store.valkey import ValkeyStore
from esme_emulator.control.app import create_app
from esme_emulator.estate.parties import NEW_SUPPLIER, SUPPLIER
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.topics import CACHED
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.transport import MemoryBroker
from gbcs.tables.roles import Role
from tests.emulator.control.process import BASE_URL, KEY, Process
from tests.emulator.control.test_control_endpoints import get, samples
from tests.support.estate import ESTATE, KEYS, METER, UNIX_NOW, YESTERDAY, party
from tests.support.valkey import ValkeyServer

GUARD = 10.0
"""Timeout of a test that would hang, in seconds; no test relies on it."""


@pytest.fixture
async def requester() -> AsyncIterator[tuple[Requester, httpx.AsyncClient, ManualClock]]:
    """All parts on a broker in memory, a requester, and a client of the control interface."""
    broker, clock = MemoryBroker(), ManualClock(UNIX_NOW)
    meters = FleetOptions(strict=True)
    cache = CacheOptions(CacheSettings(), "memory:")
    requester = Requester(CACHED, KEYS)
    async with (
        run_services(broker, ESTATE, clock, meters, cache) as running,
        requester.connected(broker, {SUPPLIER}),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(running.parts)), base_url=BASE_URL
        ) as client,
    ):
        yield requester, client, clock


async def test_a_read_is_stored_shown_and_flushed(
    requester: tuple[Requester, httpx.AsyncClient, ManualClock],
) -> None:
    parties, client, clock = requester
    supplier = party(Role.IS, 1000)
    await parties.request(*supplier.command(METER, "4.8.1", YESTERDAY), GUARD)
    (row,) = (await get(client, "/cache/entries"))["entries"]
    assert (row["device"], row["srv"], row["age"]) == (str(METER), "4.8.1", 0)
    await clock.advance(7_200)
    await parties.request(*supplier.command(METER, "4.8.1", YESTERDAY), GUARD)

    told = await get(client, "/cache")
    assert told["hits"]["by_party"] == {str(SUPPLIER): 1}
    assert {"hours": 6, "number": 1} in told["hits"]["by_age"]
    assert told["store"] == {
        "kind": "memory",
        "entries": 1,
        "octets": row["octets"],
        "evicted": 0,
        "unreadable": 0,
        "error": None,
    }
    measured = await samples(client)
    assert measured["s1sp_hit_age_seconds_sum",] == 7_200
    assert measured["s1sp_store_octets",] == row["octets"]
    assert (await get(client, "/fleet"))["strict"]

    body = {
        "device": str(METER),
        "old": str(SUPPLIER),
        "new": str(NEW_SUPPLIER),
        "day": "2026-01-15",
    }
    changed = (await client.post("/cache/registry/change-of-supplier", json=body)).json()
    assert changed["flushed"] == 1
    assert (await get(client, "/cache/entries"))["entries"] == []


async def test_entries_of_an_sqlite_file_are_listed(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "readings.sqlite", "estate")
    process = Process(store=store)
    await process.keep(KEY, KEY._replace(srv="4.6.1"))
    async with process.client() as client:
        assert (await get(client, "/cache"))["store"]["kind"] == "sqlite"
        assert (await get(client, "/cache/entries?limit=1"))["left_off"]
        answer = await client.delete("/cache/entries?srv=4.6.1")
        assert answer.json() == {"removed": 1}
        assert len((await get(client, "/cache/entries"))["entries"]) == 1
    await store.close()


@pytest.mark.processes
async def test_a_server_that_is_gone_is_reported(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path)
    store = ValkeyStore(server.url, "estate")
    process = Process(store=store)
    async with process.client() as client:
        with server:
            await process.keep(KEY)
            assert (await get(client, "/cache"))["store"]["entries"] == 1
            assert len((await get(client, f"/cache/entries?device={METER}"))["entries"]) == 1
        for method, path in (("GET", "/cache/entries"), ("DELETE", "/cache/entries")):
            answer = await client.request(method, path)
            assert answer.status_code == 503
            assert "no answer; see that the server runs there" in answer.json()["error"]
        answer = await client.get("/cache")
        assert (answer.status_code, answer.json()["store"]["kind"]) == (503, "valkey")
        assert (await samples(client))["s1sp_store_up",] == 0
    await store.close()
