"""Read fault rules from TOML text and JSON objects, write them back, and describe their keys.

Reads no files. Every mistake is a `FaultError`. A parameter of a rule is a field of a frozen
dataclass, a fault or the `Selector`: reading, writing and describing it follow from its annotation.
"""

import re
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from esme_emulator.faults.base import FaultError, Stage
from esme_emulator.faults.kind import FAULTS
from esme_emulator.faults.selector import FaultRule, Selector
from esme_emulator.runtime.config import (
    Mistake,
    closest,
    keys_of,
    parse_toml,
    picked,
    table_of,
    validate,
    written,
)

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TABLES = "fault"


def parse_rules(text: str, taken: Collection[str] = ()) -> list[FaultRule]:
    """Return the rules of a TOML text, one for each table `[[fault]]`.

    Names in `taken` belong to other rules.

    >>> [rule.name for rule in parse_rules('''
    ... [[fault]]
    ... kind = "no-reply"
    ... calls = "every 10"
    ... ''')]
    ['no-reply-1']

    Raises `FaultError` for the first mistake.
    """
    try:
        document = parse_toml(text)
    except ValueError as error:
        raise FaultError(str(error)) from None
    for key in document:
        if key != _TABLES:
            raise FaultError(f"unknown key; write each rule as [[{_TABLES}]]", key)
    return rules_from(document.get(_TABLES, []), taken)


def rules_from(tables: object, taken: Collection[str] = ()) -> list[FaultRule]:
    """Return the rules of a list of tables; their names must be unique and not in `taken`.

    Raises `FaultError` with the number of the rule, from 1, and its name.
    """
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
        raise FaultError(f"write each rule as a table [[{_TABLES}]]", _TABLES)
    given = {table["name"] for table in tables if isinstance(table.get("name"), str)}
    rules: dict[str, FaultRule] = {}
    for number, table in enumerate(tables, 1):
        rule = _rule(table, f"fault {number}", {*given, *rules, *taken})
        if rule.name in rules or rule.name in taken:
            raise FaultError("another rule has this name", "name", _label(f"fault {number}", table))
        rules[rule.name] = rule
    return list(rules.values())


def rule_from(table: Mapping[str, Any], taken: Container[str] = ()) -> FaultRule:
    """Return the rule of one table; without a name it is called kind-N, with a free N.

    Raises `FaultError`.
    """
    return _rule(table, "fault", taken)


def rule_to(rule: FaultRule) -> dict[str, Any]:
    """Return the JSON object of a rule; `rule_from` makes an equal rule from it."""
    where = written(rule.where, defaults=False)
    return {"name": rule.name, "kind": rule.kind, **where, **written(rule.fault)}


def _rule(table: Mapping[str, Any], number: str, taken: Container[str]) -> FaultRule:
    label = _label(number, table)
    try:
        fault = picked(table, "kind", FAULTS)
        if isinstance(fault, Mistake):
            raise FaultError(fault.reason, fault.key)
        name = table.get("name")
        if name is None:
            name = _free_name(fault.kind, taken)
        elif not isinstance(name, str) or not _NAME.fullmatch(name):
            raise FaultError("give up to 64 letters, digits, dots, hyphens, underscores", "name")
        known = ["kind", "name", *keys_of(Selector), *keys_of(fault)]
        for key in table:
            if key not in known:
                raise FaultError(
                    f"unknown key of {fault.kind}; {closest(str(key), known)}", f"{key!s:.100}"
                )
        return FaultRule(name, read_table(fault, table), read_table(Selector, table))
    except FaultError as error:
        raise error.of(label) from None


def _free_name(kind: str, taken: Container[str]) -> str:
    number = 1
    while f"{kind}-{number}" in taken:
        number += 1
    return f"{kind}-{number}"


def _label(number: str, table: Mapping[str, Any]) -> str:
    """Return the label of a rule in errors: its number, and its name if it has one."""
    name = table.get("name")
    return f"{number} {name!r:.70}" if isinstance(name, str) else number


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
    defaults = written(kind())
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


@dataclass(frozen=True, slots=True)
class KindDescription:
    """The description of one kind of fault."""

    name: str
    stage: Stage
    doc: str
    """One sentence."""
    parameters: tuple[Parameter, ...]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "kind": self.name,
            "stage": self.stage.name.lower(),
            "doc": self.doc,
            "parameters": [parameter.to_json() for parameter in self.parameters],
        }


def kinds() -> tuple[KindDescription, ...]:
    """Return the description of every kind, in the order of their stages."""
    return tuple(
        KindDescription(
            fault.kind, fault.stage, (fault.__doc__ or "").partition("\n")[0], describe(fault)
        )
        for fault in FAULTS.values()
    )


def selectors() -> tuple[Parameter, ...]:
    """Return the keys by which a rule of any kind selects calls."""
    return describe(Selector)
