"""A connection of MQTT 3.1.1 through aiomqtt, for brokers that do not speak MQTT 5.

Knows aiomqtt, and the types of paho-mqtt in its interface. Leaves no socket and no task behind.
"""

import asyncio
import logging
import socket
import ssl
from contextlib import suppress
from typing import Any

import aiomqtt
from aiomqtt import Client, MqttCodeError, MqttError, ProtocolVersion
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import MQTT_ERR_SUCCESS
from paho.mqtt.reasoncodes import ReasonCode

from esme_emulator.transport.base import MAX_PACKET, NO_PROPERTIES, Drop, RefusedError
from esme_emulator.transport.connection import (
    ATTEMPT,
    CLOSED,
    GOODBYE,
    KEEPALIVE,
    NOT_MQTT,
    Connection,
    ConnectionFailedError,
    Limits,
    Message,
    Owner,
    Session,
    publish_size,
    refused_subscription,
)

_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
_HEAD = 1 << 17
"""Octets kept of a packet that is too long: topic and identifier fit in."""

_quiet = logging.getLogger("esme_emulator.transport.aiomqtt")
_quiet.setLevel(logging.CRITICAL)  # its errors arrive as MqttError


async def connect(session: Session, owner: Owner, window: int) -> Connection:
    """Connect and subscribe; at most `window` messages will be in flight.

    `owner` gets messages from the moment of subscribing on. Raises `ConnectionFailedError`. A
    cancellation takes effect when the attempt ends, since the thread that aiomqtt uses cannot be
    stopped.
    """
    connection = _Connection(session, owner, window)
    entering = asyncio.ensure_future(connection.enter(session))
    try:
        await asyncio.shield(entering)
    except BaseException:
        connection.client.timeout = 0.0  # if cancelled, do not wait for an answer
        await asyncio.gather(entering, return_exceptions=True)
        await connection.close()
        raise
    connection.watch()
    return connection


class _Client(Client):
    """aiomqtt's client, whose acknowledgements are callbacks, and which drops too long packets.

    This extends callbacks of aiomqtt that are private, as is the replaced method of paho-mqtt; the
    tests of this package fail if one of them disappears.
    """

    def __init__(self, owner: Owner, **settings: Any) -> None:
        # paho-mqtt would queue what exceeds its own window.
        super().__init__(max_inflight_messages=0, **settings)
        self.in_flight: dict[int, Message] = {}
        self._owner = owner
        self._keep_heads_only()

    @property
    def is_skipping(self) -> bool:
        """Whether the packet that is being read is too long."""
        return self._client._in_packet["remaining_length"] > MAX_PACKET

    @property
    def ended(self) -> "asyncio.Future[None]":
        """Is done when the connection has ended, with its error."""
        return self._disconnected

    def send(self, message: Message) -> None:
        """Send a message, or leave it in flight if the connection has just ended."""
        info = self._client.publish(message.topic, message.payload, qos=1)
        if info.rc == MQTT_ERR_SUCCESS:
            self.in_flight[info.mid] = message

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        def write() -> None:
            try:
                client.loop_write()
            except Exception as error:
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        def register() -> None:
            # aiomqtt does not check whether paho-mqtt has closed the socket meanwhile.
            if sock.fileno() >= 0:
                self._loop.add_writer(sock.fileno(), write)

        self._loop.call_soon_threadsafe(register)

    def _on_publish(
        self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any
    ) -> None:
        message = self.in_flight.pop(mid, None)
        if message is not None:
            self._owner.acknowledged(message, True)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, code: Any, *rest: Any) -> None:
        if not self._connected.done():
            # aiomqtt would wait for an answer that cannot come any more.
            self._connected.set_exception(MqttCodeError(code, "closed before CONNACK"))
        super()._on_disconnect(client, userdata, flags, code, *rest)

    def _keep_heads_only(self) -> None:
        """Read packets that are too long, but keep little more than their head.

        A retained one would arrive again with every connection, so closing the connection would not
        help. Its head is enough to acknowledge it and to know its topic.
        """
        paho = self._client
        read = paho._sock_recv

        def read_some(size: int) -> bytes:
            if self.is_skipping:
                del paho._in_packet["packet"][_HEAD:]
                size = min(size, _HEAD)
            return read(size)

        paho._sock_recv = read_some  # type: ignore[method-assign, assignment]


class _Connection:
    mqtt5 = False
    qos = 1

    def __init__(self, session: Session, owner: Owner, window: int) -> None:
        self._owner = owner
        self._window = window
        self.client = _new_client(session, owner)

    @property
    def has_room(self) -> bool:
        return len(self.client.in_flight) < self._window

    def send(self, message: Message) -> None:
        size = publish_size(message.topic, message.payload, NO_PROPERTIES, qos=1, mqtt5=False)
        if reason := Limits().refusal(size):
            raise RefusedError(reason, "too long")
        self.client.send(message)

    def watch(self) -> None:
        """Tell the owner from now on that the connection has ended."""
        self.client.ended.add_done_callback(self._tell)

    async def enter(self, session: Session) -> None:
        """Connect and subscribe. Raises `ConnectionFailedError`."""
        try:
            await self.client.__aenter__()
            codes: list[object] = []
            for batch in session.batches:
                codes += await self.client.subscribe([(route.text, 1) for route in batch])
        except UnicodeError as error:
            raise ConnectionFailedError.of(error) from None
        except MqttError as error:
            raise _failure(error) from None
        granted = [code for code in codes if isinstance(code, ReasonCode)]
        if len(granted) != len(session.filters):
            raise ConnectionFailedError(NOT_MQTT)
        for route, code in zip(session.filters, granted, strict=True):
            if code.is_failure:
                raise refused_subscription(route, code.value, str(code).lower())

    async def close(self) -> None:
        """Disconnect, also after a failed attempt, which may leave a socket open."""
        self.client.ended.remove_done_callback(self._tell)
        self.client.timeout = GOODBYE
        with suppress(MqttError):
            await self.client.__aexit__(None, None, None)
            await anext(self.client.messages)  # retrieves the error, which asyncio would log

    def _tell(self, ended: "asyncio.Future[None]") -> None:
        ended.exception()  # otherwise asyncio logs it
        self._owner.ended(self, ConnectionFailedError(CLOSED))


def _new_client(session: Session, owner: Owner) -> _Client:
    class Inbox(asyncio.Queue[aiomqtt.Message]):
        """Passes every message on at once; waiting for them one by one takes far longer."""

        def put_nowait(self, message: aiomqtt.Message) -> None:
            topic, payload = message.topic.value, message.payload
            if client.is_skipping:
                owner.drop(topic, Drop.TOO_LONG)
            elif message.retain:
                owner.drop(topic, Drop.RETAINED)
            else:
                owner.receive(topic, payload, NO_PROPERTIES)

    address, tls = session.address, session.tls
    if tls is not None:
        tls.sslsocket_class = TlsSocket
    client = _Client(
        owner,
        hostname=address.host,
        port=address.port,
        username=address.username,
        password=address.password,
        identifier=session.client_id,
        protocol=ProtocolVersion.V311,
        queue_type=Inbox,
        timeout=ATTEMPT,
        keepalive=KEEPALIVE,
        tls_context=tls,
        tls_insecure=None if tls is None else not tls.check_hostname,
        socket_options=[_NO_DELAY],
        logger=_quiet,
    )
    return client


class TlsSocket(ssl.SSLSocket):
    """A socket that closes itself if the handshake fails, which paho-mqtt does not do.

    It is the `sslsocket_class` of the contexts of connections.
    """

    def do_handshake(self, block: bool = False) -> None:
        """Perform the TLS handshake. If it fails, close and raise `OSError`."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _failure(error: MqttError) -> ConnectionFailedError:
    """Return what made an attempt to connect fail."""
    reason: BaseException = error
    while isinstance(reason, MqttError):
        cause = reason.__cause__ or reason.__context__  # aiomqtt hides some causes
        if cause is None:
            break
        reason = cause
    match reason:
        case MqttConnectError(rc=ReasonCode() as code):
            return ConnectionFailedError.refused_by(code.value, str(code).lower())
        case MqttCodeError():
            return ConnectionFailedError(CLOSED)
        case _:
            return ConnectionFailedError.of(reason)
