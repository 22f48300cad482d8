"""Metrics: what was counted, for Prometheus, read when it is scraped.

Nothing is counted here a second time, and nothing is said by meter, which would make a series for
each.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from emulator.cache.ledger import Ledger
from emulator.control.parts import Controlled, ControlledFleet
from emulator.counters import Stage

CONTENT_TYPE = CONTENT_TYPE_LATEST


class _Parts(Collector):
    def __init__(self, parts: Controlled) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        parts = self._parts
        yield GaugeMetricFamily("esme_up", "1 as long as this process answers.", 1)
        connected = parts.is_connected()
        yield GaugeMetricFamily("esme_broker_connected", "1 while connected.", connected)
        yield GaugeMetricFamily(
            "esme_clock_seconds",
            "Unix time that the clock shows.",
            parts.clock.now(),
        )
        if parts.fleet is not None:
            yield from _of_fleet(parts.fleet)
        if parts.ledger is not None:
            yield from _of_cache(parts.ledger)


def _of_fleet(fleet: ControlledFleet) -> Iterator[Metric]:
    yield GaugeMetricFamily("esme_meters", "Meters hosted.", len(fleet.meters))
    received = CounterMetricFamily(
        "esme_commands_received", "Commands that meters received.", labels=("srv", "outcome")
    )
    sent = CounterMetricFamily(
        "esme_replies_sent", "Replies that the broker has.", labels=("srv", "outcome")
    )
    families = {Stage.RECEIVED: received, Stage.REPLIED: sent}
    for series, number in fleet.counters.totals().items():
        families[series.stage].add_metric((series.srv, series.outcome), number)
    yield from families.values()
    fired = CounterMetricFamily(
        "esme_faults_fired", "Times that a rule changed something.", labels=("rule", "kind")
    )
    times = fleet.faults.fired
    for rule in fleet.faults.rules:
        fired.add_metric((rule.name, rule.kind), times[rule.name])
    yield fired


def _of_cache(ledger: Ledger) -> Iterator[Metric]:
    yield CounterMetricFamily("s1sp_requests", "Requests to the cache.", ledger.requests)
    yield CounterMetricFamily("s1sp_retries", "Reads that were sent again.", ledger.retries)
    yield CounterMetricFamily(
        "s1sp_shadow", "Hits for which the meter was asked all the same.", ledger.shadow
    )
    decisions = CounterMetricFamily(
        "s1sp_decisions", "What became of requests.", labels=("srv", "decision")
    )
    for (srv, decision), number in sorted(ledger.decisions.items()):
        decisions.add_metric((srv, decision), number)
    yield decisions
    reasons = CounterMetricFamily(
        "s1sp_reasons",
        "Why requests were refused or failed, replies not kept or not delivered.",
        labels=("reason",),
    )
    for reason, number in sorted(ledger.reasons.items()):
        reasons.add_metric((reason,), number)
    yield reasons


def registry_of(parts: Controlled) -> CollectorRegistry:
    """Return a registry that reads `parts` whenever it is collected."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Parts(parts))
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """Return the metrics in the text format of Prometheus, of type `CONTENT_TYPE`."""
    return generate_latest(registry)
