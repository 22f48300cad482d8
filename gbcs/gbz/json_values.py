"""Values of ZCL payloads as JSON, without loss.

Octets are `{"octets": hex}`. A time is ISO 8601; numbers to which ZigBee gives another meaning (0,
and from FFFFFFFE) stay numbers. A text that looks like a time is `{"text": …}`. Knows nothing of
components.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from gbcs.gbz.values import Instant, Value
from gbcs.instants import parse_iso

Json = Any

Namers = Mapping[str, Callable[[Any], str | None]]
"""By the name of a field, the function that names its numbers."""

NAMES = frozenset(
    {"attribute_name", "cluster_name", "command_name", "data_type_name", "status_name"}
)
"""Keys that are written for the reader and ignored when read."""

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_NOT_A_TIME = (0, 0xFFFFFFFE, 0xFFFFFFFF)


def write_value(value: Value, namers: Namers) -> Json:
    """Return `value` as JSON, with a name next to each number that `namers` can name."""
    if isinstance(value, Mapping):
        return _write_fields(value, namers)
    if isinstance(value, tuple):
        return [write_value(item, namers) for item in value]
    if isinstance(value, bytes):
        return {"octets": value.hex().upper()}
    if isinstance(value, str):
        return value if _time(value) is None else {"text": value}
    if isinstance(value, Instant) and value not in _NOT_A_TIME:
        return str(value)
    return value


def _write_fields(fields: Mapping[str, Value], namers: Namers) -> dict[str, Json]:
    items: dict[str, Json] = {}
    for name, value in fields.items():
        items[name] = write_value(value, namers)
        if name in namers and value is not None:
            items[f"{name}_name"] = namers[name](value)
    return items


def read_value(obj: Json) -> Value:
    """Return the value whose JSON is `obj`. Raises `ValueError` if it is not such JSON."""
    if isinstance(obj, Mapping):
        if obj.keys() == {"octets"}:
            return bytes.fromhex(obj["octets"])
        if obj.keys() == {"text"}:
            return str(obj["text"])
        return {name: read_value(item) for name, item in obj.items() if name not in NAMES}
    if isinstance(obj, list):
        return tuple([read_value(item) for item in obj])
    if isinstance(obj, str):
        time = _time(obj)
        return obj if time is None else time
    if obj is None or isinstance(obj, int):
        return obj
    raise ValueError(f"{obj!r} is not the JSON of a field")


def read_instant(obj: Json) -> Instant:
    """Return the time in `obj`: ISO 8601, or seconds since 2000. Raises `ValueError`."""
    return Instant(parse_iso(obj) if isinstance(obj, str) else obj)


def _time(text: str) -> Instant | None:
    """Return the time in `text` if it has exactly the form that `write_value` uses, else None."""
    if not _ISO.fullmatch(text):
        return None
    try:
        return Instant(parse_iso(text))
    except ValueError:
        return None
