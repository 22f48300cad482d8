"""Requests, whether their parties are entitled, and the commands and flights they lead to.

Pure: data, and one question to the registry.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeAlias

from esme_emulator.cache.entry import Key
from esme_emulator.cache.policy.effects import Effect
from esme_emulator.cache.policy.reads import Read
from esme_emulator.cache.policy.timers import Timers
from esme_emulator.cache.registry.registration import day_at
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.messaging.transaction import Transaction
from esme_emulator.runtime.timers import Timer
from gbcs import EUI, Command
from gbcs.usecases.profile_read import Window

AsOf: TypeAlias = tuple[int, int]
"""A version of the registry and a day: what the registry said holds until one of them changes."""


@dataclass(slots=True, eq=False)
class Request:
    """A command of a party. It is authentic, unless the cache lacks the key to verify it."""

    command: Command
    octets: bytes
    srv: str
    transaction: Transaction
    touched: tuple[tuple[str, Window | None], ...]
    """The SRVs that it reads, with the dates; the SRV of its use case first."""
    parties: tuple[EUI, ...]
    """All that must be entitled: the party, and an originator that is neither it nor the ACB."""
    read: Read | None = None
    """The read, or None if the cache does not answer it."""
    asked: float = 0.0
    """When it was received, Unix time in seconds."""
    key: Key | None = None
    """The key of its readings, once it is admitted to be answered by the cache."""
    entitled: AsOf | None = None
    """When its parties were last found to be entitled."""
    device: EUI = field(init=False)
    party: EUI = field(init=False)
    """The party behind the ACB, or the originator if there is none."""

    def __post_init__(self) -> None:
        self.device = self.command.recipient
        self.party = self.transaction.party

    @property
    def window(self) -> Window | None:
        """The dates that it asks for under the SRV of its use case."""
        return self.touched[0][1]


class Entitlement:
    """Asks the registry, once for each of its versions and each day."""

    def __init__(self, registry: Registry, timers: "Timers[Subject]") -> None:
        self.registry = registry
        self._timers = timers
        self._at = 0.0
        self._as_of: AsOf = (0, day_at(0.0))

    def as_of(self) -> AsOf:
        """Return until when an answer of the registry holds."""
        now, version = self._timers.now, self.registry.version
        if now != self._at or version != self._as_of[0]:
            self._at, self._as_of = now, (version, day_at(now))
        return self._as_of

    def refusal(self, request: Request) -> str:
        """Return why a party is not entitled to what a request reads; empty if all are."""
        as_of = self.as_of()
        if request.entitled == as_of:
            return ""
        for party in request.parties:
            for srv, window in request.touched:
                reason = self.registry.check(party, request.device, srv, window, self._timers.now)
                if reason is not None:
                    return reason
        request.entitled = as_of
        return ""


class Kind(Enum):
    """The purpose of a command."""

    FLIGHT = auto()
    BYPASS = auto()
    """For its requester alone; the reply is passed on as it comes."""
    SHADOW = auto()
    """To compare the meter's reply with the readings that were served; it is not passed on."""


@dataclass(slots=True, eq=False)
class Leg:
    """A command on its way to a meter, or in the meter's queue."""

    request: Request
    kind: Kind
    flight: "Flight | None" = None
    detail: str = ""
    served: bytes = b""
    """The readings that were served, of a shadow."""
    sent: float | None = None
    """When it was first sent, Unix time in seconds."""
    attempts: int = 0
    timer: "Timer[Subject] | None" = None


Course: TypeAlias = Generator[list[Effect] | Leg, Any, list[Effect]]
"""The states of a flight, see `flights.Flights`."""


@dataclass(slots=True, eq=False)
class Flight:
    """Requests that wait for the same readings; the command of one of them asks the meter."""

    number: int
    key: Key
    read: Read
    waiting: list[Request]
    """Without the request whose command was sent to the meter."""
    course: Course = field(init=False)
    why: str = "miss"
    """Why the meter is asked, in the words of RFC 9211."""
    detail: str = ""
    leased: bool = False
    settling: bool = False
    """Whether the store is keeping what came for it."""
    keeps: bool = True
    """Whether what comes may be kept: not if the device was flushed meanwhile."""
    timer: "Timer[Subject] | None" = None
    """Limits waiting for another cache."""
    waits: int = 0
    """How often that timer fell due."""
    changed: tuple[AsOf, float] | None = None
    """Since when the device is as it is, and as of when the registry said so."""


Subject: TypeAlias = Leg | Flight
"""The subjects of timers."""
