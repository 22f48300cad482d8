"""The cache's own account of what it did with requests and replies."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from emulator.transaction import Transaction, transaction_of
from gbcs import Message


class Decision(StrEnum):
    """What became of a request; each request ends in exactly one."""

    HIT = "hits"
    """Answered from the store."""
    COLLAPSED = "collapsed"
    """Answered with what another request for the same key brought from the meter."""
    FORWARDED = "forwarded"
    """Sent on to the meter."""
    REFUSED = "refused"
    """Not a command that the meter would take; dropped."""
    FAILED = "failed"
    """Waited for another request's reply, which did not come, or could not be answered."""


@dataclass(slots=True)
class Ledger:
    """Counts since the start. `requests` is the sum of the decisions once nothing is pending."""

    requests: int = 0
    decisions: Counter[tuple[str, Decision]] = field(default_factory=Counter)
    """Requests by SRV and decision."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why requests were refused or failed, replies were not kept or not delivered."""
    journal: dict[Transaction, Decision] | None = None
    """The decision on each request, where somebody wants to know and sets this to a dict."""

    def count(self, srv: str, decision: Decision, request: Message | None = None) -> None:
        """Count what became of a request; `request` is None where it could not be decoded."""
        self.decisions[srv, decision] += 1
        if self.journal is not None and request is not None:
            self.journal[transaction_of(request)] = decision

    def total(self, decision: Decision) -> int:
        """Return how many requests met with `decision`."""
        return sum(number for (_, kind), number in self.decisions.items() if kind is decision)

    def undecided(self) -> int:
        """Return requests less decisions: 0 when nothing is pending."""
        return self.requests - self.decisions.total()
