"""What profiles are read into: plain numbers, each with the source that its file gives.

Knows what a profile means; nothing of files. Profiles are compared by identity, so that what is
kept per profile is found at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

HALF_HOURS = 48


class ProfileError(Exception):
    """A profile that cannot be used; the text names file, key and reason."""


def watt_hours(kwh: float) -> int:
    """Return an energy as meters count it."""
    return round(1000 * kwh)


def source_of(sources: Mapping[str, str], figure: str) -> str:
    """Return the source of a figure: its own, that of the table it is in, or an empty text."""
    return sources.get(figure) or sources.get(figure.partition(".")[0], "")


@dataclass(frozen=True, slots=True, eq=False)
class HalfHours:
    """Power in each half hour of the day, from 00:00 UTC, on four kinds of day; in any one unit.

    Between midwinter and midsummer the shapes are blended, so their sizes tell the season too.
    """

    winter_weekday: tuple[float, ...]
    winter_weekend: tuple[float, ...]
    summer_weekday: tuple[float, ...]
    summer_weekend: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sun:
    """Power that follows the height of the sun at a place, less what is used before it flows."""

    latitude: float
    """Degrees north."""
    longitude: float
    """Degrees east."""
    self_use: float
    """Sine of the sun's elevation above which there is any flow."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadProfile:
    """The energy that flows through one register in a year, and when."""

    name: str
    title: str
    annual_kwh: float
    """Energy in a mean year of a meter in the middle of the spread."""
    spread: float
    """Meters have from 1/spread to spread times the annual energy."""
    reactive: float
    """Reactive energy in varh against active energy in Wh."""
    shared: float
    """Part of the chance in a half hour that all half hours of its day have in common, 0 to 1."""
    shape: HalfHours | Sun
    sources: Mapping[str, str]
    """Of each figure, whether it is measured, published or assumed."""


@dataclass(frozen=True, slots=True, eq=False)
class MeterProfile:
    """A kind of meter: what it is, and which loads its registers see."""

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
    block_thresholds: tuple[int, ...]
    """Wh a year at which each next block starts; empty unless the tariff is of blocks."""
    wan: str
    """Name of the WAN profile that it is reached by, or a file."""
    primary: LoadProfile
    secondary: LoadProfile | None
    """The second element's, None on a meter with one element."""
    export: LoadProfile | None
    """None where nothing is exported."""
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class WanProfile:
    """The way between head end and meter. Latencies are texts as `esme --latency` takes them."""

    name: str
    title: str
    latency: str
    """How long a meter takes to reply once it is awake."""
    wake_sms: int
    """SMS that wake a sleeping meter; 0 where it is always awake."""
    wake_latency: str
    """How long waking takes."""
    awake_seconds: float
    """How long a meter stays awake after its last message."""
    loss: float
    """Probability that a message is lost, 0 to 1."""
    octets_per_second: int
    """0 where there is no limit."""
    sources: Mapping[str, str]
