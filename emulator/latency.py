"""Latency: how long a meter takes to reply.

Knows distributions, by quantile; where the draws come from is the caller's to say.
"""

import re
from dataclasses import dataclass
from math import exp, inf, isfinite, log
from statistics import NormalDist
from typing import Protocol

_NORMAL = NormalDist()
_Z99 = _NORMAL.inv_cdf(0.99)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
_FORMS = "none, a time such as 150ms or 2s, or lognormal:MEDIAN,P99 such as lognormal:2s,15s"


class Latency(Protocol):
    """How long a meter takes, in seconds, for a draw from 0 to 1."""

    def seconds(self, drawn: float) -> float:
        """Return the seconds that `drawn`, above 0 and below 1, stands for."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same."""

    value: float

    def seconds(self, drawn: float) -> float:
        """Return the one value."""
        return self.value


NONE = Fixed(0.0)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Log-normal, by its median and 99th percentile in seconds."""

    median: float
    p99: float

    def seconds(self, drawn: float) -> float:
        """Return the quantile `drawn`."""
        sigma = log(self.p99 / self.median) / _Z99
        return self.median * exp(sigma * _NORMAL.inv_cdf(drawn))


def parse_latency(text: str) -> Latency:
    """Return the latency that `text` names. Raises `ValueError` that says what may be given.

    >>> parse_latency("lognormal:2s,15s").seconds(0.5)
    2.0
    """
    if text == "none":
        return NONE
    kind, colon, values = text.rpartition(":")
    times = [_parse_seconds(part) for part in values.split(",")]
    if not colon and len(times) == 1:
        return Fixed(times[0])
    if kind == "lognormal" and len(times) == 2 and 0 < times[0] < times[1]:
        return LogNormal(*times)
    raise ValueError(f"latency {text!r}: give {_FORMS}")


def _parse_seconds(text: str) -> float:
    match = _SECONDS.fullmatch(text.strip())
    seconds = float(match[1]) / (1000 if match[2] == "ms" else 1) if match else inf
    if not isfinite(seconds):
        raise ValueError(f"latency {text!r}: give {_FORMS}")
    return seconds
