"""Latencies: what a user may write, and what the draws amount to."""

import re

import pytest

from emulator.latency import NONE, Fixed, LogNormal, parse_latency


@pytest.mark.parametrize(
    ("text", "latency"),
    [
        ("none", NONE),
        ("0s", Fixed(0.0)),
        ("150ms", Fixed(0.15)),
        ("2s", Fixed(2.0)),
        ("0.5s", Fixed(0.5)),
        ("lognormal:2s,15s", LogNormal(2.0, 15.0)),
        ("lognormal:200ms,1.5s", LogNormal(0.2, 1.5)),
        ("lognormal:2s, 15s", LogNormal(2.0, 15.0)),
    ],
)
def test_latencies_that_can_be_written(text: str, latency: object) -> None:
    assert parse_latency(text) == latency


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "-1s",
        "2m",
        "nan",
        "infs",
        "1e3s",
        "2s,15s",
        ":2s",
        "fixed:2s",
        "normal:2s,15s",
        "lognormal:",
        "lognormal:2s",
        "lognormal:15s,2s",
        "lognormal:2s,2s",
        "lognormal:0s,2s",
        "lognormal:1s,2s,3s",
        "9" * 400 + "s",
        "None",
    ],
)
def test_others_are_refused_saying_what_may_be_written(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape("give none, a time such as 150ms or 2s")) as e:
        parse_latency(text)
    assert len(str(e.value).splitlines()) == 1


def test_quantiles_of_a_log_normal_are_those_it_was_made_of() -> None:
    latency = LogNormal(2.0, 15.0)
    assert latency.seconds(0.5) == pytest.approx(2.0)
    assert latency.seconds(0.99) == pytest.approx(15.0)
    drawn = [latency.seconds(number / 1000) for number in range(1, 1000)]
    assert drawn == sorted(drawn)
    assert drawn[0] > 0


def test_a_fixed_latency_is_always_the_same() -> None:
    assert {Fixed(0.15).seconds(number / 10) for number in range(1, 10)} == {0.15}
    assert NONE.seconds(0.999) == 0
