"""Connections to the control interface are limited in number, time and size.

Time is a list of timers that the tests run. The socket tests wait for octets or for the end of a
connection; their timeouts only end a test that would hang.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import httpx
import pytest
import uvicorn

from esme_emulator.control.app import create_app
from esme_emulator.runtime.http_server import (
    MAX_HEAD,
    REQUEST_SECONDS,
    Connection,
    serve_http,
)
from tests.emulator.control.process import Process
from tests.support.descriptors import connected_without_descriptors

HEAD = b"POST /clock/advance HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
BODY = b'{"seconds": 60}'
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
HALVES = [
    b"",
    b"POST /clock",
    HEAD,
    HEAD + b"Content-Length: 90\r\n\r\n",
    HEAD + b"Content-Length: 90\r\n\r\n" + BODY,
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nF\r\n" + BODY,
]
PATIENCE = 20.0


class Timer(asyncio.TimerHandle):
    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        super().__init__(when, callback, (), asyncio.get_running_loop())
        self.run = callback


class Loop:
    """The part of an event loop that a connection uses, with a manual clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now + seconds, callback))
        return self.timers[-1]

    def create_task(self, work: Coroutine[Any, Any, None], **_: Any) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    def go_to(self, now: float) -> None:
        self.now = now
        for timer in [timer for timer in self.timers if timer.when() <= now]:
            self.timers.remove(timer)
            if not timer.cancelled():
                timer.run()


class Wire(asyncio.Transport):
    """The other end of a connection: records the octets sent to it, and whether it was dropped."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.sent = b""
        self.dropped = False
        self._connection = connection
        connection.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.dropped

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        if not self.dropped:
            self.dropped = True
            self._connection.connection_lost(None)

    abort = close


class Line:
    """A server without sockets, its connections, and its time."""

    def __init__(self, app: Any) -> None:
        self.loop = Loop()
        self.quiet: dict[Connection, None] = {}
        self._config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None)
        self.state = uvicorn.Server(self._config).server_state

    def connect(self, sent: bytes = b"") -> Wire:
        connection = Connection(
            self.quiet,
            config=self._config,
            server_state=self.state,
            app_state={},
            _loop=self.loop,
        )
        wire = Wire(connection)
        if sent:
            connection.data_received(sent)
        return wire

    async def answer(self) -> None:
        """Wait until every request is answered or given up."""
        while self.state.tasks:
            await asyncio.wait(self.state.tasks)


@pytest.fixture
async def line(process: Process) -> Line:
    return Line(create_app(process.parts()))


@pytest.mark.parametrize("half", HALVES)
async def test_a_half_sent_request_times_out(process: Process, line: Line, half: bytes) -> None:
    before = process.clock.now()
    wire = line.connect(half)
    line.loop.go_to(REQUEST_SECONDS - 1)
    assert not wire.dropped
    line.loop.go_to(REQUEST_SECONDS)
    assert wire.dropped
    assert not line.quiet
    await line.answer()
    assert process.clock.now() == before


async def test_single_octets_do_not_extend_the_timeout(line: Line) -> None:
    wire = line.connect()
    connection = next(iter(line.quiet))
    for second, octet in enumerate(HEAD[: int(REQUEST_SECONDS)]):
        line.loop.go_to(second)
        connection.data_received(bytes([octet]))
    line.loop.go_to(REQUEST_SECONDS)
    assert wire.dropped


async def test_each_request_has_its_own_timeout(process: Process, line: Line) -> None:
    before = process.clock.now()
    wire = line.connect(WHOLE)
    await line.answer()
    assert b"200 OK" in wire.sent
    assert process.clock.now() == before + 60
    connection = next(iter(line.quiet))
    connection.data_received(WHOLE[:-1])
    line.loop.go_to(REQUEST_SECONDS - 1)
    assert not wire.dropped
    line.loop.go_to(REQUEST_SECONDS)
    assert wire.dropped


async def test_a_slow_answer_does_not_time_out() -> None:
    go_on = asyncio.Event()

    async def slow(_: object, receive: Any, send: Any) -> None:
        await receive()
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    line = Line(slow)
    wire = line.connect(WHOLE)
    line.loop.go_to(REQUEST_SECONDS * 100)
    assert not wire.dropped
    go_on.set()
    await line.answer()
    assert b"200 OK" in wire.sent


async def test_a_new_connection_replaces_the_one_idle_longest(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esme_emulator.runtime.http_server.MAX_CONNECTIONS", 3)
    wires = [line.connect() for _ in range(3)]
    next(iter(line.quiet)).data_received(b"GET ")  # so the second one is the quietest
    wires.append(line.connect())
    assert [wire.dropped for wire in wires] == [False, True, False, False]
    wires += [line.connect(), line.connect()]
    assert [wire.dropped for wire in wires] == [True, True, True, False, False, False]


# on a socket


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))


async def test_half_sent_requests_do_not_block_other_clients(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esme_emulator.runtime.http_server.MAX_CONNECTIONS", 5)
    async with asyncio.timeout(PATIENCE), serve_http(create_app(process.parts()), 0) as url:
        slow = []
        for _ in range(20):
            reader, writer = await connect(url)
            writer.write(HALVES[3])
            slow.append((reader, writer))
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/health")).status_code == 200
        for reader, _ in slow[:15]:
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        for _, writer in slow:
            writer.close()


@pytest.mark.parametrize("field", [b"X: %s\r\n", b"%s: X\r\n"])
async def test_a_head_that_is_too_long_is_refused(process: Process, field: bytes) -> None:
    head = HEAD + field % (b"x" * MAX_HEAD)
    async with asyncio.timeout(PATIENCE), serve_http(create_app(process.parts()), 0) as url:
        reader, writer = await connect(url)
        writer.write(head)
        assert (await reader.read()).startswith(b"HTTP/1.1 4")
        writer.close()


# descriptors that run out


async def test_running_out_of_descriptors_is_logged_once(
    process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("esme_emulator.runtime.accepting.PAUSE", 0)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE), serve_http(create_app(process.parts()), 0) as url:
        port = int(url.rpartition(":")[2])
        async with connected_without_descriptors(port) as first:
            await loop.sock_sendall(first, WHOLE)
            assert (await loop.sock_recv(first, 99)).startswith(b"HTTP/1.1 200 OK")
            async with connected_without_descriptors(port) as second:
                await loop.sock_sendall(second, WHOLE)
                assert (await loop.sock_recv(second, 99)).startswith(b"HTTP/1.1 200 OK")
    message = "the HTTP server accepts no connections for now: too many open files"
    assert caplog.messages == [message] * 2
