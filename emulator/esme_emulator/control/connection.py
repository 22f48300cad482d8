"""One connection to the control interface, bounded in number and time.

Knows uvicorn's protocol on h11. uvicorn has a timeout for idle connections but none for a request
that is half sent, which would stay open for as long as its client likes. h11 bounds the head of a
request, and `door` its body.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 100
"""Connections at once. One more takes the place of the connection that was quiet longest."""

MAX_HEAD = 16_384
"""Longest request line and headers, in octets."""

REQUEST_SECONDS = 10.0
"""Timeout of a whole request, from the connection or the previous reply, in seconds."""


class Connection(H11Protocol):
    """A connection; `quiet` holds all of this server, the one that was quiet longest first."""

    def __init__(self, quiet: "dict[Connection, None]", **settings: Any) -> None:
        super().__init__(**settings)
        self._quiet = quiet
        self._timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for this connection, and wait for its first request."""
        super().connection_made(transport)
        if len(self._quiet) >= MAX_CONNECTIONS:
            next(iter(self._quiet))._drop()
        self._await_request()

    def data_received(self, data: bytes) -> None:
        """Take some octets of a request."""
        self._stir()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        if not self.transport.is_closing():
            self._await_request()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget this connection."""
        self._quiet.pop(self, None)
        if self._timeout is not None:
            self._timeout.cancel()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        self._stir()
        if self._timeout is not None:
            self._timeout.cancel()
        self._timeout = self.loop.call_later(REQUEST_SECONDS, self._expire)

    def _stir(self) -> None:
        """Make this connection the last one that others take the place of."""
        self._quiet.pop(self, None)
        self._quiet[self] = None

    def _expire(self) -> None:
        """Drop this connection unless its request is whole and being answered."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if not answering or self.cycle.more_body:
            self._drop()

    def _drop(self) -> None:
        self._quiet.pop(self, None)
        self.transport.abort()
