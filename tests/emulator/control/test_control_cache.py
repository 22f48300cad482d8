"""What the control interface says of the cache, its store and what is in it."""

from dataclasses import replace

import httpx
import pytest

from esme_emulator.cache.entry import CACHED_SRVS, Entry
from esme_emulator.cache.policy.ledger import Decided
from esme_emulator.cache.policy.settings import CacheSettings, HoldDown
from esme_emulator.cache.store.base import ENTRY_OCTETS
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.monitor.parts import MOST
from esme_emulator.runtime.clock import ManualClock
from gbcs.instants import to_iso
from tests.emulator.control.process import KEY, PARTY, READINGS, RETENTION, Process
from tests.emulator.control.stores import AWAY, AwayStore, MuteStore
from tests.emulator.control.test_control_endpoints import get, samples
from tests.support.estate import METER, OTHER_METER, STRANGER, UNIX_NOW, YESTERDAY

ROW = {
    "device": str(METER),
    "srv": "4.8.1",
    "from": "2026-01-14T00:00:00Z",
    "to": "2026-01-15T00:00:00Z",
    "received": "2026-01-15T11:00:00Z",
    "age": 3_600,
    "remaining": 24 * 3_600,
    "octets": len(READINGS),
    "identity": "",
}
OTHERS = (
    KEY._replace(srv="4.8.3"),
    KEY._replace(device=OTHER_METER),
    KEY._replace(device=OTHER_METER, srv="4.6.1"),
)


async def test_cache_shows_its_settings(client: httpx.AsyncClient) -> None:
    assert (await get(client, "/cache"))["settings"] == {
        "retention_hours": 25.0,
        "reply_timeout": 60.0,
        "srvs": list(CACHED_SRVS),
        "literal": False,
        "sub_window": False,
        "clock_skew": 60.0,
        "collapse": True,
        "shadow": 0.0,
        "retries": 0,
        "device_limit": 4,
        "device_queue": 64,
        "hold_down": None,
        "shared": False,
    }


async def test_cache_shows_its_hold_down() -> None:
    settings = CacheSettings(hold_down=HoldDown(3, 60.0), shadow=0.25)
    async with Process(settings=settings).client() as client:
        told = (await get(client, "/cache"))["settings"]
    assert told["hold_down"] == {"failures": 3, "seconds": 60.0}
    assert told["shadow"] == 0.25


async def test_cache_shows_the_size_of_its_store() -> None:
    process = Process(store=MemoryStore(limit=3 * (ENTRY_OCTETS + len(READINGS))))
    await process.keep(KEY, *OTHERS)
    async with process.client() as client:
        assert (await get(client, "/cache"))["store"] == {
            "kind": "memory",
            "entries": 3,
            "octets": 3 * len(READINGS),
            "evicted": 1,
            "unreadable": 0,
            "error": None,
        }


async def test_hits_are_counted_by_srv_party_and_age(
    process: Process, client: httpx.AsyncClient
) -> None:
    process.work()
    hits = (await get(client, "/cache"))["hits"]
    assert hits["by_srv"] == {"4.8.1": 1}
    assert hits["by_party"] == {str(PARTY): 1}
    ages = {row["hours"]: row["number"] for row in hits["by_age"]}
    assert ages == {1: 0, 6: 1, 12: 0, 24: 0, 36: 0, 48: 0, 60: 0, 72: 0, None: 0}


async def test_entries_are_listed_without_readings(
    process: Process, client: httpx.AsyncClient
) -> None:
    await process.keep(KEY)
    answer = await client.get("/cache/entries")
    assert answer.json() == {"entries": [ROW], "left_off": False}
    assert READINGS.hex() not in answer.text.lower()
    assert READINGS.decode() not in answer.text


async def test_an_expired_entry_has_no_time_left(
    process: Process, client: httpx.AsyncClient
) -> None:
    await process.keep(KEY, age=RETENTION + 1)
    (row,) = (await get(client, "/cache/entries"))["entries"]
    assert (row["age"], row["remaining"]) == (RETENTION + 1, 0)


async def test_entries_age_with_the_clock(process: Process, client: httpx.AsyncClient) -> None:
    await process.keep(KEY)
    assert isinstance(process.clock, ManualClock)
    await process.clock.advance(600.5)
    (row,) = (await get(client, "/cache/entries"))["entries"]
    assert (row["age"], row["remaining"]) == (4_200, 24 * 3_600 - 601)


@pytest.mark.parametrize(
    ("query", "number", "left_off"),
    [
        ("", 4, False),
        (f"?device={METER}", 2, False),
        (f"?device={str(METER).lower()}&srv=4.8.3", 1, False),
        ("?srv=4.8.1", 2, False),
        ("?srv=4.6.2", 0, False),
        (f"?device={STRANGER}", 0, False),
        ("?limit=3", 3, True),
        ("?limit=4", 4, False),
        ("?limit=0", 0, True),
    ],
)
async def test_entries_are_filtered(
    process: Process, client: httpx.AsyncClient, query: str, number: int, left_off: bool
) -> None:
    await process.keep(KEY, *OTHERS)
    found = await get(client, f"/cache/entries{query}")
    assert (len(found["entries"]), found["left_off"]) == (number, left_off)


@pytest.mark.parametrize(
    ("query", "removed"),
    [("", 4), (f"?device={METER}", 2), (f"?device={METER}&srv=4.8.1", 1), ("?srv=4.4.4", 0)],
)
async def test_a_purge_drops_the_selected_entries(
    process: Process, client: httpx.AsyncClient, query: str, removed: int
) -> None:
    await process.keep(KEY, *OTHERS)
    answer = await client.delete(f"/cache/entries{query}")
    assert (answer.status_code, answer.json()) == (200, {"removed": removed})
    assert (await process.store.size()).entries == 4 - removed


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("device=12", "device: '12' is not an EUI-64"),
        ("device=" + "0" * 65, "query.device"),
        ("srv=4.8.9", "'4.8.9' is never cached. Choose one of 4.4.2, "),
        ("srv=", "is never cached"),
        ("devices=00DBE50000000000", "query.devices: Extra inputs"),
        ("srv=" + "9" * 5000, "query.srv"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_invalid_purge_drops_nothing(
    process: Process, client: httpx.AsyncClient, method: str, query: str, words: str
) -> None:
    await process.keep(KEY)
    answer = await client.request(method, f"/cache/entries?{query}")
    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert (await process.store.size()).entries == 1


@pytest.mark.parametrize("limit", ["-1", "10001", "many", "9" * 5000])
async def test_invalid_limits_are_refused(client: httpx.AsyncClient, limit: str) -> None:
    for path in ("/cache/entries", "/cache/registry"):
        answer = await client.get(f"{path}?limit={limit}")
        assert answer.status_code == 422
        assert "query.limit" in answer.json()["error"]


# a store that is away


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_store_that_is_away_is_answered_with_503(method: str) -> None:
    async with Process(store=AwayStore()).client() as client:
        answer = await client.request(method, "/cache/entries")
    assert (answer.status_code, answer.json()) == (503, {"error": AWAY})


async def test_the_ledger_is_shown_while_the_store_is_away() -> None:
    process = Process(store=AwayStore())
    process.work()
    async with process.client() as client:
        answer = await client.get("/cache")
    assert answer.status_code == 503
    assert answer.json()["requests"] == 4
    assert answer.json()["store"] == {
        "kind": "away",
        "entries": None,
        "octets": None,
        "evicted": None,
        "unreadable": None,
        "error": AWAY,
    }


async def test_a_silent_store_times_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("STORE_TIMEOUT", "PURGE_TIMEOUT"):
        monkeypatch.setattr(f"esme_emulator.control.cache_routes.{name}", 0.0)
    monkeypatch.setattr("esme_emulator.control.metrics.SIZE_TIMEOUT", 0.0)
    silent = {"error": "the store has not answered within 0 s"}
    async with Process(store=MuteStore()).client() as client:
        for method in ("GET", "DELETE"):
            answer = await client.request(method, "/cache/entries")
            assert (answer.status_code, answer.json()) == (503, silent)
        answer = await client.get("/cache")
        assert answer.status_code == 503
        assert answer.json()["store"]["error"] == silent["error"]
        assert (await samples(client))["s1sp_store_up",] == 0


# the store in metrics


async def test_metrics_query_the_store_at_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    store = AwayStore()
    process = Process(store=store)
    async with process.client() as client:
        found = await samples(client)
        assert found["s1sp_store_up",] == 0
        assert ("s1sp_store_entries",) not in found
        store.away = False
        await process.keep(KEY)
        assert (await samples(client))["s1sp_store_up",] == 0
    monkeypatch.setattr("esme_emulator.control.metrics.SIZE_INTERVAL", 0.0)
    async with process.client() as client:
        for number in (1, 2):
            found = await samples(client)
            assert found["s1sp_store_up",] == 1
            assert found["s1sp_store_entries",] == number
            assert found["s1sp_store_octets",] == number * len(READINGS)
            await process.keep(KEY._replace(srv="4.6.1"))


async def test_replies_are_listed_newest_first(process: Process, client: httpx.AsyncClient) -> None:
    assert (await get(client, "/cache/replies")) == {"total": 0, "replies": []}
    process.work()
    told = await get(client, "/cache/replies?limit=1")
    assert told["total"] == 2
    (reply,) = told["replies"]
    assert {name: reply[name] for name in ("counter", "reply", "hit", "age", "ttl", "from")} == {
        "counter": 8,
        "reply": "s1sp; hit; ttl=84600",
        "hit": True,
        "age": 5_400,
        "ttl": 84_600,
        "from": to_iso(YESTERDAY.start),
    }
    for query, counters in (
        ("", [8, 7]),
        (f"?device={METER}", [8, 7]),
        (f"?device={OTHER_METER}", []),
        ("?srv=4.6.1", [7]),
        ("?srv=4.1.1", []),
        ("?limit=0", []),
    ):
        told = await get(client, f"/cache/replies{query}")
        assert [reply["counter"] for reply in told["replies"]] == counters


async def test_replies_are_limited_in_number_and_the_total_is_not(process: Process) -> None:
    for _ in range(MOST):
        process.work()
    latest = process.cache.latest_replies
    assert (latest.total, len(list(latest.newest(None, None)))) == (2 * MOST, MOST)


async def test_counting_ages_keeps_other_listeners(process: Process) -> None:
    told: list[Decided] = []
    process.cache.policy.events.subscribe(Decided, told.append)
    process.work()
    assert len(told) == 3
    assert process.cache.hit_ages.numbers()[6] == 1
    for age in (0, 3_600, 3_601, 72 * 3_600, 72 * 3_600 + 1):
        process.cache.hit_ages.count(replace(told[0], age=age))
    numbers = process.cache.hit_ages.numbers()
    assert (numbers[1], numbers[6], numbers[72], numbers[None]) == (2, 2, 1, 1)


async def test_entries_received_in_the_future_are_shown(
    client: httpx.AsyncClient, process: Process
) -> None:
    await process.store.put(KEY, Entry(READINGS, UNIX_NOW + 60))
    (row,) = (await get(client, "/cache/entries"))["entries"]
    assert row["age"] == -60
