"""Shapes: the distribution of a load over the day and the year, as sums of integers.

A shape gives, for each half hour of the day, the sum of its load before any day, in units of the
shape. It repeats after a whole number of years, so every day costs the same. The tables are
computed with floats and then rounded, so they are the same on every machine.
"""

from array import array
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import cache
from itertools import accumulate
from math import acos, cos, radians, sin, tau
from typing import Protocol

from astral.julian import julianday, julianday_to_juliancentury
from astral.sun import eq_of_time, sun_declination

from esme_emulator.profiles import HalfHours, LoadProfile, Sun

HALF_HOURS = 48
_PPM = 1_000_000
_YEARS_4, _YEARS_28 = 1461, 10_227
"""Days after which leap days repeat, and leap days together with weekdays."""

_MIDWINTER = 14
"""Day of the year, from 0, with the highest demand for heat and light. Assumed."""

_NOON = 720
"""Minutes after midnight."""


class Shape(Protocol):
    """The distribution of a load over time; hashed by identity."""

    def __hash__(self) -> int: ...

    @property
    def mean_day(self) -> int:
        """The sum of a mean day."""
        ...

    def before(self, day: int) -> list[int]:
        """Return the sum of each half hour before `day`, counted from 2000-01-01."""
        ...


class Still:
    """No load at any time."""

    mean_day = 1

    def before(self, day: int) -> list[int]:
        """Return 48 zeros."""
        return [0] * HALF_HOURS


class Seasonal:
    """Four kinds of day, winter or summer, weekday or weekend, with gradual seasons."""

    def __init__(self, shape: HalfHours) -> None:
        days = (
            shape.winter_weekday,
            shape.winter_weekend,
            shape.summer_weekday,
            shape.summer_weekend,
        )
        unit = _PPM / max(map(max, days))
        self._powers = [
            tuple(round(power * unit) for power in of_day) for of_day in zip(*days, strict=True)
        ]
        self.mean_day = sum(self.before(_YEARS_28)) // _YEARS_28

    def before(self, day: int) -> list[int]:
        """Return the sum of each half hour before `day`, counted from 2000-01-01."""
        cycles, rest = divmod(day, _YEARS_28)
        a, b, c, d = (cycles * days[-1] + days[rest] for days in _days_of_each_kind())
        return [a * p + b * q + c * r + d * s for p, q, r, s in self._powers]


@cache
def _days_of_each_kind() -> tuple[Sequence[int], ...]:
    """Return the number of days of each kind before each day of a cycle, in millionths.

    A day between the seasons counts partly as a winter day and partly as a summer day.
    """
    winter = [
        round(_PPM * (1 + cos(tau * (day - _MIDWINTER) / 365.25)) / 2) for day in range(_YEARS_4)
    ]

    def days(weekend: bool, summer: bool) -> Iterator[int]:
        for day in range(_YEARS_28):
            part = winter[day % _YEARS_4]
            is_weekend = day % 7 < 2  # 2000-01-01 was a Saturday
            yield 0 if is_weekend is not weekend else _PPM - part if summer else part

    return tuple(
        array("q", accumulate(days(weekend, summer), initial=0))
        for summer in (False, True)
        for weekend in (False, True)
    )


class Sunlit:
    """The height of the sun above the level at which the flow begins, in closed form."""

    def __init__(self, sun: Sun) -> None:
        north = radians(sun.latitude)
        lit = array("q")
        sums = [0] * HALF_HOURS
        lit.extend(sums)
        for day in range(_YEARS_4):
            # The cycle from 2024 on stands for all cycles.
            century = julianday_to_juliancentury(julianday(date(2024, 1, 1) + timedelta(day)) + 0.5)
            declination = radians(sun_declination(century))
            noon = _NOON - eq_of_time(century) - 4 * sun.longitude
            level = sin(north) * sin(declination) - sun.self_use
            swing = cos(north) * cos(declination)
            if level > -swing:
                half_day = acos(-level / swing)
                _add_day(sums, level, swing, half_day, radians(noon / 4))
            lit.extend(sums)
        self._lit = lit
        self.mean_day = sum(sums) // _YEARS_4

    def before(self, day: int) -> list[int]:
        """Return the sum of each half hour before `day`, counted from 2000-01-01."""
        cycles, rest = divmod(day, _YEARS_4)
        sums = self._lit[rest * HALF_HOURS : (rest + 1) * HALF_HOURS]
        cycle = self._lit[-HALF_HOURS:]
        return [cycles * whole + part for whole, part in zip(cycle, sums, strict=True)]


def _add_day(sums: list[int], level: float, swing: float, half_day: float, noon: float) -> None:
    """Add to `sums` the integral of level + swing × cos(hour angle), where it is positive.

    `half_day` and `noon` are angles in radians; `noon` counts from midnight.
    """
    slot_angle = tau / HALF_HOURS
    first = int((noon - half_day) / slot_angle)
    start = -half_day
    for slot in range(first, HALF_HOURS):
        end = min((slot + 1) * slot_angle - noon, half_day)
        sums[slot] += max(
            0, round(_PPM * (level * (end - start) + swing * (sin(end) - sin(start))))
        )
        if end >= half_day:
            break
        start = end


@cache
def shape_of(load: LoadProfile) -> Shape:
    """Return the shape of `load`, which is computed once."""
    return Sunlit(load.shape) if isinstance(load.shape, Sun) else Seasonal(load.shape)
