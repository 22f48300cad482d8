"""Calls of the cache's store with a timeout, for the control interface. Seconds are real time.

A store ends its calls by itself; a timeout here keeps a broken one from holding up the answer.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import TypeVar

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store.base import StoreError

STORE_TIMEOUT = 10.0
"""Timeout of a call, in seconds."""

T = TypeVar("T")


async def within(seconds: float, call: Awaitable[T]) -> T:
    """Return the result of `call`. Raises `StoreError` if it fails or takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return await call
    except TimeoutError:
        raise StoreError(f"the store has not answered within {seconds:g} s") from None


async def first_of(found: AsyncIterator[tuple[Key, Entry]], number: int) -> dict[Key, Entry]:
    """Return the first `number` entries of a listing, without repetitions."""
    entries: dict[Key, Entry] = {}
    async for key, entry in found:
        if len(entries) >= number:
            break
        entries[key] = entry
    if isinstance(found, AsyncGenerator):
        await found.aclose()
    return entries
