"""Fleet, cache and requester on brokers that refuse or retain messages, or have no subscriber."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiomqtt
import pytest

from esme_emulator.app.services import CacheOptions, FleetOptions, run_services
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.service import NO_SUBSCRIBER, NOT_PUBLISHED, CacheService, serve_cache
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.fleet.counters import RETAINED, TOO_LONG, Stage
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.messaging.client import NobodyListensError, NoReplyError, Requester
from esme_emulator.messaging.topics import (
    BAD_TOPIC,
    CACHED,
    DIRECT,
    command_topic,
    device_of,
    response_topic,
)
from esme_emulator.profiles.latency import NONE
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.transport import Broker, Drop, MemoryBroker, connect
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.emulator.cache.bench import anything_for_anybody
from tests.emulator.transport.brokers import GUARD, Inbox
from tests.support.embedded import embedded
from tests.support.estate import (
    ESTATE,
    KEYS,
    METER,
    OTHER_METER,
    SEED,
    UNIX_NOW,
    YESTERDAY,
    command,
    party,
)
from tests.support.mosquitto import OPEN, TUNED, Mosquitto
from tests.support.waiting import settle, until

SETTINGS = CacheSettings()
RECIPIENT = party(Role.IS).recipient
RESPONSES = response_topic(DIRECT, "+", "+")
LONG = Window(YESTERDAY.start - 10 * 86_400, YESTERDAY.end)

NO_DELAY = TUNED[0]
"""With `max_queued_messages 0`, mosquitto 2.0.11 ends the connection if it denies a message."""


def make_fleet() -> Fleet:
    return Fleet(ESTATE.meters, KEYS, SEED, NONE)


@asynccontextmanager
async def caching(broker: Broker) -> AsyncIterator[CacheService]:
    policy = CachePolicy(KEYS, SETTINGS, anything_for_anybody())
    async with serve_cache(broker, policy, MemoryStore(), ManualClock(UNIX_NOW)) as service:
        yield service


# Subscribers


@pytest.fixture(params=["memory", "mosquitto"])
async def telling(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker that reports topics without subscribers."""
    if request.param == "memory":
        yield MemoryBroker()
        return
    with Mosquitto(tmp_path) as running:
        yield running.url


@pytest.mark.parametrize(("prefix", "what"), [(DIRECT, "fleet"), (CACHED, "cache")])
async def test_a_request_without_a_subscriber_fails_at_once(
    telling: Broker, prefix: str, what: str
) -> None:
    asked, octets = command("4.8.1")
    requester = Requester(prefix, KEYS, ManualClock(UNIX_NOW))
    async with requester.connected(telling, {RECIPIENT}), asyncio.timeout(GUARD):
        with pytest.raises(
            NobodyListensError, match=rf"{command_topic(prefix, METER)}: is a {what}"
        ):
            await requester.request(asked, octets, timeout=60.0)


@pytest.mark.parametrize("prefix", [DIRECT, CACHED])
async def test_a_request_without_a_reply_times_out(prefix: str) -> None:
    broker, clock, inbox = MemoryBroker(), ManualClock(UNIX_NOW), Inbox()
    asked, octets = command("4.8.1")
    requester = Requester(prefix, KEYS, clock)
    async with (
        connect(broker, client_id="deaf", subscriptions={command_topic(prefix, "+"): inbox}),
        requester.connected(broker, {RECIPIENT}),
    ):
        asking = asyncio.create_task(requester.request(asked, octets, timeout=60.0))
        await settle()
        await clock.advance(60.0)
        with pytest.raises(NoReplyError) as caught:
            await asking
    assert not isinstance(caught.value, NobodyListensError)
    said = str(caught.value)
    assert said.startswith(f"{METER} did not reply within 60 s: is it in the fleet, with this seed")
    assert ("by the registry of the cache" in said) is (prefix == CACHED)


async def test_a_request_whose_broker_is_lost_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seam: the transport, which says that it has no connection."""
    broker, clock, inbox = MemoryBroker(), ManualClock(UNIX_NOW), Inbox()
    asked, octets = command("4.8.1")
    requester = Requester(DIRECT, KEYS, clock)
    async with (
        connect(broker, client_id="deaf", subscriptions={command_topic(DIRECT, "+"): inbox}),
        requester.connected(broker, {RECIPIENT}),
    ):
        asking = asyncio.create_task(requester.request(asked, octets, timeout=60.0))
        await settle()
        monkeypatch.setattr("esme_emulator.transport.memory._MemoryTransport.is_connected", False)
        await clock.advance(60.0)
        with pytest.raises(NoReplyError, match="since the connection to the broker is lost"):
            await asking


async def test_a_cache_notices_a_missing_subscriber_at_once(telling: Broker) -> None:
    async with caching(telling) as service, connect(telling, client_id="party") as transport:
        await transport.publish(command_topic(CACHED, METER), command("4.8.1")[1])
        ledger = service.policy.ledger
        await until(lambda: ledger.reasons[NO_SUBSCRIBER] == 1)
        assert service.policy.next_deadline() is None
        assert (ledger.requests, ledger.undecided()) == (1, 0)
        # It forwards again as soon as there is a subscriber.
        fleet = make_fleet()
        async with serve_fleet(telling, fleet, ManualClock(UNIX_NOW)):
            octets = command("4.8.1", counter=2)[1]
            await transport.publish(command_topic(CACHED, METER), octets)
            await until(lambda: fleet.counters.total(Stage.REPLIED) == 1)


# Refusals


async def test_a_reply_that_is_denied_is_not_counted_as_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "acl").write_text("topic read #\ntopic write esme/+/command\n")
    (tmp_path / "acl").chmod(0o600)
    fleet = make_fleet()
    with Mosquitto(tmp_path, (*OPEN, NO_DELAY, f"acl_file {tmp_path / 'acl'}")) as broker:
        async with (
            serve_fleet(broker.url, fleet, ManualClock(UNIX_NOW)) as [transport],
            connect(broker.url, client_id="party") as asking,
        ):
            for device in ESTATE.meters:
                octets = command("4.8.1", device=device)[1]
                await asking.publish(command_topic(DIRECT, device), octets)
            await until(lambda: transport.counters.refused == len(ESTATE.meters))
            assert transport.is_connected
    expected = len(ESTATE.meters)
    assert fleet.counters.as_table() == [("4.8.1", "answered", expected, 0)]
    assert fleet.counters.total(Stage.UNSENT, outcome="answered") == expected
    [record] = caplog.records
    assert record.getMessage().endswith(
        "the broker refuses it (not authorized); such replies are not counted as sent (logged once)"
    )


async def test_a_reply_that_is_too_long_fails_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fleet, inbox = make_fleet(), Inbox()
    with Mosquitto(tmp_path, (*OPEN, *TUNED, "max_packet_size 1200")) as broker:
        async with (
            serve_fleet(broker.url, fleet, ManualClock(UNIX_NOW)) as [transport],
            connect(broker.url, client_id="party", subscriptions={RESPONSES: inbox}) as asking,
        ):
            for counter, window in enumerate((YESTERDAY, LONG, YESTERDAY), 1):
                for device in (METER, OTHER_METER):
                    octets = command("4.8.1", Role.IS, counter, window, device)[1]
                    await asking.publish(command_topic(DIRECT, device), octets)
            await inbox.wait_for(4)
            await until(lambda: fleet.counters.total(Stage.REPLIED) == 4)
            counters = transport.counters
    assert (counters.refused, counters.reconnections, counters.resent) == (2, 0, 0)
    assert fleet.counters.as_table() == [("4.8.1", "answered", 6, 4)]
    assert fleet.counters.total(Stage.UNSENT) == 2
    [record] = caplog.records
    assert "octets, and the broker accepts 1200" in record.getMessage()


async def test_a_command_of_a_cache_that_the_broker_refuses_is_logged_and_given_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "acl").write_text("topic read #\ntopic write s1sp/+/command\n")
    (tmp_path / "acl").chmod(0o600)
    with Mosquitto(tmp_path, (*OPEN, NO_DELAY, f"acl_file {tmp_path / 'acl'}")) as broker:
        async with caching(broker.url) as service, connect(broker.url, client_id="p") as asking:
            for counter in range(1, 4):
                octets = command("4.8.1", counter=counter)[1]
                await asking.publish(command_topic(CACHED, METER), octets)
                ledger = service.policy.ledger
                await until(lambda: ledger.reasons[NOT_PUBLISHED] == counter)  # noqa: B023
            assert service.policy.next_deadline() is None
    assert caplog.text.count("the broker refuses it (not authorized)") == 1


# Retained messages


def test_counters_and_transport_use_the_same_names() -> None:
    assert {RETAINED, TOO_LONG} == set(Drop)


@pytest.mark.parametrize("kind", ["amqtt", "mosquitto"])
async def test_retained_commands_are_no_device_hits(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if kind == "amqtt":
        async with embedded("amqtt") as url:
            await retained_commands(url, sends_them=True)
        assert caplog.text.count("dropped a retained message") == 2  # one each, fleet and cache
        return
    with Mosquitto(tmp_path) as running:
        await retained_commands(running.url, sends_them=False)
    assert caplog.records == []


async def retained_commands(url: str, *, sends_them: bool) -> None:
    """Start fleet and cache on a broker with retained commands, and check their counts."""
    octets = command("4.8.1", counter=1)[1]
    async with aiomqtt.Client("127.0.0.1", int(url.rpartition(":")[2])) as careless:
        for prefix in (DIRECT, CACHED):
            await careless.publish(command_topic(prefix, METER), octets, qos=1, retain=True)
    fleet = make_fleet()
    async with (
        serve_fleet(url, fleet, ManualClock(UNIX_NOW)),
        caching(url) as service,
        connect(url, client_id="party") as asking,
    ):
        later = command("4.8.1", counter=2)[1]
        await asking.publish(command_topic(CACHED, METER), later)
        await until(lambda: fleet.counters.total(Stage.REPLIED) == 1)
        ledger = service.policy.ledger
    assert fleet.counters.device_hits == fleet.counters.hits("4.8.1") == 1
    assert ledger.requests == 1
    assert (fleet.counters.total(outcome=RETAINED) > 0) is sends_them
    assert (ledger.reasons[RETAINED] > 0) is sends_them


# Other topics

STRAY = (
    str(METER).lower(),
    f" {METER}",
    f"{METER} ",
    f"{METER}\n",
    "-".join(str(METER)[place : place + 2] for place in range(0, 16, 2)),
    str(METER)[:-1],
    f"{METER}0",
    "０" + str(METER)[1:],  # a digit, but not of ASCII
    "",
)


@pytest.mark.parametrize("eui", STRAY)
def test_a_topic_has_only_one_form_of_an_eui(eui: str) -> None:
    assert device_of(command_topic(DIRECT, METER)) == METER
    assert device_of(response_topic(CACHED, METER, RECIPIENT)) == METER
    assert device_of(command_topic(DIRECT, eui)) is None
    assert device_of(response_topic(DIRECT, eui, RECIPIENT)) is None
    assert device_of(response_topic(DIRECT, METER, eui)) is None


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "{}",
        "esme/{}",
        "esme/{}/commands",
        "ESME/{}/command",
        "other/{}/command",
        "/esme/{}/command",
    ],
)
def test_topics_have_the_form_of_the_contract(topic: str) -> None:
    assert device_of(topic.format(METER)) is None


async def test_messages_to_other_topics_are_dropped_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker, fleet = MemoryBroker(), make_fleet()
    requester = Requester(DIRECT, KEYS)
    lower = str(METER).lower()
    async with (
        serve_fleet(broker, fleet, ManualClock(UNIX_NOW)),
        caching(broker) as service,
        requester.connected(broker, {RECIPIENT}),
        connect(broker, client_id="party") as asking,
    ):
        for prefix in (DIRECT, CACHED):
            for _ in range(2):
                await asking.publish(command_topic(prefix, lower), command("4.8.1")[1])
        await asking.publish(response_topic(DIRECT, lower, RECIPIENT), b"")
        await settle()
        ledger = service.policy.ledger
    assert fleet.counters.total(outcome=BAD_TOPIC) == 2
    assert fleet.counters.device_hits == 0
    assert (ledger.requests, ledger.reasons) == (0, {BAD_TOPIC: 3})
    assert requester.dropped == {BAD_TOPIC: 1}
    assert [record.getMessage() for record in caplog.records] == [
        f"dropped a message to {command_topic(prefix, lower)}: write the EUI in a topic as "
        "16 upper-case hex digits (logged once)"
        for prefix in (DIRECT, CACHED)
    ]


# Health


async def test_health_covers_all_connections_of_parts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared = CacheOptions(replace(SETTINGS, shared=True), "memory:")
    with Mosquitto(tmp_path) as broker:
        options = FleetOptions(connections=True)
        clock = ManualClock(UNIX_NOW)
        async with run_services(broker.url, ESTATE, clock, options, shared) as running:
            number = len(ESTATE.meters)
            assert running.parts.lost() == []
            broker.kill()
            lost = [f"fleet: {number} of {number}", "cache: 1 of 1"]
            await until(lambda: running.parts.lost() == lost)
            assert not running.parts.is_connected()
            broker.start()
            await until(running.parts.is_connected)
    said = [record.getMessage().partition(": ") for record in caplog.records]
    meters = [text for name, _, text in said if name.startswith(f"{number} meters with")]
    assert [text[:15] for text in meters if "no MQTT" not in text] == [
        "connection lost",
        "connected again",
    ]
