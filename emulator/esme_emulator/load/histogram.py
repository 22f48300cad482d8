"""Latencies kept as HDR histograms: three digits from a microsecond to two hours.

The only module that knows the package `hdrhistogram`. Pure.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

HIGHEST = 7200.0
"""Seconds; what took longer is kept as this."""
_PER_SECOND = 1_000_000
_DIGITS = 3
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9}


@dataclass(frozen=True, slots=True)
class Quantiles:
    """What so many in a hundred stay below, in milliseconds; None where nothing was measured."""

    count: int
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    max: float | None = None


class Histogram:
    """How often which latency was seen."""

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
        """Return one of all that `parts` hold."""
        whole = cls()
        for part in parts:
            whole.merge(part)
        return whole

    def quantiles(self) -> Quantiles:
        """Return the percentiles that a summary shows."""
        number = len(self)
        if not number:
            return Quantiles(0)
        found = self._counts.get_percentile_to_value_dict(list(PERCENTILES.values()))
        at = {name: found[part] / 1000 for name, part in PERCENTILES.items()}
        highest = self._counts.get_max_value() / 1000
        return Quantiles(number, **at, max=highest)

    def encoded(self) -> str:
        """Return it in HdrHistogram's compressed form, V2, as base64; values are microseconds."""
        return str(self._counts.encode().decode("ascii"))

    @classmethod
    def decoded(cls, text: str) -> "Histogram":
        """Return what `encoded` wrote."""
        histogram = cls()
        histogram._counts.decode_and_add(text.encode("ascii"))
        return histogram

    def distribution(self) -> str:
        """Return the percentile distribution as HdrHistogram's plotters read it, in milliseconds.

        Empty where nothing was measured.
        """
        if not len(self):
            return ""
        out = io.BytesIO()
        self._counts.output_percentile_distribution(out, 1000)
        return out.getvalue().decode("ascii")
