"""Middleware that refuses requests of web pages, and bodies that are too long or not JSON.

Knows ASGI and what needs no token, not the endpoints. A request must not come from a web page of
others, as `web_page_refusal` tells, and must declare its body as JSON, which a page cannot send to
another origin without permission (CORS). If there is a token, a request must carry it instead: no
page of others knows it. Every refusal is JSON of one form.
"""

import hmac
import json
import logging
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from esme_emulator.runtime.http_server import web_page_refusal

MAX_BODY = 65_536
"""Maximum body size, in octets. The rest of a longer body is not read."""

_JSON = "application/json"
_OPEN = frozenset({"/health", "/", "/docs", "/openapi.json"})
_OPEN_FOLDERS = "/page/", "/swagger/"
"""Need no token: `/health`, since what watches containers sends none, and the page, which asks its
user for the token. They tell nothing of the estate."""

Fields = Sequence[tuple[bytes, bytes]]
"""Names and values of header fields."""

_NO_TOKEN: tuple[int, str, Fields] = (
    401,
    "the token is missing or wrong: send the header Authorization: Bearer TOKEN",
    ((b"www-authenticate", b"Bearer"),),
)

_log = logging.getLogger(__name__)


class Guard:
    """ASGI middleware around `app`. Must be the outermost one."""

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        """Let requests through to `app`; with a token, only those that carry it."""
        self._app = app
        self._token = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if refusal := self._refusal(scope, headers):
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

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str, Fields] | None:
        if self._token is None or _is_open(scope):
            refusal = web_page_refusal(scope)
            return refusal and (*refusal, ())
        carried = headers.get("authorization", "").encode()
        return None if hmac.compare_digest(carried, self._token) else _NO_TOKEN

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


async def problem(send: Send, status: int, reason: str, more: Fields = ()) -> None:
    """Send the answer `{"error": reason}`, with `more` headers."""
    body = json.dumps({"error": reason}).encode()
    length = b"content-length", b"%d" % len(body)
    headers = [(b"content-type", b"application/json"), length, *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _is_open(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["method"] == "GET" and (path in _OPEN or path.startswith(_OPEN_FOLDERS))


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
