"""Several loads behind one register, as one load.

Knows the mean day of a shape of half hours: midwinter and midsummer count alike, and five days in
seven are weekdays.
"""

from collections.abc import Sequence
from dataclasses import astuple

from esme_emulator.profiles.model import HalfHours, LoadProfile, ProfileError, source_of
from esme_emulator.profiles.schema import KEYS, SHAPES, too_large

_MEAN_DAY = (5 / 14, 2 / 14, 5 / 14, 2 / 14)
"""Part of each shape of `HalfHours` in the mean day."""
_FIGURES = [name for name, key in KEYS["load"].items() if key.is_figure]
_SHAPE = "half_hours"


def combined(loads: Sequence[LoadProfile]) -> LoadProfile:
    """Return the load that is all of `loads`, at least one. Raises `ProfileError`.

    Spread, reactive part and shared chance are those of the parts by their energy.
    """
    if len(loads) == 1:
        return loads[0]
    annual = sum(load.annual_kwh for load in loads)
    days: list[list[tuple[float, ...]]] = []
    for load in loads:
        if not isinstance(load.shape, HalfHours):
            raise ProfileError(f"{load.name} follows the sun and cannot be added to another load")
        shapes: tuple[tuple[float, ...], ...] = astuple(load.shape)
        mean = sum(part * sum(day) for part, day in zip(_MEAN_DAY, shapes, strict=True))
        days.append([tuple(load.annual_kwh * power / mean for power in day) for day in shapes])

    def by_energy(figure: str) -> float:
        parts: list[float] = [load.annual_kwh * getattr(load, figure) for load in loads]
        return sum(parts) / annual

    sums = [tuple(map(sum, zip(*of_loads, strict=True))) for of_loads in zip(*days, strict=True)]
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
    """Return the sources of all loads; of each kind of day where one load tells them apart."""
    days = SHAPES[_SHAPE]
    is_whole = all(days.keys().isdisjoint(load.sources) for load in loads)
    return {
        key: "; ".join(f"{load.name} {source_of(load.sources, key)}" for load in loads)
        for key in (*_FIGURES, *([_SHAPE] if is_whole else days))
    }
