"""Keeping the changes of a registry that are told to a running cache, in a file beside its own.

Knows how a change is written, as `[[change]]` of the file of a registry, which its user may move
there; does not know what changes mean. The user's own file is never written.

Several processes may run on one file. Each reads what others wrote before it writes, so that all
have the changes in the order of the file.
"""

import fcntl
import json
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from esme_emulator.cache.registry.registration import (
    Change,
    ChangeOfSupplier,
    ChangeOfTenancy,
    Registration,
    Told,
)
from esme_emulator.runtime.files import opener

MOST_OCTETS = 10_000_000
"""Length of a file that is read, in octets, at most; no more is written to one either."""

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def changes_beside(path: Path) -> Path:
    """Return the file in which changes of the registry in `path` are kept."""
    return path.with_name(f"{path.name}.changes")


class ChangesFullError(ValueError):
    """There is no room for another change."""


class Changes:
    """The file of changes, as a context in which no other process writes to it.

    Each change is on the disk before it is said to be kept. `read` returns the changes in some
    octets of the file, each with where it stands, after so many entries that were read before; it
    raises `ValueError`.
    """

    def __init__(self, path: Path, read: Callable[[bytes, int], list[tuple[str, Told]]]) -> None:
        self._path = path
        self._read = read
        self._file = -1
        self._trouble: Exception | None = None
        """Why nothing can be kept now."""
        self._known = _Known()
        self._waiting: list[Told] = []

    def __enter__(self) -> "Changes":
        self._trouble = None
        try:
            self._file = _open_locked(self._path)
        except OSError as error:
            self._trouble = error
            with suppress(OSError):  # a file that cannot be written may be read all the same
                self._file = os.open(self._path, os.O_RDONLY)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def unread(self) -> tuple[bytes, int]:
        """Return what was written to the file by others, and after how many entries it comes.

        If the file was edited it is all of it, after none. Raises `OSError` if it cannot be read.
        """
        if self._file < 0:
            raise self._trouble or FileNotFoundError(self._path)
        if self._known.is_as_it_was(self._file):
            return b"", self._known.entries
        octets = _content(self._file)
        self._known.look(self._file)
        return octets[self._known.beginning_of(octets) :], self._known.entries

    def read(self, octets: bytes, before: int) -> list[tuple[str, Told]]:
        """Return the changes in what `unread` returned, each with where it stands.

        It takes a while, and the file may be used by others meanwhile. Raises `ValueError` if there
        are mistakes.
        """
        try:
            found = self._read(octets, before)
        except ValueError:
            self._known.overlook()
            raise
        self._known.add(octets, len({where for where, _ in found}))
        return found

    def others(self) -> list[Told]:
        """Return what is new in the file; nothing if it cannot be read, and none is kept then."""
        try:
            return [told for _, told in self.read(*self.unread())]
        except (OSError, ValueError) as error:
            self._trouble = self._trouble or error
        return []

    def keep(self, told: Told) -> str:
        """Write a change down, after those that could not be; return why it cannot, or nothing.

        Raises `ChangesFullError` if the file would become longer than one that is read.
        """
        if self._trouble is None:
            try:
                self._append([*self._waiting, told])
            except OSError as error:
                self._trouble = error
        if self._trouble is not None:
            self._waiting.append(told)
            return self._said(self._trouble)
        self._waiting.clear()
        return ""

    def write_once(self, changes: Iterable[Told]) -> None:
        """Write the file anew, if it has changes several times; `changes` are all that were read.

        It is replaced as a whole, so that a crash leaves the old file or the new one. If it cannot
        be, or if another process wrote to it since, it is left as it is.
        """
        told = list(changes)
        once = list(_once(told))
        if len(once) == len(told) or self._trouble is not None:
            return
        if not self._known.is_as_it_was(self._file):
            return
        octets = _text(once)
        with suppress(OSError):
            self._replace(octets)
            self._known.clear()
            self._known.add(octets, len(once))
            self._known.look(self._file)

    def _append(self, changes: list[Told]) -> None:
        octets = _text(changes)
        if os.fstat(self._file).st_size + len(octets) > MOST_OCTETS:
            raise ChangesFullError(
                f"{self._path} is full: it may have {MOST_OCTETS} octets. Start the cache anew, "
                "which drops what was told twice, or write old changes into the registry's own "
                "file as registrations"
            )
        is_new = not os.fstat(self._file).st_size
        _append(self._file, octets)
        if is_new:
            _sync_folder(self._path)
        self._known.add(octets, len(changes))
        self._known.look(self._file)

    def _replace(self, octets: bytes) -> None:
        beside = self._path.with_name(f"{self._path.name}.new")
        mode = stat.S_IMODE(os.fstat(self._file).st_mode)
        file = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, mode)
        try:
            _lock(file)  # before others can open it by its new name
            _append(file, octets)
            os.replace(beside, self._path)
        except OSError:
            os.close(file)
            beside.unlink(missing_ok=True)
            raise
        os.close(self._file)
        self._file = file
        _sync_folder(self._path)

    def _said(self, error: Exception) -> str:
        if isinstance(error, OSError):
            return f"{self._path}: {error.strerror}"
        return str(error).partition("\n")[0]


class _Known:
    """What is known of a file: which file it is, how long, and what was in it."""

    def __init__(self) -> None:
        self._state: tuple[int, ...] = ()
        self.clear()

    def clear(self) -> None:
        """Know nothing of what is in the file."""
        self.entries = 0
        self._length = 0
        self._digest = sha256()

    def is_as_it_was(self, file: int) -> bool:
        """Return whether nobody wrote to the file since it was looked at."""
        return _state(file) == self._state

    def look(self, file: int) -> None:
        """Look at the file, of which all is known now."""
        self._state = _state(file)

    def overlook(self) -> None:
        """Forget having looked, so that the file is read again."""
        self._state = ()

    def beginning_of(self, octets: bytes) -> int:
        """Return the length of what is known, if `octets` begin with it.

        If not the file was edited: nothing is known of it any more.
        """
        if sha256(octets[: self._length]).digest() != self._digest.digest():
            self.clear()
        return self._length

    def add(self, octets: bytes, entries: int) -> None:
        """Note what else is in the file."""
        self.entries += entries
        self._length += len(octets)
        self._digest.update(octets)


def _state(file: int) -> tuple[int, ...]:
    state = os.fstat(file)
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


def _open_locked(path: Path) -> int:
    """Open a file, made if there is none, and lock it: others wait until it is closed."""
    while True:
        file = opener(str(path), os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            _lock(file)
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        except FileNotFoundError:
            pass
        except OSError:
            os.close(file)
            raise
        os.close(file)  # another process replaced it while this one waited


def _lock(file: int) -> None:
    with suppress(OSError):  # there are file systems without locks
        fcntl.flock(file, fcntl.LOCK_EX)


def _sync_folder(path: Path) -> None:
    """Have the name of a new file on the disk too."""
    with suppress(OSError):  # there are file systems that cannot
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _content(file: int) -> bytes:
    """Return what is in a file, and of a longer one than is read one octet more."""
    parts, place = [], 0
    while place <= MOST_OCTETS:
        part = os.pread(file, MOST_OCTETS + 1 - place, place)
        if not part:
            break
        parts.append(part)
        place += len(part)
    return b"".join(parts)


def _append(file: int, octets: bytes) -> None:
    """Append all octets, or none of them."""
    before = os.fstat(file).st_size
    try:
        while octets:
            octets = octets[os.write(file, octets) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, before)
        raise


def _once(changes: Iterable[Told]) -> Iterator[Told]:
    """Yield each change once, at its first place, with the latest time at which it was told."""
    latest: dict[Change, float | None] = {}
    for told in changes:
        before = latest.get(told.change)
        times = [at for at in (before, told.at) if at is not None]
        latest[told.change] = max(times, default=None)
    for change, at in latest.items():
        yield Told(change, at)


def _text(changes: Iterable[Told]) -> bytes:
    return "".join(f"{line}\n" for told in changes for line in _lines(told)).encode()


def _lines(told: Told) -> Iterator[str]:
    yield ""  # whoever edited the file may have left its last line without an end
    yield "[[change]]"
    for key, value in _table(told.change).items():
        if value is not None:
            yield f"{key} = {value.isoformat() if isinstance(value, date) else json.dumps(value)}"
    if told.at is not None:
        # Rounded up, so that nothing which came before is taken for younger.
        at = _UNIX_EPOCH + timedelta(microseconds=math.ceil(told.at * 1e6))
        yield f"told = {at.isoformat().removesuffix('+00:00')}Z"


def _table(change: Change) -> dict[str, str | list[str] | date | None]:
    """Return the keys of a change with their values, None where a key is left out."""
    match change:
        case Registration():
            return {
                "kind": "registration",
                "party": str(change.party),
                "devices": str(change.devices),
                "from": change.start,
                "to": change.end,
                "roles": None if change.roles is None else sorted(change.roles),
            }
        case ChangeOfSupplier(device, old, new, day):
            return {
                "kind": "supplier",
                "device": str(device),
                "old": str(old),
                "new": str(new),
                "day": day,
            }
        case ChangeOfTenancy(device, day):
            return {"kind": "tenancy", "device": str(device), "day": day}
