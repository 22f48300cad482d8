"""Serve the control interface: uvicorn in the running event loop, on loopback only.

Knows uvicorn and sockets, not the application. Installs no signal handlers, and stops within a
second. Limits connections in number and time: h11 bounds the head of a request, `guard` its body.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from esme_emulator.control.guard import LOOPBACK
from esme_emulator.monitor.parts import ControlError
from esme_emulator.runtime.accepting import BACKLOG, accepting

HOST = "127.0.0.1"
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
async def serve_control(app: ASGIApp, port: int, host: str = HOST) -> AsyncIterator[str]:
    """Serve `app` on `host` and `port` (0 for any free port), and yield its URL.

    Raises `ControlError` if `host` is not loopback or the port cannot be used.
    """
    listener = _listen(host, port)
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
        async with accepting(listener, make_connection, "the control interface"):
            yield _url(listener)
    finally:
        server.should_exit = True
        await serving


def _listen(host: str, port: int) -> socket.socket:
    if host not in LOOPBACK:
        raise ControlError(
            f"no control interface on {host}: choose one of {', '.join(sorted(LOOPBACK))}"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = os.strerror(error.errno or 0).lower()
        raise ControlError(
            f"no control interface on {host}:{port} ({reason}): choose another port, or 0 for any"
        ) from None
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
