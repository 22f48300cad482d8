"""The output of `esme read`: quantities with units, instants, texts and registers.

Programs read JSON instead, which has the values as the meter sent them.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from rich.console import Console

from esme_emulator.cli.render.screen import BARS, label, print_rows
from gbcs.dlms.data import BitString
from gbcs.instants import from_date_time, to_iso
from gbcs.obis import dotted
from gbcs.tables.cosem import UNITS
from gbcs.tables.profile_logs import BALANCES, MONEY
from gbcs.tables.reading_services import SCALER_UNIT
from gbcs.usecases.profile_read import Row
from gbcs.usecases.values import Reading, plain

_REGISTERS = 8
"""Lists of at least this length are shown as registers: non-zero entries only."""

_ANY = 0xFF


def reading_table(rows: list[Row], console: Console) -> None:
    """Print the rows of a log, one per line."""
    if not rows:
        console.print("no entries in this window")
        return
    shown = [{label(name): _cell(name, value) for name, value in row.items()} for row in rows]
    print_rows(shown, console, right=set(shown[0]))


def reading_chart(rows: list[Row], console: Console) -> None:
    """Print bars for each column of numbers, one character for each row."""
    if not rows:
        console.print("no entries in this window")
        return
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name != "time" and isinstance(values[0], int):
            top = max(values)
            bars = "".join(BARS[max(value, 0) * 8 // top if top > 0 else 0] for value in values)
            console.print(f"{label(name)}, 0 to {top}", highlight=False)
            console.print(bars, highlight=False, soft_wrap=True)
    first, last = to_iso(rows[0]["time"]), to_iso(rows[-1]["time"])
    console.print(f"{first} to {last}, {len(rows)} entries", highlight=False)


def reading_values(readings: Iterable[Reading], console: Console) -> None:
    """Print attributes by name: a log as a table, any other value as a line with its unit."""
    values: list[tuple[str, Any]] = []
    for reading in readings:
        rows, fields = reading.rows, reading.fields
        if rows is not None:
            _print_values(values, console)
            values = []
            console.print(f"{reading.name}:", highlight=False)
            reading_table(rows, console)
        elif fields is not None:
            values += fields.items()
        elif reading.data is not None:
            values.append((reading.name, plain(reading.data)))
    _print_values(values, console)


def _print_values(values: list[tuple[str, Any]], console: Console) -> None:
    by_name = dict(values)
    units = {_measured(name, by_name): value for name, value in values}
    for name, value in values:
        if _measured(name, by_name) is None:
            text = _quantity(value, *units[name]) if name in units else _cell(name, value)
            console.print(f"{label(name)}: {text}", highlight=False)


def _measured(name: str, values: Mapping[str, Any]) -> str | None:
    """Return the name of the value that has `name` as scaler and unit, None if there is none."""
    if not name.endswith(SCALER_UNIT):
        return None
    stem = name.removesuffix(SCALER_UNIT).removesuffix("_")
    return next((one for one in (stem, f"{stem}value") if isinstance(values.get(one), int)), None)


def _cell(name: str, value: Any) -> str:
    if name == "time":
        return to_iso(value)
    if name in BALANCES:
        return f"{_scaled(value, MONEY[0]):,}"
    if isinstance(value, tuple):
        numbers = list(_flat(value))
        if len(numbers) >= _REGISTERS and all(isinstance(one, int) for one in numbers):
            set_ = [f"{place}: {one:,}" for place, one in enumerate(numbers, start=1) if one]
            return ", ".join(set_) or "all 0"
    return _text(value)


def _flat(values: tuple[Any, ...]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple):
            yield from _flat(value)
        else:
            yield value


def _quantity(value: int, scaler: int, unit: int) -> str:
    return f"{_scaled(value, scaler):,} {UNITS.get(unit, '')}".rstrip()


def _scaled(value: int, scaler: int) -> Decimal:
    """Return `value` times ten to the power of `scaler`, with its exact decimal places."""
    scaled = Decimal(value).scaleb(scaler)
    return scaled if scaler <= 0 else Decimal(int(scaled))


def _text(value: Any) -> str:
    match value:
        case bool() | None | BitString():
            return str(value)
        case int():
            return f"{value:,}"
        case bytes():
            return _octets(value)
        case tuple():
            return "[" + ", ".join(map(_text, value)) + "]"
        case _:
            return str(value)


def _octets(octets: bytes) -> str:
    """Return octets as text, instant, date, time or OBIS code by their length, or else in hex."""
    if octets and all(0x20 <= octet < 0x7F for octet in octets):
        return octets.decode("ascii")
    match len(octets):
        case 4:
            return _time(octets)
        case 5:
            return _date(octets)
        case 6:
            return dotted(octets)
        case 12:
            try:
                return to_iso(from_date_time(octets))
            except ValueError:
                return f"{_date(octets[:5])} {_time(octets[5:9])}"
        case _:
            return octets.hex().upper()


def _date(octets: bytes) -> str:
    """Return a DLMS date, with * for wildcards."""
    year = int.from_bytes(octets[:2], "big")
    parts = ("*" if year == 0xFFFF else f"{year:04}", *map(_part, octets[2:4]))
    return "-".join(parts)


def _time(octets: bytes) -> str:
    """Return a DLMS time, with * for wildcards."""
    return ":".join(map(_part, octets[:3]))


def _part(octet: int) -> str:
    return "*" if octet == _ANY else f"{octet:02}"
