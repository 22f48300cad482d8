"""Files of parties: TOML with `[[party]]` entries, or the keystore of DCC Boxed.

A registry file and a scenario have the same entries. Key files that an entry names are read here,
relative to the file. The password of encrypted ones is in `ESME_KEY_PASSWORD`.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from esme_emulator.estate.boxed import gbcs_keys, is_boxed, read_boxed
from esme_emulator.estate.key_files import (
    FORMS,
    PASSWORD_VARIABLE,
    PartyKey,
    PasswordNeededError,
    holds_private_key,
    read_key,
)
from esme_emulator.estate.parties import DUIS_PARTIES, Party, PartyList, Roles, with_more
from esme_emulator.runtime.config import Device, Table, Takes, parse_toml, validate
from esme_emulator.runtime.errors import NamedFileError
from esme_emulator.runtime.files import is_exposed, text_of
from gbcs import EUI, KeystoreError, KeyUsage
from gbcs.tables.roles import Role

MAX_OCTETS = 10_000_000
"""Longest file of parties, and longest key file, in octets."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_KNOWN_ROLES = frozenset(Role) - {Role.OU}
"""Roles whose parties meters know; an other user is always behind the ACB."""
_BUILT_IN = {party.eui: party for party in DUIS_PARTIES}
_USAGES = {"ka": KeyUsage.KEY_AGREEMENT, "ds": KeyUsage.DIGITAL_SIGNATURE}


def _read_name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError
    return value


def _read_files(value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names:
        raise ValueError
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError
    return tuple(names)


_Name = Annotated[
    str, Takes("a name of up to 40 letters, digits, dots, hyphens and underscores", _read_name)
]
_Files = Annotated[
    tuple[str, ...], Takes("the name of a key file, or a list of such names", _read_files, list)
]


class PartyTable(Table):
    """Keys of `[[party]]`."""

    eui: Device
    roles: Roles
    name: _Name | None = None
    """Without it, the name that is built in for this EUI, or else the EUI."""
    behind_acb: bool | None = None
    """Without it, whether the party is an other user."""
    ka: _Files | None = None
    ds: _Files | None = None
    """Key files of the two usages; without them, its keys are those of the estate."""


def load_parties(path: Path) -> PartyList:
    """Return the parties in a file. Raises `NamedFileError` with all its mistakes."""
    try:
        octets = read_key_file(path)
        if is_boxed(octets):
            return _boxed(path, octets)
        tables = parse_toml(text_of(octets))
    except (KeystoreError, OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise NamedFileError(f"--parties {path}: {reason}") from None
    others = set(tables) - {"party", "registration", "change"}
    mistakes = [f"{key}: unknown key; a file of parties has [[party]]" for key in sorted(others)]
    rows = tables.get("party", [])
    found = PartyList()
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        mistakes.append("party: write it as [[party]], once for each")
    else:
        found = read_entries(rows, path.parent, mistakes)
    if mistakes:
        raise NamedFileError("\n".join(f"--parties {path}: {each}" for each in mistakes))
    registers = bool({"registration", "change"} & set(tables))
    return replace(found, has_registrations=registers)


def read_entries(rows: Sequence[Any], folder: Path, mistakes: list[str]) -> PartyList:
    """Return the parties of `[[party]]` entries, whose files are in `folder`; note mistakes."""
    tables = []
    for number, row in enumerate(rows, 1):
        content, found = validate(PartyTable, row)
        mistakes += [f"party {number}: {mistake}" for mistake in found]
        if content is not None:
            tables.append((f"party {number}", content))
    return party_list(tables, folder, mistakes)


def party_list(
    tables: Sequence[tuple[str, PartyTable]], folder: Path, mistakes: list[str]
) -> PartyList:
    """Return the parties of valid entries, each with its place in the file; note mistakes."""
    parties: dict[EUI, Party] = {}
    keys: dict[tuple[EUI, KeyUsage], PartyKey] = {}
    exposed: dict[str, None] = {}
    for where, table in tables:
        if table.eui in parties:
            mistakes.append(f"{where}: eui: {table.eui} is there before")
            continue
        for name, usage in _USAGES.items():
            files: tuple[str, ...] | None = getattr(table, name)
            if files is None:
                continue
            try:
                keys[table.eui, usage] = _key(files, folder, usage, table.eui)
                exposed |= dict.fromkeys(_exposed(files, folder))
            except KeystoreError as error:
                mistakes.append(f"{where}: {name}: {error}")
        agreed = keys.get((table.eui, KeyUsage.KEY_AGREEMENT))
        parties[table.eui] = _party(table, b"" if agreed is None else agreed.certificate)
    try:
        with_more((), parties.values())
    except ValueError as error:
        mistakes.append(f"party: {error}")
    return PartyList(tuple(parties.values()), keys, tuple(exposed))


def _exposed(names: tuple[str, ...], folder: Path) -> Iterator[str]:
    """Yield a line for each file with a private key that other users can read."""
    for path in (folder / name for name in names):
        if is_exposed(path) and holds_private_key(read_key_file(path)):
            yield f"{path}: others can read its private key: chmod 600 {path}"


def _party(table: PartyTable, certificate: bytes) -> Party:
    built_in = _BUILT_IN.get(table.eui)
    behind = table.behind_acb
    if behind is None:
        behind = not table.roles & _KNOWN_ROLES
    name = table.name or (str(table.eui) if built_in is None else built_in.name)
    return Party(table.eui, name, table.roles, behind, certificate)


def _key(names: tuple[str, ...], folder: Path, usage: KeyUsage, eui: EUI) -> PartyKey:
    """Return the key in these files. Raises `KeystoreError`."""
    password = os.environ.get(PASSWORD_VARIABLE)
    try:
        files = [read_key_file(folder / name) for name in names]
        return read_key(files, usage, eui, password.encode() if password else None)
    except PasswordNeededError as error:
        raise KeystoreError(f"{', '.join(names)}: {error}: set {PASSWORD_VARIABLE}") from None
    except KeystoreError as error:
        raise KeystoreError(f"{', '.join(names)}: {error}") from None
    except OSError as error:
        raise KeystoreError(f"{error.filename}: {error.strerror}; give {FORMS}") from None


def read_key_file(path: Path) -> bytes:
    """Return the octets of a file. Raises `OSError`, and `KeystoreError` if it is too long."""
    with path.open("rb") as file:
        octets = file.read(MAX_OCTETS + 1)
    if len(octets) > MAX_OCTETS:
        raise KeystoreError(f"{path} is longer than {MAX_OCTETS} octets")
    return octets


def _boxed(path: Path, octets: bytes) -> PartyList:
    file = read_boxed(octets)
    return PartyList(
        DUIS_PARTIES, gbcs_keys(file.entries), tuple(f"{path}: {each}" for each in file.complaints)
    )
