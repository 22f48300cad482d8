"""What the transport's tests share: kinds of brokers, and an inbox to receive with."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from emulator.transport import MemoryBroker

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
