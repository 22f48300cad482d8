"""The server on a socket: it listens on loopback and leaves nothing behind."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from esme_emulator.control.app import create_app
from esme_emulator.runtime.http_server import ListenError, serve_http, web_page_refusal
from tests.emulator.control.process import Process

HAS_IPV6 = Path("/proc/net/if_inet6").exists()


async def test_server_runs_in_the_running_loop(process: Process) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    tasks = asyncio.all_tasks()
    async with serve_http(create_app(process.parts()), 0) as url:
        assert url.startswith("http://127.0.0.1:")
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/health")).json()["up"]
            answer = await client.post("/clock/advance", json={"seconds": 60})
            assert answer.json()["now"] == "2026-01-15T12:01:00Z"
            assert "server" not in answer.headers
            installed = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
            assert installed == handlers
    assert asyncio.all_tasks() == tasks
    with pytest.raises(httpx.ConnectError):
        await httpx.AsyncClient().get(url)


async def test_an_open_connection_does_not_stop_the_end(process: Process) -> None:
    async with httpx.AsyncClient() as client:
        async with serve_http(create_app(process.parts()), 0) as url:
            await client.get(f"{url}/health")
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/health")


async def test_octets_that_are_not_http_do_no_harm(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve_http(create_app(process.parts()), 0) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"\x10\x0c\x00\x04MQTT\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
        await writer.wait_closed()
        async with httpx.AsyncClient(base_url=url) as client:
            answer = await client.post("/faults", content=bytes(10_000_000))
            assert answer.status_code == 413
            assert (await client.get("/health")).status_code == 200
    assert not caplog.messages


async def test_a_port_in_use_is_an_error(process: Process) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError) as caught:
            async with serve_http(create_app(process.parts()), port):
                pass
    assert str(caught.value) == (
        f"no HTTP server on 127.0.0.1:{port} (address already in use): "
        "choose another port, or 0 for any"
    )


TOKEN = "0123456789abcdef0123"


RIGHT = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def locked(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a control interface with a token."""
    async with (
        serve_http(create_app(process.parts(), TOKEN), 0, "0.0.0.0") as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        yield client


async def test_with_a_token_every_request_that_tells_of_the_estate_needs_it(
    locked: httpx.AsyncClient,
) -> None:
    wrong = [{}, {"authorization": "Bearer no"}, {"authorization": f"Basic {TOKEN}"}]
    for headers in wrong:
        for path in ("/fleet", "/metrics", "/events", "/page/../fleet", "/page", "/none"):
            answer = await locked.get(path, headers=headers)
            assert answer.status_code == 401, path
            assert answer.json()["error"].startswith("the token is missing or wrong: send ")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert (await locked.post("/reset", headers=headers)).status_code == 401
    assert (await locked.get("/fleet", headers=RIGHT)).status_code == 200


async def test_health_and_the_page_need_no_token(locked: httpx.AsyncClient) -> None:
    for path in (
        "/health",
        "/",
        "/docs",
        "/openapi.json",
        "/page/main.js",
        "/swagger/swagger-ui.css",
    ):
        assert (await locked.get(path)).status_code == 200, path
    described = (await locked.get("/openapi.json")).json()
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert (await locked.get("/page/%2e%2e/app.py")).status_code == 404


async def test_the_token_takes_the_place_of_host_and_origin(locked: httpx.AsyncClient) -> None:
    page = {"host": "esme.example:8080", "origin": "http://esme.example:8080"}
    assert (await locked.get("/health", headers=page)).status_code == 421
    for headers, status in ((page, 401), (page | RIGHT, 200)):
        assert (await locked.post("/counters/reset", headers=headers)).status_code == status


def request_at(address: str, **headers: str) -> dict[str, object]:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "server": (address, 80), "headers": raw}


def test_containers_have_any_host_and_web_pages_stay_out() -> None:
    assert web_page_refusal(request_at("172.17.0.2", host="esme:8080")) is None
    page = {"host": "example.org", "origin": "http://example.org"}
    assert (web_page_refusal(request_at("172.17.0.2", **page)) or (0,))[0] == 403
    assert (web_page_refusal(request_at("127.0.0.1", host="esme:8080")) or (0,))[0] == 421


@pytest.mark.parametrize("host", ["localhost", "::1"])
async def test_other_names_of_loopback_work(process: Process, host: str) -> None:
    if host == "::1" and not HAS_IPV6:
        pytest.skip("this machine has no IPv6")
    async with (
        serve_http(create_app(process.parts()), 0, host) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        assert (await client.get("/health")).status_code == 200
