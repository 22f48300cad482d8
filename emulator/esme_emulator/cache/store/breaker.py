"""Whether a store is asked at all: not while it is away, so that no request waits for it in vain.

Knows when a store is away and how to find out that it is back; knows nothing of what is asked of
it. The first call that finds it away lets all others go that wait for it; until one probe at a
time, for which nobody waits, gets an answer, every call fails at once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from esme_emulator.cache.store.base import Store, StoreAwayError, StoreError
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.tasks import Tasks

PROBE_SECONDS = 1.0
"""From the end of one probe of a store that is away to the next, in real time."""

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class NotAskedError(StoreAwayError):
    """A store that was not asked, since it is known to be away."""


class Breaker:
    """Stands between `store` and who asks it; `real` is the clock of probes, run in `tasks`."""

    def __init__(self, store: Store, real: Clock, tasks: Tasks) -> None:
        self._store = store
        self._real = real
        self._tasks = tasks
        self._away = ""
        """What was said of the store that is away; empty while it is not."""
        self._asking: set[asyncio.Timeout] = set()

    async def ask(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a method of the store does. Raises `StoreError`, at once while it is away."""
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
        """Have the next call ask the store, which was away when it was asked last."""
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
        """Ask now and then for no own counter, which takes all that a store needs to work."""
        while True:
            await self._real.sleep(PROBE_SECONDS)
            try:
                await self._store.reserve(0, 0)
            except StoreAwayError:
                continue
            except StoreError:
                pass  # it answers: whoever asks next is told what it lacks
            self._away = ""
            _log.info("the store answers again")
            return
