"""Waiting for what another process does with a lease: look, and look again a little later.

Nobody has to be told, so no word can be lost, whatever dies meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable

from esme_emulator.cache.store.base import Settled

SHORTEST, LONGEST = 0.005, 0.05
"""Seconds of real time between two looks, at first and at last."""


async def wait_until(look: Callable[[], Awaitable[Settled | None]], patience: float) -> Settled:
    """Return what `look` returns once it is not None, looking for up to `patience` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    pause = SHORTEST
    while (found := await look()) is None:
        left = deadline - loop.time()
        if left <= 0:
            return Settled(None, came=False)
        await asyncio.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST)
    return found
