"""The store on a cluster: groups, slots that moved, nodes that fail, and URLs of several nodes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store import valkey_scripts as lua
from esme_emulator.cache.store.base import LEAST_LIMIT, HeldLease, Lease, StoreAwayError, StoreError
from esme_emulator.cache.store.valkey import ValkeyStore
from gbcs import EUI
from tests.support.estate import UNIX_NOW
from tests.support.mosquitto import DEAD_PORT
from tests.support.stores import kill_rounds
from tests.support.valkey import NODES, ValkeyCluster, ValkeyServer

pytestmark = pytest.mark.processes

METERS = [EUI.from_int(0x00DBE50000000000 + number) for number in range(300)]
ENTRY = Entry(b"readings", UNIX_NOW)
LONG = 60.0


@pytest.fixture(scope="module")
def running() -> Iterator[ValkeyCluster]:
    with TemporaryDirectory() as folder, ValkeyCluster(Path(folder)) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: ValkeyCluster) -> ValkeyCluster:
    for node in range(NODES):
        running.ask(node, "FLUSHALL")
    return running


@pytest.fixture
async def store(cluster: ValkeyCluster) -> AsyncIterator[ValkeyStore]:
    opened = ValkeyStore(cluster.url, "estate")
    yield opened
    await opened.close()


def key_of(number: int) -> Key:
    return Key(METERS[number], "4.8.1", 0, 86_400)


def slot_of(cluster: ValkeyCluster, key: Key) -> int:
    return cluster.slot(lua.group_of(lua.groups_of("estate"), key.device).entry(key))


async def test_an_estate_is_spread_over_all_nodes_a_meter_is_not(
    cluster: ValkeyCluster, store: ValkeyStore
) -> None:
    for number in range(len(METERS)):
        lease = await store.claim(key_of(number), LONG, 0.0)
        assert isinstance(lease, Lease)
        assert await store.settle(lease, ENTRY.buffer, ENTRY)
    await store.reserve(0, 1)
    shares = cluster.keys()
    assert all(len(names) > len(METERS) / 4 for names in shares)
    of_one = [name for names in shares for name in names if str(METERS[7]).encode() in name]
    assert len(of_one) == 2
    assert len({cluster.slot(name.decode()) for name in of_one}) == 1
    assert sorted([key async for key, _ in store.entries()]) == sorted(
        key_of(number) for number in range(len(METERS))
    )
    assert (await store.size()).entries == len(METERS)
    assert await store.purge(received_before=UNIX_NOW + 1) == len(METERS)


async def test_one_node_of_the_url_is_enough(cluster: ValkeyCluster) -> None:
    first, last = cluster.nodes[0].port, cluster.nodes[-1].port
    hosts = f"127.0.0.1:{first}", f"127.0.0.1:{DEAD_PORT},127.0.0.1:{last}"
    for host in hosts:
        store = ValkeyStore(f"valkey://{host}", "estate")
        for number in range(10):
            await store.put(key_of(number), ENTRY)
        assert await store.purge() == 10
        await store.close()


async def test_servers_that_are_no_cluster_are_refused(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path) as server:
        store = ValkeyStore(f"{server.url[:-2]},127.0.0.1:{DEAD_PORT}", "estate")
        with pytest.raises(StoreError, match="is no node of a cluster: name one server alone"):
            await store.check()
        await store.close()


async def test_a_limit_too_low_for_groups_is_refused(cluster: ValkeyCluster) -> None:
    least = lua.SHARDS * LEAST_LIMIT
    low, enough = (ValkeyStore(cluster.url, "estate", limit=limit) for limit in (least - 1, least))
    with pytest.raises(StoreError, match="a limit of 256 MB or more: raise --store-limit"):
        await low.put(key_of(0), ENTRY)
    await enough.put(key_of(0), ENTRY)
    for store in (low, enough):
        await store.close()


async def test_a_group_keeps_its_part_of_the_limit(
    cluster: ValkeyCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esme_emulator.cache.store.valkey.LEAST_LIMIT", 1)
    store = ValkeyStore(cluster.url, "estate", limit=1000 * lua.SHARDS)
    for number in range(9):
        await store.put(key_of(0)._replace(start=number), Entry(b"", float(number)))
        await store.put(key_of(1)._replace(start=number), Entry(b"", float(number)))
    kept = sorted([key.start async for key, _ in store.entries(METERS[0])])
    assert kept == [6, 7, 8], "1,000 octets a group, and 256 of them for an entry alone"
    assert (await store.size()).evicted == 2 * 6
    await store.close()


async def test_a_slot_that_moved_is_followed(cluster: ValkeyCluster, store: ValkeyStore) -> None:
    await store.put(key_of(0), ENTRY)
    assert await store.purge() == 1
    slot = slot_of(cluster, key_of(0))
    before = cluster.owner(slot)
    try:
        cluster.move(slot, (before + 1) % NODES)
        lease = await store.claim(key_of(0), LONG, 0.0)
        assert isinstance(lease, Lease)
        assert await store.claim(key_of(0), LONG, 0.0) == HeldLease(key_of(0), lease.fence)
        assert await store.settle(lease, b"", ENTRY)
        assert await store.get(key_of(0)) == ENTRY
    finally:
        cluster.ask((before + 1) % NODES, "FLUSHALL")
        cluster.move(slot, before)


async def test_a_slot_that_is_moving_is_read_and_writes_end_in_bounded_time(
    cluster: ValkeyCluster, store: ValkeyStore
) -> None:
    slot = slot_of(cluster, key_of(0))
    before = cluster.owner(slot)
    after = (before + 1) % NODES
    cluster.ask(after, "CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.name(before))
    cluster.ask(before, "CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.name(after))
    try:
        assert await store.get(key_of(0)) is None
        with pytest.raises(StoreAwayError, match="its cluster does not serve all keys") as raised:
            await store.put(key_of(0), ENTRY)
        assert len(str(raised.value).splitlines()) == 1
    finally:
        cluster.move(slot, before)
    await store.put(key_of(0), ENTRY)
    assert await store.get(key_of(0)) == ENTRY


async def test_a_node_that_restarts_is_away_and_its_counters_are_not_given_again(
    cluster: ValkeyCluster, store: ValkeyStore
) -> None:
    taken = [await store.reserve(1000, 10) for _ in range(3)]
    node = cluster.nodes[cluster.owner(cluster.slot(lua.Names("estate").own_counter))]
    node.kill()
    with pytest.raises(StoreAwayError, match=r"no answer|does not serve all keys") as raised:
        await store.reserve(1000, 10)
    assert len(str(raised.value).splitlines()) == 1
    node.start()
    cluster.wait()
    assert await store.reserve(1000, 10) >= max(taken) + 10
    assert store.replaced == 1


def test_acknowledged_writes_survive_killed_processes(cluster: ValkeyCluster) -> None:
    assert kill_rounds(cluster.url, 5, seed=1) > 5


async def test_a_cluster_without_all_slots_is_away(tmp_path: Path) -> None:
    with ValkeyCluster(tmp_path) as cluster:
        store = ValkeyStore(cluster.url, "estate")
        await store.put(key_of(0), ENTRY)
        slot = slot_of(cluster, key_of(0))
        node = cluster.owner(slot)
        cluster.ask(node, "CLUSTER", "DELSLOTS", slot)
        for _ in range(2):
            with pytest.raises(StoreAwayError, match="does not serve all keys; see CLUSTER INFO"):
                await store.put(key_of(0), ENTRY)
        await store.close()
