"""The server on a socket: it listens on loopback and leaves nothing behind."""

import asyncio
import signal
import socket
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


async def test_with_a_token_every_request_but_health_needs_it(process: Process) -> None:
    async with (
        serve_http(create_app(process.parts(), TOKEN), 0, "0.0.0.0") as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        assert (await client.get("/health")).status_code == 200
        wrong = [{}, {"authorization": "Bearer no"}, {"authorization": f"Basic {TOKEN}"}]
        for headers in wrong:
            answer = await client.get("/fleet", headers=headers)
            assert answer.status_code == 401
            assert answer.json()["error"].startswith("the token is missing or wrong: send ")
        right = {"authorization": f"Bearer {TOKEN}"}
        assert (await client.get("/fleet", headers=right)).status_code == 200
        rebound = await client.get("/fleet", headers=right | {"host": "example.org"})
        assert rebound.status_code == 421


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
