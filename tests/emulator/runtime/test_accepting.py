"""Accepted connections: what asyncio leaves out for a listener that does not name its protocol."""

import asyncio
import socket

from esme_emulator.runtime.accepting import BACKLOG, accepting


async def test_accepted_connections_send_at_once() -> None:
    """Nagle's algorithm would hold up each reply for a delayed acknowledgement, 40 ms."""
    made: asyncio.Queue[asyncio.BaseTransport] = asyncio.Queue()

    class Noting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.put_nowait(transport)

    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    async with accepting(listener, Noting, "the test"):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        transport = await made.get()
        accepted: socket.socket = transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        transport.close()
        writer.close()
        await writer.wait_closed()
