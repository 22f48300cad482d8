"""Read TOML configuration files: every mistake is one line with its key and the reason.

The keys of a file are described by a `Table`, a pydantic model. Values must have the exact type:
a number in quotes or `true` is not a number, and NaN and infinity are not either. Knows no file in
particular, and does not check whether other files named in one exist.
"""

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from esme_emulator.runtime.errors import NamedFileError

T = TypeVar("T", bound="Table")

MAX_OCTETS = 1_000_000
"""Longest file that is read."""

_MAX_SHOWN = 60


class ConfigError(NamedFileError):
    """A configuration file that cannot be used; the text is one line."""


class Mistake(NamedTuple):
    """One mistake in a table."""

    key: str
    """Key, with dots for nested tables: `sun.latitude`."""
    reason: str

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}"


class Table(BaseModel):
    """A table of a TOML file. Subclasses declare its keys.

    The messages follow from the type and the bounds of a field; give it a `description`, a noun
    phrase, if these do not say enough.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def read_toml(path: Path, label: str | None = None) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises `ConfigError`, which calls the file `label`, by default its path.
    """
    try:
        return _parse(_read(path))
    except ValueError as error:
        raise ConfigError(f"{path if label is None else label}: {error}") from None


def validate(form: type[T], table: Mapping[str, Any]) -> tuple[T | None, list[Mistake]]:
    """Return `table` as a `form`, and all mistakes in it; the form is None if there are any."""
    try:
        return form.model_validate(table), []
    except ValidationError as error:
        found = [_mistake(form, table, one["type"], one["loc"]) for one in error.errors()]
        # Each alternative of a union and each item of a list is an error to pydantic.
        return None, list({mistake.key: mistake for mistake in found}.values())


def keys_of(form: type[Table]) -> dict[str, FieldInfo]:
    """Return the fields of a form by their keys in TOML."""
    return {field.alias or name: field for name, field in form.model_fields.items()}


def closest(name: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown name: the known one that is most like it, or all of them."""
    names = list(known)
    close = get_close_matches(name, names, 1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"


def shown(value: object) -> str:
    """Return a value for an error message, shortened to one line of 60 characters."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."


def printable(key: str) -> str:
    """Return a key without control characters, which could change the state of a terminal."""
    return key if key.isprintable() else ascii(key)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except FileNotFoundError:
        raise ValueError("there is no such file") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except ValueError:  # a path with a NUL
        raise ValueError("cannot be read: no file can have this name") from None
    if len(octets) > MAX_OCTETS:
        raise ValueError(f"has more than {MAX_OCTETS} octets")
    return octets


def _parse(octets: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(octets.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except RecursionError:
        raise ValueError("is nested too deep") from None
    except ValueError as error:
        raise ValueError(f"is not TOML: {' '.join(str(error).split())}") from None


def _mistake(
    form: type[Table], table: Mapping[str, Any], kind: str, location: tuple[int | str, ...]
) -> Mistake:
    """Return an error of pydantic as a mistake in the deepest key of its location."""
    inner: type[Table] | None = form
    field: FieldInfo | None = None
    value: Any = table
    path: list[str] = []
    for part in location:
        # The location goes on within a list or union, which has no keys.
        if inner is None:
            break
        path.append(printable(str(part)))
        fields = keys_of(inner)
        if part not in fields:
            return Mistake(".".join(path), f"unknown key; {closest(str(part), fields)}")
        field = fields[str(part)]
        value = value.get(part)
        inner = _table_in(field.annotation)
    words = "" if field is None else _words(field)
    reason = f"is missing; give {words}" if kind == "missing" else f"{shown(value)} is not {words}"
    return Mistake(".".join(path), reason)


def _table_in(annotation: Any) -> type[Table] | None:
    """Return the form of the table that a field takes, or None if it takes no table."""
    is_union = get_origin(annotation) in (Union, UnionType)
    for one in get_args(annotation) if is_union else (annotation,):
        if isinstance(one, type) and issubclass(one, Table):
            return one
    return None


def _words(field: FieldInfo) -> str:
    """Return the values that a field takes, as a noun phrase."""
    if field.description:
        return field.description
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(map(str, get_args(annotation)))}"
    form = _table_in(annotation)
    if form is not None:
        return f"a table of {', '.join(keys_of(form))}"
    low, high = (
        next(getattr(one, name) for one in field.metadata if isinstance(one, bound))
        for bound, name in ((Ge, "ge"), (Le, "le"))
    )
    noun = "a whole number" if annotation is int else "a number"
    return f"{noun} from {low:,.10g} to {high:,.10g}"
