"""The transport over MQTT: one connection, and another one when it is lost.

Knows how to stay connected, to publish at least once and to count; of MQTT and of aiomqtt no more
than `emulator.transport.connection` offers.
"""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from random import Random

from emulator.transport.address import BrokerAddress
from emulator.transport.backoff import backoff
from emulator.transport.base import Handler, TransportCounters, TransportError, frozen_properties
from emulator.transport.connection import (
    WINDOW,
    Connection,
    Connector,
    MqttError,
    TlsSocket,
    explain,
    is_hopeless,
)
from emulator.transport.subscriptions import Complaints, Subscriptions, logger
from emulator.transport.topic import check_topic


class _MqttTransport:
    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        handlers: Mapping[str, Handler],
        *,
        give_up_after: float,
        random: Random,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.counters = TransportCounters()
        self._address = address
        self._complaints = Complaints(f"{client_id} at {address}")
        self._subscriptions = Subscriptions(handlers, self.counters, self._complaints)
        unique_id = f"{client_id}-{secrets.token_hex(4)}"
        filters = self._subscriptions.filters
        self._connector = Connector(address, unique_id, filters, self._receive, tls)
        self._give_up_after = give_up_after
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self._mqtt5 = False
        self._until_lost: dict[asyncio.Timeout, None] = {}
        self._turns: list[tuple[int, asyncio.Future[None]]] = []
        self._tickets = count()
        self._window = asyncio.Semaphore(WINDOW)
        self._early: list[tuple[str, bytes, Mapping[str, str]]] | None = []
        self._closed = False

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    @property
    def carries_properties(self) -> bool:
        return self._mqtt5

    async def open(self, patience: float) -> None:
        """Connect and subscribe, trying for `patience` seconds."""
        deadline = self._loop.time() + patience
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
        """Disconnect; whatever is unacknowledged is given up."""
        self._closed = True
        connection = self._connection
        self._keeping.cancel()
        self._detach()
        if connection is not None:
            await connection.close()
        await asyncio.wait([self._keeping])

    async def publish(
        self, topic: str, payload: bytes, user_properties: Mapping[str, str] | None = None
    ) -> None:
        check_topic(topic)
        carried = frozen_properties(user_properties)
        deadline = self._loop.time() + self._give_up_after
        ticket = next(self._tickets)
        sent = False
        async with self._window:
            while not self._closed:
                try:
                    async with self._limited(deadline):
                        connection = await self._turn(ticket)
                        self.counters.resent += sent
                        sent = True
                        await connection.publish(topic, payload, carried)
                    self.counters.published += 1
                    return
                except TimeoutError:
                    if not self._closed and self._loop.time() >= deadline:
                        what = "acknowledged it" if self._connection else "came back"
                        late = f"{what} within {self._give_up_after:g} s"
                        raise self._abandon(topic, f"no broker at {self._address} {late}") from None
                except MqttError as error:
                    self._lose(error)
                except ValueError as error:
                    raise self._abandon(topic, str(error)) from None
        raise self._abandon(topic, "the transport is closed")

    def _abandon(self, topic: str, reason: str) -> TransportError:
        self.counters.abandoned += 1
        return TransportError(f"cannot publish to {topic}: {reason}")

    async def _turn(self, ticket: int) -> Connection:
        """Wait for a connection; the lowest ticket goes on first, so that order is kept."""
        while (connection := self._connection) is None:
            turn = self._loop.create_future()
            self._turns.append((ticket, turn))
            await turn
        return connection

    @asynccontextmanager
    async def _limited(self, deadline: float | None = None) -> AsyncIterator[None]:
        """Raise `TimeoutError` in the body when the connection is lost, or at the deadline."""
        async with asyncio.timeout_at(deadline) as limit:
            self._until_lost[limit] = None
            try:
                yield
            finally:
                self._until_lost.pop(limit, None)

    async def _keep(self, connection: Connection) -> None:
        """Wait until the connection is lost, and make another one, for ever."""
        while True:
            try:
                async with self._limited():
                    if self._connection is connection:
                        await connection.lost()
            except MqttError as error:
                self._lose(error)
            except TimeoutError:
                pass  # a publish noticed it first
            await connection.close()
            connection = await self._reconnect()
            self._attach(connection)
            self.counters.reconnections += 1
            logger.info("%s: connected again to %s", self._connector.client_id, self._address)

    async def _reconnect(self) -> Connection:
        waits = backoff(self._random)
        while True:
            await asyncio.sleep(next(waits))
            try:
                return await self._connector.connect()
            except MqttError as error:
                text = self._explain(error)
                self._complaints.warn(text, text)

    def _attach(self, connection: Connection) -> None:
        self._connection, self._mqtt5 = connection, connection.mqtt5
        turns, self._turns = self._turns, []
        for _, turn in sorted(turns):
            if not turn.done():
                turn.set_result(None)

    def _lose(self, error: MqttError) -> None:
        if self._connection is not None:
            self._detach()
            self._connector.learn(error)
            reason = explain(error)
            self._complaints.warn(f"lost: {reason}", f"connection lost ({reason}), reconnecting")

    def _detach(self) -> None:
        self._connection = None
        limits, self._until_lost = self._until_lost, {}
        for limit in limits:
            if not limit.expired():
                limit.reschedule(self._loop.time())

    def _receive(self, topic: str, payload: bytes, user_properties: Mapping[str, str]) -> None:
        if self._early is not None:
            self._early.append((topic, payload, user_properties))
        elif not self._closed:
            self._subscriptions.deliver(topic, payload, user_properties)

    def _begin(self) -> None:
        """Deliver what arrived before the body of the `async with` ran."""
        early, self._early = self._early or [], None
        for message in early:
            self._receive(*message)

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
    start_timeout: float,
    give_up_after: float,
    random: Random,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[_MqttTransport]:
    """Connect to the broker at `url`; see `emulator.transport.connect`."""
    address = BrokerAddress.parse(url)
    if address.tls:
        tls = tls or ssl.create_default_context()
        tls.sslsocket_class = TlsSocket
    transport = _MqttTransport(
        address,
        client_id,
        handlers,
        give_up_after=give_up_after,
        random=random,
        tls=tls if address.tls else None,
    )
    await transport.open(start_timeout)
    try:
        yield transport
    finally:
        await transport.close()
