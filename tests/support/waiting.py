"""How tests wait: for tasks of their own event loop, or for another process."""

import asyncio
from collections.abc import Callable

GUARD = 20.0
"""Time limit in seconds; no test that passes depends on it."""


async def settle(turns: int = 200) -> None:
    """Let tasks that wait for nothing but each other finish, on a broker in memory too."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(holds: Callable[[], object]) -> None:
    """Poll until `holds` is true. Raises `TimeoutError` after `GUARD`."""
    async with asyncio.timeout(GUARD):
        while not holds():  # noqa: ASYNC110 - another process, which has no event here, changes it
            await asyncio.sleep(0.01)
