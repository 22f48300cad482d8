"""Profiles as frozen dataclasses: plain numbers, each with the source that its file gives.

Knows the meaning of a profile; nothing about files. Profiles compare by identity, so that caches
keyed by profile are fast.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from esme_emulator.runtime.errors import NamedFileError

HALF_HOURS = 48


class ProfileError(NamedFileError):
    """A profile is missing or invalid; the text names file, key and reason."""


def watt_hours(kwh: float) -> int:
    """Return an energy in kWh as whole Wh, as meters count it."""
    return round(1000 * kwh)


def source_of(sources: Mapping[str, str], figure: str) -> str:
    """Return the source of a figure or of its table, or an empty text."""
    return sources.get(figure) or sources.get(figure.partition(".")[0], "")


@dataclass(frozen=True, slots=True, eq=False)
class HalfHours:
    """Power in each half hour from 00:00 UTC on four kinds of day, all in the same unit.

    Between midwinter and midsummer the shapes are blended, so their sizes give the season too.
    """

    winter_weekday: tuple[float, ...]
    winter_weekend: tuple[float, ...]
    summer_weekday: tuple[float, ...]
    summer_weekend: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sun:
    """Power that follows the elevation of the sun at a place, less the power used on site."""

    latitude: float
    """Latitude in degrees north."""
    longitude: float
    """Longitude in degrees east."""
    self_use: float
    """Sine of the sun's elevation above which power is exported."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadProfile:
    """The energy that one register counts in a year, and its distribution over time."""

    name: str
    title: str
    annual_kwh: float
    """Energy in kWh in a mean year of a meter in the middle of the spread."""
    spread: float
    """Annual energy of meters ranges from 1/spread to spread times `annual_kwh`."""
    reactive: float
    """Reactive energy in varh for each Wh of active energy."""
    shared: float
    """Part of the random variation that all half hours of a day share, 0 to 1."""
    shape: HalfHours | Sun
    chance: float
    """Part of the random variation that applies, 0 to 1; with 0 a flat load is flat."""
    sources: Mapping[str, str]
    """Source of each figure: measured, published or assumed."""


@dataclass(frozen=True, slots=True, eq=False)
class MeterProfile:
    """A kind of meter: its configuration, and the loads behind its registers."""

    name: str
    title: str
    share: int
    """Weight of this kind in a fleet, relative to the shares of the others."""
    generation: str
    """SMETS1 or SMETS2."""
    variant: str
    """single, twin or polyphase."""
    payment: str
    """credit or prepayment."""
    tariff: str
    """one-rate, economy-7 or blocks."""
    block_thresholds: tuple[int, ...]
    """Energy in Wh a year at which each further block starts; empty unless the tariff is blocks."""
    wan: str
    """Name or file of the profile of the WAN that connects it."""
    primary: LoadProfile
    secondary: LoadProfile | None
    """Load of the second element, or None for a meter with one element."""
    export: LoadProfile | None
    """Exported energy; None if it exports nothing."""
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class WanProfile:
    """The network between head end and meter. Latencies are texts of `profiles.latency`."""

    name: str
    title: str
    latency: str
    """Time that a meter takes to reply once it is awake."""
    wake_sms: int
    """Number of SMS that wake a sleeping meter; 0 if it is always awake."""
    wake_latency: str
    """Time that waking takes."""
    awake_seconds: float
    """Seconds that a meter stays awake after its last message."""
    loss: float
    """Probability that a message is lost, 0 to 1."""
    octets_per_second: int
    """Data rate; 0 for no limit."""
    sources: Mapping[str, str]
