"""Hostile senders of requests and receivers of responses: each is bounded, answered and counted."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from esme_emulator.estate.parties import DISTRIBUTOR
from esme_emulator.gateway.deliveries import Addresses
from esme_emulator.gateway.documents import text_of
from esme_emulator.runtime.http_server import MAX_HEAD
from gbcs import EUI
from tests.support.dsp_bench import KEYS, SEND, TARGET, Starter, a_read
from tests.support.duis_user import XML, Receiver, answered, post, request_text, signed_request
from tests.support.waiting import GUARD, until

HEAD = f"POST {SEND} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/xml\r\n".encode()
CHUNK = b"2000\r\n" + bytes(0x2000) + b"\r\n"


@asynccontextmanager
async def line(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection; a test that hangs is ended."""
    parts = urlsplit(url)
    async with asyncio.timeout(GUARD):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def test_a_body_that_never_ends_is_refused_before_its_end(starter: Starter) -> None:
    async with starter.run() as bench:
        async with line(bench.dsp.duis) as (reader, writer):
            writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK * 9)
            assert b" 413 " in await reader.readline()
        assert not bench.dsp.dsp.tally.requests
        assert (await post(bench.client, SEND, a_read(1))).status_code == 200


async def test_a_body_that_is_too_slow_loses_its_connection(
    starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esme_emulator.runtime.http_server.REQUEST_SECONDS", 0.01)
    async with starter.run() as bench, line(bench.dsp.duis) as (reader, writer):
        writer.write(HEAD + b"Content-Length: 1000\r\n\r\n<sr:Request")
        try:
            said = await reader.read()
        except ConnectionError:
            said = b""
        assert said == b""
        assert not bench.dsp.dsp.tally.requests


async def test_other_methods_paths_and_encodings_reach_no_meter(starter: Starter) -> None:
    async with starter.run() as bench:
        client, octets = bench.client, a_read(1)
        assert (await client.get(SEND)).status_code == 405
        assert (await client.put(SEND, content=octets, headers=XML)).status_code == 405
        for path in ("/", "/api/v1/serviceX", "/api/v1/serviceS/", "/api/v1/../serviceS"):
            assert (await post(client, path, octets)).status_code in (307, 404)
        packed = await client.post(
            SEND, content=gzip.compress(octets), headers=XML | {"content-encoding": "gzip"}
        )
        assert packed.status_code == 400
        async with line(bench.dsp.duis) as (reader, writer):
            writer.write(HEAD + b"X: " + b"x" * (2 * MAX_HEAD))
            assert b" 400 " in await reader.readline()
        assert bench.dsp.dsp.tally.requests == {("serviceS", "not-xml"): 1}
        assert bench.dsp.dsp.jobs == 0
        assert bench.hits("4.8.1") == 0


async def test_an_address_in_a_request_is_ignored(starter: Starter, user: Receiver) -> None:
    headers = XML | {"reply-to": "http://192.0.2.1/", "x-callback-url": "http://192.0.2.1/"}
    async with starter.run() as bench:
        await bench.client.post(
            SEND + "?respondTo=http://192.0.2.1/", content=a_read(1), headers=headers
        )
        await user.wait_for(1)
        await until(lambda: not bench.dsp.dsp.deliveries.waiting)
        assert bench.dsp.dsp.deliveries.attempts == {"delivered": 1}


async def test_without_the_role_nobody_learns_which_meters_exist(starter: Starter) -> None:
    """The role is checked before the device."""
    answers = set()
    async with starter.run() as bench:
        for counter, target in enumerate((TARGET, text_of(EUI.parse("00DBE5000000FFFF"))), 1):
            text = request_text(
                text_of(DISTRIBUTOR), target, counter, "4.18", "<sr:ReadMeterBalance/>"
            )
            answer = await post(bench.client, SEND, signed_request(KEYS, DISTRIBUTOR, text))
            answers.add(answered(KEYS, answer.content).code)
        assert answers == {"E2"}
        assert bench.hits("4.18") == 0


@asynccontextmanager
async def hostile(says: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve a receiver that says the same to everyone and keeps each connection open."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(says)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/smartdcc/duis", requests
    finally:
        server.close()


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        (b"", "unreachable"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "server-error"),
        (b"HTTP/1.1 307 There\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", "refused"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK, "delivered"),
    ],
    ids=["hangs", "fails", "redirects", "endless"],
)
async def test_a_hostile_receiver_is_bounded_and_counted(
    starter: Starter, monkeypatch: pytest.MonkeyPatch, says: bytes, outcome: str
) -> None:
    monkeypatch.setattr("esme_emulator.gateway.deliveries.POST_TIMEOUT", 0.2)
    async with hostile(says) as (url, requests), starter.run(addresses=Addresses(url)) as bench:
        await post(bench.client, SEND, a_read(1))
        deliveries = bench.dsp.dsp.deliveries
        await until(lambda: deliveries.attempts)
        assert deliveries.attempts == {outcome: 1}
        assert len(requests) == 1
        assert requests[0].startswith(b"POST /smartdcc/duis ")
