"""Block counters of a meter on a block tariff.

Each Wh is counted either in a time of use (TOU) register or in a block. A meter on a block tariff
has one TOU rate and counts each Wh in a block of that rate. The block depends on the consumption in
the calendar year (UTC), in the first year on that since installation. The counters themselves
continue from year to year, so TOU registers and blocks always sum to the import register.

Source: SMETS2 5.7.5 (blocks); thresholds per calendar year are assumed.
"""

from functools import lru_cache

from esme_emulator.device.calendar import year_of, year_start
from esme_emulator.device.energy import Series
from esme_emulator.device.model import Meter
from esme_emulator.device.registers import total
from gbcs.instants import DAY


def block_counters(meter: Meter, instant: int) -> tuple[int, ...]:
    """Return the Wh in each block from installation to `instant`."""
    before = _before_year(meter, instant)
    this_year = total(meter.primary, meter.installed, instant) - sum(before)
    return _add(before, _divide(this_year, meter.block_thresholds))


def block_counters_of_year(meter: Meter, instant: int) -> tuple[int, ...]:
    """Return the Wh in each block since the calendar year of `instant` began."""
    this_year = total(meter.primary, meter.installed, instant) - sum(_before_year(meter, instant))
    return _divide(this_year, meter.block_thresholds)


def current_block(meter: Meter, instant: int) -> int:
    """Return the block, from 0, that a Wh at `instant` is counted in."""
    this_year = sum(block_counters_of_year(meter, instant))
    return sum(threshold <= this_year for threshold in meter.block_thresholds)


def _before_year(meter: Meter, instant: int) -> tuple[int, ...]:
    year = year_of(max(instant, meter.installed * DAY))
    return _closed_years(meter.primary, meter.installed, meter.block_thresholds, year)


@lru_cache(maxsize=65_536)
def _closed_years(
    series: Series, installed: int, thresholds: tuple[int, ...], year: int
) -> tuple[int, ...]:
    """Return the Wh in each block when `year` begins."""
    if year_start(year) <= installed * DAY:
        return (0,) * (len(thresholds) + 1)
    before = _closed_years(series, installed, thresholds, year - 1)
    last_year = total(series, installed, year_start(year)) - sum(before)
    return _add(before, _divide(last_year, thresholds))


def _divide(energy: int, thresholds: tuple[int, ...]) -> tuple[int, ...]:
    """Split the `energy` of a year into blocks."""
    edges = (0, *thresholds)
    return tuple(
        max(0, min(energy, upper) - lower)
        for lower, upper in zip(edges, (*thresholds, energy), strict=True)
    )


def _add(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(sum, zip(one, other, strict=True)))
