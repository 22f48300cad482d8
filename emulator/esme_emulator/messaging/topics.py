"""Topics: `<prefix>/<EUI>/command` and `<prefix>/<EUI>/response/<recipient EUI>`.

Every payload is the octets of one GBCS message, except on those of identities.
"""

import re
from collections.abc import Mapping
from typing import Literal

from gbcs import EUI

DIRECT, CACHED = "esme", "s1sp"
"""Prefixes: straight to the meters, and through the cache."""

Via = Literal["cache", "direct"]

PREFIXES: Mapping[Via, str] = {"cache": CACHED, "direct": DIRECT}
"""What users call them."""

IDENTITY = f"{DIRECT}/identity"
"""Where a fleet tells the identity of its readings when it is asked."""
NEW_IDENTITY = f"{DIRECT}/identity/new"
"""Where it tells it when it starts."""
ASK_IDENTITY = f"{DIRECT}/identity/ask"
"""Where a cache asks for it."""

CACHE_STATUS = "cache-status"
"""User property of MQTT 5 that says how a reply came about, in the words of RFC 9211."""


BAD_TOPIC = "topic-invalid"
"""Why a message is dropped whose topic matches a subscription and is none of the above."""

TOPIC_RULE = "an EUI in a topic is written as 16 upper-case hex digits"

_EUI = "[0-9A-F]{16}"
_TOPIC = re.compile(rf"(?:{DIRECT}|{CACHED})/({_EUI})/(?:command|response/{_EUI})")


def command_topic(prefix: str, device: EUI | str) -> str:
    """Return the topic of commands for `device`; `+` stands for every device."""
    return f"{prefix}/{device}/command"


def response_topic(prefix: str, device: EUI | str, recipient: EUI | str) -> str:
    """Return the topic of what `device` sends `recipient`; `+` stands for every one."""
    return f"{prefix}/{device}/response/{recipient}"


def device_of(topic: str) -> EUI | None:
    """Return the device that a topic is about, None if it is not exactly a topic as above.

    MQTT tells topics apart by every character, so an EUI in lower case or with hyphens is another
    topic, on which nobody would hear the reply.

    >>> device_of("esme/00DBE50000000000/command")
    EUI('00DBE50000000000')
    >>> device_of("esme/00dbe50000000000/command")
    """
    found = _TOPIC.fullmatch(topic)
    return None if found is None else EUI(bytes.fromhex(found[1]))
