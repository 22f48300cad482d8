"""The logs of a meter: which entries exist at a time, and their values.

All values are in closed form. No entry exists before installation, in the future, or beyond the
depth of its log.

A snapshot is a row of the registers and balances at its time stamp, so all logs agree.

Source: SMETS2 5.7.5 (contents and depths of logs); rows as in `gbcs.tables.profile_logs`. The
billing calendar is that of vector
ECS30_6.8: midnight when a month begins. Tariffs are assumed to be renewed once in a calendar year,
at a drawn midnight and at the same prices.
"""

from collections.abc import Callable, Iterable, Iterator
from operator import add
from typing import Any

from esme_emulator.device.account import balances, last_payments
from esme_emulator.device.energy import (
    SECONDARY_TOU_REGISTERS,
    TOU_REGISTERS,
    Register,
    Series,
    by_tariff,
    grown,
    total,
)
from esme_emulator.device.model import Meter
from esme_emulator.device.tariff import block_counters, months_until, year_of, year_start
from esme_emulator.device.voltage import PERIOD, voltages
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import Data, DataType
from gbcs.instants import DAY, HALF_HOUR
from gbcs.obis import parse_dotted
from gbcs.tables.profile_logs import ProfileLog
from gbcs.usecases.read_request import Window

Row = tuple[Any, ...]

BLOCKS, BLOCK_TOUS = 4, 8
_NO_BLOCKS = ((0,) * BLOCK_TOUS,) * BLOCKS
_DAYS_OF_ANY_YEAR = 365


def registers_row(meter: Meter, instant: int) -> Row:
    """Return time, import, TOU registers and blocks, for both elements of a twin element meter."""
    sums = grown(meter.primary, meter.installed, instant)
    tou = primary_tou(meter, sums, TOU_REGISTERS)
    blocks = _NO_BLOCKS
    if meter.block_thresholds:
        blocks = block_matrix(block_counters(meter, instant))
    if meter.secondary is None:
        return instant, sum(sums), tou, *blocks
    second = grown(meter.secondary, meter.installed, instant)
    second_tou = by_tariff(second, meter.tariff, SECONDARY_TOU_REGISTERS)
    return instant, sum(sums), sum(second), tou, second_tou, *blocks


def primary_tou(meter: Meter, sums: list[int], number: int) -> tuple[int, ...]:
    """Return the TOU registers of the first element for the `sums` of its half hours.

    On a block tariff they stay at 0; a second element has no blocks.
    """
    return (0,) * number if meter.block_thresholds else by_tariff(sums, meter.tariff, number)


def balances_row(meter: Meter, instant: int) -> Row:
    """Return time, emergency credit, meter balance and debts, in thousandths of a penny."""
    now = balances(meter, instant)
    return (
        instant,
        now.emergency_credit_balance,
        now.meter_balance,
        now.payment_debt,
        *now.time_debts,
        now.accumulated_debt,
    )


def billing_row(meter: Meter, instant: int) -> Row:
    """Return registers and balances at one time."""
    return *registers_row(meter, instant), *balances_row(meter, instant)[1:]


def block_matrix(counters: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return four blocks of eight TOU counters; only the first counter of a block is in use."""
    used = (*counters, *(0,) * (BLOCKS - len(counters)))
    return tuple((counter, *(0,) * (BLOCK_TOUS - 1)) for counter in used)


def billing_dates(meter: Meter, now: int, number: int) -> list[int]:
    """Return the last `number` billing times until `now`, oldest first."""
    return [time for time in months_until(now, number) if time > meter.installed * DAY]


def tariff_changes(meter: Meter, now: int, number: int) -> list[int]:
    """Return the last `number` renewals of the tariff until `now`, oldest first."""
    last = year_of(now)
    years = range(max(last - number, 2000), last + 1)
    times = [
        year_start(year) + meter.draw("tariff-change", year) % _DAYS_OF_ANY_YEAR * DAY
        for year in years
    ]
    return [time for time in times if meter.installed * DAY < time <= now][-number:]


HasEntry = Callable[[int], bool]
"""Returns whether the entry of a time stamp, in seconds since 2000, exists."""


def buffer(
    meter: Meter, log: ProfileLog, window: Window, now: int, has_entry: HasEntry | None = None
) -> bytes:
    """Return the entries of `log` in `window` as an A-XDR compact-array, oldest first.

    `now` is the meter's time in seconds since 2000. Entries for which `has_entry` is false are left
    out.
    """
    return entries(meter, log, window, now, has_entry).octets()


def entries(
    meter: Meter, log: ProfileLog, window: Window, now: int, has_entry: HasEntry | None = None
) -> Data:
    """Return the entries like `buffer`, as a DLMS value."""
    periodic = _PERIODIC.get(log.log)
    if periodic:
        rows = periodic(meter, stamps(meter, log, window, now))
    else:
        made = _AT_EVENTS[log.log](meter, now, log.depth)
        rows = (row for row in made if window.start <= row[0] <= window.end)
    if has_entry is not None:
        rows = filter(lambda row: has_entry(row[0]), rows)
    return Data(DataType.COMPACT_ARRAY, CompactArray.of(_description(meter, log), rows))


def stamps(meter: Meter, log: ProfileLog, window: Window, now: int) -> range:
    """Return the time stamps of the entries of a periodic `log` in `window` that exist at `now`."""
    period = log.period or PERIOD
    newest = now // period * period
    oldest = max(newest - (log.depth - 1) * period, meter.installed * DAY + period)
    first = -(-max(window.start, oldest) // period) * period
    return range(first, min(window.end, newest) + 1, period)


def _description(meter: Meter, log: ProfileLog) -> bytes:
    """Return the type of a row: the second in the table on a twin element meter, else the first."""
    shapes = list(log.rows)
    return shapes[-1 if meter.secondary is not None else 0]


def _half_hours(stamps: range, *registers: Register) -> Iterator[Row]:
    """Yield time stamps and energies; a stamp marks the end of its half hour.

    A half hour without data has no entry.
    """
    first = stamps.start // HALF_HOUR - 1
    columns = [register.half_hours(first, first + len(stamps) - 1) for register in registers]
    rows = zip(stamps, *columns, strict=True)
    if all(isinstance(register, Series) for register in registers):
        return rows
    return (
        row
        for number, row in enumerate(rows, first)
        if all(register.has(number) for register in registers)
    )


def _active_import(meter: Meter, stamps: range) -> Iterator[Row]:
    second = () if meter.secondary is None else (meter.secondary,)
    return _half_hours(stamps, meter.primary, *second)


def _consumption(meter: Meter, stamps: range) -> Iterator[Row]:
    """Yield the daily import of both elements; a stamp marks the end of its day."""
    if not stamps:
        return
    days = range(stamps[0] // DAY - 1, stamps[-1] // DAY + 1)
    sums = [sum(meter.primary.registers(day)) for day in days]
    if meter.secondary is not None:
        sums = list(map(add, sums, (sum(meter.secondary.registers(day)) for day in days)))
    for stamp, before, after in zip(stamps, sums, sums[1:], strict=False):
        yield stamp, after - before


def _voltage(phase: int) -> Callable[[Meter, range], Iterable[Row]]:
    return lambda meter, stamps: zip(stamps, voltages(meter, phase, stamps), strict=True)


_PERIODIC: dict[bytes, Callable[[Meter, range], Iterable[Row]]] = {
    parse_dotted("0.0.98.1.9.255"): lambda meter, stamps: (
        registers_row(meter, stamp) for stamp in stamps
    ),
    parse_dotted("0.0.98.1.10.255"): lambda meter, stamps: (
        (stamp, total(meter.active_export, meter.installed, stamp)) for stamp in stamps
    ),
    parse_dotted("0.0.98.1.8.255"): lambda meter, stamps: (
        balances_row(meter, stamp) for stamp in stamps
    ),
    parse_dotted("0.0.99.1.0.255"): _active_import,
    parse_dotted("0.0.99.1.1.255"): lambda meter, stamps: _half_hours(
        stamps, meter.active_export, meter.reactive_export
    ),
    parse_dotted("0.0.99.1.2.255"): lambda meter, stamps: _half_hours(
        stamps, meter.reactive_import
    ),
    parse_dotted("0.0.99.1.3.255"): _consumption,
    parse_dotted("1.0.32.24.0.255"): _voltage(0),
    parse_dotted("1.0.52.24.0.255"): _voltage(1),
    parse_dotted("1.0.72.24.0.255"): _voltage(2),
}
"""Entries of logs with a fixed period, by log: functions of time stamps."""

_AT_EVENTS: dict[bytes, Callable[[Meter, int, int], Iterable[Row]]] = {
    parse_dotted("0.0.98.1.0.255"): lambda meter, now, depth: (
        registers_row(meter, time) for time in billing_dates(meter, now, depth)
    ),
    parse_dotted("0.0.98.1.1.255"): lambda meter, now, depth: (
        balances_row(meter, time) for time in billing_dates(meter, now, depth)
    ),
    parse_dotted("0.0.98.1.2.255"): lambda meter, now, depth: (
        billing_row(meter, time) for time in tariff_changes(meter, now, depth)
    ),
    parse_dotted("0.0.98.1.4.255"): lambda meter, now, depth: (
        (item.time, item.debt) for item in last_payments(meter, now, depth)
    ),
    parse_dotted("0.0.98.1.5.255"): lambda meter, now, depth: (
        (item.time, item.amount) for item in last_payments(meter, now, depth)
    ),
}
"""Last entries of logs of events, oldest first, by log: functions of time and depth."""
