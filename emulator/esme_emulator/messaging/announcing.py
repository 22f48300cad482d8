"""Whose readings a cache keeps: a fleet tells its identity on the broker, and caches ask for it.

A cache that runs beside a fleet cannot know with which profiles and faults the fleet was started,
and a user who has to say it twice will forget it once. So the fleet says it, on a topic of its
own, when it starts and whenever a cache asks. Nothing is retained: the broker would go on telling
it of a fleet that has ended.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from esme_emulator.messaging.known_identity import Known
from esme_emulator.messaging.topics import ASK_IDENTITY, IDENTITY, NEW_IDENTITY
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.transport import Handler, Transport, TransportError

ASK_SECONDS = 3.0
"""How often a cache asks, in seconds of real time: it may have missed an announcement."""

ANSWER_SECONDS = 0.5
"""How long a cache waits for the answers of all fleets, in seconds of real time."""


class Announcing:
    """Tells `identity` unless it is empty; keeps `known` up to date if there is a cache here."""

    def __init__(self, identity: str, known: Known | None) -> None:
        self._identity = identity
        self._known = known
        self._tasks = Tasks()
        self._answered = asyncio.Event()
        self._news = asyncio.Event()
        self.subscriptions: dict[str, Handler] = {}
        """To be in force on the transport before it is used here."""
        if identity:
            self.subscriptions[ASK_IDENTITY] = self._asked
        if known is not None:
            self.subscriptions |= {IDENTITY: self._told, NEW_IDENTITY: self._told}

    @asynccontextmanager
    async def over(self, transport: Transport) -> AsyncIterator[None]:
        """Tell and ask over `transport` as long as the context lasts.

        Once it is entered all caches have heard of the meters here, so meters are to take commands
        no sooner; and the cache here has an answer, unless there is no fleet within
        `ANSWER_SECONDS`.
        """
        self._transport = transport
        async with self._tasks:
            await self._tell(NEW_IDENTITY)
            if self._known is not None:
                self._known.asked()
                await self._publish(ASK_IDENTITY)
                await _up_to(ANSWER_SECONDS, self._answered)
                self._known.answered()
                self._tasks.start(self._keep_asking(self._known))
            yield

    def _asked(self, _: str, __: bytes, ___: Mapping[str, str]) -> None:
        self._tasks.start(self._tell(IDENTITY))

    def _told(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        starts = topic == NEW_IDENTITY
        told = octets.decode("ascii", "replace")
        if self._known is not None and self._known.hear(told, starts=starts):
            self._news.set()
        if not starts:
            self._answered.set()

    async def _keep_asking(self, known: Known) -> None:
        """Ask all fleets now and then, and at once if that is called for, for ever."""
        while True:
            if known.settled:
                self._news.clear()
                await _up_to(ASK_SECONDS, self._news)
            known.asked()
            await self._publish(ASK_IDENTITY)
            await asyncio.sleep(ANSWER_SECONDS)
            known.answered()

    async def _tell(self, topic: str) -> None:
        if self._identity:
            await self._publish(topic, self._identity.encode())

    async def _publish(self, topic: str, octets: bytes = b"") -> None:
        """Publish; a broker that is away is no error, since caches ask again once it is back."""
        with suppress(TransportError):
            await self._transport.publish(topic, octets)


async def _up_to(seconds: float, event: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
