"""Run a proof: a scenario directly, then through the cache, each with a fleet of its own.

Both runs send the same requests at the same scenario times; the clock is moved by hand.
`esme_emulator.proof.result_builder` builds the result from their records.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from esme_emulator.cache.policy.ledger import Decided
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.service import serve_cache
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.estate.estate import derived_estate
from esme_emulator.estate.parties import PARTY_NAMES
from esme_emulator.faults.engine import Faults
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.fleet.wan import wan_of
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.topics import CACHED, DIRECT
from esme_emulator.profiles import meter_profile
from esme_emulator.profiles.latency import parse_latency
from esme_emulator.proof.driver import Driver
from esme_emulator.proof.evidence import Evidence
from esme_emulator.proof.judge import Judge
from esme_emulator.proof.result import INTERRUPTED, ProofResult
from esme_emulator.proof.result_builder import build_result
from esme_emulator.proof.run_record import FleetObserver, RunRecord
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.runtime.events import Events
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.scenario.scenario import Caching, Scenario
from esme_emulator.scenario.workload import (
    PlannedRequest,
    RegistryHolder,
    Upstream,
    apply_changes,
    initial_registry,
    make_workload,
    planned_changes,
)
from esme_emulator.transport import Gauged, MemoryBroker, TransportError
from gbcs.instants import EPOCH_UNIX
from gbcs.usecases.profile_read import Window

_STRICT: dict[str, Any] = {
    "retention_hours": 25.0,
    "literal": False,
    "sub_window": False,
    "collapse": True,
}
VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("as in the scenario", {}),
    ("strict, 25 hours", _STRICT),
    ("strict, 48 hours", {**_STRICT, "retention_hours": 48.0}),
    ("strict, 72 hours", {**_STRICT, "retention_hours": 72.0}),
    ("literal", {**_STRICT, "literal": True}),
    ("sub-window", {**_STRICT, "sub_window": True}),
    ("no collapse", {**_STRICT, "collapse": False}),
)
"""Caching rules that `--compare` runs: a name, and the cache settings that replace the scenario's.

Each rule after the strict one differs from it in a single setting.
"""

Progress = Callable[[str, int], Callable[[], None]]
"""Starts a progress bar, given a title and a total; returns the function that advances it."""

_CACHE_TIMEOUT_RATIO = 0.9
"""The cache's timeout as a fraction of a party's: below 1, so that the cache gives up first."""


@dataclass(frozen=True, slots=True)
class Proved:
    """The outcome of a proof: one result per variant of the cache."""

    results: list[tuple[str, ProofResult]]
    """Names of variants, and their results."""
    evidence: Evidence
    """Evidence of the first result."""
    left: int = 0
    """Variants that did not run, because the proof was interrupted before."""

    @property
    def result(self) -> ProofResult:
        """The first result."""
        return self.results[0][1]


class Proof:
    """A proof of `scenario`. Raises `WorkloadError` if its requests cannot be made."""

    def __init__(self, scenario: Scenario, broker: str | MemoryBroker) -> None:
        self._scenario = scenario
        self._broker = Gauged(broker)
        self._estate = derived_estate(scenario.seed, scenario.fleet.meters)
        names = scenario.fleet.profiles
        self._profiles = tuple(meter_profile(name) for name in names) if names else None
        parties = self._estate.parties(counter=1)
        by_name = {PARTY_NAMES[party.eui]: party for party in parties}
        self._requests = make_workload(scenario, self._estate.meters, by_name)
        self._recipients = {party.recipient for party in parties}

    async def run(self, progress: Progress, variants: Sequence[tuple[str, Caching]] = ()) -> Proved:
        """Run the requests directly, then through each variant of the cache.

        Without `variants`, that is the scenario's own cache. If the proof is cancelled or loses
        its broker, the last result is partial. Raises `TransportError` if there is no broker from
        the start.
        """
        results: list[tuple[str, ProofResult]] = []
        first = self._record()
        direct, number = self._record(), len(self._requests)
        ended = await _ended(self._run_direct(direct, progress("direct", number)), direct)
        wanted = variants or [("", self._scenario.cache)]
        for name, caching in wanted:
            cached = self._record() if results else first
            if ended is None:
                done = progress(name or "cached", number)
                ended = await _ended(self._run_cached(caching, cached, done), direct)
            results.append((name, self._build(caching, direct, cached, ended)))
            if ended is None:
                # Let an interruption that came during the build end the proof here.
                ended = await _ended(asyncio.sleep(0), direct)
            if ended is not None:
                break
        evidence = Evidence(self._scenario.start, self._requests, direct, first)
        return Proved(results, evidence, len(wanted) - len(results))

    def _build(
        self, caching: Caching, direct: RunRecord, cached: RunRecord, ended: str | None
    ) -> ProofResult:
        judge = Judge(self._estate.keystore, self._estate.seed, self._profiles)
        scenario = replace(self._scenario, cache=caching)
        changes = planned_changes(scenario, self._estate.meters)
        return build_result(scenario, self._requests, direct, cached, judge, changes, ended=ended)

    def _record(self) -> RunRecord:
        clock = ManualClock(self._scenario.start + EPOCH_UNIX)
        return RunRecord(self._fleet(), clock)

    def _fleet(self) -> FleetObserver:
        settings, seed, hub = self._scenario.fleet, self._estate.seed, Events()
        faults = Faults(seed, self._scenario.faults, events=hub)
        fleet = Fleet(
            self._estate.meters,
            self._estate.keystore,
            seed,
            parse_latency(settings.latency),
            wan=wan_of(settings.wan, seed, self._profiles),
            faults=faults,
            strict=settings.strict,
            profiles=self._profiles,
            events=hub,
        )
        return FleetObserver(fleet, faults)

    async def _run_direct(self, record: RunRecord, done: Callable[[], None]) -> None:
        """Send the requests to the meters; upstream refuses those without entitlement."""
        upstream = Upstream()

        def refused(planned: PlannedRequest, now: float) -> str | None:
            party, key = planned.command.remote_party, planned.key
            window = Window(key.start, key.end)
            return upstream.registry.check(party, key.device, key.srv, window, now)

        async with self._at_work(record, DIRECT, refused) as driver:
            await self._drive(record, driver, upstream, done)

    async def _run_cached(
        self, caching: Caching, record: RunRecord, done: Callable[[], None]
    ) -> None:
        """Send the requests to the cache, which has the registry and refuses by itself."""
        scenario = self._scenario
        timeout = record.cache_timeout = scenario.retry.timeout * _CACHE_TIMEOUT_RATIO
        events = Events()
        events.subscribe(Decided, record.decided.append)
        settings = caching.settings(timeout, scenario.seed)
        policy = CachePolicy(self._estate.keystore, settings, initial_registry(), events)
        record.ledger = policy.ledger
        async with (
            serve_cache(self._broker, policy, MemoryStore(), record.clock) as service,
            self._at_work(record, CACHED) as driver,
        ):
            await self._drive(record, driver, service, done)

    @asynccontextmanager
    async def _at_work(
        self,
        record: RunRecord,
        prefix: str,
        refused: Callable[[PlannedRequest, float], str | None] = lambda _planned, _now: None,
    ) -> AsyncIterator[Driver]:
        """Serve the fleet, and yield a driver connected to the broker."""
        requester = Requester(prefix, self._estate.keystore, record.clock)
        gauge, retry = self._broker.gauge, self._scenario.retry
        driver = Driver(requester, record.clock, gauge, retry, refused)
        record.exchanges, record.sent = driver.exchanges, driver.sent
        async with (
            serve_fleet(self._broker, record.fleet.fleet, record.clock),
            requester.connected(self._broker, self._recipients),
        ):
            yield driver

    async def _drive(
        self,
        record: RunRecord,
        driver: Driver,
        holder: RegistryHolder,
        done: Callable[[], None],
    ) -> None:
        changes = planned_changes(self._scenario, self._estate.meters)
        async with Tasks() as tasks:
            tasks.start(apply_changes(changes, holder, record.clock))
            await driver.drive(self._requests, done)


async def _ended(run: Awaitable[None], direct: RunRecord) -> str | None:
    """Run to the end; return why that failed, None if it did not.

    Raises `TransportError` if there is no broker and the `direct` run sent nothing.
    """
    try:
        await run
    except asyncio.CancelledError:
        return INTERRUPTED
    except TransportError as error:
        if not direct.sent:
            raise
        return str(error)
    return None
