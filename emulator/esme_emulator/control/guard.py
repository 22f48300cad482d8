"""Middleware that refuses requests of web pages, and bodies that are too long or not JSON.

Knows ASGI, not the endpoints. Any web page can make its reader's browser send requests to a
loopback port. A request must therefore
- have this machine as its host, because a page's own name may resolve to it (DNS rebinding);
- have no foreign origin: browsers report it in `Origin` and `Sec-Fetch-Site`;
- declare its body as JSON, which a page cannot send to another origin without permission (CORS).
Every refusal is JSON of one form.
"""

import json
import logging
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine in the host part of a URL."""

MAX_BODY = 65_536
"""Maximum body size, in octets. The rest of a longer body is not read."""

_JSON = "application/json"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, so a link on any page may use them."""
_HTTP_PORT = 80
_FROM_A_PAGE = "sent by a web page of another origin: use curl or a program instead"

_log = logging.getLogger(__name__)


class Guard:
    """ASGI middleware around `app`. Must be the outermost one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if refusal := _refuse(scope["method"], headers):
            await problem(send, *refusal)
        elif (body := await _body(receive)) is None:
            return  # the client left: a body that is cut off may be valid JSON by accident
        elif len(body) > MAX_BODY:
            await problem(send, 413, f"the body is longer than {MAX_BODY} octets: send less")
        elif body and _media_type(headers) != _JSON:
            await problem(
                send,
                415,
                f"the body is not declared as JSON: send the header content-type: {_JSON}",
            )
        else:
            await self._pass_on(scope, body, receive, send)

    async def _pass_on(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        read = started = False

        async def receive_again() -> Message:
            nonlocal read
            if read:
                return await receive()
            read = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive_again, send_noted)
        except Exception as error:
            _log.error("%s %s failed: %r", scope["method"], scope["path"], error)
            if not started:
                await problem(send, 500, f"internal error: {type(error).__name__}")


async def problem(send: Send, status: int, reason: str) -> None:
    """Send the answer `{"error": reason}`."""
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _refuse(method: str, headers: Headers) -> tuple[int, str] | None:
    """Return status and reason if a web page may have sent the request, else None."""
    host = _host_and_port(f"http://{headers.get('host', '')}")
    if host is None or host[0] not in LOOPBACK:
        return 421, "the host is not this machine: send the request to 127.0.0.1 or localhost"
    # Another port of this machine is another origin too: another program serves its pages.
    origin = headers.get("origin")
    if origin is not None and _host_and_port(origin) != host:
        return 403, _FROM_A_PAGE
    if method not in _SAFE and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return 403, _FROM_A_PAGE
    return None


def _host_and_port(origin: str) -> tuple[str, int] | None:
    """Return host and port of `http://host:port`, or None for any other text."""
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (host, port or _HTTP_PORT) if parts.scheme == "http" and host else None


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def _body(receive: Receive) -> bytes | None:
    """Return the body, cut off beyond `MAX_BODY`, or None if the client left before its end."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BODY or not message.get("more_body", False):
            return bytes(body)
