"""What a profile may say: the keys of each kind, what each takes, and what is wrong with a table.

Knows values; nothing of files, and not whether what a profile refers to is there.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from esme_emulator.profiles.model import HALF_HOURS, watt_hours

MOST = 1e9
MOST_KWH = 48_000
"""A year, of a load in the largest meter of its spread.

Registers have 32 bits, and count Wh or varh from a day in 2013 at the earliest: with this they hold
until 2100, and so do balances of 32 bits with a sign, at the prices that there are.
"""
_MOST_BLOCK = 1_000_000
_LEAST_POWER = 1e-3
"""Of the highest power of a day, so that any day can be compared with it."""
_SOURCE = re.compile(r"(measured|published): \S.*|assumed(: \S.*)?")
_TIME = r"(\d{1,9}(?:\.\d{1,6})?)(ms|s)"
_LATENCY = re.compile(
    rf"none|{_TIME}|(?P<kind>uniform|normal|lognormal):{_TIME},{_TIME}|empirical:.*\S", re.ASCII
)

_SIZE = {"annual_kwh", "spread", "reactive"}
"""Keys of a load that say how much a register has to hold."""

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """What a key takes: the words for it, a test of its value, and whether a source is needed."""

    takes: str
    fits: Callable[[Any], bool]
    optional: bool = False
    is_figure: bool = True


def _number(least: float, most: float, takes: str) -> Key:
    return Key(takes, lambda value: _is_number(value) and least <= value <= most)


def _whole(least: int, most: float, takes: str) -> Key:
    return Key(takes, lambda value: type(value) is int and least <= value <= most)


def _one_of(*names: str) -> Key:
    fits = lambda value: isinstance(value, str) and value in names  # noqa: E731
    return Key(f"one of {', '.join(names)}", fits, is_figure=False)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_name(value: object) -> bool:
    return _is_text(value) and value != ""


def _are_names(value: object) -> bool:
    if isinstance(value, list):
        return value != [] and all(map(_is_name, value))
    return _is_name(value)


def _are_powers(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == HALF_HOURS
        and all(_is_number(power) and 0 <= power <= MOST for power in value)
        and max(value) >= _LEAST_POWER
    )


def _rise(value: object) -> bool:
    if not (isinstance(value, list) and 1 <= len(value) <= 3):
        return False
    if not all(_is_number(limit) and 0 < limit <= _MOST_BLOCK for limit in value):
        return False
    limits = list(map(watt_hours, value))
    return sorted(set(limits)) == limits and limits[0] > 0


def _is_latency(value: object) -> bool:
    match = _LATENCY.fullmatch(value) if isinstance(value, str) and _is_text(value) else None
    if match is None or match["kind"] is None:
        return match is not None
    _, _, _, *times = match.groups()
    low, high = (
        float(number) * (1 if unit == "s" else 0.001)
        for number, unit in zip(times[::2], times[1::2], strict=True)
    )
    return {"uniform": low < high, "normal": high > 0, "lognormal": 0 < low < high}[match["kind"]]


_TITLE = Key("a text in one line, without control characters", _is_text, is_figure=False)
_POWERS = Key(f"{HALF_HOURS} numbers from 0 to 1e9, one at least {_LEAST_POWER:g}", _are_powers)
_NAME = Key("the name of a profile", _is_name, is_figure=False)
_LATENCY_TEXT = Key(
    "none, a time such as 150ms or 2s, uniform:LOW,HIGH, normal:MEAN,SD, lognormal:MEDIAN,P99 "
    "or empirical:FILE, with LOW below HIGH, SD above 0 and MEDIAN above 0 and below P99",
    _is_latency,
)

SHAPES: Mapping[str, Mapping[str, Key]] = {
    "half_hours": {
        "half_hours.winter_weekday": _POWERS,
        "half_hours.winter_weekend": _POWERS,
        "half_hours.summer_weekday": _POWERS,
        "half_hours.summer_weekend": _POWERS,
    },
    "sun": {
        "sun.latitude": _number(49, 61, "degrees north from 49 to 61"),
        "sun.longitude": _number(-9, 2, "degrees east from -9 to 2"),
        "sun.self_use": _number(0, 0.5, "a number from 0 to 0.5"),
    },
}
"""The two ways to say when a load flows."""

KEYS: Mapping[str, Mapping[str, Key]] = {
    "load": {
        "title": _TITLE,
        "annual_kwh": _number(1e-3, MOST_KWH, f"a number from 0.001 to {MOST_KWH}"),
        "spread": _number(1, 100, "a number from 1 to 100"),
        "reactive": _number(0, 10, "a number from 0 to 10"),
        "shared": _number(0, 1, "a number from 0 to 1"),
    },
    "meter": {
        "title": _TITLE,
        "share": _whole(1, MOST, "a whole number from 1 to 1e9"),
        "generation": _one_of("SMETS1", "SMETS2"),
        "variant": _one_of("single", "twin", "polyphase"),
        "payment": _one_of("credit", "prepayment"),
        "tariff": _one_of("one-rate", "economy-7", "blocks"),
        "wan": _NAME,
        "import": Key("the name of a load, or a list of names", _are_names, is_figure=False),
        "secondary": replace(_NAME, optional=True),
        "export": replace(_NAME, optional=True),
        "block_thresholds_kwh": Key(
            f"1 to 3 numbers from 0.001 to {_MOST_BLOCK}, each at least 0.001 above the one before",
            _rise,
            optional=True,
        ),
    },
    "wan": {
        "title": _TITLE,
        "latency": _LATENCY_TEXT,
        "wake_sms": _whole(0, 100, "a whole number from 0 to 100"),
        "wake_latency": _LATENCY_TEXT,
        "awake_seconds": _number(0, MOST, "seconds from 0 to 1e9"),
        "loss": _number(0, 1, "a probability from 0 to 1"),
        "octets_per_second": _whole(0, MOST, "a whole number from 0 to 1e9"),
    },
}
"""The keys of each kind of profile; a load has those of one of `SHAPES` as well."""


def flat(table: Table) -> dict[str, Any]:
    """Return `table` with the keys of the tables of a shape dotted, as `sun.latitude`."""
    rows: dict[str, Any] = {}
    for name, value in table.items():
        if name in SHAPES and isinstance(value, dict):
            rows.update({f"{name}.{inner}": held for inner, held in value.items()})
        else:
            rows[name] = value
    return rows


def problems(kind: str, table: Table) -> Iterator[str]:
    """Yield each thing that is wrong with the table of a `kind` of profile, as `key: reason`."""
    keys = dict(KEYS[kind])
    if kind == "load":
        shapes = [name for name in SHAPES if name in table]
        if len(shapes) != 1:
            yield f"{' or '.join(SHAPES)}: give one of the two tables, and one only"
        for shape in shapes:
            keys |= SHAPES[shape] if isinstance(table[shape], dict) else {shape: _table_of(shape)}
    rows = flat(table)
    fitting: dict[str, Any] = {}
    for name in rows:
        if name not in keys and name not in ("profile", "sources"):
            yield f"{_named(name)}: unknown key; known are {', '.join([*keys, 'sources'])}"
    for name, key in keys.items():
        if name in rows:
            if key.fits(rows[name]):
                fitting[name] = rows[name]
            else:
                yield f"{name}: {_shown(rows[name])} does not fit; give {key.takes}"
        elif not key.optional:
            yield f"{name}: is missing; give {key.takes}"
    if kind == "load" and fitting.keys() >= _SIZE:
        yield from too_large(**{name: fitting[name] for name in _SIZE})
    if kind == "meter":
        yield from _contradictions(table)
    yield from _wrong_sources(keys, rows)


def too_large(annual_kwh: float, spread: float, reactive: float) -> Iterator[str]:
    """Yield what is wrong with a load that is more than registers can hold, if it is."""
    most = annual_kwh * spread * max(reactive, 1)
    if most > MOST_KWH:
        times = "times spread" if reactive <= 1 else "times spread and reactive"
        yield (
            f"annual_kwh: {times} is {most:,.0f}; give so much less that it is at most "
            f"{MOST_KWH:,}, or registers overflow before 2100"
        )


def _table_of(shape: str) -> Key:
    """Return the key of a whole table of `SHAPES`, for what stands in its place."""
    inner = ", ".join(name.partition(".")[2] for name in SHAPES[shape])
    return Key(f"a table of {inner}", lambda value: isinstance(value, dict))


def _contradictions(table: Table) -> Iterator[str]:
    if (table.get("variant") == "twin") != ("secondary" in table):
        yield "secondary: is for variant twin, which must have it"
    if (table.get("tariff") == "blocks") != ("block_thresholds_kwh" in table):
        yield "block_thresholds_kwh: is for tariff blocks, which must have it"


def _wrong_sources(keys: Mapping[str, Key], rows: Table) -> Iterator[str]:
    sources = rows.get("sources", {})
    if not isinstance(sources, dict):
        yield f"sources: {_shown(sources)} does not fit; give a table of a text for each figure"
        return
    figures = [name for name, key in keys.items() if key.is_figure and name in rows]
    for name, source in sources.items():
        if name not in {*figures, *(figure.partition(".")[0] for figure in figures)}:
            yield f"sources.{_named(name)}: there is no such figure"
        elif not (_is_text(source) and _SOURCE.fullmatch(source)):
            yield (
                f"sources.{name}: {_shown(source)} does not fit; give measured: HOW, "
                "published: DOCUMENT or assumed, in one line"
            )
    for name in figures:
        if name not in sources and name.partition(".")[0] not in sources:
            yield f"sources.{name}: is missing; say whether it is measured, published or assumed"


def _named(key: str) -> str:
    """Return a key that anybody may have written, for a line on a terminal."""
    return key if key.isprintable() else ascii(key)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
