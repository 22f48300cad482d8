"""Keeping the changes of a registry that are told to a running cache, in a file beside its own.

Knows how a change is written, as `[[change]]` of the file of a registry, which its user may move
there; does not know what changes mean. The user's own file is never written.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

from emulator.cache.registration import Change, ChangeOfSupplier, ChangeOfTenancy, Registration


def changes_beside(path: Path) -> Path:
    """Return the file in which changes of the registry in `path` are kept."""
    return path.with_name(f"{path.name}.changes")


class Changes:
    """Appends changes to a file, in their order, each on the disk before it is said to be kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[str] = []

    def keep(self, change: Change) -> str:
        """Write `change` down, after those that could not be; return why it cannot, or nothing."""
        self._waiting.append("".join(f"{line}\n" for line in _lines(change)))
        try:
            with self._path.open("ab", buffering=0) as file:
                _append(file.fileno(), "".join(self._waiting).encode())
        except OSError as error:
            return f"{self._path}: {error.strerror}"
        self._waiting.clear()
        return ""


def _append(file: int, octets: bytes) -> None:
    """Append all octets, or none of them; other caches that write there wait until it is done."""
    with suppress(OSError):  # there are file systems without locks
        fcntl.flock(file, fcntl.LOCK_EX)
    before = os.fstat(file).st_size
    try:
        while octets:
            octets = octets[os.write(file, octets) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, before)
        raise


def _lines(change: Change) -> Iterator[str]:
    yield ""  # whoever edited the file may have left its last line without an end
    yield "[[change]]"
    for key, value in _table(change).items():
        if value is not None:
            yield f"{key} = {value.isoformat() if isinstance(value, date) else json.dumps(value)}"


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
