"""The record of one run: what its parties, its cache and its fleet counted, request by request.

Pure: the parts of a run publish events, and the driver reports what the parties do. Each part
counts without knowing of the others, and `accounts` compares their counts.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from esme_emulator.cache.policy.ledger import Decided, Decision
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.faults.engine import FaultFired, Faults
from esme_emulator.fleet.fleet import CommandReceived, Fleet
from esme_emulator.proof.judge import Check, Judge
from esme_emulator.runtime.events import Events
from esme_emulator.scenario.workload import PlannedRequest, Upstream
from gbcs import EUI, Command, GbcsError, Message, open_message


class Request(NamedTuple):
    """Identity of a command, the same in every account."""

    device: EUI
    srv: str
    party: EUI | None
    counter: int | None

    def __str__(self) -> str:
        return f"SRV {self.srv} of {self.device} for {self.party}, counter {self.counter}"


class Seen(NamedTuple):
    """A command that arrived, at the cache or at the fleet."""

    time: float
    """Unix time in seconds."""
    request: Request
    outcome: str = ""
    """Its outcome at the meter, if known."""


@dataclass(slots=True, eq=False)
class Exchange:
    """One request of a run, and everything that was counted about it. Times are Unix times."""

    request: Request
    planned: PlannedRequest
    sent: float
    """Time of the first attempt."""
    refused: str
    """Why upstream refuses the request; empty if it does not. A reply to it is wrong."""
    attempts: list[float] = field(default_factory=list)
    """Times at which the command was sent; none if upstream kept it back."""
    request_ids: list[str] = field(default_factory=list)
    """RequestIDs of the party's requests; none if they were not made through DUIS."""
    codes: list[str] = field(default_factory=list)
    """Response codes of DUIS, of acknowledgements and responses in their order."""
    turned_away: str = ""
    """The response code with which a front door refused the request; empty if it did not."""
    decided: list[Decided] = field(default_factory=list)
    received: list[Seen] = field(default_factory=list)
    replied: list[float] = field(default_factory=list)
    """When replies leave the meter."""
    faulty: bool = False
    """Whether a fault fired at one of the commands."""
    ended: float | None = None
    """Time of the reply, or of the last timeout; None if the party still waits."""
    octets: int | None = None
    """Length of the reply; None if there was none."""
    accepted: bool = False
    """Whether the party accepts the reply: an authentic response to its command."""
    check: Check = Check.NONE
    """The check of the reply by itself, whatever else happened in the run."""

    @property
    def seconds(self) -> float:
        """Time from the first attempt to the reply or the last timeout."""
        return (self.sent if self.ended is None else self.ended) - self.sent


class FleetObserver:
    """Collects the evidence of a fleet, and of the faults in it, from the events they publish."""

    def __init__(self, record: "RunRecord", fleet: Fleet, events: Events) -> None:
        self.record = record
        self.fleet = fleet
        self._fired = False
        events.subscribe(FaultFired, self._note_fault)
        events.subscribe(CommandReceived, self.note)

    def note(self, event: CommandReceived) -> None:
        """Collect a command and its replies."""
        record = self.record
        record.commands += 1
        record.replies += len(event.replies)
        record.octets += len(event.octets) + sum([len(reply.octets) for reply in event.replies])
        exchange = record.of_octets(event.device, event.octets)
        if exchange is None:
            request = Request(event.device, event.srv, *_asked_by(event.octets))
            record.strangers.append(Seen(event.time, request, event.outcome))
        else:
            exchange.received.append(Seen(event.time, exchange.request, event.outcome))
            exchange.replied += [reply.due for reply in event.replies]
            exchange.faulty |= self._fired
        for reply in event.replies:
            record.last_reply = max(record.last_reply, reply.due)
        self._fired = False

    def _note_fault(self, _: FaultFired) -> None:
        # A fleet handles one command at a time and publishes it once its faults have fired.
        self._fired = True


class RunRecord:
    """The accounts of a run, as far as it came."""

    def __init__(self) -> None:
        self._all: list[Exchange] = []
        self._by_request: dict[Request, Exchange] = {}
        self._by_octets: dict[bytes, Exchange] = {}
        self.strangers: list[Seen] = []
        """Commands at the fleet that no party of the proof sent."""
        self.strange: list[Decided] = []
        """Decisions on such commands."""
        self.commands = 0
        """Commands that the fleet received."""
        self.decided = 0
        """Decisions that the cache published."""
        self.replies = 0
        self.octets = 0
        """Octets of all commands to and replies from meters."""
        self.last_reply = 0.0
        """When the last of the replies leaves its meter."""
        self.made = 0
        """Requests that are over."""

    def begin(self, planned: PlannedRequest, now: float, refused: str) -> Exchange:
        """Note that a party is about to send a request."""
        command, key = planned.command, planned.key
        request = Request(key.device, key.srv, command.remote_party, command.originator_counter)
        exchange = Exchange(request, planned, now, refused)
        self._all.append(exchange)
        self._by_request[request] = self._by_octets[planned.octets] = exchange
        return exchange

    def sent(self, exchange: Exchange, command: Command, octets: bytes, now: float) -> None:
        """Note that a front door sends this command for a request, in place of the planned one."""
        request = exchange.request._replace(counter=command.originator_counter)
        exchange.request, exchange.planned = (
            request,
            replace(exchange.planned, command=command, octets=octets),
        )
        exchange.attempts.append(now)
        self._by_request[request] = self._by_octets[octets] = exchange

    def end(self, exchange: Exchange, now: float) -> None:
        """Note that a party has its reply, or waits no longer."""
        exchange.ended = now
        self.made += 1

    def exchanges(self) -> Iterator[Exchange]:
        """Yield all requests, in the order in which they were made."""
        yield from self._all

    def received(self) -> Iterator[Seen]:
        """Yield all commands that the fleet received."""
        for exchange in self._all:
            yield from exchange.received
        yield from self.strangers

    def decisions(self) -> Iterator[tuple[Request, Decision]]:
        """Yield all decisions of the cache, with the requests that they are about."""
        for exchange in self._all:
            for item in exchange.decided:
                yield exchange.request, item.decision
        for item in self.strange:
            yield request_of(item), item.decision

    def decided_as(self, wanted: Container[Decision]) -> Iterator[Decided]:
        """Yield the wanted decisions."""
        for exchange in self._all:
            yield from (item for item in exchange.decided if item.decision in wanted)
        yield from (item for item in self.strange if item.decision in wanted)

    def of_octets(self, device: EUI, octets: bytes) -> Exchange | None:
        """Return the request with a command to `device`, or None if no party sent it."""
        exchange = self._by_octets.get(octets)
        return exchange if exchange and exchange.planned.key.device == device else None

    def note_decision(self, decided: Decided) -> None:
        """Collect a decision of the cache."""
        self.decided += 1
        exchange = self._by_request.get(request_of(decided))
        (self.strange if exchange is None else exchange.decided).append(decided)


@dataclass(slots=True)
class Run:
    """One run of a part of the meters: what it runs, and what was counted."""

    fleet: Fleet
    faults: Faults
    policy: CachePolicy | None
    """The cache; None if requests go directly to the meters."""
    judge: Judge
    record: RunRecord
    upstream: Upstream
    cache_timeout: float = 0.0
    """The cache's timeout for a meter, in seconds."""

    def begin(self, planned: PlannedRequest, now: float) -> Exchange:
        """Note that a party is about to send a request."""
        return self.record.begin(planned, now, self.upstream.refusal(planned, now))

    def is_withheld(self, exchange: Exchange) -> bool:
        """Return whether a request is not sent: a cache has to refuse it by itself."""
        return self.policy is None and bool(exchange.refused)

    def take_reply(self, exchange: Exchange, message: Message, octets: bytes, now: float) -> None:
        """Judge the reply to a request; keep what the ledger says of it, and not its octets."""
        exchange.octets = len(octets)
        exchange.accepted, exchange.check = self.judge.check(
            exchange.planned, exchange.sent, now, message, octets
        )
        self.record.end(exchange, now)


def request_of(decided: Decided) -> Request:
    """Return the identity of the request that a decision is about."""
    return Request(decided.device, decided.srv, decided.party, decided.counter)


def _asked_by(octets: bytes) -> tuple[EUI | None, int | None]:
    """Return the party and the originator counter of a command, None if it cannot be decoded."""
    try:
        message = open_message(octets)
    except GbcsError:
        return None, None
    return message.remote_party, message.originator_counter
