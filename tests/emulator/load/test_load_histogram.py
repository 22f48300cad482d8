"""Histograms have three digits, and merging them loses nothing."""

from random import Random

import pytest

from esme_emulator.load.tally import HIGHEST, Histogram, Quantiles


def of(*seconds: float) -> Histogram:
    histogram = Histogram()
    histogram.record(seconds)
    return histogram


def test_an_empty_histogram_has_no_percentiles() -> None:
    assert Histogram().quantiles() == Quantiles(0)
    assert Histogram().distribution() == ""
    assert len(Histogram()) == 0


def test_percentiles_are_within_a_thousandth() -> None:
    quantiles = of(*(number / 1000 for number in range(1, 10_001))).quantiles()
    assert quantiles.count == 10_000
    for value, true in (
        (quantiles.p50, 5000),
        (quantiles.p90, 9000),
        (quantiles.p99, 9900),
        (quantiles.p99_9, 9990),
        (quantiles.max, 10_000),
    ):
        assert value is not None
        assert abs(value - true) <= true / 1000


def test_latencies_are_clamped_to_the_range() -> None:
    assert of(0.000_001).quantiles().max == 0.001
    quantiles = of(HIGHEST * 10, -1.0).quantiles()
    assert quantiles.count == 2
    assert quantiles.max == pytest.approx(HIGHEST * 1000, rel=0.001)


def test_merging_equals_recording_in_one_histogram() -> None:
    random = Random(1)
    parts = [[random.expovariate(20) for _ in range(500)] for _ in range(4)]
    merged = Histogram.merged(of(*part) for part in parts)
    assert merged.quantiles() == of(*(value for part in parts for value in part)).quantiles()
    assert Histogram.merged([Histogram(), of(0.5), Histogram()]).quantiles() == of(0.5).quantiles()


def test_a_histogram_round_trips() -> None:
    histogram = of(0.001, 0.2, 3.0)
    assert Histogram.decoded(histogram.encoded()).quantiles() == histogram.quantiles()


def test_the_distribution_is_in_milliseconds() -> None:
    lines = of(0.001, 0.002).distribution().splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert lines[2].split()[0] == "1.000"
    assert any(line.startswith("#[Max     =        2.000") for line in lines)
