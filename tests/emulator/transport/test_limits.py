"""What brokers allow and refuse, and what we take: nothing of it disturbs other messages."""

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiomqtt
import pytest

from esme_emulator.transport import (
    RESPONSE_TOPIC,
    Drop,
    MemoryBroker,
    Outcome,
    RefusedError,
    TransportError,
    connect,
)
from esme_emulator.transport.base import MAX_PACKET
from esme_emulator.transport.connection import (
    FAILURE,
    LONGEST_PACKET,
    Limits,
    blames_a_message,
    publish_size,
)
from esme_emulator.transport.topic import TopicFilter
from tests.emulator.transport.brokers import (
    CONNACK,
    CONNACK_3_1_1,
    GUARD,
    PUBLISH,
    Inbox,
    Kind,
    puback,
    read_packet,
    served,
    speak_only_3_1_1,
)
from tests.support.embedded import embedded
from tests.support.mosquitto import OPEN, TUNED, Mosquitto

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def connack(properties: str) -> bytes:
    """Return a CONNACK of MQTT 5 with `properties`, in hex."""
    octets = bytes.fromhex(properties)
    return bytes([0x20, len(octets) + 3, 0, 0, len(octets)]) + octets


def scripted(connack: bytes, *, subscriptions: bytes = b"\x01") -> Serve:
    """Return a broker that grants and acknowledges everything, on topics of one octet."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(connack)
        while (packet := await read_packet(reader))[0]:
            if packet[0] & 0xF0 == PUBLISH & 0xF0:
                writer.write(puback(packet))
            elif packet[0] == 0x82:
                length = 3 + len(subscriptions)
                writer.write(bytes([0x90, length]) + packet[1][:2] + b"\0" + subscriptions)

    return serve


# Pure


@pytest.mark.parametrize(
    ("payload", "properties", "qos", "mqtt5", "size"),
    [
        (b"", {}, 0, False, 5),
        (b"", {}, 1, False, 7),
        (b"", {}, 1, True, 8),
        (bytes(122), {}, 1, False, 129),
        (bytes(123), {}, 1, False, 131),
        (b"", {"n": "v"}, 1, True, 15),
        (b"", {"n": "v" * 121}, 1, True, 136),
        (b"", {RESPONSE_TOPIC: "v"}, 1, True, 12),
    ],
)
def test_size_of_a_publish(
    payload: bytes, properties: dict[str, str], qos: int, mqtt5: bool, size: int
) -> None:
    assert publish_size("a", payload, properties, qos=qos, mqtt5=mqtt5) == size


def test_refusal_names_size_and_limit() -> None:
    assert Limits(maximum_packet=100).refusal(100) is None
    assert Limits(maximum_packet=100).refusal(101) == (
        "the message takes 101 octets, and the broker accepts 100: "
        "raise the broker's maximum packet size"
    )
    assert Limits().refusal(LONGEST_PACKET) is None
    assert "MQTT carries at most 268435460" in str(Limits().refusal(LONGEST_PACKET + 1))


def test_unsupported_filters_are_refused() -> None:
    single, wild = TopicFilter.parse("a/b"), TopicFilter.parse("a/+")
    shared = TopicFilter.parse("$share/g/a")
    assert Limits(shared=False, wildcards=False).refusal_of_filter(single) is None
    assert Limits(shared=False).refusal_of_filter(wild) is None
    assert Limits(wildcards=False).refusal_of_filter(shared) is None
    assert Limits(wildcards=False).refusal_of_filter(wild) == "it has no wildcard subscriptions"
    assert Limits(shared=False).refusal_of_filter(shared) == "it has no shared subscriptions"


def test_no_message_is_to_blame_for_an_end_with_another_reason() -> None:
    assert blames_a_message(FAILURE)
    assert blames_a_message(0x95)
    assert not blames_a_message(0x8B)


# What brokers take


async def test_message_too_long_for_the_broker_fails_alone_and_at_once(
    tmp_path: Path, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    with Mosquitto(tmp_path, (*OPEN, *TUNED, "max_packet_size 2000")) as broker:
        async with connect(broker.url, client_id="both", subscriptions={"a": inbox}) as transport:
            fits = 2000 - publish_size("a", b"", {}, qos=1, mqtt5=True) - 1  # its length takes two
            others = [asyncio.create_task(transport.publish("a", bytes(fits))) for _ in range(30)]
            with pytest.raises(RefusedError) as caught:
                await transport.publish("a", bytes(fits + 1))
            assert all(await asyncio.gather(*others))
            await inbox.wait_for(30)
            counters = transport.counters
    assert str(caught.value) == (
        "cannot publish to a: the message takes 2001 octets, and the broker accepts 2000: "
        "raise the broker's maximum packet size"
    )
    assert (counters.refused, counters.published, counters.abandoned) == (1, 30, 0)
    assert (counters.reconnections, counters.resent) == (0, 0)
    assert caplog.records == []


async def test_message_that_ends_every_connection_fails_alone() -> None:
    """So does one that is too long for a broker on MQTT 3.1.1, which cannot tell its limit."""
    acknowledged: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(CONNACK)
        while (packet := await read_packet(reader))[0] == PUBLISH:
            if packet[1].endswith(b"poison"):
                break
            acknowledged.append(packet[1][6:])
            writer.write(puback(packet))
            await writer.drain()

    async with (
        served(serve) as url,
        connect(url, client_id="party") as party,
        asyncio.timeout(GUARD),
    ):
        payloads = [b"%d" % number for number in range(30)]
        payloads.insert(7, b"poison")
        results = await asyncio.gather(
            *(party.publish("a", payload) for payload in payloads), return_exceptions=True
        )
        failed = results.pop(7)
        assert isinstance(failed, RefusedError)
        assert "ended the connection each of 3 times that it was sent this" in str(failed)
        assert results == [True] * 30
        assert (party.counters.refused, party.counters.reconnections) == (1, 3)
    payloads.remove(b"poison")
    assert set(acknowledged) == set(payloads)


async def test_receive_maximum_of_connack_is_kept() -> None:
    most = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most
        await read_packet(reader)
        writer.write(connack("210003"))
        waiting = []
        while (packet := await read_packet(reader))[0] == PUBLISH:
            waiting.append(packet)
            most = max(most, len(waiting))
            if len(waiting) == 3 or packet[1].endswith(b"last"):
                for _ in range(50):
                    await asyncio.sleep(0)  # all arrives that comes without an acknowledgement
                assert not reader._buffer  # type: ignore[attr-defined]
                writer.writelines(map(puback, waiting))
                waiting.clear()

    async with (
        served(serve) as url,
        connect(url, client_id="party") as party,
        asyncio.timeout(GUARD),
    ):
        called_off = [asyncio.create_task(party.publish("a", b"x")) for _ in range(2)]
        await asyncio.sleep(0)
        for task in called_off:
            task.cancel()
        payloads = [b"x"] * 27 + [b"last"]
        assert all(await asyncio.gather(*(party.publish("a", payload) for payload in payloads)))
        assert party.counters.reconnections == 0
    assert most == 3


async def test_receive_maximum_of_mosquitto_is_kept(tmp_path: Path, inbox: Inbox) -> None:
    options = (*OPEN, TUNED[0], "max_queued_messages 0", "max_inflight_messages 3")
    with Mosquitto(tmp_path, options) as broker:
        async with connect(broker.url, client_id="both", subscriptions={"a": inbox}) as transport:
            payloads = [b"%d" % number for number in range(500)]
            assert all(await asyncio.gather(*(transport.publish("a", p) for p in payloads)))
            await inbox.wait_for(500)
            counters = transport.counters
    assert inbox.payloads == payloads
    assert (counters.published, counters.reconnections, counters.resent) == (500, 0, 0)


async def test_broker_that_allows_only_qos_0(
    tmp_path: Path, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    with Mosquitto(tmp_path, (*OPEN, *TUNED, "max_qos 0")) as broker:
        async with connect(broker.url, client_id="both", subscriptions={"a": inbox}) as transport:
            payloads = [b"%d" % number for number in range(100)]
            assert all(await asyncio.gather(*(transport.publish("a", p) for p in payloads)))
            await inbox.wait_for(100)
            counters = transport.counters
    assert inbox.payloads == payloads
    assert (counters.published, counters.reconnections) == (100, 0)
    [record] = caplog.records
    assert "the broker allows only QoS 0" in record.getMessage()


@pytest.mark.parametrize(
    ("properties", "route", "reason"),
    [
        ("2800", "a/+", "it has no wildcard subscriptions, as a/+ needs"),
        ("2a00", "$share/g/a", "it has no shared subscriptions, as $share/g/a needs"),
    ],
)
async def test_subscriptions_that_the_broker_does_not_support(
    properties: str, route: str, reason: str
) -> None:
    async with served(scripted(connack(properties))) as url:
        with pytest.raises(TransportError) as caught:
            async with connect(url, client_id="party", subscriptions={route: print}):
                pytest.fail("it began")
        assert str(caught.value) == f"cannot use the MQTT broker at {url[7:]}: {reason}"
        async with connect(url, client_id="party", subscriptions={"a/b": print}):
            pass


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (b"\x87", "it refuses the subscription a (not authorized)"),
        (b"\x80", "it refuses the subscription a"),
        (b"", "the answer is not MQTT"),
        (b"\x01\x01", "the answer is not MQTT"),
    ],
)
async def test_subscriptions_that_the_broker_refuses(codes: bytes, reason: str) -> None:
    async with served(scripted(CONNACK, subscriptions=codes)) as url:
        with pytest.raises(TransportError) as caught:
            async with connect(
                url, client_id="party", subscriptions={"a": print}, start_timeout=0.1
            ):
                pytest.fail("it began")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_broker_that_ignores_mqtt_5_is_tried_with_3_1_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for engine in ("mqtt_v5", "mqtt_v311"):
        monkeypatch.setattr(f"esme_emulator.transport.{engine}.ATTEMPT", 0.2)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await read_packet(reader)
        if body[6] == 4:
            writer.write(bytes.fromhex("20020000"))
        while packet := (await read_packet(reader))[1]:
            writer.write(puback((PUBLISH, packet)))

    async with served(serve) as url, connect(url, client_id="party") as party:
        assert not party.carries_properties
        assert await party.publish("a", b"")


# What brokers say to a message


async def test_denied_message_is_not_published(tmp_path: Path, inbox: Inbox) -> None:
    (tmp_path / "acl").write_text("topic read #\ntopic write allowed\n")
    (tmp_path / "acl").chmod(0o600)
    # With `max_queued_messages 0` mosquitto 2.0.11 ends the connection of who is denied a message.
    with Mosquitto(tmp_path, (*OPEN, TUNED[0], f"acl_file {tmp_path / 'acl'}")) as broker:
        async with connect(broker.url, client_id="both", subscriptions={"#": inbox}) as transport:
            with pytest.raises(RefusedError) as caught:
                await transport.publish("denied", b"")
            outcomes: list[Outcome] = []
            transport.post("denied", b"", outcomes.append)
            assert await transport.publish("allowed", b"")
            await inbox.wait_for(1)
            counters = transport.counters
    assert [type(outcome) for outcome in outcomes] == [RefusedError]
    assert str(caught.value) == ("cannot publish to denied: the broker refuses it (not authorized)")
    assert [message.topic for message in inbox.messages] == ["allowed"]
    assert (counters.refused, counters.published, counters.reconnections) == (2, 1, 0)


async def test_publish_without_subscribers_returns_false(kind: Kind, inbox: Inbox) -> None:
    tells = kind.name in ("memory", "mosquitto")  # rumqttd could say it, and does not
    async with connect(kind.broker, client_id="both", subscriptions={"a/+": inbox}) as transport:
        assert await transport.publish("a/b", b"")
        assert await transport.publish("b", b"") is not tells
        assert transport.counters.published == 2
        assert transport.counters.unheard == int(tells)


# What we take


class Dropped:
    """Keeps what was dropped."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Drop]] = []

    def __call__(self, topic: str, reason: Drop) -> None:
        self.told.append((topic, reason))


async def publish_otherwise(
    kind: Kind, topic: str, payload: bytes, *, retain: bool = False
) -> None:
    """Publish as somebody would who does not use this package."""
    port = int(str(kind.broker).rpartition(":")[2])
    version = aiomqtt.ProtocolVersion.V5 if kind.user_properties else aiomqtt.ProtocolVersion.V311
    async with aiomqtt.Client("127.0.0.1", port, protocol=version) as other:
        await other.publish(topic, payload, qos=1, retain=retain)


async def test_retained_messages_are_not_taken(
    kind: Kind, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    if isinstance(kind.broker, MemoryBroker):
        pytest.skip("nothing can be retained in memory")
    for topic in ("a/1", "a/2"):
        await publish_otherwise(kind, topic, b"old", retain=True)
    dropped = Dropped()
    for _ in range(2):
        async with connect(
            kind.broker, client_id="late", subscriptions={"a/+": inbox}, on_dropped=dropped
        ) as transport:
            await transport.publish("a/3", b"new")
            await inbox.wait_for(1)
            counters = transport.counters
        assert inbox.payloads == [b"new"]
        inbox.messages.clear()
    # A broker on MQTT 5 is asked not to send them, which rumqttd ignores. amqtt sends each twice.
    told = kind.name == "mosquitto"
    topics = set() if told else {"a/1", "a/2"}
    assert {(topic, Drop.RETAINED) for topic in topics} == set(dropped.told)
    assert (counters.retained > 0, counters.received) == (bool(topics), 1)
    assert caplog.text.count("dropped a retained message to a/") == len(topics)  # once a connect


async def test_retained_message_is_received_once_while_subscribed(kind: Kind, inbox: Inbox) -> None:
    if isinstance(kind.broker, MemoryBroker):
        pytest.skip("nothing can be retained in memory")
    async with connect(kind.broker, client_id="early", subscriptions={"a": inbox}):
        await publish_otherwise(kind, "a", b"now", retain=True)
        await inbox.wait_for(1)
    assert inbox.payloads == [b"now"]


async def test_too_long_messages_are_dropped(
    kind: Kind, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    if isinstance(kind.broker, MemoryBroker):
        pytest.skip("messages in memory have no packets")
    if kind.name == "rumqttd":
        pytest.skip("rumqttd ends the connection of their publisher")
    dropped = Dropped()
    async with connect(
        kind.broker, client_id="both", subscriptions={"a": inbox}, on_dropped=dropped
    ) as transport:
        await publish_otherwise(kind, "a", bytes(3 * MAX_PACKET))
        await publish_otherwise(kind, "a", bytes(MAX_PACKET - 100))
        await inbox.wait_for(1)
        counters = transport.counters
    assert [len(payload) for payload in inbox.payloads] == [MAX_PACKET - 100]
    # A broker on MQTT 5 is told in CONNECT what we take.
    number = 0 if kind.user_properties else 1
    assert (counters.too_long, counters.received, counters.reconnections) == (number, 1, 0)
    assert dropped.told == [("a", Drop.TOO_LONG)] * number
    assert caplog.text.count("longer than 1048576 octets") == number


async def send_too_long(writer: asyncio.StreamWriter, head: bytes) -> None:
    """Send a message of 64 MiB that begins with `head`, and then an empty one."""
    chunk = bytes(1 << 16)
    remaining = len(head) + TOO_LONG
    writer.write(b"\x32" + bytes(0x80 | remaining >> 7 * n & 0x7F for n in range(3)))
    writer.write(bytes([remaining >> 21]) + head)
    for _ in range(TOO_LONG // len(chunk)):
        writer.write(chunk)
        await writer.drain()


TOO_LONG = 64 << 20


async def test_too_long_message_takes_no_memory_on_mqtt_3_1_1(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak_only_3_1_1(monkeypatch)
    acknowledged: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(CONNACK_3_1_1)
        _, body = await read_packet(reader)
        writer.write(b"\x90\x03" + body[:2] + b"\x01")
        await send_too_long(writer, b"\x00\x01a\x00\x09")
        writer.write(b"\x32\x05\x00\x01a\x00\x0a")
        acknowledged.extend([(await read_packet(reader))[1] for _ in range(2)])
        while await reader.read(100):
            pass

    async with served(serve) as url:
        with peak_memory() as peak:
            async with connect(url, client_id="party", subscriptions={"a": inbox}) as party:
                await inbox.wait_for(1)
                assert (party.counters.too_long, party.counters.received) == (1, 1)
    assert peak() < TOO_LONG / 8
    assert [body[:2] for body in acknowledged] == [b"\x00\x09", b"\x00\x0a"]


async def test_too_long_message_on_mqtt_5_is_a_protocol_error(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    """CONNECT forbids it: MQTT 5.0, 3.1.2.11.4. It is not sent again, since sessions are clean."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_packet(reader)
        writer.write(CONNACK)
        _, body = await read_packet(reader)
        writer.write(b"\x90\x04" + body[:2] + b"\x00\x01")
        if connections == 1:
            await send_too_long(writer, b"\x00\x01a\x00\x09\x00")
        writer.write(b"\x32\x06\x00\x01a\x00\x0a\x00")
        while await reader.read(100):
            pass

    async with served(serve) as url:
        with peak_memory() as peak:
            async with connect(url, client_id="party", subscriptions={"a": inbox}) as party:
                await inbox.wait_for(1)
                assert party.counters.reconnections == 1
    assert peak() < TOO_LONG / 8
    assert "connection lost (it sent a packet of more than 1048576 octets)" in caplog.text


@contextmanager
def peak_memory() -> Iterator[Callable[[], int]]:
    """Measure the octets allocated at most in the body."""
    peak = 0
    tracemalloc.start()
    try:
        yield lambda: peak
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_embedded_broker_sends_clients_back_to_3_1_1_at_once() -> None:
    async with embedded("amqtt") as url:
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for octet in bytes.fromhex("108100 0004 4d515454 05"):  # its length is not the shortest
                writer.write(bytes([octet]))
                await writer.drain()
            async with asyncio.timeout(GUARD):
                assert await reader.read() == bytes.fromhex("20020001")
        finally:
            writer.close()
