"""Guard the control interface: refuse requests of web pages, and bodies that are not ours to read.

Knows ASGI and nothing of what is controlled. A web page anywhere can send requests to a loopback
port through the browser of its reader. So a request must
- name this machine as its host, since a page's own name may lead here (DNS rebinding);
- come from no other origin, which browsers tell in `Origin` and `Sec-Fetch-Site`;
- say that its body is JSON, which a page may not send elsewhere without asking first (CORS).
Bodies are bounded, and every failure is JSON of one shape.
"""

import json
import logging
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine, as hosts of a URL."""

MAX_BODY = 65_536
"""Longest body, in octets; a longer one is read no further."""

_JSON = "application/json"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, so that a link on any page may lead here."""
_HTTP_PORT = 80
_FROM_A_PAGE = "asked by a web page of another origin: ask with curl or a program"

_log = logging.getLogger(__name__)


class Door:
    """ASGI middleware around `app`, to be the outermost."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if refusal := _refuse(scope["method"], headers):
            await problem(send, *refusal)
        elif (body := await _body(receive)) is None:
            return  # the client left; what came of its request is not to be carried out
        elif len(body) > MAX_BODY:
            await problem(send, 413, f"the body is longer than {MAX_BODY} octets")
        elif body and _media_type(headers) != _JSON:
            await problem(send, 415, f"send JSON, with the header content-type: {_JSON}")
        else:
            await self._enter(scope, body, receive, send)

    async def _enter(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        read = started = False

        async def replay() -> Message:
            nonlocal read
            if read:
                return await receive()
            read = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, replay, note)
        except Exception as error:
            _log.error("%s %s failed: %r", scope["method"], scope["path"], error)
            if not started:
                await problem(send, 500, f"a mistake of this program: {type(error).__name__}")


async def problem(send: Send, status: int, reason: str) -> None:
    """Answer with `{"error": reason}`."""
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _refuse(method: str, headers: Headers) -> tuple[int, str] | None:
    """Return status and reason if a web page may have sent these headers, else None."""
    host = _host_and_port(f"http://{headers.get('host', '')}")
    if host is None or host[0] not in LOOPBACK:
        return 421, "the host is not this machine: ask 127.0.0.1 or localhost"
    # Another port of this machine is another origin too: its pages are of whoever serves there.
    origin = headers.get("origin")
    if origin is not None and _host_and_port(origin) != host:
        return 403, _FROM_A_PAGE
    if method not in _SAFE and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return 403, _FROM_A_PAGE
    return None


def _host_and_port(origin: str) -> tuple[str, int] | None:
    """Return host and port of `http://host:port`, None for anything else."""
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (host, port or _HTTP_PORT) if parts.scheme == "http" and host else None


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def _body(receive: Receive) -> bytes | None:
    """Return the body, cut off beyond `MAX_BODY`; None if the client left before its end."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BODY or not message.get("more_body", False):
            return bytes(body)
