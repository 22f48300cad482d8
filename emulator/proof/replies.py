"""Checking all replies of a proof: which are to be compared with the meter, and what that finds.

Pure. What a fault touched is not compared: neither the reply nor, through the cache, what may come
of what was kept of it.
"""

from collections.abc import Collection

from emulator.proof.accounts import Request
from emulator.proof.check import Check, Judge
from emulator.proof.drive import request_of
from emulator.proof.run_account import RunAccount


def check_replies(direct: RunAccount, cached: RunAccount, judge: Judge) -> None:
    """Note in each of the two runs what was found of its replies, unless that is done already."""
    withheld = refused_requests(direct)
    for run in (direct, cached):
        if not run.checks:
            run.checks = _checks(run, withheld, judge, kept=run is cached)


def refused_requests(direct: RunAccount) -> set[Request]:
    """Return the requests that never got as far as a meter; a reply to one is a wrong one."""
    return {request_of(item.ask) for item in direct.exchanges if not item.attempts}


def _checks(
    run: RunAccount, withheld: Collection[Request], judge: Judge, *, kept: bool
) -> list[Check]:
    """Return what was found of each reply; `kept` says whether a cache may have kept others."""
    faulty = run.fleet.faulty
    touched = {ask.key for _, ask in run.sent if request_of(ask) in faulty}
    checks = []
    for exchange in run.exchanges:
        request = request_of(exchange.ask)
        if exchange.reply is None:
            checks.append(Check.NONE)
        elif (exchange.ask.key in touched) if kept else (request in faulty):
            checks.append(Check.FAULT)
        elif request in withheld or judge.differs(exchange):
            checks.append(Check.DIFFERENT)
        else:
            checks.append(Check.SAME)
    return checks
