"""A client of the topics: sends commands of remote parties and receives the responses."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from esme_emulator.messaging.topics import (
    BAD_TOPIC,
    CACHE_STATUS,
    CACHED,
    command_topic,
    device_of,
    response_topic,
)
from esme_emulator.messaging.transaction import Transaction, transaction_of
from esme_emulator.runtime.clock import Clock, SystemClock
from esme_emulator.runtime.errors import UserError
from esme_emulator.transport import Broker, Drop, Outcome, Transport, TransportError, connect
from gbcs import EUI, Command, DecodeError, Keystore, Message, Response, open_message, read_content


class NoReplyError(UserError):
    """A command got no reply within its timeout."""


class NobodyListensError(NoReplyError):
    """A command was sent to a topic without subscribers."""


@dataclass(frozen=True, slots=True)
class ReceivedReply:
    """The response to a command. Its MAC may be invalid."""

    response: Message
    octets: bytes
    cache_status: str | None
    """Cache-Status of RFC 9211, or None if no cache sent one, as on MQTT 3.1.1."""
    seconds: float
    """Time between command and reply."""


class Requester:
    """Sends commands under a topic prefix and waits for the responses, in the time of `clock`."""

    def __init__(self, prefix: str, keystore: Keystore, clock: Clock | None = None) -> None:
        self._prefix = prefix
        self._keystore = keystore
        self._clock = clock or SystemClock()
        self._waiting: dict[Transaction, asyncio.Future[tuple[Message, bytes, str | None]]] = {}
        self._transport: Transport | None = None
        self.dropped: Counter[str] = Counter()
        """Received messages that were not the reply to a command in flight, by reason."""

    @asynccontextmanager
    async def connected(self, broker: Broker, recipients: Iterable[EUI]) -> AsyncIterator[None]:
        """Receive responses to `recipients` within the context.

        Raises `TransportError` if there is no broker.
        """
        subscriptions = {
            response_topic(self._prefix, "+", recipient): self._receive for recipient in recipients
        }
        async with connect(
            broker, client_id="party", subscriptions=subscriptions, on_dropped=self._drop
        ) as transport:
            self._transport = transport
            yield

    async def request(self, command: Command, octets: bytes, timeout: float) -> ReceivedReply:  # noqa: ASYNC109  # by its own clock
        """Send a command and return the response to it.

        Raises `NoReplyError` after `timeout` seconds, `NobodyListensError` at once if the broker
        reports no subscriber of the command's topic, and `TransportError`.
        """
        if self._transport is None:
            raise RuntimeError("not connected: call request() inside `async with connected(…)`")
        transaction = transaction_of(command)
        future = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._waiting[transaction] = future
        sent = self._clock.now()
        expiry = asyncio.create_task(self._expire(future, transaction, timeout))
        try:
            topic = command_topic(self._prefix, command.device)
            self._transport.post(topic, octets, partial(self._sent, future, topic))
            response, reply, status = await future
        finally:
            expiry.cancel()
            self._waiting.pop(transaction, None)
        return ReceivedReply(response, reply, status, self._clock.now() - sent)

    def _sent(self, future: asyncio.Future[Any], topic: str, outcome: Outcome) -> None:
        """Fail a request whose command reaches nobody."""
        if future.done() or outcome is True:
            return
        if isinstance(outcome, TransportError):
            future.set_exception(outcome)
            return
        peer = "cache" if self._prefix == CACHED else "fleet with this meter"
        future.set_exception(
            NobodyListensError(
                f"nobody subscribes to {topic}: is a {peer} connected to this broker?"
            )
        )

    def give_up(self, command: Command, error: NoReplyError) -> None:
        """Fail the request of `command` with `error`, if it is still in flight."""
        future = self._waiting.get(transaction_of(command))
        if future is not None and not future.done():
            future.set_exception(error)

    async def _expire(
        self, future: asyncio.Future[Any], transaction: Transaction, seconds: float
    ) -> None:
        await self._clock.sleep(seconds)
        if not future.done():
            future.set_exception(NoReplyError(self._no_reply(transaction, seconds)))

    def _no_reply(self, transaction: Transaction, seconds: float) -> str:
        late = f"{transaction.device} did not reply within {seconds:g} s"
        if self._transport is not None and not self._transport.is_connected:
            return f"{late}, since the connection to the broker is lost: is the broker running?"
        text = f"{late}: is it in the fleet, with this seed or keystore"
        if self._prefix == CACHED:
            text += f", and is {transaction.party} entitled by the registry of the cache"
        return f"{text}?"

    def _drop(self, _: str, reason: Drop) -> None:
        self.dropped[reason] += 1

    def _receive(self, topic: str, octets: bytes, properties: Mapping[str, str]) -> None:
        if device_of(topic) is None:
            self.dropped[BAD_TOPIC] += 1
            return
        try:
            message = open_message(octets, self._keystore)
        except DecodeError:
            self.dropped["malformed"] += 1
            return
        future = self._waiting.get(transaction_of(message))
        if future is None or future.done() or not isinstance(message, Response):
            self.dropped["unexpected"] += 1
            return
        # Not earlier: anybody can publish, and reading content is most of the work.
        message = read_content(message, self._keystore)
        future.set_result((message, octets, properties.get(CACHE_STATUS)))
