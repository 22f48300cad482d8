"""Maximum demand: the half hour with the highest mean power since the registers were reset.

Power is in W, of both elements of a twin element meter together. Registers are assumed to be reset
when a month (UTC) begins. So at most 1,488 half hours are searched; the result for past days is
cached.

Source: SMETS2 5.7.5 (maximum demand registers); the time of resets and the hours of the
configurable register are assumed.
"""

from collections.abc import Iterable
from operator import add
from typing import NamedTuple

from esme_emulator.device.energy import Register, cached_if_drawn
from esme_emulator.device.model import Meter
from esme_emulator.device.tariff import month_start
from esme_emulator.profiles.model import HALF_HOURS
from gbcs.instants import DAY, HALF_HOUR

EVENING = (16, 20)
"""First and last hour (UTC) of the configurable register."""
_ALL_DAY = (0, 24)


class Demand(NamedTuple):
    """The highest power in W, and the end of its half hour in seconds since 2000.

    If no half hour has ended since the reset: 0 W, at the time of the reset.
    """

    power: int
    time: int


def last_reset(meter: Meter, now: int) -> int:
    """Return the last reset: the beginning of the month, or the installation."""
    return max(month_start(now), min(meter.installed * DAY, now))


def import_demand(meter: Meter, now: int, hours: tuple[int, int] = _ALL_DAY) -> Demand:
    """Return the maximum demand of import at `now`, of half hours within `hours` of the day."""
    second = () if meter.secondary is None else (meter.secondary,)
    elements: tuple[Register, ...] = (meter.primary, *second)
    return _demand(meter, elements, now, hours)


def export_demand(meter: Meter, now: int) -> Demand:
    """Return the maximum demand of export at `now`."""
    return _demand(meter, (meter.active_export,), now, _ALL_DAY)


def _demand(
    meter: Meter, elements: tuple[Register, ...], now: int, hours: tuple[int, int]
) -> Demand:
    reset = last_reset(meter, now)
    if now < meter.installed * DAY:
        return Demand(0, reset)
    first, today = reset // DAY, now // DAY
    closed = _of_days(elements, first, today, hours)
    running = _of_half_hours(elements, today * HALF_HOURS, now // HALF_HOUR - 1, hours)
    return _most((Demand(0, reset), *filter(None, (closed, running))))


@cached_if_drawn(16_384)
def _of_days(
    elements: tuple[Register, ...], first: int, until: int, hours: tuple[int, int]
) -> Demand | None:
    """Return the maximum of the days from `first` to before `until`."""
    return _of_half_hours(elements, first * HALF_HOURS, until * HALF_HOURS - 1, hours)


def _of_half_hours(
    elements: tuple[Register, ...], first: int, last: int, hours: tuple[int, int]
) -> Demand | None:
    if last < first:
        return None
    start, end = 2 * hours[0], 2 * hours[1]
    energies: Iterable[int] = elements[0].half_hours(first, last)
    for other in elements[1:]:
        energies = map(add, energies, other.half_hours(first, last))
    found = [
        Demand(2 * energy, (number + 1) * HALF_HOUR)
        for number, energy in enumerate(energies, first)
        if start <= number % HALF_HOURS < end
    ]
    return _most(found) if found else None


def _most(demands: Iterable[Demand]) -> Demand:
    """Return the highest demand; of equal ones the first."""
    return max(demands, key=lambda demand: demand.power)
