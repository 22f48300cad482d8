"""A broker within the process: works like MQTT, without a socket, a thread or a clock.

Topic filters, shared subscriptions (round robin) and user properties work as on MQTT 5. Messages
travel through the event loop: a handler is called in a later turn than the `publish` that caused
it, in the order of publishing.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from esme_emulator.runtime.complaints import Complaints
from esme_emulator.transport.base import (
    LOGGER,
    Done,
    Handler,
    Outcome,
    TransportCounters,
    TransportError,
    check_topic,
    frozen_properties,
    report_outcome,
)
from esme_emulator.transport.topic import Subscriptions, TopicFilter


class MemoryBroker:
    """Carries messages between its transports, in one event loop."""

    def __init__(self) -> None:
        self._single: list[tuple[TopicFilter, _MemoryTransport]] = []
        self._shared: dict[str, tuple[TopicFilter, deque[_MemoryTransport]]] = {}

    def _subscribe(self, transport: "_MemoryTransport", route: TopicFilter) -> None:
        if route.group is None:
            self._single.append((route, transport))
        else:
            self._shared.setdefault(route.text, (route, deque()))[1].append(transport)

    def _forget(self, transport: "_MemoryTransport") -> None:
        self._single = [entry for entry in self._single if entry[1] is not transport]
        for text, (_, members) in list(self._shared.items()):
            if transport in members:
                members.remove(transport)
            if not members:
                del self._shared[text]

    def _route(self, topic: str) -> "list[_MemoryTransport]":
        targets = [transport for route, transport in self._single if route.matches(topic)]
        for route, members in self._shared.values():
            if route.matches(topic):
                targets.append(members[0])
                members.rotate(-1)
        return targets


class _MemoryTransport:
    def __init__(
        self, broker: MemoryBroker, client_id: str, handlers: Mapping[str, Handler]
    ) -> None:
        self.counters = TransportCounters()
        self._broker = broker
        self._complaints = Complaints(LOGGER, client_id)
        self._subscriptions = Subscriptions(handlers, self.counters, self._complaints)
        self._open = False
        self._back: asyncio.TimerHandle | None = None
        """Ends a cut."""

    @property
    def is_connected(self) -> bool:
        return self._open

    @property
    def carries_properties(self) -> bool:
        return True

    def open(self) -> None:
        self._open, self._back = True, None
        for route in self._subscriptions.filters:
            self._broker._subscribe(self, route)

    def close(self) -> None:
        self._open = False
        self._broker._forget(self)
        if self._back is not None:
            self._back.cancel()
            self._back = None

    def cut(self, seconds: float) -> None:
        self.close()
        self._back = asyncio.get_running_loop().call_later(seconds, self.open)

    async def publish(
        self, topic: str, payload: bytes, user_properties: Mapping[str, str] | None = None
    ) -> bool:
        outcome = self._send(topic, payload, user_properties)
        if isinstance(outcome, TransportError):
            raise outcome
        await asyncio.sleep(0)
        return outcome

    def post(
        self,
        topic: str,
        payload: bytes,
        done: Done,
        user_properties: Mapping[str, str] | None = None,
    ) -> None:
        outcome = self._send(topic, payload, user_properties)
        asyncio.get_running_loop().call_soon(report_outcome, done, outcome, topic, self._complaints)

    def _send(
        self, topic: str, payload: bytes, user_properties: Mapping[str, str] | None
    ) -> Outcome:
        check_topic(topic)
        carried = frozen_properties(user_properties)
        if not self._open:
            self.counters.abandoned += 1
            why = "the transport is closed" if self._back is None else "the connection is cut"
            return TransportError(f"cannot publish to {topic}: {why}")
        loop = asyncio.get_running_loop()
        targets = self._broker._route(topic)
        for target in targets:
            loop.call_soon(target._deliver, topic, payload, carried)
        self.counters.published += 1
        self.counters.unheard += not targets
        return bool(targets)

    def _deliver(self, topic: str, payload: bytes, user_properties: Mapping[str, str]) -> None:
        if self._open:
            self._subscriptions.deliver(topic, payload, user_properties)


@asynccontextmanager
async def connect_memory(
    broker: MemoryBroker, client_id: str, handlers: Mapping[str, Handler]
) -> AsyncIterator[_MemoryTransport]:
    """Connect to `broker`. Raises `ValueError` if a filter is invalid or two filters overlap."""
    transport = _MemoryTransport(broker, client_id, handlers)
    transport.open()
    try:
        yield transport
    finally:
        transport.close()
