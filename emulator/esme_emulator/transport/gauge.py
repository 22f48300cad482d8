"""Counts messages in flight, so that a manual clock advances only when there are none.

A `Gauged` broker counts every message from `publish` until its handler has run. It counts the
publisher too, which may wait longer for its acknowledgement. The gauge is still if the count stays
at 0 while the tasks that were woken last run. The count is exact if all clients are in this
process, whatever the broker is.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from esme_emulator.transport.base import (
    Done,
    Handler,
    Outcome,
    Transport,
    TransportCounters,
    TransportError,
)
from esme_emulator.transport.memory import MemoryBroker
from esme_emulator.transport.topic import TopicFilter

_TURNS = 3
"""Turns of the event loop after which woken tasks have done what they do at once.

Parties, cache and fleet need two: a handler starts a task, which wakes another one that then sleeps
on the clock.
"""


class Gauge:
    """Counts the messages in flight."""

    def __init__(self) -> None:
        self._moving = 0
        self._added = 0
        """Messages that were ever added: tells whether any came while woken tasks ran."""
        self._still = asyncio.Event()
        self._still.set()
        self._routes: Counter[TopicFilter] = Counter()
        self._copies: dict[str, int] = {}
        """Results of `copies` by topic, as long as the routes do not change."""
        self._transports: list[Transport] = []

    def copies(self, topic: str) -> int:
        """Return the number of handlers that get a message to `topic`: one per shared group."""
        found = self._copies.get(topic)
        if found is None:
            found = self._copies[topic] = self._count_copies(topic)
        return found

    def _count_copies(self, topic: str) -> int:
        matching = [route for route in self._routes if route.matches(topic)]
        single = sum(self._routes[route] for route in matching if route.group is None)
        return single + len([route for route in matching if route.group is not None])

    @contextmanager
    def watching(self, transport: Transport, routes: list[TopicFilter]) -> Iterator[None]:
        """Count for `transport`, which subscribes to `routes`, during the body."""
        self._transports.append(transport)
        self._routes.update(routes)
        self._copies.clear()
        try:
            yield
        finally:
            self._transports.remove(transport)
            self._routes.subtract(routes)
            self._routes = +self._routes
            self._copies.clear()

    def add(self, number: int) -> None:
        """Add messages in flight."""
        self._moving += number
        self._added += number
        if self._moving > 0:
            self._still.clear()

    def remove(self, number: int) -> None:
        """Remove messages that were handled or not sent after all."""
        self._moving = max(self._moving - number, 0)
        if self._moving == 0:
            self._still.set()

    async def still(self, seconds: float = 30.0) -> None:
        """Wait until no message is in flight. Raises `TransportError` after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while not await self._stays_still():
                    await self._still.wait()
        except TimeoutError:
            if not all(transport.is_connected for transport in self._transports):
                raise TransportError(
                    f"the broker was lost, and did not come back within {seconds:g} s"
                ) from None
            raise TransportError(
                f"{self._moving} messages were not delivered within {seconds:g} s: "
                "does the broker drop messages that it cannot queue?"
            ) from None

    async def _stays_still(self) -> bool:
        """Return whether no message is in flight, and none comes while woken tasks run."""
        if self._moving:
            return False
        added, loop = self._added, asyncio.get_running_loop()
        passed = loop.create_future()

        # Callbacks, since resuming a coroutine at each turn costs as much as the turn.
        def turn(left: int) -> None:
            if left:
                loop.call_soon(turn, left - 1)
            elif not passed.done():
                passed.set_result(None)

        turn(_TURNS)
        await passed
        return added == self._added


@dataclass(frozen=True, slots=True)
class Gauged:
    """A broker with a gauge of the messages in flight."""

    broker: str | MemoryBroker
    gauge: Gauge = field(default_factory=Gauge)

    def handlers(self, subscriptions: Mapping[str, Handler]) -> dict[str, Handler]:
        """Return handlers that report to the gauge when they are done."""
        return {text: self._counted(handler) for text, handler in subscriptions.items()}

    def _counted(self, handler: Handler) -> Handler:
        def handle(topic: str, payload: bytes, properties: Mapping[str, str]) -> None:
            try:
                handler(topic, payload, properties)
            finally:
                self.gauge.remove(1)

        return handle

    @asynccontextmanager
    async def connected(
        self, subscriptions: Mapping[str, Handler], inner: AbstractAsyncContextManager[Transport]
    ) -> AsyncIterator[Transport]:
        """Connect `inner`, whose handlers come from `handlers`, and count its messages."""
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

    def cut(self, seconds: float) -> None:
        self._transport.cut(seconds)

    async def publish(
        self, topic: str, payload: bytes, user_properties: Mapping[str, str] | None = None
    ) -> bool:
        copies = self._gauge.copies(topic)
        self._gauge.add(copies + 1)  # and the publisher, which goes on after the acknowledgement
        try:
            return await self._transport.publish(topic, payload, user_properties)
        except BaseException:
            self._gauge.remove(copies)
            raise
        finally:
            self._gauge.remove(1)

    def post(
        self,
        topic: str,
        payload: bytes,
        done: Done,
        user_properties: Mapping[str, str] | None = None,
    ) -> None:
        copies = self._gauge.copies(topic)

        def end(outcome: Outcome) -> None:
            if isinstance(outcome, TransportError):
                self._gauge.remove(copies)
            try:
                done(outcome)
            finally:
                self._gauge.remove(1)

        self._transport.post(topic, payload, end, user_properties)
        self._gauge.add(copies + 1)  # and `done`, which is called after the acknowledgement
