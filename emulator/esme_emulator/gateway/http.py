"""The HTTP face of DUIS and SMKI: paths, bodies with a limit, and when an answer has been sent.

Knows Starlette, no XML. Every verdict on a request is HTTP 200 with a signed response, since DCC's
clients lose the body of any other status. HTTP 400 is for what cannot be trusted.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from esme_emulator.cache.store.base import StoreError
from esme_emulator.gateway.documents import Endpoint
from esme_emulator.gateway.requests import MAX_OCTETS
from esme_emulator.gateway.service import Answer, Dsp
from esme_emulator.gateway.smki import Smki, SmkiAnswer
from esme_emulator.runtime.errors import MisuseError
from esme_emulator.runtime.http_server import serve_http, web_page_refusal
from esme_emulator.runtime.listening import is_loopback

DUIS_PATH = "/api/v1/{service}"
SEARCH_PATH, RETRIEVE_PATH = "/services/certificatesearch", "/services/retrievecertificate"

__all__ = ["Route", "application", "duis_routes", "received_at", "smki_routes"]

_XML = "application/xml"
_log = logging.getLogger(__name__)


class _Sent(Response):
    """A response that tells when it has been sent."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body, answer.status, media_type=answer.media_type)
        self._sent = answer.sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:  # an acknowledged request is carried out even if its sender has left
            self._sent()


def duis_routes(dsp: Dsp) -> list[Route]:
    """Return the routes of the three services that receive requests."""

    async def receive(octets: bytes, service: Endpoint) -> Response:
        try:
            return _Sent(await dsp.answer(service, octets))
        except StoreError as error:
            _log.error("duis: %s", error)
            return PlainTextResponse(str(error), 503)

    return [
        Route(DUIS_PATH.format(service=service), _post(receive, service), methods=["POST"])
        for service in Endpoint
    ]


def smki_routes(smki: Smki) -> list[Route]:
    """Return the routes of the two SMKI services."""

    async def receive(octets: bytes, service: Callable[[bytes], SmkiAnswer]) -> Response:
        answer = service(octets)
        return Response(answer.body, answer.status, media_type=_XML)

    return [
        Route(SEARCH_PATH, _post(receive, smki.search), methods=["POST"]),
        Route(RETRIEVE_PATH, _post(receive, smki.retrieve), methods=["POST"]),
    ]


def application(routes: list[Route]) -> Starlette:
    """Return the ASGI application of some routes."""
    return Starlette(routes=routes)


def _receiving(path: str, take: Callable[[bytes], int]) -> Starlette:
    """Return the application of a user that receives responses at `path`.

    `take` returns the HTTP status for a response.
    """

    async def receive(request: Request) -> Response:
        return Response(status_code=take(await request.body()))

    return application([Route(path, receive, methods=["POST"])])


@asynccontextmanager
async def received_at(address: str, take: Callable[[bytes], int]) -> AsyncIterator[str]:
    """Receive responses at the URL `address` of this machine, and yield it with its port.

    `take` returns the HTTP status for a response. Raises `MisuseError` if `address` is no such URL,
    and `ListenError` if the port cannot be used.
    """
    try:
        parts = urlsplit(address)
        port = 80 if parts.port is None else parts.port
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme != "http" or not parts.hostname:
        raise MisuseError(f"--listen {address}: write http://127.0.0.1:1880/path")
    if not is_loopback(parts.hostname):
        raise MisuseError(
            f"--listen {address}: give a URL of this machine, such as http://127.0.0.1:1880"
        )
    app, what = _receiving(parts.path or "/", take), "receiver of responses"
    async with serve_http(app, port, parts.hostname, what=what) as url:
        yield url + (parts.path or "/")


def _post(
    receive: Callable[..., Awaitable[Response]], service: object
) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that passes a body, unless it is refused, to `receive`."""

    async def endpoint(request: Request) -> Response:
        refusal = web_page_refusal(request.scope)
        if refusal is not None:
            return PlainTextResponse(refusal[1], refusal[0])
        try:
            octets = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        if octets is None:
            return PlainTextResponse(f"longer than {MAX_OCTETS} octets", 413)
        return await receive(octets, service)

    return endpoint


async def _body(request: Request) -> bytes | None:
    """Return the body, None if it is longer than `MAX_OCTETS`; then the rest is not read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_OCTETS:
            return None
    return bytes(body)
