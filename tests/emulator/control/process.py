"""A small process to look at and steer: five meters, a cache's ledger, a manual clock."""

from dataclasses import dataclass, field
from functools import partial

import httpx

from emulator.cache.ledger import Decision, Ledger
from emulator.clock import Clock, ManualClock
from emulator.control.app import create_app
from emulator.control.parts import Controlled, ControlledFleet
from emulator.counters import Counters, Stage
from emulator.device.physics import nature
from emulator.faults.base import Call
from emulator.faults.engine import Faults
from emulator.parties import PARTIES
from profiles import meter_profiles
from tests.support.estate import ESTATE, KEYS, METER, OTHER_METER, SEED, UNIX_NOW, command

PARTY = PARTIES[0][0]
BASE_URL = "http://127.0.0.1:8080"


@dataclass
class Process:
    """What runs, and what the tests do to it."""

    clock: Clock = field(default_factory=lambda: ManualClock(UNIX_NOW))
    counters: Counters = field(default_factory=Counters)
    faults: Faults = field(default_factory=lambda: Faults(SEED))
    ledger: Ledger = field(default_factory=Ledger)
    connected: bool = True

    def parts(self, *, fleet: bool = True, cache: bool = True) -> Controlled:
        meters = ControlledFleet(
            SEED,
            ESTATE.meters,
            self.counters,
            partial(nature, SEED),
            meter_profiles(),
            self.faults,
        )
        return Controlled(
            self.clock,
            "127.0.0.1:1883",
            lambda: self.connected,
            meters if fleet else None,
            self.ledger if cache else None,
        )

    def client(self, *, fleet: bool = True, cache: bool = True) -> httpx.AsyncClient:
        """A client of the control interface of this process, without a socket."""
        transport = httpx.ASGITransport(create_app(self.parts(fleet=fleet, cache=cache)))
        return httpx.AsyncClient(transport=transport, base_url=BASE_URL)

    def work(self) -> None:
        """Let three commands have come, with two replies, and four requests, one still waiting."""
        self.counters.count(Stage.RECEIVED, METER, "4.8.1", "answered", 2)
        self.counters.count(Stage.RECEIVED, OTHER_METER, "4.6.1", "bad-mac")
        self.counters.count(Stage.REPLIED, METER, "4.8.1", "answered", 2)
        self.ledger.requests = 4
        for decision in (Decision.HIT, Decision.COLLAPSED, Decision.FORWARDED):
            self.ledger.decisions["4.8.1", decision] += 1
        self.ledger.by_party[PARTY, "4.8.1", Decision.HIT] += 1
        self.ledger.by_party[None, "4.8.1", Decision.FORWARDED] += 1
        self.ledger.reasons["bad-mac"] += 1

    def suffer(self, number: int) -> None:
        """Let the meter have the faults in force on its call `number`."""
        asked, octets = command("4.8.1")
        call = Call(METER, "4.8.1", number, self.clock.now(), asked, KEYS)
        if not self.faults.conduct(call).silent:
            self.faults.deliver(call, octets)
