"""HDR histograms of latencies, with three digits from a microsecond to two hours.

The only module that imports the package `hdrhistogram`. Pure.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

HIGHEST = 7200.0
"""Largest latency, in seconds; longer ones are recorded as this."""
_PER_SECOND = 1_000_000
_DIGITS = 3
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9}


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Percentiles of latencies, in milliseconds; None if there are no latencies."""

    count: int
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    max: float | None = None


class Histogram:
    """A histogram of latencies."""

    def __init__(self) -> None:
        self._counts = HdrHistogram(1, int(HIGHEST * _PER_SECOND), _DIGITS)

    def __len__(self) -> int:
        return int(self._counts.get_total_count())

    def record(self, seconds: Iterable[float]) -> None:
        """Add latencies in seconds."""
        record = self._counts.record_value
        for value in seconds:
            record(int(min(max(value, 0.0), HIGHEST) * _PER_SECOND))

    def merge(self, other: "Histogram") -> None:
        """Add all that `other` holds."""
        if len(other):
            self._counts.add(other._counts)

    @classmethod
    def merged(cls, parts: "Iterable[Histogram]") -> "Histogram":
        """Return the sum of `parts`."""
        whole = cls()
        for part in parts:
            whole.merge(part)
        return whole

    def quantiles(self) -> Quantiles:
        """Return the percentiles for a summary."""
        number = len(self)
        if not number:
            return Quantiles(0)
        found = self._counts.get_percentile_to_value_dict(list(PERCENTILES.values()))
        at = {name: found[part] / 1000 for name, part in PERCENTILES.items()}
        highest = self._counts.get_max_value() / 1000
        return Quantiles(number, **at, max=highest)

    def encoded(self) -> str:
        """Return the compressed form V2 of HdrHistogram as base64; values are microseconds."""
        return str(self._counts.encode().decode("ascii"))

    @classmethod
    def decoded(cls, text: str) -> "Histogram":
        """Decode the result of `encoded`."""
        histogram = cls()
        histogram._counts.decode_and_add(text.encode("ascii"))
        return histogram

    def distribution(self) -> str:
        """Return the percentile distribution in milliseconds, for HdrHistogram's plotter.

        It is empty if there are no latencies.
        """
        if not len(self):
            return ""
        out = io.BytesIO()
        self._counts.output_percentile_distribution(out, 1000)
        return out.getvalue().decode("ascii")
