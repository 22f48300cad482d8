"""One SQLite file that several processes use at once: opening it, transactions, and its errors.

Knows SQLite, and what marks a file as a store of ours; knows no entries and no leases. SQLite is
called in the event loop, since a call takes some tens of microseconds and a hop to a thread takes
longer. Waiting for another process's lock does not block the loop.

In write-ahead mode, commits survive the death of the process at any moment. A failure of the
machine may lose the last commits, each as a whole, but none that is `durable`.

A file that was removed or replaced while it is open would still be read and written, but no other
process would see it. So each transaction that writes checks whether the path still leads to the
open file, and otherwise opens the new one; it does so too after an error that shows damage. Reads
check at most every `CHECK_SECONDS`, since the check costs as much as the look-up itself.
"""

import asyncio
import logging
import math
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from esme_emulator.cache.store.base import StoreAwayError, StoreError
from esme_emulator.runtime.files import make_private

FORMAT = 3
"""Version of the tables, in the file's `user_version`."""

APPLICATION = 0x45534D45
"""`ESME`, in the file's `application_id`."""

OLDEST = (3, 24, 0)
"""The oldest version of SQLite that the SQL of `sqlite` runs on."""

LOCK_TIMEOUT = 5.0
"""Timeout for the lock of another process, in seconds of real time."""

CHECK_SECONDS = 0.05
"""Longest time that reads may come from a file that was removed or replaced, in real time."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.02
_JOURNAL_OCTETS = 4 << 20

_REMEDIES = {
    sqlite3.SQLITE_BUSY: f"other processes have held it for {LOCK_TIMEOUT:g} s: check what they do",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: is there such a folder, and may it be written to?",
    sqlite3.SQLITE_CORRUPT: "damaged: remove it; it will be created again",
    sqlite3.SQLITE_FULL: "no room for more: make some on its disk, or lower --store-limit",
    sqlite3.SQLITE_IOERR: "cannot be read or written: is its disk full, or gone?",
    sqlite3.SQLITE_NOTADB: "not {what}: name another file",
    sqlite3.SQLITE_PERM: "may not be read or written: change its permissions",
    sqlite3.SQLITE_READONLY: "may not be written to: change its permissions, or name another file",
}
"""Errors and remedies by SQLite's primary result codes. Source: sqlite.org/rescode.html."""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)

_log = logging.getLogger(__name__)

Cursor = sqlite3.Cursor
Execute = Callable[..., Cursor]
T = TypeVar("T")

_Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class FileKind:
    """What a file holds."""

    application: int
    """The file's `application_id`."""
    format: int
    """Version of the tables, in the file's `user_version`."""
    what: str
    """The file, with an article, in errors."""
    keeps: str
    """Its content in errors."""
    exclusive: bool = False
    """Whether one process has the file to itself while it is open."""


READINGS = FileKind(APPLICATION, FORMAT, "a store of readings", "readings")


class SqliteFile:
    """The file `path` with the tables of `schema`; it is created if it does not exist.

    `estate` names the keys and meters that it belongs to; a file of another estate is refused,
    since the same EUIs are other meters there. Raises `StoreError`.
    """

    def __init__(self, path: Path, estate: str, schema: str, kind: FileKind = READINGS) -> None:
        _check_version()
        self.path = path
        self._closed = False
        self.replaced = 0
        """How often the file was removed, replaced or damaged while it was open.

        The file that is opened then may be new, or an old copy.
        """
        self._place = path.absolute()
        self._estate, self._schema, self._kind = estate, schema, kind
        self._identity: _Identity | None = None
        """Identity of the open file; None if it must be opened again."""
        self._next_check = -math.inf
        """When reads check the path again, by the monotonic clock."""
        deadline = time.monotonic() + LOCK_TIMEOUT
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
        """Text that identifies the open file on this machine; copies of it have other ones."""
        return "" if self._identity is None else ":".join(map(str, self._identity))

    async def read(self, work: Callable[[Execute], T]) -> T:
        """Return the result of `work`, which only reads. Raises `StoreError`."""
        return await self._with_retries(lambda: work(self._recent().execute))

    def read_at_once(self, work: Callable[[Execute], T | None]) -> T | None:
        """Return the result of `work`, which only reads, or None if it would have to wait."""
        try:
            return work(self._recent().execute)
        except (sqlite3.Error, StoreError):
            return None  # a call that may wait learns what is wrong

    async def write(self, work: Callable[[Execute], T], *, durable: bool = False) -> T:
        """Return the result of `work`, done in one transaction and committed.

        With `durable` it survives a failure of the machine too. Raises `StoreError` if nothing was
        done.
        """
        return await self._with_retries(lambda: self._transact(work, durable))

    def close(self) -> None:
        """Close the file."""
        self._closed = True
        self._database.close()

    def _recent(self) -> sqlite3.Connection:
        """Return the open database as `_current`, but check at most every `CHECK_SECONDS`."""
        now = time.monotonic()
        if self._identity is not None and now < self._next_check:
            return self._database
        database = self._current()
        self._next_check = now + CHECK_SECONDS
        return database

    def _current(self) -> sqlite3.Connection:
        """Return the open database, or open the file that is at the path now."""
        lasts = self._identity is not None and self._identity == _identity_of(self._place)
        if not (lasts or self._closed):
            # The old one first: closing the last connection removes files beside the path.
            self._database.close()
            if self._identity is not None:
                self._identity, self.replaced = None, self.replaced + 1
                _log.warning(
                    "store %s was removed or replaced; using the file that is there now", self.path
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
        if self._kind.exclusive:
            execute("PRAGMA locking_mode = EXCLUSIVE")
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
            execute(f"PRAGMA application_id = {self._kind.application}")
            execute(f"PRAGMA user_version = {self._kind.format}")
        execute("COMMIT")
        self._check(execute, estate)

    def _check(self, execute: Execute, estate: str) -> None:
        """Raise `StoreError` unless the file is a store of `estate`; nothing is written."""
        (application,) = execute("PRAGMA application_id").fetchone()
        (version,) = execute("PRAGMA user_version").fetchone()
        found = None
        kind = self._kind
        if application == kind.application and version != kind.format:
            raise StoreError(
                f"{self.path} is {kind.what} of format {version}, not {kind.format}: remove it, "
                "or name another file"
            )
        if application == kind.application and _has_table(execute, "estate"):
            found = execute("SELECT name FROM estate").fetchone()
        if found is None:
            raise StoreError(f"{self.path} is not {kind.what}: name another file")
        if found[0] != estate:
            raise StoreError(
                f"{self.path} keeps {kind.keeps} of another estate ({found[0]}, not {estate}): "
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

    async def _with_retries(self, work: Callable[[], T]) -> T:
        deadline = time.monotonic() + LOCK_TIMEOUT
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
        remedy = _REMEDIES.get(_code(error), "").format(what=self._kind.what)
        if self._kind.exclusive and _is_busy(error):
            remedy = "another process uses it: name another file"
        kind = StoreAwayError if _is_busy(error) else StoreError
        return kind(
            f"store {self.path}: {remedy} ({says})" if remedy else f"store {self.path}: {says}"
        )


def _identity_of(path: Path) -> _Identity | None:
    """Return the file's (device, inode), or None if it does not exist."""
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
    """Return SQLite's primary result code, 0 if the error is Python's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


def _is_empty(execute: Execute) -> bool:
    (tables,) = execute("SELECT count(*) FROM sqlite_master").fetchone()
    return not tables


def _has_table(execute: Execute, name: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return execute(query, (name,)).fetchone() is not None
