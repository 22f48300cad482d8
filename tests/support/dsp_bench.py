"""A front door for DUIS that runs on a broker in memory, with its user and its clocks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx

from esme_emulator.app.dsp import DspOptions, RunningDsp
from esme_emulator.app.services import CacheOptions, FleetOptions, Running, run_services
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.store import MEMORY
from esme_emulator.estate.estate import derived_estate
from esme_emulator.estate.parties import SUPPLIER
from esme_emulator.gateway.keys import derived_keys
from esme_emulator.messaging.topics import PREFIXES
from esme_emulator.pytest_plugin.clock import SteppedClock, Traffic
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.transport import MemoryBroker, connect
from tests.support.duis_user import request_text, signed_request

ESTATE = derived_estate("1", 3)
KEYS = derived_keys("1", ESTATE.keystore)
METER = ESTATE.meters[0]
USER = "90-B3-D5-1F-30-01-00-00"
TARGET = METER.hex("-").upper()
METERS = FleetOptions()
DAYS = 1e6
ANSWERS = [f"{prefix}/+/response/+" for prefix in PREFIXES.values()]
"""Topics that are watched; a subscriber of commands would count as a meter."""
SEND, NON_DEVICE = "/api/v1/serviceS", "/api/v1/serviceD"
READ = (
    "<sr:ReadActiveImportProfileData><sr:ReadLogPeriod>"
    "<sr:StartDateTime>2026-01-14T00:00:00Z</sr:StartDateTime>"
    "<sr:EndDateTime>2026-01-15T00:00:00Z</sr:EndDateTime>"
    "</sr:ReadLogPeriod></sr:ReadActiveImportProfileData>"
)


def a_read(counter: int, srv: str = "4.8.1", body: str = READ, target: str = TARGET) -> bytes:
    return signed_request(KEYS, SUPPLIER, request_text(USER, target, counter, srv, body))


@dataclass
class Bench:
    """A front door that runs, its user, and the clocks."""

    running: Running
    clock: SteppedClock
    machine: ManualClock
    client: httpx.AsyncClient

    @property
    def dsp(self) -> RunningDsp:
        assert self.running.dsp is not None
        return self.running.dsp

    def hits(self, srv: str) -> int:
        assert self.running.fleet is not None
        return self.running.fleet.counters.hits(srv)


@dataclass
class Starter:
    options: DspOptions
    clock: SteppedClock
    machine: ManualClock
    traffic: Traffic

    @asynccontextmanager
    async def run(
        self, *, meters: FleetOptions | None = METERS, **changes: object
    ) -> AsyncIterator[Bench]:
        options = replace(self.options, **changes)
        cache = CacheOptions(CacheSettings(), MEMORY, registry=options.registry)
        broker = MemoryBroker()

        def count(*_: object) -> None:
            self.traffic.messages += 1

        async with (
            connect(broker, client_id="watch", subscriptions=dict.fromkeys(ANSWERS, count)),
            run_services(broker, ESTATE, self.clock, meters, cache, dsp_options=options) as running,
            httpx.AsyncClient(base_url=running.dsp.duis, trust_env=False) as client,
        ):
            yield Bench(running, self.clock, self.machine, client)


DSP_TARGET = "90-B3-D5-1F-30-00-00-02"
DAILY = (
    "<sr:CreateSchedule><sr:ScheduleFrequency>Daily</sr:ScheduleFrequency>"
    "<sr:ScheduleStartDate>2026-01-16</sr:ScheduleStartDate>"
    "<sr:DSPScheduledServiceReference>4.8</sr:DSPScheduledServiceReference>"
    "<sr:DSPScheduledServiceReferenceVariant>4.8.1</sr:DSPScheduledServiceReferenceVariant>"
    f"<sr:DeviceID>{TARGET}</sr:DeviceID><sr:DSPReadActiveImportProfileData>"
    "<sr:StartDateOffset>-1</sr:StartDateOffset><sr:StartTime>00:00:00Z</sr:StartTime>"
    "<sr:EndDateOffset>0</sr:EndDateOffset><sr:EndTime>00:00:00Z</sr:EndTime>"
    "</sr:DSPReadActiveImportProfileData></sr:CreateSchedule>"
)


def for_the_dsp(counter: int, srv: str, body: str) -> bytes:
    text = request_text(USER, DSP_TARGET, counter, srv, body, variant=8)
    return signed_request(KEYS, SUPPLIER, text)
