"""The door of the control interface: who may ask, and how much they may say.

Knows ASGI and nothing of what is controlled. A request is let in when it names this machine as its
host, and comes from no web page of another: a page anywhere could otherwise reach a loopback port
through the browser of whoever reads it. Bodies are bounded, and every failure is JSON of one shape.
"""

import json
import logging
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine, as hosts of a URL."""

MAX_BODY = 65_536
"""Octets of the longest body that is taken; what is longer is read no further."""

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
        origin = headers.get("origin")
        if _host(f"//{headers.get('host', '')}") not in LOOPBACK:
            await problem(send, 421, "the host is not this machine: ask 127.0.0.1 or localhost")
        elif origin is not None and _host(origin) not in LOOPBACK:
            await problem(send, 403, "asked by a web page of another host")
        elif (body := await _body(receive)) is None:
            await problem(send, 413, f"the body is longer than {MAX_BODY} octets")
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


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


async def _body(receive: Receive) -> bytes | None:
    """Return the body, or None where it is too long."""
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return body
