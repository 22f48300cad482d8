"""Caches on one broker and one store: one command to the meter, and each answers its requests."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.replies import BLOCK_SIZE, earliest
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.registry.file import load_registry
from esme_emulator.cache.service import (
    AGE,
    LEASE_SECONDS,
    PURGE_SECONDS,
    SKEW_SECONDS,
    CacheService,
    serve_cache,
)
from esme_emulator.cache.store.base import (
    PROBE_SECONDS,
    HeldLease,
    Lease,
    Settled,
    Store,
    StoreAwayError,
    StoreError,
)
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.cache.store.sqlite import SqliteStore
from esme_emulator.cache.store.valkey import ValkeyStore
from esme_emulator.estate.parties import OTHER_USER
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.messaging.client import NoReplyError, ReceivedReply, Requester
from esme_emulator.messaging.topics import (
    CACHED,
    alert_topic,
    command_topic,
    response_topic,
)
from esme_emulator.profiles.latency import NONE, Fixed, Latency
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.transport import Broker, MemoryBroker, connect
from gbcs import EUI, Alert, Opaque, decode, encode
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.emulator.cache.bench import anything_for_anybody
from tests.support.embedded import embedded
from tests.support.estate import (
    ESTATE,
    KEYS,
    METER,
    MIDNIGHT,
    NOW,
    SEED,
    UNIX_NOW,
    YESTERDAY,
    command,
    meter_octets,
    own_counter_in,
    party,
)
from tests.support.valkey import ValkeyServer
from tests.support.waiting import settle

GUARD = 10.0
"""Seconds after which a test that waits in vain fails; no test relies on it."""

OPEN = Window(MIDNIGHT, NOW + 1)
KEY = Key(METER, "4.8.1", YESTERDAY.start, YESTERDAY.end)


@dataclass
class Running:
    fleet: Fleet
    clock: ManualClock
    real: ManualClock
    caches: list[CacheService]
    requester: Requester

    async def ask(
        self, role: Role, counter: int, window: Window = YESTERDAY, patience: float = GUARD
    ) -> ReceivedReply:
        asked, octets = command("4.8.1", role, counter, window)
        return await self.requester.request(asked, octets, patience)

    def total(self, decision: Decision) -> int:
        return sum(cache.policy.ledger.total(decision) for cache in self.caches)

    def assert_settled(self) -> None:
        for cache in self.caches:
            assert cache.policy.ledger.undecided() == 0
        sent = sum(cache.policy.ledger.sent() for cache in self.caches)
        assert sent == self.fleet.counters.device_hits


@asynccontextmanager
async def run(
    stores: list[Store],
    latency: Latency = NONE,
    hosted: Any = ESTATE.meters,
    broker: Broker | None = None,
    **options: Any,
) -> AsyncIterator[Running]:
    broker = broker or MemoryBroker()
    clock, real = ManualClock(UNIX_NOW), ManualClock(UNIX_NOW)
    fleet = Fleet(hosted, KEYS, SEED, latency)
    settings = CacheSettings(shared=len(stores) > 1, **options)
    requester = Requester(CACHED, KEYS)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serve_fleet(broker, fleet, clock))
        caches = [
            await stack.enter_async_context(
                serve_cache(
                    broker,
                    CachePolicy(KEYS, settings, anything_for_anybody()),
                    store,
                    clock,
                    real=real,
                )
            )
            for store in stores
        ]
        recipients = {party(role).recipient for role in (Role.IS, Role.ED, Role.OU)}
        await stack.enter_async_context(requester.connected(broker, recipients))
        yield Running(fleet, clock, real, caches, requester)


@pytest.fixture(params=["memory", "sqlite"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[Store]]:
    opened: list[Store] = [MemoryStore()] * 2
    if request.param == "sqlite":
        opened = [SqliteStore(tmp_path / "store.sqlite", "estate") for _ in range(2)]
    yield opened
    for store in opened:
        await store.close()


@pytest.mark.parametrize("window", [YESTERDAY, OPEN])
async def test_a_key_asked_of_two_services_at_once_is_one_device_hit(
    window: Window, stores: list[Store]
) -> None:
    async with run(stores) as running:
        roles = [(Role.IS, Role.ED, Role.OU)[number % 3] for number in range(30)]
        replies = await asyncio.gather(
            *[running.ask(role, counter, window) for counter, role in enumerate(roles)]
        )
        for counter, (role, reply) in enumerate(zip(roles, replies, strict=True)):
            asked, _ = command("4.8.1", role, counter, window)
            own = own_counter_in(reply.octets) or 0
            assert reply.octets == meter_octets(asked, UNIX_NOW, own)
        assert running.fleet.counters.device_hits == 1
        assert running.total(Decision.FORWARDED) == 1
        assert running.total(Decision.COLLAPSED) + running.total(Decision.HIT) == 29
        assert all(cache.policy.ledger.requests == 15 for cache in running.caches)
        own_counters = [own_counter_in(reply.octets) for reply in replies]
        assert len(set(own_counters) - {None}) == roles.count(Role.OU)
        assert not any("others-reply" in cache.policy.ledger.reasons for cache in running.caches)
        running.assert_settled()


async def test_5000_at_once_over_the_broker_are_one_device_hit() -> None:
    async with run([MemoryStore()]) as running:
        replies = await asyncio.gather(
            *[running.ask(Role.IS, counter, patience=60.0) for counter in range(5000)]
        )
        assert len({reply.octets for reply in replies}) == 5000
        assert running.fleet.counters.device_hits == 1
        running.assert_settled()


async def test_a_lease_is_renewed_while_its_flight_lives_and_given_up_with_it() -> None:
    store = RecordingStore()
    async with run([store], Fixed(50.0)) as running:
        asking = asyncio.ensure_future(running.ask(Role.IS, 1))
        await settle()
        assert (store.renewed, store.settled_with) == (0, [])
        for times in (1, 2, 3):
            await running.real.advance(LEASE_SECONDS / 3)
            await settle()
            assert store.renewed == times
        await running.clock.advance(50.0)
        await asking
        assert len(store.settled_with) == 1
        await running.real.advance(LEASE_SECONDS)
        await settle()
        assert store.renewed == 3


class RecordingStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.renewed = 0
        self.settled_with: list[bytes | int | None] = []

    async def renew(self, lease: Lease, seconds: float) -> bool:
        assert await super().renew(lease, seconds)
        self.renewed += 1
        return True

    async def settle(
        self,
        lease: Lease,
        readings: bytes | int | None,
        entry: Entry | None = None,
        ttl: float | None = None,
    ) -> bool:
        self.settled_with.append(readings)
        return await super().settle(lease, readings, entry, ttl)


async def test_a_silent_meter_fails_waiting_requests_in_every_process() -> None:
    store = MemoryStore()
    async with run([store, store], hosted=()) as running:
        asking = [asyncio.ensure_future(running.ask(Role.IS, counter)) for counter in range(6)]
        await settle()
        assert [cache.policy.ledger.undecided() for cache in running.caches] == [2, 3]
        await running.clock.advance(60.0)
        await settle()
        assert running.total(Decision.FAILED) == 5
        assert running.total(Decision.FORWARDED) == 1
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def test_an_ending_cache_fails_waiting_requests_and_gives_leases_back(
    stores: list[Store],
) -> None:
    async with run(stores, hosted=()) as running:
        asking = [asyncio.ensure_future(running.ask(Role.IS, counter)) for counter in range(6)]
        await settle()
        leader, other = sorted(running.caches, key=lambda cache: cache.policy.ledger.undecided())
        assert running.total(Decision.FORWARDED) == 1
        await leader.end()
        assert leader.policy.ledger.undecided() == 0
        assert leader.policy.ledger.reasons == {"cache-ended": 2}
        while not other.policy.ledger.total(Decision.FORWARDED):
            await settle()
        assert other.policy.ledger.undecided() == 2
        leader.receive_command(command_topic(CACHED, METER), command("4.8.1", Role.IS, 9)[1], {})
        assert leader.policy.ledger.requests == 3, "it takes no more"
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


class Away(MemoryStore):
    """A store that cannot be used while it is `away`, for anything."""

    away = False

    def at_hand(self, key: Key) -> Entry | None:
        return None if self.away else super().at_hand(key)

    def __getattribute__(self, name: str) -> Any:
        used = name in ("claim", "settle", "settled", "put", "reserve", "purge", "renew")
        return _fail if used and self.away else super().__getattribute__(name)


async def _fail(*_: object, **__: object) -> Settled:
    raise StoreError("the store is away")


class Full(MemoryStore):
    """A store that can be read, and while it is `full` not written to."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False

    def __getattribute__(self, name: str) -> Any:
        writes = name in ("settle", "put", "reserve", "purge", "renew")
        return _fail if writes and self.full else super().__getattribute__(name)

    async def claim(
        self, key: Key, seconds: float, received_after: float
    ) -> Entry | Lease | HeldLease:
        found = await super().claim(key, seconds, received_after)
        if isinstance(found, Lease) and self.full:
            self._leases.pop(key)
            raise StoreError("the disk is full")
        return found


@pytest.mark.parametrize("times", [1, 3])
async def test_a_lease_that_could_not_be_settled_delays_no_request_here(times: int) -> None:
    """Otherwise the next read would wait for this same process until the lease expires."""
    store = Full()
    async with run([store], Fixed(1.0)) as running:
        asking = asyncio.ensure_future(running.ask(Role.IS, 1))
        await settle()
        store.full = True
        for counter in range(2, 2 + times):
            await running.clock.advance(1.0)
            reply = await asking
            assert reply.cache_status == "s1sp; fwd=miss; detail=store-failed"
            asking = asyncio.ensure_future(running.ask(Role.IS, counter))
            await settle()
            assert running.fleet.counters.device_hits == counter, "forwarded at once"
        store.full = False
        await running.clock.advance(1.0)
        assert (await asking).cache_status == "s1sp; fwd=miss; stored"
        assert "hit" in ((await running.ask(Role.IS, 9)).cache_status or "")
        running.assert_settled()


async def test_a_lease_that_could_not_be_given_back_is_given_back_later() -> None:
    store = Full()
    async with run([store], Fixed(1.0)) as running:
        asking = asyncio.ensure_future(running.ask(Role.IS, 1))
        await settle()
        store.full = True
        await running.clock.advance(1.0)
        await asking
        assert isinstance(await store.claim(KEY, LEASE_SECONDS, 0.0), HeldLease)
        await running.real.advance(LEASE_SECONDS / 3)
        await settle()
        store.full = False
        await running.real.advance(LEASE_SECONDS / 3)
        await settle()
        await asyncio.sleep(0.002)  # in real time, that a lease is given back in
        assert isinstance(await store.claim(KEY, LEASE_SECONDS, 0.0), Lease)


class Slow(MemoryStore):
    """A store whose answers to `claim` and `settle` are on their way for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.there = asyncio.Event()

    async def claim(
        self, key: Key, seconds: float, received_after: float
    ) -> Entry | Lease | HeldLease:
        found = await super().claim(key, seconds, received_after)
        await self.there.wait()
        return found

    async def settle(self, lease: Lease, *given: Any) -> bool:
        await self.there.wait()
        return await super().settle(lease, *given)


@pytest.mark.parametrize("asks", ["claim", "settle"])
async def test_store_calls_in_progress_are_completed_as_a_cache_ends(asks: str) -> None:
    store = Slow()
    if asks == "settle":
        store.there.set()
    async with run([store], latency=Fixed(1.0)) as running:
        asking = asyncio.ensure_future(running.ask(Role.IS, 1))
        await settle()
        store.there.clear()
        if asks == "settle":
            await running.clock.advance(1.0)
            await settle()
        asyncio.get_running_loop().call_soon(store.there.set)
    asking.cancel()
    await asyncio.sleep(0.002)  # in real time, that a lease is given back in
    found = await store.claim(KEY, LEASE_SECONDS, 0.0)
    assert isinstance(found, Lease if asks == "claim" else Entry)


async def test_a_store_that_goes_away_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    store = Away()
    async with run([store]) as running:
        assert (await running.ask(Role.IS, 1)).cache_status == "s1sp; fwd=miss; stored"
        store.away = True
        for counter, role in ((2, Role.IS), (3, Role.OU)):
            reply = await running.ask(role, counter)
            assert reply.cache_status == "s1sp; fwd=bypass; detail=store-failed"
        store.away = False
        assert (await running.ask(Role.ED, 4)).cache_status == "s1sp; hit; ttl=90000"
        assert (await running.ask(Role.OU, 5)).cache_status == "s1sp; hit; ttl=90000"
        ledger = running.caches[0].policy.ledger
        assert ledger.reasons == {"store-failed": 4}
        assert running.fleet.counters.device_hits == 3
    assert [record.getMessage() for record in caplog.records] == [
        "the store is away; requests are forwarded meanwhile"
    ]


class Hanging(MemoryStore):
    """A store that, while it `hangs`, answers nothing until the test has a call time out."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = False
        self.asked: list[asyncio.Future[None]] = []

    def at_hand(self, key: Key) -> Entry | None:
        return None if self.hangs else super().at_hand(key)

    def __getattribute__(self, name: str) -> Any:
        used = name in ("claim", "settle", "settled", "put", "reserve", "purge", "renew")
        return self._wait if used and self.hangs else super().__getattribute__(name)

    async def _wait(self, *_: object, **__: object) -> Settled:
        self.asked.append(asyncio.get_running_loop().create_future())
        await self.asked[-1]
        raise StoreAwayError("the store hangs")


async def test_a_store_that_hangs_delays_the_first_request_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Hanging()
    failed = "s1sp; fwd=bypass; detail=store-failed"
    async with run([store]) as running:
        await running.ask(Role.IS, 1)
        store.hangs = True
        windows = [Window(YESTERDAY.start, YESTERDAY.end - 1800 * more) for more in range(3)]
        first = [
            asyncio.ensure_future(running.ask(Role.IS, 2 + number, window))
            for number, window in enumerate(windows)
        ]
        await settle()
        assert not any(one.done() for one in first)
        store.asked[0].set_result(None)
        assert [(await one).cache_status for one in first] == [failed] * 3
        for counter in (6, 7):
            assert (await running.ask(Role.IS, counter)).cache_status == failed
        assert len(store.asked) == 3
        await running.real.advance(PROBE_SECONDS)
        assert (await running.ask(Role.IS, 8)).cache_status == failed
        store.hangs = False
        store.asked[3].set_result(None)
        await settle()
        await running.real.advance(PROBE_SECONDS)
        await settle()
        assert (await running.ask(Role.ED, 9)).cache_status == "s1sp; hit; ttl=90000"
        reasons = running.caches[0].policy.ledger.reasons
        assert reasons == {"store-failed": 1, "store-away": 2 + 3 * 2 + 3}
        running.assert_settled()
    assert [record.getMessage() for record in caplog.records] == [
        "the store hangs; requests are forwarded meanwhile"
    ]


@pytest.mark.parametrize("back", [False, True])
async def test_an_ending_cache_asks_a_store_that_was_away_once_more(
    back: bool, caplog: pytest.LogCaptureFixture
) -> None:
    store = Hanging()
    async with run([store]) as running:
        await running.ask(Role.IS, 1)
        store.hangs = True
        change = asyncio.ensure_future(running.caches[0].change_of_tenancy(METER, date(2000, 1, 1)))
        await settle()
        store.asked[0].set_result(None)
        await change
        store.hangs = not back
        if not back:
            asyncio.get_running_loop().call_later(0.05, lambda: store.asked[1].set_result(None))
    store.hangs = False
    assert (await store.get(KEY) is None) is back
    assert any("could not be dropped" in line.getMessage() for line in caplog.records) is not back


def remove_all(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


async def test_device_counters_in_use_are_dropped_when_their_file_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read may miss a new file for 50 ms; its counters begin `AHEAD` blocks after the old."""
    monkeypatch.setattr("esme_emulator.cache.store.sqlite_file.CHECK_SECONDS", 0)
    path = tmp_path / "store.sqlite"
    store = SqliteStore(path, "estate")
    async with run([store]) as running:
        await running.ask(Role.IS, 1)
        await running.ask(Role.OU, 2)
        remove_all(tmp_path)
        new = SqliteStore(path, "estate")
        first = await new.reserve(earliest(UNIX_NOW), BLOCK_SIZE)
        await running.ask(Role.IS, 3)
        own = own_counter_in((await running.ask(Role.OU, 4)).octets)
        assert own is not None
        assert own >= first + BLOCK_SIZE
    for each in (store, new):
        await each.close()


@pytest.mark.processes
async def test_a_stopped_server_delays_requests_only_briefly(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path) as server:
        store = ValkeyStore(server.url, "estate")
        async with run([store]) as running:
            assert (await running.ask(Role.IS, 1)).cache_status == "s1sp; fwd=miss; stored"
            server.suspend()
            for counter in range(2, 30):
                reply = await running.ask(Role.IS, counter)
                assert reply.cache_status == "s1sp; fwd=bypass; detail=store-failed"
            reasons = running.caches[0].policy.ledger.reasons
            assert reasons["store-failed"] == 1, "one call waited for it"
            server.resume()
            await running.real.advance(PROBE_SECONDS)
            counter, status = 30, ""
            while not status.startswith("s1sp; hit"):
                status = (await running.ask(Role.IS, counter)).cache_status or ""
                counter += 1
        await store.close()


async def test_entries_of_the_future_are_purged_and_are_one_device_hit_until_then(
    stores: list[Store],
) -> None:
    later = Entry(b"of another clock", UNIX_NOW + 3600)
    async with run(stores) as running:
        await settle()
        await stores[0].put(KEY, later)
        await asyncio.gather(*[running.ask(Role.IS, number) for number in range(6)])
        assert running.fleet.counters.device_hits == 1
        for start, ahead in ((1, PURGE_SECONDS + 3600), (2, PURGE_SECONDS + SKEW_SECONDS)):
            await stores[0].put(KEY._replace(start=start), Entry(b"", UNIX_NOW + ahead))
        await running.clock.advance(PURGE_SECONDS)
        await settle()
        assert await stores[0].get(KEY._replace(start=1)) is None
        assert await stores[0].get(KEY._replace(start=2)) is not None, "clocks may differ a little"
        assert await stores[0].get(KEY) is not None


async def test_a_change_of_tenancy_empties_the_store_of_the_device_and_refuses() -> None:
    store = MemoryStore()
    async with run([store]) as running:
        await running.ask(Role.IS, 1)
        assert await store.get(KEY) is not None
        [cache] = running.caches
        cache.policy.registry.change_of_tenancy(METER, date(2000, 1, 1))
        await cache.change_of_tenancy(METER, date(2000, 1, 1))
        assert await store.get(KEY) is None
        with pytest.raises(ValueError, match="is not a party"):
            await cache.change_of_supplier(METER, OTHER_USER, EUI(bytes(8)), date(2026, 1, 1))


@pytest.mark.parametrize(("away", "changes"), [(False, 1), (True, 1), (True, 4)])
async def test_an_ending_cache_retries_flushes_and_warns_of_failures(
    away: bool, changes: int, caplog: pytest.LogCaptureFixture
) -> None:
    store = Away()
    async with run([store]) as running:
        await running.ask(Role.IS, 1)
        store.away = True
        for number in range(changes):
            device = EUI.from_int(int(METER) + number)
            await running.caches[0].change_of_tenancy(device, date(2000, 1, 1))
        store.away = away
    store.away = False
    assert (await store.get(KEY) is None) is not away
    said = [one.getMessage() for one in caplog.records if "purge" in one.getMessage()]
    assert [(f"--device {METER}" in text, "and 1 more" in text) for text in said] == [
        (changes == 1, changes == 4)
    ] * away


@pytest.mark.parametrize("kept", [False, True])
async def test_the_warning_says_whether_the_next_cache_will_serve_the_entries(
    kept: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The next cache knows of the change only if it was kept."""
    path = tmp_path / "registry.toml"
    path.write_text(f'[[party]]\neui = "{party(Role.IS).eui}"\nroles = ["IS"]\n')
    store = Away()
    async with run([store]) as running:
        [cache] = running.caches
        if kept:
            cache.policy.registry.journal = load_registry(path).journal
        store.away = True
        await cache.change_of_tenancy(METER, date(2000, 1, 1))
    [said] = [one.getMessage() for one in caplog.records if "purge" in one.getMessage()]
    assert said.startswith(f"readings of {METER} could not be dropped")
    assert ("the next cache will serve them" in said) is not kept
    assert ("No cache with this registry serves them" in said) is kept


async def test_entries_of_the_future_are_dropped_or_reported_after_a_clock_is_set_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for away in (False, True):
        store = Away()
        async with run([store]) as running:
            await running.ask(Role.IS, 1)
            running.clock._now -= 60
            store.away = away
            await running.real.advance(LEASE_SECONDS)
            await settle()
        store.away = False
        assert (await store.get(KEY) is None) is not away
    [said] = [one.getMessage() for one in caplog.records if "purge" in one.getMessage()]
    assert said == (
        "readings received by a clock that was ahead could not be dropped, and the next cache will "
        "serve them: esme cache purge"
    )


async def test_pending_flushes_are_done_once_the_store_is_back() -> None:
    store = Away()
    async with run([store]) as running:
        await running.ask(Role.IS, 1)
        store.away = True
        await running.caches[0].change_of_tenancy(METER, date(2000, 1, 1))
        await running.real.advance(LEASE_SECONDS / 3)
        await settle()
        store.away = False
        assert await store.get(KEY) is not None
        await running.real.advance(LEASE_SECONDS / 3)
        await settle()
        assert await store.get(KEY) is None
        assert running.caches[0].policy.pending_flushes() == []


async def test_only_hits_have_an_age() -> None:
    seen: list[tuple[int, Mapping[str, str]]] = []

    def receive(_: str, octets: bytes, properties: Mapping[str, str]) -> None:
        seen.append((decode(octets).originator_counter, dict(properties)))

    async with run([MemoryStore()]) as running:
        broker = _broker_of(running)
        filters = {response_topic(CACHED, "+", "+"): receive}
        async with connect(broker, client_id="ear", subscriptions=filters) as ear:
            for counter in (1, 2):
                await ear.publish(
                    command_topic(CACHED, METER), command("4.8.1", Role.IS, counter)[1]
                )
                await settle()
                await running.clock.advance(90.5)
    assert seen == [
        (1, {"cache-status": "s1sp; fwd=miss; stored"}),
        (2, {"cache-status": "s1sp; hit; ttl=89909", AGE: "90"}),
    ]


def _broker_of(running: Running) -> MemoryBroker:
    broker = running.caches[0].transports[0]._broker  # type: ignore[attr-defined]
    assert isinstance(broker, MemoryBroker)
    return broker


def _alert(counter: int) -> bytes:
    return encode(
        Alert(
            originator=METER,
            recipient=party(Role.IS).eui,
            originator_counter=counter,
            message_code=0x1000,
            payload=Opaque(b"\x01\x02"),
        ),
        KEYS,
    )


async def test_an_alert_is_passed_on_once_by_caches_that_share() -> None:
    alert = _alert(7)
    seen: list[bytes] = []
    store = MemoryStore()
    async with run([store, store, store]) as running:
        filters = {response_topic(CACHED, "+", "+"): lambda _, octets, __: seen.append(octets)}
        topic = alert_topic(METER, party(Role.IS).eui)
        async with connect(_broker_of(running), client_id="ear", subscriptions=filters) as ear:
            for octets in (alert, alert[:-1], alert[:-1] + bytes((alert[-1] ^ 1,))):
                await ear.publish(topic, octets)
            await settle()
    assert seen == [alert]


async def test_sub_windows_shadow_and_no_collapse_work_over_the_broker() -> None:
    async with run([MemoryStore()], sub_window=True, shadow=1.0, collapse=False) as running:
        await running.ask(Role.IS, 1)
        reply = await running.ask(Role.IS, 2, Window(YESTERDAY.start, YESTERDAY.start))
        assert reply.cache_status == "s1sp; hit; ttl=90000; detail=sub-window"
        await settle()
        ledger = running.caches[0].policy.ledger
        assert (ledger.shadow, ledger.reasons) == (1, {"shadow-equal": 1})
        running.assert_settled()


async def test_a_refused_request_gets_no_reply() -> None:
    async with run([MemoryStore()]) as running:
        await running.ask(Role.IS, 1)
        octets = bytearray(command("4.8.1", Role.IS, 2)[1])
        octets[-1] ^= 1
        asked, _ = command("4.8.1", Role.IS, 2)
        with pytest.raises(NoReplyError):
            await running.requester.request(asked, bytes(octets), 0.05)
        assert running.caches[0].policy.ledger.reasons == {"mac-invalid": 1}


@pytest.mark.processes
async def test_caches_share_requests_and_alerts_on_the_embedded_broker() -> None:
    topic = alert_topic(METER, party(Role.IS).eui)
    alerts, passed = [_alert(counter) for counter in range(20)], asyncio.Queue[bytes]()
    filters = {response_topic(CACHED, "+", "+"): lambda _, octets, __: passed.put_nowait(octets)}
    async with embedded("rumqttd") as url, run([MemoryStore()] * 2, broker=url) as running:
        replies = await asyncio.gather(*[running.ask(Role.IS, counter) for counter in range(30)])
        assert len({reply.octets for reply in replies}) == 30
        assert running.fleet.counters.device_hits == 1
        requests = [cache.policy.ledger.requests for cache in running.caches]
        assert min(requests) > 0
        assert sum(requests) == 30
        async with connect(url, client_id="ear", subscriptions=filters) as ear:
            for alert in alerts:
                await ear.publish(topic, alert)
            async with asyncio.timeout(GUARD):
                assert {await passed.get() for _ in alerts} == set(alerts)
