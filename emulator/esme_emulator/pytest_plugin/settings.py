"""What a test asks for: marker `esme`, and the options of the command line, checked.

Knows names and values, and starts nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any

from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.pytest_plugin.kinds import check_kinds

MEMORY, EMBEDDED = "memory", "embedded"
"""Brokers of a test's own: within its process, and MQTT on a port of the loopback interface."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a test runs; each field is a keyword of the marker."""

    meters: int = 10
    """How many meters the fleet has."""
    profiles: tuple[str, ...] | None = None
    """The kinds of meters, by name or `.toml` file; None for the mix of all that are shipped."""
    seed: str = "1"
    """Draws keys, meters and readings."""
    latency: str = "none"
    """How long a meter takes, in the words of `--latency`."""
    wan: str | None = None
    """The WAN profile between broker and meters, by name or `.toml` file."""
    strict: bool = False
    """Whether meters drop commands whose counter is not above those they took before."""
    retention: float = 25.0
    """Hours for which the cache keeps readings, 25 to 72."""
    cache: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of `esme_emulator.cache.policy.settings.CacheSettings`, such as `sub_window`."""
    broker: str = MEMORY
    """`memory`, `embedded`, or the URL of a broker."""
    now: str = "2026-01-15T12:00:00Z"
    """What the clock shows at first, in ISO 8601."""
    quiet: float | None = None
    """Seconds of real time without a message after which nothing is taken to be on its way.

    None is 0 in memory, where turns of the event loop are counted, and 1 over MQTT.
    """

    def __post_init__(self) -> None:
        """Raise `ValueError`, one line, for values that are none of these."""
        check_kinds(Settings, {one.name: getattr(self, one.name) for one in fields(Settings)})
        known = [one.name for one in fields(CacheSettings)]
        _check(self.cache, known, "cache of marker esme")
        check_kinds(CacheSettings, self.cache, "cache: ")

    @property
    def is_shared(self) -> bool:
        """Whether others may use the broker too."""
        return self.broker not in (MEMORY, EMBEDDED)

    @property
    def quiet_seconds(self) -> float:
        """`quiet`, or what it is by default."""
        if self.quiet is None:
            return 0.0 if self.broker == MEMORY else 1.0
        return self.quiet


def settings_of(
    markers: Iterable[tuple[tuple[Any, ...], Mapping[str, Any]]], **options: Any
) -> Settings:
    """Return the settings of a test from its markers, the closest first, and from `options`.

    Options of None are not given. Raises `ValueError`, one line, for what there is not.
    """
    known = [one.name for one in fields(Settings)]
    values = {name: value for name, value in options.items() if value is not None}
    for positional, named in reversed(list(markers)):
        if positional:
            raise ValueError(f"marker esme takes keywords alone: {', '.join(known)}")
        _check(named, known, "marker esme")
        values |= named
    profiles = values.get("profiles")
    if profiles is not None:
        values["profiles"] = (profiles,) if isinstance(profiles, str) else tuple(profiles)
    return replace(Settings(), **values)


def _check(names: Iterable[str], known: list[str], where: str) -> None:
    """Raise `ValueError`, one line, for the first of `names` that is not known there."""
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise ValueError(f"{where} has no {name}: {hint}")
