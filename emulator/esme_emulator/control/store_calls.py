"""Asking the store of the cache: every question ends, and a store that is away is an error.

Knows what a store promises, and bounds it all the same. Seconds here are of real time.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import TypeVar

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store.base import Size, Store, StoreError

PATIENCE = 10.0
"""Seconds that an answer is waited for; a purge of many entries takes several of them."""

PURGE_PATIENCE = 60.0

SIZE_EVERY = 10.0
"""How often, in seconds, a store is asked for its size by those who ask for metrics."""

SIZE_PATIENCE = 2.0
"""Seconds that metrics wait for it."""

T = TypeVar("T")


async def within(seconds: float, asking: Awaitable[T]) -> T:
    """Return the answer. Raises `StoreError` where the store is away, or takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return await asking
    except TimeoutError:
        raise StoreError(f"the store has not answered within {seconds:g} s") from None


async def first_of(found: AsyncIterator[tuple[Key, Entry]], number: int) -> dict[Key, Entry]:
    """Return the first entries of a listing, up to `number`, each once."""
    entries: dict[Key, Entry] = {}
    async for key, entry in found:
        if len(entries) >= number:
            break
        entries[key] = entry
    if isinstance(found, AsyncGenerator):
        await found.aclose()
    return entries


class KnownSize:
    """How much a store kept when it was asked last; None where it was away, or was not asked."""

    def __init__(self, store: Store) -> None:
        self.size: Size | None = None
        self._store = store
        self._next = float("-inf")

    async def refresh(self) -> None:
        """Ask the store, where that is long enough ago; returns within `SIZE_PATIENCE`."""
        now = asyncio.get_running_loop().time()
        if now < self._next:
            return
        self._next = now + SIZE_EVERY
        try:
            self.size = await within(SIZE_PATIENCE, self._store.size())
        except StoreError:
            self.size = None
