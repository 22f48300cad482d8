"""Thresholds over the whole measured time of a load, and the verdicts on them. Pure.

Abort rules look at the last seconds of a load that runs; thresholds judge one that has ended.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from esme_emulator.load.in_flight import FAILURES, Outcome
from esme_emulator.load.plan import LoadError
from esme_emulator.load.tally import PARTS, SHARES, UNANSWERED, Tally
from esme_emulator.scenario.scenario import Comparison

RATE = "rate"
"""Answers a second within the measured time."""
_SHARES = {"answered": (Outcome.ANSWERED,), **SHARES}
_THRESHOLD = re.compile(r"\s*([a-z0-9.-]+)\s*(<=|>=)\s*(\d+(?:\.\d+)?)\s*(%|ms|s|)\s*")
_FORMS = (
    f'write it as "p95 <= 500ms", "answered >= 99%" or "{RATE} >= 190"; '
    f"times are of {', '.join(PARTS)}, shares of {', '.join(_SHARES)}"
)


@dataclass(frozen=True, slots=True)
class LoadThreshold:
    """A limit of a figure: milliseconds, a share from 0 to 1, or answers a second."""

    text: str
    figure: str
    comparison: Comparison
    limit: float


@dataclass(frozen=True, slots=True)
class LoadVerdict:
    """Whether a load met a threshold."""

    threshold: str
    """The threshold as it was given."""
    figure: str
    comparison: Comparison
    limit: float
    """In milliseconds, as a share from 0 to 1, or in answers a second."""
    value: float | None
    """In the unit of `limit`. None if not measured, or if more requests were without an answer
    than the percentile leaves out."""
    met: bool | None
    """None if not measured, since the load did not run to its end or made no request."""


def parse_threshold(text: str) -> LoadThreshold:
    """Parse a threshold. Raises `LoadError`.

    >>> parse_threshold("p95 <= 1.5s").limit
    1500.0
    """
    match = _THRESHOLD.fullmatch(text)
    if match is None:
        raise LoadError(f"{text!r}: {_FORMS}")
    figure, comparison, number, unit = match[1], Comparison(match[2]), float(match[3]), match[4]
    if figure in _SHARES and unit == "%" and number <= 100:
        limit = number / 100
    elif figure in PARTS and unit in ("ms", "s"):
        limit = number * (1 if unit == "ms" else 1000)
    elif figure == RATE and not unit:
        limit = number
    else:
        raise LoadError(f"{text!r}: {_FORMS}")
    return LoadThreshold(" ".join(text.split()), figure, comparison, limit)


def judge(
    thresholds: Sequence[LoadThreshold], tally: Tally, rate: float, *, complete: bool
) -> Iterator[LoadVerdict]:
    """Yield the verdicts on the counts in `tally`; `rate` is in answers a second."""
    outcomes = {outcome: tally.total(outcome) for outcome in Outcome}
    ended = outcomes[Outcome.ANSWERED] + sum(outcomes[each] for each in FAILURES)
    latency, late = tally.latency(), sum(outcomes[each] for each in UNANSWERED)
    for item in thresholds:
        value, met = None, None
        if complete and ended:
            if item.figure == RATE:
                value = rate
            elif item.figure in _SHARES:
                value = sum(outcomes[each] for each in _SHARES[item.figure]) / ended
            elif len(latency) + late:
                value = latency.percentile(PARTS[item.figure], late)
            # Without a value, the percentile is slower than any limit.
            reached = float("inf") if value is None else value
            met = item.comparison.holds(reached, item.limit)
        yield LoadVerdict(item.text, item.figure, item.comparison, item.limit, value, met)
