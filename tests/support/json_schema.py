"""A check against JSON Schema, limited to the keywords that our schemas use."""

from operator import ge, gt, le
from typing import Any

_BOUNDS = {"minimum": ge, "exclusiveMinimum": gt, "maximum": le}


def conforms(form: Any, rule: dict[str, Any], kinds: dict[str, Any], where: str = "") -> None:
    """Assert that `form` conforms to `rule`; `kinds` are the definitions that it refers to."""
    if "$ref" in rule:
        return conforms(form, kinds[rule["$ref"].removeprefix("#/$defs/")], kinds, where)
    known = {"const", "anyOf", "type", "properties", "required", "items", "additionalProperties"}
    known |= {"enum", *_BOUNDS}
    assert rule.keys() <= known | {"title", "description", "default", "$schema", "$defs"}, where
    if "const" in rule:
        assert form == rule["const"], where
        return None
    if "enum" in rule:
        assert form in rule["enum"], where
    for name, holds in _BOUNDS.items():
        assert name not in rule or holds(form, rule[name]), where
    if "anyOf" in rule:
        assert any(_does(form, other, kinds) for other in rule["anyOf"]), where
        return None
    types = {"string": str, "integer": int, "number": int | float, "boolean": bool,
             "array": list, "object": dict, "null": type(None)}  # fmt: skip
    assert isinstance(form, types[rule["type"]]), where
    assert rule["type"] == "boolean" or not isinstance(form, bool), where
    if isinstance(form, list):
        for place, item in enumerate(form):
            conforms(item, rule["items"], kinds, f"{where}.{place}")
    if isinstance(form, dict):
        assert form.keys() >= set(rule.get("required", ())), where
        for name, item in form.items():
            other = rule.get("properties", {}).get(name) or rule.get("additionalProperties")
            assert other, f"{where}.{name} is not in the schema"
            conforms(item, other, kinds, f"{where}.{name}")
    return None


def _does(form: Any, rule: dict[str, Any], kinds: dict[str, Any]) -> bool:
    try:
        conforms(form, rule, kinds)
    except AssertionError:
        return False
    return True
