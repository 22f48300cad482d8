"""Brokers that are missing, die, come back, refuse or are no brokers at all."""

import asyncio
import base64
import gc
import hashlib
import logging
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from random import Random

import aiomqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from esme_emulator.transport import Outcome, TransportError, connect
from esme_emulator.transport.connection import CLOSED
from tests.emulator.transport.brokers import (
    CONNACK,
    CONNACK_3_1_1,
    GUARD,
    PUBLISH,
    Inbox,
    puback,
    read_packet,
    served,
    speak_only_3_1_1,
)
from tests.support.mosquitto import DEAD_PORT, OPEN, TUNED, Mosquitto


@pytest.fixture
def absent(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that is not started yet."""
    broker = Mosquitto(tmp_path)
    yield broker
    broker.kill()


async def refusal(url: str, start_timeout: float = 0.2) -> str:
    """Return why nobody can connect to `url`."""
    with pytest.raises(TransportError) as caught:
        async with connect(url, client_id="party", start_timeout=start_timeout):
            pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_no_broker_at_start() -> None:
    assert await refusal(f"mqtt://127.0.0.1:{DEAD_PORT}") == (
        f"no MQTT broker at 127.0.0.1:{DEAD_PORT} (connection refused): start one, or name another"
    )


@pytest.mark.parametrize("host", ["nowhere.invalid", "no..where", "x" * 64])
async def test_no_such_host(host: str) -> None:
    text = await refusal(f"mqtt://{host}")
    assert text.startswith(f"no MQTT broker at {host}:1883 (no such host): start one")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "no answer in time"),
        (b"", CLOSED),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", CLOSED),
        (b"\x20\xff\xff\xff\xff\xff", CLOSED),
        (b"\x30\x01\x00", CLOSED),
    ],
)
async def test_something_else_than_a_broker(
    answer: bytes | None,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for engine in ("mqtt_v5", "mqtt_v311"):
        monkeypatch.setattr(f"esme_emulator.transport.{engine}.ATTEMPT", 0.2)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if answer is not None:
            writer.write(answer)
            writer.write_eof()
        while await reader.read(100):
            pass

    async with served(serve) as url:
        text = await refusal(url)
    assert text.startswith(f"no MQTT broker at {url[7:]} ({why})")
    gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1",
        "127.0.0.1:1883",
        "http://127.0.0.1",
        "mqtt://",
        "mqtt://host:0",
        "mqtt://host:65536",
        "mqtt://host:port",
        "mqtt://host/topic",
        "mqtt://host?x=1",
        "mqtt://[::1",
        "memory://",
    ],
)
async def test_bad_url(url: str) -> None:
    text = await refusal(url)
    assert text.endswith("write mqtt://[user:password@]host[:port], or mqtts:// for TLS")


async def test_password_of_a_bad_url_is_not_shown() -> None:
    assert "secret" not in await refusal("mqtt://user:se@secret@host:0")


@pytest.mark.processes
async def test_connect_waits_for_a_broker_that_starts_late(absent: Mosquitto, inbox: Inbox) -> None:
    async def use() -> None:
        async with connect(
            absent.url, client_id="early", subscriptions={"a": inbox}, start_timeout=GUARD
        ) as transport:
            await transport.publish("a", b"")
            await inbox.wait_for(1)

    using = asyncio.create_task(use())
    await asyncio.wait([using], timeout=0.05)
    assert not using.done()
    absent.start()
    async with asyncio.timeout(GUARD):
        await using


async def test_nothing_acknowledged_is_lost_when_the_broker_is_killed(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    payloads = [b"%d" % number for number in range(3000)]
    killed = asyncio.Event()
    inbox = Inbox()

    def receive(*message: object) -> None:
        inbox(*message)  # type: ignore[arg-type]
        if len(inbox.messages) == 200:
            mosquitto.kill()
            killed.set()

    with caplog.at_level(logging.WARNING, "esme_emulator.transport"):
        async with connect(
            mosquitto.url, client_id="both", subscriptions={"a/+": receive}, random=Random(1)
        ) as transport:
            publishing = asyncio.gather(*(transport.publish("a/b", p) for p in payloads))
            async with asyncio.timeout(GUARD):
                await killed.wait()
                mosquitto.start()
                await publishing
                while set(inbox.payloads) != set(payloads):
                    await inbox.wait_for(len(inbox.messages) + 1)
            counters = transport.counters
    assert counters.published == len(payloads)
    assert counters.reconnections == 1
    assert counters.resent > 0
    assert counters.abandoned == 0
    assert len(inbox.messages) == counters.received <= len(payloads) + counters.resent
    assert "connection lost (connection closed), reconnecting" in caplog.text
    last = [inbox.payloads[::-1].index(payload) for payload in payloads]
    assert last == sorted(last, reverse=True)


@pytest.mark.parametrize("mqtt5", [True, False])
async def test_connection_that_ends_with_50_messages_unacknowledged(
    mqtt5: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first connections take messages and acknowledge none of them; the third one does."""
    if not mqtt5:
        speak_only_3_1_1(monkeypatch)
    taken: list[list[bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(CONNACK if mqtt5 else CONNACK_3_1_1)
        taken.append(mine := [])
        while (packet := await read_packet(reader))[0] == PUBLISH:
            mine.append(packet[1][-2:])
            if len(taken) == 3:
                writer.write(puback(packet))
            elif len(mine) == 20:
                writer.transport.abort()
                return

    payloads = [b"%02d" % number for number in range(50)]
    async with (
        served(serve) as url,
        connect(url, client_id="party") as party,
        asyncio.timeout(GUARD),
    ):
        assert all(await asyncio.gather(*(party.publish("a", each) for each in payloads)))
        counters = party.counters
    assert taken == [payloads[:20], payloads[:20], payloads]
    assert (counters.published, counters.reconnections, counters.resent) == (50, 2, 40)
    assert (counters.abandoned, counters.refused) == (0, 0)


async def test_silent_broker_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    connections = 0
    sent = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_packet(reader)
        writer.write(CONNACK)
        while (packet := await read_packet(reader))[0]:
            sent.set()
            if connections == 2:
                writer.write(puback(packet))

    async with (
        served(serve) as url,
        connect(url, client_id="party") as party,
        asyncio.timeout(GUARD),
    ):
        publishing = asyncio.create_task(party.publish("a", b""))
        await sent.wait()
        for _ in range(2):  # half a keep-alive interval each
            party._connection._send_ping()  # type: ignore[attr-defined]
        await publishing
        assert party.counters.resent == 1
    assert "connection lost (no answer in time), reconnecting" in caplog.text


async def test_messages_are_given_up_in_their_order(mosquitto: Mosquitto) -> None:
    order: list[int] = []
    over = asyncio.Event()

    def tell(number: int, outcome: Outcome) -> None:
        assert isinstance(outcome, TransportError)
        order.append(number)
        if len(order) == 100:
            over.set()

    async with connect(mosquitto.url, client_id="party", give_up_after=0.1) as party:
        mosquitto.stop()
        for number in range(100):
            party.post("a", b"", partial(tell, number))
        async with asyncio.timeout(GUARD):
            await over.wait()
        assert party.counters.abandoned == 100
    assert order == list(range(100))


async def test_session_that_another_client_takes_over(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(mosquitto.url, client_id="party") as party:
        ours = party._session.client_id  # type: ignore[attr-defined]
        async with aiomqtt.Client(
            "127.0.0.1", mosquitto.port, identifier=ours, protocol=aiomqtt.ProtocolVersion.V5
        ):
            pass
        async with asyncio.timeout(GUARD):
            await party.publish("a", b"")
        assert party.counters.reconnections == 1
    assert "connection lost (" in caplog.text


async def test_publish_waits_through_an_outage(mosquitto: Mosquitto, inbox: Inbox) -> None:
    async with connect(mosquitto.url, client_id="both", subscriptions={"a": inbox}) as transport:
        for number in range(3):
            mosquitto.kill()
            publishing = asyncio.create_task(transport.publish("a", b"%d" % number))
            await asyncio.sleep(0)
            assert not publishing.done()
            mosquitto.start()
            async with asyncio.timeout(GUARD):
                await publishing
        await inbox.wait_for(3)
        assert transport.counters.reconnections == 3
    assert inbox.payloads == [b"0", b"1", b"2"]


async def test_publish_gives_up_when_the_broker_stays_away(mosquitto: Mosquitto) -> None:
    async with connect(mosquitto.url, client_id="party", give_up_after=0.1) as party:
        mosquitto.stop()
        with pytest.raises(TransportError) as caught:
            await party.publish("a/b", b"")
        assert str(caught.value) == (
            f"cannot publish to a/b: no broker at 127.0.0.1:{mosquitto.port} came back within 0.1 s"
        )
        assert party.counters.abandoned == 1


async def test_every_outage_is_logged_with_its_end(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(mosquitto.url, client_id="party") as party:
        for number in (1, 2):
            mosquitto.kill()
            publishing = asyncio.create_task(party.publish("a", b""))
            await asyncio.sleep(0)
            mosquitto.start()
            async with asyncio.timeout(GUARD):
                await publishing
            assert caplog.text.count("connection lost (connection closed), reconnecting") == number
            assert caplog.text.count("connected again after") == number


async def test_leaving_while_reconnecting(mosquitto: Mosquitto) -> None:
    async with connect(mosquitto.url, client_id="party") as party:
        mosquitto.kill()
        publishing = asyncio.create_task(party.publish("a/b", b""))
        await asyncio.wait([publishing], timeout=0.15)
    with pytest.raises(TransportError, match="the transport is closed"):
        await publishing


async def test_disconnect_by_the_broker_is_followed_by_a_reconnect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connections = 0
    again = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 3:
            again.set()
        await read_packet(reader)
        writer.write(CONNACK)
        _, body = await read_packet(reader)
        writer.write(b"\x90\x04" + body[:2] + b"\x00\x01")  # SUBACK, granted QoS 1
        writer.write(bytes.fromhex("e0018b"))  # DISCONNECT, server shutting down
        while await reader.read(100):
            pass

    async with served(serve) as url:
        with caplog.at_level(logging.WARNING, "esme_emulator.transport"):
            async with (
                connect(url, client_id="party", subscriptions={"a": print}) as party,
                asyncio.timeout(GUARD),
            ):
                await again.wait()
                assert party.counters.reconnections >= 1
    lost = caplog.text.count("connection lost (server shutting down), reconnecting")
    assert lost >= party.counters.reconnections == caplog.text.count("connected again after") >= 1


async def test_goodbye_together_with_the_welcome() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_packet(reader)
        writer.write(CONNACK)
        if connections == 1:
            writer.write(bytes.fromhex("e0018b"))
        while (packet := await read_packet(reader))[0] == PUBLISH:
            writer.write(puback(packet))

    async with (
        served(serve) as url,
        connect(url, client_id="party") as party,
        asyncio.timeout(GUARD),
    ):
        await party.publish("a", b"")
        assert party.counters.reconnections == 1
        assert party.counters.published == 1


@pytest.mark.parametrize(("receive_maximum", "reconnections"), [(20, 0), (3, 3)])
async def test_window_of_the_broker_is_respected(receive_maximum: int, reconnections: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(CONNACK)
        octets = b""
        while first := await reader.read(1):
            for _ in range(50):
                await asyncio.sleep(0)  # all arrives that comes without an acknowledgement
            octets += first + await reader.read(65536)
            count = len(octets) // 8  # of messages without payload to a topic of one octet
            if count > receive_maximum:
                writer.write(bytes.fromhex("e00193"))  # DISCONNECT, receive maximum exceeded
                break
            for _ in range(count):
                writer.write(puback((PUBLISH, octets[2:8])))
                octets = octets[8:]

    async with (
        served(serve) as url,
        connect(url, client_id="party") as party,
        asyncio.timeout(GUARD),
    ):
        await asyncio.gather(*(party.publish("a", b"") for _ in range(70)))
        assert party.counters.published == 70
        assert party.counters.reconnections == reconnections


@pytest.mark.processes
async def test_credentials(tmp_path: Path) -> None:
    salt = bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", b"p@ss:w/rd", salt, 101)
    fields = ("7", "101", base64.b64encode(salt).decode(), base64.b64encode(digest).decode())
    (tmp_path / "passwords").write_text(f"me:${'$'.join(fields)}\n")
    options = ("allow_anonymous false", f"password_file {tmp_path / 'passwords'}")
    with Mosquitto(tmp_path, options) as broker:
        where = f"127.0.0.1:{broker.port}"
        text = await refusal(broker.url, start_timeout=60.0)
        assert text == f"cannot use the MQTT broker at {where}: not authorized"
        async with connect(f"mqtt://me:p%40ss%3Aw%2Frd@{where}", client_id="party") as party:
            await party.publish("a/b", b"")


@pytest.mark.processes
async def test_tls(tmp_path: Path, inbox: Inbox) -> None:
    certificate, key = self_signed(tmp_path)
    options = (*OPEN, *TUNED, f"certfile {certificate}", f"keyfile {key}")
    with Mosquitto(tmp_path, options) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"
        trusting = ssl.create_default_context(cafile=certificate)
        async with connect(
            url, client_id="both", subscriptions={"a": inbox}, tls=trusting
        ) as transport:
            payloads = [bytes(100_000), *(b"%d" % number for number in range(1000))]
            await asyncio.gather(*(transport.publish("a", payload) for payload in payloads))
            await inbox.wait_for(len(payloads))
            assert inbox.payloads == payloads
            assert transport.counters.reconnections == 0
        assert await refusal(url, start_timeout=60.0) == (
            f"cannot use the MQTT broker at 127.0.0.1:{broker.port}: "
            "its certificate is invalid: self-signed certificate"
        )
        careless = ssl.create_default_context()
        careless.check_hostname = False
        careless.verify_mode = ssl.CERT_NONE
        async with connect(url, client_id="party", tls=careless) as party:
            await party.publish("a", b"")


@pytest.mark.processes
async def test_client_certificate(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    options = (*OPEN, *TUNED, f"certfile {certificate}", f"keyfile {key}")
    required = (*options, f"cafile {certificate}", "require_certificate true")
    with Mosquitto(tmp_path, required) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"
        known = ssl.create_default_context(cafile=certificate)
        known.load_cert_chain(certificate, key)
        async with connect(url, client_id="party", tls=known) as party:
            await party.publish("a", b"")
        unknown = ssl.create_default_context(cafile=certificate)
        with pytest.raises(TransportError) as caught:
            async with connect(url, client_id="party", tls=unknown, start_timeout=0.0):
                pass
    # The broker resets the connection after its alert, which may destroy the alert on its way.
    assert str(caught.value) in {
        f"no MQTT broker at 127.0.0.1:{broker.port} ({why}): start one, or name another"
        for why in ("no TLS: TLSV13_ALERT_CERTIFICATE_REQUIRED", CLOSED)
    }


async def test_tls_to_a_broker_without_tls(mosquitto: Mosquitto) -> None:
    text = await refusal(f"mqtts://127.0.0.1:{mosquitto.port}")
    assert text.startswith(f"no MQTT broker at 127.0.0.1:{mosquitto.port} (")


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 and its key to `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker of a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
