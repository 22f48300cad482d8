"""Who may, and what was decided: the registry and the ledger, asked for each request.

Pure; knows nothing of what requests wait for.
"""

from esme_emulator.cache.policy.effects import Effect
from esme_emulator.cache.policy.ledger import Decided, Decision, Ledger, Replied
from esme_emulator.cache.policy.requests import Request
from esme_emulator.cache.policy.status import CacheStatus
from esme_emulator.cache.policy.transactions import Past
from esme_emulator.cache.registry.registration import day_at
from esme_emulator.cache.registry.registry import Registry
from gbcs.frozen import maker

_decided, _replied = maker(Decided), maker(Replied)


class Accounts:
    """The registry that a cache asks, and the ledger that it keeps."""

    def __init__(self, registry: Registry, ledger: Ledger) -> None:
        self.registry = registry
        self.ledger = ledger

    def refusal(self, request: Request, now: float) -> str:
        """Return why its parties may not have what a request asks for; empty where they may."""
        as_of = self.registry.version, day_at(now)
        if request.entitled == as_of:
            return ""
        for party in request.parties:
            for srv, window in request.touched:
                reason = self.registry.check(party, request.device, srv, window, now)
                if reason is not None:
                    return reason
        request.entitled = as_of
        return ""

    def lost(self, past: Past, now: float) -> str:
        """Return why one of the requests of a transaction may not be answered; empty: all may.

        Where it was used for several reads a response may be to any of them.
        """
        reasons = (self.refusal(leg.request, now) for leg in past.unanswered)
        return next(filter(None, reasons), "")

    def refuse(self, request: Request, reason: str, now: float) -> list[Effect]:
        """Count a request that is not answered, and why."""
        self.decide(request, Decision.REFUSED, now, reason)
        return self.note(reason)

    def decide(
        self,
        request: Request,
        decision: Decision,
        now: float,
        reason: str = "",
        age: int | None = None,
    ) -> None:
        """Count what became of a request."""
        decided = _decided(
            now,
            request.device,
            request.srv,
            decision,
            reason,
            request.party,
            request.command.originator_counter,
            request.window,
            age,
        )
        self.ledger.count(decided, request.transaction, self.registry.knows(request.party))

    def replied(
        self, request: Request, status: CacheStatus, now: float, age: int | None = None
    ) -> None:
        """Tell of a reply to a request, where somebody wants to know."""
        told = self.ledger.on_reply
        if told is not None:
            counter, window = request.command.originator_counter, request.window
            about = request.device, request.srv, request.party, counter, window
            told(_replied(now, *about, status, age))

    def note(self, reason: str) -> list[Effect]:
        """Count a reason; nothing else is to be done."""
        self.ledger.reasons[reason] += 1
        return []
