"""The engine of MQTT 5 over a socket that is made up: what it writes, and when."""

import asyncio
from collections.abc import Mapping
from typing import cast

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.transport import Drop, RefusedError, TransportError, connect
from esme_emulator.transport.base import MAX_PACKET, NO_PROPERTIES
from esme_emulator.transport.connection import (
    ENDED_BY_US,
    BrokerAddress,
    Connection,
    ConnectionFailedError,
    Message,
    Session,
)
from esme_emulator.transport.mqtt_v5 import _check, _Connection, _packet_size
from esme_emulator.transport.topic import TopicFilter
from tests.emulator.transport.brokers import CONNACK, GUARD, read_packet, served


class Socket(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_open = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.is_open = False

    abort = close

    def packets(self) -> list[mqtt5.Packet]:
        """Return what was written, and forget it."""
        rest = memoryview(b"".join(self.writes))
        self.writes.clear()
        found = []
        while rest:
            packet, size = mqtt5.read(rest)
            found.append(packet)
            rest = rest[size:]
        return found


class Recorder:
    """The owner of a connection, which keeps what it is told."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes, Mapping[str, str]]] = []
        self.dropped: list[tuple[str, Drop]] = []
        self.outcomes: list[tuple[Message, bool | RefusedError]] = []
        self.ends: list[ConnectionFailedError] = []

    def receive(self, *message: object) -> None:
        self.received.append(cast("tuple[str, bytes, Mapping[str, str]]", message))

    def drop(self, topic: str, reason: Drop) -> None:
        self.dropped.append((topic, reason))

    def acknowledged(self, message: Message, outcome: bool | RefusedError) -> None:
        self.outcomes.append((message, outcome))

    def ended(self, connection: Connection, error: ConnectionFailedError) -> None:
        self.ends.append(error)


class Bench:
    """A connection that has logged in, with its owner and its socket."""

    def __init__(self) -> None:
        self.owner = Recorder()
        self.socket = Socket()
        self.connection = _Connection(self.owner, window=20)
        self.connection.connection_made(self.socket)

    async def log_in(self, connack: bytes = CONNACK) -> "Bench":
        session = Session(BrokerAddress("h", 1), "me", [TopicFilter.parse("a")], None)
        asking = asyncio.ensure_future(self.connection.log_in(session))
        await turn()
        self.connection.data_received(connack)
        await asking
        self.socket.writes.clear()
        return self

    def send(self, number: int) -> list[Message]:
        messages = [message(b"%d" % each) for each in range(number)]
        for each in messages:
            self.connection.send(each)
        return messages


def message(payload: bytes = b"") -> Message:
    return Message("a", payload, NO_PROPERTIES, lambda _: None, 0.0)


async def turn() -> None:
    """Let the event loop run what is scheduled now."""
    for _ in range(2):
        await asyncio.sleep(0)


def publish(identifier: int, payload: bytes = b"") -> bytes:
    packet = mqtt5.PublishPacket("a", payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=identifier)
    return packet.write()


def puback(identifier: int) -> bytes:
    return mqtt5.PubAckPacket(identifier).write()


@pytest.fixture
async def bench() -> Bench:
    return await Bench().log_in()


async def test_all_packets_of_a_turn_leave_in_one_write(bench: Bench) -> None:
    bench.send(5)
    bench.connection.data_received(publish(1) + publish(2))
    await turn()
    assert len(bench.socket.writes) == 1
    kinds = [type(packet) for packet in bench.socket.packets()]
    assert kinds == [mqtt5.PublishPacket] * 5 + [mqtt5.PubAckPacket] * 2


async def test_packets_may_arrive_in_any_pieces(bench: Bench) -> None:
    octets = publish(1, b"x" * 200) + publish(2, b"y") + mqtt5.PingRespPacket().write()
    for octet in octets:
        bench.connection.data_received(bytes([octet]))
    assert [payload for _, payload, _ in bench.owner.received] == [b"x" * 200, b"y"]


async def test_window_counts_messages_until_they_are_acknowledged(bench: Bench) -> None:
    sent = bench.send(20)
    assert not bench.connection.has_room
    bench.connection.data_received(puback(3) + puback(3) + puback(999))
    assert bench.connection.has_room
    assert bench.owner.outcomes == [(sent[2], True)]


async def test_identifiers_in_flight_are_not_used_again(bench: Bench) -> None:
    bench.connection._identifier = 0xFFFE
    bench.send(2)  # 65535 and 1
    bench.connection._identifier = 0xFFFE
    bench.send(1)
    await turn()
    packets = cast("list[mqtt5.PublishPacket]", bench.socket.packets())
    assert [packet.packet_id for packet in packets] == [0xFFFF, 1, 2]


async def test_qos_0_waits_for_a_socket_that_is_full() -> None:
    bench = await Bench().log_in(mqtt5.ConnAckPacket(max_qos=mqtt5.QoS.AT_MOST_ONCE).write())
    bench.connection.pause_writing()
    sent = bench.send(20)
    await turn()
    assert (bench.owner.outcomes, bench.connection.has_room) == ([], False)
    bench.connection.resume_writing()
    assert bench.owner.outcomes == [(each, True) for each in sent]
    assert bench.connection.has_room


async def test_a_silent_broker_is_noticed(bench: Bench) -> None:
    bench.connection._send_ping()
    await turn()
    assert [type(packet) for packet in bench.socket.packets()] == [mqtt5.PingReqPacket]
    bench.connection.data_received(mqtt5.PingRespPacket().write())
    bench.connection._send_ping()
    assert bench.owner.ends == []
    bench.connection._send_ping()
    await turn()
    [error] = bench.owner.ends
    assert (str(error), error.code, bench.socket.is_open) == (
        "no answer in time",
        ENDED_BY_US,
        False,
    )


@pytest.mark.parametrize(("server", "interval"), [(None, 20), (7, 7), (60, 20), (0, 20)])
async def test_keep_alive_is_the_shorter_of_broker_and_client(
    server: int | None, interval: int
) -> None:
    bench = await Bench().log_in(mqtt5.ConnAckPacket(server_keep_alive=server).write())
    timer = bench.connection._ping
    assert timer is not None
    left = timer.when() - asyncio.get_running_loop().time()
    assert interval / 2 - 1 < left <= interval / 2


MALFORMED = {
    "unknown packet": b"\x00\x00",
    "endless length": b"\x30\xff\xff\xff\xff\xff",
    "no topic": b"\x30\x01\x00",
    "unknown code": b"\x40\x03\x00\x01\x01",
    "unknown property": b"\x32\x08\x00\x01a\x00\x01\x02\x7f\x00",
    "topic that is not UTF-8": b"\x32\x06\x00\x01\xff\x00\x01\x00",
    "property that is not UTF-8": b"\x32\x0b\x00\x01a\x00\x01\x05\x03\x00\x02\xc3\x28",
    "code beyond the packet": b"\xe0\x02\x8b\x05",
    "packet of a client": b"\xc0\x00",
    "length of a text beyond the packet": b"\x30\x04\x00\x09a\x00",
}

FORBIDDEN = {
    "message of QoS 2": b"\x34\x06\x00\x01a\x00\x09\x00",
    "identifier 0": b"\x32\x06\x00\x01a\x00\x00\x00",
    "second welcome": CONNACK,
}

REASONS = dict.fromkeys(MALFORMED, mqtt5.DisconnectReasonCode.MALFORMED_PACKET)
REASONS |= dict.fromkeys(FORBIDDEN, mqtt5.DisconnectReasonCode.PROTOCOL_ERROR)


TEXTS = [("näme", "wært"), ("", "x" * 200)]
PACKETS = [
    mqtt5.ConnAckPacket(
        receive_max=3,
        max_packet_size=99,
        max_qos=mqtt5.QoS.AT_LEAST_ONCE,
        assigned_client_id="me",
        authentication_method="m",
        authentication_data=b"\xff",
        user_properties=TEXTS,
    ).write(),
    mqtt5.PublishPacket(
        "ä/b",
        b"\xff",
        qos=mqtt5.QoS.AT_LEAST_ONCE,
        packet_id=0x8080,
        message_expiry_interval=0x80808080,
        content_type="c",
        response_topic="r",
        correlation_data=b"\xff",
        subscription_ids=[1, 300],
        user_properties=TEXTS,
    ).write(),
    mqtt5.PublishPacket("a", b"\xff").write(),
    mqtt5.PubAckPacket(1).write(),
    mqtt5.PubAckPacket(1, reason_code=mqtt5.PubAckReasonCode.NOT_AUTHORIZED).write(),
    mqtt5.PubAckPacket(1, reason_str="why", user_properties=TEXTS).write(),
    mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.NOT_AUTHORIZED], reason_str="why").write(),
    mqtt5.PingRespPacket().write(),
    mqtt5.DisconnectPacket().write(),
    mqtt5.DisconnectPacket(
        reason_code=mqtt5.DisconnectReasonCode.SERVER_MOVED, server_reference="there"
    ).write(),
]


@given(st.data())
def test_octets_are_mqtt_or_an_error(data: st.DataObject) -> None:
    """So nothing else is raised, least of all the panics of the codec."""
    octets = bytearray(data.draw(st.sampled_from(PACKETS)))
    for _ in range(data.draw(st.integers(0, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    packet = memoryview(bytes(octets))
    if _packet_size(packet) != len(packet):
        return
    try:
        _check(packet)
        mqtt5.read(packet)
    except (ValueError, IndexError):
        return
    assert octets[0] & 0xF0 in (0x20, 0x30, 0x40, 0x90, 0xD0, 0xE0)


@pytest.mark.parametrize("octets", PACKETS)
def test_valid_packets_pass_the_check(octets: bytes) -> None:
    assert _packet_size(memoryview(octets)) == len(octets)
    _check(memoryview(octets))


@pytest.mark.parametrize("name", REASONS)
async def test_what_is_not_mqtt_ends_the_connection(
    name: str, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.connection.data_received(publish(1) + (MALFORMED | FORBIDDEN)[name] + publish(2))
    await turn()
    assert [str(error) for error in bench.owner.ends] == ["the answer is not MQTT"]
    *_, last = bench.socket.packets()
    assert isinstance(last, mqtt5.DisconnectPacket)
    assert last.reason_code == REASONS[name]
    assert (len(bench.owner.received), bench.socket.is_open) == (1, False)
    assert caplog.records == []


async def test_a_packet_that_is_too_long_is_not_waited_for(bench: Bench) -> None:
    bench.connection.data_received(publish(1, bytes(MAX_PACKET))[:10])
    await turn()
    assert "more than 1048576 octets" in str(bench.owner.ends[0])
    [last] = bench.socket.packets()
    assert isinstance(last, mqtt5.DisconnectPacket)
    assert last.reason_code == mqtt5.DisconnectReasonCode.PACKET_TOO_LARGE


async def test_nothing_is_written_after_the_end(bench: Bench) -> None:
    bench.send(1)
    bench.connection.connection_lost(ConnectionResetError())
    await turn()
    assert bench.socket.writes == []
    assert [str(error) for error in bench.owner.ends] == ["connection closed"]
    bench.connection.connection_lost(None)
    await turn()
    assert len(bench.owner.ends) == 1


async def test_malformed_octets_are_one_line_and_a_new_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    goodbyes: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(CONNACK)
        if not goodbyes:
            writer.write(MALFORMED["unknown code"])
            goodbyes.append(await reader.read())
            return
        while (packet := await read_packet(reader))[0] == 0x32:
            writer.write(b"\x40\x02" + packet[1][3:5])

    async with (
        served(serve) as url,
        connect(url, client_id="party") as party,
        asyncio.timeout(GUARD),
    ):
        await party.publish("a", b"")
        assert party.counters.reconnections == 1
    assert goodbyes == [b"\xe0\x01\x81"]
    lost, back = caplog.messages
    assert "connection lost (the answer is not MQTT), reconnecting" in lost
    assert "connected again" in back


async def test_no_address_of_the_host_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seam: the resolver, which gives two addresses for one host, as for localhost."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo("127.0.0.1", 1)

    async def resolve(*_: object, **__: object) -> object:
        return found * 2

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    with pytest.raises(TransportError, match=r"connection refused\)"):
        async with connect("mqtt://two:1", client_id="party", start_timeout=0.0):
            pass
