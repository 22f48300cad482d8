"""The schema of a proof's JSON, for those who read it with programs."""

from dataclasses import fields
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from emulator.proof.result import FORMAT, ProofResult


def schema() -> dict[str, Any]:
    """Return the JSON Schema of what `ProofResult.as_json` gives; all its keys are required."""
    form = TypeAdapter(ProofResult).json_schema(mode="serialization")
    kinds = form.pop("$defs")
    properties = {"format": {"const": FORMAT}, **form["properties"]}
    hints = get_type_hints(ProofResult)
    for item in fields(ProofResult):
        if not item.init:  # what follows from the rest, which pydantic leaves out
            derived = TypeAdapter(hints[item.name]).json_schema(mode="serialization")
            kinds |= derived.pop("$defs", {})
            properties[item.name] = derived
    del properties["required"], kinds["Threshold"], kinds["Comparison"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **form,
        "properties": properties,
        "required": list(properties),
        "$defs": kinds,
    }
