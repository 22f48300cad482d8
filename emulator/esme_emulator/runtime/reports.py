"""Reports: the folder they are written to, their JSON Schemas, and comparisons figure by figure.

Knows files, digests, JSON and dataclasses, and not what a report says. `.esme-report` lists the
SHA-256 of every file that was written, in the format of `sha256sum`. A file that is not listed, or
has changed since, is the user's: it is neither removed nor overwritten.
"""

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TextIO, get_type_hints

from pydantic import TypeAdapter

from esme_emulator.runtime.errors import MisuseError, NamedFileError, UserError

RECORD = ".esme-report"
"""Name of the file that lists the files of reports."""

_PART = ".esme-part"
"""Suffix of a file that is not complete yet."""


class ReportFolderError(UserError):
    """A report that cannot be written; the text is one line for the user."""


class ForeignFileError(ReportFolderError, MisuseError):
    """A file of the user has the name of a file of the report."""


class ReportFolder:
    """Writes a report into `folder`; `names` are all files that a report of this kind can have."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self._folder = folder
        self._names = tuple(names)
        self._record = folder / RECORD
        self._written: list[str] = []

    def check(self) -> None:
        """Raise `ForeignFileError` if a file of the user would be overwritten."""
        ours = self._listed()
        for name in self._names:
            path = self._folder / name
            try:
                there = os.path.lexists(path)
                known = there and path.is_file() and ours.get(name) == _digest(path)
            except OSError as error:
                raise self._unwritable(error) from None
            if there and not known:
                raise ForeignFileError(
                    f"report {path}: this file is not of an earlier report, or was changed since: "
                    "move it away, or name another folder with --report"
                )

    def clear(self) -> None:
        """Create the folder and remove the files of an earlier report of the same kind.

        Otherwise a run that fails would leave them behind, as if they were its own report. Raises
        `ReportFolderError`.
        """
        self.check()
        kept = {name: digest for name, digest in self._listed().items() if name not in self._names}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ReportFolderError(f"report folder {self._folder}: {error.strerror}") from None
        try:
            for name in self._names:
                (self._folder / name).unlink(missing_ok=True)
            self._list(kept)
        except OSError as error:
            raise self._unwritable(error) from None

    def write(self, name: str, text: str) -> Path:
        """Write one file and return its path. Raises `ReportFolderError`."""
        return self._fill(name, lambda file: file.write(text))

    def write_rows(self, name: str, rows: Iterable[Sequence[object]]) -> Path:
        """Write one file as CSV, row by row, and return its path. Raises `ReportFolderError`."""
        return self._fill(name, lambda file: csv.writer(file, lineterminator="\n").writerows(rows))

    def write_lines(self, name: str, lines: Iterable[str]) -> Path:
        """Write one file of lines without their ends. Raises `ReportFolderError`."""
        return self._fill(name, lambda file: file.writelines(f"{line}\n" for line in lines))

    def _fill(self, name: str, fill: Callable[[TextIO], object]) -> Path:
        """Write one file, whose content `fill` writes.

        The file is listed before it gets its name. So a killed process leaves no file behind that
        the next run would take for the user's.
        """
        path = self._folder / name
        part = self._folder / f".{name}{_PART}"
        try:
            with part.open("w", encoding="utf-8", newline="") as file:
                fill(file)
            with self._record.open("a", encoding="utf-8") as record:
                record.write(_line(name, _digest(part)))
            self._written.append(name)
            part.replace(path)
        except OSError as error:
            raise self._unwritable(error) from None
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return path

    def discard(self) -> None:
        """Remove the files of this report, as far as possible, since it is incomplete."""
        with suppress(OSError):
            for name in self._written:
                (self._folder / name).unlink(missing_ok=True)
            listed = self._listed()
            self._list({name: listed[name] for name in listed if name not in self._written})

    def _list(self, digests: dict[str, str]) -> None:
        """Write the record, or remove it if none of our files are left.

        It is written in either case, so that a folder without write permission fails before the
        run and not after it.
        """
        self._record.write_text("".join(_line(*item) for item in digests.items()), "utf-8")
        if not digests:
            self._record.unlink()

    def _listed(self) -> dict[str, str]:
        """Return the digests of the files of earlier reports, by name."""
        try:
            lines = self._record.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return {}  # without a record, no file is ours
        pairs = (line.partition("  ") for line in lines)
        return {name: digest for digest, _, name in pairs}

    def _unwritable(self, error: OSError) -> ReportFolderError:
        return ReportFolderError(f"report {error.filename or self._folder}: {error.strerror}")


def _line(name: str, digest: str) -> str:
    return f"{digest}  {name}\n"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def schema_of(kind: type[Any], number: int) -> dict[str, Any]:
    """Return the JSON Schema of a dataclass with a constant key `format`; every key is required."""
    form = TypeAdapter(kind).json_schema(mode="serialization")
    kinds = form.pop("$defs")
    properties = {"format": {"const": number}, **form["properties"], **derived(kind, kinds)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **form,
        "properties": properties,
        "required": list(properties),
        "$defs": kinds,
    }


def derived(kind: type[Any], kinds: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of fields that `kind` calculates itself, which pydantic leaves out.

    Adds the schemas that they refer to to `kinds`.
    """
    properties = {}
    hints = get_type_hints(kind)
    for item in fields(kind):
        if not item.init:
            form = TypeAdapter(hints[item.name]).json_schema(mode="serialization")
            kinds |= form.pop("$defs", {})
            properties[item.name] = form
    return properties


class ReportError(NamedFileError):
    """A report that cannot be read or compared; the text is one line for the user."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of two reports; None if a report lacks it."""

    name: str
    first: float | None
    second: float | None


def read_json(file: Path) -> Any:
    """Return the JSON value of a file, or None if it is not JSON. Raises `ReportError`."""
    try:
        return json.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise ReportError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError):
        return None


def side_by_side(
    first: dict[str, Any], second: dict[str, Any], names: Sequence[str]
) -> list[Figure]:
    """Return the figures called `names`, such as `latency.hit.p99`, of two reports."""
    return [Figure(name, _figure(first, name), _figure(second, name)) for name in names]


def _figure(form: Any, name: str) -> float | None:
    for part in name.split("."):
        form = form.get(part) if isinstance(form, dict) else None
    number = isinstance(form, int | float) and not isinstance(form, bool)
    return form if number else None
