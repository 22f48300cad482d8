"""Drive a workload through scenario time: send each request at its planned time.

The clock is moved by hand, and only when no message is in flight. So a run is the same on a slow
machine or broker, and hours of scenario time pass in seconds.
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
from esme_emulator.scenario.scenario import RetryPolicy
from esme_emulator.scenario.workload import PlannedRequest
from esme_emulator.transport import Gauge
from gbcs import Response, Status


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its reply, None if no reply came before the timeout of the last attempt."""

    planned: PlannedRequest
    reply: ReceivedReply | None
    sent: float
    """Time of the first attempt, Unix time in seconds."""
    received: float
    """Time of the reply, or of the last timeout."""
    attempts: int
    """Times that the command was sent; 0 if upstream refused it."""
    refused: str = ""
    """Why upstream refused the request; empty if it did not."""

    @property
    def accepted(self) -> bool:
        """Whether the party accepts the reply: an authentic response to its command."""
        response = self.reply and self.reply.response
        return isinstance(response, Response) and response.mac_status is Status.VALID

    @property
    def seconds(self) -> float:
        """Time from the first attempt to the reply or the last timeout."""
        return self.received - self.sent


def request_of(planned: PlannedRequest) -> Request:
    """Return the identity of a planned request."""
    command, key = planned.command, planned.key
    return Request(key.device, key.srv, command.remote_party, command.originator_counter)


class Driver:
    """Sends requests through `requester`; `exchanges` holds the finished ones.

    `refused` returns why upstream refuses a request at a time, None if it does not. A refused
    request is not sent.
    """

    def __init__(
        self,
        requester: Requester,
        clock: ManualClock,
        gauge: Gauge,
        retry: RetryPolicy,
        refused: Callable[[PlannedRequest, float], str | None],
    ) -> None:
        self._requester = requester
        self._clock = clock
        self._gauge = gauge
        self._retry = retry
        self._refused = refused
        self.exchanges: list[Exchange] = []
        self.sent: list[tuple[float, PlannedRequest]] = []
        """Every attempt, with its time."""

    async def drive(self, requests: Sequence[PlannedRequest], done: Callable[[], None]) -> None:
        """Send all requests, in the order of their times; call `done` after each exchange.

        Raises `TransportError` if the broker is gone for good.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for planned in requests:
                    await self._advance_to(planned.time)
                    group.create_task(self._exchange(planned, done))
                while len(self.exchanges) < len(requests):
                    await self._advance_to_next_wake()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        # Late replies, which no request waits for, must be delivered and counted too.
        await self._gauge.still()

    async def _advance_to(self, time: float) -> None:
        """Move the clock to `time`, and let all that sleeps until then run on the way."""
        while await self._advance_to_next_wake(before=time):
            pass
        if time > self._clock.now():
            await self._clock.advance(time - self._clock.now())

    async def _advance_to_next_wake(self, before: float | None = None) -> bool:
        """Move the clock to the next wake-up, if there is one; return whether it moved."""
        await self._gauge.still()
        wake = self._clock.next_wake()
        if wake is None or (before is not None and wake >= before):
            return False
        await self._clock.advance(wake - self._clock.now())
        return True

    async def _exchange(self, planned: PlannedRequest, done: Callable[[], None]) -> None:
        sent = self._clock.now()
        reply = None
        attempts = 0
        refused = self._refused(planned, sent)
        while not refused and reply is None and attempts < self._retry.attempts:
            attempts += 1
            self.sent.append((self._clock.now(), planned))
            try:
                reply = await self._requester.request(
                    planned.command, planned.octets, self._retry.timeout
                )
            except NobodyListensError:
                # A subscriber that is reconnecting will be back by then.
                await self._clock.sleep(self._retry.timeout)
            except NoReplyError:
                continue
        received = self._clock.now()
        self.exchanges.append(Exchange(planned, reply, sent, received, attempts, refused or ""))
        done()
