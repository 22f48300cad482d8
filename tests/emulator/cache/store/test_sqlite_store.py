"""The store in a file: unusable files, full disks, other processes, and growth."""

import asyncio
import inspect
import math
import re
import resource
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import shake_128
from itertools import pairwise
from pathlib import Path

import pytest

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store import sqlite, sqlite_file
from esme_emulator.cache.store.base import AHEAD, HeldLease, Lease, Settled, StoreError
from esme_emulator.cache.store.sqlite import SqliteStore
from tests.support.estate import METER, UNIX_NOW
from tests.support.stores import assert_every_call_fails

KEY = Key(METER, "4.8.1", 0, 86_400)
ENTRY = Entry(b"readings", UNIX_NOW)
LONG = 60.0
SQLITE_HEAD = b"SQLite format 3\x00"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(path, "estate")
    yield opened
    await opened.close()


async def make(path: Path, estate: str = "estate") -> None:
    store = SqliteStore(path, estate)
    await store.put(KEY, ENTRY)
    await store.reserve(41, 1)
    await store.close()


def sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def keys(number: int) -> list[Key]:
    return [KEY._replace(start=start) for start in range(number)]


async def test_entries_are_there_when_the_file_is_opened_again(path: Path) -> None:
    await make(path)
    store = SqliteStore(path, "estate")
    assert await store.get(KEY) == ENTRY
    assert await store.reserve(0, 1) == 41 + AHEAD + 1, "the file is the same, and forgot nothing"
    await store.close()


# the SQLite of the system


@pytest.mark.parametrize(
    ("since", "newer"),
    [
        ("3.33", r"sqlite_schema"),
        ("3.35", r"RETURNING|ON CONFLICT DO|DROP COLUMN|MATERIALIZED"),
        ("3.37", r"STRICT|\bANY\b"),
        ("3.38", r"->|unixepoch"),
        ("3.39", r"DISTINCT FROM|RIGHT JOIN|FULL JOIN"),
        ("3.44", r"concat|string_agg"),
    ],
)
def test_the_sql_is_understood_by_old_versions(since: str, newer: str) -> None:
    """RHEL 8 has SQLite 3.26, RHEL 9 3.34. `OLDEST` is the version that brought upserts."""
    named = vars(sqlite).items()
    queries = [text for name, text in named if name.isupper() and isinstance(text, str)]
    assert len(queries) > 20
    source = re.sub(r'""".*?"""|-> ', "", inspect.getsource(sqlite_file), flags=re.DOTALL)
    found = [text for text in (*queries, source) if re.search(newer, text)]
    assert not found, f"needs SQLite {since}"


def test_a_version_that_is_too_old_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 22, 0))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.22.0")
    with pytest.raises(StoreError) as caught:
        SqliteStore(path, "estate")
    assert str(caught.value) == (
        "this Python has SQLite 3.22.0, and a store in a file needs 3.24.0 or later: "
        "use another Python, --store memory:, or --store valkey://…"
    )
    assert not path.exists()


async def test_fields_of_a_key_are_stored_unchanged(store: SqliteStore) -> None:
    """A column without a type does not turn digits into a number."""
    key = KEY._replace(srv="0042")
    await store.put(key, ENTRY)
    assert [found async for found, _ in store.entries()] == [key]
    assert await store.get(KEY._replace(srv="42")) is None


# files that are no stores


def foreign_database(path: Path) -> None:
    sql(path, "CREATE TABLE notes (text)", "INSERT INTO notes VALUES ('mine')")


def foreign_application(path: Path) -> None:
    sql(path, "CREATE TABLE estate (name)", "PRAGMA application_id = 7", "PRAGMA user_version = 2")


def our_tables_of_another_format(path: Path) -> None:
    asyncio.run(make(path))
    sql(path, "PRAGMA user_version = 2")


def text_file(path: Path) -> None:
    path.write_text("dear diary\n" * 1000)


def damaged_head(path: Path) -> None:
    path.write_bytes(SQLITE_HEAD + bytes(range(256)) * 64)


def damaged_pages(path: Path) -> None:
    asyncio.run(make(path))
    octets = bytearray(path.read_bytes())
    octets[100:] = b"\xa5" * (len(octets) - 100)
    path.write_bytes(octets)


def truncated(path: Path) -> None:
    asyncio.run(make(path))
    path.write_bytes(path.read_bytes()[:5000])


def truncated_in_its_head(path: Path) -> None:
    asyncio.run(make(path))
    path.write_bytes(path.read_bytes()[:50])


def folder(path: Path) -> None:
    path.mkdir()


def without_its_estate(path: Path) -> None:
    asyncio.run(make(path))
    sql(path, "DROP TABLE estate")


def without_its_rows(path: Path) -> None:
    asyncio.run(make(path))
    sql(path, "DELETE FROM estate")


def missing_folder(path: Path) -> None:
    path.symlink_to(path.parent / "missing" / "store.sqlite")


def assert_one_line(error: BaseException) -> None:
    assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    ("prepare", "mending"),
    [
        (foreign_database, "not a store of readings: name another file"),
        (foreign_application, "not a store of readings: name another file"),
        (our_tables_of_another_format, "format 2, not 3: remove it, or name another file"),
        (text_file, "not a store of readings: name another file"),
        (damaged_head, "not a store of readings: name another file"),
        (damaged_pages, "damaged: remove it"),
        (truncated, "damaged: remove it"),
        (truncated_in_its_head, "damaged: remove it"),
        (folder, "is there such a folder"),
        (without_its_estate, "not a store of readings: name another file"),
        (without_its_rows, "not a store of readings: name another file"),
        (missing_folder, "is there such a folder"),
    ],
)
def test_a_file_that_is_not_a_store_is_refused_and_left_unchanged(
    prepare: Callable[[Path], None], mending: str, path: Path
) -> None:
    prepare(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=r"store\.sqlite") as raised:
        SqliteStore(path, "estate")
    assert_one_line(raised.value)
    assert mending in str(raised.value)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert {entry.name for entry in path.parent.iterdir()} <= {path.name}


async def test_a_store_of_another_estate_is_refused_and_left_unchanged(path: Path) -> None:
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
from esme_emulator.cache.store.sqlite import SqliteStore
from esme_emulator.cache.store.base import StoreError
if os.geteuid() == 0:
    os.setuid(65534)
try:
    SqliteStore(Path(sys.argv[1]), "estate")
except StoreError as error:
    print(error)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that only root may write to."""
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


@pytest.mark.processes
def test_a_read_only_folder_is_refused_in_one_line(open_folder: Path) -> None:
    said = open_unprivileged(open_folder / "store.sqlite")
    assert said.startswith(f"store {open_folder}/store.sqlite: ")
    assert len(said.splitlines()) == 1
    assert list(open_folder.iterdir()) == []


@pytest.mark.processes
def test_a_read_only_store_is_refused_in_one_line(open_folder: Path) -> None:
    path = open_folder / "store.sqlite"
    asyncio.run(make(path))
    path.chmod(0o444)
    said = open_unprivileged(path)
    assert said.startswith(f"store {path}: ")
    assert len(said.splitlines()) == 1


# stores that fail later


async def test_a_store_that_was_closed_says_so(store: SqliteStore) -> None:
    await store.close()
    await assert_every_call_fails(store, r"store\.sqlite: .*closed")


def damage(path: Path) -> None:
    octets = path.read_bytes()
    path.write_bytes(octets[:100] + b"\xa5" * (len(octets) - 100))


async def test_a_store_that_is_damaged_while_it_is_used_says_so(path: Path) -> None:
    await make(path)
    store = SqliteStore(path, "estate")
    damage(path)
    for call in (store.get(KEY), store.put(KEY, ENTRY), store.claim(KEY, LONG, 0.0)):
        with pytest.raises(StoreError, match="damaged: remove it") as raised:
            await call
        assert_one_line(raised.value)
    await store.close()


def octets_of(path: Path) -> bytes:
    return path.read_bytes()


def put_back(octets: bytes, path: Path) -> None:
    """Write a copy back into a file; its inode stays the same."""
    path.write_bytes(octets)


async def test_a_damaged_file_is_opened_again_once_it_is_repaired(path: Path) -> None:
    await make(path)
    octets = octets_of(path)
    store = SqliteStore(path, "estate")
    damage(path)
    with pytest.raises(StoreError, match="damaged: remove it; it will be created again"):
        await store.get(KEY)
    put_back(octets, path)
    assert await store.get(KEY) == ENTRY
    await store.close()


def remove(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function after which reads check again whether the file is still there."""
    now = 1000.0
    monkeypatch.setattr("esme_emulator.cache.store.sqlite_file.time.monotonic", lambda: now)

    def pass_time() -> None:
        nonlocal now
        now += sqlite_file.CHECK_SECONDS

    return pass_time


async def test_a_removed_file_is_created_again_for_all_processes(
    path: Path, caplog: pytest.LogCaptureFixture, later: Callable[[], None]
) -> None:
    one, other = SqliteStore(path, "estate"), SqliteStore(path, "estate")
    await one.put(KEY, ENTRY)
    assert await one.get(KEY) == ENTRY
    remove(path)
    later()
    assert await one.get(KEY) is None, "a removed file is not served from"
    lease = await one.claim(KEY, LONG, 0.0)
    assert isinstance(lease, Lease)
    assert await other.claim(KEY, LONG, 0.0) == HeldLease(KEY, lease.fence)
    later = Entry(b"later", UNIX_NOW)
    assert await one.settle(lease, later.buffer, later)
    assert await other.get(KEY) == later
    said = "was removed or replaced; using the file that is there now"
    assert [record.getMessage() for record in caplog.records] == [f"store {path} {said}"] * 2
    for store in (one, other):
        await store.close()


async def test_a_write_notices_at_once_that_the_file_was_removed(
    path: Path, later: Callable[[], None]
) -> None:
    """Else two processes would get a lease on one key, or an acknowledged entry would be lost."""
    one = SqliteStore(path, "estate")
    assert await one.get(KEY) is None
    remove(path)
    other = SqliteStore(path, "estate")
    held = await other.claim(KEY, LONG, 0.0)
    assert isinstance(held, Lease)
    assert await one.claim(KEY, LONG, 0.0) == HeldLease(KEY, held.fence)
    remove(path)
    await one.put(KEY, ENTRY)
    later()
    assert await other.get(KEY) == ENTRY
    for store in (one, other):
        await store.close()


async def test_a_file_that_replaced_another_is_used(
    path: Path, tmp_path: Path, later: Callable[[], None]
) -> None:
    store = SqliteStore(path, "estate")
    await make(tmp_path / "copy")
    remove(path)
    (tmp_path / "copy").rename(path)
    assert await store.get(KEY) == ENTRY
    remove(path)
    await make(path, "another")
    later()
    for _ in range(2):
        with pytest.raises(StoreError, match=r"another estate \(another, not estate\)"):
            await store.get(KEY)
    remove(path)
    await store.put(KEY, ENTRY)
    assert await store.get(KEY) == ENTRY
    await store.close()


async def test_a_file_whose_folder_was_removed_says_so_until_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "store.sqlite"
    path.parent.mkdir()
    store = SqliteStore(path, "estate")
    remove(path)
    path.parent.rmdir()
    for _ in range(2):
        with pytest.raises(StoreError, match="is there such a folder") as raised:
            await store.get(KEY)
        assert_one_line(raised.value)
    path.parent.mkdir()
    assert await store.get(KEY) is None
    await store.close()


async def test_device_counters_of_a_removed_file_are_not_given_again(path: Path) -> None:
    one, other = SqliteStore(path, "estate"), SqliteStore(path, "estate")
    taken = [await store.reserve(1000, 10) for store in (one, other) * 5]
    remove(path)
    assert await other.reserve(1000, 10) >= max(taken) + 10
    assert await one.reserve(1000, 10) >= max(taken) + 20
    for store in (one, other):
        await store.close()


@pytest.mark.parametrize("anew", [False, True])
async def test_device_counters_of_a_damaged_file_are_not_given_again(
    path: Path, anew: bool
) -> None:
    """It is created again, or an old copy is put back, as the error suggests."""
    await make(path)
    octets = octets_of(path)
    store, other = SqliteStore(path, "estate"), SqliteStore(path, "estate")
    taken = [await each.reserve(1000, 10) for each in (store, other) * 5]
    await other.close()
    damage(path)
    with pytest.raises(StoreError, match="damaged: remove it; it will be created again"):
        await store.get(KEY)
    if anew:
        remove(path)
    else:
        put_back(octets, path)
    assert await store.reserve(1000, 10) >= max(taken) + 10
    await store.close()


async def test_a_lock_that_another_process_holds_is_waited_for(
    store: SqliteStore, path: Path
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        putting = asyncio.create_task(store.put(KEY, ENTRY))
        for _ in range(3):
            await asyncio.sleep(0)
        assert await store.get(KEY) is None  # who reads does not wait
        assert not putting.done()
        other.execute("ROLLBACK")
        await putting
    assert await store.get(KEY) == ENTRY


async def test_a_lock_that_is_not_released_is_an_error_in_bounded_time(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "LOCK_TIMEOUT", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="other processes have held it") as raised:
            await store.put(KEY, ENTRY)
        assert_one_line(raised.value)
        other.execute("ROLLBACK")
    await store.put(KEY, ENTRY)


@contextmanager
def files_of_at_most(octets: int) -> Iterator[None]:
    """Prevent all files from growing, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def put_all(store: SqliteStore, keys: list[Key]) -> None:
    for key in keys:
        await store.put(key, Entry(shake_128(repr(key).encode()).digest(1000), 1.0))


async def test_a_full_disk_is_reported_and_entries_can_still_be_read(store: SqliteStore) -> None:
    with files_of_at_most(1 << 20):
        with pytest.raises(StoreError, match="disk") as raised:
            await put_all(store, keys(10_000))
        assert_one_line(raised.value)
        kept = (await store.size()).entries
        assert kept > 10
        assert await store.get(KEY._replace(start=kept)) is None
        for key in keys(kept):
            assert isinstance(await store.claim(key, LONG, 0.0), Entry)
    await put_all(store, keys(kept + 1))
    assert (await store.size()).entries == kept + 1


async def test_a_file_at_its_greatest_size_says_so(store: SqliteStore) -> None:
    store._file._database.execute("PRAGMA max_page_count = 60")
    with pytest.raises(StoreError, match="no room for more") as raised:
        await put_all(store, keys(10_000))
    assert_one_line(raised.value)
    kept = (await store.size()).entries
    assert await store.purge(device=METER) == kept
    await put_all(store, keys(10))


# growth


def size_of(path: Path) -> int:
    return path.stat().st_size


async def test_space_is_used_again_and_given_back(store: SqliteStore, path: Path) -> None:
    async def fill(first: int) -> None:
        for start in range(first, first + 3000):
            await store.put(KEY._replace(start=start), Entry(b"%d" % start * 100, float(start)))

    await fill(0)
    octets = (await store.size()).octets
    for generation in range(1, 5):
        await fill(3000 * generation)
        await store.purge(received_before=3000.0 * generation)
        assert (await store.size()).octets <= 1.3 * octets
    await store.purge()
    assert (await store.size()).octets < octets / 4
    await store.close()
    assert size_of(path) < octets / 2


async def test_leases_and_settlements_do_not_pile_up(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("esme_emulator.cache.store.sqlite.time.monotonic", lambda: now)
    for key in keys(10):
        assert isinstance(await store.claim(key, LONG, 0.0), Lease)
        settled = await store.claim(key._replace(srv="4.8.3"), LONG, 0.0)
        assert isinstance(settled, Lease)
        await store.settle(settled, 250)
    now += 10_000
    assert isinstance(await store.claim(KEY._replace(srv="4.6.1"), LONG, 0.0), Lease)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM leases").fetchone() == (1,)
        assert database.execute("SELECT count(*) FROM settled").fetchone() == (0,)


# the machine's clock


async def test_leases_of_before_the_machine_was_restarted_do_not_count(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1e6
    monkeypatch.setattr("esme_emulator.cache.store.sqlite.time.monotonic", lambda: now)
    old = await store.claim(KEY, LONG, 0.0)
    assert isinstance(old, Lease)
    now = 20.0
    assert await store.settled(HeldLease(KEY, old.fence), 0.0) == Settled(None, came=False)
    new = await store.claim(KEY, LONG, 0.0)
    assert isinstance(new, Lease)
    assert new.fence > old.fence
    assert not await store.settle(old, b"", ENTRY)


# what is sealed in it


async def keep_and_settle(path: Path, key: bytes | None, readings: bytes) -> None:
    store = SqliteStore(path, "estate", key=key)
    await store.put(KEY, Entry(readings, 1.0))
    lease = await store.claim(KEY, LONG, math.inf)
    assert isinstance(lease, Lease)
    await store.settle(lease, readings)
    await store.close()


@pytest.mark.parametrize(("key", "found"), [(bytes(32), 0), (None, 2)])
def test_nothing_of_the_readings_is_in_a_sealed_file(
    path: Path, key: bytes | None, found: int
) -> None:
    readings = shake_128(b"what cannot be packed is stored as it is").digest(200)
    asyncio.run(keep_and_settle(path, key, readings))
    assert path.read_bytes().count(readings) == found


@pytest.mark.parametrize("key", [None, bytes(32)])
@pytest.mark.parametrize(
    "alter",
    [
        "UPDATE readings SET received = received + 1",
        "UPDATE readings SET device = zeroblob(8)",
        "UPDATE readings SET device = zeroblob(7)",
        "UPDATE readings SET start = start + 1",
        "UPDATE readings SET start = 'garbage'",
        "UPDATE readings SET readings = zeroblob(length(readings))",
        "UPDATE readings SET readings = x''",
        "UPDATE readings SET readings = substr(readings, 1, length(readings) - 1)",
    ],
)
async def test_altered_entries_are_missing_and_counted(
    path: Path, key: bytes | None, alter: str
) -> None:
    store = SqliteStore(path, "estate", key=key)
    await store.put(KEY, ENTRY)
    sql(path, alter)
    assert [each async for each in store.entries()] == []
    assert (await store.size()).unreadable == 1
    for start in (KEY.start, KEY.start + 1):
        assert isinstance(await store.claim(KEY._replace(start=start), LONG, 0.0), Lease)
    await store.close()


async def test_device_counters_unknown_to_a_copy_are_not_given_again(
    path: Path, tmp_path: Path
) -> None:
    """A process that starts on an old copy gets no counters that others may have."""
    one, other = SqliteStore(path, "estate"), SqliteStore(path, "estate")
    await one.reserve(1000, 10)
    sql(path, f"VACUUM INTO '{tmp_path / 'copy'}'")
    taken = [await each.reserve(1000, 10) for each in (one, other) * 5]
    remove(path)
    (tmp_path / "copy").rename(path)
    new = SqliteStore(path, "estate")
    for store in (new, other, one, new):
        taken.append(await store.reserve(1200, 10))
    assert all(after - before >= 10 for before, after in pairwise(taken))
    for store in (one, other, new):
        await store.close()


async def test_a_look_up_of_a_wider_window_reads_keys_alone(store: SqliteStore, path: Path) -> None:
    """The readings of thousands of wide entries are not read."""
    with closing(sqlite3.connect(path)) as database:
        values = (METER, 0.0, METER, "4.8.1", "", 0, 86_400)
        plan = database.execute(f"EXPLAIN QUERY PLAN {sqlite.COVERING}", values).fetchall()
    said = [row[-1] for row in plan]
    assert any("USING COVERING INDEX readings_of_device" in line for line in said)
    assert not any("SCAN readings" in line for line in said), said


@pytest.mark.parametrize("change", ["readings = 'text'", "readings = 7", "received = 'never'"])
async def test_a_row_of_other_types_counts_as_missing(
    store: SqliteStore, path: Path, change: str
) -> None:
    """SQLite keeps a value of any type in any column, if somebody writes one."""
    [key] = keys(1)
    await store.put(key, Entry(b"readings", UNIX_NOW), None)
    assert store.at_hand(key) is not None
    sql(path, f"UPDATE readings SET {change}")
    assert store.at_hand(key) is None
    assert await store.get(key) is None
    assert (await store.size()).unreadable == 2
