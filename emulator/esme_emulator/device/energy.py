"""Energy: what flowed through a register, in closed form.

Each half hour of the day has a register of its own that only grows: what the shape of its load has
let through, and a part of what the days next to it have in common, drawn for each meter, register,
day and half hour. Every reading is a difference or a sum of these registers, so half hours, daily
reads and tariff registers agree exactly, and any of them costs the same however long ago it is.
All numbers are integers, the same on every machine.

With C the sums of the shape, g(d) = C(d + 1) - C(d) and u(d) drawn from 0 to 0.9, the register at
the start of day d is C(d) + u(d) × min(g(d - 1), g(d)). So day d lets through between 0.1 and 1.9
times g(d): never less than nothing, and nothing where g(d) is nothing.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from operator import sub

from esme_emulator.device.shapes import HALF_HOURS, Shape, Still, shape_of
from esme_emulator.profiles import LoadProfile

_PERCENT, _MOST_OCTET = 100, 255
_CHANCE = 3
_WHOLE = 10 * _CHANCE * _PERCENT * _MOST_OCTET // 9
"""What `_CHANCE` times the largest draw is 0.9 of."""

_MILLI = 1000


@dataclass(frozen=True, slots=True)
class Series:
    """One register's energy in Wh or varh, as a function of time alone."""

    shape: Shape
    daily: int
    """Energy of a mean day in mWh or mvarh."""
    shared: int
    """Percent of the chance that all half hours of a day have in common."""
    salt: bytes
    """Makes the chance that of one meter and one register."""

    def registers(self, day: int) -> tuple[int, ...]:
        """Return the 48 registers in Wh at the start of `day`, counted from 2000-01-01."""
        return _registers(self, day)

    def calculate(self, day: int) -> tuple[int, ...]:
        """Return what `registers` keeps."""
        drawn = blake2b(
            self.salt, digest_size=HALF_HOURS + 1, salt=day.to_bytes(8, "big", signed=True)
        ).digest()
        shared = self.shared * drawn[HALF_HOURS]
        own = _PERCENT - self.shared
        energy, unit = self.daily, self.shape.mean_day * _MILLI * _WHOLE
        return tuple(
            [
                (let_through + (shared + own * octet) * common) * energy // unit
                for let_through, common, octet in zip(
                    *_around(self.shape, day), drawn, strict=False
                )
            ]
        )

    def half_hours(self, first: int, last: int) -> list[int]:
        """Return the energy of half hours `first` to `last`, counted from 2000-01-01."""
        energies: list[int] = []
        after = self.registers(first // HALF_HOURS)
        for day in range(first // HALF_HOURS, last // HALF_HOURS + 1):
            before, after = after, self.registers(day + 1)
            start = max(first - day * HALF_HOURS, 0)
            end = min(last - day * HALF_HOURS, HALF_HOURS - 1) + 1
            energies += map(sub, after[start:end], before[start:end])
        return energies


NOTHING = Series(Still(), 0, 0, b"")
"""A register that stays at 0."""


@lru_cache(maxsize=8192)
def _registers(series: Series, day: int) -> tuple[int, ...]:
    """Return registers, kept for reads of the same days: at most some 20 MB of them."""
    return series.calculate(day)


@lru_cache(maxsize=2048)
def _around(shape: Shape, day: int) -> tuple[list[int], list[int]]:
    """Return what came before `day`, and what the days before and after its start share.

    Of each half hour, in units such that draws of up to `_PERCENT` × `_MOST_OCTET` can be used.
    """
    yesterday, now, tomorrow = (_before(shape, day + place) for place in (-1, 0, 1))
    return [_WHOLE * sums for sums in now], [
        _CHANCE * min(b - a, c - b) for a, b, c in zip(yesterday, now, tomorrow, strict=True)
    ]


@lru_cache(maxsize=64)
def _before(shape: Shape, day: int) -> list[int]:
    """Return what came before `day`, kept for the days next to it."""
    return shape.before(day)


def series(load: LoadProfile, secret: bytes, register: bytes) -> Series:
    """Return the series of a load for one register of the meter that `secret` is drawn for.

    The meter's size, from 1/spread to spread times the load's, is the same for its active and its
    reactive register; `register` is which one, without the kind of energy.
    """
    size = _size(load.spread, secret + register)
    return Series(
        shape_of(load),
        daily(load) * size // _MILLI,
        round(load.shared * _PERCENT),
        secret + register,
    )


def reactive(active: Series, load: LoadProfile) -> Series:
    """Return the reactive energy that flows beside an active series of `load`."""
    flow = round(active.daily * load.reactive)
    return Series(active.shape, flow, active.shared, active.salt + b" reactive")


def daily(load: LoadProfile) -> int:
    """Return the energy in mWh of a mean day of a meter of mean size."""
    return round(load.annual_kwh * 1_000_000 / 365.25)


def expected(load: LoadProfile, day: int) -> list[float]:
    """Return the energy in Wh of each half hour of `day` without chance, at mean size."""
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
