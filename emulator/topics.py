"""Topics: `<prefix>/<EUI>/command` and `<prefix>/<EUI>/response/<recipient EUI>`.

Every payload is the octets of one GBCS message.
"""

from collections.abc import Mapping
from typing import Literal

from gbcs import EUI

DIRECT, CACHED = "esme", "s1sp"
"""Prefixes: straight to the meters, and through the cache."""

Via = Literal["cache", "direct"]

PREFIXES: Mapping[Via, str] = {"cache": CACHED, "direct": DIRECT}
"""What users call them."""

CACHE_STATUS = "cache-status"
"""User property of MQTT 5 that says how a reply came about, in the words of RFC 9211."""


def command_topic(prefix: str, device: EUI | str) -> str:
    """Return the topic of commands for `device`; `+` stands for every device."""
    return f"{prefix}/{device}/command"


def response_topic(prefix: str, device: EUI | str, recipient: EUI | str) -> str:
    """Return the topic of what `device` sends `recipient`; `+` stands for every one."""
    return f"{prefix}/{device}/response/{recipient}"


def device_of(topic: str) -> EUI | None:
    """Return the device that a topic is about, or None where it names none."""
    try:
        return EUI.parse(topic.split("/")[1])
    except (IndexError, ValueError):
        return None
