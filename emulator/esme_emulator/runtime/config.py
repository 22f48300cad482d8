"""Read configuration: every mistake is one line with its key and the reason.

The keys of a table are described by a form: a `Table`, which is a pydantic model, or a frozen
dataclass. Values must have the exact type: a number in quotes or `true` is not a number, and NaN
and infinity are not either. Pure: takes text and tables, and opens no file.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    create_model,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from gbcs import EUI
from gbcs.instants import from_datetime, parse_iso, to_iso

T = TypeVar("T")

MAX_LENGTH = 10_000_000
"""Longest TOML text that is parsed, in characters."""
MAX_DEPTH = 32
"""Deepest nesting of tables and lists in TOML text that is parsed."""

_NOT_TOML = "it is not TOML"

_MAX_SHOWN = 60


class Mistake(NamedTuple):
    """One mistake in a table."""

    key: str
    """With dots for nested tables, and numbers from 1 in lists: `sun.latitude`, `mix 1: srv`."""
    reason: str

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}"


class Table(BaseModel):
    """A table of a file. Subclasses declare its keys."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


@dataclass(frozen=True, eq=False)
class Takes:
    """Annotation of a type: the values that it takes, for a message that says more than the type.

    Put it after the bounds. With `read`, the value is written otherwise than it is held.
    """

    words: str
    """A noun phrase."""
    read: Callable[[Any], Any] | None = None
    """Returns the value that is held. Raises `ValueError`; its text is optional."""
    write: Callable[[Any], Any] = str
    """Returns what `read` reads; None leaves the key out."""
    schema: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schema of what `read` reads. `words` are added to it as `takes`."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        if self.read is None:
            return core_schema.no_info_wrap_validator_function(self._check, handler(source))
        written = core_schema.plain_serializer_function_ser_schema(self.write)
        check = core_schema.no_info_plain_validator_function(self.read)
        return core_schema.no_info_wrap_validator_function(
            self._check, check, serialization=written
        )

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = self.schema if self.read is not None else handler(core)
        return {**schema, "takes": self.words}

    def _check(self, value: Any, check: Callable[[Any], Any]) -> Any:
        try:
            return check(value)
        except ValidationError as error:
            reason = error.errors()[0].get("ctx", {}).get("error", "")
            raise ValueError(str(reason) or f"{shown(value)} is not {self.words}") from None


class _AsTable:
    """Annotation of a dataclass within a `Table`: it is written as a table of its fields."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def held(content: Table) -> Any:
            return source(**dict(content))

        table = handler.generate_schema(table_of(source))
        return core_schema.no_info_after_validator_function(held, table)


AS_TABLE = _AsTable()


def _read_eui(value: object) -> EUI:
    if not isinstance(value, str):
        raise ValueError
    return EUI.parse(value)


def _read_instant(value: object) -> int:
    if isinstance(value, datetime):
        return from_datetime(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, date):
        return parse_iso(value.isoformat())
    if not isinstance(value, str):
        raise ValueError
    return parse_iso(value)


def _read_day(value: object) -> date:
    if isinstance(value, str):
        with suppress(ValueError):
            return date.fromisoformat(value)
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError
    return value


Device = Annotated[
    EUI,
    Takes(
        "an EUI of 16 hexadecimal digits in quotes",
        _read_eui,
        schema={"type": "string", "pattern": "^[0-9A-Fa-f]{16}$"},
    ),
]
Instant = Annotated[
    int,
    Takes(
        "an ISO 8601 date or time, UTC without a zone",
        _read_instant,
        to_iso,
        {"type": "string", "format": "date-time"},
    ),
]
"""Whole seconds since 2000."""

Day = Annotated[date, Takes("a day, such as 2026-01-31", _read_day, lambda day: day)]


def parse_toml(text: str) -> dict[str, Any]:
    """Return the content of TOML text. Raises `ValueError`, whose text is one line."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"it is longer than {MAX_LENGTH} characters")
    try:
        tables = tomllib.loads(text)
        # Dotted keys need no stack to be read, but whoever walks through their tables does.
        if _is_deeper(tables, MAX_DEPTH):
            raise RecursionError
    except RecursionError:
        raise ValueError(f"{_NOT_TOML}: it is nested too deep") from None
    except ValueError as error:
        # Python advises how to read longer numbers, which no user of a file can do.
        says, _, _ = " ".join(str(error).split()).partition("; use sys.")
        raise ValueError(f"{_NOT_TOML}: {says}") from None
    return tables


def _is_deeper(value: object, limit: int) -> bool:
    """Return whether tables and lists are nested deeper than `limit`."""
    level = [value]
    for _ in range(limit):
        level = [inner for each in level for inner in _inner(each)]
    return bool(level)


def _inner(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def validate(form: type[T], table: object) -> tuple[T | None, list[Mistake]]:
    """Return `table` as a `form` and no mistakes, or None and all its mistakes."""
    model = table_of(form)
    try:
        content = model.model_validate(table)
    except ValidationError as error:
        found = [_mistake(model, each) for each in error.errors(include_url=False)]
        # Each alternative of a union is an error to pydantic.
        return None, list({mistake.key: mistake for mistake in found}.values())
    return (content if isinstance(content, form) else form(**dict(content))), []


def written(values: Any, *, defaults: bool = True) -> dict[str, Any]:
    """Return a dataclass as `validate` reads it; without `defaults`, only what differs from them.

    Fields that are None are left out.
    """
    form = table_of(type(values))
    keys = zip(keys_of(form), fields(values), strict=True)
    held = {key: getattr(values, item.name) for key, item in keys}
    table = form.model_construct(**held).model_dump(
        by_alias=True, exclude_defaults=not defaults, warnings="error"
    )
    return {key: value for key, value in table.items() if value is not None}


def table_of(form: type[Any]) -> type[Table]:
    """Return a form as a `Table`; that of a dataclass has the same fields and defaults."""
    if issubclass(form, Table):
        return form
    key: Any = form
    return _generated(key)


@cache
def _generated(form: Any) -> type[Table]:
    hints = get_type_hints(form, include_extras=True)
    keys: dict[str, Any] = {
        item.name: (hints[item.name], ... if item.default is MISSING else item.default)
        for item in fields(form)
    }
    return create_model(form.__name__, __base__=Table, **keys)


def keys_of(form: type[Any]) -> dict[str, FieldInfo]:
    """Return the fields of a form by their keys in the file."""
    return {field.alias or name: field for name, field in table_of(form).model_fields.items()}


def picked(table: Mapping[str, Any], key: str, known: Mapping[str, T]) -> T | Mistake:
    """Return the one of `known` that the value of `key` names, or the mistake in it."""
    name = table.get(key)
    if not isinstance(name, str):
        return Mistake(key, f"give one of {', '.join(known)}")
    if name not in known:
        return Mistake(key, f"{shown(name)} is unknown; {closest(name, known)}")
    return known[name]


def closest(name: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown name: the known one that is most like it, or all of them."""
    names = list(known)
    close = get_close_matches(name, names, 1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"


def shown(value: object) -> str:
    """Return a value for an error message, shortened to one line of 60 characters."""
    text = repr(value)
    if isinstance(value, bool):
        text = text.lower()  # as TOML and JSON write it
    elif isinstance(value, date):
        text = value.isoformat()
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."


def printable(key: str) -> str:
    """Return a key without control characters, which could change the state of a terminal."""
    return key if key.isprintable() else ascii(key)


def _mistake(form: type[Table], error: ErrorDetails) -> Mistake:
    """Return an error of pydantic as a mistake in the deepest key of its location."""
    hint: Any = form
    key = dot = ""
    for part in error["loc"]:
        if isinstance(part, int):
            key, dot = f"{key} {part + 1}", ": "
            continue
        inner = _table_in(hint)
        known = {} if inner is None else keys_of(inner)
        if part in known:
            key, dot = f"{key}{dot}{part}", "."
            hint = known[part].annotation
        elif error["type"] == "extra_forbidden":
            return Mistake(f"{key}{dot}{printable(part)}", f"unknown key; {closest(part, known)}")
        else:  # the location goes on within a union, whose alternatives are no keys
            break
    if error["type"] == "missing" and get_origin(hint) is list and _table_in(hint) is not None:
        return Mistake(key, f"is missing: write it as [[{key}]], once for each")
    return Mistake(key, _reason(error, key))


def _reason(error: ErrorDetails, key: str) -> str:
    value = shown(error["input"])
    match error["type"]:
        case "missing":
            return "is missing"
        case "value_error":
            return str(error["ctx"]["error"])
        case "list_type":
            return f"write it as [[{key}]], once for each"
        case "model_type" | "dict_type":
            return f"{value} is not a table"
        case "tuple_type":
            return f"{value} is not a list"
        case "too_short":
            return f"give at least {error['ctx']['min_length']}"
    return error["msg"].replace("Input", value, 1)


def _table_in(hint: Any) -> type[Table] | None:
    """Return the form of the table that a type takes, also in a list, or None if it takes none."""
    if isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, Table)):
        return table_of(hint)
    return next(filter(None, map(_table_in, get_args(hint))), None)
