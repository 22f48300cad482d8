"""Abort rules: limits on figures of the last seconds that end a load early. Pure."""

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from esme_emulator.load.in_flight import FAILURES, Outcome
from esme_emulator.load.plan import LoadError
from esme_emulator.load.tally import Second, percentile

_RULE = re.compile(r"\s*([a-z0-9.-]+)\s*>\s*(\d+(?:\.\d+)?)\s*(%|ms|s|)\s*")
_SHARES = {
    "failed": FAILURES,
    "refused": (Outcome.REFUSED,),
    "invalid": (Outcome.INVALID,),
    "no-reply": (Outcome.NO_REPLY,),
    "not-sent": (Outcome.NOT_SENT,),
}
_UNANSWERED = (Outcome.INVALID, Outcome.NO_REPLY, Outcome.NOT_SENT)
"""Outcomes without a usable reply. A refusal is a reply, and has a figure of its own."""
_PARTS = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
_IN_FLIGHT = "in-flight"
_FORMS = (
    f'write it as "failed > 5%", "p99 > 500ms" or "{_IN_FLIGHT} > 2000"; '
    f"shares are of {', '.join(_SHARES)}, times of {', '.join(_PARTS)}"
)


@dataclass(frozen=True, slots=True)
class AbortRule:
    """An upper limit of a figure: a share from 0 to 1, seconds, or a number."""

    text: str
    figure: str
    limit: float

    def exceeded(self, seconds: Sequence[Second]) -> str | None:
        """Return a message if the figure exceeds its limit in these seconds, else None.

        At the end of a load, the last of `seconds` may be shorter than a second.
        """
        value = self._value(seconds)
        if value is None or value <= self.limit:
            return None
        if self.figure in _SHARES:
            shown = f"{value:.1%}"
        elif self.figure == _IN_FLIGHT:
            shown = f"{value:.0f}"
        else:
            shown = "no answer in time" if value == inf else f"{value * 1000:.1f} ms"
        return f"{self.text}: {shown} over the last {len(seconds)} s"

    def _value(self, seconds: Sequence[Second]) -> float | None:
        """Return the figure, or None if no request contributes to it."""
        if self.figure == _IN_FLIGHT:
            return min((second.in_flight for second in seconds), default=None)
        outcomes: Counter[Outcome] = Counter()
        for second in seconds:
            outcomes.update(second.outcomes)
        if self.figure in _PARTS:
            return self._percentile(seconds, sum(outcomes[each] for each in _UNANSWERED))
        over = outcomes[Outcome.ANSWERED] + sum(outcomes[each] for each in FAILURES)
        return sum(outcomes[each] for each in _SHARES[self.figure]) / over if over else None

    def _percentile(self, seconds: Sequence[Second], unanswered: int) -> float | None:
        """Return a percentile of latency, in seconds.

        A request without an answer counts as infinitely slow, and so does one in flight for longer
        than the limit. Without them, a system that answers nothing would look fast.
        """
        answered = (value for second in seconds for value in second.latencies)
        waiting = seconds[-1].waiting if seconds else ()
        late = unanswered + sum(age > self.limit for age in waiting)
        return percentile(array("d", [*sorted(answered), *[inf] * late]), _PARTS[self.figure])


def parse_rule(text: str) -> AbortRule:
    """Parse a rule. Raises `LoadError`.

    >>> parse_rule("p99 > 500ms").limit
    0.5
    """
    match = _RULE.fullmatch(text)
    figure, unit = (match[1], match[3]) if match else ("", "")
    if match and figure in _SHARES and unit == "%" and float(match[2]) < 100:
        return AbortRule(text.strip(), figure, float(match[2]) / 100)
    if match and figure in _PARTS and unit in ("ms", "s"):
        return AbortRule(text.strip(), figure, float(match[2]) / (1000 if unit == "ms" else 1))
    if match and figure == _IN_FLIGHT and not unit:
        return AbortRule(text.strip(), figure, float(match[2]))
    raise LoadError(f"{text!r}: {_FORMS}")


def first_exceeded(rules: Iterable[AbortRule], seconds: Sequence[Second]) -> str | None:
    """Return the message of the first exceeded rule, or None."""
    return next((said for rule in rules if (said := rule.exceeded(seconds))), None)
