"""One broker connection for each meter, to test brokers with many clients."""

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
"""Most connections that are opened or closed at the same time."""

START_TIMEOUT = 30.0
"""Timeout of one connection, in seconds. Brokers answer late while many clients connect."""

_PER_CONNECTION = 1
"""File descriptors of one connection: its socket."""
_OTHERS = 128
"""File descriptors for the rest of the process."""


@asynccontextmanager
async def connect_each(
    broker: Broker,
    meters: Sequence[EUI],
    receive: Handler,
    drop: OnDropped,
    transports: MutableMapping[EUI, Transport],
) -> AsyncIterator[None]:
    """Connect each of `meters` as a client named after its EUI, subscribed to its commands.

    `drop` is called for messages that the transport drops. A connection is added to `transports`
    before it receives anything. Raises `TransportError` if there is no broker, or if this process
    may not open that many file descriptors.
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
