"""Results of the same scenario under several cache rules and with several seeds, side by side.

Pure. A rule is compared by the mean of each figure over the seeds, and by its range.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from esme_emulator.proof.result import ProofResult


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the seeds; None if no seed has it."""

    mean: float | None
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A cache rule and its results, one for each seed."""

    name: str
    retention_hours: float
    results: tuple[ProofResult, ...]

    def spread(self, name: str) -> Spread:
        """Return the figure `name` of `FIGURES` over the seeds."""
        figure = FIGURES[name]
        values = [value for result in self.results if (value := figure(result)) is not None]
        return Spread(fmean(values), min(values), max(values)) if values else Spread(None)

    @property
    def passes(self) -> int:
        """The number of seeds with which all thresholds are met."""
        return sum(result.passed for result in self.results)

    @property
    def meets(self) -> bool:
        """Whether all thresholds are met with every seed."""
        return self.passes == len(self.results)


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Several rules, in the order in which they were given."""

    rules: tuple[Rule, ...]

    @property
    def seeds(self) -> int:
        """The number of seeds."""
        return max(len(rule.results) for rule in self.rules)

    @property
    def is_by_retention(self) -> bool:
        """Whether the rules differ in their retention."""
        return len({rule.retention_hours for rule in self.rules}) == len(self.rules) > 1

    def least(self) -> Rule | None:
        """Return the rule of the least retention that meets all thresholds with every seed."""
        meeting = [rule for rule in self.rules if rule.meets]
        return min(meeting, key=lambda rule: rule.retention_hours, default=None)


FIGURES: dict[str, Callable[[ProofResult], float | None]] = {
    "avoided_ratio": lambda result: result.avoided_ratio,
    "replies_different": lambda result: result.replies_different,
    "staleness_p50_s": lambda result: result.staleness.p50,
    "staleness_p95_s": lambda result: result.staleness.p95,
    "staleness_max_s": lambda result: result.staleness.max,
    "device_hits_direct": lambda result: result.device_hits_direct,
    "device_hits_cached": lambda result: result.device_hits_cached,
    "sms_avoided": lambda result: _saved(result, "sms"),
    "pounds_avoided": lambda result: _saved(result, "pounds"),
}
"""Figures that are compared, by their names in compare.csv."""


def _saved(result: ProofResult, name: str) -> float | None:
    if not result.complete:
        return None
    saved: float = getattr(result.spent_direct, name) - getattr(result.spent_cached, name)
    return round(saved, 6)


def of_seeds(
    retentions: Sequence[float], proved: Sequence[Sequence[tuple[str, ProofResult]]]
) -> SideBySide:
    """Return the results of each seed, which are in the order of the rules, by rule.

    `retentions` are those of the rules, in hours. Rules that no seed ran are left out.
    """
    rules = []
    for place, hours in enumerate(retentions):
        found = [results[place] for results in proved if place < len(results)]
        if found:
            rules.append(Rule(found[0][0], hours, tuple(result for _, result in found)))
    return SideBySide(tuple(rules))


def rows(side_by_side: SideBySide) -> Iterator[Sequence[Any]]:
    """Yield the rows of compare.csv: the column names, then a row for each rule and seed."""
    yield ("rule", "retention_hours", "seed", *FIGURES, "passed")
    for rule in side_by_side.rules:
        for result in rule.results:
            figures = (figure(result) for figure in FIGURES.values())
            yield (rule.name, rule.retention_hours, result.seed, *figures, result.passed)
