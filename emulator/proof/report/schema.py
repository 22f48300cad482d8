"""The schema of a proof's JSON, for those who read it with programs."""

from typing import Any

from pydantic import TypeAdapter

from emulator.proof.result import FORMAT, ProofResult


def schema() -> dict[str, Any]:
    """Return the JSON Schema of what `ProofResult.as_json` gives."""
    form = TypeAdapter(ProofResult).json_schema(mode="serialization")
    properties = form["properties"]
    properties.pop("required")
    form["required"] = ["format", *(name for name in form["required"] if name != "required")]
    derived = {"avoided_ratio": {"type": "number", "minimum": 0, "maximum": 1}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **form,
        "properties": {"format": {"const": FORMAT}, **properties, **derived},
    }
