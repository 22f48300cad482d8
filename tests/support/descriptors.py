"""A process that has no descriptors left, for servers that accept connections."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Let this process open no more descriptors."""
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
    """Connect to a server of this process, which has failed to accept it many times."""
    with socket.socket() as client:
        client.setblocking(False)
        with no_descriptors():
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
            for _ in range(100):  # each time the server tries again
                await asyncio.sleep(0)
        yield client
