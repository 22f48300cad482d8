"""Reason codes of MQTT, and what follows from them.

Pure: knows numbers and no MQTT library. Source: OASIS MQTT 5.0, section 2.4.
"""

NO_SUBSCRIBERS = 0x10
"""PUBACK: the broker took the message, and nobody subscribes to its topic."""
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
    """Tell whether a connection may have ended because of a message that the broker was sent.

    A broker on MQTT 3.1.1 ends it without a word, as a killed one does: `FAILURE`.
    """
    return code not in _NOT_ABOUT_A_MESSAGE
