"""Reading a registry of parties and registrations from a TOML file, and changes of it.

Changes that a cache was told while it ran on the file are in another one beside it. Every mistake
in a file is told, each with its entry, key and reason. Days are dates as TOML or ISO 8601 writes
them; who may have what by them is the business of `esme_emulator.cache.registry.registry`.
"""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from esme_emulator.cache.registry.changes import MOST_OCTETS, Changes, changes_beside
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
from gbcs import EUI
from gbcs.tables.roles import Role

T = TypeVar("T")

_MOST_MISTAKES = 20
_PARTY_KEYS = ("eui", "roles")
_REGISTRATION_KEYS = ("party", "devices", "from", "to", "roles")
_CHANGE_KEYS = {
    "registration": ("kind", *_REGISTRATION_KEYS, "told"),
    "supplier": ("kind", "device", "old", "new", "day", "told"),
    "tenancy": ("kind", "device", "day", "told"),
}


class RegistryFileError(ValueError):
    """A file that is no registry; `mistakes` has one line for each thing to mend."""

    def __init__(self, path: Path, mistakes: list[str]) -> None:
        self.mistakes = tuple(f"{path}: {mistake}" for mistake in mistakes[:_MOST_MISTAKES])
        if len(mistakes) > _MOST_MISTAKES:
            self.mistakes += (f"{path}: and {len(mistakes) - _MOST_MISTAKES} more",)
        super().__init__("\n".join(self.mistakes))


def load_registry(path: Path) -> Registry:
    """Return the registry in a TOML file, with the changes of it that were told, and keep others.

    Raises `RegistryFileError`.
    """
    registry = _Reader(path).read(_tables(path))
    beside = changes_beside(path)
    changes = Changes(beside, partial(_read_changes, beside, registry.parties()))
    if beside.exists():
        _learn(changes, beside, registry)
    registry.journal = changes
    return registry


def _learn(changes: Changes, beside: Path, registry: Registry) -> None:
    """Make the changes in the file beside that of a registry."""
    try:
        with changes:
            unread = changes.unread()
    except OSError as error:
        raise RegistryFileError(beside, [error.strerror or "cannot be read"]) from None
    # Not locked, since a cache that is told of a change would stand still for so long.
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
    """Return the changes in octets of a file of changes, after so many entries before them."""
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
    """Reads tables, whose entries are counted after `before` others."""

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
            self._mistakes.append("party: there is none")
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
        """Return the changes in a file that has nothing else, each with where it stands."""
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
        """Yield the changes in their order, each with where it is."""
        for where, table in self._entries(tables, "change"):
            kind = self._value(where, table, "kind", _kind)
            if kind is None:
                continue
            self._check_keys(where, table, _CHANGE_KEYS[kind])
            at = self._value(where, table, "told", _time) if "told" in table else None
            for change in self._said(where, kind, table, parties):
                yield where, Told(change, at)

    def _said(
        self,
        where: str,
        kind: str,
        table: Mapping[str, Any],
        parties: Mapping[EUI, frozenset[Role]],
    ) -> Iterator[Change]:
        """Yield what one entry says."""
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
            self._mistakes.append(f"{where}: party: {party} is none of the [[party]] entries")
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
            raise ValueError(f"{name!r} is not a role; there are {names}")
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
