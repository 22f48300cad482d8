"""The interface of every transport: octets are published to topics and passed to callbacks.

Knows the terms of MQTT (topic, filter, user property), and nothing of brokers, networks or the
meaning of the octets.

A transport delivers at least once. In its `async with`, `publish` returns when the broker has the
message. A handler runs in the event loop and must return at once; it may start tasks. It is never
called before the first `await` in the body of the `async with`, nor after the body.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from esme_emulator.runtime.complaints import Complaints
from esme_emulator.runtime.errors import UserError

LOGGER = logging.getLogger("esme_emulator.transport")

MAX_PACKET = 1 << 20
"""Longest packet that we accept, in octets. GBCS messages are far shorter."""

MAX_TEXT = 0xFFFF
"""Longest text that MQTT carries, a topic or a user property, in octets."""

Handler = Callable[[str, bytes, Mapping[str, str]], None]
"""Handles one message: its topic, payload and user properties."""

RESPONSE_TOPIC = "response-topic"
"""Name of the Response Topic among the user properties: where the publisher expects the answer.

In MQTT 5 it is a property of its own.
"""


class Drop(StrEnum):
    """Why a message that arrived is not passed to its handler."""

    RETAINED = "retained"
    """The broker retained it, so it is old and would arrive again with every connection."""
    TOO_LONG = "too-long"
    """It is longer than any message that we accept."""


OnDropped = Callable[[str, Drop], None]
"""Is called with the topic of a dropped message and the reason, like a handler."""

NO_PROPERTIES: Mapping[str, str] = MappingProxyType({})
"""The properties of a message without any; MQTT 3.1.1 has none."""


def check_topic(topic: str) -> None:
    """Raise `ValueError` if a message cannot be published to `topic`."""
    if not topic or "+" in topic or "#" in topic or "\0" in topic or topic[0] == "$":
        raise ValueError(f"{topic!r} is not a topic: it is empty, begins with $, or has + or #")
    if len(topic.encode()) > MAX_TEXT:
        raise ValueError(
            f"the topic has {len(topic.encode())} octets: at most {MAX_TEXT} are allowed"
        )


def frozen_properties(user_properties: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return an immutable copy of user properties.

    Raises `ValueError` if a name or a value takes more than 65,535 octets in UTF-8.
    """
    if not user_properties:
        return NO_PROPERTIES
    for text in (*user_properties, *user_properties.values()):
        if len(text.encode()) > MAX_TEXT:
            raise ValueError(
                f"a user property has {len(text.encode())} octets: at most {MAX_TEXT} are allowed"
            )
    return MappingProxyType(dict(user_properties))


class TransportError(UserError):
    """A message or a connection that failed; the text is one line for the user."""

    kind = "unacknowledged"
    """The kind of error, whatever its text. Each kind is logged once."""


class RefusedError(TransportError):
    """A message that the broker refuses, however often it is sent."""

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


Outcome = bool | TransportError
"""How a publish ended: False if the broker says that nobody subscribes, or why it failed."""

Done = Callable[[Outcome], None]
"""Is called once with the outcome of a posted message, like a handler."""


def report_outcome(done: Done, outcome: Outcome, topic: str, complaints: Complaints) -> None:
    """Call `done`. An exception is logged and not raised."""
    try:
        done(outcome)
    except Exception as error:
        text = f"what follows a message to {topic} failed"
        complaints.warn(f"done {type(error).__name__}", text, error=error)


@dataclass(slots=True)
class TransportCounters:
    """Counters of one transport, in messages except for `reconnections`."""

    published: int = 0
    """Acknowledged by the broker."""
    unheard: int = 0
    """Acknowledged by the broker, which says that nobody subscribes to the topic."""
    refused: int = 0
    """Refused by the broker: too long, or not allowed."""
    received: int = 0
    """Arrived and passed to a handler."""
    retained: int = 0
    """Arrived as retained messages: dropped."""
    too_long: int = 0
    """Arrived, but longer than any message that we accept: dropped."""
    reconnections: int = 0
    """Connections made after the first one was lost."""
    resent: int = 0
    """Sent again because the connection was lost before the acknowledgement."""
    abandoned: int = 0
    """Given up: timed out, or unacknowledged when the transport closed."""
    unhandled: int = 0
    """Arrived on a topic that matches no subscription."""
    failed: int = 0
    """Arrived, but the handler raised an exception."""


class Transport(Protocol):
    """A connection to a broker; see `connect`."""

    @property
    def counters(self) -> TransportCounters:
        """The counters of this transport."""

    @property
    def is_connected(self) -> bool:
        """Whether the broker is connected now."""

    @property
    def carries_properties(self) -> bool:
        """Whether messages carry user properties; on MQTT 3.1.1 they do not."""

    def cut(self, seconds: float) -> None:
        """End the connection, and make no other for `seconds` of real time.

        Messages that are published meanwhile wait, as if the broker were away. In memory, where
        nothing waits, they are given up at once.
        """

    async def publish(
        self, topic: str, payload: bytes, user_properties: Mapping[str, str] | None = None
    ) -> bool:
        """Publish `payload` with QoS 1 and return when the broker has acknowledged it.

        Returns False if the broker says that nobody subscribes to `topic`; it need not say so, and
        on MQTT 3.1.1 it cannot. If the connection is lost, waits for the next one and sends the
        message again. A broker that allows only QoS 0 acknowledges nothing: the call returns when
        the message is sent. After a cancelled call the message may or may not have been sent. User
        properties are left out on MQTT 3.1.1.

        Raises `RefusedError` at once if the broker refuses the message, `TransportError` if it
        does not acknowledge the message in time or the transport closes, `ValueError` if topic or
        does not acknowledge the message in time or the transport closes, `ValueError` if topic or
        user properties are invalid. On MQTT 3.1.1 a broker may acknowledge a message and drop it.
        """

    def post(
        self,
        topic: str,
        payload: bytes,
        done: Done,
        user_properties: Mapping[str, str] | None = None,
    ) -> None:
        """Publish like `publish`, without waiting: `done` is called later with the outcome.

        Needs no task. Messages are sent in the order of these calls and of those of `publish`.
        Raises `ValueError` if topic or user properties are invalid.
        """
