"""Driving a workload through time: each request at its planned time, on a clock moved by hand.

The clock moves on only when nothing is on its way, so a run is the same however slow the machine
or the broker is, and hours of it pass in seconds.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from esme_emulator.messaging.client import (
    NobodyListensError,
    NoReplyError,
    ReceivedReply,
    Requester,
)
from esme_emulator.proof.accounts import Request
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.scenario.scenario import Patience
from esme_emulator.scenario.workload import Ask
from esme_emulator.transport import Gauge
from gbcs import Response, Status


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the reply to it, None where none came in time."""

    ask: Ask
    reply: ReceivedReply | None
    sent: float
    """When it was first sent, Unix time in seconds."""
    received: float
    """When the reply came, or when it was given up."""
    attempts: int
    """How often the command was sent; 0 where it was refused on its way."""
    refused: str = ""
    """Why it was refused on its way; empty where it was not."""

    @property
    def accepted(self) -> bool:
        """Whether its party takes the reply: there is one, authentic and to its command."""
        response = self.reply and self.reply.response
        return isinstance(response, Response) and response.mac_status is Status.VALID

    @property
    def seconds(self) -> float:
        """From the first attempt to the reply, or until it was given up."""
        return self.received - self.sent


def request_of(ask: Ask) -> Request:
    """Return what a request is known by."""
    command = ask.command
    return Request(ask.key.device, ask.key.srv, command.remote_party, command.originator_counter)


class Driver:
    """Makes requests through `requester`; `exchanges` holds those that are over.

    `refused` says of a request, and a time, why it is refused on its way: it is not sent then. It
    says nothing, or None, of others.
    """

    def __init__(
        self,
        requester: Requester,
        clock: ManualClock,
        gauge: Gauge,
        patience: Patience,
        refused: Callable[[Ask, float], str | None],
    ) -> None:
        self._requester = requester
        self._clock = clock
        self._gauge = gauge
        self._patience = patience
        self._refused = refused
        self.exchanges: list[Exchange] = []
        self.sent: list[tuple[float, Ask]] = []
        """Every attempt, with its time."""

    async def drive(self, asks: Sequence[Ask], progress: Callable[[], None]) -> None:
        """Make all requests, in the order of their times; `progress` is called after each.

        Raises `TransportError` where the broker is gone for good.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for ask in asks:
                    await self._reach(ask.time)
                    group.create_task(self._exchange(ask, progress))
                while len(self.exchanges) < len(asks):
                    await self._reach(None)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        await self._gauge.still()  # what nobody waits for is to arrive all the same

    async def _reach(self, time: float | None) -> None:
        """Move the clock to `time`, or to when it next wakes somebody where that is None."""
        while True:
            await self._gauge.still()
            wake = self._clock.next_wake()
            if wake is None or (time is not None and wake >= time):
                break
            await self._clock.advance(wake - self._clock.now())
            if time is None:
                return
        if time is not None and time > self._clock.now():
            await self._clock.advance(time - self._clock.now())

    async def _exchange(self, ask: Ask, progress: Callable[[], None]) -> None:
        sent = self._clock.now()
        reply = None
        attempts = 0
        refused = self._refused(ask, sent)
        while not refused and reply is None and attempts < self._patience.attempts:
            attempts += 1
            self.sent.append((self._clock.now(), ask))
            try:
                reply = await self._requester.request(
                    ask.command, ask.octets, self._patience.timeout
                )
            except NobodyListensError:
                # Somebody who is reconnecting is back by then.
                await self._clock.sleep(self._patience.timeout)
            except NoReplyError:
                continue
        received = self._clock.now()
        self.exchanges.append(Exchange(ask, reply, sent, received, attempts, refused or ""))
        progress()
