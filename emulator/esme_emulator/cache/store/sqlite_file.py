"""One SQLite file that several processes use at once: opening it, transactions, and its errors.

Knows SQLite, and what marks a file as a store of ours; knows no entries and no leases. Calls are
made in the event loop, since each takes some tens of microseconds and a hop to a thread takes
longer. A lock that another process holds is waited for without holding up the loop.

In write-ahead mode what was committed survives the death of the process at any moment. A failure
of the machine may take the last commits, but leaves no half of one; it does not take what is
`durable`.

A file that was removed, or that another took the place of, would go on to be read and written
where nobody else can see it. So each call looks whether its path still leads to it, and opens what
is there now where it does not; so it does after a failure that tells of damage.
"""

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from esme_emulator.cache.store.base import StoreAwayError, StoreError
from esme_emulator.runtime.files import make_private

FORMAT = 3
"""Of the tables, in the file's `user_version`."""

APPLICATION = 0x45534D45
"""`ESME`, in the file's `application_id`."""

OLDEST = (3, 24, 0)
"""The oldest version of SQLite that the SQL of `sqlite_tables` runs on."""

PATIENCE = 5.0
"""Seconds of real time that a lock of another process is waited for."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.02
_JOURNAL_OCTETS = 4 << 20

_MENDING = {
    sqlite3.SQLITE_BUSY: f"other processes have held it for {PATIENCE:g} s: see what they do",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: is there such a folder, and may it be written to?",
    sqlite3.SQLITE_CORRUPT: "damaged: remove it, and it is made anew",
    sqlite3.SQLITE_FULL: "no room for more: make some on its disk, or lower --store-limit",
    sqlite3.SQLITE_IOERR: "cannot be read or written: is its disk full, or gone?",
    sqlite3.SQLITE_NOTADB: "not a store of readings: name another file",
    sqlite3.SQLITE_PERM: "may not be read or written: mend its permissions",
    sqlite3.SQLITE_READONLY: "may not be written to: mend its permissions, or name another file",
}
"""What to say of SQLite's primary result codes. Source: sqlite.org/rescode.html."""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)

_log = logging.getLogger(__name__)

Execute = Callable[..., sqlite3.Cursor]
T = TypeVar("T")

_Identity = tuple[int, int]


class SqliteFile:
    """The file `path` with the tables of `schema`, made where it is not there.

    `estate` names whose keys and meters it belongs to; a file of another estate is refused, since
    the same EUIs there are other meters. Raises `StoreError`.
    """

    def __init__(self, path: Path, estate: str, schema: str) -> None:
        _check_version()
        self.path = path
        self._closed = False
        self.replaced = 0
        """How often the file was removed, or another put in its place, while it was open.

        So it may have been where it was damaged: what is opened then may be new, or an old copy.
        """
        self._place = path.absolute()
        self._estate, self._schema = estate, schema
        self._identity: _Identity | None = None
        """Of the file that is open; None where it is to be opened again."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._open()
            except sqlite3.Error as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise self._error(error) from None
                time.sleep(_LONGEST_PAUSE)  # two processes make it at the same time
            else:
                return

    @property
    def place(self) -> str:
        """What tells the file that is open from every other of this machine, copies of it too."""
        return "" if self._identity is None else ":".join(map(str, self._identity))

    async def read(self, work: Callable[[Execute], T]) -> T:
        """Return what `work` reads. Raises `StoreError`."""
        return await self._patiently(lambda: work(self._current().execute))

    async def write(self, work: Callable[[Execute], T], *, durable: bool = False) -> T:
        """Return what `work` does in one transaction; committed when this returns.

        `durable`: it outlives the machine too. Raises `StoreError`, and nothing was done then.
        """
        return await self._patiently(lambda: self._transact(work, durable))

    def close(self) -> None:
        """Let go of the file."""
        self._closed = True
        self._database.close()

    def _current(self) -> sqlite3.Connection:
        """Return the file that is open, or opens what is at its path now."""
        lasts = self._identity is not None and self._identity == _identity_of(self._place)
        if not (lasts or self._closed):
            # The old one first: who closes the last one of a file tidies up beside its path.
            self._database.close()
            if self._identity is not None:
                self._identity, self.replaced = None, self.replaced + 1
                _log.warning(
                    "store %s was removed or replaced, and what is there now is used", self.path
                )
            self._open()
        return self._database

    def _open(self) -> None:
        make_private(self._place)
        database = sqlite3.connect(self._place, isolation_level=None, timeout=0.0)
        identity = _identity_of(self._place)
        try:
            self._prepare(database.execute, self._estate, self._schema)
        except BaseException:
            database.close()
            raise
        self._database, self._identity = database, identity

    def _prepare(self, execute: Execute, estate: str, schema: str) -> None:
        if _is_empty(execute):
            execute("PRAGMA auto_vacuum = INCREMENTAL")
        else:
            self._check(execute, estate)
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")
        execute(f"PRAGMA journal_size_limit = {_JOURNAL_OCTETS}")
        execute("BEGIN IMMEDIATE")
        if _is_empty(execute):
            for statement in schema.split(";\n\n"):
                execute(statement)
            execute("CREATE TABLE estate (name TEXT NOT NULL)")
            execute("INSERT INTO estate VALUES (?)", (estate,))
            execute(f"PRAGMA application_id = {APPLICATION}")
            execute(f"PRAGMA user_version = {FORMAT}")
        execute("COMMIT")
        self._check(execute, estate)

    def _check(self, execute: Execute, estate: str) -> None:
        """Raise `StoreError` unless the file is a store of `estate`; nothing is written."""
        (application,) = execute("PRAGMA application_id").fetchone()
        (version,) = execute("PRAGMA user_version").fetchone()
        found = None
        if application == APPLICATION and version != FORMAT:
            raise StoreError(
                f"{self.path} is a store of format {version}, not {FORMAT}: remove it, "
                "or name another file"
            )
        if application == APPLICATION and _has_table(execute, "estate"):
            found = execute("SELECT name FROM estate").fetchone()
        if found is None:
            raise StoreError(f"{self.path} is not a store of readings: name another file")
        if found[0] != estate:
            raise StoreError(
                f"{self.path} keeps readings of another estate ({found[0]}, not {estate}): "
                "name another file, or remove this one"
            )

    def _transact(self, work: Callable[[Execute], T], durable: bool) -> T:
        database = self._current()
        execute = database.execute
        if durable:
            execute("PRAGMA synchronous = FULL")
        try:
            execute("BEGIN IMMEDIATE")
            try:
                result = work(execute)
                execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    execute("ROLLBACK")
                raise
            return result
        finally:
            if durable:
                execute("PRAGMA synchronous = NORMAL")

    async def _patiently(self, work: Callable[[], T]) -> T:
        deadline = time.monotonic() + PATIENCE
        pause = _FIRST_PAUSE
        while True:
            try:
                return work()
            except sqlite3.Error as error:
                if _code(error) in _DAMAGED:
                    self._identity, self.replaced = None, self.replaced + 1
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise self._error(error) from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _error(self, error: sqlite3.Error) -> StoreError:
        says = " ".join(str(error).split())
        mending = _MENDING.get(_code(error))
        kind = StoreAwayError if _is_busy(error) else StoreError
        return kind(
            f"store {self.path}: {mending} ({says})" if mending else f"store {self.path}: {says}"
        )


def _identity_of(path: Path) -> _Identity | None:
    """Return what tells the file at `path` from every other that there is; None: there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _check_version() -> None:
    """Raise `StoreError` if the SQLite of this Python is too old."""
    if sqlite3.sqlite_version_info < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise StoreError(
            f"this Python has SQLite {sqlite3.sqlite_version}, and a store in a file needs "
            f"{oldest} or later: use another Python, --store memory:, or --store valkey://…"
        )


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code, 0 where the error is Python's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


def _is_empty(execute: Execute) -> bool:
    (tables,) = execute("SELECT count(*) FROM sqlite_master").fetchone()
    return not tables


def _has_table(execute: Execute, name: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return execute(query, (name,)).fetchone() is not None
