"""Knowing when nothing is on its way: what a clock that is advanced by hand has to wait for.

A `Gauged` broker counts every message from `publish` until its handler has done what it does at
once, and its publisher, whom the broker may keep waiting for longer. It is exact where all its
clients are in this process, whatever the broker is.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from esme_emulator.transport.base import Handler, Transport, TransportCounters, TransportError
from esme_emulator.transport.memory import MemoryBroker
from esme_emulator.transport.topic import TopicFilter

_TURNS = 12
"""Turns of the event loop within which tasks have published what they publish at once."""


class Gauge:
    """How many messages are on their way."""

    def __init__(self) -> None:
        self._moving = 0
        self._still = asyncio.Event()
        self._still.set()
        self._routes: Counter[TopicFilter] = Counter()
        self._transports: list[Transport] = []

    def copies(self, topic: str) -> int:
        """Return how many handlers a message to `topic` goes to; a shared group has one."""
        matching = [route for route in self._routes if route.matches(topic)]
        single = sum(self._routes[route] for route in matching if route.group is None)
        return single + len([route for route in matching if route.group is not None])

    @contextmanager
    def watching(self, transport: Transport, routes: list[TopicFilter]) -> Iterator[None]:
        """Know of `transport`, which subscribes to `routes`, as long as the context lasts."""
        self._transports.append(transport)
        self._routes.update(routes)
        try:
            yield
        finally:
            self._transports.remove(transport)
            self._routes.subtract(routes)
            self._routes = +self._routes

    def add(self, number: int) -> None:
        """Count messages that set out."""
        self._moving += number
        if self._moving > 0:
            self._still.clear()

    def remove(self, number: int) -> None:
        """Count messages that are done with, or did not set out after all."""
        self._moving = max(self._moving - number, 0)
        if self._moving == 0:
            self._still.set()

    def remove_soon(self, turns: int = _TURNS) -> None:
        """Count one less once whoever goes on now has done what it does at once."""
        if turns:
            asyncio.get_running_loop().call_soon(self.remove_soon, turns - 1)
        else:
            self.remove(1)

    async def still(self, patience: float = 30.0) -> None:
        """Return when nothing is on its way.

        Raises `TransportError` where something is after `patience` seconds.
        """
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(patience):
                while self._moving:
                    await self._still.wait()
        except TimeoutError:
            if not all(transport.is_connected for transport in self._transports):
                raise TransportError(
                    f"the broker was lost, and did not come back within {patience:g} s"
                ) from None
            raise TransportError(
                f"{self._moving} messages were not delivered within {patience:g} s: "
                "does the broker drop what it cannot queue?"
            ) from None


@dataclass(frozen=True, slots=True)
class Gauged:
    """A broker, and the gauge of what is on its way there."""

    broker: str | MemoryBroker
    gauge: Gauge = field(default_factory=Gauge)

    def handlers(self, subscriptions: Mapping[str, Handler]) -> dict[str, Handler]:
        """Return handlers that tell the gauge when they are done."""
        return {text: self._counted(handler) for text, handler in subscriptions.items()}

    def _counted(self, handler: Handler) -> Handler:
        def handle(topic: str, payload: bytes, properties: Mapping[str, str]) -> None:
            try:
                handler(topic, payload, properties)
            finally:
                self.gauge.remove_soon()

        return handle

    @asynccontextmanager
    async def connected(
        self, subscriptions: Mapping[str, Handler], inner: AbstractAsyncContextManager[Transport]
    ) -> AsyncIterator[Transport]:
        """Connect `inner`, whose handlers are those of `handlers`, under the gauge."""
        routes = [TopicFilter.parse(text) for text in subscriptions]
        async with inner as transport:
            with self.gauge.watching(transport, routes):
                yield _GaugedTransport(transport, self.gauge)


class _GaugedTransport:
    def __init__(self, transport: Transport, gauge: Gauge) -> None:
        self._transport = transport
        self._gauge = gauge

    @property
    def counters(self) -> TransportCounters:
        return self._transport.counters

    @property
    def is_connected(self) -> bool:
        return self._transport.is_connected

    @property
    def carries_properties(self) -> bool:
        return self._transport.carries_properties

    async def publish(
        self, topic: str, payload: bytes, user_properties: Mapping[str, str] | None = None
    ) -> bool:
        copies = self._gauge.copies(topic)
        self._gauge.add(copies + 1)  # and its publisher, who goes on once the broker has it
        try:
            return await self._transport.publish(topic, payload, user_properties)
        except BaseException:
            self._gauge.remove(copies)
            raise
        finally:
            self._gauge.remove_soon()
