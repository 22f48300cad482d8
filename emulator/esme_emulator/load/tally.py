"""Sum the counts of all workers, in total and for the last seconds. Pure."""

from array import array
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from itertools import chain
from math import ceil

from esme_emulator.load.histogram import Histogram
from esme_emulator.load.in_flight import FAILURES, Batch, ConnectionState, Origin, Outcome

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


class Tally:
    """Sums batches, and keeps the last `window` seconds."""

    def __init__(self, window: int = 1) -> None:
        self.counts: Counter[tuple[str, str, Outcome]] = Counter()
        self.histograms: defaultdict[Class, Histogram] = defaultdict(Histogram)
        self.lags = Histogram()
        self.checked = self.arrived = self.unexpected = 0
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
        self.checked += batch.checked
        self.arrived += batch.arrived
        self.unexpected += batch.unexpected
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
