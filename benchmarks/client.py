"""A light client: sends prepared commands, matches replies by their counters, verifies nothing.

It sends at a planned rate, which measures latency from the planned times, or with a fixed number of
commands in flight, which finds the highest rate.
"""

import asyncio
from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from time import perf_counter

from esme_emulator.messaging.topics import CACHE_STATUS, response_topic
from esme_emulator.transport import Transport, connect

Ask = tuple[str, bytes]
"""The topic of a command, and its octets."""


def counter_place(octets: bytes) -> int:
    """Return the offset of the originator counter in a message, after a length of variable size."""
    return 16 + (octets[7] & 0x7F if octets[7] & 0x80 else 0)


def counter_of(octets: bytes) -> bytes:
    """Return the originator counter of a message."""
    place = counter_place(octets)
    return octets[place : place + 8]


class Client:
    """Sends commands, and records the time of each reply."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._waiting: dict[bytes, asyncio.Future[float]] = {}
        self.replies: list[tuple[bytes, str | None]] = []
        """All replies: octets and Cache-Status."""

    def receive(self, _: str, octets: bytes, properties: Mapping[str, str]) -> None:
        """Handle a reply."""
        now = perf_counter()
        self.replies.append((octets, properties.get(CACHE_STATUS)))
        future = self._waiting.pop(counter_of(octets), None)
        if future is not None:
            future.set_result(now)

    def send(self, ask: Ask) -> asyncio.Future[float]:
        """Send a command in the background; the result is the time of its reply."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[counter_of(ask[1])] = future
        self._transport.post(*ask, lambda _: None)
        return future

    async def publish(self, topic: str, octets: bytes) -> None:
        """Publish after all earlier messages, and return once the broker has acknowledged it."""
        await self._transport.publish(topic, octets)

    async def at_rate(self, asks: Sequence[Ask], rate: float) -> "array[float]":
        """Send `rate` commands a second, and return sorted latencies in seconds."""
        start = perf_counter()
        came = []
        for place, ask in enumerate(asks):
            planned = start + place / rate
            if (early := planned - perf_counter()) > 0:
                await asyncio.sleep(early)
            came.append((planned, self.send(ask)))
        return array("d", sorted([await future - planned for planned, future in came]))

    async def at_once(self, asks: Sequence[Ask], in_flight: int) -> float:
        """Send all commands with `in_flight` at once, and return replies a second."""
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
    """Yield a client that receives the replies to `recipients`."""
    client: Client

    def receive(topic: str, octets: bytes, properties: Mapping[str, str]) -> None:
        client.receive(topic, octets, properties)

    subscriptions = {response_topic(prefix, "+", each): receive for each in recipients}
    async with connect(url, client_id="client", subscriptions=subscriptions) as transport:
        client = Client(transport)
        yield client
