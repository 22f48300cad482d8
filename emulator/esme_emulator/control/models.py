"""What the control interface says and takes, as JSON: the models of its OpenAPI description.

Names of fields are stable. Times are ISO 8601 in UTC, energies Wh or varh.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

MAX_ADVANCE = 366 * 86_400
"""Seconds that a manual clock is advanced by in one request, at most."""


class Model(BaseModel):
    """Immutable, and without fields that are not named."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Model):
    """Why a request was refused."""

    error: str


class Health(Model):
    """Whether what should run does."""

    up: bool
    broker: str
    connected: bool = Field(description="whether all connections of fleet and cache are there")
    lost: list[str] = Field(description="connections that are not, such as 'fleet: 1 of 1'")
    fleet: bool = Field(description="whether meters run in this process")
    cache: bool = Field(description="whether a cache runs in this process")


class ClockState(Model):
    """The clock of this process."""

    clock: str = Field(description="text for --clock that shows the same time in another process")
    now: str
    unix: float = Field(description="the same as Unix time, in seconds")
    manual: bool = Field(description="whether it stands still until it is advanced")


class Advance(Model):
    """How far a manual clock is to move on."""

    seconds: Annotated[float, Field(gt=0, le=MAX_ADVANCE, allow_inf_nan=False, strict=True)]


class ProfileShare(Model):
    """A kind of meter, and its part of the fleet."""

    profile: str
    title: str
    share: float = Field(description="0 to 1; which meter is of which kind is drawn from the seed")


class WanState(Model):
    """The WAN between broker and meters, and what it carried for all of them."""

    profile: str = Field(description="one for all, or `profile`: that of each meter's own")
    commands: int
    replies: int
    octets_down: int = Field(description="of commands, lost ones too")
    octets_up: int = Field(description="of replies, lost ones too")
    radio_seconds: float = Field(description="time that these octets took")
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
    faults: list[str] = Field(description="names of the rules in force")
    strict: bool = Field(description="whether a command is taken once, by its counter")
    busy_seconds: float = Field(description="for how long meters were busy answering, together")
    wan: WanState | None = Field(description="null where there is none")


class Count(Model):
    """How often something was counted."""

    stage: str = Field(description="received or replied")
    srv: str
    outcome: str
    number: int


class MeterCount(Count):
    """How often it was counted of one meter."""

    device: str


class ExportedSeries(BaseModel):
    """What was counted of one stage, SRV and outcome: in all, and by the EUI of each meter."""

    stage: str
    srv: str
    outcome: str
    total: int
    meters: dict[str, int]


class CountersState(Model):
    """What the fleet counted since the start or the last reset."""

    device_hits: int = Field(
        description="commands that meters received, of the device, SRV and outcome asked for"
    )
    totals: list[Count]
    meters: list[MeterCount] = Field(description="the same by meter, at most `limit`")
    left_off: bool = Field(description="whether there are more than `limit`")


class Registers(Model):
    """What one element's or direction's registers show, in Wh, or varh where reactive."""

    total: int
    tou: list[int] | None = Field(description="by TOU register, from 1; null where there are none")


class MeterState(Model):
    """One meter as it is now."""

    device: str
    profile: str
    title: str
    generation: str = Field(description="SMETS1 or SMETS2")
    variant: str = Field(description="single, twin or polyphase")
    payment: str = Field(description="credit or prepayment")
    tariff: str = Field(description="one-rate, economy-7 or blocks")
    installed: str
    tou_switching: list[int] = Field(
        description="TOU register, from 1, of each half hour of the day from 00:00 UTC"
    )
    now: str
    registers: dict[str, Registers]
    counters: list[Count]


class Rules(Model):
    """The fault rules in force, in the order in which they were added."""

    rules: list[dict[str, Any]]
    fired: dict[str, int] = Field(description="how often each has fired since it was added")


class NewRule(Model):
    """A rule as it was added."""

    rule: dict[str, Any]
    warnings: list[str] = Field(description="what of it can match nothing")


class Removed(Model):
    """How many rules or entries were removed."""

    removed: int


class Kinds(Model):
    """The kinds of faults and what each takes, with JSON Schemas."""

    kinds: list[dict[str, Any]]
    selectors: list[dict[str, Any]]


class FaultLog(Model):
    """The faults that fired, newest first."""

    total: int = Field(description="since the start, of which the log keeps the newest")
    fired: list[dict[str, Any]]
