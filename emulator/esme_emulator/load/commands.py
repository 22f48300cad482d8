"""Plan the requests of a load, and make their commands ahead of time.

Pure. The schedule follows from the plan alone, whatever the number of workers. A request belongs to
a worker by its meter, so all commands to a meter share one connection and stay in order.
"""

from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import accumulate, repeat, takewhile
from random import Random
from typing import NamedTuple

from esme_emulator.estate.estate import Estate
from esme_emulator.estate.parties import PARTY_NAMES, RemoteParty
from esme_emulator.load.in_flight import PreparedRequest
from esme_emulator.load.plan import Arrivals, LoadError, Plan
from esme_emulator.messaging.topics import command_topic
from esme_emulator.messaging.transaction import transaction_of
from esme_emulator.scenario.arrivals import arrival_times
from esme_emulator.scenario.scenario import Process, TraceLine
from esme_emulator.scenario.workload import window_of
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX


class Slot(NamedTuple):
    """One planned request."""

    place: int
    """Number among the requests of all workers, from 0."""
    seconds: float
    """Planned time after the start; 0 if it is due once an earlier request is over."""
    kind: int
    """Index into the plan's mix."""
    meter: int
    """Number of the meter in the estate, from 0."""


def schedule(plan: Plan, worker: int = 0) -> Iterator[Slot]:
    """Yield the requests of `worker` in the order of their times; a closed loop has no end."""
    draws = Random(f"{plan.seed} requests")  # noqa: S311  # an order, not a secret
    bounds = list(accumulate(kind.share for kind in plan.mix))
    for place, line in enumerate(_lines(plan)):
        # Every worker draws for every request, so that all workers agree on the schedule.
        drawn_kind, drawn_meter = draws.random() * bounds[-1], draws.random()
        meter = int(drawn_meter * plan.meters) if line.meter is None else line.meter
        if meter % plan.workers == worker:
            kind = min(bisect(bounds, drawn_kind), len(bounds) - 1)
            yield Slot(place, line.seconds, kind if line.kind is None else line.kind, meter)


def _lines(plan: Plan) -> Iterator[TraceLine]:
    if plan.arrivals is Arrivals.CLOSED:
        return repeat(TraceLine(0.0))
    if plan.arrivals is Arrivals.TRACE:
        lines: Iterator[TraceLine] = iter(sorted(plan.trace, key=lambda line: line.seconds))
    else:
        # The rate of a ramp is that of its end, twice its mean.
        seconds = plan.total if plan.arrivals is Arrivals.RAMP else 1.0
        requests = plan.rate * seconds / 2 if plan.arrivals is Arrivals.RAMP else plan.rate
        random = Random(f"{plan.seed} arrivals")  # noqa: S311
        times = arrival_times(Process(plan.arrivals), requests, seconds, random)
        lines = map(TraceLine, times)
    return takewhile(lambda line: line.seconds < plan.total, lines)


class CommandMaker:
    """Makes commands of the parties in a plan to the meters of `estate`.

    A request has the originator counter `first_counter` plus its place in the schedule, so the
    counters of all workers differ. If `first_counter` is the time in microseconds, they also differ
    from those of earlier loads. Raises `LoadError` if a party has no keys.
    """

    def __init__(self, plan: Plan, estate: Estate, first_counter: int) -> None:
        self._plan = plan
        self._meters: Sequence[EUI] = estate.meters
        self._first_counter = first_counter
        known = {PARTY_NAMES[party.eui]: party for party in estate.parties(first_counter)}
        self._parties: dict[str, RemoteParty] = {}
        for kind in plan.mix:
            if kind.party not in known:
                raise LoadError(
                    f"there are no keys of a party {kind.party}; known are {', '.join(known)}"
                )
            self._parties[kind.party] = known[kind.party]

    @property
    def recipients(self) -> set[EUI]:
        """Recipients of the replies."""
        return {party.recipient for party in self._parties.values()}

    def request(self, slot: Slot, now: float) -> PreparedRequest:
        """Return the request of `slot`, made at `now`, Unix time in seconds."""
        kind = self._plan.mix[slot.kind]
        device = self._meters[slot.meter]
        party = self._parties[kind.party]
        party.counter = self._first_counter + slot.place
        command, octets = party.command(device, kind.srv, window_of(kind, int(now) - EPOCH_UNIX))
        return PreparedRequest(
            seconds=slot.seconds,
            party=kind.party,
            srv=kind.srv,
            device=str(device),
            transaction=transaction_of(command),
            topic=command_topic(self._plan.prefix, device),
            octets=octets,
        )
