"""Topic filters against the examples of OASIS MQTT 5.0, section 4.7, and against brute force."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.transport.base import check_topic
from esme_emulator.transport.topic import TopicFilter

LEVELS = st.lists(st.sampled_from(["a", "b", "+"]), min_size=1, max_size=3)
FILTERS = st.one_of(LEVELS, LEVELS.map(lambda levels: [*levels, "#"])).map("/".join)
TOPICS = ["/".join(levels) for size in range(1, 5) for levels in product("abc", repeat=size)]


@pytest.mark.parametrize(
    ("text", "topic", "expected"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/tennis/player1/#", "sport/tennis/player2", False),
        ("sport/#", "sport", True),
        ("#", "sport", True),
        ("#", "/", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/broker", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/broker", True),
        ("ACCOUNTS", "Accounts", False),
        ("$share/consumer//finance", "/finance", True),
        ("$share/consumer/sport/tennis/+", "sport/tennis/player1", True),
    ],
)
def test_examples_of_the_standard(text: str, topic: str, expected: bool) -> None:
    assert TopicFilter.parse(text).matches(topic) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\0",
        "sport/tennis#",
        "sport/tennis/#/ranking",
        "sport+",
        "+a",
        "$share",
        "$share/",
        "$share/g",
        "$share/g/",
        "$share//a",
        "$share/g+/a",
        "x" * 65_536,
    ],
)
def test_invalid_filters(text: str) -> None:
    with pytest.raises(ValueError, match=r"filter|not shared"):
        TopicFilter.parse(text)


def test_group_of_a_shared_filter() -> None:
    shared = TopicFilter.parse("$share/fleet/esme/+/command")
    assert (shared.group, shared.levels) == ("fleet", ("esme", "+", "command"))
    assert TopicFilter.parse("esme/+/command").group is None


@pytest.mark.parametrize("topic", ["", "a/+", "#", "$SYS/a", "a\0b", "é" * 32_768])
def test_invalid_topics(topic: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        check_topic(topic)


@pytest.mark.parametrize("topic", ["a", "/", "a b/ü", "a$", "é" * 32_767])
def test_valid_topics(topic: str) -> None:
    check_topic(topic)
    assert TopicFilter.parse(topic).matches(topic)


@given(FILTERS, FILTERS)
def test_filters_overlap_if_both_match_a_topic(one: str, other: str) -> None:
    first, second = TopicFilter.parse(one), TopicFilter.parse(other)
    common = any(first.matches(topic) and second.matches(topic) for topic in TOPICS)
    assert first.overlaps(second) is common
    assert second.overlaps(first) is common
