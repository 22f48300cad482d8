"""Accepts connections on a listening socket, and goes on when file descriptors run out.

Knows sockets and asyncio, and no protocol. asyncio's own servers repeat a failed accept as often
as their backlog is long, and log each failure with a traceback.
"""

import asyncio
import logging
import os
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

BACKLOG = 1024
"""Maximum number of connections that wait to be accepted."""

PAUSE = 1.0
"""Pause after a failed accept, in seconds. Connections wait in the backlog."""

_log = logging.getLogger(__name__)

_NUMBER = re.compile(r"\[Errno -?\d+\] ")


def reason_of(error: BaseException) -> str:
    """Return in a few words why a connection failed, without the number of the error."""
    match error:
        case socket.gaierror():
            return "no such host"
        case TimeoutError():
            return "no answer in time"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case _:
            return _NUMBER.sub("", " ".join(str(error).split())) or type(error).__name__


@asynccontextmanager
async def accepting(
    listener: socket.socket, make_protocol: Callable[[], asyncio.BaseProtocol], what: str
) -> AsyncIterator[None]:
    """Make a protocol for each connection to `listener`; close `listener` after the body.

    A failure is logged once, with `what` as its subject, until a connection is accepted again.
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
            # asyncio does this only for sockets that name TCP as their protocol. Without it a reply
            # of several writes waits 40 ms for a delayed acknowledgement.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
