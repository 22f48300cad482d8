"""The stores that a user can name, and the errors for other names."""

from pathlib import Path

import pytest

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store import open_store, read_store_key
from esme_emulator.cache.store.base import StoreError
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.cache.store.sqlite import SqliteStore
from esme_emulator.cache.store.valkey import ValkeyStore
from tests.support.estate import METER, UNIX_NOW

KEY = Key(METER, "4.8.1", 0, 86_400)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_each_kind_of_store(tmp_path: Path) -> None:
    named = {
        "memory:": MemoryStore,
        str(tmp_path / "a.sqlite"): SqliteStore,
        f"sqlite:{tmp_path / 'b.sqlite'}": SqliteStore,
        "valkey://127.0.0.1:6379/0": ValkeyStore,
        "valkey://user:p%40ss@localhost": ValkeyStore,
        "redis://[::1]:6379/3": ValkeyStore,
        "rediss://localhost": ValkeyStore,
    }
    for where, kind in named.items():
        store = open_store(where, "estate", key=bytes(32), limit=10)
        assert type(store) is kind
        await store.close()
    assert names_in(tmp_path) == ["a.sqlite", "b.sqlite"]


async def test_a_path_need_not_be_text(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", "estate")
    await store.put(KEY, Entry(b"", UNIX_NOW))
    await store.close()


@pytest.mark.parametrize(
    ("where", "mending"),
    [
        ("", "needs the path of a file"),
        ("sqlite:", "needs the path of a file"),
        ("postgres://user:secret@host/db", "give memory:, a file, or valkey://host:port/0"),
        ("valkey://", "the store's URL must be valkey://"),
        ("valkey:host", "the store's URL must be valkey://"),
        ("valkey://host:port", "the store's URL must be valkey://"),
        ("valkey://host:99999", "the store's URL must be valkey://"),
        ("redis://user:secret@host/db", "with a number as database"),
        ("redis://host/-1", "with a number as database"),
        ("redis://host/0?timeout=3", "the store's URL must be valkey://"),
        ("valkey://[::1", "the store's URL must be valkey://"),
        ("/dev/full", "/dev/full"),
        ("/nowhere/at/all", "is there such a folder"),
    ],
)
def test_an_unknown_kind_of_store_is_refused_in_one_line(where: str, mending: str) -> None:
    with pytest.raises(StoreError) as raised:
        open_store(where, "estate")
    said = str(raised.value)
    assert mending in said
    assert "secret" not in said
    assert len(said.splitlines()) == 1


def test_a_limit_of_0_and_a_key_of_wrong_length_are_refused() -> None:
    with pytest.raises(StoreError, match="give 1 or more"):
        open_store("memory:", "estate", limit=0)
    with pytest.raises(StoreError, match="32 octets, not 16"):
        open_store("memory:", "estate", key=bytes(16))


@pytest.mark.parametrize("text", ["00" * 32, "Ab" * 32 + "\n", "  " + "ab " * 32])
def test_a_key_is_read_from_hexadecimal_digits(tmp_path: Path, text: str) -> None:
    path = tmp_path / "store.key"
    path.write_text(text)
    assert read_store_key(path) == bytes.fromhex(text)


@pytest.mark.parametrize(
    "octets", [b"", b"00" * 31, b"00" * 33, b"zz" * 32, bytes(32), b"\xff" * 9]
)
def test_an_invalid_key_is_refused_in_one_line(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "store.key"
    path.write_bytes(octets)
    with pytest.raises(StoreError, match="give 64 hexadecimal digits") as raised:
        read_store_key(path)
    assert len(str(raised.value).splitlines()) == 1


def test_a_missing_key_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(StoreError, match=f"store key {path}: ") as raised:
            read_store_key(path)
        assert len(str(raised.value).splitlines()) == 1
