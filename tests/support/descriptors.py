"""Exhaust the file descriptors of this process, to test servers that accept connections."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Make every attempt to open a descriptor fail."""
    with socket.socket() as probe:
        most = probe.fileno()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def connected_without_descriptors(port: int) -> AsyncIterator[socket.socket]:
    """Connect to a server in this process that has no descriptor to accept with."""
    with socket.socket() as client:
        client.setblocking(False)
        with no_descriptors():
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
            for _ in range(100):  # the server retries in each turn
                await asyncio.sleep(0)
        yield client
