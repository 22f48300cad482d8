"""The cache's own counts of what it did with requests and replies, and the events it publishes.

Pure. Every decision and every reply is an event; it is made only if somebody subscribed to it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from esme_emulator.cache.policy.effects import CacheStatus, Effect
from esme_emulator.cache.policy.requests import Request
from esme_emulator.runtime.events import Events
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX, to_iso
from gbcs.usecases.profile_read import Window

MAX_METERS = 10_000
"""Meters that are counted separately; all others are counted together."""

SHADOW_EQUAL, SHADOW_DIFFERENT = "shadow-equal", "shadow-different"
"""Results of the shadow audit, among the ledger's reasons."""


class Decision(StrEnum):
    """The outcome of a request; each request has exactly one."""

    HIT = "hits"
    """Answered from the store."""
    COLLAPSED = "collapsed"
    """Answered with the readings that another request for the same key got from the meter."""
    FORWARDED = "forwarded"
    """Sent on to the meter."""
    REFUSED = "refused"
    """Not a command that the meter would take, or the party is not entitled; dropped."""
    FAILED = "failed"
    """The reply it waited for did not come, or no reply could be made."""


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision on one request, and the reason."""

    time: float
    """Unix time in seconds."""
    device: EUI
    """The device of the topic."""
    srv: str
    decision: Decision
    reason: str = ""
    """Why it was not answered from the cache; may be empty."""
    party: EUI | None = None
    """None, as is `counter`, if the octets could not be decoded."""
    counter: int | None = None
    """The originator counter of the command."""
    window: Window | None = None
    age: int | None = None
    """Whole seconds since receipt of the readings, of a hit."""
    octets: bytes = b""
    """The command, or what came in place of one."""
    received: float | None = None
    """When the request was received, Unix time in seconds; None if that is `time`."""

    def as_dict(self) -> dict[str, Any]:
        """Return the decision as in JSON; times in ISO 8601, UTC."""
        return {
            **_request_fields(self),
            "decision": str(self.decision),
            "reason": self.reason,
            "age": self.age,
        }


@dataclass(frozen=True, slots=True)
class Replied:
    """One reply to a party, and how it came about.

    Not part of `Decided`, since only the reply shows whether the readings are kept.
    """

    time: float
    """When it was given to the broker, Unix time in seconds."""
    device: EUI
    srv: str
    party: EUI
    counter: int
    """The originator counter of the command."""
    window: Window | None
    status: CacheStatus
    age: int | None = None
    """Whole seconds since receipt of the readings, of a hit."""
    octets: bytes = b""
    """The reply."""
    command: bytes = b""
    """The octets of the request."""

    def as_dict(self) -> dict[str, Any]:
        """Return the reply as in JSON; times in ISO 8601, UTC."""
        status = self.status
        return {
            **_request_fields(self),
            "reply": str(status),
            "hit": not status.fwd,
            "fwd": status.fwd or None,
            "collapsed": status.collapsed,
            "stored": status.stored,
            "detail": status.detail,
            "age": self.age,
            "ttl": status.ttl,
        }


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A forwarded command that got no reply. Its decision was published when it was sent."""

    time: float
    """Unix time in seconds."""
    octets: bytes
    """The command."""
    reason: str


def _request_fields(event: Decided | Replied) -> dict[str, Any]:
    window = event.window
    return {
        "time": event.time,
        "at": to_iso(int(event.time) - EPOCH_UNIX),
        "device": str(event.device),
        "srv": event.srv,
        "party": event.party and str(event.party),
        "counter": event.counter,
        "from": window and to_iso(window.start),
        "to": window and to_iso(window.end),
    }


class Ledger:
    """Counts since the start. `requests` is the sum of the decisions once nothing is pending.

    Meters received FORWARDED, `retries` and `shadow` together. `is_known` returns whether a party
    is in the registry.
    """

    def __init__(
        self, events: Events | None = None, is_known: Callable[[EUI], bool] = lambda _: True
    ) -> None:
        self._events = events or Events()
        self._is_known = is_known
        self.requests = 0
        self.retries = 0
        """Reads that were sent again."""
        self.shadow = 0
        """Hits for which the meter was asked all the same."""
        self.decisions: Counter[tuple[str, Decision]] = Counter()
        """Requests by SRV and decision."""
        self.by_party: Counter[tuple[EUI | None, str, Decision]] = Counter()
        """The same by party too; parties that the registry does not know are counted as None."""
        self.by_meter: dict[EUI | None, Counter[Decision]] = {}
        """Requests by meter; refused requests, and meters beyond the limit, are counted as None."""
        self.reasons: Counter[str] = Counter()
        """Why requests were refused or failed, and replies were not kept or not delivered."""

    def reset(self) -> None:
        """Count from 0 again; requests that are not decided yet are counted as new ones."""
        self.requests = self.undecided()
        self.retries = self.shadow = 0
        for counts in (self.decisions, self.by_party, self.by_meter, self.reasons):
            counts.clear()

    def note(self, reason: str) -> list[Effect]:
        """Count a reason; return no effects, for the caller to return."""
        self.reasons[reason] += 1
        return []

    def decide(
        self,
        request: Request,
        decision: Decision,
        now: float,
        reason: str = "",
        age: int | None = None,
    ) -> None:
        """Count the decision on a request."""
        party = request.party
        self.count(request.device, request.srv, decision, party if self._is_known(party) else None)
        if self._events.wants(Decided):
            counter, window = request.command.originator_counter, request.window
            about = now, request.device, request.srv, decision, reason
            came = request.octets, request.received
            self._events.publish(Decided(*about, party, counter, window, age, *came))

    def refuse(self, request: Request, reason: str, now: float) -> list[Effect]:
        """Count a request that is not answered, and why; return no effects."""
        self.decide(request, Decision.REFUSED, now, reason)
        return self.note(reason)

    def discard(
        self, device: EUI, srv: str, reason: str, now: float, octets: bytes
    ) -> list[Effect]:
        """Count octets that are not a command for `device`, and why; return no effects."""
        self.count(device, srv, Decision.REFUSED, None)
        if self._events.wants(Decided):
            about = now, device, srv, Decision.REFUSED, reason
            self._events.publish(Decided(*about, octets=octets))
        return self.note(reason)

    def replied(
        self,
        request: Request,
        status: CacheStatus,
        now: float,
        octets: bytes,
        age: int | None = None,
    ) -> None:
        """Publish a reply to a request, with its octets."""
        if self._events.wants(Replied):
            counter, window = request.command.originator_counter, request.window
            about = now, request.device, request.srv, request.party, counter, window
            self._events.publish(Replied(*about, status, age, octets, request.octets))

    def give_up(self, request: Request, reason: str, now: float) -> None:
        """Count why a forwarded command got no reply, and publish it."""
        self.note(reason)
        if self._events.wants(GivenUp):
            self._events.publish(GivenUp(now, request.octets, reason))

    def count(self, device: EUI, srv: str, decision: Decision, party: EUI | None) -> None:
        """Count a decision; `party` is None if the registry does not know it."""
        self.decisions[srv, decision] += 1
        self.by_party[party, srv, decision] += 1
        meter = None if decision is Decision.REFUSED else device
        counts = self.by_meter.get(meter)
        if counts is None:
            meter = meter if len(self.by_meter) < MAX_METERS else None
            counts = self.by_meter.setdefault(meter, Counter())
        counts[decision] += 1

    def total(self, decision: Decision) -> int:
        """Return the number of requests with `decision`."""
        return sum(number for (_, kind), number in self.decisions.items() if kind is decision)

    def sent(self) -> int:
        """Return the number of commands that were sent to meters."""
        return self.total(Decision.FORWARDED) + self.retries + self.shadow

    def undecided(self) -> int:
        """Return requests less decisions: 0 when nothing is pending."""
        return self.requests - self.decisions.total()


@dataclass(frozen=True, slots=True)
class Audit:
    """The shadow audit: hits for which the meter was asked too, by result."""

    asked: int
    """Hits for which the meter was asked."""
    compared: int
    """Hits to which it replied."""
    different: int
    """Hits to which it replied with other readings than were served, or with unreadable ones."""

    @property
    def difference_ratio(self) -> float | None:
        """The share of different replies, 0 to 1; None if nothing was compared."""
        return self.different / self.compared if self.compared else None


def audit_of(ledger: Ledger) -> Audit:
    """Return the results of the shadow audit since the start."""
    different = ledger.reasons[SHADOW_DIFFERENT]
    return Audit(ledger.shadow, ledger.reasons[SHADOW_EQUAL] + different, different)
