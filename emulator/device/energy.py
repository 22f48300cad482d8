"""Energy: what flowed through a register, in closed form.

Each half hour of the day has a register of its own that only grows: a mean rate, times days
weighted by season, plus a jitter smaller than a day's growth. Every reading is a difference or a
sum of these registers, so half hours, daily reads and tariff registers agree exactly, and any of
them costs the same however long ago it is. All numbers are integers, the same on every machine.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import accumulate
from math import cos, tau
from operator import sub

from profiles import LoadProfile

HALF_HOURS = 48
_PPM = 1_000_000
_CYCLE_DAYS = 1461  # four years with their leap day
_JITTER = 0.9
"""Part of the least day's growth that the jitter may take; below 1 registers only grow."""


@dataclass(frozen=True, slots=True)
class Series:
    """One register's energy in Wh or varh, as a function of time alone.

    `rates` are mWh of each half hour on a mean day; `salt` makes the jitter that of one meter and
    one register; `winter` is a midwinter day against the mean day.
    """

    rates: tuple[int, ...]
    winter: float
    salt: bytes

    def registers(self, day: int) -> list[int]:
        """Return the 48 registers in Wh at the start of `day`, counted from 2000-01-01."""
        days, amplitude = _seasonal_days(self.winter, day)
        jitter = _jitter(self.salt, day)
        return [
            rate * (days + amplitude * step // 255) // (1000 * _PPM)
            for rate, step in zip(self.rates, jitter, strict=True)
        ]

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


def series(load: LoadProfile, salt: bytes, factor: float = 1.0) -> Series:
    """Return the series of a load for the meter and register that `salt` stands for.

    `factor` scales it, such as reactive energy against active.
    """
    drawn = int.from_bytes(blake2b(salt, digest_size=4, person=b"annual").digest(), "big")
    scale = load.spread ** (2 * drawn / 0xFFFFFFFF - 1) * factor
    daily_mwh = load.annual_kwh * 1_000_000 / 365.25 * scale
    total = sum(load.half_hours)
    rates = tuple(int(daily_mwh * share / total) for share in load.half_hours)
    return Series(rates, load.winter, salt)


@cache
def _season(winter: float) -> tuple[tuple[int, ...], int]:
    """Return the weighted days before each day of a cycle, in millionths, and the jitter bound."""
    weights = [
        round(_PPM * (1 + (winter - 1) * cos(tau * (day + 10) / 365.25)))
        for day in range(_CYCLE_DAYS)
    ]
    return (0, *accumulate(weights)), int(_JITTER * min(weights))


def _seasonal_days(winter: float, day: int) -> tuple[int, int]:
    sums, amplitude = _season(winter)
    cycles, rest = divmod(day, _CYCLE_DAYS)
    return cycles * sums[-1] + sums[rest], amplitude


@lru_cache(maxsize=4096)
def _jitter(salt: bytes, day: int) -> bytes:
    return blake2b(salt, digest_size=HALF_HOURS, salt=day.to_bytes(8, "big")).digest()
