"""Following each request through the decision on it to its reply: what was answered must arrive.

Pure. An answer that cache or meter count as given and that nobody received is a difference.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from esme_emulator.cache.policy.ledger import Decided, Decision
from esme_emulator.proof.accounts import (
    Difference,
    Request,
    Seen,
    decided_request,
    grouped,
    together,
)
from esme_emulator.proof.driver import Exchange, request_of

_BY_CACHE = {Decision.HIT, Decision.COLLAPSED}


@dataclass(frozen=True, slots=True)
class Answers:
    """What a run has to account for: who answered which requests, and when."""

    decided: Sequence[Decided]
    replied: Sequence[Seen]
    """Replies of meters, each with the time when it left."""
    waits: float
    """For how many seconds the cache waits for a meter."""
    excused: Collection[Request]
    """Requests whose replies may be lost: a fault touched them, or their party lost its right."""


def undelivered(exchanges: Iterable[Exchange], answers: Answers) -> Difference:
    """Return the requests that were answered while their party waited, and brought it no reply."""
    decided = grouped((decided_request(item), item) for item in answers.decided)
    replied = grouped((seen.request, seen.time) for seen in answers.replied)
    lines = []
    for exchange in exchanges:
        request = request_of(exchange.ask)
        if exchange.reply is not None or request in answers.excused:
            continue
        for item in decided.get(request, ()):
            if not exchange.sent <= item.time < exchange.received:
                continue
            last = min(exchange.received, item.time + answers.waits)
            by_meter = item.decision is Decision.FORWARDED and any(
                item.time <= time < last for time in replied.get(request, ())
            )
            if by_meter or item.decision in _BY_CACHE:
                who = "its meter" if by_meter else "the cache"
                lines.append(
                    (item.time, f"{request} was answered by {who}, and no reply came to its party")
                )
                break
    return together(lines)
