"""One connection to a broker through aiomqtt, which leaves no socket and no task behind.

Knows aiomqtt, and the types of paho-mqtt in its interface. Does not reconnect.
`esme_emulator.transport.limits` knows what a broker allows and what its codes mean.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiomqtt import Client, Message, MqttCodeError, MqttError, ProtocolVersion
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import MQTT_ERR_SUCCESS
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from esme_emulator.transport.address import BrokerAddress
from esme_emulator.transport.base import (
    NO_PROPERTIES,
    Drop,
    Handler,
    OnDropped,
    RefusedError,
    frozen_properties,
)
from esme_emulator.transport.limits import (
    FAILURE,
    MAX_PACKET,
    NO_SUBSCRIBERS,
    RECEIVE_MAXIMUM_EXCEEDED,
    TRANSIENT,
    UNSUPPORTED_VERSION,
    Limits,
    publish_size,
)
from esme_emulator.transport.topic import TopicFilter

WINDOW = 20
"""Maximum number of unacknowledged messages in flight: the default limit of mosquitto."""
ATTEMPT = 5.0
"""Timeout for an answer of the broker, in seconds."""
GOODBYE = 0.2
"""Timeout for a disconnect, in seconds."""
KEEPALIVE = 20
"""Keep-alive interval, in seconds. A broker that vanished is noticed within twice that."""

_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
_HEAD = 1 << 17
"""Octets kept of a packet that is too long: topic, identifier and properties fit in."""

_LIMITS = {
    "maximum_packet": "MaximumPacketSize",
    "maximum_qos": "MaximumQoS",
    "receive_maximum": "ReceiveMaximum",
    "wildcards": "WildcardSubscriptionAvailable",
    "shared": "SharedSubscriptionAvailable",
}
"""Properties of CONNACK, by the field of `Limits`."""

_quiet = logging.getLogger("esme_emulator.transport.aiomqtt")
_quiet.setLevel(logging.CRITICAL)  # its errors arrive as MqttError

__all__ = [
    "WINDOW",
    "Connection",
    "Connector",
    "MqttError",
    "TlsSocket",
    "code_of",
    "explain",
    "is_hopeless",
]


class RefusedSubscriptionError(MqttError):
    """A subscription that the broker refuses; the text says which."""


class _Client(Client):
    """aiomqtt's client, which also reads CONNACK and PUBACK, and drops packets that are too long.

    aiomqtt passes on neither the properties of CONNACK nor the reason codes of PUBACK, so this
    extends its callbacks. They are private, and so is the replaced method of paho-mqtt; the tests
    of this package fail if one of them disappears.
    """

    def __init__(self, *args: Any, window: int, **others: Any) -> None:
        # paho-mqtt's own window cannot be changed after CONNACK, which states the broker's.
        super().__init__(*args, max_inflight_messages=0, **others)
        self.limits = Limits()
        self._window = window
        self._slots = asyncio.Semaphore(window)
        self._acknowledgements: dict[int, asyncio.Future[ReasonCode]] = {}
        self._keep_heads_only()

    @property
    def is_skipping(self) -> bool:
        """Whether the packet that is being read is too long."""
        return self._client._in_packet["remaining_length"] > MAX_PACKET

    async def send(
        self, topic: str, payload: bytes, qos: int, properties: Properties | None
    ) -> ReasonCode | None:
        """Wait for the window, send a message, and return the code of its PUBACK.

        Returns None for QoS 0, which has no acknowledgement.
        """
        await self._slots.acquire()
        info = self._client.publish(topic, payload, qos, properties=properties)
        if info.rc != MQTT_ERR_SUCCESS:
            ended = self._disconnected
            raise MqttCodeError(info.rc) from (ended.exception() if ended.done() else None)
        if info.is_published():
            return None
        acknowledgement = self._acknowledgements[info.mid] = self._loop.create_future()
        code = await acknowledgement
        return code if qos else None

    def _on_connect(
        self,
        client: Any,
        userdata: Any,
        flags: Any,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        said = {
            ours: getattr(properties, theirs)
            for ours, theirs in _LIMITS.items()
            if hasattr(properties, theirs)
        }
        self.limits = Limits(**said)
        self._slots = asyncio.Semaphore(max(1, min(self._window, self.limits.receive_maximum)))
        super()._on_connect(client, userdata, flags, reason_code, properties)

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
        self,
        client: Any,
        userdata: Any,
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        # The message was in flight until now, even if its publisher was cancelled.
        self._slots.release()
        acknowledgement = self._acknowledgements.pop(mid, None)
        if acknowledgement is not None and not acknowledgement.done():
            acknowledgement.set_result(reason_code)

    def _keep_heads_only(self) -> None:
        """Read packets that are too long, but keep little more than their head.

        A broker on MQTT 5 sends none, since CONNECT forbids it. On MQTT 3.1.1 a retained one would
        arrive again with every connection, so closing the connection would not help. Its head is
        enough to acknowledge it and to know its topic.
        """
        paho = self._client
        read = paho._sock_recv

        def read_some(size: int) -> bytes:
            if self.is_skipping:
                del paho._in_packet["packet"][_HEAD:]
                size = min(size, _HEAD)
            return read(size)

        paho._sock_recv = read_some  # type: ignore[method-assign, assignment]


@dataclass(frozen=True, slots=True)
class Connection:
    """A connected client with its subscriptions."""

    client: _Client
    mqtt5: bool

    @property
    def qos(self) -> int:
        """QoS of published messages: 1, or 0 if the broker allows no more."""
        return min(1, self.client.limits.maximum_qos)

    async def publish(self, topic: str, payload: bytes, user_properties: Mapping[str, str]) -> bool:
        """Publish, and wait without a timeout for the acknowledgement.

        Returns False if the broker says that nobody subscribes to the topic. Raises `RefusedError`
        if the broker refuses the message, `MqttError` if the connection is lost already.
        """
        qos = self.qos
        size = publish_size(topic, payload, user_properties, qos=qos, mqtt5=self.mqtt5)
        if reason := self.client.limits.refusal(size):
            raise RefusedError(reason, "too long")
        properties = None
        if user_properties and self.mqtt5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.UserProperty = list(user_properties.items())
        code = await self.client.send(topic, payload, qos, properties)
        if code is not None and code.value >= FAILURE:
            why = str(code).lower()
            raise RefusedError(f"the broker refuses it ({why})", why)
        return code is None or code.value != NO_SUBSCRIBERS

    async def lost(self) -> None:
        """Wait until the connection ends, and raise `MqttError`."""
        await anext(self.client.messages)  # none ever arrive: see Inbox

    async def close(self) -> None:
        """Disconnect, if still connected."""
        await _leave(self.client)


@dataclass(slots=True)
class Connector:
    """Makes connections to one broker, all with the same subscriptions.

    `receive` handles messages from the moment of subscribing on; `drop` is called for messages that
    are dropped. `window` is the maximum number of messages in flight; a broker may allow fewer.
    """

    address: BrokerAddress
    client_id: str
    filters: Sequence[TopicFilter]
    receive: Handler
    drop: OnDropped
    tls: ssl.SSLContext | None
    window: int = WINDOW

    def learn(self, error: MqttError) -> None:
        """Halve the window if `error` says that the connection exceeded the receive maximum.

        This is for brokers that do not state their Receive Maximum in CONNACK.
        """
        if code_of(error) == RECEIVE_MAXIMUM_EXCEEDED:
            self.window = max(1, self.window // 2)

    async def connect(self) -> Connection:
        """Try once to connect, with MQTT 5 or else with 3.1.1, and subscribe.

        Every connection begins without a session, so messages published before do not arrive.
        Raises `MqttError`; see `explain` and `is_hopeless`. A cancellation takes effect when the
        attempt ends, since the thread that aiomqtt uses cannot be stopped.
        """
        try:
            return Connection(await self._attempt(ProtocolVersion.V5), mqtt5=True)
        except MqttError as error:
            if not _may_be_older(error):
                raise
        return Connection(await self._attempt(ProtocolVersion.V311), mqtt5=False)

    async def _attempt(self, protocol: ProtocolVersion) -> _Client:
        client = self._new_client(protocol)
        entering = asyncio.ensure_future(self._enter(client, protocol is ProtocolVersion.V5))
        try:
            await asyncio.shield(entering)
        except BaseException:
            client.timeout = 0.0  # if cancelled, do not wait for an answer
            await asyncio.gather(entering, return_exceptions=True)
            await _leave(client)
            raise
        return client

    async def _enter(self, client: _Client, mqtt5: bool) -> None:
        try:
            await client.__aenter__()
            for route in self.filters:
                if lacking := client.limits.refusal_of_filter(route):
                    raise RefusedSubscriptionError(f"{lacking}, as {route.text} needs")
            codes = await self._subscribe(client, mqtt5) if self.filters else []
        except UnicodeError as error:
            raise MqttError("invalid host name") from error
        except MqttError as error:
            raise error from error.__context__  # aiomqtt hides its cause
        if len(codes) != len(self.filters):
            raise MqttError("fewer codes than subscriptions")
        for route, code in zip(self.filters, codes, strict=True):
            if code.is_failure:
                why = "" if code == FAILURE else f" ({str(code).lower()})"
                raise RefusedSubscriptionError(f"it refuses the subscription {route.text}{why}")

    async def _subscribe(self, client: _Client, mqtt5: bool) -> Sequence[ReasonCode]:
        """Subscribe to the filters, without their retained messages."""
        codes: Sequence[object]
        if mqtt5:
            never = SubscribeOptions.RETAIN_DO_NOT_SEND
            options = SubscribeOptions(qos=1, retainHandling=never)
            codes = await client.subscribe([(route.text, options) for route in self.filters])
        else:
            codes = await client.subscribe([(route.text, 1) for route in self.filters])
        return [code for code in codes if isinstance(code, ReasonCode)]

    def _new_client(self, protocol: ProtocolVersion) -> _Client:
        receive, drop = self.receive, self.drop

        class Inbox(asyncio.Queue[Message]):
            """Passes every message on at once; waiting for them one by one takes far longer."""

            def put_nowait(self, message: Message) -> None:
                topic = message.topic.value
                if client.is_skipping:
                    drop(topic, Drop.TOO_LONG)
                elif message.retain:
                    drop(topic, Drop.RETAINED)
                else:
                    receive(topic, message.payload, _user_properties(message))

        properties = None
        if protocol is ProtocolVersion.V5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = MAX_PACKET
        client = _Client(
            self.address.host,
            self.address.port,
            window=self.window,
            username=self.address.username,
            password=self.address.password,
            identifier=self.client_id,
            protocol=protocol,
            properties=properties,
            queue_type=Inbox,
            timeout=ATTEMPT,
            keepalive=KEEPALIVE,
            tls_context=self.tls,
            tls_insecure=None if self.tls is None else not self.tls.check_hostname,
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


def code_of(error: MqttError) -> int:
    """Return the reason code that a connection ended with, `FAILURE` if there is none."""
    reason = _origin(error)
    if isinstance(reason, MqttCodeError) and isinstance(reason.rc, ReasonCode):
        return int(reason.rc.value)
    return FAILURE


def _origin(error: MqttError) -> BaseException:
    reason: BaseException = error
    while isinstance(reason, MqttError) and reason.__cause__ is not None:
        reason = reason.__cause__
    return reason


def explain(error: MqttError) -> str:
    """Return in a few words why a connection failed or ended."""
    reason = _origin(error)
    match reason:
        case RefusedSubscriptionError():
            return str(reason)
        case MqttCodeError(rc=ReasonCode() as code) if code != FAILURE:
            return str(code).lower()
        case MqttCodeError():
            return "connection closed"
        case ssl.SSLCertVerificationError():
            return f"its certificate is invalid: {reason.verify_message}"
        case socket.gaierror() | UnicodeError():
            return "no such host"
        case TimeoutError():
            return "no answer in time"
        case ssl.SSLError():
            return f"no TLS: {reason.reason or reason}"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case _:
            return "the answer is not MQTT"


def _may_be_older(error: MqttError) -> bool:
    """Return whether a broker that refused MQTT 5 may accept MQTT 3.1.1.

    Some brokers do not refuse MQTT 5 but time out: amqtt misreads the packet and waits for more.
    """
    if isinstance(error, MqttConnectError):
        return code_of(error) == UNSUPPORTED_VERSION
    return isinstance(error.__cause__, TimeoutError)


def is_hopeless(error: MqttError) -> bool:
    """Return whether another attempt to connect would fail in the same way."""
    if isinstance(error, MqttConnectError):
        return code_of(error) not in TRANSIENT
    unverified = isinstance(error.__cause__, ssl.SSLCertVerificationError)
    return unverified or isinstance(error, RefusedSubscriptionError)


def _user_properties(message: Message) -> Mapping[str, str]:
    carried = getattr(message.properties, "UserProperty", None)
    return frozen_properties(dict(carried)) if carried else NO_PROPERTIES


async def _leave(client: _Client) -> None:
    """Disconnect, also after a failed attempt, which may leave a socket open."""
    client.timeout = GOODBYE
    with suppress(MqttError):
        await client.__aexit__(None, None, None)
        await anext(client.messages)  # retrieves the error, which asyncio would log otherwise
