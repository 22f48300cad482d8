"""The energy through a register, in closed form.

The shape of a load is its distribution over the day and the year: for each half hour of the day,
the sum of the load before any day, in units of the shape. It repeats after a whole number of years,
so every day costs the same. Its tables are computed with floats and then rounded.

Each half hour of the day has a register of its own that only grows. It is the sum of the load's
shape so far, plus a random share, drawn for each meter, register, day and half hour, of the energy
that adjacent days have in common. Every reading is a difference or a sum of these registers. So
half hours, daily reads and tariff registers agree exactly, and each reading costs the same at any
time. All numbers are integers, so they are the same on every machine.

Let C be the sums of the shape, g(d) = C(d + 1) - C(d), and u(d) a draw from 0 to 0.9. The register
at the start of day d is C(d) + u(d) × min(g(d - 1), g(d)). So the energy of day d is between 0.1
and 1.9 times g(d): never negative, and 0 if g(d) is 0.

The register at any instant is the energy from installation to the last full half hour, plus the
elapsed part of the current one, rounded down. So registers only grow, and half hours sum exactly to
their differences.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache, wraps
from hashlib import blake2b
from itertools import accumulate
from math import acos, cos, radians, sin, tau
from operator import add, sub
from typing import ParamSpec, Protocol, TypeVar, cast

from astral.julian import julianday, julianday_to_juliancentury
from astral.sun import eq_of_time, sun_declination

from esme_emulator.profiles import HalfHours, LoadProfile, Sun
from esme_emulator.profiles.model import HALF_HOURS
from gbcs.instants import DAY, HALF_HOUR

_P = ParamSpec("_P")
_T = TypeVar("_T")

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


_PERCENT, _MOST_OCTET = 100, 255
_CHANCE = 3
_WHOLE = 10 * _CHANCE * _PERCENT * _MOST_OCTET // 9
"""`_CHANCE` times the largest draw is 0.9 of this."""

_MILLI = 1000

_LONG = 40
"""Longest span in days that is cached; a few longer ones would take the place of all other days."""


@dataclass(frozen=True, slots=True)
class Series:
    """One register's energy in Wh or varh, as a function of time alone."""

    shape: Shape
    daily: int
    """Energy of a mean day in mWh or mvarh."""
    shared: int
    """Percentage of the random share that all half hours of a day have in common."""
    salt: bytes
    """Makes the draws unique to one meter and register."""
    chance: int = _PERCENT
    """Percentage of the random variation that applies."""
    start: tuple[int, ...] = ()
    """What `grown` adds to each half hour of the day: the energy at installation."""

    def registers(self, day: int) -> tuple[int, ...]:
        """Return the 48 registers in Wh at the start of `day`, counted from 2000-01-01."""
        return _registers(self, day)

    def calculate(self, days: range) -> list[int]:
        """Compute the 48 registers at the start of each of `days`, one day after the other."""
        own = _PERCENT - self.shared
        energy, unit = self.daily, self.shape.mean_day * _MILLI * _WHOLE
        registers: list[int] = []
        for day in days:
            drawn = blake2b(
                self.salt, digest_size=HALF_HOURS + 1, salt=day.to_bytes(8, "big", signed=True)
            ).digest()
            shared = self.shared * drawn[HALF_HOURS]
            registers += [
                (let_through + (shared + own * octet) * common * self.chance // _PERCENT)
                * energy
                // unit
                for let_through, common, octet in zip(
                    *_around(self.shape, day), drawn, strict=False
                )
            ]
        return registers

    def half_hours(self, first: int, last: int) -> list[int]:
        """Return the energy of half hours `first` to `last`, counted from 2000-01-01."""
        days = range(first // HALF_HOURS, last // HALF_HOURS + 2)
        if len(days) > _LONG:
            registers = self.calculate(days)
        else:
            registers = []
            for day in days:
                registers += self.registers(day)
        skipped = first - days.start * HALF_HOURS
        number = last - first + 1
        return list(
            map(sub, registers[HALF_HOURS + skipped :], registers[skipped : skipped + number])
        )

    def has(self, half_hour: int) -> bool:
        """Return True: a load has no gaps."""
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Metered:
    """One register's energy in Wh or varh, as data; compared and hashed by identity."""

    first: int
    """First day, counted from 2000-01-01."""
    sums: "array[int]"
    """The 48 registers at the start of each day from `first` on, with the day after the last."""
    gaps: frozenset[int]
    """Half hours without data between the first day and the last."""
    start: tuple[int, ...] = ()
    """As in `Series`."""

    def registers(self, day: int) -> tuple[int, ...]:
        """Return the 48 registers in Wh at the start of `day`; they stand still without data."""
        place = min(max(day - self.first, 0), self._days) * HALF_HOURS
        return tuple(self.sums[place : place + HALF_HOURS])

    def half_hours(self, first: int, last: int) -> list[int]:
        """Return the energy of half hours `first` to `last`; it is 0 without data."""
        return [self._energy(number) for number in range(first, last + 1)]

    def has(self, half_hour: int) -> bool:
        """Return whether there is data of a half hour, counted from 2000-01-01."""
        covered = 0 <= half_hour - self.first * HALF_HOURS < self._days * HALF_HOURS
        return covered and half_hour not in self.gaps

    @property
    def _days(self) -> int:
        return len(self.sums) // HALF_HOURS - 1

    def _energy(self, half_hour: int) -> int:
        place = half_hour - self.first * HALF_HOURS
        if not 0 <= place < self._days * HALF_HOURS:
            return 0
        return self.sums[place + HALF_HOURS] - self.sums[place]


def metered(values: Mapping[int, int], start: tuple[int, ...] = ()) -> Metered:
    """Return a register from the energy of each half hour, counted from 2000-01-01."""
    first, last = min(values) // HALF_HOURS, max(values) // HALF_HOURS
    sums = array("q", bytes(8 * HALF_HOURS))
    half_hours = range(first * HALF_HOURS, (last + 1) * HALF_HOURS)
    for place, half_hour in enumerate(half_hours):
        sums.append(sums[place] + values.get(half_hour, 0))
    return Metered(first, sums, frozenset(half_hours) - values.keys(), start)


Register = Series | Metered


def cached_if_drawn(maxsize: int) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Return a decorator that caches a function of a register, or of several, as `lru_cache` does.

    Results for registers that are data are not cached: the cache would keep the half hours of many
    meters in memory.
    """

    def decorate(function: Callable[_P, _T]) -> Callable[_P, _T]:
        cached = cast(Callable[_P, _T], lru_cache(maxsize)(function))

        @wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            registers = args[0] if isinstance(args[0], tuple) else args[:1]
            if any(isinstance(register, Metered) for register in registers):
                return function(*args, **kwargs)
            return cached(*args, **kwargs)

        return call

    return decorate


NOTHING = Series(Still(), 0, 0, b"")
"""A register that stays at 0."""


@lru_cache(maxsize=8192)
def _registers(series: Series, day: int) -> tuple[int, ...]:
    """Return registers from a cache of at most about 20 MB."""
    return tuple(series.calculate(range(day, day + 1)))


@lru_cache(maxsize=4096)
def _around(shape: Shape, day: int) -> tuple[list[int], list[int]]:
    """Return the sums before `day`, and the energy that the days around its start have in common.

    Both are lists of half hours, scaled for draws of up to `_PERCENT` × `_MOST_OCTET`.
    """
    yesterday, now, tomorrow = (_before(shape, day + place) for place in (-1, 0, 1))
    return [_WHOLE * sums for sums in now], [
        _CHANCE * min(b - a, c - b) for a, b, c in zip(yesterday, now, tomorrow, strict=True)
    ]


@lru_cache(maxsize=64)
def _before(shape: Shape, day: int) -> list[int]:
    """Return the sums of a shape before `day`, from a cache for adjacent days."""
    return shape.before(day)


def series(load: LoadProfile, secret: bytes, register: bytes) -> Series:
    """Return the series of a load for one register of the meter with this `secret`.

    The size of the meter is 1/spread to spread times that of the load. It is the same for active
    and reactive energy, so `register` names the register without the kind of energy.
    """
    size = _size(load.spread, secret + register)
    return Series(
        shape_of(load),
        daily(load) * size // _MILLI,
        round(load.shared * _PERCENT),
        secret + register,
        round(load.chance * _PERCENT),
    )


def reactive(active: Series, load: LoadProfile) -> Series:
    """Return the reactive energy that accompanies an active series of `load`."""
    flow = round(active.daily * load.reactive)
    return Series(active.shape, flow, active.shared, active.salt + b" reactive", active.chance)


def daily(load: LoadProfile) -> int:
    """Return the energy in mWh of a mean day at mean size."""
    return round(load.annual_kwh * 1_000_000 / 365.25)


def expected(load: LoadProfile, day: int) -> list[float]:
    """Return the expected energy in Wh of each half hour of `day`, at mean size."""
    shape = shape_of(load)
    unit = load.annual_kwh * 1000 / 365.25 / shape.mean_day
    return [
        (after - before) * unit
        for before, after in zip(shape.before(day), shape.before(day + 1), strict=True)
    ]


def _size(spread: float, salt: bytes) -> int:
    """Return a size in thousandths."""
    drawn = int.from_bytes(blake2b(salt, digest_size=4, person=b"annual").digest(), "big")
    size: float = spread ** (2 * drawn / 0xFFFFFFFF - 1)
    return round(_MILLI * size)


TOU_REGISTERS, SECONDARY_TOU_REGISTERS = 48, 4


def grown(series: Register, installed: int, instant: int) -> list[int]:
    """Return the energy of each half hour of the day, summed from installation to `instant`.

    The energy at installation is part of the sums. `installed` is in days and `instant` in seconds
    since 2000. The result is 48 energies in Wh or
    varh, all 0 before installation.
    """
    day, second = divmod(instant, DAY)
    if day < installed:
        return [0] * HALF_HOURS
    start, before = series.registers(installed), series.registers(day)
    sums = [now - then for now, then in zip(before, start, strict=True)]
    if series.start:
        sums = list(map(add, sums, series.start))
    if second:
        slot, part = divmod(second, HALF_HOUR)
        after = series.registers(day + 1)
        for passed in range(slot):
            sums[passed] += after[passed] - before[passed]
        sums[slot] += (after[slot] - before[slot]) * part // HALF_HOUR
    return sums


def total(series: Register, installed: int, instant: int) -> int:
    """Return the register at `instant`, in Wh or varh."""
    return sum(grown(series, installed, instant))


def power(series: Register, installed: int, instant: int) -> int:
    """Return the mean power of the half hour of `instant`, in W or var."""
    half_hour = instant // HALF_HOUR
    if half_hour < installed * HALF_HOURS:
        return 0
    return 2 * series.half_hours(half_hour, half_hour)[0]


def by_tariff(sums: list[int], tariff: tuple[int, ...], registers: int) -> tuple[int, ...]:
    """Add up the half hours of a day in `sums` to tariff registers."""
    tou = [0] * registers
    for register, energy in zip(tariff, sums, strict=True):
        tou[register] += energy
    return tuple(tou)
