"""The subscriptions of one transport, and the delivery of messages to their handlers.

Knows filters, handlers and counters. An exception of a handler is logged and not raised.
"""

from collections.abc import Mapping

from esme_emulator.runtime.complaints import Complaints
from esme_emulator.transport.base import Drop, Handler, OnDropped, TransportCounters
from esme_emulator.transport.limits import MAX_PACKET
from esme_emulator.transport.topic import TopicFilter

_DROPPED = {
    Drop.RETAINED: "dropped a retained message to {}, which may be old: publish commands "
    "without the retain flag, and remove it by publishing an empty retained message there",
    Drop.TOO_LONG: f"dropped a message to {{}}, which is longer than {MAX_PACKET} octets",
}


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
        self._routes = [(TopicFilter.parse(text), handler) for text, handler in handlers.items()]
        self._counters = counters
        self._complaints = complaints
        self._on_dropped = on_dropped
        for index, (one, _) in enumerate(self._routes):
            for other, _ in self._routes[:index]:
                if one.overlaps(other):
                    raise ValueError(
                        f"the topic filters {other.text!r} and {one.text!r} overlap: "
                        "give every message one handler"
                    )

    @property
    def filters(self) -> list[TopicFilter]:
        """The filters in their given order."""
        return [route for route, _ in self._routes]

    def deliver(self, topic: str, payload: bytes, user_properties: Mapping[str, str]) -> None:
        """Pass a message to the handler whose filter matches its topic."""
        self._counters.received += 1
        for route, handler in self._routes:
            if route.matches(topic):
                try:
                    handler(topic, payload, user_properties)
                except Exception as error:
                    self._counters.failed += 1
                    self._complaints.warn(
                        f"handler {type(error).__name__}",
                        f"the handler of {route.text} failed on a message to {topic}",
                        error=error,
                    )
                return
        self._ignore(topic)

    def _ignore(self, topic: str) -> None:
        self._counters.unhandled += 1
        self._complaints.warn("unhandled", f"a message to {topic}, which matches no subscription")

    def drop(self, topic: str, reason: Drop) -> None:
        """Count and log a message that no handler gets."""
        if not any(route.matches(topic) for route, _ in self._routes):
            self._ignore(topic)  # amqtt sends retained messages to every client
            return
        if reason is Drop.RETAINED:
            self._counters.retained += 1
        else:
            self._counters.too_long += 1
        self._complaints.warn(reason, _DROPPED[reason].format(topic))
        if self._on_dropped is not None:
            self._on_dropped(topic, reason)
