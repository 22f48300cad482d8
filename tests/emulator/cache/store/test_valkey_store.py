"""The store on a server: failures of the server, its own expiry, and altered values."""

import asyncio
import gc
import socket
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
from valkey.asyncio import Valkey

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store import valkey_scripts as lua
from esme_emulator.cache.store.base import HeldLease, Lease, StoreAwayError, StoreError
from esme_emulator.cache.store.sealing import key_text
from esme_emulator.cache.store.valkey import ValkeyStore
from gbcs import EUI
from tests.support.estate import METER, OTHER_METER, UNIX_NOW
from tests.support.mosquitto import DEAD_PORT
from tests.support.stores import Worker, assert_every_call_fails, kill_rounds
from tests.support.valkey import ValkeyServer
from tests.support.waiting import settle

pytestmark = pytest.mark.processes

KEY = Key(METER, "4.8.1", 0, 86_400)
ENTRY = Entry(b"readings", UNIX_NOW)
LONG = 60.0
SHORT = 0.02
GONE = -2
"""Answer of PTTL for a missing key."""
KILLS = 5


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer(tmp_path) as running:
        yield running


@pytest.fixture
async def store(server: ValkeyServer) -> AsyncIterator[ValkeyStore]:
    opened = ValkeyStore(server.url, "estate")
    yield opened
    await opened.close()


@pytest.fixture
async def client(server: ValkeyServer) -> AsyncIterator[Valkey]:
    async with Valkey(port=server.port) as connected:
        yield connected


async def test_a_server_that_goes_away_and_comes_back(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    await store.put(KEY, ENTRY)
    await store.reserve(41, 1)
    server.kill()
    await assert_every_call_fails(store, rf"{server.port}/0: no answer; see that the server runs")
    server.start()
    assert await store.get(KEY) == ENTRY
    assert await store.reserve(0, 1) >= 42
    assert isinstance(await store.claim(KEY, LONG, UNIX_NOW), Lease)


@pytest.mark.parametrize("scheme", ["valkey", "redis"])
async def test_a_scheme_without_tls_reaches_a_server_without_tls(
    scheme: str, server: ValkeyServer
) -> None:
    store = ValkeyStore(f"{scheme}://127.0.0.1:{server.port}/0", "estate")
    await store.put(KEY, ENTRY)
    assert await store.get(KEY) == ENTRY
    await store.close()


@pytest.mark.parametrize("scheme", ["valkeys", "rediss"])
async def test_a_scheme_with_tls_does_not_speak_to_a_server_without(
    scheme: str, server: ValkeyServer
) -> None:
    store = ValkeyStore(f"{scheme}://127.0.0.1:{server.port}/0", "estate")
    with pytest.raises(StoreError):
        await store.put(KEY, ENTRY)
    await store.close()


async def test_a_server_that_is_not_there() -> None:
    store = ValkeyStore(f"redis://127.0.0.1:{DEAD_PORT}", "estate")
    await assert_every_call_fails(store, "no answer; see that the server runs there")
    await store.close()


@pytest.mark.parametrize("used", [False, True], ids=["connecting", "connected"])
async def test_closing_ends_calls_in_progress_and_leaves_no_connection_open(
    used: bool, server: ValkeyServer
) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for steps in range(25):
            store = ValkeyStore(server.url, "estate")
            if used:
                await store.get(KEY)
            calls = [asyncio.ensure_future(store.get(KEY)) for _ in range(20)]
            for _ in range(steps):
                await asyncio.sleep(0)
            await store.close()
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                assert outcome is None or "it was closed" in str(outcome)
            with pytest.raises(StoreError, match="it was closed"):
                await store.get(KEY)
            del store, calls
        # Once, since a collection takes a second in a process that ran many tests.
        gc.collect()
    assert [str(warning.message) for warning in warned] == []


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_cancelled_call_ends_as_cancelled(
    hangs: bool, server: ValkeyServer, store: ValkeyStore
) -> None:
    """Otherwise a loop of calls would go on, and the cache would not end."""
    await store.get(KEY)
    if hangs:
        server.suspend()
    for steps in range(4 if hangs else 12):
        call = asyncio.ensure_future(store.reserve(0, 0))
        for _ in range(steps):
            await asyncio.sleep(0)
        already = call.done()
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled() is not already, steps
    server.resume()


async def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("esme_emulator.cache.store.valkey_servers.TIMEOUT", 0.05)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = ValkeyStore(f"valkey://127.0.0.1:{silent.getsockname()[1]}/0", "estate")
        with pytest.raises(StoreError, match="no answer"):
            await store.get(KEY)
        await store.close()


@pytest.mark.parametrize(
    ("reply", "saying"),
    [
        (
            "LOADING Redis is loading the dataset in memory",
            "is loading its data; wait until it has",
        ),
        ("READONLY You can't write against a read only replica.", "takes no writes"),
        ("MASTERDOWN Link with MASTER is down", "takes no writes"),
        ("CLUSTERDOWN The cluster is down", "its cluster does not serve all keys"),
    ],
)
async def test_a_server_that_is_not_ready_is_away(reply: str, saying: str) -> None:
    async def answer(up: asyncio.StreamReader, down: asyncio.StreamWriter) -> None:
        while await up.readline():
            down.write(f"-{reply}\r\n".encode())
        down.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = ValkeyStore(f"valkey://127.0.0.1:{port}", "estate")
        for call in (lambda: store.put(KEY, ENTRY), store.check):
            with pytest.raises(StoreAwayError, match=saying) as raised:
                await call()
            assert len(str(raised.value).splitlines()) == 1
        await store.close()
        await settle()  # the server notices


def test_acknowledged_writes_survive_a_killed_server(server: ValkeyServer) -> None:
    def kill(worker: Worker) -> list[str]:
        server.kill()
        return worker.said()

    assert kill_rounds(server.url, KILLS, 2, kill, server.start) > KILLS


async def test_a_server_that_wants_a_password(tmp_path: Path, server: ValkeyServer) -> None:
    (tmp_path / "other").mkdir()
    with ValkeyServer(tmp_path / "other", ("--requirepass", "secret")) as guarded:
        right, wrong = (f"valkey://:{word}@127.0.0.1:{guarded.port}" for word in ("secret", "no"))
        store = ValkeyStore(right, "estate")
        await store.put(KEY, ENTRY)
        assert await store.get(KEY) == ENTRY
        await store.close()
        for url in (wrong, guarded.url):
            store = ValkeyStore(url, "estate")
            with pytest.raises(StoreError, match="give another user or password") as raised:
                await store.get(KEY)
            assert ":no@" not in str(raised.value)
            await store.close()


async def test_an_error_of_the_server_is_passed_on(client: Valkey, store: ValkeyStore) -> None:
    await client.config_set("maxmemory", 1)
    with pytest.raises(StoreError, match=r"the server says: .*maxmemory"):
        await store.put(KEY, ENTRY)
    await client.config_set("maxmemory", 0)
    await store.put(KEY, ENTRY)


async def test_the_server_lets_entries_expire(client: Valkey, store: ValkeyStore) -> None:
    await store.put(KEY, ENTRY, ttl=SHORT)
    entry = lua.Names("estate").entry(KEY)
    lease = await store.claim(KEY._replace(start=1), LONG, 0.0)
    assert isinstance(lease, Lease)
    await store.settle(lease, b"", ENTRY, ttl=LONG)
    while await client.pttl(entry) != GONE:
        assert await client.pttl(entry) <= SHORT * 1000
    assert await store.get(KEY) is None
    assert [key.start async for key, _ in store.entries()] == [1]
    assert await store.covering(KEY._replace(start=2), 0.0) == (KEY._replace(start=1), ENTRY)
    times = [await client.pttl(name) for name in await client.keys("*:entry:*")]
    assert len(times) == 1
    assert 0 < times[0] <= LONG * 1000
    assert await store.purge() == 1
    assert (await store.size()).entries == 0


async def test_all_keys_are_the_estates_and_share_a_slot(
    client: Valkey, store: ValkeyStore
) -> None:
    await store.put(KEY, ENTRY)
    await store.reserve(0, 1)
    for start in (1, 2):
        lease = await store.claim(KEY._replace(start=start), LONG, 0.0)
    assert isinstance(lease, Lease)
    await store.settle(lease, 250)
    names = await client.keys("*")
    assert len(names) >= 7
    assert all(name.startswith(b"esme:{estate}:") for name in names)


async def test_estates_on_one_server_do_not_meet(server: ValkeyServer, store: ValkeyStore) -> None:
    other = ValkeyStore(server.url, "other")
    await store.put(KEY, ENTRY)
    lease = await store.claim(KEY, LONG, UNIX_NOW)
    assert isinstance(lease, Lease)
    assert await other.get(KEY) is None
    assert isinstance(await other.claim(KEY, LONG, 0.0), Lease)
    assert await other.purge() == 0
    await other.close()


async def test_nothing_is_left_of_purged_entries(client: Valkey, store: ValkeyStore) -> None:
    for device in (METER, OTHER_METER):
        await store.put(KEY._replace(device=device), ENTRY)
    assert await store.purge(received_before=UNIX_NOW + 1) == 2
    assert await client.keys("*") == []


async def test_entries_replaced_during_a_purge_are_not_dropped(
    client: Valkey, store: ValkeyStore
) -> None:
    await store.put(KEY, ENTRY)
    names = lua.Names("estate")
    drop = client.register_script(lua.DROP.text)
    now = ENTRY.received
    for after, before, dropped in ((now - 1, now, 0), (now, now + 1, 0), (now - 1, now + 1, 1)):
        values = names.prefix, repr(after), repr(before), key_text(KEY)
        assert await drop((names.received,), values) == dropped


async def test_settlements_are_forgotten_in_time(client: Valkey, store: ValkeyStore) -> None:
    lease = await store.claim(KEY, LONG, 0.0)
    assert isinstance(lease, Lease)
    await store.settle(lease, 250)
    names = [name for name in await client.keys("*") if not name.endswith(b":fence")]
    assert [0 < await client.pttl(name) <= 30_000 for name in names] == [True]


async def test_leases_on_a_server_that_forgot_everything_have_new_fences(
    client: Valkey, store: ValkeyStore
) -> None:
    old = await store.claim(KEY, LONG, 0.0)
    await client.flushall()
    new = await store.claim(KEY, LONG, 0.0)
    assert isinstance(old, Lease)
    assert isinstance(new, Lease)
    assert new.fence > old.fence
    assert not await store.settle(old, b"", ENTRY)


def other_octets(value: bytes) -> bytes:
    return value[:-1] + bytes((value[-1] ^ 1,))


def later_receipt(value: bytes) -> bytes:
    return bytes((value[0], value[1] + 1)) + value[2:]


def cut(value: bytes) -> bytes:
    return value[:-1]


def only_the_receipt(value: bytes) -> bytes:
    return value[:8]


def too_short(value: bytes) -> bytes:
    return value[:3]


@pytest.mark.parametrize("key", [None, bytes(32)])
@pytest.mark.parametrize(
    "alter", [other_octets, later_receipt, cut, only_the_receipt, too_short, lambda _: b""]
)
async def test_altered_entries_are_missing_and_counted(
    server: ValkeyServer, client: Valkey, key: bytes | None, alter: Callable[[bytes], bytes]
) -> None:
    store = ValkeyStore(server.url, "estate", key=key)
    await store.put(KEY, ENTRY)
    (name,) = await client.keys("*:entry:*")
    await client.set(name, alter(await client.get(name)))
    assert await store.get(KEY) is None
    assert [each async for each in store.entries()] == []
    assert await store.covering(KEY, 0.0) is None
    assert (await store.size()).unreadable == 3
    assert isinstance(await store.claim(KEY, LONG, 0.0), Lease)
    await store.close()


GARBAGE = (
    b"garbage",
    b"00:4.8.1:0:1",
    b"\xff\xfe",
    b"",
    b"00DBE50000000000:4.8.1:0:1",
    b"0:1:2:3:4:5",
)
"""Members of an index that name no key."""


@pytest.mark.parametrize("device", [None, METER])
async def test_foreign_members_of_an_index_are_dropped_and_counted(
    device: EUI | None, client: Valkey, store: ValkeyStore
) -> None:
    names = lua.Names("estate")
    index = names.received if device is None else names.device(device)
    other = KEY._replace(start=1)

    async def spoil() -> None:
        await client.zadd(index, dict.fromkeys(GARBAGE, UNIX_NOW))

    await store.put(KEY, ENTRY)
    await spoil()
    assert [key async for key, _ in store.entries(device)] == [KEY]
    assert (await store.size()).unreadable == len(GARBAGE)
    await spoil()
    assert (await store.size()).entries == 1
    assert await store.covering(other, 0.0) == (KEY, ENTRY)
    assert await store.purge(device=device, srv="4.6.1") == 0
    await spoil()
    assert await store.purge(device=device, received_before=UNIX_NOW + 1) == 1
    assert (await store.size()).unreadable == 3 * len(GARBAGE)
    assert await client.keys("*") == []


async def test_only_garbage_in_an_index_is_an_empty_store(
    client: Valkey, store: ValkeyStore
) -> None:
    await client.zadd(lua.Names("estate").received, dict.fromkeys(GARBAGE, 1.0))
    assert [each async for each in store.entries()] == []
    size = await store.size()
    assert (size.entries, size.octets, size.unreadable) == (0, 0, len(GARBAGE))


async def test_more_of_a_device_than_a_page_that_are_nowhere_else_are_purged(
    client: Valkey, store: ValkeyStore
) -> None:
    texts = [key_text(KEY._replace(start=number)) for number in range(1200)]
    await client.zadd(lua.Names("estate").device(METER), dict.fromkeys(texts, 1.0))
    assert await store.purge(device=METER) == 0
    assert await client.keys("*") == []


async def test_foreign_values_of_leases_and_settlements_do_not_count(
    client: Valkey, store: ValkeyStore
) -> None:
    names = lua.Names("estate")
    await client.set(names.lease(KEY), "garbage")
    assert not (await store.settled(HeldLease(KEY, 7), LONG)).came
    assert isinstance(await store.claim(KEY, LONG, 0.0), Lease)
    await client.set(names.settled(7), "#garbage")
    assert not (await store.settled(HeldLease(KEY, 7), LONG)).came


async def test_entries_that_changed_places_are_missing(
    server: ValkeyServer, client: Valkey, store: ValkeyStore
) -> None:
    await store.put(KEY, ENTRY)
    await store.put(KEY._replace(device=OTHER_METER), Entry(b"others", UNIX_NOW))
    one, other = await client.keys("*:entry:*")
    values = await client.mget([one, other])
    await client.mset({other: values[0], one: values[1]})
    assert [each async for each in store.entries()] == []


async def test_a_settlement_under_another_key_does_not_count(server: ValkeyServer) -> None:
    holder, other = (
        ValkeyStore(server.url, "estate", key=bytes(31) + bytes((last,))) for last in (1, 2)
    )
    lease = await holder.claim(KEY, LONG, 0.0)
    held = await other.claim(KEY, LONG, 0.0)
    assert isinstance(lease, Lease)
    assert isinstance(held, HeldLease)
    await holder.settle(lease, b"readings", ENTRY)
    assert not (await other.settled(held, LONG)).came
    assert isinstance(await other.claim(KEY, LONG, 0.0), Lease)
    for store in (holder, other):
        await store.close()


# servers that forget


async def restarted(server: ValkeyServer, _: Valkey) -> None:
    server.restart()


async def flushed(_: ValkeyServer, client: Valkey) -> None:
    await client.flushall()


async def evicted(_: ValkeyServer, client: Valkey) -> None:
    await client.delete(lua.Names("estate").own_counter)


async def set_back(server: ValkeyServer, client: Valkey) -> None:
    """As a replica or a snapshot that lacks the last of them."""
    server.restart()
    await client.set(lua.Names("estate").own_counter, 1000)


@pytest.mark.parametrize("forget", [restarted, flushed, evicted, set_back])
async def test_device_counters_that_a_server_forgot_are_not_given_again(
    forget: Callable[[ValkeyServer, Valkey], Awaitable[None]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Several caches have blocks ahead of the clock, which no other cache may get."""
    with ValkeyServer(tmp_path, ("--appendonly", "no")) as server:
        one, other, new = (ValkeyStore(server.url, "estate") for _ in range(3))
        client = Valkey(port=server.port)
        taken = [await store.reserve(1000, 10) for store in (one, other) * 5]
        assert (one.replaced, other.replaced) == (0, 0)
        await forget(server, client)
        for store in (new, other, one):
            taken.append(await store.reserve(1200, 10))
            await store.check()
            taken.append(await store.reserve(1200, 10))
        assert sorted(set(taken)) == taken
        assert all(after - before >= 10 for before, after in pairwise(taken))
        await client.aclose()
        for store in (one, other, new):
            await store.close()
    assert caplog.records == []


async def test_a_server_that_forgot_device_counters_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ValkeyServer(tmp_path, ("--appendonly", "no")) as server:
        store = ValkeyStore(server.url, "estate")
        first = await store.reserve(1000, 10)
        server.restart()
        with suppress(StoreAwayError):  # its connection went with it
            await store.get(KEY)
        await store.check()
        assert store.replaced == 0, "a check takes none"
        assert await store.reserve(1000, 10) >= first + 10
        assert await store.reserve(1000, 10) >= first + 20
        assert store.replaced == 1
        await store.close()
    [said] = [record.getMessage() for record in caplog.records]
    assert "was restarted or lost keys" in said


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        (("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"), True),
        (("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-random"), True),
        (("--maxmemory", "50mb", "--maxmemory-policy", "volatile-lru"), False),
        (("--maxmemory", "50mb", "--maxmemory-policy", "noeviction"), False),
        (("--maxmemory-policy", "allkeys-lru"), False),
    ],
)
async def test_a_server_that_may_evict_device_counters_is_refused(
    options: tuple[str, ...], refused: bool, tmp_path: Path
) -> None:
    with ValkeyServer(tmp_path, options) as server:
        store = ValkeyStore(server.url, "estate")
        if refused:
            with pytest.raises(StoreError, match="set it to noeviction") as raised:
                await store.check()
            assert len(str(raised.value).splitlines()) == 1
        else:
            await store.check()
        await store.close()


async def test_a_server_without_info_is_used_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    user = "user default on nopass ~* &* +@all -info"
    with ValkeyServer(tmp_path, tuple(f"--{user}".split(" "))) as server:
        store = ValkeyStore(server.url, "estate")
        await store.check()
        first = await store.reserve(1000, 10)
        assert await store.reserve(1000, 10) == first + 10
        await store.close()
    [said] = [record.getMessage() for record in caplog.records]
    assert "make sure that its maxmemory-policy is noeviction" in said


# servers that are not the primary any more


class Address:
    """An address that leads to one server, and after a failover to another."""

    def __init__(self, to: ValkeyServer) -> None:
        self.to = to
        self.connections = 0

    async def _connected(self, up: asyncio.StreamReader, down: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, back = await asyncio.open_connection("127.0.0.1", self.to.port)
        await asyncio.gather(self._carry(up, back), self._carry(there, down))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while octets := await source.read(65_536):
                sink.write(octets)
                await sink.drain()
        sink.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        door = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        async with door:
            yield f"valkey://127.0.0.1:{door.sockets[0].getsockname()[1]}/0"


@pytest.mark.parametrize("stale", [b"yes", b"no"])
async def test_a_primary_that_became_a_replica_is_away_and_its_address_is_tried_again(
    stale: bytes, tmp_path: Path, server: ValkeyServer
) -> None:
    (tmp_path / "other").mkdir()
    with ValkeyServer(tmp_path / "other") as other:
        address, client = Address(server), Valkey(port=server.port)
        async with address.open() as url:
            store = ValkeyStore(url, "estate")
            await store.put(KEY, ENTRY)
            await client.config_set("replica-serve-stale-data", stale)
            await client.execute_command("REPLICAOF", "127.0.0.1", DEAD_PORT)
            for call in (lambda: store.put(KEY, ENTRY), lambda: store.reserve(0, 0), store.check):
                with pytest.raises(StoreAwayError, match="takes no writes") as raised:
                    await call()
                assert len(str(raised.value).splitlines()) == 1
            address.to = other
            await store.put(KEY, ENTRY)
            assert await store.get(KEY) == ENTRY
            await store.close()
        await client.execute_command("REPLICAOF", "NO", "ONE")
        await client.config_set("replica-serve-stale-data", b"yes")
        await client.aclose()
