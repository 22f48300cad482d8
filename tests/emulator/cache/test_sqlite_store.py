"""The durable store: what survives, and files that are not to be used."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator.cache.entry import Entry, Key
from emulator.cache.sqlite import SqliteStore
from emulator.cache.store import StoreError
from gbcs import EUI
from tests.support.estate import METER, UNIX_NOW

KEY = Key(METER, "4.8.1", 0, 86_400)
ENTRY = Entry(b"readings", UNIX_NOW)
SQLITE_HEAD = b"SQLite format 3\x00"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


async def make(path: Path, estate: str = "estate") -> None:
    store = SqliteStore(path, estate)
    await store.put(KEY, ENTRY)
    await store.reserve(41)
    await store.close()


async def test_what_was_put_is_there_when_it_is_opened_again(path: Path) -> None:
    await make(path)
    store = SqliteStore(path, "estate")
    assert await store.get(KEY) == ENTRY
    assert await store.reserved() == 41
    await store.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from emulator.cache.entry import Entry, Key
from emulator.cache.sqlite import SqliteStore
from gbcs import EUI

async def write():
    store = SqliteStore(Path(sys.argv[1]), "estate")
    for number in range(10**9):
        await store.put(Key(EUI(bytes(8)), "4.8.1", number, number), Entry(b"%d" % number, 1.0))
        await store.reserve(number)
        print(number, flush=True)

asyncio.run(write())
"""


def write_until_killed(path: Path) -> int:
    """Let another process write, kill it, and return how many writes had returned."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for _ in range(200):
            assert writer.stdout.readline()
        writer.kill()
        return 200 + writer.stdout.read().count("\n")


async def test_what_put_returned_for_survives_a_process_that_is_killed(path: Path) -> None:
    returned = write_until_killed(path)
    store = SqliteStore(path, "estate")
    for number in range(returned):
        key = Key(EUI(bytes(8)), "4.8.1", number, number)
        assert await store.get(key) == Entry(b"%d" % number, 1.0)
    assert await store.reserved() >= returned - 1
    await store.close()


def foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE notes (text)")
        database.execute("INSERT INTO notes VALUES ('mine')")
    database.close()


def our_tables_of_another_format(path: Path) -> None:
    asyncio.run(make(path))
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


def text_file(path: Path) -> None:
    path.write_text("dear diary\n" * 1000)


def damaged_head(path: Path) -> None:
    path.write_bytes(SQLITE_HEAD + bytes(range(256)) * 64)


def damaged_pages(path: Path) -> None:
    asyncio.run(make(path))
    octets = bytearray(path.read_bytes())
    octets[100:] = b"\xa5" * (len(octets) - 100)
    path.write_bytes(octets)


def folder(path: Path) -> None:
    path.mkdir()


def without_its_tables(path: Path) -> None:
    asyncio.run(make(path))
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE estate")
    database.close()


def without_its_rows(path: Path) -> None:
    asyncio.run(make(path))
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM estate")
    database.close()


def missing_folder(path: Path) -> None:
    path.symlink_to(path.parent / "missing" / "store.sqlite")


def assert_one_line(error: BaseException) -> None:
    assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    "prepare",
    [
        foreign_database,
        our_tables_of_another_format,
        text_file,
        damaged_head,
        damaged_pages,
        folder,
        without_its_tables,
        without_its_rows,
        missing_folder,
    ],
)
def test_what_is_no_store_is_refused_in_one_line_and_left_as_it_is(
    prepare: Callable[[Path], None], path: Path
) -> None:
    prepare(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=r"store\.sqlite") as raised:
        SqliteStore(path, "estate")
    assert_one_line(raised.value)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert {entry.name for entry in path.parent.iterdir()} <= {path.name}


async def test_the_store_of_another_estate_is_refused_and_left_as_it_is(path: Path) -> None:
    await make(path, "seed-1")
    with pytest.raises(StoreError, match=r"another estate \(seed-1, not seed-2\)") as raised:
        SqliteStore(path, "seed-2")
    assert_one_line(raised.value)
    store = SqliteStore(path, "seed-1")
    assert await store.get(KEY) == ENTRY
    await store.close()


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from emulator.cache.sqlite import SqliteStore
from emulator.cache.store import StoreError
if os.geteuid() == 0:
    os.setuid(65534)
try:
    SqliteStore(Path(sys.argv[1]), "estate")
except StoreError as error:
    print(error)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter and nobody may write to, but root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
        yield folder
        folder.chmod(stat.S_IRWXU)


def open_unprivileged(path: Path) -> str:
    path.parent.chmod(0o555)
    opened = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, str(path)], capture_output=True, text=True, check=True
    )
    assert opened.stderr == ""
    return opened.stdout


def test_a_read_only_folder_is_refused_in_one_line(open_folder: Path) -> None:
    said = open_unprivileged(open_folder / "store.sqlite")
    assert said.startswith(f"store {open_folder}/store.sqlite: ")
    assert len(said.splitlines()) == 1
    assert list(open_folder.iterdir()) == []


def test_a_read_only_store_is_refused_in_one_line(open_folder: Path) -> None:
    path = open_folder / "store.sqlite"
    asyncio.run(make(path))
    path.chmod(0o444)
    said = open_unprivileged(path)
    assert said.startswith(f"store {path}: ")
    assert len(said.splitlines()) == 1


async def test_a_store_that_fails_later_says_so_in_one_line(path: Path) -> None:
    store = SqliteStore(path, "estate")
    await store.close()
    for call in (
        store.get(KEY),
        store.put(KEY, ENTRY),
        store.purge(0.0),
        store.reserve(1),
        store.reserved(),
    ):
        with pytest.raises(StoreError) as raised:
            await call
        assert_one_line(raised.value)


async def test_two_caches_do_not_share_a_store(path: Path) -> None:
    """Each would take own counters that the other takes."""
    first = SqliteStore(path, "estate")
    try:
        with pytest.raises(StoreError) as raised:
            await SqliteStore(path, "estate").close()
        assert_one_line(raised.value)
    finally:
        await first.close()
