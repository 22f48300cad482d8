"""Reading profiles: every mistake in one is a `ProfileError` that names file and key."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

HALF_HOURS = 48


class ProfileError(Exception):
    """A profile that cannot be used; the text names file, key and reason."""


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """The energy that flows through one register in a year, and when."""

    name: str
    title: str
    annual_kwh: float
    spread: float
    """Meters have from 1/spread to spread times the annual energy."""
    half_hours: tuple[float, ...]
    """Share of each half hour of the day, from 00:00 UTC, in any unit."""
    winter: float
    """A midwinter day against the mean day, 0.3 to 1.7; midsummer mirrors it."""


@dataclass(frozen=True, slots=True)
class MeterProfile:
    """A kind of meter: which loads its registers see."""

    name: str
    title: str
    share: int
    """Its part of a fleet, against the shares of the others."""
    primary: LoadProfile
    secondary: LoadProfile | None
    """The second element's, None on a single element meter."""
    export: LoadProfile


@cache
def load_profile(name: str) -> LoadProfile:
    """Return the load profile of that name. Raises `ProfileError`."""
    file, table = _read("loads", name)
    table = _keys(
        file, table, title=str, annual_kwh=float, spread=float, half_hours=list, winter=float
    )
    shares = table["half_hours"]
    if len(shares) != HALF_HOURS or not all(_is_number(s) and s >= 0 for s in shares):
        raise ProfileError(f"{file}: half_hours: give {HALF_HOURS} numbers of 0 or more")
    if sum(shares) <= 0:
        raise ProfileError(f"{file}: half_hours: at least one must be more than 0")
    if not 0.3 <= table["winter"] <= 1.7:
        raise ProfileError(f"{file}: winter: {table['winter']} is not from 0.3 to 1.7")
    if table["spread"] < 1 or table["annual_kwh"] <= 0:
        raise ProfileError(f"{file}: spread must be 1 or more and annual_kwh more than 0")
    return LoadProfile(name, **{**table, "half_hours": tuple(map(float, shares))})


@cache
def meter_profiles() -> tuple[MeterProfile, ...]:
    """Return every meter profile, by name. Raises `ProfileError`."""
    names = sorted(
        entry.name.removesuffix(".toml")
        for entry in (files(__package__) / "meters").iterdir()
        if entry.name.endswith(".toml")
    )
    return tuple(_meter_profile(name) for name in names)


def _meter_profile(name: str) -> MeterProfile:
    file, table = _read("meters", name)
    secondary = table.pop("secondary", None)
    table = _keys(file, table, title=str, share=int, **{"import": str, "export": str})
    return MeterProfile(
        name,
        table["title"],
        table["share"],
        load_profile(table["import"]),
        None if secondary is None else load_profile(secondary),
        load_profile(table["export"]),
    )


def _read(kind: str, name: str) -> tuple[str, dict[str, Any]]:
    folder: Traversable = files(__package__) / kind
    file = f"{kind}/{name}.toml"
    try:
        return file, tomllib.loads((folder / f"{name}.toml").read_text("utf-8"))
    except OSError:
        raise ProfileError(f"{file}: there is no such profile") from None
    except ValueError as error:
        raise ProfileError(f"{file}: {error}") from None


def _keys(file: str, table: dict[str, Any], **types: type) -> dict[str, Any]:
    for key in table.keys() - types.keys():
        raise ProfileError(f"{file}: {key}: unknown key; known are {', '.join(types)}")
    for key, kind in types.items():
        if key not in table:
            raise ProfileError(f"{file}: {key}: is missing")
        fits = _is_number(table[key]) if kind is float else isinstance(table[key], kind)
        if not fits:
            raise ProfileError(f"{file}: {key}: give a {kind.__name__}")
    return table


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
