"""Sum the counts of all workers, and abort a load by those of the last seconds. Pure.

Latencies are counted in HDR histograms, with three digits from a microsecond to two hours.
"""

import io
import re
from array import array
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import ceil, inf

from hdrh.histogram import HdrHistogram

from esme_emulator.load.in_flight import FAILURES, Batch, ConnectionState, Origin, Outcome
from esme_emulator.load.plan import LoadError

HIGHEST = 7200.0
"""Largest latency, in seconds; longer ones are recorded as this."""
_PER_SECOND = 1_000_000
_DIGITS = 3
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9}


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Percentiles of latencies, in milliseconds, or None without latencies."""

    count: int
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
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

    def percentile(self, part: float, later: int = 0) -> float | None:
        """Return the percentile `part`, 0 to 1, in milliseconds, with `later` longer latencies.

        Returns None if it is one of the longer ones, or without latencies.
        """
        number = len(self)
        # Rounded as HdrHistogram rounds it, so that it agrees with `quantiles`.
        rank = max(int(part * (number + later) + 0.5), 1)
        if rank > number:
            return None
        return float(self._counts.get_value_at_percentile(100 * rank / number)) / 1000

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


Class = tuple[str, str, Origin]


@dataclass(frozen=True, slots=True)
class Second:
    """Counts of one second, without the warm-up; `latencies` are sorted, in seconds."""

    outcomes: Counter[Outcome]
    latencies: "array[float]"
    in_flight: int = 0
    """Most requests in flight at once."""
    made: int = 0
    """Requests sent, the warm-up included."""
    is_up: bool = True
    """Whether all workers were connected at the end of the second."""
    waiting: "array[float]" = field(default_factory=lambda: array("d"))
    """Ages of the requests in flight at the end of the second, in seconds."""


@dataclass(frozen=True, slots=True)
class Live:
    """Figures for a live display; rates are those of the last second."""

    elapsed: float
    sent_rate: float
    answered_rate: float
    in_flight: int
    p99: float | None
    """99th percentile of the last second's latencies, in milliseconds."""
    failed: int
    """Failed requests since the end of the warm-up."""
    warming_up: bool
    silent: bool = False
    """Whether no reply at all has come for some time."""


class Tally:
    """Sums batches, and keeps the last `window` seconds."""

    def __init__(self, window: int = 1) -> None:
        self.counts: Counter[tuple[str, str, Outcome]] = Counter()
        self.histograms: defaultdict[Class, Histogram] = defaultdict(Histogram)
        self.lags = Histogram()
        self.acknowledgements = Histogram()
        self.codes: Counter[str] = Counter()
        self.checked = self.arrived = self.unexpected = 0
        self.made = self.heard = self.unheard = 0
        self.cpu: dict[int, float] = {}
        self.connections: dict[int, ConnectionState] = {}
        """Last reported state of each worker's connection."""
        self.recent: deque[Second] = deque(maxlen=window)
        self._in_flight: dict[int, int] = {}
        self._most_in_flight = 0
        self._waiting: dict[int, array[float]] = {}
        self._batches: list[Batch] = []

    def add(self, batch: Batch) -> None:
        """Add the counts of a worker."""
        self.counts.update(batch.counts)
        for key, latencies in batch.latencies.items():
            self.histograms[key].record(latencies)
        self.lags.record(batch.lags)
        self.acknowledgements.record(batch.acknowledgements)
        self.codes.update(batch.codes)
        self.checked += batch.checked
        self.arrived += batch.arrived
        self.unexpected += batch.unexpected
        self.made += batch.made
        self.heard += batch.heard
        self.unheard += batch.unheard
        self.cpu[batch.worker] = self.cpu.get(batch.worker, 0.0) + batch.cpu
        self.connections[batch.worker] = batch.connection
        self._in_flight[batch.worker] = batch.in_flight
        self._most_in_flight = max(self._most_in_flight, sum(self._in_flight.values()))
        self._waiting[batch.worker] = batch.waiting
        self._batches.append(batch)

    def close_second(self) -> Second:
        """Return the counts since the last call, and append them to `recent`."""
        outcomes: Counter[Outcome] = Counter()
        latencies: array[float] = array("d")
        for batch in self._batches:
            for (_, _, outcome), number in batch.counts.items():
                outcomes[outcome] += number
            for part in batch.latencies.values():
                latencies.extend(part)
        made = sum(batch.made for batch in self._batches)
        waiting = array("d", chain.from_iterable(self._waiting.values()))
        latencies = array("d", sorted(latencies))
        second = Second(outcomes, latencies, self._most_in_flight, made, self.is_up, waiting)
        self._batches, self._most_in_flight = [], sum(self._in_flight.values())
        self.recent.append(second)
        return second

    @property
    def is_up(self) -> bool:
        """Whether all workers were connected at their last report."""
        return all(state.is_up for state in self.connections.values())

    @property
    def reconnections(self) -> int:
        """Times that connections were lost and restored."""
        return sum(state.reconnections for state in self.connections.values())

    def total(self, outcome: Outcome, party: str | None = None, srv: str | None = None) -> int:
        """Return the number of requests with an outcome, optionally of one party or SRV."""
        return sum(
            number
            for (its_party, its_srv, its_outcome), number in self.counts.items()
            if its_outcome is outcome and party in (None, its_party) and srv in (None, its_srv)
        )

    def failed(self) -> int:
        """Return the number of failed requests."""
        return sum(self.total(outcome) for outcome in FAILURES)

    def latency(
        self, party: str | None = None, srv: str | None = None, origin: Origin | None = None
    ) -> Histogram:
        """Return the latencies of answers, optionally of one party, SRV or origin."""
        return Histogram.merged(
            part
            for (its_party, its_srv, its_origin), part in self.histograms.items()
            if party in (None, its_party)
            and srv in (None, its_srv)
            and origin in (None, its_origin)
        )

    def parties(self) -> list[str]:
        """Return the names of the parties in the counts."""
        return sorted({party for party, _, _ in self.counts})

    def srvs(self) -> list[str]:
        """Return the SRVs in the counts."""
        return sorted({srv for _, srv, _ in self.counts})


def percentile(latencies: "array[float]", part: float) -> float | None:
    """Return the percentile `part`, 0 to 1, of sorted latencies, by nearest rank."""
    if not latencies:
        return None
    return latencies[max(ceil(part * len(latencies)) - 1, 0)]


_RULE = re.compile(r"\s*([a-z0-9.-]+)\s*>\s*(\d+(?:\.\d+)?)\s*(%|ms|s|)\s*")
SHARES = {
    "failed": FAILURES,
    "refused": (Outcome.REFUSED,),
    "invalid": (Outcome.INVALID,),
    "no-reply": (Outcome.NO_REPLY,),
    "not-sent": (Outcome.NOT_SENT,),
}
UNANSWERED = (Outcome.INVALID, Outcome.NO_REPLY, Outcome.NOT_SENT)
"""Outcomes without a usable reply. A refusal is a reply, and has a figure of its own."""
PARTS = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
_IN_FLIGHT = "in-flight"
_FORMS = (
    f'write it as "failed > 5%", "p99 > 500ms" or "{_IN_FLIGHT} > 2000"; '
    f"shares are of {', '.join(SHARES)}, times of {', '.join(PARTS)}"
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
        if self.figure in SHARES:
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
        if self.figure in PARTS:
            return self._percentile(seconds, sum(outcomes[each] for each in UNANSWERED))
        over = outcomes[Outcome.ANSWERED] + sum(outcomes[each] for each in FAILURES)
        return sum(outcomes[each] for each in SHARES[self.figure]) / over if over else None

    def _percentile(self, seconds: Sequence[Second], unanswered: int) -> float | None:
        """Return a percentile of latency, in seconds.

        A request without an answer counts as infinitely slow, and so does one in flight for longer
        than the limit. Without them, a system that answers nothing would look fast.
        """
        answered = (value for second in seconds for value in second.latencies)
        waiting = seconds[-1].waiting if seconds else ()
        late = unanswered + sum(age > self.limit for age in waiting)
        return percentile(array("d", [*sorted(answered), *[inf] * late]), PARTS[self.figure])


def parse_rule(text: str) -> AbortRule:
    """Parse a rule. Raises `LoadError`.

    >>> parse_rule("p99 > 500ms").limit
    0.5
    """
    match = _RULE.fullmatch(text)
    figure, unit = (match[1], match[3]) if match else ("", "")
    if match and figure in SHARES and unit == "%" and float(match[2]) < 100:
        return AbortRule(text.strip(), figure, float(match[2]) / 100)
    if match and figure in PARTS and unit in ("ms", "s"):
        return AbortRule(text.strip(), figure, float(match[2]) / (1000 if unit == "ms" else 1))
    if match and figure == _IN_FLIGHT and not unit:
        return AbortRule(text.strip(), figure, float(match[2]))
    raise LoadError(f"{text!r}: {_FORMS}")


def first_exceeded(rules: Iterable[AbortRule], seconds: Sequence[Second]) -> str | None:
    """Return the message of the first exceeded rule, or None."""
    return next((said for rule in rules if (said := rule.exceeded(seconds))), None)
