"""A circuit breaker: while a store is away it is not asked, so that no request waits for it.

The first call that finds the store away ends all calls in progress. From then on every call fails
at once, until a probe in the background gets an answer. Does not know what the calls ask.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from esme_emulator.cache.store.base import Store, StoreAwayError, StoreError
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.tasks import Tasks

PROBE_SECONDS = 1.0
"""Pause between two probes of a store that is away, in seconds of real time."""

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class NotAskedError(StoreAwayError):
    """The store was not asked, since it is known to be away."""


class Breaker:
    """Guards the calls of `store`; probes go by the clock `real` and run in `tasks`."""

    def __init__(self, store: Store, real: Clock, tasks: Tasks) -> None:
        self._store = store
        self._real = real
        self._tasks = tasks
        self._away = ""
        """Why the store is away; empty while it is not."""
        self._asking: set[asyncio.Timeout] = set()

    async def ask(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result of a store call. Raises `StoreError`, at once if the store is away."""
        if self._away:
            raise NotAskedError(self._away)
        try:
            async with asyncio.timeout(None) as limit:
                self._asking.add(limit)
                try:
                    return await call(*args, **kwargs)
                finally:
                    self._asking.discard(limit)
        except TimeoutError:
            raise NotAskedError(self._away) from None
        except StoreAwayError as error:
            self._open(error)
            raise

    def try_again(self) -> None:
        """Let the next call reach the store, even if it is known to be away."""
        self._away = ""

    def _open(self, error: StoreAwayError) -> None:
        if self._away:
            return
        self._away = str(error)
        asking, self._asking = self._asking, set()
        for limit in asking:
            limit.reschedule(0.0)
        self._tasks.start(self._probe())

    async def _probe(self) -> None:
        """Reserve no device counter now and then, which tests all that a store needs to work."""
        while True:
            await self._real.sleep(PROBE_SECONDS)
            try:
                await self._store.reserve(0, 0)
            except StoreAwayError:
                continue
            except StoreError:
                pass  # it answers; the next call learns what is wrong
            self._away = ""
            _log.info("the store answers again")
            return
