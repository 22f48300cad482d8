"""Serve HTTP: uvicorn in the running event loop, by default on loopback only.

Knows uvicorn and sockets, not the application. Installs no signal handlers, and stops within a
second. Limits connections in number and time: h11 bounds the head of a request, and the application
must bound its body. `web_page_refusal` keeps web pages out.
"""

import asyncio
import ipaddress
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from esme_emulator.runtime.accepting import BACKLOG, accepting
from esme_emulator.runtime.errors import UserError
from esme_emulator.runtime.listening import HOST, LOOPBACK, bracketed, reachable

_KEEP_ALIVE = 5
"""Timeout of an idle connection, in seconds."""
_STOPPING = 1
"""Timeout of running requests when the server stops, in seconds."""

MAX_CONNECTIONS = 100
"""Maximum number of connections. One more replaces the connection that was idle longest."""

MAX_HEAD = 16_384
"""Maximum size of request line and headers, in octets."""

REQUEST_SECONDS = 10.0
"""Timeout for receiving a whole request, in seconds since the connection or the last reply."""


_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, so a link on any page may use them."""
_HTTP_PORT = 80
_FROM_A_PAGE = "sent by a web page of another origin: use curl or a program instead"


class ListenError(UserError):
    """A port that cannot be listened on. The text is one line for the user."""


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: signals belong to the owner of the event loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Connection(H11Protocol):
    """A connection, limited in number and time.

    uvicorn has a timeout for idle connections but none for a half-sent request, which would stay
    open as long as its client likes. `idle` holds all connections of the server, the one that was
    idle longest first.
    """

    def __init__(self, idle: "dict[Connection, None]", **settings: Any) -> None:
        super().__init__(**settings)
        self._idle = idle
        self._timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for this connection, and start the timeout of its first request."""
        super().connection_made(transport)
        if len(self._idle) >= MAX_CONNECTIONS:
            next(iter(self._idle))._drop()
        self._await_request()

    def data_received(self, data: bytes) -> None:
        """Receive octets of a request."""
        self._touch()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Start the timeout of the next request."""
        if not self.transport.is_closing():
            self._await_request()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget this connection."""
        self._idle.pop(self, None)
        if self._timeout is not None:
            self._timeout.cancel()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        self._touch()
        if self._timeout is not None:
            self._timeout.cancel()
        self._timeout = self.loop.call_later(REQUEST_SECONDS, self._expire)

    def _touch(self) -> None:
        """Make this connection the last one that others replace."""
        self._idle.pop(self, None)
        self._idle[self] = None

    def _expire(self) -> None:
        """Drop this connection, unless its request is complete and being answered."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if not answering or self.cycle.more_body:
            self._drop()

    def _drop(self) -> None:
        self._idle.pop(self, None)
        self.transport.abort()


@asynccontextmanager
async def serve_http(
    app: ASGIApp, port: int, host: str = HOST, *, what: str = "HTTP server"
) -> AsyncIterator[str]:
    """Serve `app` on `host` and `port` (0 for any free port), and yield its URL.

    `what` names the interface in errors. Raises `ListenError` if host or port cannot be used.

    Whoever exposes `app` on another host than loopback must authenticate its requests.
    """
    listener = _listen(host, port, what)
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_STOPPING,
        h11_max_incomplete_event_size=MAX_HEAD,
    )
    server = _Server(config)
    # uvicorn gets no socket: it would flood the log when descriptors run out.
    serving = asyncio.create_task(server.serve(sockets=[]))
    make_connection = partial(
        Connection, {}, config=config, server_state=server.server_state, app_state={}
    )
    try:
        async with accepting(listener, make_connection, f"the {what}"):
            yield _url(listener)
    finally:
        server.should_exit = True
        await serving


def _listen(host: str, port: int, what: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = os.strerror(error.errno or 0).lower()
        raise ListenError(
            f"no {what} on {host}:{port} ({reason}): choose another port, or 0 for any"
        ) from None
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{bracketed(reachable(host))}:{port}"


def web_page_refusal(scope: Scope) -> tuple[int, str] | None:
    """Return status and reason if a web page may have sent a request, else None.

    Any web page can make its reader's browser send requests to a loopback port. A request must
    therefore have this machine as its host, because a page's own name may resolve to it (DNS
    rebinding), and no foreign origin, which browsers report in `Origin` and `Sec-Fetch-Site`.

    A connection that came in at another address than loopback may have any host, since containers
    have names. Then a request must have no origin at all, which a rebound page cannot leave out of
    a request that changes something.
    """
    method, headers = scope["method"], Headers(scope=scope)
    server = scope.get("server")
    if server is not None and _is_exposed(server[0]):
        return (403, _FROM_A_PAGE) if "origin" in headers else None
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


def _is_exposed(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _host_and_port(origin: str) -> tuple[str, int] | None:
    """Return host and port of `http://host:port`, or None for any other text."""
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (host, port or _HTTP_PORT) if parts.scheme == "http" and host else None
