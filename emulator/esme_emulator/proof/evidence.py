"""The evidence of a result, request by request, in temporary files.

A proof may have millions of requests, so each is one line of text as soon as its part of the run is
over. The files are sorted on disk, and read again when the report is written.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from heapq import merge
from itertools import groupby
from math import ceil
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.proof.judge import Check
from esme_emulator.proof.result import AGE_PERCENTILES, PERCENTILES, Account, Ages, Percentiles
from esme_emulator.proof.run_record import Exchange, Seen
from esme_emulator.runtime.line_sorter import LIMIT, LineSorter, sorted_lines
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX, to_iso

DIRECT = "direct"
"""Label of the direct run, and the kind of its latencies."""

_LEDGER, _METERS = "ledger", "meters"
AGES = "age"
"""Kind of the ages of all hits; with an SRV behind it, of those of that SRV."""
_WIDTH = 15
"""Digits of a number, so that lines sort by it."""


class Line(NamedTuple):
    """One request of a run: the request, the decision, the receipts of the meter, the reply.

    Several values, such as the decisions on several attempts, are in the order of their times with
    a blank between them. A command that no party of the proof sent has a line too, mostly empty.
    """

    run: str
    """`direct` or `cached`."""
    request: int | None = None
    """Number from 1, in the order of planned times, then of EUIs; the same in both runs."""
    planned: float | None = None
    """Planned time, in seconds after the scenario's start."""
    at: str = ""
    """Planned time in ISO 8601, UTC; for a stranger's command the time of its receipt."""
    device: str = ""
    party: str = ""
    """Name of the party."""
    originator: str = ""
    """EUI of the party."""
    counter: int | None = None
    """Originator counter of the command."""
    srv: str = ""
    start: str = ""
    """Start of the window, ISO 8601, UTC."""
    end: str = ""
    """End of the window, ISO 8601, UTC."""
    attempts: int = 0
    """Times that the party sent the command; 0 if upstream refused it."""
    request_ids: str = ""
    """RequestID of each attempt that was made through DUIS."""
    codes: str = ""
    """Response codes of DUIS, of acknowledgements and responses in their order."""
    decision: str = ""
    """The cache's decision on each attempt; in the direct run `direct` or `refused`."""
    reason: str = ""
    """Reasons of the decisions, if they have any."""
    received: int = 0
    """Commands that the meter received, retries and shadow commands included."""
    outcome: str = ""
    """Outcome of each of them at the meter."""
    reply: str = ""
    """`accepted` or `unacceptable` to its party, or `none`."""
    check: str = ""
    """Result of comparing the reply with the meter's own."""
    age_s: str = ""
    """Age of the readings in each hit, in seconds."""
    latency_ms: float | None = None
    """Scenario time from the first attempt to the reply."""
    octets: int | None = None
    """Length of the reply."""


def line_of(run: str, start: int, exchange: Exchange, check: Check) -> Line:
    """Return the line of a request; `start` is that of the scenario, in seconds since 2000."""
    planned = exchange.planned
    direct = "refused" if exchange.refused else DIRECT
    accepted = "accepted" if exchange.accepted else "unacceptable"
    return Line(
        run=run,
        request=planned.number,
        planned=round(planned.time - EPOCH_UNIX - start, 3),
        at=to_iso(int(planned.time) - EPOCH_UNIX),
        device=str(planned.key.device),
        party=planned.party,
        originator=str(exchange.request.party),
        counter=exchange.request.counter,
        srv=planned.key.srv,
        start=to_iso(planned.key.start),
        end=to_iso(planned.key.end),
        attempts=len(exchange.attempts),
        request_ids=_joined(exchange.request_ids),
        codes=_joined(exchange.codes),
        decision=direct if run == DIRECT else _decision(exchange),
        reason=exchange.refused if run == DIRECT else _reason(exchange),
        received=len(exchange.received),
        outcome=_joined(seen.outcome for seen in exchange.received),
        reply="none" if exchange.octets is None else accepted,
        check=check.value,
        age_s=_joined(str(item.age) for item in exchange.decided if item.age is not None),
        latency_ms=None if exchange.octets is None else round(exchange.seconds * 1000, 3),
        octets=exchange.octets,
    )


def _decision(exchange: Exchange) -> str:
    """Return the cache's decisions, or `refused` if a front door kept the request from it."""
    if exchange.turned_away:
        return Decision.REFUSED
    return _joined(item.decision for item in exchange.decided)


def _reason(exchange: Exchange) -> str:
    return exchange.turned_away or _joined(item.reason for item in exchange.decided)


def line_of_stranger(run: str, seen: Seen, name_of: Callable[[EUI], str]) -> Line:
    """Return the line of a command that no party of the proof sent; `name_of` names parties."""
    request = seen.request
    return Line(
        run=run,
        at=to_iso(int(seen.time) - EPOCH_UNIX),
        device=str(request.device),
        party="" if request.party is None else name_of(request.party),
        originator="" if request.party is None else str(request.party),
        counter=request.counter,
        srv=request.srv,
        received=1,
        outcome=seen.outcome,
    )


def _joined(words: Iterable[str]) -> str:
    return " ".join(filter(None, words))


class EvidenceWriter:
    """Writes the evidence of runs into `folder`, as process `owner`.

    `label` is that of a run: `direct`, or `cached` with the number of the cache's variant.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self._lines = LineSorter(folder, owner)
        self._texts: list[str] = []
        self._csv = csv.writer(self, lineterminator="")

    def write(self, text: str) -> None:
        """Take one line from the writer of CSV."""
        self._texts.append(text)

    def line(self, label: str, line: Line, time: float) -> None:
        """Write the line of a request, or of a stranger's command at `time`."""
        self._csv.writerow(line)
        # Digits sort before letters, so strangers come last.
        place = f"s{time:020.6f}" if line.request is None else f"{line.request:012}"
        self._lines.add(f"{_LEDGER}-{label}", f"{place} {self._texts.pop()}")

    def numbers(self, label: str, kind: str, found: Counter[int]) -> None:
        """Write how often each number of a kind came, such as a latency in microseconds."""
        for value, number in found.items():
            self._lines.add(f"{kind}-{label}", f"{value:0{_WIDTH}} {number}")

    def meters(self, label: str, accounts: Iterable[Account]) -> None:
        """Write the accounts of meters; those of one meter are added up."""
        for account in accounts:
            values = (str(getattr(account, item.name)) for item in fields(Account))
            self._lines.add(f"{_METERS}-{label}", " ".join(values))

    @property
    def is_full(self) -> bool:
        """Whether there is so much in memory that `flush` is due."""
        return self._lines.size > LIMIT // 4

    def flush(self) -> None:
        """Write what is in memory. Raises `OSError`."""
        self._lines.flush()


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence in the files of `folder`: of the direct run, and of one run through a cache."""

    folder: Path
    cached: str

    def lines(self) -> Iterator[str]:
        """Yield both runs as CSV: finished requests by number, then commands of strangers."""
        for label in (DIRECT, self.cached):
            for line in sorted_lines(self.folder, f"{_LEDGER}-{label}"):
                yield line.partition(" ")[2]

    def by_meter(self) -> Iterator[Account]:
        """Yield the account of each meter, in the order of EUIs."""
        both = [sorted_lines(self.folder, f"{_METERS}-{label}") for label in (DIRECT, self.cached)]
        rows = (line.split(" ") for line in merge(*both))
        for name, same in groupby(rows, key=itemgetter(0)):
            columns = zip(*[map(int, numbers) for _, *numbers in same], strict=True)
            yield Account(name, *map(sum, columns))

    def latencies(self, kind: str) -> Percentiles:
        """Return the percentiles, by nearest rank, of the latencies of a kind."""
        label = DIRECT if kind == DIRECT else self.cached
        found = self._percentiles(f"{kind}-{label}", PERCENTILES)
        if found is None:
            return Percentiles(None, None, None, None)
        return Percentiles(*(microseconds / 1000 for microseconds in found))

    def ages(self, srv: str = "") -> Ages:
        """Return the percentiles of the ages of hits of an SRV, or of all."""
        kind = f"{AGES}{srv}-{self.cached}"
        found = self._percentiles(kind, AGE_PERCENTILES)
        hits = sum(number for _, number in self._numbers(kind))
        return Ages(srv or "all", hits, *(found or (None, None, None)))

    def _numbers(self, name: str) -> Iterator[tuple[int, int]]:
        for line in sorted_lines(self.folder, name):
            yield int(line[:_WIDTH]), int(line[_WIDTH:])

    def _percentiles(self, name: str, parts: Sequence[float]) -> list[int] | None:
        """Return percentiles of the numbers of a name by nearest rank, None without any."""
        total = sum(number for _, number in self._numbers(name))
        if not total:
            return None
        ascending, reached, value = self._numbers(name), 0, 0
        values = []
        for part in parts:
            while reached < ceil(part * total):
                value, number = next(ascending)
                reached += number
            values.append(value)
        return values
