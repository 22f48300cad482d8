"""The logs of a meter: which entries exist at a time, and their values.

All values are in closed form. No entry exists before installation, in the future, or beyond the
depth of its log.

Source: SMETS2 5.7.5 (log contents and depths); rows as in `gbcs.tables.profile_logs`.
"""

from collections.abc import Callable, Iterable, Iterator
from operator import add

from esme_emulator.device.account import last_payments
from esme_emulator.device.energy import Series
from esme_emulator.device.model import Meter
from esme_emulator.device.registers import total
from esme_emulator.device.snapshots import (
    Row,
    balances_row,
    billing_dates,
    billing_row,
    registers_row,
    tariff_changes,
)
from esme_emulator.device.voltage import PERIOD, voltages
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import Data, DataType
from gbcs.instants import DAY, HALF_HOUR
from gbcs.obis import parse_dotted
from gbcs.tables.profile_logs import ProfileLog
from gbcs.usecases.asking import Window

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


def _half_hours(stamps: range, *registers: Series) -> Iterator[Row]:
    """Yield time stamps and energies; a stamp marks the end of its half hour."""
    first = stamps.start // HALF_HOUR - 1
    columns = [register.half_hours(first, first + len(stamps) - 1) for register in registers]
    return zip(stamps, *columns, strict=True)


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
