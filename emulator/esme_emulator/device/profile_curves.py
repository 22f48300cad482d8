"""Curves of profiles: energy and power of a load, or of a meter, in weeks and in a year.

Days count from 2000-01-01.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

from esme_emulator.device.energy import Series, daily, expected, series
from esme_emulator.device.model import meter_of
from esme_emulator.profiles import LoadProfile, MeterProfile
from esme_emulator.profiles.model import HALF_HOURS
from esme_emulator.runtime.draws import draw
from gbcs import EUI
from gbcs.instants import DAY, parse_iso

WINTER_WEEK, SUMMER_WEEK, YEAR = (
    parse_iso(date) // DAY for date in ("2026-01-12", "2026-07-13", "2026-01-01")
)
"""First days of two weeks, both Mondays, and of a year."""

WEEK_DAYS, YEAR_DAYS = 7, 365


@dataclass(frozen=True, slots=True)
class Peak:
    """The half hour with the highest power: power in W, and its beginning in UTC."""

    watts: float
    at: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One register of one meter: expected and metered values."""

    title: str
    load: LoadProfile
    register: Series

    def expected_watts(self, day: int, days: int) -> list[float]:
        """Return the expected power in W of each half hour."""
        return [
            2 * self._size * energy
            for each in range(day, day + days)
            for energy in expected(self.load, each)
        ]

    def metered_watts(self, day: int, days: int) -> list[float]:
        """Return the metered power in W of each half hour."""
        first = day * HALF_HOURS
        energies = self.register.half_hours(first, first + days * HALF_HOURS - 1)
        return [2.0 * energy for energy in energies]

    def expected_kwh(self, day: int, days: int) -> list[float]:
        """Return the expected energy of each day."""
        return [
            self._size * sum(expected(self.load, each)) / 1000 for each in range(day, day + days)
        ]

    def metered_kwh(self, day: int, days: int) -> list[float]:
        """Return the metered energy of each day."""
        sums = [sum(self.register.registers(each)) for each in range(day, day + days + 1)]
        return [(after - before) / 1000 for before, after in pairwise(sums)]

    @property
    def _size(self) -> float:
        return self.register.daily / daily(self.load)


def curves(profile: LoadProfile | MeterProfile, seed: str) -> list[Curve]:
    """Return a curve for each register of a meter drawn from `profile` with `seed`.

    For a load profile, the meter has exactly the annual energy of the profile.
    """
    if isinstance(profile, LoadProfile):
        register = series(profile, draw(seed, "curve", profile.name.encode(), 16), b"load")
        return [Curve(profile.title, profile, replace(register, daily=daily(profile)))]
    meter = meter_of(seed, EUI.from_int(0), (profile,))
    registers = (
        ("Import", profile.primary, meter.primary),
        ("Second element", profile.secondary, meter.secondary),
        ("Export", profile.export, meter.active_export),
    )
    return [
        Curve(f"{title}: {load.title}", load, register)
        for title, load, register in registers
        if load is not None and isinstance(register, Series)
    ]


def peak(load: LoadProfile, day: int) -> Peak:
    """Return the expected peak of the week from `day`."""
    energies = [energy for each in range(day, day + WEEK_DAYS) for energy in expected(load, each)]
    slot = energies.index(max(energies)) % HALF_HOURS
    return Peak(2 * max(energies), f"{slot // 2:02}:{slot % 2 * 30:02}")
