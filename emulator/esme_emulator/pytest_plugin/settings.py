"""Settings of a test: the marker `esme` and the options of the command line, checked.

Knows names and values; starts nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from esme_emulator.cache.policy.settings import SETTINGS, CacheSettings
from esme_emulator.runtime.config import closest

START = "2026-01-15T12:00:00Z"
"""Time that the clock of a test shows at the start, unless it is the machine's."""

MEMORY = "memory"
_CLOCKS = "manual, system or scaled:FACTOR"

EMBEDDED = {"embedded": None, "embedded-3.1.1": "3.1.1"}
"""Brokers on a port of the loopback interface, with the MQTT version of each; None is the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a test. Each field is a keyword of the marker."""

    meters: int = 10
    """Number of meters in the fleet."""
    profiles: tuple[str, ...] | None = None
    """Meter profiles, by name or `.toml` file; None for the mix of all shipped profiles."""
    fleet: str | Mapping[str, Any] | None = None
    """Meters with their own data, in place of `meters` and `profiles`.

    A fleet file, or a table for each EUI with the keys of `[[meter]]`.
    """
    seed: str = "1"
    """Seed for keys, meters and readings."""
    latency: str = "none"
    """Time that a meter takes to reply, in the format of `--latency`."""
    wan: str | None = None
    """WAN profile between broker and meters, by name or `.toml` file."""
    strict: bool = False
    """Whether meters drop commands whose counter is not above all earlier ones."""
    retention: float = SETTINGS["retention_hours"].default
    """Hours for which the cache keeps readings, 25 to 72."""
    cache: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of `esme_emulator.cache.policy.settings.CacheSettings`, such as `sub_window`."""
    parties: str | None = None
    """File of parties, beside the emulated ones."""
    broker: str = MEMORY
    """`memory`, `embedded`, `embedded-3.1.1`, or the URL of a broker."""
    clock: str = "manual"
    """`manual` stands still until it is advanced; `system` and `scaled:FACTOR` run."""
    now: str | None = None
    """Time that the clock shows at the start, in ISO 8601. None is `START`.

    The clock `system` shows the time of the machine.
    """
    quiet: float | None = None
    """Seconds of real time without a message after which no message is in flight.

    None is 1 over MQTT, and 0 in memory, where iterations of the event loop are counted instead.
    """

    def __post_init__(self) -> None:
        """Raise `ValueError`, one line, for a value of the wrong type or an unknown cache field."""
        _check_types(Settings, {one.name: getattr(self, one.name) for one in fields(Settings)})
        # The marker has a keyword of its own for the retention.
        known = [name for name in SETTINGS if name != "retention_hours"]
        _check_names(self.cache, known, "cache of marker esme")
        _check_types(CacheSettings, self.cache, "cache: ")
        if "@" in self.clock or not re.fullmatch(r"system|manual|scaled:.+", self.clock):
            raise ValueError(f"clock {self.clock!r}: give {_CLOCKS}, and its start as now=")
        if self.clock == "system" and self.now is not None:
            raise ValueError('clock "system" shows the machine\'s time: use "scaled:1" with now=')

    @property
    def is_shared(self) -> bool:
        """Whether other tests or programs may use the broker too."""
        return self.broker != MEMORY and self.broker not in EMBEDDED

    @property
    def clock_text(self) -> str:
        """The clock and its start, as `parse_clock` reads them."""
        return self.clock if self.clock == "system" else f"{self.clock}@{self.now or START}"

    @property
    def quiet_seconds(self) -> float:
        """The value of `quiet`, or its default for the broker."""
        if self.quiet is None:
            return 0.0 if self.broker == MEMORY else 1.0
        return self.quiet


def settings_of(
    markers: Iterable[tuple[tuple[Any, ...], Mapping[str, Any]]], **options: Any
) -> Settings:
    """Return the settings of a test from its markers, closest first, and from `options`.

    A marker takes precedence over an option; an option that is None does not count. Raises
    `ValueError`, one line, for unknown keywords and wrong values.
    """
    known = [one.name for one in fields(Settings)]
    values = {name: value for name, value in options.items() if value is not None}
    for positional, named in reversed(list(markers)):
        if positional:
            raise ValueError(f"marker esme takes keywords only: {', '.join(known)}")
        _check_names(named, known, "marker esme")
        values |= named
    profiles = values.get("profiles")
    if profiles is not None:
        values["profiles"] = (profiles,) if isinstance(profiles, str) else tuple(profiles)
    return replace(Settings(), **values)


def differences(wanted: Settings, other: Settings) -> tuple[str, str]:
    """Return the keywords in which two settings differ, with the values of each; "" if in none."""
    names = [
        one.name
        for one in fields(Settings)
        if getattr(wanted, one.name) != getattr(other, one.name)
    ]
    first, second = (
        ", ".join(f"{name}={getattr(settings, name)!r}" for name in names)
        for settings in (wanted, other)
    )
    return first, second


def _check_names(names: Iterable[str], known: list[str], where: str) -> None:
    """Raise `ValueError`, one line, for the first name that is not known."""
    for name in names:
        if name not in known:
            raise ValueError(f"{where} has no {name}; {closest(name, known)}")


def _check_types(declared: type[Any], values: Mapping[str, Any], where: str = "") -> None:
    """Raise `ValueError`, one line, for the first value of another type than its field.

    `declared` is a dataclass; `where` precedes the name of the field.
    """
    hints = get_type_hints(declared)
    for name, value in values.items():
        hint = hints[name]
        if not _is_of(hint, value):
            wanted = hint.__name__ if isinstance(hint, type) else hint
            raise ValueError(f"{where}{name}: {value!r} is not of type {wanted}")


def _is_of(hint: Any, value: object) -> bool:
    """Return whether `value` has the type `hint`. An int is a float too; a bool is no number."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_is_of(one, value) for one in inner)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is_of(inner[0], one) for one in value)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, int | float if hint is float else origin or hint)
