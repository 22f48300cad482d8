"""Rules that break a load off: a figure of the last seconds, and what it must not exceed.

Pure.
"""

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from esme_emulator.load.in_flight import FAILURES, Fate
from esme_emulator.load.plan import LoadError
from esme_emulator.load.tally import Second, percentile

_RULE = re.compile(r"\s*([a-z0-9.-]+)\s*>\s*(\d+(?:\.\d+)?)\s*(%|ms|s|)\s*")
_SHARES = {
    "failed": FAILURES,
    "refused": (Fate.REFUSED,),
    "invalid": (Fate.INVALID,),
    "no-reply": (Fate.NO_REPLY,),
    "not-sent": (Fate.NOT_SENT,),
}
_UNANSWERED = (Fate.INVALID, Fate.NO_REPLY, Fate.NOT_SENT)
"""What got no reply that its party can use. A refusal is one, and has its own figure."""
_PARTS = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
_IN_FLIGHT = "in-flight"
_FORMS = (
    f'write it as "failed > 5%", "p99 > 500ms" or "{_IN_FLIGHT} > 2000"; '
    f"shares are of {', '.join(_SHARES)}, times of {', '.join(_PARTS)}"
)


@dataclass(frozen=True, slots=True)
class AbortRule:
    """`figure` must not exceed `limit`: a share from 0 to 1, seconds, or a number."""

    text: str
    figure: str
    limit: float

    def exceeded(self, seconds: Sequence[Second]) -> str | None:
        """Return what to say if the figure of these seconds exceeds its limit, else None.

        The last of `seconds` may be a part of one, at the end of a load.
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
        """Return the figure, None if there was no request that it could be of."""
        if self.figure == _IN_FLIGHT:
            return min((second.in_flight for second in seconds), default=None)
        fates: Counter[Fate] = Counter()
        for second in seconds:
            fates.update(second.fates)
        if self.figure in _PARTS:
            return self._percentile(seconds, sum(fates[fate] for fate in _UNANSWERED))
        over = fates[Fate.ANSWERED] + sum(fates[fate] for fate in FAILURES)
        return sum(fates[fate] for fate in _SHARES[self.figure]) / over if over else None

    def _percentile(self, seconds: Sequence[Second], unanswered: int) -> float | None:
        """Return a percentile of latency, in seconds.

        A request without an answer counts as infinitely slow, and so does one that has waited
        longer than the limit. Without them a system that answers nothing would look fast.
        """
        answered = (value for second in seconds for value in second.latencies)
        waiting = seconds[-1].waiting if seconds else ()
        late = unanswered + sum(age > self.limit for age in waiting)
        return percentile(array("d", [*sorted(answered), *[inf] * late]), _PARTS[self.figure])


def parse_rule(text: str) -> AbortRule:
    """Return the rule that `text` states. Raises `LoadError`.

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
    """Return what to say of the first rule that is broken, or None."""
    return next((said for rule in rules if (said := rule.exceeded(seconds))), None)
