"""The schema of a load's JSON, for those who read it with programs."""

from typing import Any

from esme_emulator.load.result import FORMAT, LoadResult, Requests
from esme_emulator.runtime.json_schema import derived, schema_of


def schema() -> dict[str, Any]:
    """Return the JSON Schema of what `LoadResult.as_dict` gives; all its keys are required."""
    form = schema_of(LoadResult, FORMAT)
    kinds = form["$defs"]
    requests, plan = kinds["Requests"], kinds["Plan"]
    requests["properties"] |= derived(Requests, kinds)
    requests["required"] = list(requests["properties"])
    plan["properties"]["trace"] = {"title": "Requests of the trace", "type": "integer"}
    del kinds["TraceLine"]
    return form
