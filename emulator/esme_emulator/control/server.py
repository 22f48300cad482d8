"""Serving the control interface: uvicorn in the running event loop, on loopback alone.

Knows uvicorn and sockets. Installs no signal handlers, and stops in a second. Connections are
accepted here and not by uvicorn, which floods the log when descriptors run out.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from esme_emulator.control.connection import MAX_HEAD, Connection
from esme_emulator.control.guard import LOOPBACK
from esme_emulator.monitor.parts import ControlError
from esme_emulator.runtime.accepting import BACKLOG, accepting

HOST = "127.0.0.1"
_KEEP_ALIVE = 5
"""Seconds that an idle connection is kept."""
_STOPPING = 1
"""Seconds that requests are given to end when the server stops."""


class _Server(uvicorn.Server):
    """uvicorn, but signals are left to whoever runs the loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve_control(app: ASGIApp, port: int, host: str = HOST) -> AsyncIterator[str]:
    """Serve `app` on `host` and `port`, 0 for any free one, and yield its URL.

    Raises `ControlError` where `host` is not loopback or the port cannot be had.
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
        raise ControlError(f"no control interface on {host}: give {', '.join(sorted(LOOPBACK))}")
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
