"""The evidence of a result, request by request.

Pure. Lines are generated one by one, since a proof may have a million requests.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from esme_emulator.estate.parties import PARTY_NAMES
from esme_emulator.proof.accounts import Request, Seen, accounts, decided_request, grouped
from esme_emulator.proof.driver import Exchange, request_of
from esme_emulator.proof.result import Account
from esme_emulator.proof.run_record import RunRecord
from esme_emulator.scenario.workload import PlannedRequest
from gbcs.instants import EPOCH_UNIX, to_iso


class Line(NamedTuple):
    """One request of a run: the request, the decision, the receipts of the meter, the reply.

    Several values, such as the decisions on several attempts, are in the order of their times with
    a blank between them. A command that no party of the proof sent has a line too, mostly empty.
    """

    run: str
    """`direct` or `cached`."""
    request: int | None = None
    """Number from 1, in the order of planned times; the same in both runs."""
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
    latency_ms: float | None = None
    """Scenario time from the first attempt to the reply."""
    octets: int | None = None
    """Length of the reply."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The records of the direct run and of the run through the cache."""

    start: int
    """Start of the scenario, in seconds since 2000."""
    requests: Sequence[PlannedRequest]
    direct: RunRecord
    cached: RunRecord

    def by_meter(self) -> list[Account]:
        """Return the account of each meter."""
        return by_meter(self.direct, self.cached)

    def lines(self) -> Iterator[Line]:
        """Yield the finished requests of both runs, and commands of strangers."""
        places = {request_of(planned): place for place, planned in enumerate(self.requests)}
        yield from self._lines("direct", self.direct, places)
        yield from self._lines("cached", self.cached, places)

    def _lines(self, name: str, run: RunRecord, places: Mapping[Request, int]) -> Iterator[Line]:
        decided = grouped((decided_request(item), item) for item in run.decided)
        received = grouped((seen.request, seen) for seen in run.fleet.received)
        over = zip(run.exchanges, run.checks, strict=True)
        for exchange, check in sorted(over, key=lambda item: places[request_of(item[0].planned)]):
            request = request_of(exchange.planned)
            line = self._line(name, places[request], exchange, received.get(request, ()))
            decisions = decided.get(request, ())
            if run is self.cached:
                line = line._replace(
                    decision=_joined(item.decision for item in decisions),
                    reason=_joined(item.reason for item in decisions),
                )
            yield line._replace(check=check.value)
        for seen in run.fleet.received:
            if seen.request not in places:
                yield _stranger(name, seen)

    def _line(self, run: str, place: int, exchange: Exchange, received: Sequence[Seen]) -> Line:
        """Return the line of a request, without the cache's decisions."""
        planned, reply = exchange.planned, exchange.reply
        accepted = "accepted" if exchange.accepted else "unacceptable"
        return Line(
            run=run,
            request=place + 1,
            planned=round(planned.time - EPOCH_UNIX - self.start, 3),
            at=to_iso(int(planned.time) - EPOCH_UNIX),
            device=str(planned.key.device),
            party=planned.party,
            originator=str(planned.command.remote_party),
            counter=planned.command.originator_counter,
            srv=planned.key.srv,
            start=to_iso(planned.key.start),
            end=to_iso(planned.key.end),
            attempts=exchange.attempts,
            decision="refused" if exchange.refused else "direct",
            reason=exchange.refused,
            received=len(received),
            outcome=_joined(seen.outcome for seen in received),
            reply="none" if reply is None else accepted,
            latency_ms=None if reply is None else round(exchange.seconds * 1000, 3),
            octets=None if reply is None else len(reply.octets),
        )


def by_meter(direct: RunRecord, cached: RunRecord) -> list[Account]:
    """Return the account of each meter, in the order of EUIs."""
    received = direct.fleet.received, cached.fleet.received
    return accounts(cached.decided, *received, lambda request: str(request.device))


def _stranger(run: str, seen: Seen) -> Line:
    """Return the line of a command that no party of the proof sent."""
    request = seen.request
    return Line(
        run=run,
        at=to_iso(int(seen.time) - EPOCH_UNIX),
        device=str(request.device),
        party="" if request.party is None else PARTY_NAMES.get(request.party, ""),
        originator="" if request.party is None else str(request.party),
        counter=request.counter,
        srv=request.srv,
        received=1,
        outcome=seen.outcome,
    )


def _joined(words: Iterable[str]) -> str:
    return " ".join(filter(None, words))
