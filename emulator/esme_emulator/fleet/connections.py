"""A connection for each meter of a fleet, for trying brokers with as many clients.

Knows transports and file descriptors, nothing of what is carried.
"""

import asyncio
import resource
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from esme_emulator.messaging.topics import DIRECT, command_topic
from esme_emulator.transport import (
    Broker,
    Handler,
    MemoryBroker,
    OnDropped,
    Outages,
    Transport,
    TransportError,
    connect,
)
from gbcs import EUI

AT_ONCE = 32
"""Connections that are being made or ended at the same time."""

START_TIMEOUT = 30.0
"""Seconds to try to make one of them; brokers answer late while many arrive."""

_PER_CONNECTION = 1
"""File descriptors that one takes: its socket."""
_OTHERS = 128
"""File descriptors that the rest of the process may need."""


@asynccontextmanager
async def connect_each(
    broker: Broker,
    meters: Sequence[EUI],
    receive: Handler,
    drop: OnDropped,
    transports: MutableMapping[EUI, Transport],
) -> AsyncIterator[None]:
    """Connect each of `meters` as a client named after its EUI, subscribed to its own commands.

    `drop` is told of messages that are not taken. Each is put into `transports` when it is
    connected, before it receives anything. Raises `TransportError` where there is no broker, or
    where this process may not have so many file descriptors.
    """
    if not isinstance(broker, MemoryBroker):
        _check_descriptors(len(meters))
    limit = asyncio.Semaphore(AT_ONCE)
    outages = Outages(f"{len(meters)} meters with connections of their own")
    stacks: list[AsyncExitStack] = []

    async def enter(eui: EUI) -> None:
        stack = AsyncExitStack()
        async with limit:
            transports[eui] = await stack.enter_async_context(
                connect(
                    broker,
                    client_id=str(eui),
                    subscriptions={command_topic(DIRECT, eui): receive},
                    on_dropped=drop,
                    outages=outages,
                    start_timeout=START_TIMEOUT,
                )
            )
        stacks.append(stack)

    async def leave(stack: AsyncExitStack) -> None:
        async with limit:
            await stack.aclose()

    try:
        try:
            async with asyncio.TaskGroup() as group:
                for eui in meters:
                    group.create_task(enter(eui))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        yield
    finally:
        await asyncio.gather(*map(leave, stacks))


def _check_descriptors(number: int) -> None:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = number * _PER_CONNECTION + _OTHERS
    if allowed != resource.RLIM_INFINITY and needed > allowed:
        raise TransportError(
            f"{number} connections need about {needed} file descriptors, and this process may "
            f"have {allowed}: allow more with ulimit -n {needed}, or host fewer meters"
        )
