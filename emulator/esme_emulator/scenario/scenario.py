"""Scenarios: what is run to prove a cache, as data.

Pure. Times within a scenario are seconds after its start; everything random in it follows from its
seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Len

from esme_emulator.cache.policy.settings import SETTINGS, CacheSettings, HoldDown
from esme_emulator.faults.selector import FaultRule

_LONGEST = 10 * 86400.0
"""Seconds: no scenario is about more than days."""

_DEFAULTS = CacheSettings()

Positive = Annotated[float, Gt(0), Le(1e9)]
Seconds = Annotated[float, Gt(0), Le(_LONGEST)]
NotNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
Count = Annotated[int, Ge(0), Le(10_000_000)]


class Process(StrEnum):
    """How requests arrive."""

    CONSTANT = "constant"
    POISSON = "poisson"
    RAMP = "ramp"
    """From no requests a second to twice the mean rate, evenly."""
    TRACE = "trace"
    """At the times of a file, one request a line."""


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """The meters of a scenario."""

    meters: Annotated[int, Ge(1), Le(30_000_000)]
    profiles: tuple[str, ...] = ()
    """Names of meter profiles; none stands for the shipped mix."""
    wan: str = "none"
    latency: str = "none"
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When requests arrive: `requests` of them within `seconds` from the start."""

    process: Process
    seconds: Seconds
    requests: Annotated[int, Ge(1), Le(10_000_000)] = 0
    """Needed, save of a trace, whose lines they are."""
    trace: str = ""
    """Name of the trace's file, beside that of the scenario."""


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One request of a trace: its time and, where the trace says so, its meter and its kind."""

    seconds: float
    meter: int | None = None
    kind: int | None = None
    """Place in the mix."""


@dataclass(frozen=True, slots=True)
class Mix:
    """One kind of request: its share among the others, who makes it and what it asks for."""

    share: Positive
    party: str
    """Name of an emulated party: import-supplier, export-supplier, distributor, other-user, or
    new-supplier, who takes over where there is a change of supplier."""
    srv: str
    days: Annotated[float, Gt(0), Le(397)] = 1.0
    """Length of the window."""
    ends: Literal["midnight", "hour", "now"] = "midnight"
    """Where the window ends: `midnight` before the request, `now` (not over yet), or `hour`."""
    repeats: Annotated[int, Ge(0), Le(100)] = 0
    """How often the same party asks for the same window again, every `again` seconds."""
    again: Seconds = 600.0


@dataclass(frozen=True, slots=True)
class Patience:
    """What parties do about replies that do not come."""

    timeout: Seconds = 60.0
    """Seconds to wait for a reply."""
    attempts: Annotated[int, Ge(1), Le(10)] = 1
    """How often to send the same command in all."""


@dataclass(frozen=True, slots=True)
class Caching:
    """The cache of a scenario; the names are those of `esme_emulator.cache.policy.settings`."""

    retention_hours: Annotated[float, SETTINGS["retention_hours"].interval] = (
        _DEFAULTS.retention_hours
    )
    literal: bool = False
    collapse: bool = True
    sub_window: bool = False
    shadow: Annotated[float, SETTINGS["shadow"].interval] = _DEFAULTS.shadow
    retries: Annotated[int, SETTINGS["retries"].interval] = _DEFAULTS.retries
    device_limit: Annotated[int, SETTINGS["device_limit"].interval] = _DEFAULTS.device_limit
    device_queue: Annotated[int, SETTINGS["device_queue"].interval] = _DEFAULTS.device_queue
    hold_down_failures: Count = 0
    hold_down_seconds: NotNegative = 0.0
    srvs: tuple[str, ...] = tuple(_DEFAULTS.srvs)

    def settings(self, timeout: float, seed: str) -> CacheSettings:
        """Return the settings; `timeout` is the seconds that the cache waits for a meter."""
        hold_down = None
        if self.hold_down_failures:
            hold_down = HoldDown(self.hold_down_failures, self.hold_down_seconds)
        given = {name: getattr(self, name) for name in SETTINGS if hasattr(self, name)}
        return CacheSettings(**given, reply_timeout=timeout, seed=seed, hold_down=hold_down)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of supplier or of tenancy for a fraction of the meters, `at` seconds on."""

    kind: Literal["supplier", "tenancy"]
    at: NotNegative
    fraction: Fraction


class Comparison(StrEnum):
    """How a figure stands to its limit."""

    AT_LEAST = ">="
    AT_MOST = "<="
    EQUAL = "=="


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a figure of the result must be for the proof to pass."""

    figure: str
    """Name of a number in the result, such as avoided_ratio."""
    comparison: Comparison
    limit: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What one use of a meter costs; every figure is an assumption that a scenario may replace."""

    sms_pounds: NotNegative = 0.025
    """A wake-up SMS over allowance. Source: SEC MP312."""
    sms_per_wake: Count | None = None
    """SMS that wake a meter; None for as many as its WAN has it."""
    radio_seconds_per_message: NotNegative = 0.5
    """Assumed: radio time of one message of a device, beside that of its octets."""
    octets_per_radio_second: Positive = 12_500.0
    """Assumed: 100 kbit/s."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is run, and what must come of it."""

    name: str
    title: str
    seed: str
    start: int
    """Seconds since 2000-01-01T00:00:00Z."""
    fleet: FleetSettings
    arrivals: Arrivals
    mix: Annotated[tuple[Mix, ...], Len(1)]
    patience: Patience = Patience()
    cache: Caching = Caching()
    faults: tuple[FaultRule, ...] = ()
    changes: tuple[Change, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    costs: Costs = Costs()
    text: str = field(default="", repr=False)
    """The file, to reproduce it."""
    trace: tuple[TraceLine, ...] = field(default=(), repr=False)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    """SHA-256 of the files that it names, by their paths from its own."""
