"""The transport over MQTT: stays connected, publishes at least once, and counts.

Its connections are those of `mqtt_v5`, or of `mqtt_v311` for a broker that does not speak MQTT 5.
"""

import asyncio
import secrets
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from random import Random

from esme_emulator.runtime.complaints import Complaints, Outages
from esme_emulator.transport import mqtt_v5
from esme_emulator.transport.base import (
    LOGGER,
    Done,
    Drop,
    Handler,
    OnDropped,
    Outcome,
    RefusedError,
    TransportCounters,
    TransportError,
    check_topic,
    frozen_properties,
    report_outcome,
)
from esme_emulator.transport.connection import (
    ENDED_BY_US,
    RECEIVE_MAXIMUM_EXCEEDED,
    BrokerAddress,
    Connection,
    ConnectionFailedError,
    Message,
    Session,
    blames_a_message,
)
from esme_emulator.transport.topic import Subscriptions

WINDOW = 20
"""Maximum number of unacknowledged messages in flight: the default limit of mosquitto."""
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
        self._session = Session(address, unique_id, self._subscriptions.filters, tls)
        self._give_up_after = give_up_after
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self._connected_at = 0.0
        self._away_until = 0.0
        """When a cut ends, by the clock of the event loop."""
        self._mqtt5 = False
        self._window = WINDOW
        self._outstanding: dict[Message, None] = {}
        """Messages that are being published, in their order, which is also that of deadlines."""
        self._waiting: deque[Message] = deque()
        """Those of them that this connection has yet to send, and some that are over."""
        self._sweep: asyncio.TimerHandle | None = None
        self._waits = backoff(random)
        self._reconnecting: asyncio.Task[None] | None = None
        self._early: list[Callable[[], None]] | None = []
        self._is_closed = False

    # The interface of transports

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    @property
    def carries_properties(self) -> bool:
        return self._mqtt5

    async def publish(
        self, topic: str, payload: bytes, user_properties: Mapping[str, str] | None = None
    ) -> bool:
        result: asyncio.Future[Outcome] = self._loop.create_future()
        message = self._accept(topic, payload, partial(_resolve, result), user_properties)
        try:
            outcome = await result
        except asyncio.CancelledError:
            self._outstanding.pop(message, None)
            raise
        if isinstance(outcome, TransportError):
            raise outcome
        return outcome

    def post(
        self,
        topic: str,
        payload: bytes,
        done: Done,
        user_properties: Mapping[str, str] | None = None,
    ) -> None:
        self._accept(topic, payload, done, user_properties)

    def cut(self, seconds: float) -> None:
        self._away_until = self._loop.time() + seconds
        if self._connection is not None:
            self.ended(self._connection, ConnectionFailedError("cut on request", code=ENDED_BY_US))

    # Publishing

    def _accept(
        self,
        topic: str,
        payload: bytes,
        done: Done,
        user_properties: Mapping[str, str] | None,
    ) -> Message:
        check_topic(topic)
        carried = frozen_properties(user_properties)
        deadline = self._loop.time() + self._give_up_after
        message = Message(topic, payload, carried, done, deadline)
        self._outstanding[message] = None
        if self._is_closed:
            self._loop.call_soon(self._abandon, message, "the transport is closed")
            return message
        if self._sweep is None:
            self._sweep = self._loop.call_at(deadline, self._give_up_late)
        if self._connection is not None:
            self._waiting.append(message)
            self._send_waiting()
        return message

    def _send_waiting(self) -> None:
        """Send messages in their order, while the connection has room for them."""
        connection, waiting = self._connection, self._waiting
        while waiting and connection is not None and connection.has_room:
            message = waiting.popleft()
            if message not in self._outstanding:
                continue  # given up or cancelled
            self.counters.resent += message.connection is not None
            message.connection = connection
            try:
                connection.send(message)
            except RefusedError as error:
                self._loop.call_soon(self._settle, message, error)

    def _settle(self, message: Message, outcome: bool | RefusedError) -> None:
        """Count a message that the broker has or refuses, unless it was given up."""
        if message not in self._outstanding:
            return
        if isinstance(outcome, RefusedError):
            self._refuse(message, str(outcome), outcome.kind)
        else:
            self.counters.published += 1
            self.counters.unheard += not outcome
            self._finish(message, outcome)

    def _refuse(self, message: Message, reason: str, kind: str) -> None:
        self.counters.refused += 1
        text = f"cannot publish to {message.topic}: {reason}"
        self._finish(message, RefusedError(text, kind))

    def _abandon(self, message: Message, reason: str) -> None:
        self.counters.abandoned += 1
        self._finish(message, TransportError(f"cannot publish to {message.topic}: {reason}"))

    def _finish(self, message: Message, outcome: Outcome) -> None:
        self._outstanding.pop(message, None)
        report_outcome(message.done, outcome, message.topic, self._complaints)

    def _give_up_late(self) -> None:
        """Give up the messages whose time is over, and come back for the next one."""
        self._sweep = None
        now = self._loop.time()
        what = "acknowledged it" if self._connection else "came back"
        late = f"no broker at {self._address} {what} within {self._give_up_after:g} s"
        for message in list(self._outstanding):
            if message.deadline > now:
                self._sweep = self._loop.call_at(message.deadline, self._give_up_late)
                break
            self._abandon(message, late)

    # What connections tell

    def acknowledged(self, message: Message, outcome: bool | RefusedError) -> None:
        self._settle(message, outcome)
        self._send_waiting()

    def receive(self, topic: str, payload: bytes, user_properties: Mapping[str, str]) -> None:
        if self._early is None and not self._is_closed:
            self._subscriptions.deliver(topic, payload, user_properties)
        else:
            self._keep(partial(self._subscriptions.deliver, topic, payload, user_properties))

    def drop(self, topic: str, reason: Drop) -> None:
        self._keep(partial(self._subscriptions.drop, topic, reason))

    def ended(self, connection: Connection, error: ConnectionFailedError) -> None:
        if connection is not self._connection:
            return
        self._connection = None
        self._blame(connection, error)
        if error.code == RECEIVE_MAXIMUM_EXCEEDED:
            # Some brokers do not state their Receive Maximum in CONNACK.
            self._window = max(1, self._window // 2)
        self._waiting.clear()
        self._outages.lost(str(error), self._loop.time())
        self._reconnecting = self._loop.create_task(self._reconnect(connection))

    def _blame(self, lost: Connection, error: ConnectionFailedError) -> None:
        """Add a strike to the message over which the broker may have ended the connection.

        Brokers handle messages in order, so it is the oldest unacknowledged one. The others in
        flight did not cause it.
        """
        if not blames_a_message(error.code):
            return
        oldest = next((each for each in self._outstanding if each.connection is lost), None)
        if oldest is None:
            return
        oldest.strikes += 1
        if oldest.strikes >= STRIKES:
            reason = (
                f"the broker ended the connection each of {STRIKES} times that it was sent this "
                f"message of {len(oldest.payload)} octets"
            )
            self._refuse(oldest, reason, "connection ended")

    def _keep(self, deliver: Callable[[], None]) -> None:
        if self._early is not None:
            self._early.append(deliver)
        elif not self._is_closed:
            deliver()

    def _begin(self) -> None:
        """Deliver the messages that arrived before the body of the `async with` ran."""
        early, self._early = self._early or [], None
        for deliver in early:
            self._keep(deliver)

    # Connecting

    async def open(self, seconds: float) -> None:
        """Connect and subscribe, trying for `seconds`."""
        deadline = self._loop.time() + seconds
        for wait in backoff(self._random):
            try:
                self._attach(await self._connect())
                break
            except ConnectionFailedError as error:
                if error.hopeless or self._loop.time() + wait >= deadline:
                    raise TransportError(self._explain(error)) from None
            await asyncio.sleep(wait)
        self._loop.call_soon(self._begin)

    async def close(self) -> None:
        """Disconnect, and give up unacknowledged messages."""
        self._is_closed = True
        connection, self._connection = self._connection, None
        if self._sweep is not None:
            self._sweep.cancel()
        for message in list(self._outstanding):
            self._abandon(message, "the transport is closed")
        if connection is not None:
            await connection.close()
        elif self._reconnecting is not None:
            self._outages.given_up()
            self._reconnecting.cancel()
            await asyncio.wait([self._reconnecting])

    async def _connect(self) -> Connection:
        """Try once to connect, with MQTT 5 or else with 3.1.1, and subscribe.

        Every connection begins without a session, so messages published before do not arrive.
        """
        try:
            return await mqtt_v5.connect(self._session, self, self._window)
        except mqtt_v5.NotMqtt5Error:
            # Only here, since importing aiomqtt takes 50 ms, and few brokers need it.
            from esme_emulator.transport import mqtt_v311

            return await mqtt_v311.connect(self._session, self, self._window)

    async def _reconnect(self, lost: Connection) -> None:
        """Try to connect until it succeeds."""
        if self._loop.time() - self._connected_at > LONGEST:
            # Start over only if the connection held. Otherwise the broker accepts and drops us.
            self._waits = backoff(self._random)
        await lost.close()
        for wait in self._waits:
            await asyncio.sleep(max(wait, self._away_until - self._loop.time()))
            if self._loop.time() < self._away_until:
                continue  # cut once more
            try:
                connection = await self._connect()
            except ConnectionFailedError as error:
                self._outages.failed(self._explain(error))
            else:
                break
        self.counters.reconnections += 1
        self._outages.back(self._loop.time())
        self._attach(connection)

    def _attach(self, connection: Connection) -> None:
        self._connection, self._mqtt5 = connection, connection.mqtt5
        self._connected_at = self._loop.time()
        self._waiting.extend(self._outstanding)
        if connection.qos == 0:
            self._complaints.warn(
                "qos", "the broker allows only QoS 0: lost messages are not sent again"
            )
        self._send_waiting()

    def _explain(self, error: ConnectionFailedError) -> str:
        if error.hopeless:
            return f"cannot use the MQTT broker at {self._address}: {error}"
        return f"no MQTT broker at {self._address} ({error}): start one, or name another"


def _resolve(result: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not result.done():
        result.set_result(outcome)


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
