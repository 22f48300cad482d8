"""Accounts: what parties sent, the cache decided and meters received, held against each other.

Pure. The three are counted where they happen and know nothing of each other; here every difference
is found, and the first request that does not add up is named.
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
"""So many lines tell what does not add up."""

BUSIEST = 20

_STRANGER = ": another client is on this broker"
_DOUBLE = ": is another cache, fleet or proof on this broker?"
"""What a command tells that no party of the proof has sent, and one that came more than once."""


class Request(NamedTuple):
    """What a command is known by, wherever it is counted."""

    device: EUI
    srv: str
    party: EUI | None
    counter: int | None

    def __str__(self) -> str:
        return f"SRV {self.srv} of {self.device} for {self.party}, counter {self.counter}"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request where and when it was counted, Unix time in seconds."""

    time: float
    request: Request
    outcome: str = ""
    """What became of it there, in a word, where that is known."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How many counts have no counterpart, and what they are."""

    number: int
    lines: tuple[str, ...]


def direct_difference(sent: Sequence[Seen], received: Sequence[Seen]) -> Difference:
    """Return what differs where every command goes to its meter."""
    return together(_unmatched(sent, received, "sent", "received by the meter"))


def cached_difference(
    sent: Sequence[Seen],
    decided: Sequence[Decided],
    received: Sequence[Seen],
    again: int,
) -> Difference:
    """Return what differs where a cache decides; `again` is what it sent beside its decisions."""
    decisions = [Seen(item.time, decided_request(item)) for item in decided]
    forwarded = [
        Seen(item.time, decided_request(item))
        for item in decided
        if item.decision is Decision.FORWARDED
    ]
    decisive = _unmatched(sent, decisions, "sent", "decided by the cache")
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
    lines = [*decisive, *missing, *strange]
    others = [item for item in extra if item.request in known]
    if len(others) > again:
        more = len(others) - again
        line = (
            f"{others[0].request} was received by the meter beside what the cache forwarded, and "
            f"{more} such commands are none of its {again} retries and shadow commands{_DOUBLE}"
        )
        return together([*lines, (others[0].time, line)], more - 1)
    if len(others) < again:
        line = (
            f"the cache counts {again} retries and shadow commands, "
            f"and the meters received {len(others)} such commands"
        )
        return together(lines, again - len(others), line)
    return together(lines)


def accounts(
    decided: Iterable[Decided],
    direct: Iterable[Seen],
    cached: Iterable[Seen],
    name_of: Callable[[Request], str],
) -> list[Account]:
    """Return what became of requests by the name that `name_of` gives them, in order of name.

    `direct` and `cached` are what the meters received in the two runs.
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
    """Return the meters that would be asked most, the busiest first."""
    order = sorted(
        rows, key=lambda row: (-row.device_hits_direct, -row.device_hits_cached, row.name)
    )
    return tuple(order[:BUSIEST])


def grouped(items: Iterable[tuple[Request, T]]) -> dict[Request, list[T]]:
    """Return what belongs to each request, in the order given."""
    groups: dict[Request, list[T]] = {}
    for request, item in items:
        groups.setdefault(request, []).append(item)
    return groups


def decided_request(decided: Decided) -> Request:
    """Return what the request of a decision is known by."""
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
            more = f"more often than {verb}{_DOUBLE}"
            never = f"and never {verb}{_STRANGER}"
            text = f"{item.request} was {other}, {more if item.request in known else never}"
            lines.append((item.time, text))
    return lines


def _surplus(these: Sequence[Seen], those: Sequence[Seen]) -> list[Seen]:
    """Return the items of `these` that `those` do not have as often."""
    left = Counter(item.request for item in those)
    surplus = []
    for item in these:
        if left[item.request]:
            left[item.request] -= 1
        else:
            surplus.append(item)
    return surplus


def together(lines: list[tuple[float, str]], more: int = 0, line: str = "") -> Difference:
    """Return the difference that `lines`, with their Unix times, tell of; first things first.

    `line` tells of `more` that cannot be told one by one.
    """
    texts = [f"{_at(time)}: {text}" for time, text in sorted(lines)]
    number = len(texts) + more
    if line:
        texts.append(line)
    return Difference(number, tuple(texts[:MAX_LINES]))


def _at(time: float) -> str:
    return to_iso(int(time) - EPOCH_UNIX)
