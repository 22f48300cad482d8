"""Read fault rules from TOML text and JSON objects, and write them back.

Reads no files. Every mistake is a `FaultError`.
"""

import re
from collections.abc import Collection, Container, Mapping
from typing import Any

from esme_emulator.faults.base import FaultError
from esme_emulator.faults.kind import FAULTS
from esme_emulator.faults.parameters import read_table, write_table
from esme_emulator.faults.selector import FaultRule, Selector
from esme_emulator.runtime.config import Mistake, closest, keys_of, parse_toml, picked

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
    where = write_table(rule.where, defaults=False)
    return {"name": rule.name, "kind": rule.kind, **where, **write_table(rule.fault)}


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
