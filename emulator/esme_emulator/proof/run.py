"""Running a proof: a scenario direct, then through the cache, each on a fleet of its own.

Both runs make the same requests at the same times of the scenario's clock, which is moved by hand;
`esme_emulator.proof.result_builder` makes a result of what they leave.
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
from esme_emulator.fleet.latency import parse_latency
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.fleet.wan import wan_of
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.topics import CACHED, DIRECT
from esme_emulator.profiles import meter_profile
from esme_emulator.proof.driver import Driver
from esme_emulator.proof.evidence import Evidence
from esme_emulator.proof.judge import Judge
from esme_emulator.proof.observed import FleetObserver
from esme_emulator.proof.result import INTERRUPTED, ProofResult
from esme_emulator.proof.result_builder import assemble
from esme_emulator.proof.run_record import RunAccount
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.runtime.events import Events
from esme_emulator.runtime.files import read_text
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.scenario.changes import Entitling, Upstream, events, follow, registry
from esme_emulator.scenario.scenario import Caching, Scenario
from esme_emulator.scenario.workload import Ask, make_workload
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
"""Rules that a proof is run under to compare them, and what each changes of the scenario's cache.

The strict rule, and what differs from it in one thing, whatever the scenario says of these.
"""

Progress = Callable[[str, int], Callable[[], None]]
"""Begins to show a run, by title and number of requests; returns what to call after each."""

_CACHE_PATIENCE = 0.9
"""The part of a party's patience that the cache waits for a meter."""


@dataclass(frozen=True, slots=True)
class Proved:
    """What a proof came to."""

    results: list[tuple[str, ProofResult]]
    """With each cache, by its name."""
    evidence: Evidence
    """Of the first of these."""
    left: int = 0
    """How many caches it did not come to, since it was interrupted before."""

    @property
    def result(self) -> ProofResult:
        """The first of the results."""
        return self.results[0][1]


class Proof:
    """A proof of `scenario`. Raises `WorkloadError` where its requests cannot be made."""

    def __init__(self, scenario: Scenario, broker: str | MemoryBroker) -> None:
        self._scenario = scenario
        self._broker = Gauged(broker)
        self._estate = derived_estate(scenario.seed, scenario.fleet.meters)
        names = scenario.fleet.profiles
        self._profiles = tuple(meter_profile(name) for name in names) if names else None
        parties = self._estate.parties(counter=1)
        by_name = {PARTY_NAMES[party.eui]: party for party in parties}
        self._asks = make_workload(scenario, self._estate.meters, by_name)
        self._recipients = {party.recipient for party in parties}

    async def run(self, progress: Progress, variants: Sequence[tuple[str, Caching]] = ()) -> Proved:
        """Return what the same requests come to with each cache, by its name.

        Without `variants` that is the scenario's own cache. Where it is cancelled or loses its
        broker on the way, the last result is a partial one. Raises `TransportError` where there is
        no broker.
        """
        results: list[tuple[str, ProofResult]] = []
        first = self._account()
        direct, number = self._account(), len(self._asks)
        ended = await _ended(self._run_direct(direct, progress("direct", number)), direct)
        wanted = variants or [("", self._scenario.cache)]
        for name, caching in wanted:
            cached = self._account() if results else first
            if ended is None:
                done = progress(name or "cached", number)
                ended = await _ended(self._run_cached(caching, cached, done), direct)
            results.append((name, self._assemble(caching, direct, cached, ended)))
            if ended is None:  # an interruption that came meanwhile ends this, not what follows it
                ended = await _ended(asyncio.sleep(0), direct)
            if ended is not None:
                break
        evidence = Evidence(self._scenario.start, self._asks, direct, first)
        return Proved(results, evidence, len(wanted) - len(results))

    def _assemble(
        self, caching: Caching, direct: RunAccount, cached: RunAccount, ended: str | None
    ) -> ProofResult:
        judge = Judge(self._estate.keystore, self._estate.seed, self._profiles)
        scenario = replace(self._scenario, cache=caching)
        changes = events(scenario, self._estate.meters)
        return assemble(scenario, self._asks, direct, cached, judge, changes, ended=ended)

    def _account(self) -> RunAccount:
        clock = ManualClock(self._scenario.start + EPOCH_UNIX)
        return RunAccount(self._fleet(), clock)

    def _fleet(self) -> FleetObserver:
        settings, seed, hub = self._scenario.fleet, self._estate.seed, Events()
        faults = Faults(seed, self._scenario.faults, events=hub)
        fleet = Fleet(
            self._estate.meters,
            self._estate.keystore,
            seed,
            parse_latency(settings.latency, read_text),
            wan=wan_of(settings.wan, seed, read_text, self._profiles),
            faults=faults,
            strict=settings.strict,
            profiles=self._profiles,
            events=hub,
        )
        return FleetObserver(fleet, faults)

    async def _run_direct(self, account: RunAccount, done: Callable[[], None]) -> None:
        """Make the requests of meters; what a party is not entitled to is refused on the way."""
        upstream = Upstream()

        def refused(ask: Ask, now: float) -> str | None:
            party, key = ask.command.remote_party, ask.key
            window = Window(key.start, key.end)
            return upstream.registry.check(party, key.device, key.srv, window, now)

        async with self._at_work(account, DIRECT, refused) as driver:
            await self._drive(account, driver, upstream, done)

    async def _run_cached(
        self, caching: Caching, account: RunAccount, done: Callable[[], None]
    ) -> None:
        """Make the requests of the cache, which knows who is entitled."""
        scenario = self._scenario
        timeout = account.waits = scenario.patience.timeout * _CACHE_PATIENCE
        events = Events()
        events.subscribe(Decided, account.decided.append)
        settings = caching.settings(timeout, scenario.seed)
        policy = CachePolicy(self._estate.keystore, settings, registry(), events)
        account.ledger = policy.ledger
        async with (
            serve_cache(self._broker, policy, MemoryStore(), account.clock) as service,
            self._at_work(account, CACHED) as driver,
        ):
            await self._drive(account, driver, service, done)

    @asynccontextmanager
    async def _at_work(
        self,
        account: RunAccount,
        prefix: str,
        refused: Callable[[Ask, float], str | None] = lambda _ask, _now: None,
    ) -> AsyncIterator[Driver]:
        """Run the fleet, and yield who makes requests of it."""
        requester = Requester(prefix, self._estate.keystore, account.clock)
        patience = self._scenario.patience
        driver = Driver(requester, account.clock, self._broker.gauge, patience, refused)
        account.exchanges, account.sent = driver.exchanges, driver.sent
        async with (
            serve_fleet(self._broker, account.fleet.fleet, account.clock),
            requester.connected(self._broker, self._recipients),
        ):
            yield driver

    async def _drive(
        self,
        account: RunAccount,
        driver: Driver,
        entitling: Entitling,
        done: Callable[[], None],
    ) -> None:
        changes = events(self._scenario, self._estate.meters)
        async with Tasks() as tasks:
            tasks.start(follow(changes, entitling, account.clock))
            await driver.drive(self._asks, done)


async def _ended(run: Awaitable[None], direct: RunAccount) -> str | None:
    """Return why `run` did not come to its end, None where it did.

    Raises `TransportError` where there is no broker, and not even a `direct` request was made.
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
