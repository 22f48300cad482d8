"""The connection over which a cache gets the responses to everybody, while it may need them.

The meters of our fleets answer a cache on a topic of its own, which each command names as its
Response Topic. MQTT 3.1.1 carries none, and meters of another make may ignore it. Only then does a
cache subscribe to the responses to everybody, and drop those to others.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import fields

from esme_emulator.messaging.identity import KnownIdentity
from esme_emulator.messaging.topics import DIRECT, response_topic
from esme_emulator.runtime.complaints import Complaints
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.transport import (
    Broker,
    Handler,
    OnDropped,
    Transport,
    TransportCounters,
    TransportError,
    connect,
)

_log = logging.getLogger(__name__)


class OtherResponses:
    """Subscribes to the responses to everybody while that is needed.

    It is, unless the broker carries the Response Topic and all fleets that `known` heard of heed
    it. It is needed too after a command without a reply: `misses_replies` returns whether there was
    one. `transports` are the cache's connections; the first is open as long as the cache runs.
    """

    def __init__(
        self,
        broker: Broker,
        receive: Handler,
        drop: OnDropped,
        transports: list[Transport],
        known: KnownIdentity | None,
        misses_replies: Callable[[], bool],
    ) -> None:
        self._broker = broker
        self._receive = receive
        self._drop = drop
        self._transports = transports
        self._known = known
        self._misses_replies = misses_replies
        self._tasks = Tasks()
        self._complaints = Complaints(_log)
        self._changing = asyncio.Lock()
        self._connected: AsyncExitStack | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Connect if that is needed, now and whenever it changes. Raises `TransportError`."""
        await self._change()
        if self._known is not None:
            self._known.on_change = self.check
        try:
            async with self._tasks:
                yield
        finally:
            await self._leave()

    def check(self) -> None:
        """Connect or leave in the background, if what is needed has changed."""
        if self._is_needed() is (self._connected is None):
            self._tasks.start(self._change_later())

    def _is_needed(self) -> bool:
        known = self._known
        if known is None or not self._transports[0].carries_properties:
            return True
        return not known.heeds_response_topics or self._misses_replies()

    async def _change_later(self) -> None:
        try:
            await self._change()
        except TransportError as error:
            text = f"{error}; meters that ignore the Response Topic cannot reply to the cache"
            self._complaints.warn(error.kind, text)

    async def _change(self) -> None:
        async with self._changing:
            if not self._is_needed():
                await self._leave()
            elif self._connected is None:
                async with AsyncExitStack() as stack:
                    transport = await stack.enter_async_context(
                        connect(
                            self._broker,
                            client_id="s1sp-others",
                            subscriptions={response_topic(DIRECT, "+", "+"): self._receive},
                            on_dropped=self._drop,
                        )
                    )
                    self._transports.append(transport)
                    self._connected = stack.pop_all()

    async def _leave(self) -> None:
        if self._connected is None:
            return
        stack, self._connected = self._connected, None
        await stack.aclose()
        first, *closed = self._transports
        del self._transports[1:]
        for each in fields(TransportCounters):  # the counts of the cache must not fall
            for counters in [transport.counters for transport in closed]:
                total = getattr(first.counters, each.name) + getattr(counters, each.name)
                setattr(first.counters, each.name, total)
