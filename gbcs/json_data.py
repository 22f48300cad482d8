"""DLMS values as JSON, without loss: objects with one key, the type.

Knows the values of `gbcs.dlms.data` and nothing of messages. Octets are upper-case hex. Text that
is not UTF-8 keeps its octets as surrogates.
"""

from typing import Any

from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import BitString, Data, DataType

Json = dict[str, Any]

_TEXT = (DataType.VISIBLE_STRING, DataType.UTF8_STRING)
_BY_TITLE = {kind.title: kind for kind in DataType}


def data_to_json(data: Data) -> Json:
    """Return a DLMS value as an object with one key: `{"double-long-unsigned": 7}`."""
    value: Any = data.value
    match value:
        case tuple():
            value = [data_to_json(item) for item in value]
        case bytes() if data.type in _TEXT:
            value = value.decode("utf-8", "surrogateescape")
        case bytes():
            value = hex_of(value)
        case BitString():
            value = {"length": value.length, "octets": hex_of(value.octets)}
        case CompactArray():
            value = {
                "description": hex_of(value.description),
                "contents": hex_of(value.contents),
                "rows": [_plain(row) for row in value.rows()],
            }
    return {data.type.title: value}


def data_from_json(form: Any) -> Data:
    """Return the DLMS value whose JSON is `form`.

    Raises `KeyError` for an unknown type or missing key, and `ValueError` for a wrong value.
    """
    title, value = only_item(form)
    kind = _BY_TITLE[title]
    if kind in (DataType.ARRAY, DataType.STRUCTURE):
        value = tuple(data_from_json(item) for item in list_of(value))
    elif kind in _TEXT:
        value = text_of(value).encode("utf-8", "surrogateescape")
    elif kind is DataType.BIT_STRING:
        value = BitString(whole(object_of(value)["length"]), octets_of(value["octets"]))
    elif kind is DataType.COMPACT_ARRAY:
        description, contents = object_of(value)["description"], value["contents"]
        value = CompactArray(octets_of(description), octets_of(contents))
    elif isinstance(value, str):
        value = octets_of(value)
    elif value is not None:
        value = whole(value)
    return Data(kind, value)


def hex_of(octets: bytes) -> str:
    """Return `octets` as upper-case hex, their form in JSON."""
    return octets.hex().upper()


def octets_of(value: Any) -> bytes:
    """Return the octets of a hex string. Raises `ValueError` if `value` is not one."""
    try:
        return bytes.fromhex(text_of(value))
    except ValueError:
        raise ValueError(f"{value!r:.40} is not hexadecimal digits, two for each octet") from None


def text_of(value: Any) -> str:
    """Return `value`. Raises `ValueError` unless it is a string."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is not a string")
    return value


def whole(value: Any) -> int:
    """Return `value`. Raises `ValueError` unless it is a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r:.40} is not a whole number")
    return value


def object_of(value: Any) -> Json:
    """Return `value`. Raises `ValueError` unless it is an object."""
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.40} is not an object")
    return value


def list_of(value: Any) -> list[Any]:
    """Return `value`. Raises `ValueError` unless it is a list."""
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.40} is not a list")
    return value


def only_item(value: Any) -> tuple[str, Any]:
    """Return the key and the value of an object with one key. Raises `ValueError` otherwise."""
    items = list(object_of(value).items())
    if len(items) != 1:
        raise ValueError(f"the object has {len(items)} keys instead of one")
    return items[0]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return hex_of(value) if isinstance(value, bytes) else value
