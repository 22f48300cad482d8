"""DLMS values as JSON, losing nothing: objects of one key, their type.

Knows the values of `gbcs.dlms.data` and nothing of messages. Octets are upper-case hex; text that
is not UTF-8 keeps its octets as surrogates.
"""

from typing import Any

from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import BitString, Data, DataType

Json = dict[str, Any]

_TEXT = (DataType.VISIBLE_STRING, DataType.UTF8_STRING)
_BY_TITLE = {kind.title: kind for kind in DataType}


def data_to_json(data: Data) -> Json:
    """Return a DLMS value as an object of one key."""
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
    """Return the DLMS value in `form`. Raises `KeyError` or `ValueError`."""
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
    """Return octets as JSON has them: upper-case hex."""
    return octets.hex().upper()


def octets_of(value: Any) -> bytes:
    """Return the octets that hex stands for. Raises `ValueError`."""
    try:
        return bytes.fromhex(text_of(value))
    except ValueError:
        raise ValueError(f"{value!r:.40} is not hexadecimal digits, two for each octet") from None


def text_of(value: Any) -> str:
    """Return `value`. Raises `ValueError` if it is no text."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} where a text belongs")
    return value


def whole(value: Any) -> int:
    """Return `value`. Raises `ValueError` if it is no whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r:.40} where a whole number belongs")
    return value


def object_of(value: Any) -> Json:
    """Return `value`. Raises `ValueError` if it is no object."""
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.40} where an object belongs")
    return value


def list_of(value: Any) -> list[Any]:
    """Return `value`. Raises `ValueError` if it is no list."""
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.40} where a list belongs")
    return value


def only_item(value: Any) -> tuple[str, Any]:
    """Return key and value of an object of one key. Raises `ValueError` if it is none."""
    items = list(object_of(value).items())
    if len(items) != 1:
        raise ValueError(f"an object of {len(items)} keys where one of one key belongs")
    return items[0]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return hex_of(value) if isinstance(value, bytes) else value
