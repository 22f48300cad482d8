"""Checking all replies of a proof: which are to be compared with the meter, and what that finds.

Pure. What a fault touched is not compared: the reply to a command that a fault fired at, and a
reply that was collapsed into another for the same reading. That excuses no hit. Whatever a fault
does to a reply, the cache decides whether it keeps it, so a hit has to hold what the meter has.
"""

from collections.abc import Collection, Iterable

from esme_emulator.cache.policy.ledger import Decided, Decision
from esme_emulator.proof.accounts import Request, decided_request
from esme_emulator.proof.driver import request_of
from esme_emulator.proof.judge import Check, Judge
from esme_emulator.proof.run_record import RunAccount


def check_replies(direct: RunAccount, cached: RunAccount, judge: Judge) -> None:
    """Note in each of the two runs what was found of its replies, unless that is done already."""
    withheld = refused_requests(direct)
    for run in (direct, cached):
        if not run.checks:
            run.checks = _checks(run, withheld, judge)


def refused_requests(direct: RunAccount) -> set[Request]:
    """Return the requests that never got as far as a meter; a reply to one is a wrong one."""
    return {request_of(item.ask) for item in direct.exchanges if not item.attempts}


def _checks(run: RunAccount, withheld: Collection[Request], judge: Judge) -> list[Check]:
    """Return what was found of each reply."""
    faulty = run.fleet.faulty
    touched = {ask.key for _, ask in run.sent if request_of(ask) in faulty}
    logs = {key[:2] for key in touched}  # a hit may be cut from another window of the log
    answered = _answered(run.decided)
    checks = []
    for exchange in run.exchanges:
        request, key = request_of(exchange.ask), exchange.ask.key
        decision = answered.get(request)
        excused = request in faulty or (decision is Decision.COLLAPSED and key in touched)
        if exchange.reply is None:
            checks.append(Check.NONE)
        elif request in withheld:
            checks.append(Check.DIFFERENT)
        elif decision is Decision.HIT and key[:2] in logs:
            checks.append(judge.of_hit(exchange))
        elif excused:
            checks.append(Check.FAULT)
        else:
            checks.append(Check.DIFFERENT if judge.differs(exchange) else Check.SAME)
    return checks


def _answered(decided: Iterable[Decided]) -> dict[Request, Decision]:
    """Return the last decision on each request: on the attempt that brought its reply, if any."""
    return {decided_request(item): item.decision for item in decided}
