"""Reading profiles: every mistake in one is a `ProfileError` that names file and key."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from math import inf, isfinite
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
    generation: str
    """SMETS1 or SMETS2."""
    variant: str
    """single, twin or polyphase."""
    payment: str
    """credit or prepayment."""
    tariff: str
    """one-rate, economy-7 or blocks."""
    wan: str
    """Name of the WAN profile it is reached by."""
    primary: LoadProfile
    secondary: LoadProfile | None
    """The second element's, None on a meter with one element."""
    export: LoadProfile | None


@dataclass(frozen=True, slots=True)
class _Key:
    """What a key of a profile takes: a test of its value, and the words for it."""

    takes: str
    fits: Callable[[Any], bool]
    optional: bool = False


_TITLE = _Key("a text", lambda value: isinstance(value, str))
_LOAD_NAME = _Key("the name of a load", lambda value: isinstance(value, str) and value != "")
_LOAD_KEYS = {
    "title": _TITLE,
    "annual_kwh": _Key("a number more than 0", lambda value: _is_number(value) and value > 0),
    "spread": _Key("a number of 1 or more", lambda value: _is_number(value) and value >= 1),
    "half_hours": _Key(
        f"{HALF_HOURS} numbers of 0 or more, not all of them 0", lambda value: _are_shares(value)
    ),
    "winter": _Key("a number from 0.3 to 1.7", lambda value: _is_number(value, 0.3, 1.7)),
}
_METER_KEYS = {
    "title": _TITLE,
    "share": _Key("a whole number more than 0", lambda value: type(value) is int and value > 0),
    "import": _LOAD_NAME,
    "secondary": replace(_LOAD_NAME, optional=True),
    "export": _LOAD_NAME,
}


@cache
def load_profile(name: str) -> LoadProfile:
    """Return the load profile of that name. Raises `ProfileError`."""
    _, table = _read("loads", name, _LOAD_KEYS)
    shares = tuple(map(float, table["half_hours"]))
    return LoadProfile(name, **{**table, "half_hours": shares})


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
    file, table = _read("meters", name, _METER_KEYS)
    loads = {}
    for key in ("import", "secondary", "export"):
        try:
            loads[key] = load_profile(table[key]) if key in table else None
        except ProfileError as error:
            raise ProfileError(f"{file}: {key}: {error}") from None
    primary, secondary, export = loads.values()
    if primary is None or export is None:
        raise ProfileError(f"{file}: import and export are needed")
    variant = "twin" if secondary else "single"
    tariff = "economy-7" if secondary else "one-rate"
    return MeterProfile(
        name,
        table["title"],
        table["share"],
        "SMETS2",
        variant,
        "credit",
        tariff,
        "smets2-cellular",
        primary,
        secondary,
        export,
    )


def _read(kind: str, name: str, keys: Mapping[str, _Key]) -> tuple[str, dict[str, Any]]:
    """Return the name of a file and its table, of which every value fits its key."""
    file = f"{kind}/{name}.toml"
    try:
        table = tomllib.loads((files(__package__) / kind / f"{name}.toml").read_text("utf-8"))
    except OSError:
        raise ProfileError(f"{file}: there is no such profile") from None
    except ValueError as error:
        raise ProfileError(f"{file}: {error}") from None
    for name in table.keys() - keys.keys():
        raise ProfileError(f"{file}: {name}: unknown key; known are {', '.join(keys)}")
    for name, key in keys.items():
        if name not in table:
            if not key.optional:
                raise ProfileError(f"{file}: {name}: is missing; give {key.takes}")
        elif not key.fits(table[name]):
            raise ProfileError(f"{file}: {name}: {table[name]!r} does not fit; give {key.takes}")
    return file, table


def _are_shares(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == HALF_HOURS
        and all(_is_number(share, 0) for share in value)
        and sum(value) > 0
    )


def _is_number(value: object, least: float = -inf, most: float = inf) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and isfinite(value) and least <= value <= most  # type: ignore[arg-type, operator]
