"""Accept connections on a listening socket, also while descriptors run out.

Knows sockets and asyncio; knows nothing of what is spoken. asyncio's own servers retry a failed
accept as often as their backlog is long, and log each failure with a traceback.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

BACKLOG = 1024
"""Connections that wait to be accepted, at most."""

PAUSE = 1.0
"""Pause after a failed accept, in seconds. Connections wait in the backlog meanwhile."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def accepting(
    listener: socket.socket, make_protocol: Callable[[], asyncio.BaseProtocol], what: str
) -> AsyncIterator[None]:
    """Give each connection to `listener` a protocol; close `listener` at the end of the block.

    Failures are logged once, with `what` as their subject, until a connection is accepted again.
    """
    listener.setblocking(False)
    task = asyncio.create_task(_accept(listener, make_protocol, what))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        listener.close()


async def _accept(
    listener: socket.socket, make_protocol: Callable[[], asyncio.BaseProtocol], what: str
) -> None:
    loop = asyncio.get_running_loop()
    failing = False
    while True:
        try:
            connection, _ = await loop.sock_accept(listener)
            await loop.connect_accepted_socket(make_protocol, connection)
        except ConnectionAbortedError:  # the client left before it was accepted
            continue
        except OSError as error:
            # Mostly EMFILE: the socket stays readable, so without a pause this loop would spin.
            if not failing:
                reason = os.strerror(error.errno or 0).lower()
                _log.error("%s accepts no connections for now: %s", what, reason)
            failing = True
            await asyncio.sleep(PAUSE)
        else:
            failing = False
