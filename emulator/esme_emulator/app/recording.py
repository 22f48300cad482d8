"""Records what crosses a broker, and makes the requests of a recording again."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from esme_emulator.app.services import run_alone
from esme_emulator.estate.estate import Estate
from esme_emulator.load.replay import Replay
from esme_emulator.messaging.recording import Recorded
from esme_emulator.messaging.topics import (
    CACHE_STATUS,
    CACHED,
    DIRECT,
    alert_topic,
    command_topic,
    device_of,
    own_response_topic,
    response_topic,
)
from esme_emulator.runtime.clock import Clock, SystemClock
from esme_emulator.runtime.tasks import first_of
from esme_emulator.transport import Broker, Drop, Outcome, Transport, connect

EVERYTHING = (
    *(command_topic(prefix, "+") for prefix in (DIRECT, CACHED)),
    *(response_topic(prefix, "+", "+") for prefix in (DIRECT, CACHED)),
    own_response_topic("+", "+", "+"),
    alert_topic("+", "+"),
)
"""Filters of all topics that carry GBCS messages."""


async def record(
    broker: Broker,
    keep: Callable[[Recorded], None],
    clock: Clock,
    begin: Callable[[], None],
    stopped: asyncio.Future[None],
) -> Counter[str]:
    """Pass every message on the broker to `keep`, with its time, until `stopped` is done.

    `begin` is called when all subscriptions are in force. Return the number of messages that were
    left out, by reason. Raises what `keep` raises, and `TransportError`.
    """
    dropped: Counter[str] = Counter()

    def receive(topic: str, octets: bytes, properties: Mapping[str, str]) -> None:
        if stopped.done():
            return
        if device_of(topic) is None:
            dropped["invalid topic"] += 1
            return
        try:
            keep(Recorded(clock.now(), topic, octets, properties.get(CACHE_STATUS, "")))
        except Exception as error:
            stopped.set_exception(error)

    def drop(_: str, reason: Drop) -> None:
        dropped[str(reason)] += 1

    subscriptions = dict.fromkeys(EVERYTHING, receive)
    async with connect(
        broker, client_id="recorder", subscriptions=subscriptions, on_dropped=drop
    ) as transport:
        begin()
        await stopped
        dropped["lost connections"] = transport.counters.reconnections
    return +dropped


class Player:
    """Makes the requests of `replay` under `prefix`, `speed` times as fast as they were recorded.

    The loop is open: a request is sent when it is due, whatever became of the earlier ones.
    """

    def __init__(
        self,
        replay: Replay,
        prefix: str,
        speed: float,
        timeout: float,
        clock: Clock | None = None,
        progress: Callable[[], object] = lambda: None,
    ) -> None:
        self._replay = replay
        self._prefix = prefix
        self._speed = speed
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._progress = progress
        self._complete = asyncio.Event()
        self.unsent = 0
        """Number of commands that the broker refused, or that had no subscriber."""

    async def run(self, broker: Broker) -> None:
        """Send all requests, and wait for the replies; see `Replay` for the outcome.

        Ends when every request is answered, at the latest `timeout` seconds after the last one was
        sent. Raises `TransportError`.
        """
        recipients = {request.transaction.originator for request in self._replay.schedule}
        filters = (response_topic(self._prefix, "+", recipient) for recipient in recipients)
        async with connect(
            broker, client_id="replay", subscriptions=dict.fromkeys(filters, self._receive)
        ) as transport:
            await self._send(transport)
            await first_of(self._complete.wait(), self._clock.sleep(self._timeout))

    async def _send(self, transport: Transport) -> None:
        start = self._clock.now()
        for request in self._replay.schedule:
            due = start + request.seconds / self._speed
            await self._clock.sleep(max(due - self._clock.now(), 0.0))
            topic = command_topic(self._prefix, request.transaction.device)
            transport.post(topic, request.octets, self._sent)
            self._progress()

    def _sent(self, outcome: Outcome) -> None:
        if outcome is not True:
            self.unsent += 1

    def _receive(self, _: str, octets: bytes, properties: Mapping[str, str]) -> None:
        self._replay.receive(octets, properties.get(CACHE_STATUS, ""))
        if not self._replay.unanswered:
            self._complete.set()


async def replay_alone(player: Player, estate: Estate, url: str | None) -> None:
    """Run `player` on the broker at `url`, or else on meters and a cache in memory."""
    async with AsyncExitStack() as stack:
        broker: Broker | None = url
        if broker is None:
            broker = await stack.enter_async_context(run_alone(estate, SystemClock()))
        await player.run(broker)
