"""What a result rests on, request by request: more than the result itself can hold.

Pure. Lines are made as they are asked for, since a proof may have a million requests.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from esme_emulator.estate.parties import PARTY_NAMES
from esme_emulator.proof.accounts import Request, Seen, accounts, decided_request, grouped
from esme_emulator.proof.driver import Exchange, request_of
from esme_emulator.proof.result import Account
from esme_emulator.proof.run_record import RunAccount
from esme_emulator.scenario.workload import Ask
from gbcs.instants import EPOCH_UNIX, to_iso


class Line(NamedTuple):
    """One request of a run: what was asked, what was decided, what the meter got, what came back.

    Where there are several of a thing, such as the decisions on several attempts, they are in the
    order of their times with a blank between them. A command that no party of the proof sent has a
    line too, with little in it.
    """

    run: str
    """`direct` or `cached`."""
    request: int | None = None
    """From 1, in the order of the planned times; the same in both runs."""
    planned: float | None = None
    """Seconds after the scenario's start."""
    at: str = ""
    """The same as ISO 8601, UTC; of a stranger's command when the meter received it."""
    device: str = ""
    party: str = ""
    """By its name."""
    originator: str = ""
    """The party's EUI."""
    counter: int | None = None
    """The originator counter of the command."""
    srv: str = ""
    start: str = ""
    """Of the window, ISO 8601, UTC; and its end."""
    end: str = ""
    attempts: int = 0
    """How often its party sent the command; 0 where it was refused on its way."""
    decision: str = ""
    """Of the cache, on each attempt; of the direct run `direct`, or `refused`."""
    reason: str = ""
    """Of decisions that have one."""
    received: int = 0
    """How many such commands the meter received, retries and shadow commands among them."""
    outcome: str = ""
    """What became of each of these at the meter."""
    reply: str = ""
    """Whether its party took what came: `accepted`, `unacceptable`, or `none` where nothing did."""
    check: str = ""
    """What comparing the reply with the meter's own found."""
    latency_ms: float | None = None
    """From the first attempt to the reply, in the scenario's time."""
    octets: int | None = None
    """Of the reply."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The accounts of the direct run and of the run through the cache."""

    start: int
    """Of the scenario, seconds since 2000."""
    asks: Sequence[Ask]
    direct: RunAccount
    cached: RunAccount

    def by_meter(self) -> list[Account]:
        """Return what became of the requests of each meter that was asked."""
        return by_meter(self.direct, self.cached)

    def lines(self) -> Iterator[Line]:
        """Yield the requests of both runs that were over, and what else meters received."""
        places = {request_of(ask): place for place, ask in enumerate(self.asks)}
        yield from self._lines("direct", self.direct, places)
        yield from self._lines("cached", self.cached, places)

    def _lines(self, name: str, run: RunAccount, places: Mapping[Request, int]) -> Iterator[Line]:
        decided = grouped((decided_request(item), item) for item in run.decided)
        received = grouped((seen.request, seen) for seen in run.fleet.received)
        over = zip(run.exchanges, run.checks, strict=True)
        for exchange, check in sorted(over, key=lambda item: places[request_of(item[0].ask)]):
            request = request_of(exchange.ask)
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
        """Return the line of a request, as far as no cache has to do with it."""
        ask, reply = exchange.ask, exchange.reply
        accepted = "accepted" if exchange.accepted else "unacceptable"
        return Line(
            run=run,
            request=place + 1,
            planned=round(ask.time - EPOCH_UNIX - self.start, 3),
            at=to_iso(int(ask.time) - EPOCH_UNIX),
            device=str(ask.key.device),
            party=ask.party,
            originator=str(ask.command.remote_party),
            counter=ask.command.originator_counter,
            srv=ask.key.srv,
            start=to_iso(ask.key.start),
            end=to_iso(ask.key.end),
            attempts=exchange.attempts,
            decision="refused" if exchange.refused else "direct",
            reason=exchange.refused,
            received=len(received),
            outcome=_joined(seen.outcome for seen in received),
            reply="none" if reply is None else accepted,
            latency_ms=None if reply is None else round(exchange.seconds * 1000, 3),
            octets=None if reply is None else len(reply.octets),
        )


def by_meter(direct: RunAccount, cached: RunAccount) -> list[Account]:
    """Return what became of the requests of each meter that was asked, in the order of EUIs."""
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
