"""The embedded broker for MQTT 5: rumqttd in a process of its own, from the package iotcore.

Knows the configuration of rumqttd, and the lines that `rumqttd_process` writes.
"""

import asyncio
import logging
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from esme_emulator.runtime.processes import Ended, python_process
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.transport.base import MAX_PACKET, TransportError

_PROCESS = Path(__file__).with_name("rumqttd_process.py")

# rumqttd keeps the latest messages of each topic filter, read or not: up to all segments. A
# subscriber that falls further behind loses the oldest. By default they are 1 GB.
_CONFIG = """
id = 0
[router]
id = 0
max_connections = 100000
max_outgoing_packet_count = 200
max_segment_size = {segment}
max_segment_count = {segments}
[v5.1]
name = "v5-1"
listen = "{host}:{port}"
next_connection_delay_ms = 0
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = {remaining}
max_inflight_count = 100
dynamic_filters = true
"""
SEGMENT, SEGMENTS = 8 << 20, 16
"""Octets of a segment, and number of segments, of the log of a topic filter."""

# A longer message ends the connection of its publisher, since rumqttd would send it to subscribers
# that forbid it in CONNECT. Its default is 20 kB, and a read of 13 months has 153 kB.
_MAX_REMAINING = MAX_PACKET - 5

_START = 10.0
"""Timeout for the broker to listen, in seconds."""

OnEnded: TypeAlias = Callable[[TransportError], None]
"""Is called if a broker ends by itself; the error is one line for the user."""

_LISTENING = "listening"
_REFUSALS = {
    "InvalidProtocolLevel(4)": "speaks MQTT 3.1.1: use MQTT 5, or start it with --mqtt 3.1.1",
    "ZeroKeepAlive": "has no keep-alive: set one above 0 s",
}
"""What is wrong with a client that rumqttd refuses without an answer, by a part of its log line."""

logger = logging.getLogger("esme_emulator.transport")


@asynccontextmanager
async def rumqttd_broker(host: str, port: int, on_ended: OnEnded) -> AsyncIterator[None]:
    """Run a broker on `host` and `port`. Raises `TransportError` if it does not start.

    `on_ended` is called if it ends before the context does.
    """
    config = _CONFIG.format(
        host=host, port=port, segment=SEGMENT, segments=SEGMENTS, remaining=_MAX_REMAINING
    )
    async with python_process("-P", str(_PROCESS), config) as process, Tasks() as tasks:
        listening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        tasks.start(_watch(process, listening, on_ended))
        try:
            async with asyncio.timeout(_START):
                await listening
        except TimeoutError:
            raise TransportError(f"no broker on {host}:{port}: it did not start in time") from None
        yield


async def _watch(process: Process, listening: asyncio.Future[None], on_ended: OnEnded) -> None:
    """Read the lines of the broker: it listens, refuses a client, breaks, or ends."""
    assert process.stdout is not None  # noqa: S101
    told: set[str] = set()
    line = ""
    async for octets in process.stdout:
        line = octets.decode(errors="replace").strip()
        if line == _LISTENING and not listening.done():
            listening.set_result(None)
        elif line.startswith("thread 'router") and "panicked" in line:
            process.kill()  # it would go on, and deliver nothing
        for sign, reason in _REFUSALS.items():
            if sign in line and sign not in told:
                told.add(sign)
                logger.warning("the embedded broker refuses a client, which %s", reason)
    ended = Ended(await process.wait())
    if listening.done():
        on_ended(TransportError(f"the embedded broker ended by itself ({ended}): start this again"))
    else:
        listening.set_exception(
            TransportError(f"the embedded broker did not start ({line or ended}): give --broker")
        )
