"""JSON models of requests and answers of the control interface.

Field names are stable. Times and days are ISO 8601 in UTC, energies Wh or varh. No model of the
cache has readings.
"""

import re
from datetime import date
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from esme_emulator.cache.policy.settings import SETTINGS, CacheSettings
from esme_emulator.profiles.fleet_file import State
from gbcs.tables.roles import Role

MAX_ADVANCE = 366 * 86_400
"""Maximum advance of a manual clock in one request, in seconds."""


class Model(BaseModel):
    """Immutable; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _day(value: object) -> date:
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError(f"{value!r:.40} is not a day: write it as 2026-01-31")


Day = Annotated[date, BeforeValidator(_day)]
Text = Annotated[str, Field(max_length=64)]


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


class DuisCounts(Model):
    """The front door for DUIS: what it received, and what waits in its outbox."""

    requests: dict[str, int] = Field(
        description="requests by service and outcome, such as 'serviceS I99'; outcomes without a "
        "response code got HTTP 400 or 503"
    )
    responses: dict[str, int] = Field(description="responses put into the outbox, by their codes")
    deliveries: dict[str, int] = Field(description="attempts to deliver responses, by outcome")
    refusals: dict[str, int] = Field(description="responses that users refused, by HTTP status")
    jobs: int = Field(description="acknowledged requests without a response yet")
    waiting: int = Field(description="responses that were not delivered yet")
    schedules: int = Field(description="schedules that were created")


class ClockState(Model):
    """The clock of this process."""

    clock: str = Field(description="value of --clock that gives another process the same time")
    now: str
    unix: float = Field(description="the same as Unix time, in seconds")
    manual: bool = Field(description="whether the clock stands still until it is advanced")
    factor: float = Field(description="how many seconds of this clock pass in a real second")


class Advance(Model):
    """By how much, or to which time, to advance a manual clock: give one of the three."""

    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)] | None = None
    hours: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)] | None = None
    at: Text | None = Field(
        default=None, description="a time in ISO 8601; without a zone it is UTC"
    )


class Pace(Model):
    """The pace of a scaled clock."""

    factor: Annotated[float, Field(allow_inf_nan=False, strict=True)] = Field(
        description="how many seconds of the clock pass in a real second"
    )


class NewNetwork(Model):
    """New latency and WAN; a key that is left out keeps its value."""

    latency: Annotated[str, Field(max_length=200)] | None = Field(
        default=None, description="time in which a meter answers, as for --latency"
    )
    wan: Text | None = Field(
        default=None, description="a network as for --wan, `profile` for that of each meter, `none`"
    )


class Network(Model):
    """How long meters take to answer, and the network before them."""

    latency: str
    wan: str


class Cut(Model):
    """For how long to cut the connections of the fleet."""

    seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False, strict=True)] = Field(
        default=0.0, description="real seconds in which the fleet makes no other connection"
    )


class CutState(Model):
    """The connections that were cut."""

    cut: int


class ResetState(Model):
    """The parts that were reset."""

    faults: int = Field(description="rules that now hold: those of the start")
    entries: int = Field(description="entries of the cache that were dropped")
    requests: int = Field(description="requests that were in the journal")


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
    latency: str = Field(description="time in which a meter answers, as for --latency")
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


class MeterQuery(Model):
    """Selects meters; without any parameter, all."""

    profile: Text | None = None
    state: State | None = None
    after: Text | None = Field(default=None, description="`next` of the page before")
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100


class FoundMeter(Model):
    """A meter of the fleet."""

    device: str
    profile: str
    generation: str = Field(description="SMETS1 or SMETS2")
    payment: str = Field(description="credit or prepayment")
    state: State


class FoundMeters(Model):
    """A page of the meters of the fleet."""

    meters: list[FoundMeter]
    next: str | None = Field(description="`after` of the next page; null at the end")


class NewState(Model):
    """The new state of a meter."""

    state: State


class MeterState(FoundMeter):
    """One meter and its current registers."""

    title: str
    variant: str = Field(description="single, twin or polyphase")
    own: list[str] = Field(description="keys of its own data, as in a fleet file")
    tariff: str = Field(description="one-rate, economy-7 or blocks")
    installed: str
    tou_switching: list[int] = Field(
        description="time-of-use register, from 1, of each half hour of the day from 00:00 UTC"
    )
    now: str
    registers: dict[str, Registers]
    counters: list[Count]


class HalfHours(Model):
    """Energies of the half hours of a day, from 00:00 UTC, in Wh; without those to come."""

    day: date
    active_import: list[int]
    active_export: list[int]


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


MAX_ROWS = 10_000
"""Maximum number of rows of an answer."""

EUI_TEXT = "EUI-64 as 16 hexadecimal digits"
Limit = Annotated[int, Field(ge=0, le=MAX_ROWS)]


class CacheCount(Model):
    """The number of requests for one SRV with one decision."""

    srv: str
    decision: Literal["hits", "collapsed", "forwarded", "refused", "failed"]
    number: int


class PartyCount(CacheCount):
    """The same for one party; null stands for all parties that are not in the registry."""

    party: str | None


class HoldDownState(Model):
    """The cooldown: after `failures` in a row, requests to a meter are rejected for `seconds`."""

    failures: int
    seconds: float


_KINDS = get_type_hints(CacheSettings)
_KINDS |= {"srvs": list[str], "hold_down": HoldDownState | None}

SettingsState = create_model(  # type: ignore[call-overload]
    "SettingsState",
    __base__=Model,
    __doc__="The settings of the cache.",
    **{name: (_KINDS[name], Field(description=setting.help)) for name, setting in SETTINGS.items()},
)


class StoreState(Model):
    """The store and its size; the size is null if the store cannot be used, with `error`."""

    kind: str = Field(description="such as memory, sqlite or valkey")
    entries: int | None = None
    octets: int | None = None
    evicted: int | None = Field(default=None, description="entries evicted to make room")
    unreadable: int | None = Field(default=None, description="entries that could not be read")
    error: str | None = None


class AgeCount(Model):
    """Hits whose readings were up to `hours` old, and older than in the class before."""

    hours: int | None = Field(description="null for all older ones")
    number: int


class HitState(Model):
    """Hits, by SRV, by party and by age of the readings."""

    by_srv: dict[str, int]
    by_party: dict[str, int]
    by_age: list[AgeCount]


class CacheState(Model):
    """Ledger, settings and store of the cache."""

    requests: int
    undecided: int = Field(description="requests that are waiting for a meter")
    avoided_ratio: float | None = Field(
        description="share of taken requests that meters were spared; null if there are none"
    )
    retries: int = Field(description="reads that were resent")
    shadow: int = Field(description="hits that were audited with the meter")
    shadow_outcomes: dict[str, int] = Field(description="such as equal and different")
    shadow_compared: int = Field(description="audited hits to which the meter replied")
    shadow_different: int = Field(description="audited hits that differ from the meter's reply")
    shadow_difference_ratio: float | None = Field(
        description="share of compared hits that differ; null if none was compared"
    )
    decisions: list[CacheCount]
    by_party: list[PartyCount]
    hits: HitState
    reasons: dict[str, int]
    settings: SettingsState  # type: ignore[valid-type]
    store: StoreState


class Chosen(Model):
    """Selects entries by device and SRV; without either, all."""

    device: Text | None = Field(default=None, description=EUI_TEXT)
    srv: Text | None = None


class ChosenSome(Chosen):
    """The same, limited in number."""

    limit: Limit = 100


class ReplyState(Model):
    """A reply that was sent, and how it came about, in the terms of RFC 9211."""

    time: float = Field(description="Unix time")
    at: str
    device: str
    srv: str
    party: str
    counter: int = Field(description="originator counter of the command")
    start: str | None = Field(serialization_alias="from", description="first instant of the window")
    end: str | None = Field(serialization_alias="to", description="last instant of the window")
    reply: str = Field(description="the whole text, as in the MQTT 5 property `cache-status`")
    hit: bool
    fwd: str | None = Field(description="why the request was forwarded; null for a hit")
    collapsed: bool
    stored: bool
    detail: str = Field(description="further information, such as why the reply was not stored")
    age: int | None = Field(description="for a hit: seconds since its readings were received")
    ttl: int | None = Field(description="for a hit: seconds until its readings expire")


class RepliesState(Model):
    """The newest replies, newest first, and their total number since the start."""

    total: int
    replies: list[ReplyState]


class EntryState(Model):
    """A stored entry, without its readings."""

    device: str
    srv: str
    start: str = Field(serialization_alias="from", description="first instant of the window")
    end: str = Field(serialization_alias="to", description="last instant of the window")
    received: str
    age: int = Field(description="seconds since receipt")
    remaining: int = Field(description="seconds until it expires, unless it is flushed before")
    octets: int = Field(description="size of its readings before compression")
    identity: str = Field(
        description="identity of the meters; only entries of the running fleet are served"
    )


class EntriesState(Model):
    """Entries in arbitrary order."""

    entries: list[EntryState]
    left_off: bool


class PartyState(Model):
    """A party, its name if it has one, and its roles."""

    party: str
    name: str | None
    roles: list[Role]


class RegistrationState(Model):
    """A registration, with the keys of a registry file."""

    party: str
    devices: str = Field(description='"*", an EUI-64, or "EUI to EUI"')
    start: date | None = Field(serialization_alias="from", description="first day; null: no limit")
    end: date | None = Field(
        serialization_alias="to", description="day after the last; null: no limit"
    )
    roles: list[Role] | None = Field(description="null: all roles of the party")
    current: bool = Field(description="whether it holds today")


_REPEATED = "whether an equal change was made before; it is not made again"
_FORGOTTEN = "why the change is lost when the cache ends; null if it is kept"


class Registered(RegistrationState):
    """An added registration."""

    repeated: bool = Field(description=_REPEATED)
    forgotten: str | None = Field(description=_FORGOTTEN)


class RegistryQuery(Model):
    """Selects the registrations of a device; limits the number of rows."""

    device: Text | None = Field(default=None, description=EUI_TEXT)
    limit: Limit = 100


class RegistryState(Model):
    """The parties and, if a device was given, its registrations."""

    parties: list[PartyState]
    registrations: list[RegistrationState] | None = Field(description="null if no device was given")
    left_off: bool


class NewRegistration(Model):
    """A registration to add, with the keys of a registry file."""

    party: Text = Field(description=EUI_TEXT)
    devices: Text = Field(default="*", description='"*", an EUI-64, or "EUI to EUI"')
    start: Day | None = Field(
        default=None, validation_alias="from", description="first day; without: no limit"
    )
    end: Day | None = Field(
        default=None, validation_alias="to", description="day after the last; without: no limit"
    )
    roles: Annotated[list[Role], Field(min_length=1, max_length=len(Role))] | None = Field(
        default=None, description="without: all roles of the party"
    )


class SupplierChange(Model):
    """A change of a device's supplier, from a day on."""

    device: Text = Field(description=EUI_TEXT)
    old: Text = Field(description=EUI_TEXT)
    new: Text = Field(description=EUI_TEXT)
    day: Day


class TenancyChange(Model):
    """A change of the consumer at a device, from a day on."""

    device: Text = Field(description=EUI_TEXT)
    day: Day


class Changed(Model):
    """A change that was made, and its effects."""

    device: str
    day: date
    flushed: int | None = Field(description="number of dropped entries of the device")
    waiting: str | None = Field(
        description="why entries could not be dropped yet; they are not served meanwhile"
    )
    repeated: bool = Field(description=_REPEATED)
    forgotten: str | None = Field(description=_FORGOTTEN)
    registrations: list[RegistrationState]
