"""What holds of every store: one suite over the store in memory and the one in SQLite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from emulator.cache.entry import Entry, Key
from emulator.cache.sqlite import SqliteStore
from emulator.cache.store import MemoryStore, Store
from tests.support.estate import METER, OTHER_METER, UNIX_NOW

KEY = Key(METER, "4.8.1", 0, 86_400)
ENTRY = Entry(bytes(range(256)), UNIX_NOW + 0.123456)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store = MemoryStore()
    if request.param == "sqlite":
        opened = SqliteStore(tmp_path / "store.sqlite", "estate")
    yield opened
    await opened.close()


async def test_what_was_put_is_got(store: Store) -> None:
    await store.put(KEY, ENTRY)
    assert await store.get(KEY) == ENTRY


@pytest.mark.parametrize(
    "entry",
    [
        Entry(b"", UNIX_NOW),
        Entry(b"\x00", 0.0),
        Entry(bytes(230_000), 4e9),
    ],
)
async def test_any_entry_is_kept_as_it_is(entry: Entry, store: Store) -> None:
    await store.put(KEY, entry)
    assert await store.get(KEY) == entry


async def test_an_empty_store_has_nothing(store: Store) -> None:
    assert await store.get(KEY) is None
    assert await store.reserved() == 0
    assert await store.purge(UNIX_NOW) == 0


async def test_each_part_of_the_key_tells_entries_apart(store: Store) -> None:
    keys = [
        KEY,
        KEY._replace(device=OTHER_METER),
        KEY._replace(srv="4.8.3"),
        KEY._replace(start=1),
        KEY._replace(end=86_401),
        KEY._replace(end=0xFFFFFFFF),
    ]
    for number, key in enumerate(keys):
        await store.put(key, Entry(bytes((number,)), UNIX_NOW))
    assert [await store.get(key) for key in keys] == [
        Entry(bytes((number,)), UNIX_NOW) for number in range(len(keys))
    ]
    assert await store.get(KEY._replace(start=2)) is None


async def test_a_later_entry_takes_the_place_of_the_one_before(store: Store) -> None:
    await store.put(KEY, ENTRY)
    later = Entry(b"later", ENTRY.received + 1)
    await store.put(KEY, later)
    assert await store.get(KEY) == later
    assert await store.purge(ENTRY.received + 0.5) == 0
    assert await store.get(KEY) == later


async def test_purge_drops_what_was_received_before_and_says_how_many(store: Store) -> None:
    keys = [KEY._replace(start=number) for number in range(10)]
    for number, key in enumerate(keys):
        await store.put(key, Entry(b"", float(number)))
    assert await store.purge(4.0) == 4
    left = [key.start for key in keys if await store.get(key) is not None]
    assert left == [4, 5, 6, 7, 8, 9]
    assert await store.purge(4.0) == 0
    assert await store.purge(1e12) == 6


async def test_a_reservation_is_recorded(store: Store) -> None:
    for counter in (3, 2 * int(UNIX_NOW * 1e6) + 1, 2**62):
        await store.reserve(counter)
        assert await store.reserved() == counter


async def test_purging_leaves_the_reservation(store: Store) -> None:
    await store.reserve(7)
    await store.put(KEY, ENTRY)
    await store.purge(1e12)
    assert await store.reserved() == 7
