"""JSON Schemas of results, for programs that read their JSON.

Knows dataclasses, and not what they mean.
"""

from dataclasses import fields
from typing import Any, get_type_hints

from pydantic import TypeAdapter


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
