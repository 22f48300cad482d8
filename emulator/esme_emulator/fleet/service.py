"""A fleet on a broker: receives commands, and sends and counts each reply when it is due."""

import logging
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from contextlib import asynccontextmanager

from esme_emulator.fleet.connections import connect_each
from esme_emulator.fleet.counters import Stage
from esme_emulator.fleet.fleet import Fleet, ReplySent
from esme_emulator.fleet.queueing import Outbox, Reply
from esme_emulator.messaging.topics import (
    BAD_TOPIC,
    DIRECT,
    TOPIC_RULE,
    command_topic,
    device_of,
    response_topic,
)
from esme_emulator.messaging.validation import UNKNOWN_SRV
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.complaints import Complaints
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.transport import Broker, Transport, TransportError, connect
from gbcs import EUI

GROUP = "fleet"
"""Name of the MQTT shared subscription of several fleets."""

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
        topic = command_topic(DIRECT, "+")
        subscriptions = {f"$share/{GROUP}/{topic}" if shared else topic: service.receive}
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

    def receive(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
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
        self._outbox.put(receipt.replies)
        for reply in receipt.replies:
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
            self._tasks.start(self._send(reply))

    async def _send(self, reply: Reply) -> None:
        topic = response_topic(DIRECT, reply.device, reply.recipient)
        try:
            await self.transport_of(reply.device).publish(topic, reply.octets)
        except TransportError as error:
            if not self._tasks.ending:
                text = f"{error}; such replies are not counted as sent"
                self._complaints.warn(error.kind, text)
            stage = Stage.UNSENT
        else:
            stage = Stage.REPLIED
            events = self._fleet.events
            if events.wants(ReplySent):
                events.publish(ReplySent(self._clock.now(), reply))
        self._fleet.counters.count(stage, reply.device, reply.srv, reply.outcome)
