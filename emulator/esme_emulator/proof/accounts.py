"""Three accounts of a run: the commands that parties sent, cache decisions, and receipts of meters.

Pure. Each is counted by a part that knows nothing of the others. This module compares them, and
names the requests that do not add up, the earliest first.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from esme_emulator.cache.policy.ledger import Decided, Decision
from esme_emulator.proof.result import Account
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX, to_iso

T = TypeVar("T")

MAX_LINES = 20
"""Most lines of a difference. The first ones show the cause; the rest repeat it."""

BUSIEST = 20

_STRANGER = ": another client is on this broker"
"""Likely cause of a command that no party of the proof sent."""
_DUPLICATE = ": is another cache, fleet or proof on this broker?"
"""Likely cause of a command that arrived more often than it was sent."""


class Request(NamedTuple):
    """Identity of a command, the same in every account."""

    device: EUI
    srv: str
    party: EUI | None
    counter: int | None

    def __str__(self) -> str:
        return f"SRV {self.srv} of {self.device} for {self.party}, counter {self.counter}"


@dataclass(frozen=True, slots=True)
class Seen:
    """One entry of an account; `time` is Unix time in seconds."""

    time: float
    request: Request
    outcome: str = ""
    """Outcome at the meter, if known."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Number of entries without a counterpart, and lines that explain them."""

    number: int
    lines: tuple[str, ...]


def direct_difference(sent: Sequence[Seen], received: Sequence[Seen]) -> Difference:
    """Compare the accounts of the direct run, in which every command goes to its meter."""
    return difference_of(_unmatched(sent, received, "sent", "received by the meter"))


def cached_difference(
    sent: Sequence[Seen],
    decided: Sequence[Decided],
    received: Sequence[Seen],
    again: int,
) -> Difference:
    """Compare the accounts of the run through the cache.

    `again` is the number of retries and shadow commands in the cache's ledger.
    """
    decisions = [Seen(item.time, decided_request(item)) for item in decided]
    forwarded = [
        Seen(item.time, decided_request(item))
        for item in decided
        if item.decision is Decision.FORWARDED
    ]
    undecided = _unmatched(sent, decisions, "sent", "decided by the cache")
    missing = _unmatched(forwarded, received, "forwarded", "received by the meter", both=False)
    known = {item.request for item in decisions}
    own = {item.request for item in sent}
    extra = _surplus(received, forwarded)
    strange = [
        (item.time, f"{item.request} was received by the meter, never forwarded")
        if item.request in own
        else (item.time, f"{item.request} was received by the meter, and never sent{_STRANGER}")
        for item in extra
        if item.request not in known
    ]
    lines = [*undecided, *missing, *strange]
    others = [item for item in extra if item.request in known]
    if len(others) > again:
        more = len(others) - again
        line = (
            f"{others[0].request} was received by the meter more often than forwarded, and "
            f"{more} such commands are not among the cache's {again} retries and shadow commands"
            f"{_DUPLICATE}"
        )
        return difference_of([*lines, (others[0].time, line)], more - 1)
    if len(others) < again:
        line = (
            f"the cache counts {again} retries and shadow commands, "
            f"and the meters received {len(others)} such commands"
        )
        return difference_of(lines, again - len(others), line)
    return difference_of(lines)


def accounts(
    decided: Iterable[Decided],
    direct: Iterable[Seen],
    cached: Iterable[Seen],
    name_of: Callable[[Request], str],
) -> list[Account]:
    """Return decisions and device hits grouped by `name_of` the request, in order of names.

    `direct` and `cached` are the receipts of meters in the two runs.
    """
    counts: dict[str, Counter[str]] = {}
    for item in decided:
        row = counts.setdefault(name_of(decided_request(item)), Counter())
        row["requests"] += 1
        row[str(item.decision)] += 1
    for run, seen in (("device_hits_direct", direct), ("device_hits_cached", cached)):
        for hit in seen:
            counts.setdefault(name_of(hit.request), Counter())[run] += 1
    return [Account(name, **counts[name]) for name in sorted(counts)]


def busiest(rows: Sequence[Account]) -> tuple[Account, ...]:
    """Return the meters with most direct device hits, the busiest first."""
    order = sorted(
        rows, key=lambda row: (-row.device_hits_direct, -row.device_hits_cached, row.name)
    )
    return tuple(order[:BUSIEST])


def grouped(items: Iterable[tuple[Request, T]]) -> dict[Request, list[T]]:
    """Return the items of each request, in the given order."""
    groups: dict[Request, list[T]] = {}
    for request, item in items:
        groups.setdefault(request, []).append(item)
    return groups


def decided_request(decided: Decided) -> Request:
    """Return the identity of the request that a decision is about."""
    return Request(decided.device, decided.srv, decided.party, decided.counter)


def _unmatched(
    here: Sequence[Seen], there: Sequence[Seen], verb: str, other: str, *, both: bool = True
) -> list[tuple[float, str]]:
    lines = [
        (item.time, f"{item.request} was {verb}, and not {other}") for item in _surplus(here, there)
    ]
    if both:
        known = {item.request for item in here}
        for item in _surplus(there, here):
            more = f"more often than {verb}{_DUPLICATE}"
            never = f"and never {verb}{_STRANGER}"
            text = f"{item.request} was {other}, {more if item.request in known else never}"
            lines.append((item.time, text))
    return lines


def _surplus(these: Sequence[Seen], those: Sequence[Seen]) -> list[Seen]:
    """Return the entries of `these` without a counterpart in `those`."""
    left = Counter(item.request for item in those)
    surplus = []
    for item in these:
        if left[item.request]:
            left[item.request] -= 1
        else:
            surplus.append(item)
    return surplus


def difference_of(lines: list[tuple[float, str]], more: int = 0, line: str = "") -> Difference:
    """Return the difference that `lines`, with their Unix times, describe; the earliest first.

    `line` describes `more` entries that have no lines of their own.
    """
    texts = [f"{_at(time)}: {text}" for time, text in sorted(lines)]
    number = len(texts) + more
    if line:
        texts.append(line)
    return Difference(number, tuple(texts[:MAX_LINES]))


def _at(time: float) -> str:
    return to_iso(int(time) - EPOCH_UNIX)
