"""The event hub: who is told of what, in which order, and while subscriptions change."""

from dataclasses import dataclass

import pytest

from esme_emulator.runtime.events import Events


@dataclass(frozen=True)
class Opened:
    name: str


@dataclass(frozen=True)
class Closed:
    name: str


def test_subscribers_get_the_events_of_their_class_in_order() -> None:
    events, seen = Events(), []
    events.subscribe(Opened, lambda event: seen.append(("first", event)))
    events.subscribe(Opened, lambda event: seen.append(("second", event)))
    events.publish(Closed("door"))
    events.publish(Opened("door"))
    assert seen == [("first", Opened("door")), ("second", Opened("door"))]


def test_a_subscription_ends() -> None:
    events, seen = Events(), []
    unsubscribe = events.subscribe(Opened, seen.append)
    unsubscribe()
    events.publish(Opened("door"))
    assert seen == []
    with pytest.raises(ValueError, match="not in list"):
        unsubscribe()


def test_wants_says_whether_there_is_a_subscriber() -> None:
    events = Events()
    assert not events.wants(Opened)
    unsubscribe = events.subscribe(Opened, lambda event: None)
    assert events.wants(Opened)
    assert not events.wants(Closed)
    unsubscribe()
    assert not events.wants(Opened)


def test_a_subscriber_may_leave_while_an_event_is_handed_out() -> None:
    events, seen = Events(), []

    def once(event: Opened) -> None:
        seen.append(event)
        leave()

    leave = events.subscribe(Opened, once)
    events.subscribe(Opened, seen.append)
    events.publish(Opened("a"))
    events.publish(Opened("b"))
    assert seen == [Opened("a"), Opened("a"), Opened("b")]


def test_an_exception_of_a_subscriber_reaches_the_publisher() -> None:
    events = Events()

    def fail(event: Opened) -> None:
        raise RuntimeError(event.name)

    events.subscribe(Opened, fail)
    with pytest.raises(RuntimeError, match="door"):
        events.publish(Opened("door"))
