"""What the endpoints of the cache say and take, as JSON: the models of their description.

Of what is kept they say all but the readings. Times are ISO 8601 in UTC, days too.
"""

import re
from datetime import date
from typing import Annotated, Literal, get_type_hints

from pydantic import BeforeValidator, Field, create_model

from esme_emulator.cache.policy.settings import SETTINGS, CacheSettings
from esme_emulator.control.models import Model
from gbcs.tables.roles import Role

MAX_ROWS = 10_000
"""Rows that one answer has, at most."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EUI_TEXT = "EUI-64 as 16 hexadecimal digits"


def _day(value: object) -> date:
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError(f"{value!r:.40} is not a day: write 2026-01-31")


Day = Annotated[date, BeforeValidator(_day)]
Text = Annotated[str, Field(max_length=64)]
Limit = Annotated[int, Field(ge=0, le=MAX_ROWS)]


class CacheCount(Model):
    """How many requests for one SRV met with one decision."""

    srv: str
    decision: Literal["hits", "collapsed", "forwarded", "refused", "failed"]
    number: int


class PartyCount(CacheCount):
    """The same of one party; null are all that the registry does not have."""

    party: str | None


class HoldDownState(Model):
    """After so many failures in a row a meter is left alone for so many seconds."""

    failures: int
    seconds: float


_KINDS = get_type_hints(CacheSettings)
_KINDS |= {"srvs": list[str], "hold_down": HoldDownState | None}

SettingsState = create_model(  # type: ignore[call-overload]
    "SettingsState",
    __base__=Model,
    __doc__="How the cache behaves.",
    **{name: (_KINDS[name], Field(description=setting.help)) for name, setting in SETTINGS.items()},
)


class StoreState(Model):
    """The store, and how much is in it; null where it cannot be used, for the reason given."""

    kind: str = Field(description="such as memory, sqlite or valkey")
    entries: int | None = None
    octets: int | None = None
    evicted: int | None = Field(
        default=None, description="entries that went to make room for others"
    )
    unreadable: int | None = Field(default=None, description="entries that could not be read")
    error: str | None = None


class AgeCount(Model):
    """Hits with readings of up to so many hours, and more than in the class before."""

    hours: int | None = Field(description="null for all that is older")
    number: int


class HitState(Model):
    """What was answered from the store."""

    by_srv: dict[str, int]
    by_party: dict[str, int]
    by_age: list[AgeCount]


class CacheState(Model):
    """What the cache is to do, what it keeps and what it decided."""

    requests: int
    undecided: int = Field(description="requests that wait for a meter")
    avoided_ratio: float | None = Field(
        description="part of hits, collapsed and forwarded that meters were spared; null if none"
    )
    retries: int = Field(description="reads that were sent again")
    shadow: int = Field(description="hits for which the meter was asked all the same")
    shadow_outcomes: dict[str, int] = Field(description="such as equal and different")
    shadow_compared: int = Field(description="hits of these to which the meter replied")
    shadow_different: int = Field(description="hits of these that the meter said otherwise")
    shadow_difference_ratio: float | None = Field(
        description="part of what was compared that is different; null if nothing was"
    )
    decisions: list[CacheCount]
    by_party: list[PartyCount]
    hits: HitState
    reasons: dict[str, int]
    settings: SettingsState  # type: ignore[valid-type]
    store: StoreState


class Chosen(Model):
    """Which entries are meant; without a condition all of them."""

    device: Text | None = Field(default=None, description=_EUI_TEXT)
    srv: Text | None = None


class ChosenSome(Chosen):
    """The same, and how many of them."""

    limit: Limit = 100


class ReplyState(Model):
    """A reply that was sent, and how it came about; the words are those of RFC 9211."""

    time: float = Field(description="Unix time")
    at: str
    device: str
    srv: str
    party: str
    counter: int = Field(description="originator counter of the command")
    start: str | None = Field(serialization_alias="from", description="first instant asked for")
    end: str | None = Field(serialization_alias="to", description="last instant asked for")
    reply: str = Field(description="all of it, as MQTT 5 has it in `cache-status`")
    hit: bool
    fwd: str | None = Field(description="why the meter was asked; null for a hit")
    collapsed: bool
    stored: bool
    detail: str = Field(description="such as why it was not stored")
    age: int | None = Field(description="of a hit: seconds since receipt")
    ttl: int | None = Field(description="of a hit: seconds for which it would still be one")


class RepliesState(Model):
    """The newest replies, newest first, and how many there were since the start."""

    total: int
    replies: list[ReplyState]


class EntryState(Model):
    """What is kept under one key, but for the readings."""

    device: str
    srv: str
    start: str = Field(serialization_alias="from", description="first instant of the window")
    end: str = Field(serialization_alias="to", description="last instant of the window")
    received: str
    age: int = Field(description="seconds since then")
    remaining: int = Field(description="seconds for which it is served yet, if it is not flushed")
    octets: int = Field(description="of its readings, before they are packed")
    identity: str = Field(description="of the meters; only those of the fleet that runs are served")


class EntriesState(Model):
    """Entries, in no order."""

    entries: list[EntryState]
    left_off: bool


class PartyState(Model):
    """A party, and what it may be."""

    party: str
    roles: list[Role]


class RegistrationState(Model):
    """A registration, in the words of the file of a registry."""

    party: str
    devices: str = Field(description='"*", an EUI-64, or "EUI to EUI"')
    start: date | None = Field(serialization_alias="from", description="null: since ever")
    end: date | None = Field(serialization_alias="to", description="the day after; null: for ever")
    roles: list[Role] | None = Field(description="null: all that the party has")
    current: bool = Field(description="whether today is in it")


_REPEATED = "whether an equal change was told before: it was made then, and not again"
_FORGOTTEN = "why the change is forgotten when the cache ends; null: it is not"


class Registered(RegistrationState):
    """A registration that was added."""

    repeated: bool = Field(description=_REPEATED)
    forgotten: str | None = Field(description=_FORGOTTEN)


class RegistryQuery(Model):
    """Whose registrations are wanted, and how many rows."""

    device: Text | None = Field(default=None, description=_EUI_TEXT)
    limit: Limit = 100


class RegistryState(Model):
    """Parties, and what is registered for the device that was asked about."""

    parties: list[PartyState]
    registrations: list[RegistrationState] | None = Field(description="null without a device")
    left_off: bool


class NewRegistration(Model):
    """A registration to add, with the keys of the file of a registry."""

    party: Text = Field(description=_EUI_TEXT)
    devices: Text = Field(default="*", description='"*", an EUI-64, or "EUI to EUI"')
    start: Day | None = Field(
        default=None, validation_alias="from", description="without: since ever"
    )
    end: Day | None = Field(
        default=None, validation_alias="to", description="the day after the last"
    )
    roles: Annotated[list[Role], Field(min_length=1, max_length=len(Role))] | None = Field(
        default=None, description="without: all that the party has"
    )


class SupplierChange(Model):
    """Who supplies a device no more, and who does from a day on."""

    device: Text = Field(description=_EUI_TEXT)
    old: Text = Field(description=_EUI_TEXT)
    new: Text = Field(description=_EUI_TEXT)
    day: Day


class TenancyChange(Model):
    """From which day on another consumer is at a device."""

    device: Text = Field(description=_EUI_TEXT)
    day: Day


class Changed(Model):
    """A change that was made, and what came of it."""

    device: str
    day: date
    flushed: int | None = Field(description="entries of the device that were dropped")
    waiting: str | None = Field(
        description="why entries are still to be dropped; until they are, none is served"
    )
    repeated: bool = Field(description=_REPEATED)
    forgotten: str | None = Field(description=_FORGOTTEN)
    registrations: list[RegistrationState]
