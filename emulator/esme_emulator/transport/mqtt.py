"""The transport over MQTT: stays connected, publishes at least once, and counts.

Knows MQTT and aiomqtt only through `esme_emulator.transport.connection`.
"""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from random import Random

from esme_emulator.runtime.complaints import Complaints, Outages
from esme_emulator.transport.address import BrokerAddress
from esme_emulator.transport.base import (
    LOGGER,
    Drop,
    Handler,
    OnDropped,
    RefusedError,
    TransportCounters,
    TransportError,
    frozen_properties,
)
from esme_emulator.transport.connection import (
    WINDOW,
    Connection,
    Connector,
    MqttError,
    TlsSocket,
    code_of,
    explain,
    is_hopeless,
)
from esme_emulator.transport.limits import blames_a_message
from esme_emulator.transport.subscriptions import Subscriptions
from esme_emulator.transport.topic import check_topic

STRIKES = 3
"""Connections in a row that a broker may end over one message, before the message is given up."""
SHORTEST = 0.1
"""Shortest wait before another attempt to connect, in seconds."""
LONGEST = 5.0
"""Longest wait before another attempt to connect, in seconds."""


def backoff(random: Random) -> Iterator[float]:
    """Yield the seconds to wait before each attempt to connect, without end.

    The bound doubles from `SHORTEST` to `LONGEST`; each wait is drawn from its upper half, so that
    many clients that lose one broker do not come back all at once.
    """
    bound = 2 * SHORTEST
    while True:
        yield random.uniform(bound / 2, bound)
        bound = min(2 * bound, LONGEST)


@dataclass(slots=True, eq=False)
class _Sending:
    """A message that is being published."""

    connection: Connection | None = None
    """The connection over which it was sent last."""
    strikes: int = 0
    """Connections that ended while it was the oldest message in flight."""


class _MqttTransport:
    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        handlers: Mapping[str, Handler],
        *,
        on_dropped: OnDropped | None,
        outages: Outages | None,
        give_up_after: float,
        random: Random,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.counters = TransportCounters()
        self._address = address
        name = f"{client_id} at {address}"
        self._outages = outages or Outages(name, LOGGER)
        self._complaints = Complaints(LOGGER, name)
        self._subscriptions = Subscriptions(handlers, self.counters, self._complaints, on_dropped)
        unique_id = f"{client_id}-{secrets.token_hex(4)}"
        filters = self._subscriptions.filters
        self._connector = Connector(address, unique_id, filters, self._receive, self._drop, tls)
        self._give_up_after = give_up_after
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self._mqtt5 = False
        self._until_lost: dict[asyncio.Timeout, None] = {}
        self._turns: list[tuple[int, asyncio.Future[None]]] = []
        self._tickets = count()
        self._window = asyncio.Semaphore(WINDOW)
        self._sending: dict[int, _Sending] = {}
        """Messages that are being published, by ticket."""
        self._early: list[Callable[[], None]] | None = []
        self._closed = False

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    @property
    def carries_properties(self) -> bool:
        return self._mqtt5

    async def open(self, seconds: float) -> None:
        """Connect and subscribe, trying for `seconds`."""
        deadline = self._loop.time() + seconds
        for wait in backoff(self._random):
            try:
                connection = await self._connector.connect()
                break
            except MqttError as error:
                if is_hopeless(error) or self._loop.time() + wait >= deadline:
                    raise TransportError(self._explain(error)) from None
            await asyncio.sleep(wait)
        self._attach(connection)
        self._keeping = self._loop.create_task(self._keep(connection))
        self._loop.call_soon(self._begin)

    async def close(self) -> None:
        """Disconnect, and give up unacknowledged messages."""
        self._closed = True
        connection = self._connection
        self._keeping.cancel()
        self._detach()
        if connection is not None:
            await connection.close()
        else:
            self._outages.given_up()
        await asyncio.wait([self._keeping])

    async def publish(
        self, topic: str, payload: bytes, user_properties: Mapping[str, str] | None = None
    ) -> bool:
        check_topic(topic)
        carried = frozen_properties(user_properties)
        deadline = self._loop.time() + self._give_up_after
        ticket = next(self._tickets)
        async with self._window:
            sending = self._sending[ticket] = _Sending()
            try:
                while not self._closed and sending.strikes < STRIKES:
                    try:
                        async with self._limited(deadline):
                            connection = await self._turn(ticket)
                            self.counters.resent += sending.connection is not None
                            sending.connection = connection
                            heard = await connection.publish(topic, payload, carried)
                        self.counters.published += 1
                        self.counters.unheard += not heard
                        return heard
                    except TimeoutError:
                        if not self._closed and self._loop.time() >= deadline:
                            raise self._late(topic) from None
                    except MqttError as error:
                        self._lose(error)
                    except RefusedError as error:
                        raise self._refused(topic, str(error), error.kind) from None
            finally:
                del self._sending[ticket]
        if self._closed:
            raise self._abandon(topic, "the transport is closed")
        raise self._refused(
            topic,
            f"the broker ended the connection each of {STRIKES} times that it was sent this "
            f"message of {len(payload)} octets",
            "connection ended",
        )

    def _late(self, topic: str) -> TransportError:
        what = "acknowledged it" if self._connection else "came back"
        late = f"{what} within {self._give_up_after:g} s"
        return self._abandon(topic, f"no broker at {self._address} {late}")

    def _abandon(self, topic: str, reason: str) -> TransportError:
        self.counters.abandoned += 1
        return TransportError(f"cannot publish to {topic}: {reason}")

    def _refused(self, topic: str, reason: str, kind: str) -> RefusedError:
        self.counters.refused += 1
        return RefusedError(f"cannot publish to {topic}: {reason}", kind)

    async def _turn(self, ticket: int) -> Connection:
        """Wait for a connection; the lowest ticket goes on first, so that order is kept."""
        while (connection := self._connection) is None:
            turn = self._loop.create_future()
            self._turns.append((ticket, turn))
            await turn
        return connection

    @asynccontextmanager
    async def _limited(self, deadline: float | None = None) -> AsyncIterator[None]:
        """Raise `TimeoutError` in the body if the connection is lost, or at the deadline."""
        async with asyncio.timeout_at(deadline) as limit:
            self._until_lost[limit] = None
            try:
                yield
            finally:
                self._until_lost.pop(limit, None)

    async def _keep(self, connection: Connection) -> None:
        """Reconnect whenever the connection is lost, until cancelled."""
        waits = backoff(self._random)
        while True:
            began = self._loop.time()
            try:
                async with self._limited():
                    if self._connection is connection:
                        await connection.lost()
            except MqttError as error:
                self._lose(error)
            except TimeoutError:
                pass  # a publish noticed the loss first
            if self._loop.time() - began > LONGEST:
                # Start over only if the connection held. Otherwise the broker accepts and drops us.
                waits = backoff(self._random)
            await connection.close()
            connection = await self._reconnect(waits)
            self._attach(connection)
            self.counters.reconnections += 1
            self._outages.back(self._loop.time())

    async def _reconnect(self, waits: Iterator[float]) -> Connection:
        """Try to connect until it succeeds."""
        while True:
            await asyncio.sleep(next(waits))
            try:
                return await self._connector.connect()
            except MqttError as error:
                self._outages.failed(self._explain(error))

    def _attach(self, connection: Connection) -> None:
        self._connection, self._mqtt5 = connection, connection.mqtt5
        if connection.qos == 0:
            self._complaints.warn(
                "qos", "the broker allows only QoS 0: lost messages are not sent again"
            )
        turns, self._turns = self._turns, []
        for _, turn in sorted(turns):
            if not turn.done():
                turn.set_result(None)

    def _lose(self, error: MqttError) -> None:
        if self._connection is not None:
            self._blame(self._connection, error)
            self._detach()
            self._connector.learn(error)
            self._outages.lost(explain(error), self._loop.time())

    def _blame(self, lost: Connection, error: MqttError) -> None:
        """Add a strike to the message over which the broker may have ended the connection.

        Brokers handle messages in order, so it is the oldest unacknowledged one. The others in
        flight did not cause it.
        """
        if blames_a_message(code_of(error)):
            for _, sending in sorted(self._sending.items()):
                if sending.connection is lost:
                    sending.strikes += 1
                    break

    def _detach(self) -> None:
        self._connection = None
        limits, self._until_lost = self._until_lost, {}
        for limit in limits:
            if not limit.expired():
                limit.reschedule(self._loop.time())

    def _receive(self, topic: str, payload: bytes, user_properties: Mapping[str, str]) -> None:
        self._take(partial(self._subscriptions.deliver, topic, payload, user_properties))

    def _drop(self, topic: str, reason: Drop) -> None:
        self._take(partial(self._subscriptions.drop, topic, reason))

    def _take(self, deliver: Callable[[], None]) -> None:
        if self._early is not None:
            self._early.append(deliver)
        elif not self._closed:
            deliver()

    def _begin(self) -> None:
        """Deliver the messages that arrived before the body of the `async with` ran."""
        early, self._early = self._early or [], None
        for deliver in early:
            self._take(deliver)

    def _explain(self, error: MqttError) -> str:
        if is_hopeless(error):
            return f"cannot use the MQTT broker at {self._address}: {explain(error)}"
        return f"no MQTT broker at {self._address} ({explain(error)}): start one, or name another"


@asynccontextmanager
async def connect_mqtt(
    url: str,
    client_id: str,
    handlers: Mapping[str, Handler],
    *,
    on_dropped: OnDropped | None = None,
    outages: Outages | None = None,
    start_timeout: float,
    give_up_after: float,
    random: Random,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[_MqttTransport]:
    """Connect to the broker at `url`; see `esme_emulator.transport.connect`."""
    address = BrokerAddress.parse(url)
    if address.tls:
        tls = tls or ssl.create_default_context()
        tls.sslsocket_class = TlsSocket
    transport = _MqttTransport(
        address,
        client_id,
        handlers,
        on_dropped=on_dropped,
        outages=outages,
        give_up_after=give_up_after,
        random=random,
        tls=tls if address.tls else None,
    )
    await transport.open(start_timeout)
    try:
        yield transport
    finally:
        await transport.close()
