"""The durable store: one SQLite file.

Calls are made in the event loop, since each takes some tens of microseconds and a hop to a thread
takes longer. Each write is one transaction in write-ahead mode, so what was acknowledged survives
the end of the process; only a failure of the machine may take the last moments. One cache has
the file to itself, since two would take the same own counters.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emulator.cache.entry import Entry, Key
from emulator.cache.store import StoreError

_FORMAT = 1
_APPLICATION = 0x45534D45  # ESME
_SCHEMA = """
CREATE TABLE estate (name TEXT NOT NULL) STRICT;
CREATE TABLE own_counter (reserved INTEGER NOT NULL) STRICT;
INSERT INTO own_counter VALUES (0);
CREATE TABLE readings (
    device BLOB NOT NULL, srv TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    received REAL NOT NULL, buffer BLOB NOT NULL,
    PRIMARY KEY (device, srv, start, "end")
) STRICT, WITHOUT ROWID;
CREATE INDEX readings_received ON readings (received);
"""


class SqliteStore:
    """Readings in the file `path`, made where it is not there.

    `estate` names whose keys and meters the readings belong to; a file of another estate is
    refused, since the same EUIs there are other meters. Raises `StoreError`.
    """

    def __init__(self, path: Path, estate: str) -> None:
        self._path = path
        with self._errors():
            self._database = sqlite3.connect(path, isolation_level=None, timeout=0.2)
        try:
            with self._errors():
                self._open(estate)
        except BaseException:
            self._database.close()
            raise

    def _open(self, estate: str) -> None:
        execute = self._database.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")
        (tables,) = execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables:
            self._check(estate)
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")
        execute("BEGIN IMMEDIATE")
        if not tables:
            for statement in _SCHEMA.split(";\n"):
                execute(statement)
            execute("INSERT INTO estate VALUES (?)", (estate,))
            execute(f"PRAGMA application_id = {_APPLICATION}")
            execute(f"PRAGMA user_version = {_FORMAT}")
        execute("COMMIT")

    def _check(self, estate: str) -> None:
        """Raise `StoreError` unless the file is a store of `estate`; nothing is written."""
        (application,) = self._database.execute("PRAGMA application_id").fetchone()
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        found = None
        if (application, version) == (_APPLICATION, _FORMAT):
            found = self._database.execute("SELECT name FROM estate").fetchone()
        if found is None:
            raise StoreError(f"{self._path} is not a store of readings: name another file")
        if found[0] != estate:
            raise StoreError(
                f"{self._path} keeps readings of another estate ({found[0]}, not {estate}): "
                "name another file, or remove this one"
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            reason = str(error)
            if "locked" in reason:
                reason = "another cache uses it; stop that one, or name another file"
            raise StoreError(f"store {self._path}: {reason}") from None

    async def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`, or None."""
        with self._errors():
            row = self._database.execute(
                "SELECT buffer, received FROM readings"
                ' WHERE device = ? AND srv = ? AND start = ? AND "end" = ?',
                key,
            ).fetchone()
        return row and Entry(*row)

    async def put(self, key: Key, entry: Entry) -> None:
        """Keep `entry` under `key`."""
        with self._errors():
            self._database.execute(
                "INSERT OR REPLACE INTO readings VALUES (?, ?, ?, ?, ?, ?)",
                (*key, entry.received, entry.buffer),
            )

    async def purge(self, received_before: float) -> int:
        """Drop entries received before this Unix time."""
        with self._errors():
            return self._database.execute(
                "DELETE FROM readings WHERE received < ?", (received_before,)
            ).rowcount

    async def reserved(self) -> int:
        """Return the highest own counter that may be in use."""
        with self._errors():
            (counter,) = self._database.execute("SELECT reserved FROM own_counter").fetchone()
        return int(counter)

    async def reserve(self, counter: int) -> None:
        """Record that own counters up to `counter` may be in use."""
        with self._errors():
            self._database.execute("UPDATE own_counter SET reserved = ?", (counter,))

    async def close(self) -> None:
        """Close the file."""
        self._database.close()
