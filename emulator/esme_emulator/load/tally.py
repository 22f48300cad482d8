"""The tally of a load: what all workers counted, in all and in the last seconds.

Pure; `Batch` in, figures out.
"""

from array import array
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from itertools import chain
from math import ceil

from esme_emulator.load.histogram import Histogram
from esme_emulator.load.in_flight import FAILURES, Batch, Fate, Origin
from esme_emulator.load.link import Link

Class = tuple[str, str, Origin]


@dataclass(frozen=True, slots=True)
class Second:
    """What happened in one second, of what is counted; `latencies` are sorted seconds."""

    fates: Counter[Fate]
    latencies: "array[float]"
    in_flight: int = 0
    """The most requests in flight at one time."""
    made: int = 0
    """Requests sent, those of a warm-up among them."""
    is_up: bool = True
    """Whether all workers had a connection at its end."""
    waiting: "array[float]" = field(default_factory=lambda: array("d"))
    """How long the requests in flight at its end have waited, in seconds."""


@dataclass(frozen=True, slots=True)
class Live:
    """What a person sees while a load runs; rates are those of the last second."""

    elapsed: float
    sent_rate: float
    answered_rate: float
    in_flight: int
    p99: float | None
    """Milliseconds, of the last second's answers."""
    failed: int
    """Since the start of what is counted."""
    warming_up: bool


class Tally:
    """Sums batches; `window` is how many of the last seconds are at hand."""

    def __init__(self, window: int = 1) -> None:
        self.counts: Counter[tuple[str, str, Fate]] = Counter()
        self.histograms: defaultdict[Class, Histogram] = defaultdict(Histogram)
        self.lags = Histogram()
        self.checked = self.arrived = self.unexpected = 0
        self.cpu: dict[int, float] = {}
        self.links: dict[int, Link] = {}
        """By worker, as last told."""
        self.recent: deque[Second] = deque(maxlen=window)
        self._in_flight: dict[int, int] = {}
        self._most_in_flight = 0
        self._waiting: dict[int, array[float]] = {}
        self._batches: list[Batch] = []

    def add(self, batch: Batch) -> None:
        """Count what a worker counted."""
        self.counts.update(batch.counts)
        for key, latencies in batch.latencies.items():
            self.histograms[key].record(latencies)
        self.lags.record(batch.lags)
        self.checked += batch.checked
        self.arrived += batch.arrived
        self.unexpected += batch.unexpected
        self.cpu[batch.worker] = self.cpu.get(batch.worker, 0.0) + batch.cpu
        self.links[batch.worker] = batch.link
        self._in_flight[batch.worker] = batch.in_flight
        self._most_in_flight = max(self._most_in_flight, sum(self._in_flight.values()))
        self._waiting[batch.worker] = batch.waiting
        self._batches.append(batch)

    def close_second(self) -> Second:
        """Return what was added since the last call, and keep it among the recent."""
        fates: Counter[Fate] = Counter()
        latencies: array[float] = array("d")
        for batch in self._batches:
            for (_, _, fate), number in batch.counts.items():
                fates[fate] += number
            for part in batch.latencies.values():
                latencies.extend(part)
        made = sum(batch.made for batch in self._batches)
        waiting = array("d", chain.from_iterable(self._waiting.values()))
        latencies = array("d", sorted(latencies))
        second = Second(fates, latencies, self._most_in_flight, made, self.is_up, waiting)
        self._batches, self._most_in_flight = [], sum(self._in_flight.values())
        self.recent.append(second)
        return second

    @property
    def is_up(self) -> bool:
        """Whether all workers have a connection, as last told."""
        return all(link.is_up for link in self.links.values())

    @property
    def reconnections(self) -> int:
        """How often connections were lost and made again."""
        return sum(link.reconnections for link in self.links.values())

    def total(self, fate: Fate, party: str | None = None, srv: str | None = None) -> int:
        """Return how many requests had a fate, of one party or SRV where it is given."""
        return sum(
            number
            for (its_party, its_srv, its_fate), number in self.counts.items()
            if its_fate is fate and party in (None, its_party) and srv in (None, its_srv)
        )

    def failed(self) -> int:
        """Return how many requests failed."""
        return sum(self.total(fate) for fate in FAILURES)

    def latency(
        self, party: str | None = None, srv: str | None = None, origin: Origin | None = None
    ) -> Histogram:
        """Return the latencies of all answers, or of those of one party, SRV or origin."""
        return Histogram.merged(
            part
            for (its_party, its_srv, its_origin), part in self.histograms.items()
            if party in (None, its_party)
            and srv in (None, its_srv)
            and origin in (None, its_origin)
        )

    def parties(self) -> list[str]:
        """Return the names of the parties that asked."""
        return sorted({party for party, _, _ in self.counts})

    def srvs(self) -> list[str]:
        """Return the SRVs that were asked for."""
        return sorted({srv for _, srv, _ in self.counts})


def percentile(latencies: "array[float]", part: float) -> float | None:
    """Return by nearest rank what the fraction `part` of sorted latencies does not exceed."""
    if not latencies:
        return None
    return latencies[max(ceil(part * len(latencies)) - 1, 0)]
