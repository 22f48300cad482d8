"""Parameters of rules: the values that each key takes, how to read them, how to describe them.

A parameter is a field of a frozen dataclass whose type is annotated with a `Key`. Reading a table,
writing one, and describing it in words and in JSON Schema follow from the annotation.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from esme_emulator.faults.base import FaultError
from gbcs import EUI
from gbcs.instants import from_datetime, parse_iso, to_iso

T = TypeVar("T")


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Takes:
    """The values of a key: words for them, their JSON Schema, a reader and a writer."""

    words: str
    schema: Mapping[str, Any]
    read: Callable[[Any], Any]
    """Raises `ValueError`; a text is optional, and says more than that the value does not fit."""
    write: Callable[[Any], Any] = _as_it_is
    """Returns a value for JSON and TOML, or None to leave the key out."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """The description of one key of a rule."""

    key: str
    takes: Takes
    default: Any
    """As it is written in a table; None if the key has no default."""
    doc: str

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; `schema` is a JSON Schema with the default."""
        default = {} if self.default is None else {"default": self.default}
        schema = {**self.takes.schema, **default}
        return {"key": self.key, "takes": self.takes.words, "doc": self.doc, "schema": schema}


@dataclass(frozen=True, slots=True)
class Key:
    """Declares a field as a key of rules, with the values that it takes and their meaning.

    Example: `seconds: Annotated[float, Key(SECONDS, "seconds of delay")] = 30.0`.
    """

    takes: Takes
    doc: str
    name: str = ""
    """The key in the table; empty if it is the name of the field."""


def describe(kind: type[Any]) -> tuple[Parameter, ...]:
    """Return the parameters of a dataclass, in the order of its fields."""
    return tuple(
        Parameter(key, declared.takes, declared.takes.write(default), declared.doc)
        for key, _, default, declared in _declared(kind)
    )


def read_table(kind: type[T], table: Mapping[str, Any]) -> T:
    """Return an instance of `kind` from a table; other keys are ignored, and so are None values.

    Raises `FaultError` with the key whose value does not fit.
    """
    values = {}
    for key, name, _, declared in _declared(kind):
        value = table.get(key)
        if value is not None:
            try:
                values[name] = declared.takes.read(value)
            except ValueError as error:
                reason = str(error) or f"{value!r:.60} does not fit; give {declared.takes.words}"
                raise FaultError(reason, key) from None
    return kind(**values)


def write_table(values: Any, defaults: bool = True) -> dict[str, Any]:
    """Return the table of a dataclass; without `defaults`, only values that differ from them."""
    table = {
        key: declared.takes.write(getattr(values, name))
        for key, name, default, declared in _declared(type(values))
        if defaults or getattr(values, name) != default
    }
    return {key: value for key, value in table.items() if value is not None}


def nearest(text: str, known: Iterable[str]) -> str:
    """Return a hint at which of `known` was meant, as the end of a sentence."""
    names = list(known)
    close = get_close_matches(text, names, 1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"


def _declared(kind: type[Any]) -> tuple[tuple[str, str, Any, Key], ...]:
    """Return key, field name, default and declaration of each field."""
    found = [(item, get_args(item.type)[1]) for item in fields(kind)]
    return tuple([(key.name or item.name, item.name, item.default, key) for item, key in found])


def number(least: float, most: float, unit: str = "a number") -> Takes:
    """Accept a number in these limits."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError
        if not least <= value <= most:
            raise ValueError
        return float(value)

    schema = {"type": "number", "minimum": least, "maximum": most}
    return Takes(f"{unit} from {least} to {most}", schema, read)


def whole(least: int, most: int) -> Takes:
    """Accept a whole number in these limits."""

    def read(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError
        return value

    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Takes(f"a whole number from {least} to {most}", schema, read)


def choice(names: Mapping[str, Any]) -> Takes:
    """Accept one of these names; it is read as its value."""
    texts = {value: name for name, value in names.items()}

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError
        if value not in names:
            raise ValueError(f"{value!r:.60} is unknown; {nearest(value, names)}")
        return names[value]

    schema = {"type": "string", "enum": list(names)}
    return Takes(f"one of {', '.join(names)}", schema, read, texts.__getitem__)


def _read_eui(value: Any) -> EUI:
    if not isinstance(value, str):
        raise ValueError
    return EUI.parse(value)


def _read_instant(value: Any) -> int:
    if isinstance(value, datetime):
        return from_datetime(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, date):
        return parse_iso(value.isoformat())
    if not isinstance(value, str):
        raise ValueError
    return parse_iso(value)


SHARE = number(0, 1)
SECONDS = number(0, 366 * 86400, "seconds")
DEVICE = Takes(
    "an EUI of 16 hexadecimal digits",
    {"type": "string", "pattern": "^[0-9A-Fa-f]{16}$"},
    _read_eui,
    lambda eui: eui and str(eui),
)
INSTANT = Takes(
    "an ISO 8601 date or time, UTC without a zone",
    {"type": "string", "format": "date-time"},
    _read_instant,
    lambda instant: None if instant is None else to_iso(instant),
)
"""Whole seconds since 2000."""
