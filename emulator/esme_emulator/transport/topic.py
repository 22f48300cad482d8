"""Topic filters, and the subscriptions of one transport: which handler gets a message.

An exception of a handler is logged and not raised. Source: OASIS MQTT 5.0, sections 4.7 (topic
names and filters) and 4.8.2 (shared subscriptions).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from esme_emulator.runtime.complaints import Complaints
from esme_emulator.transport.base import (
    MAX_PACKET,
    MAX_TEXT,
    Drop,
    Handler,
    OnDropped,
    TransportCounters,
)

SHARE = "$share"

_DROPPED = {
    Drop.RETAINED: "dropped a retained message to {}, which may be old: publish commands "
    "without the retain flag, and remove it by publishing an empty retained message there",
    Drop.TOO_LONG: f"dropped a message to {{}}, which is longer than {MAX_PACKET} octets",
}


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

    @property
    def is_topic(self) -> bool:
        """Whether it is one topic, without a wildcard or a share group."""
        return self.group is None and "+" not in self.levels and "#" not in self.levels

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


class Subscriptions:
    """Filters and their handlers; every message goes to exactly one handler.

    Raises `ValueError` if a filter is invalid or two filters overlap: the broker would then choose
    how often a message arrives.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        counters: TransportCounters,
        complaints: Complaints,
        on_dropped: OnDropped | None = None,
    ) -> None:
        self.filters = [TopicFilter.parse(text) for text in handlers]
        """The filters in their given order."""
        routes = list(zip(self.filters, handlers.values(), strict=True))
        # A process of meters may have many thousands of single topics.
        self._topics = {route.text: handler for route, handler in routes if route.is_topic}
        self._routes = [(route, handler) for route, handler in routes if not route.is_topic]
        self._counters = counters
        self._complaints = complaints
        self._on_dropped = on_dropped
        for index, (one, _) in enumerate(self._routes):
            others = [other.text for other, _ in self._routes[:index] if one.overlaps(other)]
            for other in (*others, *filter(one.matches, self._topics)):
                raise ValueError(
                    f"the topic filters {other!r} and {one.text!r} overlap: "
                    "give every message one handler"
                )

    def deliver(self, topic: str, payload: bytes, user_properties: Mapping[str, str]) -> None:
        """Pass a message to the handler whose filter matches its topic."""
        self._counters.received += 1
        handler = self._handler_of(topic)
        if handler is None:
            self._ignore(topic)
            return
        try:
            handler(topic, payload, user_properties)
        except Exception as error:
            self._counters.failed += 1
            self._complaints.warn(
                f"handler {type(error).__name__}",
                f"the handler of a message to {topic} failed",
                error=error,
            )

    def _handler_of(self, topic: str) -> Handler | None:
        handler = self._topics.get(topic)
        if handler is not None:
            return handler
        return next((handler for route, handler in self._routes if route.matches(topic)), None)

    def _ignore(self, topic: str) -> None:
        self._counters.unhandled += 1
        self._complaints.warn("unhandled", f"a message to {topic}, which matches no subscription")

    def drop(self, topic: str, reason: Drop) -> None:
        """Count and log a message that no handler gets."""
        if self._handler_of(topic) is None:
            self._ignore(topic)  # amqtt sends retained messages to every client
            return
        if reason is Drop.RETAINED:
            self._counters.retained += 1
        else:
            self._counters.too_long += 1
        self._complaints.warn(reason, _DROPPED[reason].format(topic))
        if self._on_dropped is not None:
            self._on_dropped(topic, reason)
