"""Compare the accounts of a run: commands that parties sent, cache decisions, receipts of meters.

Pure. Each is counted by a part that knows nothing of the others. The differences name the requests
that do not add up. Replies are checked here too, as far as the rest of the run matters for it: a
reply that a fault touched is not compared, that is the reply to a command at which a fault fired,
and a reply collapsed into another one for the same reading. This does not excuse hits. A fault may
alter a reply, but the cache decides whether it keeps it, so a hit must be what the meter has.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from math import inf
from typing import NamedTuple

from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.proof.judge import Check
from esme_emulator.proof.run_record import Exchange, Request, Run, Seen, request_of
from esme_emulator.scenario.workload import PlannedChange
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX, to_iso

MAX_LINES = 20
"""Most lines of one kind of difference. The first ones show the cause; the rest repeat it."""

_STRANGER = ": another client is on this broker"
"""Likely cause of a command that no party of the proof sent."""
_DUPLICATE = ": is another cache, fleet or proof on this broker?"
"""Likely cause of a command that arrived more often than it was sent."""
_BY_CACHE = {Decision.HIT, Decision.COLLAPSED}


class Difference(NamedTuple):
    """Entries of one account without a counterpart in another. Sorts by kind, then by time."""

    kind: int
    time: float
    """Unix time in seconds; infinite if the difference has no time."""
    text: str
    number: int = 1

    @property
    def line(self) -> str:
        """The line that explains it."""
        at = "" if self.time == inf else f"{to_iso(int(self.time) - EPOCH_UNIX)}: "
        return f"{at}{self.text}"


def differences(name: str, run: Run, changes: Iterable[PlannedChange]) -> Iterator[Difference]:
    """Yield the differences between the accounts of a run called `name`."""
    record = run.record
    if run.policy is None:
        for exchange in record.exchanges():
            yield from _both_ways(0, exchange, exchange.received, "received by the meter")
        yield from (_strange(0, seen, "received by the meter") for seen in record.strangers)
    else:
        yield from _of_cache(run, run.policy.ledger.retries + run.policy.ledger.shadow)
        yield from _undelivered(run, _excused(run, changes))
    counted, received = run.fleet.counters.device_hits, record.commands
    if counted != received:
        text = f"{name}: the fleet counts {counted} device hits and received {received} commands"
        yield Difference(3, inf, text, abs(counted - received))
    if run.policy is not None:
        yield from _undecided(run)


def _of_cache(run: Run, again: int) -> Iterator[Difference]:
    """Compare the accounts of a run through the cache.

    `again` is the number of retries and shadow commands in the cache's ledger.
    """
    extra: list[Seen] = []
    for exchange in run.record.exchanges():
        decisions = [Seen(item.time, exchange.request) for item in exchange.decided]
        yield from _both_ways(1, exchange, decisions, "decided by the cache")
        forwarded = [item for item in exchange.decided if item.decision is Decision.FORWARDED]
        for item in forwarded[len(exchange.received) :]:
            text = f"{exchange.request} was forwarded, and not received by the meter"
            yield Difference(1, item.time, text)
        surplus = exchange.received[len(forwarded) :]
        if exchange.decided or not surplus:
            extra += surplus
        else:
            for seen in surplus:
                text = f"{seen.request} was received by the meter, never forwarded"
                yield Difference(1, seen.time, text)
    # A stranger that asks the cache has its decisions, too.
    known: dict[Request, int] = defaultdict(int)
    for item in run.record.strange:
        request = request_of(item)
        known[request] += item.decision is Decision.FORWARDED
        yield _strange(1, Seen(item.time, request), "decided by the cache")
    for seen in run.record.strangers:
        if seen.request not in known:
            yield _strange(1, seen, "received by the meter")
        elif known[seen.request]:
            known[seen.request] -= 1
        else:
            extra.append(seen)
    if len(extra) > again:
        first, more = min(extra, key=lambda seen: seen.time), len(extra) - again
        text = (
            f"{first.request} was received by the meter more often than forwarded, and "
            f"{more} such commands are not among the cache's {again} retries and shadow commands"
            f"{_DUPLICATE}"
        )
        yield Difference(1, first.time, text, more)
    elif len(extra) < again:
        text = (
            f"the cache counts {again} retries and shadow commands, "
            f"and the meters received {len(extra)} such commands"
        )
        yield Difference(1, inf, text, again - len(extra))


def _both_ways(
    kind: int, exchange: Exchange, there: list[Seen], other: str
) -> Iterator[Difference]:
    """Compare the attempts of a party with another account of the same commands."""
    attempts, request = exchange.attempts, exchange.request
    for time in attempts[len(there) :]:
        yield Difference(kind, time, f"{request} was sent, and not {other}")
    for seen in there[len(attempts) :]:
        if attempts:
            text = f"{request} was {other}, more often than sent{_DUPLICATE}"
            yield Difference(kind, seen.time, text)
        else:
            yield _strange(kind, seen, other)


def _strange(kind: int, seen: Seen, where: str) -> Difference:
    return Difference(kind, seen.time, f"{seen.request} was {where}, and never sent{_STRANGER}")


def _undelivered(run: Run, excused: Collection[Request]) -> Iterator[Difference]:
    """Yield the requests that cache or meter answered in time and whose party got no reply.

    The replies to `excused` requests may be lost.
    """
    for exchange in run.record.exchanges():
        if exchange.octets is not None or exchange.ended is None or exchange.request in excused:
            continue
        for item in exchange.decided:
            if not exchange.sent <= item.time < exchange.ended:
                continue
            last = min(exchange.ended, item.time + run.cache_timeout)
            by_meter = item.decision is Decision.FORWARDED and any(
                item.time <= time < last for time in exchange.replied
            )
            if by_meter or item.decision in _BY_CACHE:
                who = "its meter" if by_meter else "the cache"
                text = f"{exchange.request} was answered by {who}, and no reply came to its party"
                yield Difference(2, item.time, text)
                break


def _excused(run: Run, changes: Iterable[PlannedChange]) -> set[Request]:
    """Return the requests whose replies may be lost.

    A fault touched them, or their meter changed supplier or tenancy before the reply.
    """
    changed: dict[EUI, list[float]] = defaultdict(list)
    for change in changes:
        changed[change.device].append(change.time)
    return {
        exchange.request
        for exchange in run.record.exchanges()
        if exchange.faulty
        or any(
            exchange.sent <= time <= exchange.sent + exchange.seconds
            for time in changed.get(exchange.request.device, ())
        )
    }


def _undecided(run: Run) -> Iterator[Difference]:
    """Compare the cache's ledger with the decisions that the cache published."""
    if run.policy is None:
        return
    ledger, decided = run.policy.ledger, run.record.decided
    undecided = ledger.undecided()
    if undecided:
        yield Difference(4, inf, f"{undecided} requests are undecided", abs(undecided))
    counted = ledger.requests - undecided
    if counted != decided:
        text = f"the cache counts {counted} decisions and reported {decided}"
        yield Difference(5, inf, text, abs(counted - decided))


def checks(run: Run) -> Iterator[tuple[Exchange, Check]]:
    """Yield the requests that are over, each with the check of its reply."""
    faulty = [exchange for exchange in run.record.exchanges() if exchange.faulty]
    touched = {exchange.planned.key for exchange in faulty}
    logs = {key[:2] for key in touched}  # a hit may be cut from another window of the same log
    for exchange in run.record.exchanges():
        if exchange.ended is None:
            continue
        key = exchange.planned.key
        last = exchange.decided[-1].decision if exchange.decided else None
        hit_in_faulty_log = last is Decision.HIT and key[:2] in logs
        if exchange.octets is None:
            yield exchange, Check.NONE
        elif exchange.refused:
            yield exchange, Check.DIFFERENT
        elif not hit_in_faulty_log and (
            exchange.faulty or (last is Decision.COLLAPSED and key in touched)
        ):
            yield exchange, Check.FAULT
        elif exchange.check is Check.GAPS:
            yield exchange, Check.FAULT if hit_in_faulty_log else Check.DIFFERENT
        else:
            yield exchange, exchange.check
