"""Driving a workload: so many requests at once, each reply kept with what it answers."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emulator.proof.workload import Ask
from emulator.requester import NoReplyError, ReceivedReply, Requester

CONCURRENCY = 32
PATIENCE = 30.0
"""Seconds to wait for a reply."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the reply to it, None where none came in time."""

    ask: Ask
    reply: ReceivedReply | None


async def drive(
    requester: Requester, asks: Sequence[Ask], progress: Callable[[], None]
) -> list[Exchange]:
    """Make all requests in order, `CONCURRENCY` at a time, and return what came of each.

    `progress` is called after each. Raises `TransportError` where the broker is gone for good.
    """
    exchanges: list[Exchange] = []
    remaining = iter(asks)

    async def work() -> None:
        for ask in remaining:
            try:
                reply = await requester.request(ask.command, ask.octets, PATIENCE)
            except NoReplyError:
                reply = None
            exchanges.append(Exchange(ask, reply))
            progress()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(CONCURRENCY, len(asks))):
                group.create_task(work())
    except ExceptionGroup as group_of_errors:
        raise group_of_errors.exceptions[0] from None
    return exchanges
