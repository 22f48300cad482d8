"""The schema of a proof's JSON, for those who read it with programs."""

from typing import Any

from esme_emulator.proof.result import FORMAT, ProofResult
from esme_emulator.runtime.json_schema import schema_of


def schema() -> dict[str, Any]:
    """Return the JSON Schema of what `ProofResult.as_json` gives; all its keys are required."""
    form = schema_of(ProofResult, FORMAT)
    del form["properties"]["required"], form["$defs"]["Threshold"], form["$defs"]["Comparison"]
    form["required"].remove("required")
    return form
