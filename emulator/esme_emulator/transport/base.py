"""What every transport promises: opaque octets published to topics, handed to plain callbacks.

Knows the words of MQTT (topic, filter, user property) and nothing of any broker, of a network or
of what the octets mean.

A transport delivers at least once. In its `async with`, `publish` returns when the broker has the
message. A handler runs in the event loop, must return at once (it may start tasks), and is never
called before the body of the `async with` has reached its first `await`, nor after it is left.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from esme_emulator.runtime.errors import UserError
from esme_emulator.transport.topic import MAX_TEXT

Handler = Callable[[str, bytes, Mapping[str, str]], None]
"""Takes the topic, the payload and the user properties of one message."""


class Drop(StrEnum):
    """Why a message that arrived is not given to its handler."""

    RETAINED = "retained"
    """The broker had kept it, so it is from the past and would come again at every connect."""
    TOO_LONG = "too-long"
    """It is longer than any message that we take."""


OnDropped = Callable[[str, Drop], None]
"""Takes the topic of a message that was dropped, and why. Runs as a handler does."""

NO_PROPERTIES: Mapping[str, str] = MappingProxyType({})
"""What a message without user properties carries; MQTT 3.1.1 has none."""


def frozen_properties(user_properties: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return user properties that nobody changes any more.

    Raises `ValueError` where a name or a value has no UTF-8 form of at most 65,535 octets.
    """
    if not user_properties:
        return NO_PROPERTIES
    for text in (*user_properties, *user_properties.values()):
        if len(text.encode()) > MAX_TEXT:
            raise ValueError(
                f"a user property of {len(text.encode())} octets; {MAX_TEXT} are allowed"
            )
    return MappingProxyType(dict(user_properties))


class TransportError(UserError):
    """A message or a connection that a broker did not take; the text is one line for the user."""

    kind = "unacknowledged"
    """What is alike about errors whose texts differ, to log each kind once."""


class RefusedError(TransportError):
    """A message that the broker does not take, however often it is sent."""

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(slots=True)
class TransportCounters:
    """What one transport did, in messages except for `reconnections`; each only ever grows."""

    published: int = 0
    """Taken by the broker."""
    unheard: int = 0
    """Taken by the broker, which says that nobody subscribes to the topic."""
    refused: int = 0
    """Not taken by the broker: too long for it, or not allowed."""
    received: int = 0
    """Arrived from the broker and given to a handler."""
    retained: int = 0
    """Arrived, but the broker had kept them from the past: dropped."""
    too_long: int = 0
    """Arrived, but longer than any message that we take: dropped."""
    reconnections: int = 0
    """Connections made after the first one was lost."""
    resent: int = 0
    """Sent once more because a connection was lost before the acknowledgement."""
    abandoned: int = 0
    """Given up: out of time, or unacknowledged when the transport closed."""
    unhandled: int = 0
    """Arrived on a topic that no subscription of this transport matches."""
    failed: int = 0
    """Arrived and lost, because the handler raised."""


class Transport(Protocol):
    """A connection to a broker; see `connect`."""

    @property
    def counters(self) -> TransportCounters:
        """What this transport did so far."""

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to the broker at this moment."""

    @property
    def carries_properties(self) -> bool:
        """Whether user properties go with messages; on MQTT 3.1.1 they do not."""

    async def publish(
        self, topic: str, payload: bytes, user_properties: Mapping[str, str] | None = None
    ) -> bool:
        """Publish `payload` with QoS 1 and return when the broker has acknowledged it.

        Returns False if the broker says that nobody subscribes to `topic`; it need not say so, and
        on MQTT 3.1.1 it cannot. A lost connection is waited for and the message sent again. A
        broker that takes QoS 0 alone acknowledges nothing: the call returns when the message is
        sent. Cancelling the call gives no certainty whether the message goes out. User properties
        are left out on MQTT 3.1.1.

        Raises `RefusedError` at once if the broker does not take the message, `TransportError` if
        it does not acknowledge the message in time or the transport closes, `ValueError` if topic
        or user properties are invalid. On MQTT 3.1.1 a broker may acknowledge what it refuses.
        """
