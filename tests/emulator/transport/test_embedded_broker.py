"""The embedded brokers: start and end, silence, and what each refuses."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import aiomqtt
import pytest

from esme_emulator.runtime.processes import python_process
from esme_emulator.transport import RefusedError, TransportError, connect
from esme_emulator.transport.base import MAX_PACKET
from esme_emulator.transport.embedded import embedded_broker
from esme_emulator.transport.embedded_rumqttd import _watch
from tests.emulator.transport.brokers import GUARD, Inbox
from tests.support.descriptors import connected_without_descriptors
from tests.support.embedded import EMBEDDED, embedded
from tests.support.mosquitto import free_port


@pytest.fixture(params=EMBEDDED)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_port_can_be_chosen(name: str) -> None:
    port = free_port()
    async with embedded(name, port) as url:
        assert url == f"mqtt://127.0.0.1:{port}"
        async with connect(url, client_id="party") as party:
            await party.publish("a", b"")


async def test_taken_port_is_refused(name: str) -> None:
    async with embedded(name) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(TransportError) as caught:
            async with embedded(name, port):
                pass
    assert str(caught.value) == (
        f"no broker on 127.0.0.1:{port} (address already in use): "
        "choose another port, or give --broker"
    )


async def test_two_at_once(name: str, inbox: Inbox) -> None:
    async with (
        embedded(name) as one,
        embedded(name) as other,
        connect(one, client_id="both", subscriptions={"a": inbox}) as first,
        connect(other, client_id="party") as second,
    ):
        await second.publish("a", b"elsewhere")
        await first.publish("a", b"here")
        await inbox.wait_for(1)
    assert inbox.payloads == [b"here"]


async def test_silence_and_no_task_left(
    name: str, caplog: pytest.LogCaptureFixture, inbox: Inbox
) -> None:
    before = asyncio.all_tasks()
    caplog.set_level(logging.DEBUG, "root")
    async with (
        embedded(name) as url,
        connect(url, client_id="both", subscriptions={"a": inbox}) as transport,
    ):
        await transport.publish("a", b"")
        await inbox.wait_for(1)
    noise = [r for r in caplog.records if r.levelno >= logging.INFO or r.name != "asyncio"]
    assert noise == []
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("received", [1, 50, 300])
async def test_stopping_under_load(
    name: str, received: int, caplog: pytest.LogCaptureFixture
) -> None:
    before = asyncio.all_tasks()
    inbox = Inbox()
    running = embedded(name)
    url = await running.__aenter__()
    async with connect(url, client_id="both", subscriptions={"a": inbox}) as transport:
        publishing = [asyncio.create_task(transport.publish("a", b"")) for _ in range(1000)]
        await inbox.wait_for(received)
        async with asyncio.timeout(GUARD):
            await running.__aexit__(None, None, None)
    results = await asyncio.gather(*publishing, return_exceptions=True)
    assert {type(result) for result in results} <= {TransportError, bool}
    assert asyncio.all_tasks() == before
    assert {record.name for record in caplog.records} <= {"esme_emulator.transport"}
    assert "did not stop" not in caplog.text


async def test_subscriber_may_leave_under_load(name: str, caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox()
    async with embedded(name) as url, connect(url, client_id="party") as party:
        async with connect(url, client_id="leaver", subscriptions={"a": inbox}):
            publishing = [asyncio.create_task(party.publish("a", b"")) for _ in range(1000)]
            await inbox.wait_for(100)
        await asyncio.gather(*publishing)
        assert party.counters.published == 1000
    assert caplog.records == []


async def test_amqtt_refuses_the_shared_subscription_of_any_client() -> None:
    async with embedded("amqtt") as url:
        port = int(url.rpartition(":")[2])
        async with aiomqtt.Client("127.0.0.1", port) as client:
            granted = await client.subscribe([("$share/g/a", 1), ("a", 1)])
    assert [code.value for code in granted if not isinstance(code, int)] == [0x80, 1]


async def test_amqtt_logs_a_lack_of_descriptors_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, inbox: Inbox
) -> None:
    monkeypatch.setattr("esme_emulator.runtime.accepting.PAUSE", 0)
    async with (
        embedded("amqtt") as url,
        connected_without_descriptors(int(url.rpartition(":")[2])),
        connect(url, client_id="both", subscriptions={"a": inbox}) as transport,
    ):
        await transport.publish("a", b"")
        await inbox.wait_for(1)
    assert caplog.messages == [
        "the embedded broker accepts no connections for now: too many open files"
    ]


# Which one


@pytest.mark.processes
async def test_it_speaks_mqtt_5_if_it_can(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("iotcore")
    async with (
        embedded_broker() as url,
        connect(url, client_id="both", subscriptions={"a": inbox}) as both,
    ):
        await both.publish("a", b"", {"Cache-Status": "s1sp; hit"})
        [message] = await inbox.wait_for(1)
    assert message.user_properties == {"Cache-Status": "s1sp; hit"}
    assert caplog.messages == []


async def test_it_says_what_it_lacks_without_iotcore(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("amqtt")
    monkeypatch.setitem(sys.modules, "iotcore", None)
    async with (
        embedded_broker() as url,
        connect(url, client_id="both", subscriptions={"a": inbox}) as both,
    ):
        await both.publish("a", b"", {"Cache-Status": "s1sp; hit"})
        [message] = await inbox.wait_for(1)
    assert message.user_properties == {}
    assert caplog.messages == [
        "iotcore is not installed, so the embedded broker speaks MQTT 3.1.1, without cache-status "
        "and shared subscriptions: pip install 'esme-emulator[broker]', or give --broker"
    ]


@pytest.mark.parametrize(
    ("mqtt", "missing"), [(None, "iotcore"), ("5", "iotcore"), ("3.1.1", "amqtt")]
)
async def test_a_missing_package_is_named(
    mqtt: str | None, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("iotcore", "amqtt", "amqtt.adapters"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "esme_emulator.transport.embedded_amqtt", raising=False)
    with pytest.raises(ModuleNotFoundError) as caught:
        async with embedded_broker(mqtt=mqtt):
            pass
    assert str(caught.value.name).partition(".")[0] == missing


# The process of rumqttd

REFUSED = {
    "speaks MQTT 3.1.1: use MQTT 5, or start it with --mqtt 3.1.1": (
        "100d 0004 4d515454 04 02 003c 0001 61"
    ),
    "has no keep-alive: set one above 0 s": "100e 0004 4d515454 05 02 0000 00 0001 61",
}
"""What the log says about a client that sends a CONNECT, in hex."""


@pytest.fixture
def logged() -> Iterator[asyncio.Event]:
    """An event that is set as soon as the transport logs anything."""
    event, handler = asyncio.Event(), logging.Handler()
    handler.emit = lambda record: event.set()  # type: ignore[method-assign]
    logger = logging.getLogger("esme_emulator.transport")
    logger.addHandler(handler)
    yield event
    logger.removeHandler(handler)


@pytest.mark.parametrize("reason", REFUSED)
@pytest.mark.processes
async def test_a_refused_client_is_told_once(
    reason: str, logged: asyncio.Event, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with embedded("rumqttd") as url, AsyncExitStack() as clients:
        port = int(url.rpartition(":")[2])
        # rumqttd logs the whole of a first packet that is no CONNECT.
        rude = clients.enter_context(socket.create_connection(("127.0.0.1", port)))
        rude.sendall(bytes.fromhex("30 80b518 0001 61 00") + b"\n" * (0x18 << 14 | 0x35 << 7))
        for _ in range(2):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(bytes.fromhex(REFUSED[reason]))
        async with asyncio.timeout(GUARD):
            await logged.wait()
        async with connect(url, client_id="both", subscriptions={"a": inbox}) as both:
            await both.publish("a", b"")
            await inbox.wait_for(1)
    assert caplog.messages == [f"the embedded broker refuses a client, which {reason}"]


@pytest.mark.processes
async def test_a_broker_that_ends_by_itself_is_one_line(
    logged: asyncio.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started: list[asyncio.subprocess.Process] = []

    @asynccontextmanager
    async def watched(*args: str) -> AsyncIterator[asyncio.subprocess.Process]:
        async with python_process(*args) as process:
            started.append(process)
            yield process

    monkeypatch.setattr("esme_emulator.transport.embedded_rumqttd.python_process", watched)
    async with embedded("rumqttd"):
        started[0].kill()
        async with asyncio.timeout(GUARD):
            await logged.wait()
    assert caplog.messages == ["the embedded broker ended by itself (signal 9): start this again"]


@pytest.mark.parametrize(
    ("line", "killed"),
    [
        ("thread 'router-0' panicked at src/router/routing.rs:364:21:", True),
        ("thread 'router-0' (4711) panicked at src/router/routing.rs:364:21:", True),
        ("thread 'tokio-runtime-worker' panicked at src/protocol/v5/mod.rs:1:1:", False),
    ],
)
async def test_a_router_that_panics_ends_the_broker(line: str, killed: bool) -> None:
    """The process would go on, and deliver nothing; a connection that panics harms nobody else."""
    output = asyncio.StreamReader()
    output.feed_data(f"listening\n{line}\n".encode())
    output.feed_eof()
    kills: list[bool] = []

    async def wait() -> int:
        return -9

    process = SimpleNamespace(stdout=output, kill=lambda: kills.append(True), wait=wait)
    listening = asyncio.get_running_loop().create_future()
    ended: list[TransportError] = []
    await _watch(process, listening, ended.append)  # type: ignore[arg-type]
    assert [str(error) for error in ended] == [
        "the embedded broker ended by itself (signal 9): start this again"
    ]
    assert kills == [True] * killed


def test_a_listener_without_delay_is_announced(capsys: pytest.CaptureFixture[str]) -> None:
    """Accepted connections inherit it. Its absence costs 40 ms an exchange, and no test sees it."""
    pytest.importorskip("iotcore")
    from esme_emulator.transport.rumqttd_process import announce

    ports_are_free = threading.Event()
    ports_are_free.set()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        announce(ports_are_free)
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert capsys.readouterr().out == "listening\n"


@pytest.mark.processes
async def test_a_broker_that_cannot_start_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seam: an iotcore that is installed, and does not fit this machine."""
    (tmp_path / "iotcore.py").write_text("raise ImportError('wrong libc')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(TransportError) as caught:
        async with embedded("rumqttd"):
            pass
    assert str(caught.value) == (
        "the embedded broker did not start (ImportError: wrong libc): give --broker"
    )


HOST = """
import asyncio, sys
from esme_emulator.transport.embedded import embedded_broker
async def main():
    async with embedded_broker(mqtt="5") as url:
        print(url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_the_process_that_started_it(number: signal.Signals, tmp_path: Path) -> None:
    pytest.importorskip("iotcore")
    folder = tmp_path / "tmp"
    folder.mkdir()
    host = subprocess.Popen(
        [sys.executable, "-c", HOST],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(folder)},
        text=True,
    )
    with host:
        assert host.stdout is not None
        port = int(host.stdout.readline().rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=GUARD) as client:
            assert list(folder.iterdir()) == []
            host.send_signal(number)
            host.wait(GUARD)
            with suppress(ConnectionResetError):
                assert client.recv(1) == b"", "the broker is gone"
    assert list(folder.iterdir()) == []


@pytest.mark.processes
async def test_a_message_above_the_limit_fails_alone(inbox: Inbox) -> None:
    async with (
        embedded("rumqttd") as url,
        connect(url, client_id="both", subscriptions={"a": inbox}) as both,
        connect(url, client_id="other") as other,
    ):
        long = asyncio.create_task(both.publish("a", bytes(2 * MAX_PACKET)))
        await other.publish("a", bytes(200_000))
        with pytest.raises(RefusedError):
            await long
        assert other.counters.reconnections == 0
        await both.publish("a", bytes(MAX_PACKET - 100))
        while MAX_PACKET - 100 not in map(len, inbox.payloads):
            await inbox.wait_for(len(inbox.messages) + 1)
    assert 2 * MAX_PACKET not in map(len, inbox.payloads)


async def test_order_per_topic_holds_while_many_publish(name: str, inbox: Inbox) -> None:
    async with (
        embedded(name) as url,
        connect(url, client_id="all", subscriptions={"a/+": inbox}),
        connect(url, client_id="one") as one,
        connect(url, client_id="two") as two,
    ):
        publishing = [
            party.publish(f"a/{number % 5}{party is one:d}", bytes([number]))
            for number in range(200)
            for party in (one, two)
        ]
        await asyncio.gather(*publishing)
        await inbox.wait_for(400)
    for topic in {message.topic for message in inbox.messages}:
        payloads = [message.payload for message in inbox.messages if message.topic == topic]
        assert payloads == sorted(payloads)
        assert len(payloads) == 40
