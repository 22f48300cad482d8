"""Parameters of rules: the values that each key takes, in words and as JSON Schema.

A parameter is a field of a frozen dataclass. Its annotation says what it takes and what it means;
reading a table, writing one and the descriptions follow from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import Field

from esme_emulator.faults.base import FaultError
from esme_emulator.runtime.config import Takes, closest, keys_of, table_of, validate

T = TypeVar("T")

_YEAR = 366 * 86400

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=_YEAR), Takes(f"seconds from 0 to {_YEAR:,}")]


@dataclass(frozen=True, slots=True)
class Parameter:
    """The description of one key of a rule."""

    key: str
    takes: str
    """The values, as a noun phrase."""
    default: Any
    """As it is written in a table; None if the key has no default."""
    doc: str
    schema: Mapping[str, Any]
    """JSON Schema, with the default."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {"key": self.key, "takes": self.takes, "doc": self.doc, "schema": dict(self.schema)}


def describe(kind: type[Any]) -> tuple[Parameter, ...]:
    """Return the parameters of a dataclass, in the order of its fields."""
    schemas = table_of(kind).model_json_schema()["properties"]
    defaults = write_table(kind())
    return tuple(
        _parameter(key, field.description or "", schemas[key], defaults.get(key))
        for key, field in keys_of(kind).items()
    )


def _parameter(key: str, doc: str, found: dict[str, Any], default: Any) -> Parameter:
    [given, *_] = found.get("anyOf", [found])  # null stands for a key that is not given
    schema = {name: one for name, one in given.items() if name not in _BESIDE}
    takes = given.get("takes") or _bounds(given)
    if default is not None:
        schema["default"] = default
    return Parameter(key, takes, default, doc, schema)


_BESIDE = ("default", "description", "takes", "title")


def _bounds(schema: Mapping[str, Any]) -> str:
    noun = "a whole number" if schema["type"] == "integer" else "a number"
    return f"{noun} from {schema['minimum']:,} to {schema['maximum']:,}"


def read_table(kind: type[T], table: Mapping[str, Any]) -> T:
    """Return an instance of `kind` from a table; other keys are ignored, and so are None values.

    Raises `FaultError` with the key of the first wrong value.
    """
    known = keys_of(kind)
    given = {key: value for key, value in table.items() if key in known and value is not None}
    content, mistakes = validate(kind, given)
    if content is None:
        raise FaultError(mistakes[0].reason, mistakes[0].key)
    return content


def write_table(values: Any, defaults: bool = True) -> dict[str, Any]:
    """Return the table of a dataclass; without `defaults`, only values that differ from them."""
    form = table_of(type(values))
    keys = zip(keys_of(form), fields(values), strict=True)
    held = {key: getattr(values, item.name) for key, item in keys}
    table = form.model_construct(**held).model_dump(
        mode="json", by_alias=True, exclude_defaults=not defaults, warnings="error"
    )
    return {key: value for key, value in table.items() if value is not None}


def choice(names: Mapping[str, Any]) -> Takes:
    """Accept one of these names; it is read as its value."""
    texts = {value: name for name, value in names.items()}

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError
        if value not in names:
            raise ValueError(f"{value!r:.60} is unknown; {closest(value, names)}")
        return names[value]

    schema = {"type": "string", "enum": list(names)}
    return Takes(f"one of {', '.join(names)}", read, texts.__getitem__, schema)
