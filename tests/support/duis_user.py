"""A user of DUIS for tests: signs requests, and receives responses on a port of loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from lxml import etree
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from esme_emulator.gateway.keys import DuisKeys
from esme_emulator.gateway.signature import sign
from esme_emulator.gateway.user import ReceivedResponse, read_response
from esme_emulator.runtime.http_server import serve_http
from gbcs import EUI

NAMESPACE = "http://www.dccinterface.co.uk/ServiceUserGateway"
SR = f"{{{NAMESPACE}}}"
PATH = "/smartdcc/duis"
XML = {"content-type": "application/xml"}


def request_text(
    user: str,
    target: str,
    counter: int,
    srv: str,
    body: str,
    variant: int = 1,
) -> str:
    """Return an unsigned request; EUIs have hyphens."""
    reference = ".".join(srv.split(".")[:2])
    return (
        f'<sr:Request xmlns:sr="{NAMESPACE}" schemaVersion="5.4"><sr:Header>'
        f"<sr:RequestID>{user}:{target}:{counter}</sr:RequestID>"
        f"<sr:CommandVariant>{variant}</sr:CommandVariant>"
        f"<sr:ServiceReference>{reference}</sr:ServiceReference>"
        f"<sr:ServiceReferenceVariant>{srv}</sr:ServiceReferenceVariant></sr:Header>"
        f"<sr:Body>{body}</sr:Body></sr:Request>"
    )


def signed_request(keys: DuisKeys, user: EUI, text: str) -> bytes:
    """Return a request, signed by `user`."""
    signer = next(each for each in keys.signers.values() if each.eui == user)
    return sign(etree.fromstring(text), signer)


def answered(keys: DuisKeys, octets: bytes) -> ReceivedResponse:
    """Return a Response, after verifying that the DSP signed it."""
    response = read_response(octets, keys)
    assert etree.QName(response.root).localname == "Response"
    return response


@dataclass
class Receiver:
    """Receives responses; `statuses` are what it answers in turn, 204 when they are used up."""

    received: list[bytes] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    url: str = ""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: Request) -> Response:
        assert request.headers["content-type"].startswith("application/xml")
        octets = await request.body()
        status = self.statuses.pop(0) if self.statuses else 204
        if status == 204:
            self.received.append(octets)
        self.arrived.set()
        return Response(status_code=status)

    async def wait_for(self, number: int) -> list[bytes]:
        """Return what was received, once that is `number` responses."""
        await self.until(lambda: len(self.received) >= number)
        return self.received

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not is_so():
                self.arrived.clear()
                await self.arrived.wait()


@asynccontextmanager
async def receiver(port: int = 0) -> AsyncIterator[Receiver]:
    """Run a receiver; its URL has the path of DCC's nodes."""
    one = Receiver()
    app = Starlette(routes=[Route(PATH, one.take, methods=["POST"])])
    async with serve_http(app, port) as url:
        one.url = url + PATH
        yield one


async def post(client: httpx.AsyncClient, path: str, octets: bytes) -> httpx.Response:
    return await client.post(path, content=octets, headers=XML)
