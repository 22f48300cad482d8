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
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from esme_emulator.cache.registry.registration import (
    EVERY_DEVICE,
    Change,
    ChangeOfSupplier,
    ChangeOfTenancy,
    Devices,
    Registration,
    Told,
)
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.runtime.files import opener
from gbcs import EUI
from gbcs.tables.roles import Role

MOST_OCTETS = 10_000_000
"""Maximum length of either file, in octets."""

T = TypeVar("T")

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_MISTAKES = 20
_PARTY_KEYS = ("eui", "roles")
_REGISTRATION_KEYS = ("party", "devices", "from", "to", "roles")
_CHANGE_KEYS = {
    "registration": ("kind", *_REGISTRATION_KEYS, "told"),
    "supplier": ("kind", "device", "old", "new", "day", "told"),
    "tenancy": ("kind", "device", "day", "told"),
}


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
    beside = changes_beside(path)
    changes = Changes(beside, partial(_read_changes, beside, registry.parties()))
    if beside.exists():
        _learn(changes, beside, registry)
    registry.journal = changes
    return registry


def _learn(changes: "Changes", beside: Path, registry: Registry) -> None:
    """Make the changes in the file beside the registry's."""
    try:
        with changes:
            unread = changes.unread()
    except OSError as error:
        raise RegistryFileError(beside, [error.strerror or "cannot be read"]) from None
    # Not locked, since a running cache that is told of a change would wait meanwhile.
    found = changes.read(*unread)
    _make(found, registry, beside)
    with changes:
        changes.write_once(told for _, told in found)


def _make(changes: Iterable[tuple[str, Told]], registry: Registry, path: Path) -> None:
    mistakes = []
    for where, told in changes:
        try:
            registry.learn(told)
        except ValueError as error:
            mistakes.append(f"{where}: {error}")
    if mistakes:
        raise RegistryFileError(path, mistakes)


def _read_changes(
    path: Path, parties: Mapping[EUI, frozenset[Role]], octets: bytes, before: int
) -> list[tuple[str, Told]]:
    """Return the changes in octets of a file of changes, which come after `before` entries."""
    return _Reader(path, before).read_changes(_parsed(path, octets), parties)


def _tables(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            octets = file.read(MOST_OCTETS + 1)
    except OSError as error:
        raise RegistryFileError(path, [error.strerror or "cannot be read"]) from None
    return _parsed(path, octets)


def _parsed(path: Path, octets: bytes) -> Mapping[str, Any]:
    if len(octets) > MOST_OCTETS:
        raise RegistryFileError(path, [f"longer than {MOST_OCTETS} octets"])
    try:
        return tomllib.loads(octets.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise RegistryFileError(path, ["not UTF-8"]) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RegistryFileError(path, [f"not TOML: {error}"]) from None


class _Reader:
    """Reads tables, and numbers their entries from `before` + 1 on."""

    def __init__(self, path: Path, before: int = 0) -> None:
        self._path = path
        self._before = before
        self._mistakes: list[str] = []

    def read(self, tables: Mapping[str, Any]) -> Registry:
        for key in sorted(tables.keys() - {"party", "registration", "change"}):
            self._mistakes.append(f"{key}: unknown; give [[party]], [[registration]], [[change]]")
        parties: dict[EUI, frozenset[Role]] = {}
        for where, table in self._entries(tables, "party", _PARTY_KEYS):
            eui = self._value(where, table, "eui", _eui)
            roles = self._value(where, table, "roles", _roles)
            if eui in parties:
                self._mistakes.append(f"{where}: eui: {eui} is there before")
            elif eui is not None:
                parties[eui] = roles or frozenset()
        if not parties and not self._mistakes:
            self._mistakes.append("party: give at least one")
        registrations = [
            registration
            for where, table in self._entries(tables, "registration", _REGISTRATION_KEYS)
            for registration in self._registrations(where, table, parties)
        ]
        changes = list(self._changes(tables, parties))
        self._refuse_mistakes()
        registry = Registry(parties.items(), registrations)
        _make(changes, registry, self._path)
        return registry

    def read_changes(
        self, tables: Mapping[str, Any], parties: Mapping[EUI, frozenset[Role]]
    ) -> list[tuple[str, Told]]:
        """Return the changes in a file of changes, each with the name of its entry."""
        for key in sorted(tables.keys() - {"change"}):
            self._mistakes.append(f"{key}: unknown; give [[change]]")
        changes = list(self._changes(tables, parties))
        self._refuse_mistakes()
        return changes

    def _refuse_mistakes(self) -> None:
        if self._mistakes:
            raise RegistryFileError(self._path, self._mistakes)

    def _entries(
        self, tables: Mapping[str, Any], name: str, keys: tuple[str, ...] = ()
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        entries = tables.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            self._mistakes.append(f"{name}: write it as [[{name}]]")
            return
        for number, entry in enumerate(entries, start=self._before + 1):
            where = f"{name} {number}"
            if keys:
                self._check_keys(where, entry, keys)
            yield where, entry

    def _check_keys(self, where: str, entry: Mapping[str, Any], keys: tuple[str, ...]) -> None:
        for key in sorted(entry.keys() - set(keys)):
            self._mistakes.append(f"{where}: {key}: unknown; give {', '.join(keys)}")

    def _changes(
        self, tables: Mapping[str, Any], parties: Mapping[EUI, frozenset[Role]]
    ) -> Iterator[tuple[str, Told]]:
        """Yield the changes in their order, each with the name of its entry."""
        for where, table in self._entries(tables, "change"):
            kind = self._value(where, table, "kind", _kind)
            if kind is None:
                continue
            self._check_keys(where, table, _CHANGE_KEYS[kind])
            at = self._value(where, table, "told", _time) if "told" in table else None
            for change in self._of_entry(where, kind, table, parties):
                yield where, Told(change, at)

    def _of_entry(
        self,
        where: str,
        kind: str,
        table: Mapping[str, Any],
        parties: Mapping[EUI, frozenset[Role]],
    ) -> Iterator[Change]:
        """Yield the changes of one entry: several registrations, or one change."""
        if kind == "registration":
            yield from self._registrations(where, table, parties)
            return
        device = self._value(where, table, "device", _eui)
        day = self._value(where, table, "day", _day)
        old = self._value(where, table, "old", _eui) if kind == "supplier" else None
        new = self._value(where, table, "new", _eui) if kind == "supplier" else None
        if device is None or day is None:
            return
        if kind == "tenancy":
            yield ChangeOfTenancy(device, day)
        elif old is not None and new is not None:
            yield ChangeOfSupplier(device, old, new, day)

    def _registrations(
        self, where: str, table: Mapping[str, Any], parties: Mapping[EUI, frozenset[Role]]
    ) -> Iterator[Registration]:
        before = len(self._mistakes)
        party = self._value(where, table, "party", _eui)
        devices = self._value(where, table, "devices", _devices) if "devices" in table else ()
        start = self._value(where, table, "from", _day) if "from" in table else None
        end = self._value(where, table, "to", _day) if "to" in table else None
        roles = self._value(where, table, "roles", _roles) if "roles" in table else None
        if party is not None and party not in parties:
            self._mistakes.append(f"{where}: party: {party} is not in the [[party]] entries")
        elif party is not None and roles is not None and roles - parties[party]:
            others = ", ".join(sorted(roles - parties[party]))
            self._mistakes.append(f"{where}: roles: {party} is not {others}")
        if start is not None and end is not None and end <= start:
            self._mistakes.append(f"{where}: to: {end} is not after {start}")
        if party is None or devices is None or len(self._mistakes) > before:
            return
        for some in devices or (EVERY_DEVICE,):
            yield Registration(party, some, start, end, roles)

    def _value(
        self, where: str, table: Mapping[str, Any], key: str, read: Callable[[Any], T]
    ) -> T | None:
        if key not in table:
            self._mistakes.append(f"{where}: {key}: missing")
            return None
        try:
            return read(table[key])
        except ValueError as error:
            self._mistakes.append(f"{where}: {key}: {error}")
            return None


def _eui(value: object) -> EUI:
    if not isinstance(value, str):
        raise ValueError("write an EUI-64 as 16 hexadecimal digits in quotes")
    return EUI.parse(value)


def _kind(value: object) -> str:
    if not isinstance(value, str) or value not in _CHANGE_KEYS:
        raise ValueError(f"write one of {', '.join(_CHANGE_KEYS)}")
    return value


def _roles(value: object) -> frozenset[Role]:
    names = ", ".join(Role)
    if not isinstance(value, list) or not value:
        raise ValueError(f"write a list of some of {names}")
    for name in value:
        if name not in list(Role):
            raise ValueError(f"{name!r} is not a role. Choose some of {names}")
    return frozenset(Role(name) for name in value)


def _devices(value: object) -> tuple[Devices, ...]:
    """Read `*`, an EUI, a range `EUI to EUI`, or a list of these."""
    if isinstance(value, list):
        if not value:
            raise ValueError("an empty list; leave it out for every device")
        return tuple(some for item in value for some in _devices(item))
    if not isinstance(value, str):
        raise ValueError('write "*", an EUI-64, a range "EUI to EUI", or a list of these')
    return (Devices.parse(value),)


def _time(value: object) -> float:
    """Read an instant with its zone, as Unix time in seconds."""
    when = value
    if isinstance(value, str):
        with suppress(ValueError):
            when = datetime.fromisoformat(value)
    if not isinstance(when, datetime) or when.tzinfo is None:
        raise ValueError(f"{value!s:.40} is not a time with its zone: write 2026-01-31T12:00:00Z")
    return when.timestamp()


def _day(value: object) -> date:
    if isinstance(value, datetime):
        raise ValueError(f"{value.isoformat()} is not a day: write 2026-01-31")
    if isinstance(value, date):
        return value
    try:
        if isinstance(value, str):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError(f"{value!r} is not a day: write 2026-01-31")


def changes_beside(path: Path) -> Path:
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

    def __init__(self, path: Path, read: Callable[[bytes, int], list[tuple[str, Told]]]) -> None:
        self._path = path
        self._read = read
        self._file = -1
        self._trouble: Exception | None = None
        """Why no change can be kept now."""
        self._known = _Known()
        self._waiting: list[Told] = []

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

    def read(self, octets: bytes, before: int) -> list[tuple[str, Told]]:
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

    def others(self) -> list[Told]:
        """Return new changes in the file; if it cannot be read, none, and `keep` will fail."""
        try:
            return [told for _, told in self.read(*self.unread())]
        except (OSError, ValueError) as error:
            self._trouble = self._trouble or error
        return []

    def keep(self, told: Told) -> str:
        """Append a change, after those that failed before; return why it fails, or nothing.

        Raises `ChangesFullError` if the file would become longer than `MOST_OCTETS`.
        """
        if self._trouble is None:
            try:
                self._append([*self._waiting, told])
            except OSError as error:
                self._trouble = error
        if self._trouble is not None:
            self._waiting.append(told)
            return self._reason(self._trouble)
        self._waiting.clear()
        return ""

    def write_once(self, changes: Iterable[Told]) -> None:
        """Rewrite the file without repeated changes; `changes` are all changes in it.

        It is replaced as a whole, so that a crash leaves the old file or the new one. It is left as
        it is if that fails, or if another process has written to it since.
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
        beside = self._path.with_name(f"{self._path.name}.new")
        mode = stat.S_IMODE(os.fstat(self._file).st_mode)
        file = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, mode)
        try:
            _lock(file)  # before others can open it by its final name
            _append(file, octets)
            os.replace(beside, self._path)
        except OSError:
            os.close(file)
            beside.unlink(missing_ok=True)
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
    yield ""  # an editor may have left the last line without an end
    yield "[[change]]"
    for key, value in _table(told.change).items():
        if value is not None:
            yield f"{key} = {value.isoformat() if isinstance(value, date) else json.dumps(value)}"
    if told.at is not None:
        # Rounded up, so that readings received before never count as received after.
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
