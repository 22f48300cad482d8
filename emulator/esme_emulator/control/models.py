"""JSON models of requests and answers of process, meters and faults.

Field names are stable. Times are ISO 8601 in UTC, energies Wh or varh.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

MAX_ADVANCE = 366 * 86_400
"""Maximum advance of a manual clock in one request, in seconds."""


class Model(BaseModel):
    """Immutable; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Model):
    """The reason why a request was refused."""

    error: str


class Health(Model):
    """Whether the parts of this process are connected."""

    up: bool
    broker: str
    connected: bool = Field(description="whether fleet and cache have all their connections")
    lost: list[str] = Field(description="lost connections, such as 'fleet: 1 of 1'")
    fleet: bool = Field(description="whether meters run in this process")
    cache: bool = Field(description="whether a cache runs in this process")


class ClockState(Model):
    """The clock of this process."""

    clock: str = Field(description="value of --clock that gives another process the same time")
    now: str
    unix: float = Field(description="the same as Unix time, in seconds")
    manual: bool = Field(description="whether the clock stands still until it is advanced")


class Advance(Model):
    """By how much to advance a manual clock."""

    seconds: Annotated[float, Field(gt=0, le=MAX_ADVANCE, allow_inf_nan=False, strict=True)]


class ProfileShare(Model):
    """A kind of meter and its share of the fleet."""

    profile: str
    title: str
    share: float = Field(description="0 to 1; the seed decides which meter is of which kind")


class WanState(Model):
    """The network between broker and meters, and its traffic."""

    profile: str = Field(
        description="name of the network; `profile` if each meter has that of its own profile"
    )
    commands: int
    replies: int
    octets_down: int = Field(description="octets of commands, including lost ones")
    octets_up: int = Field(description="octets of replies, including lost ones")
    radio_seconds: float = Field(description="transmission time of these octets, in seconds")
    wakes: int
    sms: int
    lost_commands: int
    lost_replies: int


class FleetState(Model):
    """The meters of this process."""

    meters: int
    first: str
    last: str
    seed: str
    profiles: list[ProfileShare]
    clock: str
    faults: list[str] = Field(description="names of the active rules")
    strict: bool = Field(description="whether meters refuse repeated originator counters")
    busy_seconds: float = Field(
        description="time that all meters together spent answering, in seconds"
    )
    wan: WanState | None = Field(description="null if there is no network")


class Count(Model):
    """A count by stage, SRV and outcome."""

    stage: str = Field(description="received, replied or unsent")
    srv: str
    outcome: str
    number: int


class MeterCount(Count):
    """A count of one meter."""

    device: str


class ExportedSeries(BaseModel):
    """The count of one stage, SRV and outcome: in total, and by EUI of each meter."""

    stage: str
    srv: str
    outcome: str
    total: int
    meters: dict[str, int]


class CountersState(Model):
    """Counts of the fleet since the start or the last reset."""

    device_hits: int = Field(
        description="commands that meters received, for the requested device, SRV and outcome"
    )
    totals: list[Count]
    meters: list[MeterCount] = Field(description="the same by meter, at most `limit` rows")
    left_off: bool = Field(description="whether there are more rows than `limit`")


class Registers(Model):
    """Registers of one element or direction, in Wh, or in varh for reactive energy."""

    total: int
    tou: list[int] | None = Field(
        description="by time-of-use register, from 1; null if there are none"
    )


class MeterState(Model):
    """The current state of one meter."""

    device: str
    profile: str
    title: str
    generation: str = Field(description="SMETS1 or SMETS2")
    variant: str = Field(description="single, twin or polyphase")
    payment: str = Field(description="credit or prepayment")
    tariff: str = Field(description="one-rate, economy-7 or blocks")
    installed: str
    tou_switching: list[int] = Field(
        description="time-of-use register, from 1, of each half hour of the day from 00:00 UTC"
    )
    now: str
    registers: dict[str, Registers]
    counters: list[Count]


class Rules(Model):
    """The active fault rules, in the order in which they were added."""

    rules: list[dict[str, Any]]
    fired: dict[str, int] = Field(description="how often each rule has fired since it was added")


class NewRule(Model):
    """An added rule."""

    rule: dict[str, Any]
    warnings: list[str] = Field(description="parts of the rule that can match nothing")


class Removed(Model):
    """The number of removed rules or entries."""

    removed: int


class Kinds(Model):
    """The kinds of faults and their parameters, with JSON Schemas."""

    kinds: list[dict[str, Any]]
    selectors: list[dict[str, Any]]


class FaultLog(Model):
    """The faults that fired, newest first."""

    total: int = Field(description="number since the start; the log keeps only the newest")
    fired: list[dict[str, Any]]
