"""What fleets and caches tell each other on a broker: identities, and meters that two fleets have.

A cache cannot know with which profiles and faults a fleet was started, and a user would forget to
repeat them. So a fleet announces its identity when it starts and whenever a cache asks. The
messages are not retained, since a retained identity would outlive its fleet.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from esme_emulator.messaging.identity import DIGITS, KnownIdentity
from esme_emulator.messaging.topics import (
    ASK_IDENTITY,
    HEEDS_RESPONSE_TOPIC,
    IDENTITY,
    METERS,
    NEW_IDENTITY,
    NEW_METERS,
)
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.transport import NO_PROPERTIES, Handler, Transport, TransportError
from gbcs import EUI

ASK_SECONDS = 3.0
"""Interval between queries of a cache, in seconds of real time: announcements may be lost."""

ANSWER_SECONDS = 0.5
"""Time for all fleets to answer a query, in seconds of real time."""

_log = logging.getLogger(__name__)


def random_identity() -> str:
    """Return an identity that no fleet has."""
    return secrets.token_hex(DIGITS // 2)


class IdentityExchange:
    """Announces `identity` unless it is empty, and keeps `known` up to date unless it is None."""

    def __init__(self, identity: str, known: KnownIdentity | None) -> None:
        self._identity = identity
        self._known = known
        self._tasks = Tasks()
        self._answered = asyncio.Event()
        self._changed = asyncio.Event()
        self.subscriptions: dict[str, Handler] = {}
        """Subscribe the transport to these before `run`."""
        if identity:
            self.subscriptions[ASK_IDENTITY] = self._on_query
        if known is not None:
            self.subscriptions |= {IDENTITY: self._on_identity, NEW_IDENTITY: self._on_identity}

    @asynccontextmanager
    async def run(self, transport: Transport) -> AsyncIterator[None]:
        """Announce and ask over `transport` within the context.

        On entry all caches have heard of the fleet here, so it may take commands; and the cache
        here has an answer, unless no fleet answered within `ANSWER_SECONDS`.
        """
        self._transport = transport
        async with self._tasks:
            await self._announce(NEW_IDENTITY)
            if self._known is not None:
                self._known.query()
                await self._publish(ASK_IDENTITY)
                await _wait(self._answered, ANSWER_SECONDS)
                self._conclude(self._known)
                self._tasks.start(self._poll(self._known))
            yield

    async def change(self, identity: str) -> None:
        """Announce another identity, as a fleet does that starts. The cache here knows it at once.

        All other caches have heard of it at the end, unless the broker is away.
        """
        self._identity = identity
        if self._known is not None and self._known.hear(identity, starts=True, heeds=True):
            self._changed.set()
        await self._announce(NEW_IDENTITY)

    def _on_query(self, _: str, __: bytes, ___: Mapping[str, str]) -> None:
        self._tasks.start(self._announce(IDENTITY))

    def _on_identity(self, topic: str, octets: bytes, properties: Mapping[str, str]) -> None:
        starts, heeds = topic == NEW_IDENTITY, HEEDS_RESPONSE_TOPIC in properties
        identity = octets.decode("ascii", "replace")
        if self._known is not None and self._known.hear(identity, starts=starts, heeds=heeds):
            self._changed.set()
        if not starts:
            self._answered.set()

    async def _poll(self, known: KnownIdentity) -> None:
        """Query all fleets every `ASK_SECONDS`, and at once after a change."""
        while True:
            if known.settled:
                self._changed.clear()
                await _wait(self._changed, ASK_SECONDS)
            known.query()
            await self._publish(ASK_IDENTITY)
            await asyncio.sleep(ANSWER_SECONDS)
            self._conclude(known)

    def _conclude(self, known: KnownIdentity) -> None:
        former = known.identity
        known.conclude()
        if known.identity != former:
            _log.info("the meters' readings have the identity %s", known.identity)

    async def _announce(self, topic: str) -> None:
        if self._identity:
            await self._publish(topic, self._identity.encode(), {HEEDS_RESPONSE_TOPIC: "yes"})

    async def _publish(
        self, topic: str, octets: bytes = b"", properties: Mapping[str, str] = NO_PROPERTIES
    ) -> None:
        # If the broker is away, caches ask again when it is back.
        with suppress(TransportError):
            await self._transport.publish(topic, octets, properties)


class MeterCheck:
    """Logs a warning if another fleet on the broker has meters of this one.

    Each command to such a meter reaches both fleets, so it gets two replies and counts twice. A
    fleet that starts names its first meter; each other fleet answers with that meter if it is its
    own too, or else with its own first. Fleets of consecutive EUIs need no more to find overlaps.
    """

    def __init__(self, meters: Sequence[EUI]) -> None:
        self._meters = meters
        self._name = secrets.token_hex(8)
        """Tells its own messages from those of others."""
        self._tasks = Tasks()
        self._warned: set[str] = set()
        self.subscriptions: dict[str, Handler] = {
            NEW_METERS: self._on_start,
            METERS: self._on_answer,
        }
        """Subscribe the transport to these before `run`."""

    @asynccontextmanager
    async def run(self, transport: Transport) -> AsyncIterator[None]:
        """Check over `transport` within the context."""
        self._transport = transport
        async with self._tasks:
            await self._say(NEW_METERS, self._meters[0])
            yield

    def _on_start(self, _: str, octets: bytes, __: Mapping[str, str]) -> None:
        meter = self._read_peer(octets)
        if meter is not None:
            shown = meter if meter in self._meters else self._meters[0]
            self._tasks.start(self._say(METERS, shown))

    def _on_answer(self, _: str, octets: bytes, __: Mapping[str, str]) -> None:
        self._read_peer(octets)

    def _read_peer(self, octets: bytes) -> EUI | None:
        """Return the meter that another fleet names, and warn if it is here too.

        Returns None if the message is this fleet's own, or has another form.
        """
        other, _, text = octets.decode("ascii", "replace").partition(" ")
        try:
            meter = EUI.parse(text)
        except ValueError:
            return None
        if other == self._name:
            return None
        if meter in self._meters and other not in self._warned:
            self._warned.add(other)
            _log.warning(
                "another fleet on this broker has meter %s too, so commands to it count twice: "
                "stop one of the fleets, or give them another --base, --shard or --shared",
                meter,
            )
        return meter

    async def _say(self, topic: str, meter: EUI) -> None:
        with suppress(TransportError):
            await self._transport.publish(topic, f"{self._name} {meter}".encode())


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
