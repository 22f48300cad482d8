"""Topics and topic filters: which are valid, which match, and which overlap.

Source: OASIS MQTT 5.0, sections 4.7 (topic names and filters) and 4.8.2 (shared subscriptions).
"""

from dataclasses import dataclass, field

SHARE = "$share"

MAX_TEXT = 0xFFFF
"""Longest text that MQTT carries, a topic or a user property, in octets."""


def check_topic(topic: str) -> None:
    """Raise `ValueError` if a message cannot be published to `topic`."""
    if not topic or "+" in topic or "#" in topic or "\0" in topic or topic[0] == "$":
        raise ValueError(f"{topic!r} is not a topic: it is empty, begins with $, or has + or #")
    if len(topic.encode()) > MAX_TEXT:
        raise ValueError(
            f"the topic has {len(topic.encode())} octets: at most {MAX_TEXT} are allowed"
        )


@dataclass(frozen=True, slots=True)
class TopicFilter:
    """A topic filter, with `+` for one level and `#` for all further levels, perhaps shared.

    >>> TopicFilter.parse("esme/+/command").matches("esme/00DBE50000000000/command")
    True
    >>> TopicFilter.parse("$share/fleet/esme/#").group
    'fleet'
    """

    text: str
    """The filter as the subscription has it, with its share group."""
    levels: tuple[str, ...] = field(repr=False)
    """The levels of the filter, without the share group."""
    group: str | None = field(default=None, repr=False)
    """The share group, or None. Each message goes to one member of the group."""

    @classmethod
    def parse(cls, text: str) -> "TopicFilter":
        """Return the filter in `text`. Raises `ValueError` if it is invalid."""
        if not text or "\0" in text or len(text.encode()) > MAX_TEXT:
            raise ValueError(f"{text[:80]!r} is not a topic filter")
        levels = text.split("/")
        group = None
        if levels[0] == SHARE:
            group = levels[1] if len(levels) > 1 else ""
            levels = levels[2:]
            if not group or "+" in group or "#" in group or levels in ([], [""]):
                raise ValueError(f"{text!r} is not a shared filter: write $share/group/filter")
        for position, level in enumerate(levels, 1):
            if level not in ("+", "#") and ("+" in level or "#" in level):
                raise ValueError(f"{text!r} is not a topic filter: + or # must fill a level")
            if level == "#" and position != len(levels):
                raise ValueError(f"{text!r} is not a topic filter: # must be its last level")
        return cls(text, tuple(levels), group)

    def matches(self, topic: str) -> bool:
        """Return whether the filter matches `topic`."""
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
        """Return whether both filters match some topic, whatever their share groups."""
        for mine, theirs in zip(self.levels, other.levels, strict=False):
            if "#" in (mine, theirs):
                return True
            if mine != theirs and "+" not in (mine, theirs):
                return False
        longer = max(self.levels, other.levels, key=len)
        shorter = min(self.levels, other.levels, key=len)
        return len(longer) == len(shorter) or longer[len(shorter) :] == ("#",)
