"""Thresholds of a load: their grammar, and verdicts over all requests."""

from array import array

import pytest

from esme_emulator.load.in_flight import Batch, Origin, Outcome
from esme_emulator.load.plan import LoadError
from esme_emulator.load.tally import Histogram, Tally
from esme_emulator.load.thresholds import LoadVerdict, judge, parse_threshold
from esme_emulator.load.words import share, value
from esme_emulator.runtime.verdicts import met
from esme_emulator.scenario.scenario import Comparison


def tally(*seconds: float, **outcomes: int) -> Tally:
    """Answers with these latencies, and requests with other outcomes."""
    batch = Batch()
    batch.latencies["a", "4.8.1", Origin.HIT] = array("d", seconds)
    batch.counts["a", "4.8.1", Outcome.ANSWERED] = len(seconds)
    for name, number in outcomes.items():
        batch.counts["a", "4.8.1", Outcome[name.upper()]] = number
    summed = Tally()
    summed.add(batch)
    return summed


def judged(text: str, of: Tally, *, rate: float = 9.5, complete: bool = True) -> LoadVerdict:
    [verdict] = judge([parse_threshold(text)], of, rate, complete=complete)
    return verdict


def told(text: str, of: Tally) -> tuple[str, str]:
    verdict = judged(text, of)
    return met(verdict), value(verdict)


@pytest.mark.parametrize(
    ("text", "figure", "comparison", "limit"),
    [
        ("p95 <= 500ms", "p95", "<=", 500),
        (" p99.9<=1.5s ", "p99.9", "<=", 1500),
        ("no-reply <= 0%", "no-reply", "<=", 0),
        ("answered >= 100%", "answered", ">=", 1),
        ("rate >= 190.5", "rate", ">=", 190.5),
    ],
)
def test_a_threshold_has_figure_comparison_and_limit(
    text: str, figure: str, comparison: str, limit: float
) -> None:
    found = parse_threshold(text)
    assert (found.figure, found.comparison, found.limit) == (figure, Comparison(comparison), limit)


@pytest.mark.parametrize(
    "text",
    ["p95 <= 5", "p95 < 5ms", "p94 <= 5ms", "failed <= 101%", "rate >= 5%", "failed > 5%", ""],
)
def test_a_wrong_threshold_is_one_line(text: str) -> None:
    with pytest.raises(LoadError, match=r'write it as "p95 <= 500ms", .*; times are of p50'):
        parse_threshold(text)


def test_shares_are_of_all_ended_requests() -> None:
    of = tally(*[0.1] * 96, refused=1, no_reply=2, not_sent=1, unfinished=50)
    assert told("failed <= 4%", of) == ("met", "4 %")
    assert told("failed <= 3.9%", of) == ("not met", "4 %")
    assert told("answered >= 96%", of) == ("met", "96 %")
    assert told("refused >= 2%", of) == ("not met", "1 %")


def test_requests_without_an_answer_are_slower_than_any_limit() -> None:
    of = tally(*[0.1] * 96, invalid=1, no_reply=2, not_sent=1)
    assert told("p95 <= 101ms", of) == ("met", "100.0 ms")
    assert told("p99 <= 60s", of) == ("not met", "no answer in time")
    assert told("p99 >= 60s", of) == ("met", "no answer in time")
    assert told("max <= 1s", tally(0.1, refused=1)) == ("met", "100.0 ms")


def test_without_failures_a_percentile_is_that_of_the_table() -> None:
    for number in (1, 7, 11, 19, 250):
        histogram = Histogram()
        histogram.record(each / 1000 for each in range(1, number + 1))
        quantiles = histogram.quantiles()
        parts = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999, "max": 1.0}
        for name, part in parts.items():
            assert histogram.percentile(part) == getattr(quantiles, name), (number, name)


def test_the_rate_is_that_of_the_result() -> None:
    assert met(judged("rate >= 9.5", tally(0.1))) == "met"
    assert value(judged("rate >= 9.6", tally(0.1))) == "9.5/s"
    assert met(judged("rate >= 9.6", tally(0.1))) == "not met"


def test_a_load_that_ended_early_is_not_judged() -> None:
    for verdict in (
        judged("p95 <= 1s", tally(0.1), complete=False),
        judged("failed <= 1%", tally()),
    ):
        assert (verdict.value, verdict.met) == (None, None)
        assert (met(verdict), value(verdict)) == ("not measured", "not measured")


def test_a_small_share_is_never_shown_as_none() -> None:
    assert (share(0.0), share(0.000012), share(1.0)) == ("0 %", "0.0012 %", "100 %")
    assert share(0.999999) == "99.9999 %"
