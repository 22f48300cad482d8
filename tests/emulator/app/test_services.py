"""Meters, cache and parties on a broker: one suite over memory, amqtt and mosquitto."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.service import serve_cache
from esme_emulator.cache.store.base import Store, StoreError
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.estate.parties import RemoteParty
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.messaging.client import NoReplyError, ReceivedReply, Requester
from esme_emulator.messaging.topics import CACHED, DIRECT, command_topic, response_topic
from esme_emulator.profiles.latency import NONE, Fixed, Latency
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.transport import Broker, MemoryBroker, connect
from gbcs import EUI, Status
from gbcs.tables.roles import Role
from tests.emulator.cache.bench import anything_for_anybody
from tests.support.estate import (
    ESTATE,
    KEYS,
    METER,
    OTHER_METER,
    SEED,
    STRANGER,
    UNIX_NOW,
    YESTERDAY,
    command,
    meter_octets,
    own_counter_in,
    party,
    readings_in,
)
from tests.support.waiting import settle

GUARD = 10.0
"""Seconds after which a test that waits in vain fails; no test relies on it."""

IN_VAIN = 0.05
"""Seconds to wait for a reply that is known never to come."""


class FailingStore(MemoryStore):
    """A store that cannot be used for what `failing` names."""

    def __init__(self, *failing: str) -> None:
        super().__init__()
        self._failing = failing

    def _fail(self, method: str) -> None:
        if method in self._failing:
            raise StoreError("the disk is gone")

    def at_hand(self, key: Key) -> Entry | None:
        return None  # it has to be asked, like a server

    async def get(self, key: Key) -> Entry | None:
        self._fail("get")
        return super().at_hand(key)

    async def put(self, key: Key, entry: Entry, ttl: float | None = None) -> None:
        self._fail("put")
        await super().put(key, entry, ttl)

    async def purge(
        self,
        *,
        device: EUI | None = None,
        srv: str | None = None,
        received_before: float | None = None,
        received_after: float | None = None,
    ) -> int:
        self._fail("purge")
        return await super().purge(
            device=device,
            srv=srv,
            received_before=received_before,
            received_after=received_after,
        )

    async def reserve(self, earliest: int, size: int) -> int:
        self._fail("reserve")
        return await super().reserve(earliest, size)


@dataclass
class Running:
    """What runs on a broker, and parties that ask."""

    broker: Broker
    fleet: Fleet
    policy: CachePolicy
    clock: ManualClock
    requesters: dict[str, Requester]
    parties: dict[Role, RemoteParty]

    async def ask(
        self,
        srv: str,
        role: Role,
        prefix: str = CACHED,
        device: EUI = METER,
        patience: float = GUARD,
    ) -> ReceivedReply:
        asked, octets = self.parties[role].command(device, srv, YESTERDAY)
        return await self.requesters[prefix].request(asked, octets, patience)


@asynccontextmanager
async def run(
    broker: Broker, store: Store | None = None, latency: Latency = NONE
) -> AsyncIterator[Running]:
    clock = ManualClock(UNIX_NOW)
    fleet = Fleet(ESTATE.meters, KEYS, SEED, latency)
    settings = CacheSettings(reply_timeout=60.0)
    policy = CachePolicy(KEYS, settings, anything_for_anybody())
    requesters = {prefix: Requester(prefix, KEYS) for prefix in (DIRECT, CACHED)}
    parties = {role: party(role, 1000) for role in (Role.IS, Role.ES, Role.ED, Role.OU)}
    recipients = {one.recipient for one in parties.values()}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serve_fleet(broker, fleet, clock))
        await stack.enter_async_context(serve_cache(broker, policy, store or MemoryStore(), clock))
        for requester in requesters.values():
            await stack.enter_async_context(requester.connected(broker, recipients))
        yield Running(broker, fleet, policy, clock, requesters, parties)


@pytest.fixture
async def running(broker: Broker) -> AsyncIterator[Running]:
    async with run(broker) as everything:
        yield everything


@pytest.mark.parametrize("prefix", [DIRECT, CACHED])
@pytest.mark.parametrize(
    ("srv", "role"),
    [("4.6.1", Role.IS), ("4.6.2", Role.ES), ("4.8.1", Role.OU), ("4.8.2", Role.ED)],
)
async def test_a_reply_is_what_the_meter_says(
    srv: str, role: Role, prefix: str, running: Running
) -> None:
    asked, octets = running.parties[role].command(METER, srv, YESTERDAY)
    reply = await running.requesters[prefix].request(asked, octets, GUARD)
    assert reply.octets == meter_octets(asked, UNIX_NOW, own_counter_in(reply.octets) or 0)
    assert reply.response.mac_status is Status.VALID
    assert len(readings_in(reply.response, srv)) in (2, 49)
    assert running.fleet.counters.received_by_meter() == {(METER, srv): 1}


async def test_the_same_request_twice_is_one_device_hit_through_the_cache_and_two_direct(
    running: Running,
) -> None:
    for _ in range(2):
        await running.ask("4.8.1", Role.IS)
    assert running.fleet.counters.received_by_meter() == {(METER, "4.8.1"): 1}
    for _ in range(2):
        await running.ask("4.8.1", Role.IS, DIRECT)
    assert running.fleet.counters.received_by_meter() == {(METER, "4.8.1"): 3}
    ledger = running.policy.ledger
    assert (ledger.total(Decision.FORWARDED), ledger.total(Decision.HIT)) == (1, 1)
    assert ledger.undecided() == 0


async def test_another_party_is_answered_from_what_the_first_one_brought(running: Running) -> None:
    first = await running.ask("4.8.1", Role.IS)
    second = await running.ask("4.8.1", Role.OU)
    assert readings_in(first.response, "4.8.1") == readings_in(second.response, "4.8.1")
    assert running.fleet.counters.device_hits == 1


async def test_200_concurrent_requests_for_one_key_are_one_device_hit(running: Running) -> None:
    roles = [(Role.IS, Role.ED, Role.OU)[number % 3] for number in range(200)]
    replies = await asyncio.gather(*[running.ask("4.8.1", role) for role in roles])
    assert running.fleet.counters.received_by_meter() == {(METER, "4.8.1"): 1}
    truth = readings_in(replies[0].response, "4.8.1")
    assert len(truth) == 49
    assert all(readings_in(reply.response, "4.8.1") == truth for reply in replies)
    own = [own_counter_in(reply.octets) for reply in replies]
    assert len(set(own) - {None}) == roles.count(Role.OU)
    ledger = running.policy.ledger
    assert ledger.total(Decision.FORWARDED) == 1
    assert ledger.total(Decision.HIT) + ledger.total(Decision.COLLAPSED) == 199
    assert ledger.undecided() == 0


async def test_other_reads_at_once_do_not_disturb_each_other(running: Running) -> None:
    asks = [
        (srv, role, device)
        for device in (METER, OTHER_METER)
        for srv in ("4.6.1", "4.8.1", "4.8.2", "4.8.3")
        for role in (Role.IS, Role.ED, Role.OU)
    ]
    replies = await asyncio.gather(
        *[running.ask(srv, role, device=device) for srv, role, device in asks]
    )
    for reply, (srv, role, device) in zip(replies, asks, strict=True):
        assert reply.response.originator == device
        assert reply.response.remote_party == running.parties[role].eui
        assert readings_in(reply.response, srv)
    cached = {(device, srv): 1 for _, _, device in asks for srv in ("4.6.1", "4.8.1", "4.8.3")}
    bypassed = {(device, "4.8.2"): 3 for device in (METER, OTHER_METER)}
    assert running.fleet.counters.received_by_meter() == cached | bypassed


async def test_cache_status_explains_each_reply_on_mqtt_5(
    running: Running, request: pytest.FixtureRequest
) -> None:
    carries_properties = "amqtt" not in request.node.name
    miss = await running.ask("4.8.1", Role.IS)
    hit = await running.ask("4.8.1", Role.IS)
    bypass = await running.ask("4.8.2", Role.IS)
    direct = await running.ask("4.8.1", Role.IS, DIRECT)
    said = [reply.cache_status for reply in (miss, hit, bypass, direct)]
    if carries_properties:
        expected = ["s1sp; fwd=miss; stored", "s1sp; hit; ttl=90000", "s1sp; fwd=bypass", None]
        assert said == expected
    else:
        assert said == [None] * 4


@pytest.mark.parametrize("failing", [("get", "put", "purge", "reserve"), ("get",), ("put",)])
async def test_requests_are_answered_and_a_warning_logged_if_the_store_fails(
    failing: tuple[str, ...], broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    async with run(broker, FailingStore(*failing)) as running:
        for role in (Role.IS, Role.IS, Role.OU):
            asked, octets = running.parties[role].command(METER, "4.8.1", YESTERDAY)
            reply = await running.requesters[CACHED].request(asked, octets, GUARD)
            own_counter = own_counter_in(reply.octets) or 0
            assert reply.octets == meter_octets(asked, UNIX_NOW, own_counter)
        assert running.fleet.counters.received_by_meter() == {(METER, "4.8.1"): 3}
        assert running.policy.ledger.total(Decision.FORWARDED) == 3
        assert running.policy.ledger.reasons["store-failed"] >= 3
    said = [record.getMessage() for record in caplog.records if "cache.service" in record.name]
    assert said == ["the disk is gone; requests are forwarded meanwhile"]


async def test_a_silent_device_raises_no_reply_error(running: Running) -> None:
    for prefix in (DIRECT, CACHED):
        with pytest.raises(NoReplyError, match=str(STRANGER)) as raised:
            await running.ask("4.8.1", Role.IS, prefix, STRANGER, IN_VAIN)
        assert len(str(raised.value).splitlines()) == 1
    reply = await running.ask("4.8.1", Role.IS)
    assert reply.response.originator == METER


async def test_a_malformed_command_is_dropped_and_the_next_one_answered(running: Running) -> None:
    octets = command("4.8.1")[1]
    async with connect(running.broker, client_id="mischief") as transport:
        for prefix in (DIRECT, CACHED):
            for device in (METER, "nonsense", STRANGER):
                for payload in (b"", b"nonsense", octets[:-1]):
                    await transport.publish(command_topic(prefix, device), payload)
            for recipient in (party(Role.IS).eui, "nonsense"):
                topic = response_topic(prefix, METER, recipient)
                await transport.publish(topic, b"nonsense")
                await transport.publish(topic, octets)
    assert (await running.ask("4.8.1", Role.IS)).response.originator == METER
    assert (await running.ask("4.8.1", Role.IS, DIRECT)).response.originator == METER
    assert running.fleet.counters.outcomes()["unknown", "malformed"] == 3
    assert running.fleet.counters.outcomes()["4.8.1", "answered"] == 2
    assert running.policy.ledger.undecided() == 0


async def test_replies_wait_for_the_latency_of_the_meter() -> None:
    async with run(MemoryBroker(), latency=Fixed(5.0)) as running:
        asking = asyncio.ensure_future(running.ask("4.8.1", Role.IS))
        await settle()
        assert running.fleet.counters.device_hits == 1
        await running.clock.advance(4.999)
        await settle()
        assert not asking.done()
        await running.clock.advance(0.001)
        reply = await asking
        assert reply.response.originator == METER


async def test_the_cache_gives_up_requests_without_a_reply() -> None:
    async with run(MemoryBroker()) as running:
        ledger = running.policy.ledger
        asking = [
            asyncio.ensure_future(running.ask("4.8.1", Role.IS, device=STRANGER)) for _ in range(3)
        ]
        await settle()
        assert ledger.undecided() == 2
        await running.clock.advance(60.0)
        assert ledger.undecided() == 0
        assert ledger.total(Decision.FAILED) == 2
        assert ledger.reasons == {"no-reply": 1}
        assert running.policy.next_deadline() is None
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def test_the_cache_removes_expired_readings_from_the_store() -> None:
    store = MemoryStore()
    async with run(MemoryBroker(), store) as running:
        await running.ask("4.8.1", Role.IS)
        key = Key(METER, "4.8.1", YESTERDAY.start, YESTERDAY.end)
        assert await store.get(key) is not None
        await running.clock.advance(25 * 3600 - 1)
        assert await store.get(key) is not None
        await running.clock.advance(1200)
        assert await store.get(key) is None


async def test_a_restarted_cache_answers_from_its_store() -> None:
    store = MemoryStore()
    broker = MemoryBroker()
    async with run(broker, store) as running:
        await running.ask("4.8.1", Role.IS)
    async with run(broker, store) as running:
        await running.ask("4.8.1", Role.ED)
        assert not running.fleet.counters.device_hits
