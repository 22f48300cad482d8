"""The keys of profile files: a form for each kind of profile, and the checks between keys.

Knows the values of one file; does not check whether the profiles and files it names exist.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, Field

from esme_emulator.profiles.latency import FORMS as LATENCY_FORMS
from esme_emulator.profiles.latency import check_form
from esme_emulator.profiles.model import HALF_HOURS, watt_hours
from esme_emulator.runtime.config import (
    Mistake,
    Table,
    Takes,
    closest,
    keys_of,
    printable,
    shown,
    validate,
)

T = TypeVar("T", bound="ProfileForm")

# Registers have 32 bits, and count Wh or varh from a day in 2013 at the earliest. With this limit
# they do not overflow before 2100, nor do balances of 32 bits with a sign, at the shipped prices.
MOST_KWH = 48_000
"""Most energy in a year, in kWh, of a load in the largest meter of its spread."""

_MOST = 10**9
_MOST_BLOCK_KWH = 1_000_000

# Relative to days of less power than this, rounding errors would matter.
_LEAST_PEAK = 1e-3

_SOURCE = re.compile(r"(measured|published): \S.*|assumed(: \S.*)?")

_SIZE = ("annual_kwh", "spread", "reactive")
_SHAPES = ("half_hours", "sun")


def _require(is_valid: bool) -> None:
    if not is_valid:
        raise ValueError


def _line(text: str) -> str:
    _require(text.isprintable())
    return text


def _name(text: str) -> str:
    _require(text != "" and text.isprintable())
    return text


def _powers(values: list[int | float]) -> list[int | float]:
    _require(all(0 <= power <= _MOST for power in values) and max(values) >= _LEAST_PEAK)
    return values


def _thresholds(values: list[int | float]) -> list[int | float]:
    _require(all(0 < limit <= _MOST_BLOCK_KWH for limit in values))
    limits = [watt_hours(limit) for limit in values]
    _require(limits[0] > 0 and sorted(set(limits)) == limits)
    return values


_Number: TypeAlias = int | float
_Title = Annotated[
    str, AfterValidator(_line), Takes("text in one line, without control characters")
]
_Name = Annotated[str, AfterValidator(_name), Takes("the name of a profile")]
_Powers = Annotated[
    list[_Number],
    Field(min_length=HALF_HOURS, max_length=HALF_HOURS),
    AfterValidator(_powers),
    Takes(f"{HALF_HOURS} numbers from 0 to 1e9, at least one of them {_LEAST_PEAK:g} or more"),
]
_Latency = Annotated[str, AfterValidator(check_form), Takes(f"a latency; give {LATENCY_FORMS}")]


class HalfHoursTable(Table):
    """Table `half_hours` of a load."""

    winter_weekday: _Powers
    winter_weekend: _Powers
    summer_weekday: _Powers
    summer_weekend: _Powers


class SunTable(Table):
    """Table `sun` of a load."""

    latitude: Annotated[
        _Number, Field(ge=49, le=61), Takes("a latitude from 49 to 61 degrees north")
    ]
    longitude: Annotated[
        _Number, Field(ge=-9, le=2), Takes("a longitude from -9 to 2 degrees east")
    ]
    self_use: _Number = Field(ge=0, le=0.5)


class ProfileForm(Table):
    """Keys that every profile has."""

    kind: ClassVar[str]
    """Value of the key `profile`."""
    figures: ClassVar[tuple[str, ...]]
    """Keys that need a source."""

    profile: str
    title: _Title
    # checked by _wrong_sources, which knows the figures of the file
    sources: Annotated[dict[str, Any], Takes("a table of a text for each figure")] = Field({})

    @classmethod
    def contradictions(cls, table: Mapping[str, Any], wrong: Collection[str]) -> Iterator[Mistake]:
        """Yield mistakes between keys. The keys in `wrong` have mistakes of their own."""
        return iter(())


class LoadForm(ProfileForm):
    """Keys of a load."""

    kind = "load"
    figures = ("annual_kwh", "spread", "reactive", "shared", "chance", *_SHAPES)

    annual_kwh: _Number = Field(ge=1e-3, le=MOST_KWH)
    spread: _Number = Field(ge=1, le=100)
    reactive: _Number = Field(ge=0, le=10)
    shared: _Number = Field(ge=0, le=1)
    chance: _Number = Field(1, ge=0, le=1)
    half_hours: HalfHoursTable | None = None
    sun: SunTable | None = None

    @classmethod
    def contradictions(cls, table: Mapping[str, Any], wrong: Collection[str]) -> Iterator[Mistake]:
        """Yield a mistake unless there is one shape, and one if registers would overflow."""
        if len(table.keys() & _SHAPES) != 1:
            yield Mistake(" or ".join(_SHAPES), "give exactly one of these tables")
        if not any(key in wrong for key in _SIZE):
            yield from too_large(*(table[key] for key in _SIZE))


class MeterForm(ProfileForm):
    """Keys of a meter."""

    kind = "meter"
    figures = ("share", "block_thresholds_kwh")

    share: int = Field(ge=1, le=_MOST)
    generation: Literal["SMETS1", "SMETS2"]
    variant: Literal["single", "twin", "polyphase"]
    payment: Literal["credit", "prepayment"]
    tariff: Literal["one-rate", "economy-7", "blocks"]
    wan: _Name
    primary: Annotated[
        _Name | Annotated[list[_Name], Field(min_length=1)],
        Field(alias="import"),
        Takes("the name of a load, or a list of names"),
    ]
    secondary: _Name | None = None
    export: _Name | None = None
    block_thresholds_kwh: (
        Annotated[
            list[_Number],
            Field(min_length=1, max_length=3),
            AfterValidator(_thresholds),
            Takes(
                f"a list of 1 to 3 numbers from 0.001 to {_MOST_BLOCK_KWH:,}, each at least 0.001 "
                "above the one before"
            ),
        ]
        | None
    ) = None

    @classmethod
    def contradictions(cls, table: Mapping[str, Any], wrong: Collection[str]) -> Iterator[Mistake]:
        """Yield a key that is given without its variant or tariff, or is missing with it."""
        if (table.get("variant") == "twin") != ("secondary" in table):
            yield Mistake("secondary", "give it with variant twin, and only then")
        if (table.get("tariff") == "blocks") != ("block_thresholds_kwh" in table):
            yield Mistake("block_thresholds_kwh", "give it with tariff blocks, and only then")


class WanForm(ProfileForm):
    """Keys of a WAN."""

    kind = "wan"
    figures = (
        *("latency", "wake_sms", "wake_latency", "awake_seconds", "loss", "octets_per_second"),
    )

    latency: _Latency
    wake_sms: int = Field(ge=0, le=100)
    wake_latency: _Latency
    awake_seconds: Annotated[
        _Number, Field(ge=0, le=_MOST), Takes("seconds from 0 to 1,000,000,000")
    ]
    loss: Annotated[_Number, Field(ge=0, le=1), Takes("a probability from 0 to 1")]
    octets_per_second: int = Field(ge=0, le=_MOST)


FORMS: Mapping[str, type[ProfileForm]] = {one.kind: one for one in (LoadForm, MeterForm, WanForm)}
"""Forms by the value of the key `profile`."""


def read_form(form: type[T], table: Mapping[str, Any]) -> tuple[T | None, list[Mistake]]:
    """Return a table as a form, and all mistakes in it.

    The form is None if the type or the bounds of a value are wrong.
    """
    content, found = validate(form, table)
    wrong = {mistake.key for mistake in found}
    found += form.contradictions(table, wrong)
    if "sources" not in wrong:
        found += _wrong_sources(form, table)
    return content, found


def too_large(annual_kwh: float, spread: float, reactive: float) -> Iterator[Mistake]:
    """Yield a mistake if a load is larger than registers can hold."""
    most = annual_kwh * spread * max(reactive, 1)
    if most > MOST_KWH:
        times = "times spread" if reactive <= 1 else "times spread and reactive"
        yield Mistake(
            "annual_kwh",
            f"{times} is {most:,.0f}; reduce it to at most {MOST_KWH:,}, or registers overflow "
            "before 2100",
        )


def _wrong_sources(form: type[ProfileForm], table: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield mistakes in the sources. Each figure needs a source, or its table does."""
    sources = table.get("sources", {})
    figures = list(_figures_in(form, table))
    known = {*figures, *(figure.partition(".")[0] for figure in figures)}
    for name, source in sources.items():
        key = f"sources.{printable(name)}"
        if name not in known:
            hint = f"; {closest(name, sorted(known))}" if known else ""
            yield Mistake(key, f"there is no such figure{hint}")
        elif not (isinstance(source, str) and source.isprintable() and _SOURCE.fullmatch(source)):
            words = "measured: HOW, published: DOCUMENT or assumed, in one line"
            yield Mistake(key, f"{shown(source)} is not {words}")
    for name in figures:
        if name not in sources and name.partition(".")[0] not in sources:
            yield Mistake(
                f"sources.{name}", "is missing; say whether it is measured, published or assumed"
            )


def _figures_in(form: type[ProfileForm], table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures that a table has, as `sun.latitude` if they are in a table of their own."""
    shapes: dict[str, type[Table]] = {"half_hours": HalfHoursTable, "sun": SunTable}
    for name in form.figures:
        if name in shapes and isinstance(table.get(name), dict):
            yield from (f"{name}.{key}" for key in keys_of(shapes[name]) if key in table[name])
        elif name in table:
            yield name
