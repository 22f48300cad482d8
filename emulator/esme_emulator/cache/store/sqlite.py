"""The durable store: one SQLite file, for one process or several on the same machine.

A hit is one read; a lease, a settlement or a new entry is one short transaction. Acknowledged
writes survive the death of any process; a power cut may lose the entries of the last moments, which
are then fetched again, but no device counter. Beyond `limit` octets the entry received first is
evicted; nothing expires by itself, and `purge` drops expired entries. Free space in the file is
reused, and released when a purge leaves more than half of the file free.

Leases are timed with the machine's monotonic clock, which all processes share and which is never
set. It restarts with the machine: a lease that seems to last longer than it was given is from
before the restart, and does not count.

Every part of a key is a column of its own, as `Key` names it. `expires` and `until` are seconds of
the machine's monotonic clock, `received` is a Unix time.

The SQL needs SQLite 3.24 only, since Python uses the SQLite of the system: RHEL 8 has 3.26 and RHEL
9 has 3.34. So it uses no STRICT tables (3.37) and no RETURNING (3.35), and upserts name their
columns (3.35). Columns without a type store each value unchanged; "ANY" would turn digits into
numbers.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from esme_emulator.cache.entry import Entry, Key, Settled
from esme_emulator.cache.store.base import (
    AHEAD,
    CONSIDERED,
    DEFAULT_LIMIT,
    ENTRY_OCTETS,
    OPENED,
    SETTLED_SECONDS,
    UNSETTLED_SECONDS,
    HeldLease,
    Lease,
    Size,
    poll,
)
from esme_emulator.cache.store.sealing import Seal
from esme_emulator.cache.store.sqlite_file import Execute, SqliteFile
from gbcs import EUI

SWEEP_SECONDS = 10.0
"""Interval between sweeps of old leases and settlements, in seconds of real time."""

_BATCH = 1000
"""Rows in one transaction, or in one page of a listing."""

_FIRST = (b"", *("" for _ in Key._fields[1:]))
"""A row before every key, since no device is empty octets."""

COLUMNS = ", ".join(f'"{name}"' for name in Key._fields)
PLACES = ", ".join("?" for _ in Key._fields)
IS_KEY = " AND ".join(f'"{name}" = ?' for name in Key._fields)
IS_ALIKE = " AND ".join(f'"{name}" = ?' for name in Key._fields if name not in ("start", "end"))

SCHEMA = f"""
CREATE TABLE readings (
    {COLUMNS.replace(",", " NOT NULL,")} NOT NULL,
    received REAL NOT NULL, readings BLOB NOT NULL,
    PRIMARY KEY ({COLUMNS})
) WITHOUT ROWID;

CREATE INDEX readings_received ON readings (received);

CREATE INDEX readings_of_device ON readings (device, received);

CREATE TABLE leases (
    {COLUMNS.replace(",", " NOT NULL,")} NOT NULL,
    fence INTEGER NOT NULL, seconds REAL NOT NULL, expires REAL NOT NULL,
    PRIMARY KEY ({COLUMNS})
) WITHOUT ROWID;

CREATE TABLE settled (
    fence INTEGER PRIMARY KEY, until REAL NOT NULL, readings
);

CREATE INDEX settled_until ON settled (until);

CREATE TABLE counts (
    entries INTEGER NOT NULL, octets INTEGER NOT NULL, fence INTEGER NOT NULL,
    own_counter INTEGER NOT NULL, place TEXT NOT NULL
);

INSERT INTO counts VALUES (0, 0, 0, 0, '');

CREATE TRIGGER one_more AFTER INSERT ON readings
BEGIN UPDATE counts SET entries = entries + 1,
    octets = octets + length(new.readings) + {ENTRY_OCTETS}; END;

CREATE TRIGGER another AFTER UPDATE OF readings ON readings
BEGIN UPDATE counts SET octets = octets + length(new.readings) - length(old.readings); END;

CREATE TRIGGER one_less AFTER DELETE ON readings
BEGIN UPDATE counts SET entries = entries - 1,
    octets = octets - length(old.readings) - {ENTRY_OCTETS}; END
"""  # noqa: S608

GET = f"SELECT received, readings FROM readings WHERE {IS_KEY}"  # noqa: S608
PUT = (
    f"INSERT INTO readings VALUES ({PLACES}, ?, ?) ON CONFLICT ({COLUMNS}) DO UPDATE"  # noqa: S608
    " SET received = excluded.received, readings = excluded.readings"
)
COVERING = (
    f"SELECT {COLUMNS} FROM (SELECT {COLUMNS}, received FROM readings"  # noqa: S608
    f" WHERE device = ? AND received > ? ORDER BY received DESC LIMIT {CONSIDERED})"
    f' WHERE {IS_ALIKE} AND start <= ? AND "end" >= ? ORDER BY received DESC LIMIT {OPENED}'
)
"""Selects keys alone, which are in the index of a device, so that no readings are read."""
DROP = f"DELETE FROM readings WHERE {IS_KEY}"  # noqa: S608
OLDEST = (
    f"SELECT {COLUMNS}, length(readings) + {ENTRY_OCTETS} FROM readings"  # noqa: S608
    " ORDER BY received LIMIT ?"
)
SELECTED = (
    f"SELECT {COLUMNS}, received FROM readings"  # noqa: S608
    " WHERE received >= ? AND {conditions} ORDER BY received LIMIT ?"
)
LISTED = (
    f"SELECT {COLUMNS}, received, readings FROM readings"  # noqa: S608
    f" WHERE ({COLUMNS}) > ({PLACES}) AND {{conditions}} ORDER BY {COLUMNS} LIMIT ?"
)
ENTRIES = "SELECT entries FROM counts"
OCTETS = "SELECT octets FROM counts"

FENCE = "UPDATE counts SET fence = fence + 1"
FENCED = "SELECT fence FROM counts"
LEASE = f"INSERT OR REPLACE INTO leases VALUES ({PLACES}, ?, ?, ?)"  # noqa: S608
LEASED = (
    f"SELECT fence FROM leases WHERE {IS_KEY}"  # noqa: S608
    " AND expires > ? AND expires <= ? + seconds"
)
RENEW = f"UPDATE leases SET seconds = ?, expires = ? WHERE {IS_KEY} AND fence = ?"  # noqa: S608
UNLEASE = f"DELETE FROM leases WHERE {IS_KEY} AND fence = ?"  # noqa: S608
SETTLE = "INSERT INTO settled VALUES (?, ?, ?)"
SETTLED = "SELECT readings FROM settled WHERE fence = ?"
SWEEP_LEASES = "DELETE FROM leases WHERE expires < ? OR expires > ? + seconds"
SWEEP_SETTLED = "DELETE FROM settled WHERE until < ? OR until > ?"

RESERVED = "SELECT own_counter, place FROM counts"
RESERVE = "UPDATE counts SET own_counter = ?, place = ?"

PAGES = (
    "SELECT page_count, freelist_count, page_size"
    " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)
"""Selects the number of pages, of unused pages, and the octets in a page."""
GIVE_BACK = "PRAGMA incremental_vacuum({pages})"


class SqliteStore:
    """Readings of `estate` in the file `path`, sealed if there is a `key` of 32 octets.

    Raises `StoreError` if the file is not a store, or is one of another estate.
    """

    def __init__(
        self, path: Path, estate: str, *, key: bytes | None = None, limit: int = DEFAULT_LIMIT
    ) -> None:
        self._file = SqliteFile(path, estate, SCHEMA)
        self._seal = Seal(estate, key)
        self._limit = limit
        self._evicted = 0
        self._next_sweep = 0.0
        self._reserved = 0
        """The device counter after the last one that this process was given."""

    @property
    def replaced(self) -> int:
        """How often the file was removed, replaced or damaged while it was open."""
        return self._file.replaced

    async def check(self) -> None:
        """Raise `StoreError` unless the file can be written to."""
        await self.reserve(0, 0)

    async def claim(
        self, key: Key, seconds: float, received_after: float
    ) -> Entry | Lease | HeldLease:
        """Return the entry under `key`, a lease on it, or another's lease."""

        def look(execute: Execute) -> Entry | HeldLease | None:
            entry = self._get(execute, key)
            if entry is not None and entry.received > received_after:
                return entry
            now = time.monotonic()
            row = execute(LEASED, (*key, now, now)).fetchone()
            return row and HeldLease(key, row[0])

        def take(execute: Execute) -> Entry | Lease | HeldLease:
            found = look(execute)
            if found is not None:
                return found
            now = time.monotonic()
            self._sweep(execute, now)
            execute(FENCE)
            (fence,) = execute(FENCED).fetchone()
            execute(LEASE, (*key, fence, seconds, now + seconds))
            return Lease(key, fence)

        found = await self._file.read(look)
        return found if found is not None else await self._file.write(take)

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Let `lease` expire `seconds` from now."""

        def renew(execute: Execute) -> bool:
            expires = time.monotonic() + seconds
            return execute(RENEW, (seconds, expires, *lease.key, lease.fence)).rowcount > 0

        return await self._file.write(renew)

    async def settle(
        self,
        lease: Lease,
        readings: bytes | int | None,
        entry: Entry | None = None,
        ttl: float | None = None,
    ) -> bool:
        """End `lease`, give `readings` to waiting processes, and keep `entry`."""
        told = readings
        if isinstance(readings, bytes):
            told = self._seal.close_settled(lease.key, lease.fence, readings)

        def settle(execute: Execute) -> bool:
            if not execute(UNLEASE, (*lease.key, lease.fence)).rowcount:
                return False
            execute(SETTLE, (lease.fence, time.monotonic() + SETTLED_SECONDS, told))
            if entry is not None:
                self._put(execute, lease.key, entry)
            return True

        return await self._file.write(settle)

    async def settled(self, held: HeldLease, seconds: float) -> Settled:
        """Wait up to `seconds` until that lease is settled or lost."""

        def look(execute: Execute) -> Settled | None:
            now = time.monotonic()
            lease = execute(LEASED, (*held.key, now, now)).fetchone()
            if lease == (held.fence,):
                return None
            settled = execute(SETTLED, (held.fence,)).fetchone()
            if settled is None:
                return Settled(None, came=False)
            (readings,) = settled
            if isinstance(readings, bytes):
                readings = self._seal.open_settled(held.key, held.fence, readings)
                return Settled(readings, came=readings is not None)
            return Settled(readings, came=True)

        return await poll(lambda: self._file.read(look), seconds)

    async def put(self, key: Key, entry: Entry, ttl: float | None = None) -> None:
        """Keep `entry` under `key`, in place of the former one."""
        await self._file.write(lambda execute: self._put(execute, key, entry))

    async def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`, or None."""
        return await self._file.read(lambda execute: self._get(execute, key))

    def at_hand(self, key: Key) -> Entry | None:
        """Return the entry under `key`, or None, also if another process has locked the file."""
        return self._file.read_at_once(lambda execute: self._get(execute, key))

    async def covering(self, key: Key, received_after: float) -> tuple[Key, Entry] | None:
        """Return an entry whose window holds that of `key`."""
        alike = (value for name, value in key._asdict().items() if name not in ("start", "end"))
        values = (key.device, received_after, *alike, key.start, key.end)

        def look(execute: Execute) -> tuple[Key, Entry] | None:
            for device, *others in execute(COVERING, values).fetchall():
                other = Key(EUI(device), *others)
                entry = self._get(execute, other)
                if entry is not None and entry.received > received_after:
                    return other, entry
            return None

        return await self._file.read(look)

    async def reserve(self, earliest: int, size: int) -> int:
        """Take `size` device counters that were never given; this survives a power cut."""

        def reserve(execute: Execute) -> int:
            taken, place = execute(RESERVED).fetchone()
            # A file that is new, or a copy in place of another, does not know which were given.
            lost = self._file.replaced or not taken or place != self._file.place
            first = max(taken, self._reserved, earliest + (AHEAD * size if lost else 0))
            execute(RESERVE, (first + size, self._file.place if size else place))
            return int(first)

        first = await self._file.write(reserve, durable=True)
        self._reserved = max(self._reserved, first + size)
        return first

    async def purge(
        self,
        *,
        device: EUI | None = None,
        srv: str | None = None,
        received_before: float | None = None,
        received_after: float | None = None,
    ) -> int:
        """Drop the entries that meet all conditions given, in batches."""
        conditions, values = _given(device, srv, received_before, received_after)
        query = SELECTED.format(conditions=conditions)
        purged, latest = 0, -math.inf
        while True:
            rows = await self._file.write(_dropping(query, (latest, *values, _BATCH)))
            purged += len(rows)
            if len(rows) < _BATCH:
                break
            latest = rows[-1][-1]
            await asyncio.sleep(0)
        await self._release_space()
        return purged

    async def entries(
        self, device: EUI | None = None, srv: str | None = None
    ) -> AsyncIterator[tuple[Key, Entry]]:
        """Yield the entries in the order of their keys."""
        conditions, values = _given(device, srv)
        query = LISTED.format(conditions=conditions)
        after: tuple[Any, ...] = _FIRST
        while True:
            given = (*after, *values, _BATCH)
            rows = await self._file.read(_fetching(query, given))
            for pair in self._opened(rows):
                yield pair
            if len(rows) < _BATCH:
                return
            after = rows[-1][:-2]

    async def size(self) -> Size:
        """Return the number of entries, and the octets of the file that are in use."""

        def size(execute: Execute) -> tuple[int, int]:
            (entries,) = execute(ENTRIES).fetchone()
            pages, unused, octets = execute(PAGES).fetchone()
            return entries, (pages - unused) * octets

        return Size(*await self._file.read(size), self._evicted, self._seal.unreadable)

    async def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _get(self, execute: Execute, key: Key) -> Entry | None:
        row = execute(GET, key).fetchone()
        return None if row is None else self._seal.open_entry(key, *row)

    def _put(self, execute: Execute, key: Key, entry: Entry) -> None:
        readings = self._seal.close_entry(key, entry)
        if len(readings) + ENTRY_OCTETS > self._limit:
            execute(DROP, key)
            self._evicted += 1  # itself, rather than all others
            return
        execute(PUT, (*key, entry.received, readings))
        number = 1
        while (excess := execute(OCTETS).fetchone()[0] - self._limit) > 0 and number < _BATCH:
            for *row, octets in execute(OLDEST, (number,)).fetchall():
                execute(DROP, row)
                self._evicted += 1
                excess -= octets
                if excess <= 0:
                    return
            number *= 2

    def _opened(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Key, Entry]]:
        for device, *others, received, readings in rows:
            key = Key(EUI(device), *others)
            entry = self._seal.open_entry(key, received, readings)
            if entry is not None:
                yield key, entry

    def _sweep(self, execute: Execute, now: float) -> None:
        """Drop old leases and settlements, and those from before the machine's restart."""
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_SECONDS
            execute(SWEEP_LEASES, (now - UNSETTLED_SECONDS, now))
            execute(SWEEP_SETTLED, (now, now + SETTLED_SECONDS))

    async def _release_space(self) -> None:
        """Shrink the file in batches of pages, until at most half of it is free."""
        cut = GIVE_BACK.format(pages=_BATCH)
        while True:
            pages, unused, _ = (await self._file.read(_fetching(PAGES, ())))[0]
            if 2 * unused <= pages:
                return
            await self._file.write(_fetching(cut, ()))
            await asyncio.sleep(0)


def _given(
    device: EUI | None,
    srv: str | None,
    received_before: float | None = None,
    received_after: float | None = None,
) -> tuple[str, list[Any]]:
    """Return the conditions given, as SQL, and their values."""
    conditions = {
        "device = ?": device,
        "srv = ?": srv,
        "received < ?": received_before,
        "received > ?": received_after,
    }
    given = {text: value for text, value in conditions.items() if value is not None}
    return " AND ".join(given) or "TRUE", list(given.values())


def _fetching(query: str, values: tuple[Any, ...]) -> Callable[[Execute], list[tuple[Any, ...]]]:
    return lambda execute: execute(query, values).fetchall()


def _dropping(query: str, values: tuple[Any, ...]) -> Callable[[Execute], list[tuple[Any, ...]]]:
    """Return a function that drops the rows that `query` selects, and returns them."""

    def drop(execute: Execute) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = execute(query, values).fetchall()
        for row in rows:
            execute(DROP, row[:-1])
        return rows

    return drop
