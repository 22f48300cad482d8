"""Combine several loads behind one register into one load.

Knows the mean day of a shape of half hours: midwinter and midsummer have equal weight, and five
days in seven are weekdays. Sums are rounded once (`fsum`), because `sum` rounds otherwise from
Python 3.12 on, and a profile must be the same on every version.
"""

from collections.abc import Sequence
from dataclasses import astuple
from math import fsum

from esme_emulator.profiles.model import HalfHours, LoadProfile, ProfileError, source_of
from esme_emulator.profiles.schema import HalfHoursTable, too_large
from esme_emulator.runtime.config import keys_of

_MEAN_DAY = (5 / 14, 2 / 14, 5 / 14, 2 / 14)
"""Weight of each shape of `HalfHours` in the mean day."""

_FIGURES = ("annual_kwh", "spread", "reactive", "shared")
_SHAPE = "half_hours"
_DAYS = [f"{_SHAPE}.{day}" for day in keys_of(HalfHoursTable)]


def combined(loads: Sequence[LoadProfile]) -> LoadProfile:
    """Return the sum of `loads`, at least one. Raises `ProfileError`.

    Spread, reactive and shared are means of those of the loads, weighted by energy.
    """
    if len(loads) == 1:
        return loads[0]
    annual = fsum(load.annual_kwh for load in loads)
    days: list[list[tuple[float, ...]]] = []
    for load in loads:
        if not isinstance(load.shape, HalfHours):
            raise ProfileError(f"{load.name} follows the sun, so no other load can be added")
        shapes: tuple[tuple[float, ...], ...] = astuple(load.shape)
        mean = fsum(part * fsum(day) for part, day in zip(_MEAN_DAY, shapes, strict=True))
        days.append([tuple(load.annual_kwh * power / mean for power in day) for day in shapes])

    def by_energy(figure: str) -> float:
        parts: list[float] = [load.annual_kwh * getattr(load, figure) for load in loads]
        return fsum(parts) / annual

    sums = [tuple(map(fsum, zip(*of_loads, strict=True))) for of_loads in zip(*days, strict=True)]
    for problem in too_large(annual, by_energy("spread"), by_energy("reactive")):
        raise ProfileError(f"{' and '.join(load.name for load in loads)} together: {problem}")
    return LoadProfile(
        "+".join(load.name for load in loads),
        ", ".join(load.title for load in loads),
        annual,
        by_energy("spread"),
        by_energy("reactive"),
        by_energy("shared"),
        HalfHours(*sums),
        _sources(loads),
    )


def _sources(loads: Sequence[LoadProfile]) -> dict[str, str]:
    """Return the sources of all loads: for each kind of day if one load has them by day."""
    is_whole = all(load.sources.keys().isdisjoint(_DAYS) for load in loads)
    return {
        key: "; ".join(f"{load.name} {source_of(load.sources, key)}" for load in loads)
        for key in (*_FIGURES, *([_SHAPE] if is_whole else _DAYS))
    }
