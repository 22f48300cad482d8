"""Prometheus metrics, computed from the counters of the parts when they are scraped.

Counts nothing itself. No label names a meter or a party, because each would get its own series.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from esme_emulator.cache.policy.ledger import Ledger, audit_of
from esme_emulator.cache.store.base import Size, Store, StoreError
from esme_emulator.control.routing import within
from esme_emulator.fleet.counters import Stage
from esme_emulator.fleet.wan import WanTally
from esme_emulator.monitor.parts import HitAges, RunningFleet, RunningParts
from esme_emulator.transport import Transport

if TYPE_CHECKING:  # its packages are in an extra of their own
    from esme_emulator.gateway.service import Dsp

CONTENT_TYPE = CONTENT_TYPE_LATEST

SIZE_INTERVAL = 10.0
"""Minimum time between two queries of the store's size, in seconds."""

SIZE_TIMEOUT = 2.0
"""Timeout of a query of the store's size, in seconds."""


class Metrics(Collector):
    """Collects the metrics of `parts`."""

    def __init__(self, parts: RunningParts) -> None:
        self._parts = parts
        self._size = None if parts.cache is None else _KnownSize(parts.cache.store)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    async def exposition(self) -> bytes:
        """Return the metrics in the text format of Prometheus, of type `CONTENT_TYPE`."""
        # A collector cannot await, so the store is queried before it runs.
        if self._size is not None:
            await self._size.refresh()
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the current metrics."""
        parts = self._parts
        yield GaugeMetricFamily("esme_up", "1 while this process answers.", 1)
        connected = parts.is_connected()
        yield GaugeMetricFamily(
            "esme_broker_connected",
            "1 while fleet and cache have all their connections.",
            connected,
        )
        yield from _of_transports(parts.transports)
        yield GaugeMetricFamily(
            "esme_clock_seconds",
            "Time of the clock, as Unix time.",
            parts.clock.now(),
        )
        if parts.fleet is not None:
            yield from _of_fleet(parts.fleet)
        if parts.cache is not None:
            yield from _of_ledger(parts.cache.ledger)
            yield _of_ages(parts.cache.hit_ages)
        if parts.dsp is not None:
            yield from _of_dsp(parts.dsp)
        if self._size is not None:
            yield from _of_store(self._size.size)


def _of_transports(parts: Mapping[str, Sequence[Transport]]) -> Iterator[Metric]:
    messages = CounterMetricFamily(
        "esme_transport_messages",
        "Messages between a part and the broker, by event.",
        labels=("part", "event"),
    )
    reconnections = CounterMetricFamily(
        "esme_transport_reconnections",
        "Connections that replaced a lost one.",
        labels=("part",),
    )
    for part, transports in parts.items():
        sums = Counter[str]()
        for transport in transports:
            sums.update(asdict(transport.counters))
        reconnections.add_metric((part,), sums.pop("reconnections", 0))
        for event, number in sums.items():
            messages.add_metric((part, event), number)
    yield messages
    yield reconnections


def _of_fleet(fleet: RunningFleet) -> Iterator[Metric]:
    yield GaugeMetricFamily("esme_meters", "Meters of this process.", len(fleet.meters))
    received = CounterMetricFamily(
        "esme_commands_received", "Commands that meters received.", labels=("srv", "outcome")
    )
    sent = CounterMetricFamily(
        "esme_replies_sent", "Replies that the broker accepted.", labels=("srv", "outcome")
    )
    unsent = CounterMetricFamily(
        "esme_replies_unsent", "Replies that the broker did not accept.", labels=("srv", "outcome")
    )
    families = {Stage.RECEIVED: received, Stage.REPLIED: sent, Stage.UNSENT: unsent}
    for series, number in fleet.counters.totals().items():
        families[series.stage].add_metric((series.srv, series.outcome), number)
    yield from families.values()
    fired = CounterMetricFamily(
        "esme_faults_fired", "Times that a fault rule changed something.", labels=("rule", "kind")
    )
    times = fleet.faults.fired
    for rule in fleet.faults.rules:
        fired.add_metric((rule.name, rule.kind), times[rule.name])
    yield fired
    yield CounterMetricFamily(
        "esme_busy_seconds", "Time that meters spent answering.", fleet.fleet.busy_seconds
    )
    if fleet.fleet.wan is not None:
        yield from _of_wan(fleet.fleet.wan.tally)


def _of_wan(tally: WanTally) -> Iterator[Metric]:
    for name, documentation, down, up in (
        ("messages", "Messages sent over the WAN.", tally.commands, tally.replies),
        ("octets", "Octets sent over the WAN.", tally.octets_down, tally.octets_up),
        ("lost", "Messages that the WAN lost.", tally.lost_commands, tally.lost_replies),
    ):
        both = CounterMetricFamily(f"esme_wan_{name}", documentation, labels=("direction",))
        both.add_metric(("down",), down)
        both.add_metric(("up",), up)
        yield both
    yield CounterMetricFamily(
        "esme_wan_radio_seconds", "Transmission time on the WAN.", tally.radio_seconds
    )
    yield CounterMetricFamily("esme_wan_wakes", "Times a meter was woken.", tally.wakes)
    yield CounterMetricFamily("esme_wan_sms", "SMS that woke meters.", tally.sms)


def _of_ledger(ledger: Ledger) -> Iterator[Metric]:
    yield CounterMetricFamily("s1sp_requests", "Requests to the cache.", ledger.requests)
    yield CounterMetricFamily("s1sp_retries", "Reads that were resent.", ledger.retries)
    audit = audit_of(ledger)
    yield CounterMetricFamily("s1sp_shadow", "Hits audited with the meter.", audit.asked)
    yield CounterMetricFamily(
        "s1sp_shadow_compared", "Audited hits to which the meter replied.", audit.compared
    )
    yield CounterMetricFamily(
        "s1sp_shadow_differences",
        "Audited hits that differ from the meter's reply.",
        audit.different,
    )
    if audit.difference_ratio is not None:
        yield GaugeMetricFamily(
            "s1sp_shadow_difference_ratio",
            "Share of compared hits that differ.",
            audit.difference_ratio,
        )
    decisions = CounterMetricFamily(
        "s1sp_decisions", "Requests by decision.", labels=("srv", "decision")
    )
    for (srv, decision), number in sorted(ledger.decisions.items()):
        decisions.add_metric((srv, decision), number)
    yield decisions
    reasons = CounterMetricFamily(
        "s1sp_reasons",
        "Reasons why requests were refused or failed, and replies not stored or delivered.",
        labels=("reason",),
    )
    for reason, number in sorted(ledger.reasons.items()):
        reasons.add_metric((reason,), number)
    yield reasons


def _of_ages(ages: HitAges) -> Metric:
    buckets, below = [], 0
    for hours, number in ages.numbers().items():
        below += number
        buckets.append(("+Inf" if hours is None else str(hours * 3600.0), below))
    return HistogramMetricFamily(
        "s1sp_hit_age_seconds",
        "Age of the readings in hits.",
        buckets=buckets,
        sum_value=ages.seconds,
    )


def _of_dsp(dsp: "Dsp") -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "esme_duis_requests", "DUIS requests by service and outcome.", labels=("service", "outcome")
    )
    for key, number in sorted(dsp.tally.requests.items()):
        requests.add_metric(key, number)
    yield requests
    deliveries = CounterMetricFamily(
        "esme_duis_deliveries", "Attempts to deliver responses, by outcome.", labels=("outcome",)
    )
    for outcome, number in sorted(dsp.deliveries.attempts.items()):
        deliveries.add_metric((outcome,), number)
    yield deliveries
    yield GaugeMetricFamily(
        "esme_duis_jobs", "Acknowledged requests without a response yet.", dsp.jobs
    )
    yield GaugeMetricFamily(
        "esme_duis_waiting", "Responses that were not delivered yet.", dsp.deliveries.waiting
    )


def _of_store(size: Size | None) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "s1sp_store_up", "1 if the store answered the last query.", size is not None
    )
    if size is None:
        return
    yield GaugeMetricFamily("s1sp_store_entries", "Entries in the store.", size.entries)
    yield GaugeMetricFamily("s1sp_store_octets", "Octets that the entries take.", size.octets)
    yield CounterMetricFamily("s1sp_store_evicted", "Entries evicted to make room.", size.evicted)
    yield CounterMetricFamily(
        "s1sp_store_unreadable", "Entries that could not be read.", size.unreadable
    )


class _KnownSize:
    """The size of a store at the last query, None if that failed or there was none."""

    def __init__(self, store: Store) -> None:
        self.size: Size | None = None
        self._store = store
        self._next = float("-inf")

    async def refresh(self) -> None:
        """Query the store, unless that was less than `SIZE_INTERVAL` ago."""
        now = asyncio.get_running_loop().time()
        if now < self._next:
            return
        self._next = now + SIZE_INTERVAL
        try:
            self.size = await within(SIZE_TIMEOUT, self._store.size())
        except StoreError:
            self.size = None
