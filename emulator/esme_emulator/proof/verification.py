"""Verify the replies of a proof: compare them with the meters, and find replies that got lost.

Pure. A reply that a fault touched is not compared: the reply to a command at which a fault fired,
and a reply collapsed into another one for the same reading. This does not excuse hits. A fault may
alter a reply, but the cache decides whether it keeps it, so a hit must be what the meter has.
"""

from collections.abc import Collection, Iterable

from esme_emulator.cache.policy.ledger import Decided, Decision
from esme_emulator.proof.accounts import (
    Difference,
    Request,
    decided_request,
    difference_of,
    grouped,
)
from esme_emulator.proof.driver import request_of
from esme_emulator.proof.judge import Check, Judge
from esme_emulator.proof.run_record import RunRecord

_BY_CACHE = {Decision.HIT, Decision.COLLAPSED}


def check_replies(direct: RunRecord, cached: RunRecord, judge: Judge) -> None:
    """Check the replies of both runs, unless already done, and record the result of each."""
    withheld = refused_requests(direct)
    for run in (direct, cached):
        if not run.checks:
            run.checks = _checks(run, withheld, judge)


def refused_requests(direct: RunRecord) -> set[Request]:
    """Return the requests that upstream refused; a reply to one of them is wrong."""
    return {request_of(item.planned) for item in direct.exchanges if not item.attempts}


def undelivered(run: RunRecord, excused: Collection[Request]) -> Difference:
    """Return the requests that cache or meter answered in time and whose party got no reply.

    The replies to `excused` requests may be lost.
    """
    decided = grouped((decided_request(item), item) for item in run.decided)
    replied = grouped((seen.request, seen.time) for seen in run.fleet.replied)
    lines = []
    for exchange in run.exchanges:
        request = request_of(exchange.planned)
        if exchange.reply is not None or request in excused:
            continue
        for item in decided.get(request, ()):
            if not exchange.sent <= item.time < exchange.received:
                continue
            last = min(exchange.received, item.time + run.cache_timeout)
            by_meter = item.decision is Decision.FORWARDED and any(
                item.time <= time < last for time in replied.get(request, ())
            )
            if by_meter or item.decision in _BY_CACHE:
                who = "its meter" if by_meter else "the cache"
                lines.append(
                    (item.time, f"{request} was answered by {who}, and no reply came to its party")
                )
                break
    return difference_of(lines)


def _checks(run: RunRecord, withheld: Collection[Request], judge: Judge) -> list[Check]:
    faulty = run.fleet.faulty
    touched = {planned.key for _, planned in run.sent if request_of(planned) in faulty}
    logs = {key[:2] for key in touched}  # a hit may be cut from another window of the same log
    last = _last_decisions(run.decided)
    checks = []
    for exchange in run.exchanges:
        request, key = request_of(exchange.planned), exchange.planned.key
        decision = last.get(request)
        excused = request in faulty or (decision is Decision.COLLAPSED and key in touched)
        if exchange.reply is None:
            checks.append(Check.NONE)
        elif request in withheld:
            checks.append(Check.DIFFERENT)
        elif decision is Decision.HIT and key[:2] in logs:
            checks.append(judge.check_hit(exchange))
        elif excused:
            checks.append(Check.FAULT)
        else:
            checks.append(Check.DIFFERENT if judge.differs(exchange) else Check.SAME)
    return checks


def _last_decisions(decided: Iterable[Decided]) -> dict[Request, Decision]:
    """Return the decision on the last attempt of each request, the one that brought its reply."""
    return {decided_request(item): item.decision for item in decided}
