"""The logs of a meter: which entries there are at a time, and what each of them says.

Knows how energy becomes rows of the profile logs; every value is closed form, and nothing exists
before installation, in the future, or beyond the depth of a log.

Source: SMETS2 5.7.5 (log contents and depths); rows as in `gbcs.tables.profile_logs`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from emulator.device.energy import HALF_HOURS, Series
from emulator.device.physics import Nature
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import Data, DataType
from gbcs.instants import DAY, HALF_HOUR
from gbcs.tables.profile_logs import DAILY_SINGLE, DAILY_TWIN, THREE, TWO, ProfileLog
from gbcs.usecases.profile_read import Window

TOU_REGISTERS, SECONDARY_TOU_REGISTERS = 48, 4
_NO_BLOCKS = ((0,) * 8,) * 4
"""Block counters stay at 0: these meters are on a TOU tariff, without blocks."""

Rows = tuple[bytes, Iterable[tuple[Any, ...]]]


def buffer(nature: Nature, log: ProfileLog, window: Window, now: int) -> bytes:
    """Return the entries of `log` in `window` as A-XDR: a compact-array, oldest entry first.

    `now` is the meter's time in seconds since 2000.
    """
    description, rows = _LOGS[log.srv](nature, stamps(nature, log, window, now))
    return Data(DataType.COMPACT_ARRAY, CompactArray.of(description, rows)).octets()


def stamps(nature: Nature, log: ProfileLog, window: Window, now: int) -> range:
    """Return the time stamps of the entries of `log` in `window` that exist at `now`."""
    newest = now // log.period * log.period
    oldest = max(newest - (log.depth - 1) * log.period, nature.installed * DAY + log.period)
    first = -(-max(window.start, oldest) // log.period) * log.period
    return range(first, min(window.end, newest) + 1, log.period)


def _half_hours(stamps: range, *registers: Series) -> Iterator[tuple[int, ...]]:
    """Yield stamp and energies: a stamp marks the end of its half hour."""
    first = stamps.start // HALF_HOUR - 1
    columns = [register.half_hours(first, first + len(stamps) - 1) for register in registers]
    return zip(stamps, *columns, strict=True)


def _active_import(nature: Nature, stamps: range) -> Rows:
    if nature.secondary is None:
        return TWO, _half_hours(stamps, nature.primary)
    return THREE, _half_hours(stamps, nature.primary, nature.secondary)


def _daily_import(nature: Nature, stamps: range) -> Rows:
    secondary = nature.secondary
    if secondary is None:
        return DAILY_SINGLE, (_daily_row(nature, stamp) for stamp in stamps)
    return DAILY_TWIN, (_daily_twin_row(nature, secondary, stamp) for stamp in stamps)


def _daily_row(nature: Nature, stamp: int) -> tuple[Any, ...]:
    grown = _grown(nature, nature.primary, stamp)
    return stamp, sum(grown), _tariff(grown, nature, TOU_REGISTERS), *_NO_BLOCKS


def _daily_twin_row(nature: Nature, secondary: Series, stamp: int) -> tuple[Any, ...]:
    _, total, tou, *blocks = _daily_row(nature, stamp)
    grown = _grown(nature, secondary, stamp)
    secondary_tou = _tariff(grown, nature, SECONDARY_TOU_REGISTERS)
    return stamp, total, sum(grown), tou, secondary_tou, *blocks


def _grown(nature: Nature, register: Series, stamp: int) -> list[int]:
    """Return what each half hour of the day has let through since installation."""
    start, end = register.registers(nature.installed), register.registers(stamp // DAY)
    return [after - before for before, after in zip(start, end, strict=True)]


def _tariff(grown: list[int], nature: Nature, registers: int) -> tuple[int, ...]:
    sums = [0] * registers
    for slot in range(HALF_HOURS):
        sums[nature.tariff[slot]] += grown[slot]
    return tuple(sums)


_LOGS: dict[str, Callable[[Nature, range], Rows]] = {
    "4.6.1": _daily_import,
    "4.6.2": lambda nature, stamps: (
        TWO,
        ((stamp, sum(_grown(nature, nature.active_export, stamp))) for stamp in stamps),
    ),
    "4.8.1": _active_import,
    "4.8.2": lambda nature, stamps: (TWO, _half_hours(stamps, nature.reactive_import)),
    "4.8.3": lambda nature, stamps: (
        THREE,
        _half_hours(stamps, nature.active_export, nature.reactive_export),
    ),
}
