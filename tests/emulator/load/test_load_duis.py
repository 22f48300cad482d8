"""Loads through the front door for DUIS: outcomes, acknowledgements and an endpoint that died."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("signxml", reason="DUIS needs the extra duis")

from esme_emulator.app.dsp import DspOptions
from esme_emulator.app.services import CacheOptions, FleetOptions, Running, run_services
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.registry.registration import Registration
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.cache.store import MEMORY
from esme_emulator.estate.estate import DEFAULT_BASE, EstateSource
from esme_emulator.estate.parties import OTHER_USER, SUPPLIER
from esme_emulator.gateway.deliveries import Addresses
from esme_emulator.gateway.keys import DuisKeys, derived_keys, duis_registry
from esme_emulator.load.duis import DuisEndpoint
from esme_emulator.load.generator import Slot
from esme_emulator.load.in_flight import InFlight, Outcome
from esme_emulator.load.plan import Arrivals, LoadError, Plan
from esme_emulator.load.result import LoadResult
from esme_emulator.load.run import Load
from esme_emulator.messaging.transaction import Transaction
from esme_emulator.runtime.clock import SystemClock
from esme_emulator.scenario.scenario import Mix
from esme_emulator.transport import MemoryBroker, TransportError
from gbcs.tables.roles import Role
from tests.support.estate import ESTATE, KEYS, METER, SEED, UNIX_NOW, command, meter_octets
from tests.support.mosquitto import DEAD_PORT, free_port

MIX = (Mix(3, "import-supplier", "4.8.1"), Mix(1, "other-user", "4.8.1"))
SOURCE = EstateSource(SEED, 5, DEFAULT_BASE)
USERS = derived_keys(SEED, KEYS)


def plan(**changes: Any) -> Plan:
    settings: dict[str, Any] = {"rate": 100.0, "seconds": 0.3, "timeout": 20.0, **changes}
    return Plan(Arrivals.CONSTANT, mix=MIX, seed=SEED, meters=5, via="duis", **settings)


@asynccontextmanager
async def front_door(
    folder: Path, registry: Registry, keys: DuisKeys = USERS
) -> AsyncIterator[tuple[Running, DuisEndpoint]]:
    """Run meters, cache and front door in memory, and yield the endpoint for a load."""
    listen = f"http://127.0.0.1:{free_port()}/duis"
    options = DspOptions(
        keys=keys,
        registry=registry,
        outbox=folder / "duis.sqlite",
        port=0,
        smki_port=None,
        addresses=Addresses(listen),
        respond_after=0.0,
    )
    cache = CacheOptions(CacheSettings(), MEMORY, registry=registry)
    async with run_services(
        MemoryBroker(), ESTATE, SystemClock(), FleetOptions(), cache, dsp_options=options
    ) as running:
        assert running.dsp is not None
        yield running, DuisEndpoint(running.dsp.duis, listen, USERS)


async def loaded(endpoint: DuisEndpoint, load: Plan) -> LoadResult:
    return await Load("quickstart", load, SOURCE, endpoint).run(lambda live: None)


async def test_each_request_is_acknowledged_and_answered(tmp_path: Path) -> None:
    async with front_door(tmp_path, duis_registry()) as (running, endpoint):
        result = await loaded(endpoint, plan())
        assert running.ledger is not None
        assert running.ledger.requests == 30
    assert (result.complete, result.requests.answered, result.requests.failed) == (True, 30, 0)
    assert result.checked == 30
    assert {part.name: part.requests.answered > 0 for part in result.by_party} == {
        "import-supplier": True,
        "other-user": True,
    }
    assert result.duis is not None
    assert (result.duis.acknowledgement.count, result.duis.codes) == (30, {})
    assert "(--respond-after)" in " ".join(result.notes)


async def test_refusals_are_counted_by_their_codes(tmp_path: Path) -> None:
    only = Registry([(SUPPLIER, [Role.IS])], [Registration(SUPPLIER)])
    async with front_door(tmp_path, only) as (_, endpoint):
        result = await loaded(endpoint, plan())
    refused = {part.name: part.requests.refused for part in result.by_party}
    assert result.duis is not None
    assert refused["other-user"] > 0
    assert result.duis.codes == {"E1": refused["other-user"]}
    assert (
        result.requests.answered == result.duis.acknowledgement.count == 30 - refused["other-user"]
    )


async def test_requests_whose_signature_is_unknown_are_refused(tmp_path: Path) -> None:
    strangers = derived_keys("another seed", KEYS)
    async with front_door(tmp_path, duis_registry(), strangers) as (_, endpoint):
        result = await loaded(endpoint, plan())
    assert result.duis is not None
    assert (result.requests.refused, result.duis.codes) == (30, {"HTTP 400": 30})


async def test_nothing_listens_at_the_endpoint() -> None:
    url = f"http://127.0.0.1:{DEAD_PORT}"
    endpoint = DuisEndpoint(url, f"http://127.0.0.1:{free_port()}/", USERS)
    with pytest.raises(TransportError, match=f"as the DUIS endpoint at {url} .*--to-url"):
        await loaded(endpoint, plan())


async def test_a_request_to_an_endpoint_that_died_is_not_sent(
    tmp_path: Path, in_flight: InFlight
) -> None:
    freed = asyncio.Event()
    async with front_door(tmp_path, duis_registry()) as (_, endpoint):
        road = endpoint.road()
        async with road.connected(in_flight, lambda: 0.5, freed.set):
            assert road.state.is_up
            dead = f"http://127.0.0.1:{DEAD_PORT}"
            road._endpoint = replace(endpoint, url=dead)  # as if it had ended
            request = endpoint.maker(plan(), ESTATE, 5).request(Slot(0, 0.0, 0, 0), UNIX_NOW)
            in_flight.send(request, 0.0, 0.0)
            road.send(request, 0.0)
            await freed.wait()
            assert not road.state.is_up
    assert in_flight.take().counts["import-supplier", "4.8.1", Outcome.NOT_SENT] == 1


def test_one_process_at_most() -> None:
    with pytest.raises(LoadError, match="workers 2: the responses of DUIS arrive at one address"):
        plan(workers=2)


@pytest.fixture
def in_flight() -> InFlight:
    return InFlight(plan(), 0, KEYS, lambda: 0.5)


def test_a_reply_is_matched_by_its_request_and_not_by_its_counter(in_flight: InFlight) -> None:
    """Behind the ACB the command has a counter of its own."""
    endpoint = DuisEndpoint("http://127.0.0.1:1", "http://127.0.0.1:2/", USERS)
    made, _ = command("4.8.1", Role.OU, counter=77)
    maker = endpoint.maker(plan(), ESTATE, 5)
    request = maker.request(Slot(0, 0.0, 1, 0), UNIX_NOW)
    assert request.transaction == Transaction(METER, OTHER_USER, 5, 0, OTHER_USER)
    in_flight.send(request, 0.0, 0.0)
    in_flight.acknowledge(0.0, 0.01)
    assert in_flight.respond(request.transaction, meter_octets(made, own_counter=8), 0.2)
    assert not in_flight.respond(request.transaction, meter_octets(made, own_counter=8), 0.3)
    batch = in_flight.take()
    assert batch.counts["other-user", "4.8.1", Outcome.ANSWERED] == 1
    assert list(batch.acknowledgements) == [0.01]
    assert batch.unexpected == 1


def test_octets_that_are_no_message_are_an_invalid_reply(in_flight: InFlight) -> None:
    endpoint = DuisEndpoint("http://127.0.0.1:1", "http://127.0.0.1:2/", USERS)
    request = endpoint.maker(plan(), ESTATE, 5).request(Slot(0, 0.0, 0, 0), UNIX_NOW)
    in_flight.send(request, 0.0, 0.0)
    assert in_flight.respond(request.transaction, b"nonsense", 0.2)
    assert in_flight.take().counts["import-supplier", "4.8.1", Outcome.INVALID] == 1
