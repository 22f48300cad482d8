"""The file of a registry, and the file of changes beside it.

A registry is a TOML file of its user, which is read and never written. Changes that a cache is told
while it runs are appended to another file beside it, as `[[change]]`, which the user may move into
the registry's own file. Every mistake in a file is reported, with its entry, key and reason. Days
are dates as TOML or ISO 8601 writes them.

Several processes may use one file of changes. Each reads the changes of the others before it writes
its own, so that all make the changes in the order of the file. Knows the form of a change, not its
meaning; that is the business of `registry`.
"""

import fcntl
import json
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from esme_emulator.cache.registry.registration import (
    Change,
    ChangeOfSupplier,
    ChangeOfTenancy,
    ReceivedChange,
    Registration,
)
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.estate.parties_file import PartyTable, party_list
from esme_emulator.runtime.config import (
    Mistake,
    Table,
    Takes,
    keys_of,
    parse_toml,
    picked,
    validate,
    written,
)
from esme_emulator.runtime.files import opener, read_text, text_of
from gbcs import EUI
from gbcs.tables.roles import Role

MOST_OCTETS = 10_000_000
"""Maximum length of either file, in octets."""

T = TypeVar("T")

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_MISTAKES = 20


_CHANGES: Mapping[str, type[Change]] = {
    "registration": Registration,
    "supplier": ChangeOfSupplier,
    "tenancy": ChangeOfTenancy,
}


def _read_time(value: object) -> float:
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError
    return value.timestamp()


class _CommonKeys(Table):
    """Keys that every `[[change]]` has; the others are those of its change."""

    kind: Any = None
    told: (
        Annotated[float, Takes("a time with its zone, such as 2026-01-31T12:00:00Z", _read_time)]
        | None
    ) = None


class _ChangesFile(Table):
    """Keys of a file of changes. The entries are validated one by one, to report every mistake."""

    change: list[dict[str, Any]] = Field([])


class _RegistryFile(_ChangesFile):
    """Keys of a registry's own file."""

    party: list[dict[str, Any]] = Field([])
    registration: list[dict[str, Any]] = Field([])


class RegistryFileError(ValueError):
    """A file that is not a registry; `mistakes` has one line for each mistake."""

    def __init__(self, path: Path, mistakes: list[str]) -> None:
        self.mistakes = tuple(f"{path}: {mistake}" for mistake in mistakes[:_MOST_MISTAKES])
        if len(mistakes) > _MOST_MISTAKES:
            self.mistakes += (f"{path}: and {len(mistakes) - _MOST_MISTAKES} more",)
        super().__init__("\n".join(self.mistakes))


def load_registry(path: Path) -> Registry:
    """Return the registry in a TOML file, with the changes beside it; it keeps further changes.

    Raises `RegistryFileError`.
    """
    registry = _Reader(path).read(_tables(path))
    path_of_changes = changes_path(path)
    changes = Changes(path_of_changes, partial(_read_changes, path_of_changes, registry.parties()))
    if path_of_changes.exists():
        _learn(changes, path_of_changes, registry)
    registry.journal = changes
    return registry


def _learn(changes: "Changes", path_of_changes: Path, registry: Registry) -> None:
    """Make the changes in the file beside the registry's."""
    try:
        with changes:
            unread = changes.unread()
    except OSError as error:
        raise RegistryFileError(path_of_changes, [error.strerror or "cannot be read"]) from None
    # Not locked, since a running cache that is told of a change would wait meanwhile.
    found = changes.read(*unread)
    _make(found, registry, path_of_changes)
    with changes:
        changes.write_once(received for _, received in found)


def _make(changes: Iterable[tuple[str, ReceivedChange]], registry: Registry, path: Path) -> None:
    mistakes = []
    for where, received in changes:
        try:
            registry.learn(received)
        except ValueError as error:
            mistakes.append(f"{where}: {error}")
    if mistakes:
        raise RegistryFileError(path, mistakes)


def _read_changes(
    path: Path, parties: Mapping[EUI, frozenset[Role]], octets: bytes, before: int
) -> list[tuple[str, ReceivedChange]]:
    """Return the changes in octets of a file of changes, which come after `before` entries."""
    return _Reader(path, before).read_changes(_parsed(path, octets), parties)


def _tables(path: Path) -> Mapping[str, Any]:
    try:
        return parse_toml(read_text(path))
    except ValueError as error:
        raise RegistryFileError(path, [str(error)]) from None


def _parsed(path: Path, octets: bytes) -> Mapping[str, Any]:
    if len(octets) > MOST_OCTETS:
        raise RegistryFileError(path, [f"it is longer than {MOST_OCTETS} octets"])
    try:
        return parse_toml(text_of(octets))
    except ValueError as error:
        raise RegistryFileError(path, [str(error)]) from None


class _Reader:
    """Reads tables, and numbers their entries from `before` + 1 on.

    Entries are checked against each other if each is right by itself.
    """

    def __init__(self, path: Path, before: int = 0) -> None:
        self._path = path
        self._before = before
        self._mistakes: list[str] = []

    def read(self, tables: Mapping[str, Any]) -> Registry:
        file = self._valid(_RegistryFile, tables)
        party_rows = list(self._entries("party", file.party, PartyTable))
        rows = list(self._entries("registration", file.registration, Registration))
        changes = list(self._changes(file))
        self._refuse_mistakes()
        found = party_list(party_rows, self._path.parent, self._mistakes)
        if not found.parties:
            self._mistakes.append("party: give at least one")
        parties = {party.eui: party.roles for party in found.parties}
        self._check([*rows, *_changes_of(changes)], parties)
        registry = Registry(parties.items(), [registration for _, registration in rows])
        registry.party_list = found
        _make(changes, registry, self._path)
        return registry

    def read_changes(
        self, tables: Mapping[str, Any], parties: Mapping[EUI, frozenset[Role]]
    ) -> list[tuple[str, ReceivedChange]]:
        """Return the changes in a file of changes, each with the name of its entry."""
        changes = list(self._changes(self._valid(_ChangesFile, tables)))
        self._refuse_mistakes()
        self._check(_changes_of(changes), parties)
        return changes

    def _refuse_mistakes(self) -> None:
        if self._mistakes:
            raise RegistryFileError(self._path, self._mistakes)

    def _valid(self, form: type[T], tables: Mapping[str, Any]) -> T:
        content, mistakes = validate(form, tables)
        self._mistakes += map(str, mistakes)
        if content is None:  # if only other keys are wrong, the entries are read nevertheless
            known = {key: value for key, value in tables.items() if key in keys_of(form)}
            content, _ = validate(form, known)
        if content is None:
            raise RegistryFileError(self._path, self._mistakes)
        return content

    def _entries(
        self, name: str, rows: list[dict[str, Any]], form: type[T]
    ) -> Iterator[tuple[str, T]]:
        """Yield the entries of a list, each with its name, and note the mistakes in others."""
        for number, row in enumerate(rows, self._before + 1):
            for entry in self._read(f"{name} {number}", row, form):
                yield f"{name} {number}", entry

    def _changes(self, file: _ChangesFile) -> Iterator[tuple[str, ReceivedChange]]:
        for number, row in enumerate(file.change, self._before + 1):
            where = f"change {number}"
            form = picked(row, "kind", _CHANGES)
            if isinstance(form, Mistake):
                self._mistakes.append(f"{where}: {form}")
                continue
            common = {key: row[key] for key in keys_of(_CommonKeys) if key in row}
            own = {key: value for key, value in row.items() if key not in common}
            for keys in self._read(where, common, _CommonKeys):
                for change in self._read(where, own, form):
                    yield where, ReceivedChange(change, keys.told)

    def _read(self, where: str, row: dict[str, Any], form: type[T]) -> Iterator[T]:
        """Yield an entry, or one for each item if `devices` is a list."""
        devices = row.get("devices")
        rows = [row]
        if isinstance(devices, list) and devices:
            rows = [row | {"devices": some} for some in devices]
        for one in rows:
            content, mistakes = validate(form, one)
            if content is not None:
                yield content
            found = [f"{where}: {mistake}" for mistake in mistakes]
            self._mistakes += [mistake for mistake in found if mistake not in self._mistakes]

    def _check(
        self, entries: Iterable[tuple[str, object]], parties: Mapping[EUI, frozenset[Role]]
    ) -> None:
        """Refuse registrations that disagree with the parties or with themselves."""
        for where, entry in entries:
            if isinstance(entry, Registration):
                self._mistakes += [f"{where}: {each}" for each in entry.contradictions(parties)]
        self._refuse_mistakes()


def _changes_of(changes: Iterable[tuple[str, ReceivedChange]]) -> list[tuple[str, Change]]:
    return [(where, received.change) for where, received in changes]


def changes_path(path: Path) -> Path:
    """Return the path of the file of changes for the registry in `path`."""
    return path.with_name(f"{path.name}.changes")


class ChangesFullError(ValueError):
    """There is no room for another change."""


class Changes:
    """The file of changes, as a context in which no other process writes to it.

    `keep` returns after the change is on the disk. `read` returns the changes in some octets of the
    file, each with the name of its entry, given the number of entries before; it raises
    `ValueError`.
    """

    def __init__(
        self, path: Path, read: Callable[[bytes, int], list[tuple[str, ReceivedChange]]]
    ) -> None:
        self._path = path
        self._read = read
        self._file = -1
        self._trouble: Exception | None = None
        """Why no change can be kept now."""
        self._known = _Known()
        self._waiting: list[ReceivedChange] = []

    def __enter__(self) -> "Changes":
        self._trouble = None
        try:
            self._file = _open_locked(self._path)
        except OSError as error:
            self._trouble = error
            with suppress(OSError):  # a file that cannot be written may still be readable
                self._file = os.open(self._path, os.O_RDONLY)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def unread(self) -> tuple[bytes, int]:
        """Return the octets that others appended to the file, and the number of entries before.

        If the file was edited: all octets, and 0. Raises `OSError` if it cannot be read.
        """
        if self._file < 0:
            raise self._trouble or FileNotFoundError(self._path)
        if self._known.is_as_it_was(self._file):
            return b"", self._known.entries
        octets = _content(self._file)
        self._known.look(self._file)
        return octets[self._known.beginning_of(octets) :], self._known.entries

    def read(self, octets: bytes, before: int) -> list[tuple[str, ReceivedChange]]:
        """Return the changes in the octets that `unread` returned, each with its entry's name.

        This takes a while, and others may use the file meanwhile. Raises `ValueError` if there are
        mistakes.
        """
        try:
            found = self._read(octets, before)
        except ValueError:
            self._known.overlook()
            raise
        self._known.add(octets, len({where for where, _ in found}))
        return found

    def others(self) -> list[ReceivedChange]:
        """Return new changes in the file; if it cannot be read, none, and `keep` will fail."""
        try:
            return [received for _, received in self.read(*self.unread())]
        except (OSError, ValueError) as error:
            self._trouble = self._trouble or error
        return []

    def keep(self, received: ReceivedChange) -> str:
        """Append a change, after those that failed before; return why it fails, or nothing.

        Raises `ChangesFullError` if the file would become longer than `MOST_OCTETS`.
        """
        if self._trouble is None:
            try:
                self._append([*self._waiting, received])
            except OSError as error:
                self._trouble = error
        if self._trouble is not None:
            self._waiting.append(received)
            return self._reason(self._trouble)
        self._waiting.clear()
        return ""

    def write_once(self, changes: Iterable[ReceivedChange]) -> None:
        """Rewrite the file without repeated changes; `changes` are all changes in it.

        It is replaced as a whole, so that a crash leaves the old file or the new one. It is left as
        it is if that fails, or if another process has written to it since.
        """
        found = list(changes)
        once = list(_once(found))
        if len(once) == len(found) or self._trouble is not None:
            return
        if not self._known.is_as_it_was(self._file):
            return
        octets = _text(once)
        with suppress(OSError):
            self._replace(octets)
            self._known.clear()
            self._known.add(octets, len(once))
            self._known.look(self._file)

    def _append(self, changes: list[ReceivedChange]) -> None:
        octets = _text(changes)
        if os.fstat(self._file).st_size + len(octets) > MOST_OCTETS:
            raise ChangesFullError(
                f"{self._path} is full: it may have {MOST_OCTETS} octets. Restart the cache, which "
                "removes repeated changes, or move old changes into the registry's own file as "
                "registrations"
            )
        is_new = not os.fstat(self._file).st_size
        _append(self._file, octets)
        if is_new:
            _sync_folder(self._path)
        self._known.add(octets, len(changes))
        self._known.look(self._file)

    def _replace(self, octets: bytes) -> None:
        replacement = self._path.with_name(f"{self._path.name}.new")
        mode = stat.S_IMODE(os.fstat(self._file).st_mode)
        file = os.open(replacement, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, mode)
        try:
            _lock(file)  # before others can open it by its final name
            _append(file, octets)
            os.replace(replacement, self._path)
        except OSError:
            os.close(file)
            replacement.unlink(missing_ok=True)
            raise
        os.close(self._file)
        self._file = file
        _sync_folder(self._path)

    def _reason(self, error: Exception) -> str:
        if isinstance(error, OSError):
            return f"{self._path}: {error.strerror}"
        return str(error).partition("\n")[0]


class _Known:
    """Which file was read, how far, and a digest of what was read."""

    def __init__(self) -> None:
        self._state: tuple[int, ...] = ()
        self.clear()

    def clear(self) -> None:
        """Forget the content of the file."""
        self.entries = 0
        self._length = 0
        self._digest = sha256()

    def is_as_it_was(self, file: int) -> bool:
        """Return whether the file is unchanged since `look`."""
        return _state(file) == self._state

    def look(self, file: int) -> None:
        """Note the state of the file, which is completely read."""
        self._state = _state(file)

    def overlook(self) -> None:
        """Forget the state of the file, so that it is read again."""
        self._state = ()

    def beginning_of(self, octets: bytes) -> int:
        """Return the length of the known content, if `octets` begin with it.

        Otherwise the file was edited: forget its content, and return 0.
        """
        if sha256(octets[: self._length]).digest() != self._digest.digest():
            self.clear()
        return self._length

    def add(self, octets: bytes, entries: int) -> None:
        """Note further content of the file."""
        self.entries += entries
        self._length += len(octets)
        self._digest.update(octets)


def _state(file: int) -> tuple[int, ...]:
    state = os.fstat(file)
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


def _open_locked(path: Path) -> int:
    """Open a file, or create it, and lock it: other processes wait until it is closed."""
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
        os.close(file)  # another process replaced it while this one waited for the lock


def _lock(file: int) -> None:
    with suppress(OSError):  # some file systems have no locks
        fcntl.flock(file, fcntl.LOCK_EX)


def _sync_folder(path: Path) -> None:
    """Write the name of a new file to the disk too."""
    with suppress(OSError):  # some file systems cannot
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _content(file: int) -> bytes:
    """Return the content of a file, cut off one octet after `MOST_OCTETS`."""
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


def _once(changes: Iterable[ReceivedChange]) -> Iterator[ReceivedChange]:
    """Yield each change once, at its first place, with the latest time at which it was told."""
    latest: dict[Change, float | None] = {}
    for received in changes:
        before = latest.get(received.change)
        times = [at for at in (before, received.at) if at is not None]
        latest[received.change] = max(times, default=None)
    for change, at in latest.items():
        yield ReceivedChange(change, at)


def _text(changes: Iterable[ReceivedChange]) -> bytes:
    return "".join(f"{line}\n" for received in changes for line in _lines(received)).encode()


def _lines(received: ReceivedChange) -> Iterator[str]:
    yield ""  # an editor may have left the last line without an end
    yield "[[change]]"
    [kind] = (kind for kind, form in _CHANGES.items() if isinstance(received.change, form))
    for key, value in {"kind": kind, **written(received.change)}.items():
        yield f"{key} = {value.isoformat() if isinstance(value, date) else json.dumps(value)}"
    if received.at is not None:
        # Rounded up, so that readings received before never count as received after.
        at = _UNIX_EPOCH + timedelta(microseconds=math.ceil(received.at * 1e6))
        yield f"told = {at.isoformat().removesuffix('+00:00')}Z"
