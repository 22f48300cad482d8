"""What the connections of both versions of MQTT share: the broker's address, limits and errors.

Knows the numbers of MQTT and no MQTT library. `mqtt_v5` and `mqtt_v311` make the connections, and
`mqtt` owns them. Source: OASIS MQTT 5.0, sections 2.4 (reason codes), 3.2.2.3 (properties of
CONNACK) and 3.3 (PUBLISH).
"""

import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote, urlsplit

from esme_emulator.runtime.errors import MisuseError
from esme_emulator.runtime.urls import without_credentials
from esme_emulator.transport.base import RESPONSE_TOPIC, Done, Drop, RefusedError, TransportError
from esme_emulator.transport.topic import TopicFilter

BATCH = 1000
"""Most topic filters in one SUBSCRIBE packet."""
ATTEMPT = 5.0
"""Timeout for an answer of the broker, in seconds."""
GOODBYE = 0.2
"""Timeout for a disconnect, in seconds."""
KEEPALIVE = 20
"""Keep-alive interval, in seconds. A broker that vanished is noticed within twice that."""

LONGEST_PACKET = 0xFFF_FFFF + 5
"""Longest packet of MQTT, in octets: the longest body and its fixed header."""

NO_SUBSCRIBERS = 0x10
"""PUBACK: the broker took the message, but nobody subscribes to its topic."""
FAILURE = 0x80
"""Codes from this one on are failures; 0x80 itself is an unspecified error."""
ENDED_BY_US = 0x00
"""Code of connections that we ended, and of a normal disconnection."""
UNSUPPORTED_VERSION = 0x84
RECEIVE_MAXIMUM_EXCEEDED = 0x93

TRANSIENT = frozenset({0x88, 0x89, 0x97, 0x9F})
"""CONNACK: server unavailable, server busy, quota exceeded, connection rate exceeded."""

_NOT_ABOUT_A_MESSAGE = frozenset(
    {0x00, 0x88, 0x89, 0x8B, 0x8D, 0x8E, 0x93, 0x96, 0x98, 0x9C, 0x9D, 0xA0}
)
"""DISCONNECT: normal, unavailable, busy, shutting down, keep-alive timeout, session taken over,
receive maximum exceeded, rate too high, administrative action, use another server, server moved,
maximum connect time."""

CLOSED = "connection closed"
NOT_MQTT = "the answer is not MQTT"

_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


class BrokerUrlError(TransportError, MisuseError):
    """A text that is not the URL of a broker; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A broker on a network.

    >>> str(BrokerAddress.parse("mqtts://[::1]"))
    '[::1]:8883'
    """

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> "BrokerAddress":
        """Parse `mqtt://[user:password@]host[:port]`, or `mqtts://` for TLS.

        Raises `BrokerUrlError` for any other text.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
            if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == 0:
                raise ValueError
            if parts.path not in ("", "/") or parts.query or parts.fragment:
                raise ValueError
        except ValueError:
            raise BrokerUrlError(
                f"{without_credentials(url)!r} is not the URL of a broker: "
                "write mqtt://[user:password@]host[:port], or mqtts:// for TLS"
            ) from None
        return cls(
            host=parts.hostname,
            port=port or _DEFAULT_PORTS[parts.scheme],
            tls=parts.scheme == "mqtts",
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Session:
    """What all connections of a transport have in common. `filters` are its subscriptions."""

    address: BrokerAddress
    client_id: str
    filters: Sequence[TopicFilter]
    tls: ssl.SSLContext | None

    @property
    def batches(self) -> list[Sequence[TopicFilter]]:
        """The filters of each SUBSCRIBE packet."""
        return [self.filters[first : first + BATCH] for first in range(0, len(self.filters), BATCH)]


@dataclass(slots=True, eq=False)
class Message:
    """A message that is being published."""

    topic: str
    payload: bytes
    user_properties: Mapping[str, str]
    done: Done
    deadline: float
    """When it is given up, by the clock of the event loop."""
    connection: "Connection | None" = None
    """The connection over which it was sent last."""
    strikes: int = 0
    """Connections that ended while it was the oldest message in flight."""


class Connection(Protocol):
    """A connection with its subscriptions. It does not reconnect."""

    @property
    def mqtt5(self) -> bool:
        """Whether it speaks MQTT 5, and not 3.1.1."""

    @property
    def qos(self) -> int:
        """QoS of published messages: 1, or 0 if the broker allows no more."""

    @property
    def has_room(self) -> bool:
        """Whether fewer messages are in flight than broker and window allow."""

    def send(self, message: Message) -> None:
        """Send a message; its owner is told the outcome later.

        Raises `RefusedError` if the broker is known to refuse it.
        """

    async def close(self) -> None:
        """Disconnect if still connected, and release the socket. The owner is not told."""


class Owner(Protocol):
    """Who is told what happens on a connection. Its methods raise nothing and return at once."""

    def receive(self, topic: str, payload: bytes, user_properties: Mapping[str, str]) -> None:
        """Take a message of a subscription."""

    def drop(self, topic: str, reason: Drop) -> None:
        """Take notice of a message that nobody gets."""

    def acknowledged(self, message: Message, outcome: bool | RefusedError) -> None:
        """Take notice that the broker has the message, or refuses it."""

    def ended(self, connection: Connection, error: "ConnectionFailedError") -> None:
        """Take notice that the connection ended by itself."""


class ConnectionFailedError(Exception):
    """A connection that could not be made, or ended; the text says why in a few words."""

    def __init__(self, text: str, *, code: int = FAILURE, hopeless: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        """Reason code of MQTT 5, `FAILURE` if there is none."""
        self.hopeless = hopeless
        """Whether another attempt to connect would fail in the same way."""

    @classmethod
    def of(cls, error: BaseException) -> "ConnectionFailedError":
        """Return the error of a connection that failed below MQTT."""
        return cls(_explain(error), hopeless=isinstance(error, ssl.SSLCertVerificationError))

    @classmethod
    def refused_by(cls, code: int, text: str) -> "ConnectionFailedError":
        """Return the error of a connection that CONNACK refuses."""
        return cls(text, code=code, hopeless=code not in TRANSIENT)


def refused_subscription(route: TopicFilter, code: int, text: str) -> ConnectionFailedError:
    """Return the error of a subscription that the broker refuses; `text` is what `code` means."""
    why = "" if code == FAILURE else f" ({text})"
    return ConnectionFailedError(f"it refuses the subscription {route.text}{why}", hopeless=True)


def _explain(error: BaseException) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is invalid: {error.verify_message}"
        case socket.gaierror() | UnicodeError():
            return "no such host"
        case TimeoutError():
            return "no answer in time"
        case ssl.SSLError():
            return f"no TLS: {error.reason or error}"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case _:
            return NOT_MQTT


def blames_a_message(code: int) -> bool:
    """Return whether the broker may have ended a connection because of a message.

    A broker on MQTT 3.1.1 ends it without a reason, like a killed one: `FAILURE`.
    """
    return code not in _NOT_ABOUT_A_MESSAGE


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that a broker states in its CONNACK. The defaults are those of MQTT 5.

    A broker on MQTT 3.1.1 states none.
    """

    maximum_packet: int = LONGEST_PACKET
    """Longest packet, in octets."""
    maximum_qos: int = 2
    receive_maximum: int = 0xFFFF
    """Messages in flight."""
    wildcards: bool = True
    """Whether topic filters may have `+` or `#`."""
    shared: bool = True
    """Whether subscriptions may be shared."""

    def refusal(self, size: int) -> str | None:
        """Return why the broker refuses a PUBLISH of `size` octets, None if it accepts it."""
        if size <= self.maximum_packet:
            return None
        if self.maximum_packet == LONGEST_PACKET:
            return f"the message takes {size} octets, and MQTT carries at most {LONGEST_PACKET}"
        return (
            f"the message takes {size} octets, and the broker accepts {self.maximum_packet}: "
            "raise the broker's maximum packet size"
        )

    def refusal_of_filter(self, route: TopicFilter) -> str | None:
        """Return why the broker refuses a subscription, None if it grants it."""
        if route.group is not None and not self.shared:
            return "it has no shared subscriptions"
        if not self.wildcards and {"+", "#"} & set(route.levels):
            return "it has no wildcard subscriptions"
        return None


def publish_size(
    topic: str, payload: bytes, user_properties: Mapping[str, str], *, qos: int, mqtt5: bool
) -> int:
    """Return the length of a PUBLISH packet, in octets."""
    body = 2 + len(topic.encode()) + (2 if qos else 0) + len(payload)
    if mqtt5:
        properties = sum(
            (3 if name == RESPONSE_TOPIC else 5 + len(name.encode())) + len(value.encode())
            for name, value in user_properties.items()
        )
        body += _length_octets(properties) + properties
    return 1 + _length_octets(body) + body


def _length_octets(number: int) -> int:
    """Return the length of a Variable Byte Integer in octets of seven bits each."""
    return max(1, -(-number.bit_length() // 7))
