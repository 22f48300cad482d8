"""What a broker takes, and what we take: limits of messages and of subscriptions.

Pure: knows the numbers of MQTT and no MQTT library, so any engine can ask it. Source: OASIS
MQTT 5.0, sections 3.2.2.3 (properties of CONNACK) and 3.3 (PUBLISH).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from esme_emulator.transport.topic import TopicFilter

MAX_PACKET = 1 << 20
"""Octets of the longest packet that we take. GBCS messages are far shorter."""

LONGEST_PACKET = 0xFFF_FFFF + 5
"""Octets of the longest packet of MQTT: the longest body and its fixed header."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a broker takes, by its CONNACK. The defaults are those of MQTT 5.

    A broker on MQTT 3.1.1 tells none of this.
    """

    maximum_packet: int = LONGEST_PACKET
    """Octets of the longest packet."""
    maximum_qos: int = 2
    receive_maximum: int = 0xFFFF
    """Messages in flight."""
    wildcards: bool = True
    """Whether a topic filter may have `+` or `#`."""
    shared: bool = True
    """Whether a subscription may be shared."""

    def refusal(self, size: int) -> str | None:
        """Return why the broker would not take a PUBLISH of `size` octets, None if it would."""
        if size <= self.maximum_packet:
            return None
        if self.maximum_packet == LONGEST_PACKET:
            return f"it takes {size} octets, and MQTT carries {LONGEST_PACKET} at most"
        return (
            f"it takes {size} octets, and the broker takes {self.maximum_packet} at most: "
            "raise the broker's maximum packet size"
        )

    def refusal_of_filter(self, route: TopicFilter) -> str | None:
        """Return what the broker lacks to grant a subscription, None if it lacks nothing."""
        if route.group is not None and not self.shared:
            return "it has no shared subscriptions"
        if not self.wildcards and {"+", "#"} & set(route.levels):
            return "it has no wildcard subscriptions"
        return None


def publish_size(
    topic: str, payload: bytes, user_properties: Mapping[str, str], *, qos: int, mqtt5: bool
) -> int:
    """Return the octets of the PUBLISH packet that carries a message."""
    body = 2 + len(topic.encode()) + (2 if qos else 0) + len(payload)
    if mqtt5:
        properties = sum(
            5 + len(name.encode()) + len(value.encode()) for name, value in user_properties.items()
        )
        body += _length_octets(properties) + properties
    return 1 + _length_octets(body) + body


def _length_octets(number: int) -> int:
    """Return how many octets a Variable Byte Integer takes: seven bits in each."""
    return max(1, -(-number.bit_length() // 7))
