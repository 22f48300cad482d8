"""A small process to show and steer: five meters, an idle cache, a manual clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy.effects import CacheStatus
from esme_emulator.cache.policy.ledger import Decided, Decision, Ledger, Replied
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.service import CacheService
from esme_emulator.cache.store.base import Store
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.control.app import create_app
from esme_emulator.estate.parties import PARTIES
from esme_emulator.faults.base import Call
from esme_emulator.faults.engine import Faults
from esme_emulator.fleet.counters import Counters, Stage
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.fleet.wan import WanLink
from esme_emulator.monitor.journal import Journal
from esme_emulator.monitor.parts import RunningCache, RunningFleet, RunningParts
from esme_emulator.profiles import MeterMix
from esme_emulator.profiles.latency import NONE
from esme_emulator.runtime.clock import Clock, ManualClock, SystemClock
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.transport import Transport, TransportCounters
from tests.support.estate import (
    ESTATE,
    KEYS,
    METER,
    OTHER_METER,
    SEED,
    UNIX_NOW,
    YESTERDAY,
    command,
)

PARTY = PARTIES[0].eui
BASE_URL = "http://127.0.0.1:8080"
RETENTION = 25 * 3600.0
KEY = Key(METER, "4.8.1", YESTERDAY.start, YESTERDAY.end)
READINGS = b"the readings of somebody"


@dataclass
class IdleTransport:
    """A connection that carries nothing."""

    is_connected: bool = True
    carries_properties: bool = True
    counters: TransportCounters = field(default_factory=TransportCounters)
    cuts: list[float] = field(default_factory=list)

    async def publish(self, *_: object) -> bool:
        raise NotImplementedError

    def post(self, *_: object) -> None:
        raise NotImplementedError

    def cut(self, seconds: float) -> None:
        self.cuts.append(seconds)


@dataclass
class Process:
    """The parts of a process, and what the tests do to them."""

    clock: Clock = field(default_factory=lambda: ManualClock(UNIX_NOW))
    faults: Faults = field(default_factory=lambda: Faults(SEED))
    store: Store = field(default_factory=MemoryStore)
    settings: CacheSettings = field(default_factory=CacheSettings)
    wan: WanLink | None = None
    meters_transport: IdleTransport = field(default_factory=IdleTransport)
    cache_transport: IdleTransport = field(default_factory=IdleTransport)

    is_shared: bool = False
    changes: int = 0
    """Changes of readings."""

    def __post_init__(self) -> None:
        self.profiles = MeterMix.of(None)
        self.fleet = Fleet(
            *(ESTATE.meters, KEYS, SEED, NONE),
            wan=self.wan,
            faults=self.faults,
            profiles=self.profiles,
        )
        policy = CachePolicy(KEYS, self.settings)
        service = CacheService(policy, self.store, self.clock, SystemClock(), Tasks())
        self.cache = RunningCache.watched(service, self.store)
        self.journal = Journal()
        self.journal.listen(policy.events)

    @property
    def counters(self) -> Counters:
        return self.fleet.counters

    @property
    def ledger(self) -> Ledger:
        return self.cache.ledger

    @property
    def transports(self) -> Mapping[str, list[Transport]]:
        return {"fleet": [self.meters_transport], "cache": [self.cache_transport]}

    def parts(self, *, fleet: bool = True, cache: bool = True) -> RunningParts:
        meters = RunningFleet(
            SEED,
            ESTATE.meters,
            self.fleet,
            self.profiles,
            self.faults,
            self.change,
            is_shared=self.is_shared,
        )
        return RunningParts(
            self.clock,
            "127.0.0.1:1883",
            self.transports,
            meters if fleet else None,
            self.cache if cache else None,
            keystore=KEYS,
            journal=self.journal,
        )

    def client(self, *, fleet: bool = True, cache: bool = True) -> httpx.AsyncClient:
        """Return a client of the control interface of this process, without a socket."""
        transport = httpx.ASGITransport(create_app(self.parts(fleet=fleet, cache=cache)))
        return httpx.AsyncClient(transport=transport, base_url=BASE_URL)

    async def change(self, make: Callable[[], None]) -> None:
        self.changes += 1
        make()

    def work(self) -> None:
        """Count three commands, two replies, and four requests of which one is waiting."""
        self.counters.count(Stage.RECEIVED, METER, "4.8.1", "answered", 2)
        self.counters.count(Stage.RECEIVED, OTHER_METER, "4.6.1", "bad-mac")
        self.counters.count(Stage.REPLIED, METER, "4.8.1", "answered", 2)
        self.ledger.requests += 4
        for decision, party in (
            (Decision.HIT, PARTY),
            (Decision.COLLAPSED, PARTY),
            (Decision.FORWARDED, None),
        ):
            age = 5_400 if decision is Decision.HIT else None
            decided = Decided(UNIX_NOW, METER, "4.8.1", decision, party=party, age=age)
            self.ledger.count(METER, "4.8.1", decision, party)
            self.cache.policy.events.publish(decided)
        self.ledger.reasons["bad-mac"] += 1
        for number, status in enumerate(
            (CacheStatus("miss", stored=True), CacheStatus(ttl=84_600))
        ):
            read = METER, ("4.6.1", "4.8.1")[number], PARTY, 7 + number, YESTERDAY
            replied = Replied(UNIX_NOW, *read, status, number * 5_400 or None)
            self.cache.policy.events.publish(replied)

    async def keep(self, *keys: Key, age: float = 3_600.0) -> None:
        """Store readings under these keys, received `age` seconds ago."""
        for key in keys:
            await self.store.put(key, Entry(READINGS, self.clock.now() - age))

    def suffer(self, number: int) -> None:
        """Apply the active faults to call `number` of the meter."""
        parsed, octets = command("4.8.1")
        call = Call(METER, "4.8.1", number, self.clock.now(), parsed, KEYS)
        if not self.faults.behaviour(call).silent:
            self.faults.deliver(call, octets)
