"""The calendar of a meter in UTC: beginnings of years and months.

Instants are seconds since 2000.
"""

from functools import lru_cache

from gbcs.instants import DAY, EPOCH, to_datetime


def year_of(instant: int) -> int:
    """Return the calendar year of `instant`."""
    return to_datetime(instant).year


@lru_cache(maxsize=512)
def year_start(year: int) -> int:
    """Return the instant at which `year` begins."""
    return (EPOCH.replace(year=year) - EPOCH).days * DAY


def month_start(instant: int) -> int:
    """Return the instant at which the month of `instant` begins."""
    when = to_datetime(instant)
    return instant // DAY * DAY - (when.day - 1) * DAY


def months_until(instant: int, number: int) -> list[int]:
    """Return the beginnings of the `number` months up to `instant`, oldest first."""
    starts: list[int] = []
    while len(starts) < number and instant >= 0:
        start = month_start(instant)
        starts.append(start)
        instant = start - 1
    return starts[::-1]
