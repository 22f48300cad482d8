"""A light client: commands made beforehand, replies told apart by their counters, nothing verified.

Two ways to ask: at a planned rate whatever comes of it, with latency from the planned times; and
always so many in flight, which finds what is the most.
"""

import asyncio
from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from time import perf_counter

from esme_emulator.messaging.topics import CACHE_STATUS, response_topic
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.transport import Transport, connect

Ask = tuple[str, bytes]
"""The topic of a command, and its octets."""


def counter_place(octets: bytes) -> int:
    """Return where the originator counter of a message is: behind a length of an octet or more."""
    return 16 + (octets[7] & 0x7F if octets[7] & 0x80 else 0)


def counter_of(octets: bytes) -> bytes:
    """Return the originator counter of a message."""
    place = counter_place(octets)
    return octets[place : place + 8]


class Client:
    """Asks, and knows when each reply came."""

    def __init__(self, transport: Transport, tasks: Tasks) -> None:
        self._transport = transport
        self._tasks = tasks
        self._waiting: dict[bytes, asyncio.Future[float]] = {}
        self.replies: list[tuple[bytes, str | None]] = []
        """All that came: octets and Cache-Status."""

    def receive(self, _: str, octets: bytes, properties: Mapping[str, str]) -> None:
        """Take a reply."""
        now = perf_counter()
        self.replies.append((octets, properties.get(CACHE_STATUS)))
        future = self._waiting.pop(counter_of(octets), None)
        if future is not None:
            future.set_result(now)

    def send(self, ask: Ask) -> asyncio.Future[float]:
        """Send a command in the background; the result is when its reply came."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[counter_of(ask[1])] = future
        self._tasks.start(self._transport.publish(*ask))
        return future

    async def publish(self, topic: str, octets: bytes) -> None:
        """Publish behind all that was sent, and return when the broker has it."""
        await self._transport.publish(topic, octets)

    async def at_rate(self, asks: Sequence[Ask], rate: float) -> "array[float]":
        """Ask `rate` times a second, and return latencies in order, in seconds."""
        start = perf_counter()
        came = []
        for place, ask in enumerate(asks):
            planned = start + place / rate
            if (early := planned - perf_counter()) > 0:
                await asyncio.sleep(early)
            came.append((planned, self.send(ask)))
        return array("d", sorted([await future - planned for planned, future in came]))

    async def at_once(self, asks: Sequence[Ask], in_flight: int) -> float:
        """Ask with so many in flight, and return replies a second."""
        remaining = iter(asks)

        async def work() -> None:
            for ask in remaining:
                await self.send(ask)

        start = perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(work())
        return len(asks) / (perf_counter() - start)


@asynccontextmanager
async def connected(url: str, prefix: str, *recipients: str) -> AsyncIterator[Client]:
    """Give a client that gets what is sent to `recipients`."""
    async with Tasks() as tasks:
        client: Client

        def receive(topic: str, octets: bytes, properties: Mapping[str, str]) -> None:
            client.receive(topic, octets, properties)

        subscriptions = {response_topic(prefix, "+", each): receive for each in recipients}
        async with connect(url, client_id="client", subscriptions=subscriptions) as transport:
            client = Client(transport, tasks)
            yield client
