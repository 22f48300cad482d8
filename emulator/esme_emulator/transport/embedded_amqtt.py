"""The embedded broker for MQTT 3.1.1: amqtt in this process.

Knows amqtt, which has neither user properties nor shared subscriptions, and is much slower than
rumqttd. It accepts every client, and stores nothing.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType
from amqtt.errors import ProtocolHandlerError

from esme_emulator.runtime.accepting import accepting
from esme_emulator.transport.topic import SHARE

_LISTENER = "default"
_PLUGINS = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
_REFUSED = 0x80
_CONNECT = 0x10
_LONGEST_FIXED_HEADER = 5
_MQTT5 = b"\x00\x04MQTT\x05"
"""Protocol name and version in a CONNECT of MQTT 5."""
_UNACCEPTABLE_VERSION = bytes.fromhex("20020001")
"""CONNACK that makes clients fall back to MQTT 3.1.1."""
_STOPPING = 2.0
"""Timeout for the broker to stop, in seconds."""

logger = logging.getLogger("esme_emulator.transport")

for _name in ("amqtt", "transitions"):
    if logging.getLogger(_name).level == logging.NOTSET:
        logging.getLogger(_name).setLevel(logging.CRITICAL)


async def _speaks_mqtt5(reader: asyncio.StreamReader) -> tuple[bool, bytes]:
    """Return whether a client begins with a CONNECT of MQTT 5, and the octets read so far."""
    head = await reader.read(2)
    try:
        while head[-1] & 0x80 and len(head) < _LONGEST_FIXED_HEADER:
            head += await reader.readexactly(1)
        head += await reader.readexactly(len(_MQTT5))
    except (IndexError, asyncio.IncompleteReadError):
        return False, head  # amqtt handles the rest
    return head[0] == _CONNECT and head.endswith(_MQTT5), head


class _Reader(StreamReaderAdapter):  # type: ignore[misc]
    """Reads from a client, beginning with octets that were read before."""

    def __init__(self, reader: asyncio.StreamReader, head: bytes) -> None:
        super().__init__(reader)
        self._head = head

    async def read(self, n: int = -1) -> bytes:
        if not self._head:
            return bytes(await super().read(n))
        octets, self._head = (self._head[:n], self._head[n:]) if n >= 0 else (self._head, b"")
        missing = n - len(octets)
        return octets + bytes(await super().read(missing)) if missing > 0 else octets


class _Writer(StreamWriterAdapter):  # type: ignore[misc]
    """Writes to a client, and drops octets for a client that is gone."""

    def write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            super().write(data)


class _EmbeddedBroker(Broker):  # type: ignore[misc]
    """amqtt, but refuses shared subscriptions, which amqtt grants and never serves."""

    async def add_subscription(self, subscription: tuple[str, int], session: Any) -> int:
        if subscription[0].startswith(f"{SHARE}/"):
            return _REFUSED
        return int(await super().add_subscription(subscription, session))

    async def _handle_client_session(
        self, reader: Any, writer: Any, session: Any, handler: Any, *rest: Any
    ) -> None:
        handler._send_packet = partial(_send, handler._send_packet)
        await super()._handle_client_session(reader, writer, session, handler, *rest)


async def _send(send: Callable[[Any], Awaitable[None]], packet: Any) -> None:
    """Send `packet`, and keep a cancellation a cancellation.

    amqtt turns it into an error that it never retrieves, which asyncio logs with a traceback.
    """
    try:
        await send(packet)
    except ProtocolHandlerError as error:
        if isinstance(error.__cause__, asyncio.CancelledError):
            raise error.__cause__ from None
        raise


@asynccontextmanager
async def amqtt_broker(listener: socket.socket) -> AsyncIterator[None]:
    """Run a broker on `listener`, which it closes at the end."""
    config = ListenerConfig(type=ListenerType.EXTERNAL)
    broker = _EmbeddedBroker(BrokerConfig(listeners={_LISTENER: config}, plugins=_PLUGINS))
    connections: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        connections[task] = writer
        try:
            # amqtt would misread the properties of MQTT 5 as the client's name, and wait for more.
            is_mqtt5, head = await _speaks_mqtt5(reader)
            if is_mqtt5:
                writer.write(_UNACCEPTABLE_VERSION)
            else:
                await broker.external_connected(_Reader(reader, head), _Writer(writer), _LISTENER)
        finally:
            writer.close()
            del connections[task]

    await broker.start()
    try:
        async with accepting(
            listener,
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(), serve),
            "the embedded broker",
        ):
            yield
    finally:
        for writer in connections.values():
            writer.transport.abort()  # a busy reader may miss amqtt's cancel, but not this
        try:
            async with asyncio.timeout(_STOPPING):
                if connections:
                    await asyncio.wait(connections)
                await broker.shutdown()
        except TimeoutError:
            logger.warning("the embedded broker did not stop within %g s", _STOPPING)
