"""Stores that are away: one raises an error, the other never answers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NoReturn

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store.base import Size, StoreError
from esme_emulator.cache.store.memory import MemoryStore
from gbcs import EUI

AWAY = "store valkey://127.0.0.1:6379/0: no answer; see that the server runs there"


class AwayStore(MemoryStore):
    """A store that cannot be used while it is away."""

    def __init__(self) -> None:
        super().__init__()
        self.away = True

    async def _reach(self) -> None:
        if self.away:
            await self._fail()

    async def _fail(self) -> NoReturn:
        raise StoreError(AWAY)

    async def size(self) -> Size:
        await self._reach()
        return await super().size()

    async def purge(self, **given: Any) -> int:
        await self._reach()
        return await super().purge(**given)

    async def entries(
        self, device: EUI | None = None, srv: str | None = None
    ) -> AsyncIterator[tuple[Key, Entry]]:
        await self._reach()
        async for pair in super().entries(device, srv):
            yield pair


class MuteStore(AwayStore):
    """A store that never answers, which no store may do."""

    async def _fail(self) -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError
