"""A cache answers with the readings of its fleet, whatever fleets ran before."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from esme_emulator.app.services import CacheOptions, FleetOptions, Running, run_services
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.device.logs import buffer
from esme_emulator.device.model import meter_of
from esme_emulator.faults.loading import parse_rules
from esme_emulator.messaging.client import ReceivedReply, Requester
from esme_emulator.messaging.identity import KnownIdentity, is_identity
from esme_emulator.messaging.service import random_identity
from esme_emulator.messaging.topics import (
    ASK_IDENTITY,
    CACHED,
    DIRECT,
    IDENTITY,
    NEW_IDENTITY,
    command_topic,
)
from esme_emulator.profiles import meter_profile
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.transport import MemoryBroker, connect
from gbcs import EUI
from gbcs.tables.profile_logs import BY_SRV
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import rows_of
from tests.support.estate import (
    ESTATE,
    KEYS,
    METER,
    NOW,
    SEED,
    UNIX_NOW,
    YESTERDAY,
    command,
    party,
    readings_in,
)
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.processes

SINGLE = FleetOptions(profiles=(meter_profile("single"),))
SOLAR = FleetOptions(profiles=(meter_profile("single-solar"),))
GAPS = FleetOptions(
    profiles=SINGLE.profiles, faults=tuple(parse_rules('[[fault]]\nkind = "empty-log"\n'))
)
SILENT = FleetOptions(
    profiles=SINGLE.profiles, faults=tuple(parse_rules('[[fault]]\nkind = "no-reply"\n'))
)
SETTINGS = CacheSettings()
GUARD = 10.0
DATABASES = count()
"""Of the server, one for each test."""
A, B = "a" * 16, "b" * 16


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    with TemporaryDirectory() as folder, ValkeyServer(Path(folder)) as running:
        yield running


@pytest.fixture(params=["sqlite", "valkey"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> CacheOptions:
    """A cache whose store outlives it."""
    if request.param == "sqlite":
        return CacheOptions(SETTINGS, str(tmp_path / "store.sqlite"))
    server: ValkeyServer = request.getfixturevalue("server")
    return CacheOptions(SETTINGS, f"{server.url[:-1]}{next(DATABASES)}")


class Party:
    """Asks one cache after another, always with new counters."""

    def __init__(self) -> None:
        self.requester = Requester(CACHED, KEYS)
        self.counter = 0

    async def ask(self, device: EUI = METER) -> ReceivedReply:
        self.counter += 1
        asked, octets = command("4.8.1", Role.IS, self.counter, device=device)
        return await self.requester.request(asked, octets, GUARD)


@asynccontextmanager
async def running(
    *parts: FleetOptions | CacheOptions, broker: MemoryBroker | None = None
) -> AsyncIterator[tuple[Running, Party]]:
    """Run fleets and caches on one broker, and a requester."""
    fleet = next((part for part in parts if isinstance(part, FleetOptions)), None)
    cache = next((part for part in parts if isinstance(part, CacheOptions)), None)
    asker, broker = Party(), broker or MemoryBroker()
    clock = ManualClock(UNIX_NOW)
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(
            run_services(broker, ESTATE, clock, fleet, cache)
        )
        recipients = {party(Role.IS).recipient}
        await stack.enter_async_context(asker.requester.connected(broker, recipients))
        yield services, asker


def truth(fleet: FleetOptions, device: EUI = METER) -> list[object]:
    log = BY_SRV["4.8.1"]
    empty = (lambda _: False) if fleet is GAPS else None
    return list(
        rows_of(log, buffer(meter_of(SEED, device, fleet.profiles), log, YESTERDAY, NOW, empty))
    )


async def test_readings_of_a_fleet_with_other_profiles_or_faults_are_not_served(
    kept: CacheOptions,
) -> None:
    """Same seed, EUIs and store; entries of a fleet are hits when it runs again."""
    drawn = random.Random(1)
    kept_of = set()
    for _ in range(12):
        fleet = drawn.choice([SINGLE, SOLAR, GAPS])
        async with running(fleet, kept) as (_, asker):
            for device in ESTATE.meters[: drawn.randint(1, 3)]:
                reply = await asker.ask(device)
                assert readings_in(reply.response, "4.8.1") == truth(fleet, device)
                status = reply.cache_status or ""
                assert ("hit" in status) is ((id(fleet), device) in kept_of)
                if "incomplete-window" not in status:
                    kept_of.add((id(fleet), device))
    assert {fleet for fleet, _ in kept_of} == {id(SINGLE), id(SOLAR)}  # an empty log is not kept


async def test_a_meter_that_became_silent_is_still_the_same_meter(kept: CacheOptions) -> None:
    async with running(SINGLE, kept) as (_, asker):
        await asker.ask()
    async with running(SILENT, kept) as (_, asker):
        assert "hit" in ((await asker.ask()).cache_status or "")


async def test_a_cache_that_stays_hears_of_another_fleet_before_its_meters_answer(
    kept: CacheOptions,
) -> None:
    broker = MemoryBroker()
    async with running(kept, broker=broker) as (_, asker):
        for fleet in (SINGLE, SOLAR, GAPS, SINGLE, SOLAR):
            async with running(fleet, broker=broker):
                for _ in range(2):
                    reply = await asker.ask()
                    assert readings_in(reply.response, "4.8.1") == truth(fleet)


async def test_a_cache_without_a_fleet_serves_no_readings(
    kept: CacheOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is unknown which fleet will start."""
    async with running(SINGLE, kept) as (_, asker):
        await asker.ask()
    monkeypatch.setattr("esme_emulator.messaging.service.ANSWER_SECONDS", 0.0)
    asked = asyncio.Event()
    subscriptions = {command_topic(DIRECT, METER): lambda *_: asked.set()}
    broker = MemoryBroker()
    async with (
        running(kept, broker=broker) as (_, asker),
        connect(broker, client_id="test", subscriptions=subscriptions),
    ):
        asking = asyncio.ensure_future(asker.ask())
        async with asyncio.timeout(GUARD):
            await asked.wait()
        asking.cancel()


async def test_a_fleet_announces_itself_at_its_start_and_when_asked() -> None:
    broker, told, answered = MemoryBroker(), [], asyncio.Event()

    def hear(topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        told.append((topic, octets.decode()))
        if topic == IDENTITY:
            answered.set()

    subscriptions = {IDENTITY: hear, NEW_IDENTITY: hear}
    identity = SINGLE.identity(SEED)
    async with (
        connect(broker, client_id="test", subscriptions=subscriptions) as transport,
        running(SINGLE, broker=broker),
    ):
        assert told == [(NEW_IDENTITY, identity)]
        await transport.publish(ASK_IDENTITY, b"")
        async with asyncio.timeout(GUARD):
            await answered.wait()
    assert told[1:] == [(IDENTITY, identity)]


# what is known


def answer(known: KnownIdentity, *fleets: str) -> str:
    """Ask, and have these fleets answer."""
    known.query()
    for told in fleets:
        known.hear(told)
    known.conclude()
    return known.identity


def test_one_fleet_is_known_by_what_it_told_and_may_start_again() -> None:
    known = KnownIdentity(random_identity)
    assert not known.hear(A, starts=True)
    assert (known.identity, known.settled) == (A, True), "there is no other fleet"
    assert answer(known, A) == A
    assert not known.hear(A, starts=True)
    assert (known.identity, known.settled) == (A, True)


def test_until_all_have_answered_the_identity_is_one_of_its_own() -> None:
    known, between = KnownIdentity(random_identity, B), set()
    for told in (A, B, A, B):
        assert known.hear(told, starts=True)
        between.add(known.identity)
        assert answer(known, told) == told
    for told in (A, B, A, B):
        assert known.hear(told, starts=True), "none has answered in between"
        between.add(known.identity)
    assert len(between) == 8
    assert not {A, B} & between
    assert not known.settled


def test_answers_do_not_count_if_a_fleet_starts_between_them() -> None:
    known = KnownIdentity(random_identity)
    answer(known, A)
    known.query()
    known.hear(A)
    known.hear(B, starts=True)
    known.conclude()
    assert not known.settled
    assert answer(known, B) == B


def test_several_fleets_are_known_together_in_any_order() -> None:
    found = {
        answer(KnownIdentity(random_identity), A, B),
        answer(KnownIdentity(random_identity), B, A),
    }
    assert len(found) == 1
    assert is_identity(found.pop())


def test_a_fleet_that_was_not_heard_to_start_is_found_by_its_answer() -> None:
    known = KnownIdentity(random_identity)
    answer(known, A)
    known.query()
    assert known.hear(B)
    assert known.identity not in (A, B)
    known.conclude()
    assert known.identity == B


def test_silence_and_garbage_change_nothing() -> None:
    known = KnownIdentity(random_identity)
    answer(known, A)
    known.query()
    for garbage in ("", "garbage", A.upper(), A + "\n"):
        assert not known.hear(garbage)
    known.conclude()
    assert known.identity == A
