"""Running a proof: the workload direct, then through the cache, each on a fleet of its own."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from emulator.cache.entry import MIN_RETENTION_HOURS, retention_seconds
from emulator.cache.ledger import Decision
from emulator.cache.policy import CachePolicy
from emulator.cache.service import serve_cache
from emulator.cache.store import MemoryStore
from emulator.clock import ManualClock
from emulator.estate import Estate
from emulator.fleet import Fleet
from emulator.fleet_service import serve_fleet
from emulator.latency import NONE
from emulator.proof.check import octets_differ, readings_differ
from emulator.proof.drive import PATIENCE, Exchange, drive
from emulator.proof.result import Latencies, Percentiles, ProofResult
from emulator.proof.workload import Ask, make_workload
from emulator.requester import Requester
from emulator.topics import CACHED, DIRECT
from emulator.transaction import Transaction, transaction_of
from emulator.transport import Broker
from gbcs.instants import EPOCH_UNIX, parse_iso

NOW = parse_iso("2026-01-15T12:00:00Z")
"""The proof's time, in seconds since 2000; it stands still, so that a rerun is the same."""

Progress = Callable[[str, int], Callable[[], None]]
"""Begins to show a run, by title and number of requests; returns what to call after each."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Run:
    exchanges: list[Exchange]
    device_hits: int


async def run_proof(estate: Estate, broker: Broker, progress: Progress) -> ProofResult:
    """Return what the proof counted. Raises `TransportError` where there is no broker."""
    clock = ManualClock(NOW + EPOCH_UNIX)
    asks = make_workload(estate.meters, estate.parties(counter=1), NOW, estate.seed)
    distinct = len({ask.key for ask in asks})

    direct = await _run(estate, broker, clock, DIRECT, asks, progress("direct", len(asks)))
    policy = CachePolicy(
        estate.keystore,
        retention=retention_seconds(MIN_RETENTION_HOURS),
        reply_timeout=PATIENCE,
    )
    ledger = policy.ledger
    ledger.journal = {}
    async with serve_cache(broker, policy, MemoryStore(), clock):
        cached = await _run(estate, broker, clock, CACHED, asks, progress("cached", len(asks)))

    decisions = {decision: ledger.total(decision) for decision in Decision}
    differences = (
        len(asks) - direct.device_hits,
        len(asks) - ledger.requests,
        ledger.undecided(),
        decisions[Decision.FORWARDED] - cached.device_hits,
    )
    exchanges = [*direct.exchanges, *cached.exchanges]
    different = [
        exchange
        for exchange in exchanges
        if readings_differ(exchange, estate.seed, clock.now())
        or octets_differ(exchange, estate.keystore, estate.seed, clock.now())
    ]
    if different:
        _log.warning("first reply that differs: %s", different[0].ask.key)
    return ProofResult(
        seed=estate.seed,
        meters=len(estate.meters),
        distinct_reads=distinct,
        requests=len(asks),
        device_hits_direct=direct.device_hits,
        device_hits_cached=cached.device_hits,
        hits=decisions[Decision.HIT],
        collapsed=decisions[Decision.COLLAPSED],
        forwarded=decisions[Decision.FORWARDED],
        refused=decisions[Decision.REFUSED],
        failed=decisions[Decision.FAILED],
        ledger_difference=sum(map(abs, differences)),
        replies_compared=sum(exchange.reply is not None for exchange in exchanges),
        replies_different=len(different),
        latency=Latencies(
            direct=_percentiles(direct.exchanges),
            hit=_percentiles(_decided(cached.exchanges, ledger.journal, {Decision.HIT})),
            miss=_percentiles(
                _decided(cached.exchanges, ledger.journal, {Decision.FORWARDED, Decision.COLLAPSED})
            ),
        ),
    )


async def _run(
    estate: Estate,
    broker: Broker,
    clock: ManualClock,
    prefix: str,
    asks: Sequence[Ask],
    done: Callable[[], None],
) -> _Run:
    fleet = Fleet(estate.meters, estate.keystore, estate.seed, NONE)
    requester = Requester(prefix, estate.keystore)
    recipients = {ask.command.originator for ask in asks}
    async with serve_fleet(broker, fleet, clock), requester.connected(broker, recipients):
        exchanges = await drive(requester, asks, done)
    return _Run(exchanges, fleet.counters.device_hits)


def _decided(
    exchanges: list[Exchange],
    journal: Mapping[Transaction, Decision],
    decisions: set[Decision],
) -> list[Exchange]:
    return [
        exchange
        for exchange in exchanges
        if journal.get(transaction_of(exchange.ask.command)) in decisions
    ]


def _percentiles(exchanges: list[Exchange]) -> Percentiles:
    return Percentiles.of(exchange.reply.seconds for exchange in exchanges if exchange.reply)
