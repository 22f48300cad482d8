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


def data_from_json(form: Json) -> Data:
    """Return the DLMS value in `form`. Raises `KeyError`, `TypeError` or `ValueError`."""
    [(title, value)] = form.items()
    kind = _BY_TITLE[title]
    if kind in (DataType.ARRAY, DataType.STRUCTURE):
        value = tuple(data_from_json(item) for item in value)
    elif kind in _TEXT:
        value = value.encode("utf-8", "surrogateescape")
    elif isinstance(value, str):
        value = bytes.fromhex(value)
    elif kind is DataType.BIT_STRING:
        value = BitString(value["length"], bytes.fromhex(value["octets"]))
    elif kind is DataType.COMPACT_ARRAY:
        value = CompactArray(bytes.fromhex(value["description"]), bytes.fromhex(value["contents"]))
    return Data(kind, value)


def hex_of(octets: bytes) -> str:
    """Return octets as JSON has them: upper-case hex."""
    return octets.hex().upper()


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return hex_of(value) if isinstance(value, bytes) else value
