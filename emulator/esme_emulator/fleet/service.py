"""A fleet on a broker: receives commands, and sends and counts each reply when it is due.

All meters share a connection, or each has its own, to test brokers with many clients.
"""

import asyncio
import logging
import resource
from collections.abc import AsyncIterator, Callable, Container, Mapping, MutableMapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

from esme_emulator.fleet.counters import Stage
from esme_emulator.fleet.fleet import Fleet, ReplySent
from esme_emulator.fleet.queueing import Outbox, Reply
from esme_emulator.messaging.topics import (
    BAD_TOPIC,
    DIRECT,
    TOPIC_RULE,
    answer_topic,
    command_topic,
    device_of,
)
from esme_emulator.messaging.validation import UNKNOWN_SRV
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.complaints import Complaints
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.transport import (
    RESPONSE_TOPIC,
    Broker,
    Handler,
    MemoryBroker,
    OnDropped,
    Outages,
    Outcome,
    Transport,
    TransportError,
    connect,
)
from gbcs import EUI

AT_ONCE = 32
"""Most connections that are opened or closed at the same time."""

START_TIMEOUT = 30.0
"""Timeout of one connection, in seconds. Brokers answer late while many clients connect."""

_PER_CONNECTION = 1
"""File descriptors of one connection: its socket."""
_OTHERS = 128
"""File descriptors for the rest of the process."""


@asynccontextmanager
async def connect_each(
    broker: Broker,
    meters: Sequence[EUI],
    receive: Handler,
    drop: OnDropped,
    transports: MutableMapping[EUI, Transport],
) -> AsyncIterator[None]:
    """Connect each of `meters` as a client named after its EUI, subscribed to its commands.

    `drop` is called for messages that the transport drops. A connection is added to `transports`
    before it receives anything. Raises `TransportError` if there is no broker, or if this process
    may not open that many file descriptors.
    """
    if not isinstance(broker, MemoryBroker):
        _check_descriptors(len(meters))
    limit = asyncio.Semaphore(AT_ONCE)
    outages = Outages(f"{len(meters)} meters with connections of their own")
    stacks: list[AsyncExitStack] = []

    async def enter(eui: EUI) -> None:
        stack = AsyncExitStack()
        async with limit:
            transports[eui] = await stack.enter_async_context(
                connect(
                    broker,
                    client_id=str(eui),
                    subscriptions={command_topic(DIRECT, eui): receive},
                    on_dropped=drop,
                    outages=outages,
                    start_timeout=START_TIMEOUT,
                )
            )
        stacks.append(stack)

    async def leave(stack: AsyncExitStack) -> None:
        async with limit:
            await stack.aclose()

    try:
        try:
            async with asyncio.TaskGroup() as group:
                for eui in meters:
                    group.create_task(enter(eui))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        yield
    finally:
        await asyncio.gather(*map(leave, stacks))


def _check_descriptors(number: int) -> None:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = number * _PER_CONNECTION + _OTHERS
    if allowed != resource.RLIM_INFINITY and needed > allowed:
        raise TransportError(
            f"{number} connections need about {needed} file descriptors, and this process may "
            f"have {allowed}: allow more with ulimit -n {needed}, or host fewer meters"
        )


GROUP = "fleet"
"""Name of the MQTT shared subscription of several fleets."""

MOST_TOPICS = 20_000
"""Most meters of a shard to whose topics a process subscribes one by one.

mosquitto takes 1 s and 20 MB for so many, and for five times as many 11 s.
"""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def serve_fleet(
    broker: Broker,
    fleet: Fleet,
    clock: Clock,
    *,
    shared: bool = False,
    connections: bool = False,
    whole: Container[EUI] = (),
) -> AsyncIterator[Sequence[Transport]]:
    """Answer commands for the meters of `fleet` within the context; yield its transports.

    With `shared`, each command goes to one of several fleets. With `connections`, every meter has a
    connection of its own. Commands for other meters of `whole` are ignored, not counted: other
    fleets host them. Raises `TransportError` if there is no broker, or if it does not support this.
    """
    if shared and connections:
        raise ValueError("shared and connections exclude each other: choose one")
    tasks = Tasks()
    service = _Service(fleet, clock, tasks, whole)
    if connections:
        if not isinstance(fleet.hosted, Sequence):
            raise ValueError("connections need a fleet whose hosted meters are a sequence")
        transports: dict[EUI, Transport] = {}
        service.transport_of = transports.__getitem__
        async with (
            connect_each(broker, fleet.hosted, service.receive, service.drop, transports),
            tasks,
        ):
            yield list(transports.values())
    else:
        every = command_topic(DIRECT, "+")
        filters = [f"$share/{GROUP}/{every}"] if shared else _topics_of(fleet, whole) or [every]
        subscriptions = dict.fromkeys(filters, service.receive)
        async with (
            connect(
                broker,
                client_id="esme-fleet",
                subscriptions=subscriptions,
                on_dropped=service.drop,
            ) as transport,
            tasks,
        ):
            service.transport_of = lambda _: transport
            yield [transport]


def _topics_of(fleet: Fleet, whole: Container[EUI]) -> list[str]:
    """Return the topics of the meters of a shard; none if it should subscribe to all topics.

    So a shard never receives the commands for the other shards. One with too many meters for the
    broker does, and drops them.
    """
    hosted = fleet.hosted
    is_shard = whole not in ((), hosted)
    if is_shard and isinstance(hosted, Sequence) and len(hosted) <= MOST_TOPICS:
        return [command_topic(DIRECT, device) for device in hosted]
    return []


class _Service:
    transport_of: Callable[[EUI], Transport]
    """Returns the transport for the replies of a meter."""

    def __init__(self, fleet: Fleet, clock: Clock, tasks: Tasks, whole: Container[EUI]) -> None:
        self._fleet = fleet
        self._whole = whole
        self._clock = clock
        self._tasks = tasks
        self._outbox = Outbox()
        self._complaints = Complaints(_log)
        self._unanswered: set[str] = set()
        """SRVs without a possible reply that were logged already."""

    def receive(self, topic: str, octets: bytes, properties: Mapping[str, str]) -> None:
        """Pass a command to the fleet, and send each reply when it is due."""
        device = device_of(topic)
        if device is None:
            self.drop(topic, BAD_TOPIC)
            self._complaints.warn(BAD_TOPIC, f"dropped a message to {topic}: {TOPIC_RULE}")
            return
        if device in self._whole and device not in self._fleet.hosted:
            return
        now = self._clock.now()
        receipt = self._fleet.receive(device, octets, now)
        if receipt.reason and receipt.srv not in self._unanswered:
            self._unanswered.add(receipt.srv)
            _log.warning(
                "%s cannot reply to SRV %s: %s (logged once for each SRV)",
                *(device, receipt.srv, receipt.reason),
            )
        replies = receipt.replies
        if named := properties.get(RESPONSE_TOPIC):
            replies = tuple(replace(reply, response_topic=named) for reply in replies)
        self._outbox.put(replies)
        for reply in replies:
            if reply.due > now:
                self._tasks.start(self._wait_for(reply.due, now))
        self._send_due(now)

    def drop(self, _: str, reason: str) -> None:
        """Count a message that reached no meter."""
        self._fleet.counters.count(Stage.RECEIVED, None, UNKNOWN_SRV, reason)

    async def _wait_for(self, due: float, now: float) -> None:
        await self._clock.sleep(due - now)
        self._send_due(max(due, self._clock.now()))

    def _send_due(self, now: float) -> None:
        for reply in self._outbox.take(now):
            topic = answer_topic(reply.device, reply.recipient, reply.response_topic)
            transport = self.transport_of(reply.device)
            transport.post(topic, reply.octets, partial(self._sent, reply))

    def _sent(self, reply: Reply, outcome: Outcome) -> None:
        if isinstance(outcome, TransportError):
            if not self._tasks.ending:
                text = f"{outcome}; such replies are not counted as sent"
                self._complaints.warn(outcome.kind, text)
            stage = Stage.UNSENT
        else:
            stage = Stage.REPLIED
            events = self._fleet.events
            if events.wants(ReplySent):
                events.publish(ReplySent(self._clock.now(), reply))
        self._fleet.counters.count(stage, reply.device, reply.srv, reply.outcome)
