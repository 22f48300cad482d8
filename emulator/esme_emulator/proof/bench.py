"""Makes the runs of a proof's parts: fleet, cache, judge and record, and drives them.

The same runs go over a broker or without one.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from heapq import merge
from itertools import islice
from operator import attrgetter
from pathlib import Path

from esme_emulator.cache.policy.ledger import Decided
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.device.model import profile_of
from esme_emulator.faults.engine import Faults
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.fleet.wan import wan_of
from esme_emulator.messaging.topics import CACHED, DIRECT
from esme_emulator.profiles.latency import parse_latency
from esme_emulator.proof import evidence
from esme_emulator.proof.evidence import EvidenceWriter
from esme_emulator.proof.figures import Figures, figures_of
from esme_emulator.proof.in_process import InProcess
from esme_emulator.proof.judge import Judge
from esme_emulator.proof.over_broker import Parties, Senders, run_over_broker
from esme_emulator.proof.parts import Part
from esme_emulator.proof.run_record import FleetObserver, Run, RunRecord
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.runtime.events import Events
from esme_emulator.scenario.scenario import Caching, Scenario
from esme_emulator.scenario.supply import Supply, estate_of, kinds_of
from esme_emulator.scenario.workload import (
    PlannedChange,
    PlannedRequest,
    Planner,
    Upstream,
    planned_changes,
)
from esme_emulator.transport import Gauged
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX

Variants = Sequence[tuple[str, Caching]]
"""Names and settings of the caches to run."""

Step = Callable[[int], None]
"""Advances a progress bar by so many steps."""

_CACHE_TIMEOUT_RATIO = 0.9
"""The cache's timeout as a fraction of a party's: below 1, so that the cache gives up first."""

_TURN = 100
"""Events of a run without a broker between two looks for an interruption."""


@dataclass(frozen=True, slots=True)
class PartRun:
    """One run of a part: direct if its number is 0, through the cache otherwise."""

    number: int
    run: Run
    requests: list[PlannedRequest]
    changes: list[PlannedChange]
    recipients: set[EUI]

    def agenda(self) -> Iterator[PlannedRequest | PlannedChange]:
        """Yield changes and requests in the order of their times, of one time the changes first."""
        return merge(self.changes, self.requests, key=attrgetter("time"))


class Bench:
    """Makes the runs of a scenario's parts, and their figures.

    Evidence is written into `folder`, as process `owner`. `variants` are those of the cache. With
    `duis`, parties make their requests through a front door for DUIS, over a broker only.
    """

    def __init__(
        self,
        scenario: Scenario,
        variants: Variants,
        folder: Path,
        owner: str,
        *,
        duis: bool = False,
    ) -> None:
        self.scenario = scenario
        self.variants = variants
        self._estate = estate_of(scenario)
        self._supply = Supply(scenario, self._estate)
        self._profiles = kinds_of(scenario.fleet)
        self._folder = folder
        self._duis = duis
        self._evidence = EvidenceWriter(folder, owner)

    def runs_of(self, part: Part) -> Iterator[PartRun]:
        """Yield the runs of a part, to be run one after the other."""
        planner = Planner(self.scenario, self._estate)
        requests = [planner.request(arrival) for arrival in part.arrivals()]
        meters = self._estate.meters[part.meters.start : part.meters.stop]
        changes = planned_changes(self.scenario, self._supply, meters)
        judge = Judge(
            *(self._estate.keystore, self._estate.seed, self._profiles),
            faults=bool(self.scenario.faults),
        )
        for number in range(len(self.variants) + 1):
            caching = self.variants[number - 1][1] if number else None
            # Nothing here refers to the run, so that it can be dropped when it is over.
            made_of = judge, caching, meters
            yield PartRun(*(number, self._new_run(*made_of), requests, changes, planner.recipients))

    def figures(self, part_run: PartRun) -> Figures:
        """Return the figures of a run that is over, and write its evidence."""
        number = part_run.number
        figures = figures_of(
            *(part_run.run, label_of(number), self.scenario, part_run.changes, self._evidence),
            name_of=self._estate.name_of,
            ledger=number < 2,
        )
        if not number:
            figures.totals["distinct_reads"] = len({item.key for item in part_run.requests})
        return figures

    @property
    def is_full(self) -> bool:
        """Whether there is so much evidence in memory that `flush` is due."""
        return self._evidence.is_full

    def flush(self) -> None:
        """Write the evidence that is in memory. Raises `OSError`."""
        self._evidence.flush()

    async def over_broker(self, part_run: PartRun, broker: Gauged, step: Step) -> None:
        """Run over a broker. Raises `TransportError`, and with DUIS `StoreError`."""
        await run_over_broker(
            *(broker, part_run.run, part_run.agenda(), self.scenario.retry, lambda: step(1)),
            start=self.scenario.start + EPOCH_UNIX,
            store=MemoryStore(),
            parties=partial(self._parties, broker, part_run),
        )

    def _parties(
        self, broker: Gauged, part_run: PartRun, clock: ManualClock
    ) -> AbstractAsyncContextManager[Parties]:
        """Return what connects the parties of a run, as senders of commands or users of DUIS."""
        prefix = CACHED if part_run.number else DIRECT
        timeout, estate = self.scenario.retry.timeout, self._estate
        if not self._duis:
            return Senders.connected(
                *(broker, part_run.run, clock),
                prefix=prefix,
                keystore=estate.keystore,
                recipients=part_run.recipients,
                timeout=timeout,
            )
        # Only here, because its packages are in an extra of their own.
        from esme_emulator.proof.through_duis import Users

        return Users.served(
            *(broker, part_run.run, clock),
            prefix=prefix,
            estate=estate,
            kind_of=lambda eui: profile_of(estate.seed, eui, self._profiles).variant,
            timeout=timeout,
            outbox_file=self._folder / "duis.sqlite",
        )

    def in_process(self, part_run: PartRun, step: Step) -> Generator[None, None, None]:
        """Run without a broker; yield now and then, when the run may be broken off."""
        run = InProcess(
            *(part_run.run, part_run.agenda(), self.scenario.retry, lambda: step(1)),
            MemoryStore(),
        )
        try:
            yield from islice(run.steps(), _TURN - 1, None, _TURN)
        finally:
            run.end()

    def _cache_registry(self, meters: Sequence[EUI]) -> Registry:
        return self._supply.registry(meters)

    def _new_run(self, judge: Judge, caching: Caching | None, meters: Sequence[EUI]) -> Run:
        settings, seed, events = self.scenario.fleet, self._estate.seed, Events()
        faults = Faults(seed, self.scenario.faults, events=events)
        fleet = Fleet(
            self._estate.meters,
            self._estate.keystore,
            seed,
            parse_latency(settings.latency),
            wan=wan_of(settings.wan, seed, self._profiles),
            faults=faults,
            strict=settings.strict,
            profiles=self._profiles,
            events=events,
        )
        record = RunRecord()
        FleetObserver(record, fleet, events)
        upstream = Upstream(self._supply.registry(meters))
        if caching is None:
            return Run(fleet, faults, None, judge, record, upstream)
        timeout = self.scenario.retry.timeout * _CACHE_TIMEOUT_RATIO
        told = Events()
        told.subscribe(Decided, record.note_decision)
        policy = CachePolicy(
            self._estate.keystore,
            caching.settings(timeout, seed),
            self._cache_registry(meters),
            told,
        )
        return Run(fleet, faults, policy, judge, record, upstream, timeout)


def label_of(number: int) -> str:
    """Return the label of the evidence of a run."""
    return f"cached-{number}" if number else evidence.DIRECT
