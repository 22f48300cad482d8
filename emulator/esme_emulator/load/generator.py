"""A load generator: send the requests of one worker over one connection, each at its time.

Commands are made ahead of their time. A request goes out when it is due, whatever the outcome of
earlier ones, so a slow broker does not slow down the load. If the generator itself is late, latency
still counts from the planned time.

The schedule follows from the plan alone, whatever the number of workers. A request belongs to a
worker by its meter, so all commands to a meter share one connection and stay in order.
"""

import asyncio
import time
from bisect import bisect
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import accumulate, repeat, takewhile
from random import Random
from typing import NamedTuple, Protocol, runtime_checkable

from esme_emulator.estate.estate import Estate
from esme_emulator.estate.parties import RemoteParty
from esme_emulator.load.in_flight import Batch, ConnectionState, InFlight, PreparedRequest
from esme_emulator.load.plan import Arrivals, LoadError, Plan
from esme_emulator.messaging.topics import CACHE_STATUS, command_topic, response_topic
from esme_emulator.messaging.transaction import transaction_of
from esme_emulator.runtime.clock import Clock, parse_clock
from esme_emulator.scenario.scenario import Mix, Process, TraceLine, window_of
from esme_emulator.scenario.workload import arrival_times
from esme_emulator.transport import Broker, Outcome, Transport, TransportError, connect
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX
from gbcs.usecases.read_request import Window


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
    window: Window | None = None
    """The window to read, None for the one that the mix gives."""

    def window_at(self, kind: Mix, now: float) -> Window:
        """Return the window to read at `now`, Unix time in seconds."""
        return self.window or window_of(kind, int(now) - EPOCH_UNIX)


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
            kind = kind if line.kind is None else line.kind
            yield Slot(place, line.seconds, kind, meter, line.window)


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


class RequestMaker(Protocol):
    """Makes the requests of a plan, ready to be sent."""

    def request(self, slot: Slot, now: float) -> PreparedRequest:
        """Return the request of `slot`, made at `now`, Unix time in seconds."""
        ...


def parties_of(plan: Plan, estate: Estate, first_counter: int) -> dict[str, RemoteParty]:
    """Return the parties in the mix of a plan by name. Raises `LoadError` if one has no keys."""
    known = {estate.name_of(party.eui): party for party in estate.parties(first_counter)}
    for kind in plan.mix:
        if kind.party not in known:
            raise LoadError(
                f"there are no keys of a party {kind.party}; known are {', '.join(known)}"
            )
    return {kind.party: known[kind.party] for kind in plan.mix}


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
        self._parties = parties_of(plan, estate, first_counter)

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
        command, octets = party.command(device, kind.srv, slot.window_at(kind, now))
        return PreparedRequest(
            seconds=slot.seconds,
            party=kind.party,
            srv=kind.srv,
            device=str(device),
            transaction=transaction_of(command),
            topic=command_topic(self._plan.prefix, device),
            octets=octets,
        )


AHEAD = 500
"""Most requests that are made ahead of their time."""
AT_ONCE = 4
"""Requests made before the event loop may handle replies: a few tenths of a millisecond."""
REPORT = 0.1
"""Time between batches, in seconds."""

Begin = Callable[[], Awaitable[float]]
"""Reports that the generator is ready, and returns when to start, by its time source."""
Take = Callable[[Batch], None]


class TimeSource(Protocol):
    """The time by which requests are sent and latency is measured."""

    def now(self) -> float:
        """Return seconds since an arbitrary time."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed."""
        ...


class MonotonicClock:
    """Seconds that no one can set, the same in all processes of a machine."""

    def now(self) -> float:
        """Return seconds since an arbitrary time."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed."""
        await asyncio.sleep(seconds)


class Road(Protocol):
    """The way of requests to what answers them, and of replies back to `InFlight`."""

    @property
    def state(self) -> ConnectionState:
        """The state of the connection."""
        ...

    def connected(
        self, in_flight: InFlight, now: Callable[[], float], freed: Callable[[], None]
    ) -> AbstractAsyncContextManager[None]:
        """Pass replies to `in_flight` during the context, and call `freed` after each.

        Raises `TransportError` if the connection fails.
        """
        ...

    def send(self, request: PreparedRequest, planned: float) -> None:
        """Send a request that is in flight. `planned` is its planned time."""
        ...


class MqttRoad:
    """The way on MQTT, for commands to meters or a cache and the responses to `recipients`."""

    def __init__(self, broker: Broker, plan: Plan, worker: int, recipients: set[EUI]) -> None:
        self._broker = broker
        self._plan = plan
        self._worker = worker
        self._recipients = recipients
        self._transport: Transport | None = None

    @property
    def state(self) -> ConnectionState:
        """The state of the connection to the broker."""
        transport = self._transport
        if transport is None:
            return ConnectionState(is_up=False)
        return ConnectionState(
            transport.is_connected, transport.counters.reconnections, transport.carries_properties
        )

    @asynccontextmanager
    async def connected(
        self, in_flight: InFlight, now: Callable[[], float], freed: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Pass replies to `in_flight` during the context. Raises `TransportError`."""

        def receive(topic: str, octets: bytes, properties: Mapping[str, str]) -> None:
            status, at = properties.get(CACHE_STATUS), now()
            if in_flight.receive(topic.split("/")[1], octets, status, at):
                freed()

        filters = (response_topic(self._plan.prefix, "+", each) for each in self._recipients)
        async with connect(
            self._broker,
            client_id=f"load-{self._worker}",
            subscriptions=dict.fromkeys(filters, receive),
            give_up_after=self._plan.timeout,
        ) as self._transport:
            self._in_flight, self._freed = in_flight, freed
            yield

    def send(self, request: PreparedRequest, planned: float) -> None:
        """Publish a request that is in flight."""
        if self._transport is not None:
            self._transport.post(request.topic, request.octets, partial(self._sent, request))

    def _sent(self, request: PreparedRequest, outcome: Outcome) -> None:
        if isinstance(outcome, TransportError):
            self._in_flight.unsent(request)
            self._freed()
        elif not outcome:
            self._in_flight.unheard()


@runtime_checkable
class Endpoint(Protocol):
    """The target of a load that does not use MQTT."""

    def maker(self, plan: Plan, estate: Estate, first_counter: int) -> RequestMaker:
        """Return what makes its requests."""
        ...

    def road(self) -> Road:
        """Return the way to it."""
        ...


class Generator:
    """Sends the requests of `worker` to `target`."""

    def __init__(
        self,
        plan: Plan,
        estate: Estate,
        worker: int,
        first_counter: int,
        target: Broker | Endpoint,
        timer: TimeSource | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._stopping = False
        self._plan = plan
        self._timer = timer or MonotonicClock()
        self._clock = clock or parse_clock(plan.clock)
        self._maker: RequestMaker
        self._road: Road
        if isinstance(target, Endpoint):
            self._maker, self._road = target.maker(plan, estate, first_counter), target.road()
        else:
            commands = CommandMaker(plan, estate, first_counter)
            road = MqttRoad(target, plan, worker, commands.recipients)
            self._maker, self._road = commands, road
        draws = Random(f"{plan.seed} checks {worker}")  # noqa: S311  # a sample, not a secret
        self._in_flight = InFlight(plan, worker, estate.keystore, draws.random)
        self._slots = schedule(plan, worker)
        self._closed = plan.share(plan.closed, worker)
        self._ahead: deque[PreparedRequest] = deque()
        self._freed = asyncio.Event()
        self._start = 0.0
        self._cpu = 0.0

    def break_off(self) -> None:
        """Send nothing more, and do not wait for replies."""
        self._stopping = True

    async def run(self, begin: Begin, take: Take) -> None:
        """Send all requests and wait for their replies; call `take` with each batch.

        Raises `TransportError` if the broker or the endpoint cannot be reached.
        """
        async with self._road.connected(self._in_flight, self._now, self._freed.set):
            self._cpu = time.process_time()
            for _ in range(AHEAD):
                if not self._make_one():
                    break
                await asyncio.sleep(0)
            self._start = await begin()
            pace = self._pace_closed if self._plan.arrivals is Arrivals.CLOSED else self._pace
            pacing = asyncio.create_task(pace())
            try:
                await self._report(pacing, take)
            finally:
                pacing.cancel()
                await asyncio.gather(pacing, return_exceptions=True)

    def _now(self) -> float:
        return self._timer.now() - self._start

    def _make_one(self) -> bool:
        slot = next(self._slots, None)
        if slot is not None:
            self._ahead.append(self._maker.request(slot, self._clock.now()))
        return slot is not None

    async def _pace(self) -> None:
        """Send each request at its time, and make later ones meanwhile."""
        more, made = True, 0
        while more or self._ahead:
            while self._ahead and self._ahead[0].seconds <= (now := self._now()):
                request = self._ahead.popleft()
                self._send(request, request.seconds, now)
            if more and len(self._ahead) < AHEAD:
                more, made = self._make_one(), made + 1
                if made % AT_ONCE == 0:
                    await asyncio.sleep(0)
            elif self._ahead:
                await self._timer.sleep(self._ahead[0].seconds - self._now())
        await self._timer.sleep(max(self._plan.total - self._now(), 0.0))

    async def _pace_closed(self) -> None:
        """Keep a fixed number of requests in flight until the time is over."""
        while (now := self._now()) < self._plan.total:
            if self._ahead and self._in_flight.number < self._closed:
                self._send(self._ahead.popleft(), now, now)
            elif len(self._ahead) < AHEAD:
                self._make_one()
                await asyncio.sleep(0)
            else:
                self._freed.clear()
                await self._freed.wait()

    def _send(self, request: PreparedRequest, planned: float, now: float) -> None:
        if self._in_flight.send(request, planned, now):
            self._road.send(request, planned)

    async def _report(self, pacing: asyncio.Task[None], take: Take) -> None:
        """Pass a batch to `take` every `REPORT` seconds, until all requests are over."""
        while not (pacing.done() and not self._in_flight.number) and not self._stopping:
            await self._timer.sleep(REPORT)
            self._in_flight.expire(self._now())
            self._freed.set()
            take(self._batch())
        if pacing.done():
            pacing.result()
        self._in_flight.break_off()
        take(self._batch())

    def _batch(self) -> Batch:
        batch = self._in_flight.take()
        batch.waiting = self._in_flight.waiting(self._now())
        batch.connection = self._road.state
        spent = time.process_time()
        if self._plan.warm_up <= self._now() - REPORT < self._plan.total:
            batch.cpu = spent - self._cpu
        self._cpu = spent
        return batch
