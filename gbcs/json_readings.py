"""Readings as JSON: names, plain values, scales and units. The way back is not provided."""

from collections.abc import Mapping, Sequence
from typing import Any

from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import BitString
from gbcs.instants import to_iso
from gbcs.json_data import Json, hex_of
from gbcs.tables.result_codes import result_name
from gbcs.usecases.units import Unit, unit_of, units_in
from gbcs.usecases.values import Reading, plain


def readings_to_json(readings: Sequence[Reading]) -> Json:
    """Return the `rows` of a service that reads one log and nothing else, or else its `values`.

    A value has `name` and one of `value`, `fields` and `rows`, or `result` if it was refused. If
    its unit is known, it has `scale` (a power of ten) and `unit`; fields and rows have `units`, by
    name. Raises `DecodeError` for rows or fields of unknown shape.
    """
    values = [_reading(reading, readings) for reading in readings]
    if len(values) == 1 and "rows" in values[0]:
        return {key: value for key, value in values[0].items() if key != "name"}
    return {"values": values}


def rows_to_json(rows: Sequence[Any]) -> list[Json]:
    """Return the rows of a log, with `time` in ISO 8601 instead of seconds since 2000."""
    return [{**row, "time": to_iso(row["time"])} for row in rows]


def _reading(reading: Reading, others: Sequence[Reading]) -> Json:
    form: Json = {"name": reading.name}
    rows, fields = reading.rows, reading.fields
    if rows is not None:
        form["rows"] = rows_to_json(rows)
    elif fields is not None:
        form["fields"] = {name: jsonable(value) for name, value in fields.items()}
    elif reading.data is not None:
        form["value"] = jsonable(plain(reading.data))
        unit = unit_of(reading, others)
        return form if unit is None else {**form, **_unit(unit)}
    elif reading.code:
        form["result"] = result_name(reading.code)
    units: Mapping[str, Unit] = units_in(reading)
    return {**form, "units": {name: _unit(unit) for name, unit in units.items()}} if units else form


def _unit(unit: Unit) -> Json:
    return {"scale": unit.scale, "unit": unit.symbol}


def jsonable(value: Any) -> Any:
    """Return a plain value with octets in hexadecimal, bits as text, and lists for tuples."""
    match value:
        case bytes():
            return hex_of(value)
        case BitString():
            return str(value)
        case CompactArray():
            return jsonable(tuple(value.rows()))
        case tuple():
            return [jsonable(part) for part in value]
        case _:
            return value
