"""The logs of a meter: which entries there are at a time, and what each of them says.

Knows which rows each log holds; every value is closed form, and nothing exists before
installation, in the future, or beyond the depth of a log.

Source: SMETS2 5.7.5 (log contents and depths); rows as in `gbcs.tables.profile_logs`.
"""

from collections.abc import Callable, Iterable, Iterator
from operator import add

from esme_emulator.device.account import last_payments
from esme_emulator.device.energy import Series
from esme_emulator.device.model import Nature
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
from gbcs.usecases.read_request import Window

HasEntry = Callable[[int], bool]
"""Whether a meter still has the entry of a stamp, in seconds since 2000."""


def buffer(
    nature: Nature, log: ProfileLog, window: Window, now: int, has_entry: HasEntry | None = None
) -> bytes:
    """Return the entries of `log` in `window` as A-XDR: a compact-array, oldest entry first.

    `now` is the meter's time in seconds since 2000; entries that it does not have, as `has_entry`
    says, are left out.
    """
    return entries(nature, log, window, now, has_entry).octets()


def entries(
    nature: Nature, log: ProfileLog, window: Window, now: int, has_entry: HasEntry | None = None
) -> Data:
    """Return what `buffer` does, as a value."""
    periodic = _PERIODIC.get(log.log)
    if periodic:
        rows = periodic(nature, stamps(nature, log, window, now))
    else:
        made = _AT_EVENTS[log.log](nature, now, log.depth)
        rows = (row for row in made if window.start <= row[0] <= window.end)
    if has_entry is not None:
        rows = filter(lambda row: has_entry(row[0]), rows)
    return Data(DataType.COMPACT_ARRAY, CompactArray.of(_description(nature, log), rows))


def stamps(nature: Nature, log: ProfileLog, window: Window, now: int) -> range:
    """Return the time stamps of the entries of a periodic `log` in `window` that exist at `now`."""
    period = log.period or PERIOD
    newest = now // period * period
    oldest = max(newest - (log.depth - 1) * period, nature.installed * DAY + period)
    first = -(-max(window.start, oldest) // period) * period
    return range(first, min(window.end, newest) + 1, period)


def _description(nature: Nature, log: ProfileLog) -> bytes:
    """Return the shape of a row: the first that the table has, the second on a twin element."""
    shapes = list(log.rows)
    return shapes[-1 if nature.secondary is not None else 0]


def _half_hours(stamps: range, *registers: Series) -> Iterator[Row]:
    """Yield stamp and energies: a stamp marks the end of its half hour."""
    first = stamps.start // HALF_HOUR - 1
    columns = [register.half_hours(first, first + len(stamps) - 1) for register in registers]
    return zip(stamps, *columns, strict=True)


def _active_import(nature: Nature, stamps: range) -> Iterator[Row]:
    second = () if nature.secondary is None else (nature.secondary,)
    return _half_hours(stamps, nature.primary, *second)


def _consumption(nature: Nature, stamps: range) -> Iterator[Row]:
    """Yield the days' import of both elements; a stamp marks the end of its day."""
    if not stamps:
        return
    days = range(stamps[0] // DAY - 1, stamps[-1] // DAY + 1)
    sums = [sum(nature.primary.registers(day)) for day in days]
    if nature.secondary is not None:
        sums = list(map(add, sums, (sum(nature.secondary.registers(day)) for day in days)))
    for stamp, before, after in zip(stamps, sums, sums[1:], strict=False):
        yield stamp, after - before


def _voltage(phase: int) -> Callable[[Nature, range], Iterable[Row]]:
    return lambda nature, stamps: zip(stamps, voltages(nature, phase, stamps), strict=True)


_PERIODIC: dict[bytes, Callable[[Nature, range], Iterable[Row]]] = {
    parse_dotted("0.0.98.1.9.255"): lambda nature, stamps: (
        registers_row(nature, stamp) for stamp in stamps
    ),
    parse_dotted("0.0.98.1.10.255"): lambda nature, stamps: (
        (stamp, total(nature.active_export, nature.installed, stamp)) for stamp in stamps
    ),
    parse_dotted("0.0.98.1.8.255"): lambda nature, stamps: (
        balances_row(nature, stamp) for stamp in stamps
    ),
    parse_dotted("0.0.99.1.0.255"): _active_import,
    parse_dotted("0.0.99.1.1.255"): lambda nature, stamps: _half_hours(
        stamps, nature.active_export, nature.reactive_export
    ),
    parse_dotted("0.0.99.1.2.255"): lambda nature, stamps: _half_hours(
        stamps, nature.reactive_import
    ),
    parse_dotted("0.0.99.1.3.255"): _consumption,
    parse_dotted("1.0.32.24.0.255"): _voltage(0),
    parse_dotted("1.0.52.24.0.255"): _voltage(1),
    parse_dotted("1.0.72.24.0.255"): _voltage(2),
}
"""The entries of logs that are made at fixed times."""

_AT_EVENTS: dict[bytes, Callable[[Nature, int, int], Iterable[Row]]] = {
    parse_dotted("0.0.98.1.0.255"): lambda nature, now, depth: (
        registers_row(nature, time) for time in billing_dates(nature, now, depth)
    ),
    parse_dotted("0.0.98.1.1.255"): lambda nature, now, depth: (
        balances_row(nature, time) for time in billing_dates(nature, now, depth)
    ),
    parse_dotted("0.0.98.1.2.255"): lambda nature, now, depth: (
        billing_row(nature, time) for time in tariff_changes(nature, now, depth)
    ),
    parse_dotted("0.0.98.1.4.255"): lambda nature, now, depth: (
        (item.time, item.debt) for item in last_payments(nature, now, depth)
    ),
    parse_dotted("0.0.98.1.5.255"): lambda nature, now, depth: (
        (item.time, item.amount) for item in last_payments(nature, now, depth)
    ),
}
"""The last entries of logs that are made when something happens, oldest first."""
