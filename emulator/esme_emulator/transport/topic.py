"""Topics and topic filters: which of them are valid, which match, which overlap.

Source: OASIS MQTT 5.0, sections 4.7 (topic names and filters) and 4.8.2 (shared subscriptions).
"""

from dataclasses import dataclass, field

SHARE = "$share"

MAX_TEXT = 0xFFFF
"""Octets of the longest text that MQTT carries, be it a topic or a user property."""


def check_topic(topic: str) -> None:
    """Raise `ValueError` where nothing can be published to `topic`."""
    if not topic or "+" in topic or "#" in topic or "\0" in topic or topic[0] == "$":
        raise ValueError(f"{topic!r} is not a topic: it is empty, begins with $, or has + or #")
    if len(topic.encode()) > MAX_TEXT:
        raise ValueError(f"a topic of {len(topic.encode())} octets; {MAX_TEXT} are allowed")


@dataclass(frozen=True, slots=True)
class TopicFilter:
    """A topic filter, with `+` for one level and `#` for all that follow, perhaps shared.

    >>> TopicFilter.parse("esme/+/command").matches("esme/00DBE50000000000/command")
    True
    >>> TopicFilter.parse("$share/fleet/esme/#").group
    'fleet'
    """

    text: str
    """The filter as it is subscribed to, with its share group."""
    levels: tuple[str, ...] = field(repr=False)
    """What it matches, level by level, without the share group."""
    group: str | None = field(default=None, repr=False)
    """The share group, whose members receive every message once between them."""

    @classmethod
    def parse(cls, text: str) -> "TopicFilter":
        """Return the filter written in `text`. Raises `ValueError` where it is not one."""
        if not text or "\0" in text or len(text.encode()) > MAX_TEXT:
            raise ValueError(f"{text[:80]!r} is not a topic filter")
        levels = text.split("/")
        group = None
        if levels[0] == SHARE:
            group = levels[1] if len(levels) > 1 else ""
            levels = levels[2:]
            if not group or "+" in group or "#" in group or levels in ([], [""]):
                raise ValueError(f"{text!r} is not shared: write $share/group/filter")
        for position, level in enumerate(levels, 1):
            if level not in ("+", "#") and ("+" in level or "#" in level):
                raise ValueError(f"{text!r} is not a topic filter: + or # must fill a level")
            if level == "#" and position != len(levels):
                raise ValueError(f"{text!r} is not a topic filter: # must be its last level")
        return cls(text, tuple(levels), group)

    def matches(self, topic: str) -> bool:
        """Tell whether a message published to `topic` is for this filter."""
        own = self.levels
        theirs = topic.split("/")
        if topic[:1] == "$" and own[0] in ("+", "#"):
            return False
        if own[-1] == "#":
            depth = len(own) - 1
            if len(theirs) < depth:
                return False
        elif len(own) != len(theirs):
            return False
        return all(level in ("+", "#", part) for level, part in zip(own, theirs, strict=False))

    def overlaps(self, other: "TopicFilter") -> bool:
        """Tell whether some topic is matched by both filters, whatever their share groups."""
        for mine, theirs in zip(self.levels, other.levels, strict=False):
            if "#" in (mine, theirs):
                return True
            if mine != theirs and "+" not in (mine, theirs):
                return False
        longer = max(self.levels, other.levels, key=len)
        shorter = min(self.levels, other.levels, key=len)
        return len(longer) == len(shorter) or longer[len(shorter) :] == ("#",)
