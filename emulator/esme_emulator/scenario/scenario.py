"""A scenario as data: the fleet, the requests, the cache, and the thresholds of a proof.

Pure. Times within a scenario are seconds after its start. Every random draw follows from its seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from operator import eq, ge, le
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Len
from pydantic import Strict

from esme_emulator.cache.policy.settings import SETTINGS, CacheSettings, HoldDown
from esme_emulator.estate.parties import PARTIES, Party, PartyList, with_more
from esme_emulator.faults.selector import FaultRule
from gbcs import EUI
from gbcs.instants import DAY, HALF_HOUR
from gbcs.tables.roles import entitled
from gbcs.usecases.profile_read import Window

_LONGEST = 10 * 86400.0
"""Longest time in a scenario, in seconds: a proof covers days, not months."""

_HOUR = 2 * HALF_HOUR

_DEFAULTS = CacheSettings()

Positive = Annotated[float, Gt(0), Le(1e9)]
Seconds = Annotated[float, Gt(0), Le(_LONGEST)]
NotNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
Count = Annotated[int, Ge(0), Le(10_000_000)]
Texts = Annotated[tuple[str, ...], Strict(False)]
"""A list of a file, kept as a tuple."""


class Process(StrEnum):
    """The process by which requests arrive."""

    CONSTANT = "constant"
    POISSON = "poisson"
    RAMP = "ramp"
    """The rate grows evenly from 0 to twice the mean rate."""
    TRACE = "trace"
    """At the times in a CSV file, one request per line."""


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """The meters of a scenario."""

    meters: Annotated[int, Ge(1), Le(30_000_000)] = 0
    """Required, unless there is a `file`: its meters are those of the scenario."""
    file: str = ""
    """Fleet file, with meters that have own data; empty for none."""
    profiles: Texts = ()
    """Names of meter profiles; empty for the shipped mix."""
    wan: str = "none"
    latency: str = "none"
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ArrivalSettings:
    """The times of requests: `requests` of them within `seconds` from the start."""

    process: Annotated[Process, Strict(False)]
    seconds: Seconds
    requests: Annotated[int, Ge(1), Le(1_000_000_000)] = 0
    """Required, unless `process = "trace"`: a trace has one request per line."""
    trace: str = ""
    """File name of the trace, relative to the scenario file."""


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One request of a trace: its time and, optionally, its meter and its kind."""

    seconds: float
    meter: int | None = None
    kind: int | None = None
    """Index into the mix."""
    window: Window | None = None
    """The window to read; None for the one that the mix gives."""


@dataclass(frozen=True, slots=True)
class Mix:
    """One kind of request: its share of all requests, its party and its reading."""

    share: Positive
    party: str
    """Name of a party of the scenario's own, or of an emulated one: import-supplier,
    export-supplier, distributor, other-user, or new-supplier, which takes over at a change of
    supplier."""
    srv: str
    days: Annotated[float, Gt(0), Le(397)] = 1.0
    """Length of the window, in days."""
    ends: Literal["midnight", "hour", "now"] = "midnight"
    """End of the window: the last `midnight`, the last full `hour`, or the end of the current half
    hour (`now`), which is not over yet."""
    back: Annotated[float, Ge(0), Le(397)] = 0.0
    """Days by which the window ends earlier, such as 1 for the day before yesterday."""
    repeats: Annotated[int, Ge(0), Le(100)] = 0
    """Times that the party requests the same window again, every `again` seconds."""
    again: Seconds = 600.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a party waits for a reply, and how often it sends a command. TOML: `patience`."""

    timeout: Seconds = 60.0
    """Timeout of one attempt, in seconds."""
    attempts: Annotated[int, Ge(1), Le(10)] = 1
    """Times to send the same command, the first included."""


@dataclass(frozen=True, slots=True)
class Caching:
    """The cache of a scenario; names are those of `esme_emulator.cache.policy.settings`."""

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
    srvs: Texts = tuple(_DEFAULTS.srvs)

    def settings(self, timeout: float, seed: str) -> CacheSettings:
        """Return the cache settings; `timeout` is the cache's timeout for a meter, in seconds."""
        hold_down = None
        if self.hold_down_failures:
            hold_down = HoldDown(self.hold_down_failures, self.hold_down_seconds)
        given = {name: getattr(self, name) for name in SETTINGS if hasattr(self, name)}
        return CacheSettings(**given, reply_timeout=timeout, seed=seed, hold_down=hold_down)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of supplier or tenancy for a fraction of the meters, `at` seconds after start."""

    kind: Literal["supplier", "tenancy"]
    at: NotNegative
    fraction: Fraction
    old: str = "import-supplier"
    """Name of the supplier that loses the meters."""
    new: str = "new-supplier"
    """Name of the supplier that gets them."""

    def gives_to(self, party: str) -> bool:
        """Return whether `party` gets meters."""
        return self.kind == "supplier" and self.new == party and self.fraction > 0


class Comparison(StrEnum):
    """The comparison of a figure with its limit."""

    AT_LEAST = ">="
    AT_MOST = "<="
    EQUAL = "=="

    def holds(self, value: float, limit: float) -> bool:
        """Return whether `value` compares so with `limit`."""
        return bool(_OPERATORS[self](value, limit))


_OPERATORS = {Comparison.AT_LEAST: ge, Comparison.AT_MOST: le, Comparison.EQUAL: eq}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A condition that a figure of the result must meet for the proof to pass."""

    figure: str
    """One of `esme_emulator.scenario.thresholds.FIGURES`."""
    comparison: Comparison
    limit: float


@dataclass(frozen=True, slots=True)
class Costs:
    """The cost of using a meter; every figure is an assumption that a scenario may replace."""

    sms_pounds: NotNegative = 0.025
    """Price of a wake-up SMS over allowance, in pounds. Source: SEC MP312."""
    sms_per_wake: Count | None = None
    """SMS per wake-up; None for the number that the meter's WAN profile gives."""
    radio_seconds_per_message: NotNegative = 0.5
    """Radio time per message of a device, in seconds, besides that of its octets. Assumed."""
    octets_per_radio_second: Positive = 12_500.0
    """Assumed: 100 kbit/s."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """The workload, fleet and cache to run, and the thresholds that the result must meet."""

    name: str
    title: str
    seed: str
    start: int
    """Seconds since 2000-01-01T00:00:00Z."""
    fleet: FleetSettings
    arrivals: ArrivalSettings
    mix: Annotated[tuple[Mix, ...], Len(1)]
    retry: RetryPolicy = RetryPolicy()
    cache: Caching = Caching()
    faults: tuple[FaultRule, ...] = ()
    changes: tuple[Change, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    costs: Costs = Costs()
    parties: PartyList = field(default_factory=PartyList)
    """Parties of its own, with their keys."""
    shares: Mapping[EUI, float] = field(default_factory=dict)
    """Fractions of the meters that these parties are registered for, drawn by seed."""
    key_files: tuple[str, ...] = ()
    """Names of the key files of these parties."""
    text: str = field(default="", repr=False)
    """Text of the scenario file, so that a report can reproduce it."""
    trace: tuple[TraceLine, ...] = field(default=(), repr=False)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    """SHA-256 of the files that the scenario names, by path relative to the scenario file."""

    @property
    def known_parties(self) -> tuple[Party, ...]:
        """The emulated parties, and its own."""
        return with_more(PARTIES, self.parties.parties)


def asked_by(party: Party, scenario: Scenario) -> tuple[Scenario, list[str]]:
    """Return the scenario with all requests made by `party`, and a line for each SRV left out.

    Kinds of requests that none of its roles may send are left out. Raises `ValueError` if no kind
    is left, or a trace names one of them.
    """
    mix = [kind for kind in scenario.mix if party.roles & entitled(kind.srv)]
    others = dict.fromkeys(kind.srv for kind in scenario.mix if kind not in mix)
    roles = ", ".join(sorted(party.roles))
    lines = [f"party {party.name} may not send SRV {srv}: its roles are {roles}" for srv in others]
    if lines and (not mix or scenario.trace):
        raise ValueError("; ".join(lines))
    asked = tuple(replace(kind, party=party.name) for kind in mix)
    return replace(scenario, mix=asked), [f"{line}; left out of the mix" for line in lines]


def window_of(kind: Mix, now: int) -> Window:
    """Return the window of a request of `kind` at `now`, in seconds since 2000."""
    period = DAY if kind.ends == "midnight" else _HOUR if kind.ends == "hour" else HALF_HOUR
    end = now // period * period + (HALF_HOUR if kind.ends == "now" else 0)
    end -= int(kind.back * DAY)
    return Window(end - int(kind.days * DAY), end)
