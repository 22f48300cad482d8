"""What brokers allow and say: limits of messages and subscriptions, and reason codes.

Pure: knows the numbers of MQTT and no MQTT library. Source: OASIS MQTT 5.0, sections 2.4 (reason
codes), 3.2.2.3 (properties of CONNACK) and 3.3 (PUBLISH).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from esme_emulator.transport.topic import TopicFilter

MAX_PACKET = 1 << 20
"""Longest packet that we accept, in octets. GBCS messages are far shorter."""

LONGEST_PACKET = 0xFFF_FFFF + 5
"""Longest packet of MQTT, in octets: the longest body and its fixed header."""

NO_SUBSCRIBERS = 0x10
"""PUBACK: the broker took the message, but nobody subscribes to its topic."""
FAILURE = 0x80
"""Codes from this one on are failures; 0x80 itself is an unspecified error."""
UNSUPPORTED_VERSION = 0x84
RECEIVE_MAXIMUM_EXCEEDED = 0x93

TRANSIENT = frozenset({0x88, 0x89, 0x97, 0x9F})
"""CONNACK: server unavailable, server busy, quota exceeded, connection rate exceeded."""

_NOT_ABOUT_A_MESSAGE = frozenset({0x88, 0x89, 0x8B, 0x8D, 0x8E, 0x93, 0x96, 0x98, 0x9C, 0x9D, 0xA0})
"""DISCONNECT: unavailable, busy, shutting down, keep-alive timeout, session taken over, receive
maximum exceeded, rate too high, administrative action, use another server, server moved, maximum
connect time."""


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
            5 + len(name.encode()) + len(value.encode()) for name, value in user_properties.items()
        )
        body += _length_octets(properties) + properties
    return 1 + _length_octets(body) + body


def _length_octets(number: int) -> int:
    """Return the length of a Variable Byte Integer in octets of seven bits each."""
    return max(1, -(-number.bit_length() // 7))
