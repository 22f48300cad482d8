"""The event hub: typed events, published synchronously to their subscribers.

Pure. The hub knows no event; each room defines its own frozen dataclasses. Journals, metrics, the
live view and the evidence of a proof are subscribers.
"""

from collections.abc import Callable
from typing import Any, TypeVar

E = TypeVar("E")


class Events:
    """Passes each event to the subscribers of its class, in the order of their subscription.

    An exception of a subscriber reaches the publisher.
    """

    def __init__(self) -> None:
        # Tuples, so that a subscriber may subscribe or leave while an event is published.
        self._subscribers: dict[type, tuple[Callable[[Any], None], ...]] = {}

    def subscribe(self, kind: type[E], handler: Callable[[E], None]) -> Callable[[], None]:
        """Call `handler` with every event of class `kind`. Return what unsubscribes it."""
        self._subscribers[kind] = (*self._subscribers.get(kind, ()), handler)

        def unsubscribe() -> None:
            left = list(self._subscribers[kind])
            left.remove(handler)
            self._subscribers[kind] = tuple(left)

        return unsubscribe

    def wants(self, kind: type) -> bool:
        """Return whether `kind` has a subscriber. If not, the event need not be made."""
        return bool(self._subscribers.get(kind))

    def publish(self, event: object) -> None:
        """Pass `event` to every subscriber of its class."""
        for handler in self._subscribers.get(type(event), ()):
            handler(event)
