"""Topics: `<prefix>/<EUI>/command` and `<prefix>/<EUI>/response/<recipient EUI>`.

A command may name a topic of its own for the response, in the Response Topic of MQTT 5: the usual
one with a further level. So a cache gets the replies to its commands and no others. Alerts are on
`esme/<EUI>/alert/<recipient EUI>`. Every payload is one GBCS message, except on the topics
that fleets and caches talk on.
"""

import re
from collections.abc import Mapping
from typing import Literal

from gbcs import EUI

DIRECT, CACHED = "esme", "s1sp"
"""Topic prefixes: directly to meters, and through the cache."""

Via = Literal["cache", "direct"]

PREFIXES: Mapping[Via, str] = {"cache": CACHED, "direct": DIRECT}
"""Topic prefixes by their names in options."""

IDENTITY = f"{DIRECT}/identity"
"""Topic on which a fleet answers queries for the identity of its readings."""
NEW_IDENTITY = f"{DIRECT}/identity/new"
"""Topic on which a fleet announces its identity when it starts."""
ASK_IDENTITY = f"{DIRECT}/identity/ask"
"""Topic on which a cache queries identities."""

METERS = f"{DIRECT}/meters"
"""Topic on which fleets name a meter of theirs to a fleet that starts."""
NEW_METERS = f"{DIRECT}/meters/new"
"""Topic on which a fleet names its first meter when it starts."""
HEEDS_RESPONSE_TOPIC = "heeds-response-topic"
"""MQTT 5 user property of identities: the fleet answers on the Response Topic of a command."""

CACHE_STATUS = "cache-status"
"""MQTT 5 user property with the Cache-Status of RFC 9211."""

BAD_TOPIC = "topic-invalid"
"""Reason to drop a message whose topic matches a subscription but is not valid."""

TOPIC_RULE = "write the EUI in a topic as 16 upper-case hex digits"

_EUI = "[0-9A-F]{16}"
_OWN = "/[0-9a-f]{16}"
_TOPIC = re.compile(
    rf"(?:{DIRECT}|{CACHED})/({_EUI})/(?:command|response/{_EUI}(?:{_OWN})?|alert/{_EUI})"
)


def command_topic(prefix: str, device: EUI | str) -> str:
    """Return the topic of commands for `device`; `+` matches all devices."""
    return f"{prefix}/{device}/command"


def response_topic(prefix: str, device: EUI | str, recipient: EUI | str) -> str:
    """Return the topic of responses of `device` to `recipient`; `+` matches all."""
    return f"{prefix}/{device}/response/{recipient}"


def own_response_topic(device: EUI | str, recipient: EUI | str, subscriber: str) -> str:
    """Return the topic of the meter's responses to commands of one subscriber alone.

    `subscriber` are 16 lower-case hexadecimal digits; `+` matches all.
    """
    return f"{response_topic(DIRECT, device, recipient)}/{subscriber}"


def answer_topic(device: EUI, recipient: EUI, named: str) -> str:
    """Return the topic of a meter's response to a command with the Response Topic `named`.

    A Response Topic that is not one of this response is ignored: it would let a requester publish
    anywhere in the name of the meter.
    """
    usual = response_topic(DIRECT, device, recipient)
    own = named.startswith(usual) and re.fullmatch(_OWN, named[len(usual) :])
    return named if own else usual


def alert_topic(device: EUI | str, recipient: EUI | str) -> str:
    """Return the topic of alerts of `device` to `recipient`; `+` matches all."""
    return f"{DIRECT}/{device}/alert/{recipient}"


def device_of(topic: str) -> EUI | None:
    """Return the device of a topic of commands, responses or alerts; None for any other topic.

    MQTT compares topics octet by octet: an EUI in lower case or with hyphens makes another topic,
    and no requester would subscribe to its response topic.

    >>> device_of("esme/00DBE50000000000/command")
    EUI('00DBE50000000000')
    >>> device_of("esme/00dbe50000000000/command")
    """
    found = _TOPIC.fullmatch(topic)
    return None if found is None else EUI(bytes.fromhex(found[1]))
