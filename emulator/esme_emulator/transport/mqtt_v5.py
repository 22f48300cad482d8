"""A connection of MQTT 5: the codec `mqtt5` under an `asyncio.Protocol`.

All packets of one turn of the event loop leave in one write: a system call costs more than the
codec. Acknowledgements are callbacks, so a message needs no task.
"""

import asyncio
import socket
import ssl
from types import MappingProxyType
from typing import TypeVar, cast

from mqtt5 import (
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    Packet,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PublishPacket,
    QoS,
    RetainHandling,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
    read,
)

from esme_emulator.transport.base import (
    MAX_PACKET,
    NO_PROPERTIES,
    RESPONSE_TOPIC,
    Drop,
    RefusedError,
)
from esme_emulator.transport.connection import (
    ATTEMPT,
    CLOSED,
    ENDED_BY_US,
    FAILURE,
    GOODBYE,
    KEEPALIVE,
    LONGEST_PACKET,
    NO_SUBSCRIBERS,
    NOT_MQTT,
    UNSUPPORTED_VERSION,
    BrokerAddress,
    Connection,
    ConnectionFailedError,
    Limits,
    Message,
    Owner,
    Session,
    publish_size,
    refused_subscription,
)

Answer = TypeVar("Answer", ConnAckPacket, SubAckPacket)

_LAST_IDENTIFIER = 0xFFFF


class NotMqtt5Error(ConnectionFailedError):
    """The broker did not answer in MQTT 5. It may speak MQTT 3.1.1."""


async def connect(session: Session, owner: Owner, window: int) -> Connection:
    """Connect and subscribe; at most `window` messages will be in flight.

    `owner` gets messages from the moment of subscribing on. Raises `NotMqtt5Error`, or another
    `ConnectionFailedError` if MQTT 3.1.1 would not help.
    """
    connection = _Connection(owner, window)
    try:
        async with asyncio.timeout(ATTEMPT):
            await _open(session.address, session.tls, connection)
        await connection.log_in(session)
        if session.filters:
            await connection.subscribe(session)
    except BaseException as error:
        connection.abort()
        if isinstance(error, OSError | UnicodeError):  # also TimeoutError and the errors of TLS
            raise ConnectionFailedError.of(error) from None
        raise
    return connection


async def _open(
    address: BrokerAddress, tls: ssl.SSLContext | None, connection: "_Connection"
) -> None:
    """Open a socket to the first address of the host that accepts."""
    loop = asyncio.get_running_loop()
    # create_connection() would try all addresses too, but its error then has no number.
    addresses = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    failed: OSError | None = None
    for *_, (host, port, *_) in addresses:
        try:
            await loop.create_connection(
                lambda: connection,
                str(host),
                int(port),
                ssl=tls,
                server_hostname=address.host if tls else None,
            )
        except OSError as error:
            failed = error
        else:
            return
    raise failed or socket.gaierror("no address")


class _Connection(asyncio.Protocol):
    mqtt5 = True

    def __init__(self, owner: Owner, window: int) -> None:
        self._owner = owner
        self._window = window
        self._loop = asyncio.get_running_loop()
        self._limits = Limits()
        self._transport: asyncio.Transport | None = None
        self._unparsed = b""
        self._out: list[bytes] = []
        """Packets of this turn of the event loop."""
        self._is_paused = False
        self._identifier = 0
        self._in_flight: dict[int, Message] = {}
        """Unacknowledged messages of QoS 1, by packet identifier."""
        self._unsent: list[Message] = []
        """Messages of QoS 0 that the socket has not taken yet."""
        self._answer: asyncio.Future[ConnAckPacket | SubAckPacket] | None = None
        self._error: ConnectionFailedError | None = None
        """Why the connection ended."""
        self._lost = self._loop.create_future()
        self._is_heard = True
        self._keepalive = KEEPALIVE
        self._ping: asyncio.TimerHandle | None = None

    # The interface of connections

    @property
    def qos(self) -> int:
        return min(1, self._limits.maximum_qos)

    @property
    def has_room(self) -> bool:
        return len(self._in_flight) + len(self._unsent) < self._window

    def send(self, message: Message) -> None:
        topic, payload, properties = message.topic, message.payload, message.user_properties
        qos = self.qos
        size = publish_size(topic, payload, properties, qos=qos, mqtt5=True)
        if reason := self._limits.refusal(size):
            raise RefusedError(reason, "too long")
        packet = PublishPacket(
            topic,
            payload,
            qos=QoS.AT_LEAST_ONCE if qos else QoS.AT_MOST_ONCE,
            packet_id=self._next_identifier() if qos else None,
            response_topic=properties.get(RESPONSE_TOPIC),
            user_properties=[item for item in properties.items() if item[0] != RESPONSE_TOPIC],
        )
        if packet.packet_id is None:
            self._unsent.append(message)
        else:
            self._in_flight[packet.packet_id] = message
        self._write(packet.write())

    async def close(self) -> None:
        if self._error is None:
            self._end(ConnectionFailedError(CLOSED), DisconnectReasonCode.NORMAL_DISCONNECTION)
        try:
            async with asyncio.timeout(GOODBYE):
                await asyncio.shield(self._lost)
        except TimeoutError:
            pass
        finally:
            self.abort()

    # Connecting

    async def log_in(self, session: Session) -> None:
        """Send CONNECT, and heed what CONNACK says."""
        address = session.address
        packet = ConnectPacket(
            session.client_id,
            username=address.username,
            password=None if address.password is None else address.password.encode(),
            clean_start=True,
            keep_alive=KEEPALIVE,
            max_packet_size=MAX_PACKET,
        )
        try:
            answer = await self._ask(packet.write(), ConnAckPacket)
        except TimeoutError as error:
            raise NotMqtt5Error(ConnectionFailedError.of(error).text) from None
        except ConnectionFailedError as error:
            # Some brokers do not refuse MQTT 5, but close the connection or answer nothing.
            if error.text in (CLOSED, NOT_MQTT):
                raise NotMqtt5Error(error.text) from None
            raise
        code = int(answer.reason_code)
        if code == UNSUPPORTED_VERSION:
            raise NotMqtt5Error(_words(answer.reason_code.name), code=code)
        if code >= FAILURE:
            raise ConnectionFailedError.refused_by(code, _words(answer.reason_code.name))
        self._limits = Limits(
            maximum_packet=answer.max_packet_size or LONGEST_PACKET,
            maximum_qos=int(answer.max_qos),
            wildcards=answer.wildcard_subscription_available,
            shared=answer.shared_subscription_available,
        )
        self._window = min(self._window, answer.receive_max)
        self._keepalive = min(answer.server_keep_alive or KEEPALIVE, KEEPALIVE)
        self._keep_alive()

    async def subscribe(self, session: Session) -> None:
        """Subscribe to the filters, without their retained messages."""
        for route in session.filters:
            if lacking := self._limits.refusal_of_filter(route):
                raise ConnectionFailedError(f"{lacking}, as {route.text} needs", hopeless=True)
        for batch in session.batches:
            wanted = [
                TopicFilter(
                    route.text,
                    max_qos=QoS.AT_LEAST_ONCE,
                    retain_as_published=False,
                    retain_handling=RetainHandling.SEND_NEVER,
                )
                for route in batch
            ]
            packet = SubscribePacket(self._next_identifier(), wanted)
            granted = (await self._ask(packet.write(), SubAckPacket)).reason_codes
            if len(granted) != len(wanted):
                raise ConnectionFailedError(NOT_MQTT)
            for route, code in zip(batch, granted, strict=True):
                if int(code) >= FAILURE:
                    raise refused_subscription(route, int(code), _words(code.name))

    async def _ask(self, packet: bytes, kind: type[Answer]) -> Answer:
        """Send a packet and return the answer to it."""
        if self._error is not None:
            raise self._error
        self._answer = self._loop.create_future()
        self._write(packet)
        async with asyncio.timeout(ATTEMPT):
            answer = await self._answer
        if not isinstance(answer, kind):
            raise ConnectionFailedError(NOT_MQTT)
        return answer

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self._confirm()

    def data_received(self, data: bytes) -> None:
        self._is_heard = True
        octets = memoryview(self._unparsed + data if self._unparsed else data)
        while self._error is None and (size := _packet_size(octets)) <= len(octets):
            try:
                _check(octets[:size])
                packet, _ = read(octets[:size])
            except (ValueError, IndexError):
                self._refuse(NOT_MQTT, DisconnectReasonCode.MALFORMED_PACKET)
            else:
                self._handle(packet)
            octets = octets[size:]
        if self._error is None and size > MAX_PACKET:
            text = f"it sent a packet of more than {MAX_PACKET} octets"
            self._refuse(text, DisconnectReasonCode.PACKET_TOO_LARGE)
        self._unparsed = bytes(octets)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._lost.done():
            self._lost.set_result(None)
        if error is None or isinstance(error, ConnectionError):
            self._end(ConnectionFailedError(CLOSED))
        else:
            self._end(ConnectionFailedError.of(error))

    # Packets

    def _handle(self, packet: Packet) -> None:
        match packet:
            case PublishPacket():
                self._receive(packet)
            case PubAckPacket():
                self._acknowledge(packet)
            case PingRespPacket():
                pass
            case DisconnectPacket(reason_code=code):
                # An unspecified error says no more than a closed connection.
                text = CLOSED if code == FAILURE else _words(code.name)
                self._end(ConnectionFailedError(text, code=int(code)))
            case ConnAckPacket() | SubAckPacket() if self._answer and not self._answer.done():
                self._answer.set_result(packet)
            case _:
                self._refuse(NOT_MQTT, DisconnectReasonCode.PROTOCOL_ERROR)

    def _receive(self, packet: PublishPacket) -> None:
        identifier = packet.packet_id
        if packet.qos == QoS.EXACTLY_ONCE or identifier == 0:
            self._refuse(NOT_MQTT, DisconnectReasonCode.PROTOCOL_ERROR)
            return
        if packet.retain:
            self._owner.drop(packet.topic, Drop.RETAINED)
        else:
            carried = dict(packet.user_properties)
            if packet.response_topic is not None:
                carried[RESPONSE_TOPIC] = packet.response_topic
            properties = MappingProxyType(carried) if carried else NO_PROPERTIES
            self._owner.receive(packet.topic, packet.payload, properties)
        if identifier is not None:
            self._write(PubAckPacket(identifier).write())

    def _acknowledge(self, packet: PubAckPacket) -> None:
        message = self._in_flight.pop(packet.packet_id, None)
        if message is None:
            return
        outcome: bool | RefusedError
        if (code := int(packet.reason_code)) < FAILURE:
            outcome = code != NO_SUBSCRIBERS
        else:
            why = _words(packet.reason_code.name)
            outcome = RefusedError(f"the broker refuses it ({why})", why)
        self._owner.acknowledged(message, outcome)

    def _next_identifier(self) -> int:
        while True:
            self._identifier = self._identifier % _LAST_IDENTIFIER + 1
            if self._identifier not in self._in_flight:
                return self._identifier

    # Writing

    def _write(self, packet: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(packet)

    def _flush(self) -> None:
        octets = b"".join(self._out)
        self._out.clear()
        if self._error is None and self._transport is not None:
            self._transport.write(octets)
            if not self._is_paused:
                self._confirm()

    def _confirm(self) -> None:
        """Call messages of QoS 0 acknowledged, since the socket has taken them."""
        sent, self._unsent = self._unsent, []
        for message in sent:
            self._owner.acknowledged(message, True)

    def _keep_alive(self) -> None:
        """Send a ping twice in each keep-alive interval; something must arrive in between."""
        self._ping = self._loop.call_later(self._keepalive / 2, self._send_ping)

    def _send_ping(self) -> None:
        if self._is_heard:
            self._is_heard = False
            self._write(PingReqPacket().write())
            self._keep_alive()
        else:
            self._end(ConnectionFailedError("no answer in time", code=ENDED_BY_US))

    # Ending

    def _refuse(self, text: str, reason: DisconnectReasonCode) -> None:
        """Disconnect from a broker that does not keep to MQTT."""
        self._end(ConnectionFailedError(text, code=ENDED_BY_US), reason)

    def _end(
        self, error: ConnectionFailedError, goodbye: DisconnectReasonCode | None = None
    ) -> None:
        """End the connection, and tell who waits for it; with `goodbye`, send DISCONNECT before."""
        if self._error is not None:
            return
        if goodbye is not None and self._transport is not None:
            self._write(DisconnectPacket(reason_code=goodbye).write())
            self._flush()
            self._transport.close()
        self._error = error
        if goodbye is None:
            self.abort()
        if self._ping is not None:
            self._ping.cancel()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        else:
            self._loop.call_soon(self._owner.ended, self, error)

    def abort(self) -> None:
        """Close the socket at once, if it is open."""
        if self._ping is not None:
            self._ping.cancel()
        if self._transport is not None:
            self._transport.abort()


def _words(name: str) -> str:
    return name.lower().replace("_", " ")


def _packet_size(octets: memoryview) -> int:
    """Return the size of the packet that begins with `octets`.

    As long as its length has not arrived, return more than there are octets.
    """
    try:
        length, place = _integer(octets, 1)
    except IndexError:
        return len(octets) + 1
    is_whole = octets[place - 1] < 0x80  # otherwise the codec finds it malformed
    return place + length if is_whole else place


def _integer(octets: memoryview, place: int) -> tuple[int, int]:
    """Return a Variable Byte Integer of at most four octets, and the place after it."""
    number = 0
    for shift in (0, 7, 14, 21):
        number |= (octets[place] & 0x7F) << shift
        place += 1
        if octets[place - 1] < 0x80:
            break
    return number, place


# The codec, version 0.8.0, panics at text that is not UTF-8, and prints a traceback. So texts are
# checked before; all else is left to the codec. Source of the tables: OASIS MQTT 5.0, 2.2.2.2.

_PUBLISH, _QOS = 0x30, 0x06
_BEFORE_PROPERTIES = {0x20: 2, 0x40: 3, 0x90: 2, 0xD0: 0, 0xE0: 1}
"""Octets between length and properties of CONNACK, PUBACK, SUBACK, PINGRESP and DISCONNECT."""
_INTEGERS = (
    dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1)
    | dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2)
    | dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4)
)
"""Octets of the properties that are integers of fixed length, by identifier."""
_TEXTS = dict.fromkeys((0x03, 0x08, 0x12, 0x15, 0x1A, 0x1C, 0x1F), 1) | {0x26: 2}
"""Number of texts in the properties that have some, by identifier."""
_BINARY = (0x09, 0x16)
_SUBSCRIPTION = 0x0B


def _check(packet: memoryview) -> None:
    """Raise `ValueError` unless a packet is of a broker and its texts are UTF-8.

    Raises `IndexError` if the packet ends early.
    """
    kind = packet[0] & 0xF0
    _, place = _integer(packet, 1)
    if kind == _PUBLISH:
        place = _after_text(packet, place) + (2 if packet[0] & _QOS else 0)
    elif kind in _BEFORE_PROPERTIES:
        place += _BEFORE_PROPERTIES[kind]
        if place >= len(packet):
            return  # without properties
    else:
        raise ValueError(kind)
    length, place = _integer(packet, place)
    end = place + length
    while place < end:
        identifier = packet[place]
        place += 1
        if identifier in _TEXTS:
            for _ in range(_TEXTS[identifier]):
                place = _after_text(packet, place)
        elif identifier in _BINARY:
            place = _after_binary(packet, place)
        elif identifier == _SUBSCRIPTION:
            _, place = _integer(packet, place)
        elif identifier in _INTEGERS:
            place += _INTEGERS[identifier]
        else:
            return  # unknown


def _after_text(packet: memoryview, place: int) -> int:
    end = _after_binary(packet, place)
    str(packet[place + 2 : end], "utf-8")
    return end


def _after_binary(packet: memoryview, place: int) -> int:
    end = place + 2 + (packet[place] << 8 | packet[place + 1])
    if end > len(packet):
        raise IndexError(end)
    return end
