"""What the transport's tests share: kinds of brokers, scripted ones, an inbox to receive with."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from esme_emulator.transport import MemoryBroker, mqtt_v5

GUARD = 10.0
"""Seconds after which a test that waits in vain fails; no test relies on it."""


@dataclass(frozen=True)
class Message:
    topic: str
    payload: bytes
    user_properties: Mapping[str, str]


class Inbox:
    """A handler that keeps what it is given, and lets a test wait for it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._arrived = asyncio.Event()

    def __call__(self, topic: str, payload: bytes, user_properties: Mapping[str, str]) -> None:
        self.messages.append(Message(topic, payload, user_properties))
        self._arrived.set()

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    async def wait_for(self, count: int) -> list[Message]:
        """Return all messages, once there are `count`."""
        async with asyncio.timeout(GUARD):
            while len(self.messages) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.messages


@dataclass(frozen=True)
class Kind:
    """A broker and what it can do."""

    name: str
    broker: str | MemoryBroker
    user_properties: bool
    shared_subscriptions: bool


def speak_only_3_1_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the engine of MQTT 3.1.1, as on a broker that refuses MQTT 5.

    Seam: the engine of MQTT 5, since no version of mosquitto before 2.1 can refuse it.
    """

    async def refuse(*_: object) -> None:
        raise mqtt_v5.NotMqtt5Error("unsupported protocol version")

    monkeypatch.setattr(mqtt_v5, "connect", refuse)


CONNACK = bytes.fromhex("2003000000")
CONNACK_3_1_1 = bytes.fromhex("20020000")
PUBLISH = 0x32


async def read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return first octet and body of a packet of less than 128 octets; 0 at the end."""
    if len(start := await reader.read(2)) < 2:
        return 0, b""
    return start[0], await reader.readexactly(start[1])


def puback(publish: tuple[int, bytes]) -> bytes:
    """Return the acknowledgement of a message to a topic of one octet."""
    return b"\x40\x02" + publish[1][3:5]


@asynccontextmanager
async def served(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """Give the URL of a broker that does what `serve` says; wait for its connections to end."""
    serving: set[asyncio.Task[None] | None] = set()

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with suppress(ConnectionError):
            await serve(reader, writer)
        writer.close()

    async with await asyncio.start_server(keep, "127.0.0.1", 0) as server:
        yield f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with asyncio.timeout(GUARD):
            await asyncio.gather(*filter(None, serving))
