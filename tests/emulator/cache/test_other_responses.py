"""A cache leaves the responses to others alone, unless meters or brokers give it no choice."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from esme_emulator.cache import connections
from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.service import CacheService, serve_cache
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.identity import KnownIdentity
from esme_emulator.messaging.service import IdentityExchange
from esme_emulator.messaging.topics import (
    CACHED,
    DIRECT,
    IDENTITY,
    answer_topic,
    command_topic,
    own_response_topic,
    response_topic,
)
from esme_emulator.profiles.latency import NONE
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.transport import RESPONSE_TOPIC, MemoryBroker, Transport, connect
from gbcs import EUI
from gbcs.tables.roles import Role
from tests.emulator.cache.bench import PATIENCE, anything_for_anybody
from tests.support.estate import ESTATE, KEYS, METER, OTHER_METER, SEED, UNIX_NOW, command, party
from tests.support.waiting import settle

GUARD = 10.0
"""Seconds after which a test that waits in vain fails; no test relies on it."""

OURS, FOREIGN = "0123456789abcdef", "f" * 16
RECIPIENT = party(Role.IS).recipient


@dataclass
class Running:
    broker: MemoryBroker
    clock: ManualClock
    cache: CacheService
    known: KnownIdentity | None

    async def read(self, prefix: str, counter: int) -> bytes:
        """Read as the supplier; return the octets of the response."""
        requester = Requester(prefix, KEYS)
        async with requester.connected(self.broker, {RECIPIENT}):
            reply = await requester.request(*command("4.8.1", Role.IS, counter), GUARD)
        return reply.octets

    @property
    def received(self) -> int:
        """Messages that the cache received on all of its connections."""
        return sum(each.counters.received for each in self.cache.transports)


@asynccontextmanager
async def run(known: KnownIdentity | None, *, heeds: bool = True) -> AsyncIterator[Running]:
    """Run a fleet and a cache; the meters ignore the Response Topic unless they heed it."""
    broker, clock = MemoryBroker(), ManualClock(UNIX_NOW)
    fleet = Fleet(ESTATE.meters, KEYS, SEED, NONE)
    policy = CachePolicy(KEYS, CacheSettings(reply_timeout=PATIENCE), anything_for_anybody())
    async with AsyncExitStack() as stack:
        if heeds:
            await stack.enter_async_context(serve_fleet(broker, fleet, clock))
        else:
            await stack.enter_async_context(meters_of_another_make(broker, fleet))
        cache = await stack.enter_async_context(
            serve_cache(broker, policy, MemoryStore(), clock, known=known)
        )
        yield Running(broker, clock, cache, known)


@asynccontextmanager
async def meters_of_another_make(broker: MemoryBroker, fleet: Fleet) -> AsyncIterator[None]:
    """Answer commands on the usual topics alone."""
    tasks = Tasks()
    transports: list[Transport] = []

    def receive(topic: str, octets: bytes, properties: Mapping[str, str]) -> None:
        device = EUI.parse(topic.split("/")[1])
        for reply in fleet.receive(device, octets, UNIX_NOW).replies:
            tasks.start(publish(response_topic(DIRECT, device, reply.recipient), reply.octets))

    async def publish(topic: str, octets: bytes) -> None:
        await transports[0].publish(topic, octets)

    filters = {command_topic(DIRECT, "+"): receive}
    async with connect(broker, client_id="meters", subscriptions=filters) as transport, tasks:
        transports.append(transport)
        yield


def heeding() -> KnownIdentity:
    return KnownIdentity(str, OURS)


async def test_a_cache_gets_the_responses_to_its_own_commands_and_no_others() -> None:
    async with run(heeding()) as running:
        cached = await running.read(CACHED, 1)
        assert running.received == 2, "a command, and the response to it"
        assert await running.read(DIRECT, 1) == cached
        await running.read(DIRECT, 2)
        await settle()
        assert running.received == 2
        assert running.cache.policy.ledger.reasons == {}
        assert len(running.cache.transports) == 1


@pytest.mark.parametrize("heeds", [True, False])
async def test_without_word_from_a_fleet_a_cache_hears_all_responses(heeds: bool) -> None:
    async with run(KnownIdentity(str), heeds=heeds) as running:
        cached = await running.read(CACHED, 1)
        assert await running.read(DIRECT, 2) != cached
        await settle()
        assert running.received == 3
        assert running.cache.policy.ledger.reasons == {"reply-unsolicited": 1}


async def test_a_request_while_the_cache_starts_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is forwarded only when the reply of a meter of another make can arrive."""
    _, octets = command("4.8.1", Role.IS, 1)

    @asynccontextmanager
    async def slowly(broker: MemoryBroker, **others: Any) -> AsyncIterator[Transport]:
        async with connect(broker, client_id="party") as someone:
            await someone.publish(command_topic(CACHED, METER), octets)
            await settle()
        async with connect(broker, **others) as transport:
            yield transport

    monkeypatch.setattr(connections, "connect", slowly)
    async with run(None, heeds=False) as running:
        await settle()
        ledger = running.cache.policy.ledger
        assert ledger.total(Decision.FORWARDED) == 1
        assert ledger.reasons == {}
        assert (await running.read(CACHED, 2)) != octets
        assert ledger.total(Decision.HIT) == 1, "the reply to the first has come"


async def test_a_cache_hears_all_responses_as_long_as_some_fleet_ignores_the_topic() -> None:
    known = heeding()
    async with run(known) as running:
        assert len(running.cache.transports) == 1
        known.hear(FOREIGN, starts=True, heeds=False)
        await settle()
        assert len(running.cache.transports) == 2
        await running.read(DIRECT, 1)
        await settle()
        assert running.received == 1
        known.query()
        known.hear(OURS, heeds=True)
        known.conclude()
        await settle()
        assert len(running.cache.transports) == 1
        assert running.received == 1, "what was counted stays"


async def test_after_a_command_without_a_reply_a_cache_hears_all_responses() -> None:
    """The fleet that heeds the topic is not the one that has this meter."""
    async with run(heeding(), heeds=False) as running:
        _, octets = command("4.8.1", Role.IS, 1)
        async with connect(running.broker, client_id="party") as someone:
            await someone.publish(command_topic(CACHED, METER), octets)
            await settle()
            assert running.cache.policy.ledger.undecided() == 0, "it was sent to the meter"
            await running.clock.advance(PATIENCE + 1)
            await settle()
        assert running.cache.policy.ledger.reasons["no-reply"] == 1
        assert await running.read(CACHED, 2)


async def test_fleets_announce_that_they_heed_the_topic() -> None:
    broker, known = MemoryBroker(), KnownIdentity(str)
    ours, theirs = IdentityExchange("", known), IdentityExchange(OURS, None)
    async with (
        connect(broker, client_id="cache", subscriptions=ours.subscriptions) as cache,
        connect(broker, client_id="fleet", subscriptions=theirs.subscriptions) as fleet,
        theirs.run(fleet),
        ours.run(cache),
    ):
        assert known.heeds_response_topics
        async with connect(broker, client_id="older fleet") as older:
            await older.publish(IDENTITY, FOREIGN.encode())
            await settle()
        assert not known.heeds_response_topics


@pytest.mark.parametrize(
    "named",
    [
        "",
        "esme/identity",
        command_topic(DIRECT, METER),
        response_topic(CACHED, METER, RECIPIENT),
        response_topic(DIRECT, OTHER_METER, RECIPIENT),
        own_response_topic(OTHER_METER, RECIPIENT, OURS),
        own_response_topic(METER, METER, OURS),
        own_response_topic(METER, RECIPIENT, "+"),
        own_response_topic(METER, RECIPIENT, OURS.upper()),
        own_response_topic(METER, RECIPIENT, OURS) + "/a",
        own_response_topic(METER, RECIPIENT, OURS) + "\n",
    ],
)
async def test_a_response_topic_anywhere_else_is_ignored(named: str) -> None:
    usual = response_topic(DIRECT, METER, RECIPIENT)
    heard: list[str] = []
    assert answer_topic(METER, RECIPIENT, named) == usual
    broker, fleet = MemoryBroker(), Fleet(ESTATE.meters, KEYS, SEED, NONE)

    def hear(topic: str, _: bytes, __: Mapping[str, str]) -> None:
        heard.append(topic)

    filters = {"esme/+/response/#": hear, "s1sp/#": hear}
    async with (
        serve_fleet(broker, fleet, ManualClock(UNIX_NOW)),
        connect(broker, client_id="party", subscriptions=filters) as someone,
    ):
        _, octets = command("4.8.1", Role.IS, 1)
        await someone.publish(command_topic(DIRECT, METER), octets, {RESPONSE_TOPIC: named})
        await settle()
    assert heard == [usual]
