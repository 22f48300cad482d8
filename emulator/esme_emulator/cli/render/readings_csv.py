"""Readings as CSV: scales are applied, units named, and lists spread over columns or rows.

A service that reads one log is a table with a row for each entry. Any other is a list of values
with a row for each number: `name`, `time` (of log entries), `value` and `unit`. Readings of many
messages are such a list too, with the message in front of each row.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from io import StringIO
from typing import Any

from gbcs.instants import to_iso
from gbcs.json_readings import jsonable
from gbcs.message import Message
from gbcs.tables.reading_services import SCALER_UNIT
from gbcs.usecases.outcome import srv_of
from gbcs.usecases.rows import Row
from gbcs.usecases.units import Unit, unit_of, units_in
from gbcs.usecases.values import Reading, plain

_TIME = "time"
_VALUE_COLUMNS = ("name", _TIME, "value", "unit")
DECODED_COLUMNS = ("source", "device", "srv", "mac", *_VALUE_COLUMNS)
"""Columns of `message_rows`."""


def readings_csv(readings: Sequence[Reading]) -> str:
    """Return the readings of a service as CSV. Raises `DecodeError` for unknown shapes."""
    file = StringIO()
    table = csv.writer(file, lineterminator="\n")
    if len(readings) == 1 and readings[0].rows is not None:
        table.writerows(_table(readings[0], readings[0].rows))
    else:
        table.writerow(_VALUE_COLUMNS)
        table.writerows(_lists(readings))
    return file.getvalue()


def message_rows(source: str, message: Message, readings: Sequence[Reading]) -> list[Sequence[Any]]:
    """Return a row for each number in `readings`. Raises `DecodeError` for unknown shapes."""
    head = source, message.device, srv_of(message), message.mac_status
    return [(*head, *row) for row in _lists(readings)]


def _lists(readings: Sequence[Reading]) -> Iterator[Sequence[Any]]:
    for reading in readings:
        yield from _list(reading, readings)


def _table(reading: Reading, rows: Sequence[Row]) -> Iterator[Sequence[Any]]:
    """Yield titles, such as `primary (Wh)`, and rows. Without entries there is only `time`."""
    units = units_in(reading)
    spread = [{_TIME: to_iso(row[_TIME])} | dict(_numbers(row, units)) for row in rows]
    titles = list(spread[0]) if spread else [_TIME]
    yield [_title(name, units) for name in titles]
    for one in spread:
        yield [one[name] for name in titles]


def _numbers(row: Row, units: Mapping[str, Unit]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if name != _TIME:
            yield from _spread(name, jsonable(value), units.get(name))


def _title(name: str, units: Mapping[str, Unit]) -> str:
    unit = units.get(name.partition(" ")[0])
    return f"{name} ({unit.symbol})" if unit is not None and unit.symbol else name


def _list(reading: Reading, others: Sequence[Reading]) -> Iterator[Sequence[Any]]:
    rows, fields = reading.rows, reading.fields
    if rows is not None or fields is not None:
        units = units_in(reading)
        for row in rows if rows is not None else [fields or {}]:
            time = to_iso(row[_TIME]) if _TIME in row else ""
            for column, value in row.items():
                if column != _TIME and not column.endswith(SCALER_UNIT):
                    name = f"{reading.name}: {column}" if rows is not None else column
                    yield from _lines(name, time, value, units.get(column))
    elif reading.data is not None and not reading.name.endswith(SCALER_UNIT):
        yield from _lines(reading.name, "", plain(reading.data), unit_of(reading, others))


def _lines(name: str, time: str, value: Any, unit: Unit | None) -> Iterator[Sequence[Any]]:
    symbol = (unit.symbol if unit is not None else None) or ""
    for one, number in _spread(name, jsonable(value), unit):
        yield one, time, number, symbol


def _spread(name: str, value: Any, unit: Unit | None) -> Iterator[tuple[str, Any]]:
    """Yield each value in a list at any depth, under its name and its place from 1."""
    if isinstance(value, list):
        for place, part in enumerate(value, start=1):
            yield from _spread(f"{name} {place}", part, unit)
    elif isinstance(value, int) and not isinstance(value, bool) and unit is not None:
        yield name, f"{Decimal(value).scaleb(unit.scale):f}"
    else:
        yield name, value
