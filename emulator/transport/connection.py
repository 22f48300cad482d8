"""One connection to a broker: aiomqtt, used so that it leaves no socket and no task behind.

Knows how to use aiomqtt, and the types of paho-mqtt that its interface is made of. Nothing here
connects a second time.

What aiomqtt does not tell remains unknown: whether the broker refuses a message that it
acknowledges, and how many messages, or how long ones, it takes.
"""

import asyncio
import logging
import math
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from aiomqtt import Client, Message, MqttCodeError, MqttError, ProtocolVersion
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from emulator.transport.address import BrokerAddress
from emulator.transport.base import NO_PROPERTIES, Handler, frozen_properties
from emulator.transport.topic import TopicFilter

WINDOW = 20
"""Messages sent and not yet acknowledged, at most: as many as mosquitto takes by default."""
ATTEMPT = 5.0
"""Seconds that a broker has to answer."""
GOODBYE = 0.2
"""Seconds that a connection has to end."""
KEEPALIVE = 20
"""Seconds between signs of life, so that a broker that vanished is noticed within twice that."""

_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
_UNSPECIFIED = 0x80
_UNSUPPORTED_VERSION = 0x84
_TOO_MANY = "receive maximum exceeded"
_TRANSIENT = (0x88, 0x89, 0x97, 0x9F)
"""Server unavailable, server busy, quota exceeded, connection rate exceeded (MQTT 5.0, 3.2.2.2)."""

_quiet = logging.getLogger("emulator.transport.aiomqtt")
_quiet.setLevel(logging.CRITICAL)  # what it has to say comes as MqttError

__all__ = ["WINDOW", "Connection", "Connector", "MqttError", "TlsSocket", "explain", "is_hopeless"]


class RefusedSubscriptionError(MqttError):
    """The broker does not grant a subscription; the text says which."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A client that is connected and has its subscriptions."""

    client: Client
    mqtt5: bool

    async def publish(self, topic: str, payload: bytes, user_properties: Mapping[str, str]) -> None:
        """Publish with QoS 1 and wait, for ever if need be, for the acknowledgement.

        Raises `MqttError` where the connection is lost already; `ValueError` where the message
        is too long for MQTT.
        """
        properties = None
        if user_properties and self.mqtt5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.UserProperty = list(user_properties.items())
        await self.client.publish(topic, payload, 1, properties=properties, timeout=math.inf)

    async def lost(self) -> None:
        """Wait until the connection ends; then raise `MqttError`."""
        await anext(self.client.messages)  # there are none, see Connector

    async def close(self) -> None:
        """Disconnect, unless that has happened."""
        await _leave(self.client)


@dataclass(slots=True)
class Connector:
    """Makes connections to one broker, all with the same subscriptions.

    `receive` takes what arrives, from the moment of subscribing on. `window` is how many messages
    a connection sends before it waits for an acknowledgement.
    """

    address: BrokerAddress
    client_id: str
    filters: Sequence[TopicFilter]
    receive: Handler
    tls: ssl.SSLContext | None
    window: int = WINDOW

    def learn(self, error: MqttError) -> None:
        """Make the window smaller if `error` is the end of a connection that sent too much."""
        if explain(error) == _TOO_MANY:
            self.window = max(1, self.window // 2)

    async def connect(self) -> Connection:
        """Try once to connect, with MQTT 5 or else with 3.1.1, and subscribe.

        Every connection begins without a session: what others published before does not arrive.
        Raises `MqttError`, which `explain` and `is_hopeless` know how to read. A cancellation
        takes effect when the attempt ends, since the thread that aiomqtt uses cannot be stopped.
        """
        try:
            return Connection(await self._attempt(ProtocolVersion.V5), mqtt5=True)
        except MqttConnectError as error:
            if error.rc != _UNSUPPORTED_VERSION:
                raise
        return Connection(await self._attempt(ProtocolVersion.V311), mqtt5=False)

    async def _attempt(self, protocol: ProtocolVersion) -> Client:
        client = self._new_client(protocol)
        entering = asyncio.ensure_future(self._enter(client))
        try:
            await asyncio.shield(entering)
        except BaseException:
            client.timeout = 0.0  # where cancelled, do not wait for what is still to come
            await asyncio.gather(entering, return_exceptions=True)
            await _leave(client)
            raise
        return client

    async def _enter(self, client: Client) -> None:
        try:
            await client.__aenter__()
            codes = self.filters and await client.subscribe([(f.text, 1) for f in self.filters])
        except UnicodeError as error:
            raise MqttError("not the name of a host") from error
        except MqttError as error:
            raise error from error.__context__  # which aiomqtt hides
        for route, code in zip(self.filters, codes, strict=True):
            if isinstance(code, ReasonCode) and code.is_failure:
                raise RefusedSubscriptionError(f"it refuses the subscription {route.text}")

    def _new_client(self, protocol: ProtocolVersion) -> Client:
        receive = self.receive

        class Inbox(asyncio.Queue[Message]):
            """Hands every message straight on; waiting for them one by one takes far longer."""

            def put_nowait(self, message: Message) -> None:
                receive(message.topic.value, message.payload, _user_properties(message))

        client = Client(
            self.address.host,
            self.address.port,
            username=self.address.username,
            password=self.address.password,
            identifier=self.client_id,
            protocol=protocol,
            queue_type=Inbox,
            timeout=ATTEMPT,
            keepalive=KEEPALIVE,
            max_inflight_messages=self.window,
            tls_context=self.tls,
            tls_insecure=None if self.tls is None else not self.tls.check_hostname,
            socket_options=[_NO_DELAY],
            logger=_quiet,
        )
        client.pending_calls_threshold = WINDOW
        return client


class TlsSocket(ssl.SSLSocket):
    """Closes itself where the handshake fails, since paho-mqtt forgets it then.

    It is the `sslsocket_class` for contexts that connections use.
    """

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands, or close and raise `OSError`."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def explain(error: MqttError) -> str:
    """Return in a few words why a connection failed or ended."""
    reason: BaseException = error
    while isinstance(reason, MqttError) and reason.__cause__ is not None:
        reason = reason.__cause__
    match reason:
        case RefusedSubscriptionError():
            return str(reason)
        case MqttCodeError(rc=ReasonCode() as code) if code != _UNSPECIFIED:
            return str(code).lower()
        case MqttCodeError():
            return "connection closed"
        case ssl.SSLCertVerificationError():
            return f"its certificate does not verify: {reason.verify_message}"
        case socket.gaierror() | UnicodeError():
            return "no such host"
        case TimeoutError():
            return "no answer in time"
        case ssl.SSLError():
            return f"no TLS: {reason.reason or reason}"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case _:
            return "not the words of MQTT"


def is_hopeless(error: MqttError) -> bool:
    """Tell whether another attempt to connect would end like the one that raised `error`."""
    if isinstance(error, MqttConnectError):
        return error.rc not in _TRANSIENT
    unverified = isinstance(error.__cause__, ssl.SSLCertVerificationError)
    return unverified or isinstance(error, RefusedSubscriptionError)


def _user_properties(message: Message) -> Mapping[str, str]:
    carried = getattr(message.properties, "UserProperty", None)
    return frozen_properties(dict(carried)) if carried else NO_PROPERTIES


async def _leave(client: Client) -> None:
    """Disconnect, also where connecting failed, since that may leave a socket open."""
    client.timeout = GOODBYE
    with suppress(MqttError):
        await client.__aexit__(None, None, None)
        await anext(client.messages)  # takes the reason, which asyncio would log otherwise
