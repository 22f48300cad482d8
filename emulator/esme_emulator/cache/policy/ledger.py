"""The cache's own account of what it did with requests and replies."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from esme_emulator.cache.policy.status import CacheStatus
from esme_emulator.messaging.transaction import Transaction
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX, to_iso
from gbcs.usecases.profile_read import Window

MAX_METERS = 10_000
"""So many meters are counted each for itself, the others together."""


class Decision(StrEnum):
    """What became of a request; each request ends in exactly one."""

    HIT = "hits"
    """Answered from the store."""
    COLLAPSED = "collapsed"
    """Answered with what another request for the same key brought from the meter."""
    FORWARDED = "forwarded"
    """Sent on to the meter."""
    REFUSED = "refused"
    """Not a command that the meter would take, or not for this party to ask; dropped."""
    FAILED = "failed"
    """Waited for another request's reply, which did not come, or could not be answered."""


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision: what was asked by whom, and what was decided why."""

    time: float
    """Unix time in seconds."""
    device: EUI
    """Of the topic it came on."""
    srv: str
    decision: Decision
    reason: str = ""
    """Why it was not answered from the cache; empty where there is nothing to say."""
    party: EUI | None = None
    """None, as `counter`, where octets could not be decoded."""
    counter: int | None = None
    """The originator counter of the command."""
    window: Window | None = None
    age: int | None = None
    """Of what a hit was answered with: whole seconds since receipt."""

    def as_dict(self) -> dict[str, Any]:
        """Return the decision as JSON has it; times in ISO 8601, UTC."""
        return {
            **_asked(self),
            "decision": str(self.decision),
            "reason": self.reason,
            "age": self.age,
        }


@dataclass(frozen=True, slots=True)
class Replied:
    """One reply to a party: to what, and how it came about.

    Told apart from the decision, since whether readings are kept is known with the reply alone.
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
    """Whole seconds since receipt, of a hit."""

    def as_dict(self) -> dict[str, Any]:
        """Return the reply as JSON has it; times in ISO 8601, UTC."""
        status = self.status
        return {
            **_asked(self),
            "reply": str(status),
            "hit": not status.fwd,
            "fwd": status.fwd or None,
            "collapsed": status.collapsed,
            "stored": status.stored,
            "detail": status.detail,
            "age": self.age,
            "ttl": status.ttl,
        }


def _asked(record: Decided | Replied) -> dict[str, Any]:
    """Return what was asked when, by whom and of which device."""
    window = record.window
    return {
        "time": record.time,
        "at": to_iso(int(record.time) - EPOCH_UNIX),
        "device": str(record.device),
        "srv": record.srv,
        "party": record.party and str(record.party),
        "counter": record.counter,
        "from": window and to_iso(window.start),
        "to": window and to_iso(window.end),
    }


@dataclass(slots=True)
class Ledger:
    """Counts since the start. `requests` is the sum of the decisions once nothing is pending.

    What meters received is FORWARDED, `retries` and `shadow` together.
    """

    requests: int = 0
    retries: int = 0
    """Reads that were sent again."""
    shadow: int = 0
    """Hits for which the meter was asked all the same."""
    decisions: Counter[tuple[str, Decision]] = field(default_factory=Counter)
    """Requests by SRV and decision."""
    by_party: Counter[tuple[EUI | None, str, Decision]] = field(default_factory=Counter)
    """The same by party too; None stands for parties that the registry does not have."""
    by_meter: dict[EUI | None, Counter[Decision]] = field(default_factory=dict)
    """Requests by meter, None where there are too many of them or the request was refused."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why requests were refused or failed, replies were not kept or not delivered."""
    journal: dict[Transaction, Decision] | None = None
    """The decision on each request, where somebody wants to know and sets this to a dict."""
    on_decision: Callable[[Decided], None] | None = None
    """Is told of every decision."""
    on_reply: Callable[[Replied], None] | None = None
    """Is told of every reply to a request."""

    def count(
        self, decided: Decided, transaction: Transaction | None = None, known: bool = True
    ) -> None:
        """Count a decision; `known` says whether its party is one of the registry."""
        decision = decided.decision
        self.decisions[decided.srv, decision] += 1
        self.by_party[decided.party if known else None, decided.srv, decision] += 1
        self._of_meter(decided)[decision] += 1
        if self.journal is not None and transaction is not None:
            self.journal[transaction] = decision
        if self.on_decision is not None:
            self.on_decision(decided)

    def _of_meter(self, decided: Decided) -> Counter[Decision]:
        device = None if decided.decision is Decision.REFUSED else decided.device
        if device not in self.by_meter and len(self.by_meter) >= MAX_METERS:
            device = None
        return self.by_meter.setdefault(device, Counter())

    def total(self, decision: Decision) -> int:
        """Return how many requests met with `decision`."""
        return sum(number for (_, kind), number in self.decisions.items() if kind is decision)

    def sent(self) -> int:
        """Return how many commands were sent to meters."""
        return self.total(Decision.FORWARDED) + self.retries + self.shadow

    def undecided(self) -> int:
        """Return requests less decisions: 0 when nothing is pending."""
        return self.requests - self.decisions.total()
