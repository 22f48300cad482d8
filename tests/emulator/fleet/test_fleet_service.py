"""A fleet on brokers: counts, outages, shared load, many connections."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esme_emulator.device.meter import NORMAL, Behaviour
from esme_emulator.estate.euis import shard
from esme_emulator.faults.base import Call, Delivery
from esme_emulator.fleet import service
from esme_emulator.fleet.counters import NOT_HOSTED, Counters, Stage
from esme_emulator.fleet.fleet import Fleet, ReplySent
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.messaging.topics import DIRECT, command_topic, response_topic
from esme_emulator.profiles import load_profile, meter_profile
from esme_emulator.profiles.latency import NONE, Fixed, Latency, LogNormal
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.transport import Broker, MemoryBroker, TransportError, connect
from gbcs import EUI
from gbcs.tables.roles import Role
from tests.emulator.transport.brokers import Inbox
from tests.support.embedded import embedded
from tests.support.estate import (
    ESTATE,
    KEYS,
    METER,
    OTHER_METER,
    SEED,
    STRANGER,
    UNIX_NOW,
    command,
    party,
)
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import settle, until

RESPONSES = response_topic(DIRECT, "+", "+")


def make_fleet(latency: Latency = NONE, **options: Any) -> Fleet:
    return Fleet(ESTATE.meters, KEYS, SEED, latency, **options)


async def test_a_command_is_counted_on_receipt_and_its_reply_when_the_broker_has_it() -> None:
    broker, clock, fleet, inbox = MemoryBroker(), ManualClock(UNIX_NOW), make_fleet(), Inbox()
    slow = make_fleet(Fixed(5.0))
    for one, delay in ((fleet, 0.0), (slow, 5.0)):
        async with (
            serve_fleet(broker, one, clock),
            connect(broker, client_id="party", subscriptions={RESPONSES: inbox}) as transport,
        ):
            await transport.publish(command_topic(DIRECT, METER), command("4.8.1")[1])
            await settle()
            assert one.counters.total(Stage.RECEIVED) == 1
            assert one.counters.total(Stage.REPLIED) == (0 if delay else 1)
            await clock.advance(delay)
            await settle()
            assert one.counters.as_table() == [("4.8.1", "answered", 1, 1)]
    assert len(inbox.messages) == 2


async def test_a_reply_is_published_once_the_broker_has_it() -> None:
    broker, clock, fleet = MemoryBroker(), ManualClock(UNIX_NOW), make_fleet(Fixed(5.0))
    events: list[ReplySent] = []
    fleet.events.subscribe(ReplySent, events.append)
    async with (
        serve_fleet(broker, fleet, clock),
        connect(broker, client_id="party") as transport,
    ):
        await transport.publish(command_topic(DIRECT, METER), command("4.8.1")[1])
        await settle()
        assert not events
        await clock.advance(5.0)
        await settle()
    [event] = events
    assert (event.time, event.reply.due) == (UNIX_NOW + 5.0, UNIX_NOW + 5.0)
    assert (event.reply.device, event.reply.srv) == (METER, "4.8.1")


async def test_a_reply_that_is_due_after_the_end_is_not_counted() -> None:
    broker, clock, fleet = MemoryBroker(), ManualClock(UNIX_NOW), make_fleet(Fixed(5.0))
    async with connect(broker, client_id="party") as transport:
        async with serve_fleet(broker, fleet, clock):
            for counter in (1, 2):
                octets = command("4.8.1", counter=counter)[1]
                await transport.publish(command_topic(DIRECT, METER), octets)
            await settle()
            await clock.advance(5.0)
            await settle()
        await clock.advance(5.0)
        await settle()
    assert fleet.counters.as_table() == [("4.8.1", "answered", 2, 1)]


async def test_a_broker_that_dies_and_returns_gets_every_reply_and_the_counts_are_true(
    tmp_path: Path,
) -> None:
    clock, fleet, inbox = ManualClock(UNIX_NOW), make_fleet(Fixed(5.0)), Inbox()
    with Mosquitto(tmp_path) as broker:
        async with (
            connect(broker.url, client_id="party", subscriptions={RESPONSES: inbox}) as transport,
            serve_fleet(broker.url, fleet, clock),
        ):
            for device in ESTATE.meters:
                octets = command("4.8.1", device=device)[1]
                await transport.publish(command_topic(DIRECT, device), octets)
            await until(lambda: fleet.counters.device_hits == len(ESTATE.meters))
            broker.kill()
            await clock.advance(5.0)
            await settle()
            assert fleet.counters.total(Stage.REPLIED) == 0
            broker.start()
            await until(lambda: fleet.counters.total(Stage.REPLIED) == len(ESTATE.meters))
    expected = len(ESTATE.meters)
    assert fleet.counters.as_table() == [("4.8.1", "answered", expected, expected)]


async def test_replies_during_an_outage_of_the_broker_are_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        service, "connect", lambda *args, **kw: connect(*args, give_up_after=0.1, **kw)
    )
    clock, fleet = ManualClock(UNIX_NOW), make_fleet(Fixed(5.0))
    with Mosquitto(tmp_path) as broker:
        async with serve_fleet(broker.url, fleet, clock):
            async with connect(broker.url, client_id="party") as transport:
                for device in (METER, OTHER_METER):
                    octets = command("4.8.1", device=device)[1]
                    await transport.publish(command_topic(DIRECT, device), octets)
                await until(lambda: fleet.counters.device_hits == 2)
            broker.stop()
            await clock.advance(5.0)
            await until(lambda: "not counted as sent" in caplog.text)
    assert fleet.counters.as_table() == [("4.8.1", "answered", 2, 0)]
    assert caplog.text.count("not counted as sent") == 1


async def test_the_reason_for_no_reply_is_logged_once_for_each_srv(
    caplog: pytest.LogCaptureFixture,
) -> None:
    too_much = replace(load_profile("domestic"), annual_kwh=1e9)
    kind = replace(meter_profile("single"), primary=too_much)
    clock, broker, fleet = ManualClock(UNIX_NOW), MemoryBroker(), make_fleet(profiles=(kind,))
    async with (
        serve_fleet(broker, fleet, clock),
        connect(broker, client_id="party") as transport,
    ):
        for srv in ("4.6.1", "4.8.1", "4.6.1"):
            for device in (METER, OTHER_METER):
                octets = command(srv, device=device)[1]
                await transport.publish(command_topic(DIRECT, device), octets)
        await settle()
    assert fleet.counters.as_table() == [("4.6.1", "unanswered", 4, 0), ("4.8.1", "answered", 2, 2)]
    [record] = caplog.records
    assert record.getMessage().startswith(f"{METER} cannot reply to SRV 4.6.1: compact-array: ")


class Overtaking:
    """Hold the first reply back, and send the second one twice."""

    def behaviour(self, call: Call) -> Behaviour:
        return NORMAL

    def deliver(self, call: Call, octets: bytes) -> tuple[Delivery, ...]:
        if call.number == 1:
            return (Delivery(octets, 60.0, overtaken=True),)
        return Delivery(octets), Delivery(octets, 1.0)


async def test_an_overtaken_reply_follows_the_next_and_each_is_counted_once() -> None:
    broker, clock, inbox = MemoryBroker(), ManualClock(UNIX_NOW), Inbox()
    fleet = make_fleet(Fixed(2.0), faults=Overtaking())
    async with (
        serve_fleet(broker, fleet, clock),
        connect(broker, client_id="party", subscriptions={RESPONSES: inbox}) as transport,
    ):
        topic = command_topic(DIRECT, METER)
        await transport.publish(topic, command("4.8.1", counter=1)[1])
        await settle()
        await clock.advance(30.0)
        await settle()
        assert inbox.messages == []
        await transport.publish(topic, command("4.8.1", counter=2)[1])
        await settle()
        await clock.advance(2.0)
        await settle()
        counters = [int.from_bytes(payload[18:26], "big") for payload in inbox.payloads]
        assert len(inbox.messages) == 2
        await clock.advance(100.0)
        await settle()
    assert len(inbox.messages) == 3
    assert inbox.payloads[0] == inbox.payloads[2] != inbox.payloads[1]
    assert counters == sorted(counters, reverse=True)
    assert fleet.counters.as_table() == [("4.8.1", "answered", 2, 3)]


async def test_each_command_goes_to_one_of_the_fleets_that_share() -> None:
    broker, clock = MemoryBroker(), ManualClock(UNIX_NOW)
    one, other = make_fleet(), make_fleet()
    async with (
        serve_fleet(broker, one, clock, shared=True),
        serve_fleet(broker, other, clock, shared=True),
        connect(broker, client_id="party") as transport,
    ):
        for counter in range(1, 21):
            octets = command("4.8.1", counter=counter)[1]
            await transport.publish(command_topic(DIRECT, METER), octets)
        await settle()
    assert one.counters.device_hits == other.counters.device_hits == 10
    together = Counters.from_json(json.loads(json.dumps(one.counters.to_json())))
    together.merge(other.counters)
    assert together.received(METER, "4.8.1") == 20
    assert together.total(Stage.REPLIED) == 20


@pytest.mark.processes
async def test_fleets_share_on_the_embedded_broker() -> None:
    clock, inbox = ManualClock(UNIX_NOW), Inbox()
    one, other = make_fleet(), make_fleet()
    async with (
        embedded("rumqttd") as url,
        serve_fleet(url, one, clock, shared=True),
        serve_fleet(url, other, clock, shared=True),
        connect(url, client_id="party", subscriptions={RESPONSES: inbox}) as transport,
    ):
        for counter in range(1, 21):
            octets = command("4.8.1", counter=counter)[1]
            await transport.publish(command_topic(DIRECT, METER), octets)
        await inbox.wait_for(20)
    assert len({message.payload for message in inbox.messages}) == 20
    assert one.counters.device_hits == other.counters.device_hits == 10


async def test_each_command_goes_to_the_fleet_of_its_shard() -> None:
    broker, clock = MemoryBroker(), ManualClock(UNIX_NOW)
    fleets = [Fleet(shard(ESTATE.meters, part, 2), KEYS, SEED, NONE) for part in range(2)]
    async with (
        serve_fleet(broker, fleets[0], clock),
        serve_fleet(broker, fleets[1], clock),
        connect(broker, client_id="party") as transport,
    ):
        for device in ESTATE.meters:
            octets = command("4.8.1", device=device)[1]
            await transport.publish(command_topic(DIRECT, device), octets)
        await settle()
    assert [fleet.counters.device_hits for fleet in fleets] == [3, 2]
    assert [fleet.counters.total(outcome=NOT_HOSTED) for fleet in fleets] == [2, 3]


@pytest.mark.parametrize(("most", "received"), [(3, [3, 2]), (2, [5, 2]), (1, [5, 5])])
async def test_a_shard_receives_the_commands_for_its_own_meters_unless_these_are_too_many(
    most: int, received: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_TOPICS", most)
    broker, clock, whole = MemoryBroker(), ManualClock(UNIX_NOW), ESTATE.meters
    fleets = [Fleet(shard(whole, part, 2), KEYS, SEED, NONE) for part in range(2)]
    async with (
        serve_fleet(broker, fleets[0], clock, whole=whole) as [one],
        serve_fleet(broker, fleets[1], clock, whole=whole) as [other],
        connect(broker, client_id="party") as transport,
    ):
        for device in whole:
            octets = command("4.8.1", device=device)[1]
            await transport.publish(command_topic(DIRECT, device), octets)
        await settle()
        assert [each.counters.received for each in (one, other)] == received
    assert [fleet.counters.device_hits for fleet in fleets] == [3, 2]
    assert [fleet.counters.total(outcome=NOT_HOSTED) for fleet in fleets] == [0, 0]


async def test_amqtt_refuses_shared_subscriptions() -> None:
    async with embedded("amqtt") as url:
        with pytest.raises(TransportError, match=r"refuses the subscription .share/fleet/esme"):
            async with serve_fleet(url, make_fleet(), ManualClock(UNIX_NOW), shared=True):
                pytest.fail("it began")


async def test_meters_may_have_a_connection_each(broker: Broker) -> None:
    clock, fleet, inbox = ManualClock(UNIX_NOW), make_fleet(), Inbox()
    recipient = party(Role.IS).recipient
    async with (
        serve_fleet(broker, fleet, clock, connections=True) as transports,
        connect(broker, client_id="party", subscriptions={RESPONSES: inbox}) as transport,
    ):
        for device in (STRANGER, *ESTATE.meters):
            octets = command("4.8.1", device=device)[1]
            await transport.publish(command_topic(DIRECT, device), octets)
        messages = await inbox.wait_for(len(ESTATE.meters))
        await until(lambda: fleet.counters.total(Stage.REPLIED) == len(ESTATE.meters))
    assert [transport.counters.published for transport in transports] == [1] * len(transports)
    assert {message.topic for message in messages} == {
        response_topic(DIRECT, device, recipient) for device in ESTATE.meters
    }
    expected = len(ESTATE.meters)
    assert fleet.counters.as_table() == [("4.8.1", "answered", expected, expected)]


async def test_connections_that_need_too_many_file_descriptors_are_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("esme_emulator.fleet.service.resource.getrlimit", lambda _: (130, 4096))
    with pytest.raises(TransportError, match=r"5 connections need .* have 130: .*ulimit -n") as e:
        async with serve_fleet(
            "mqtt://127.0.0.1:1", make_fleet(), ManualClock(UNIX_NOW), connections=True
        ):
            pytest.fail("it began")
    assert len(str(e.value).splitlines()) == 1


async def test_connections_without_a_broker_fail_with_one_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "START_TIMEOUT", 0.1)
    with pytest.raises(TransportError, match=r"no MQTT broker at 127.0.0.1:1 "):
        async with serve_fleet(
            "mqtt://127.0.0.1:1", make_fleet(), ManualClock(UNIX_NOW), connections=True
        ):
            pytest.fail("it began")


async def test_connections_need_a_sequence_of_meters_and_exclude_sharing() -> None:
    nameless = Fleet(frozenset(ESTATE.meters), KEYS, SEED, NONE)
    for fleet, shared in ((nameless, False), (make_fleet(), True)):
        with pytest.raises(ValueError, match="connections"):
            async with serve_fleet(
                MemoryBroker(), fleet, ManualClock(UNIX_NOW), shared=shared, connections=True
            ):
                pytest.fail("it began")


async def test_a_scenario_run_twice_gives_the_same_octets() -> None:
    first, second = [await scenario() for _ in range(2)]
    assert first == second
    messages, _, _, fired = first
    assert len(messages) > 60
    assert fired


async def scenario() -> tuple[list[tuple[float, str, bytes]], Any, list[str], list[str]]:
    """Return messages with times, counts, drops and the faults that fired."""
    broker, clock = MemoryBroker(), ManualClock(UNIX_NOW)
    sent: list[tuple[float, str, bytes]] = []
    fired: list[str] = []

    class Sometimes(Overtaking):
        def behaviour(self, call: Call) -> Behaviour:
            silent = call.number % 5 == 0
            if silent:
                fired.append(f"silent {call.device} {call.srv} {call.now}")
            return Behaviour(silent=silent)

    fleet = make_fleet(LogNormal(2.0, 15.0), faults=Sometimes(), strict=True, queue=3)
    asks: list[tuple[EUI, bytes]] = []
    for counter in range(1, 15):
        for device in ESTATE.meters:
            for srv, role in (("4.8.1", Role.OU), ("4.6.1", Role.IS)):
                asks.append((device, command(srv, role, counter, device=device)[1]))
        asks.append((METER, b"nonsense"))
        asks.append(asks[0])
    handler = {RESPONSES: lambda topic, octets, _: sent.append((clock.now(), topic, octets))}
    async with (
        serve_fleet(broker, fleet, clock),
        connect(broker, client_id="party", subscriptions=handler) as transport,
    ):
        for device, octets in asks:
            await transport.publish(command_topic(DIRECT, device), octets)
            await clock.advance(0.5)
        for _ in range(200):
            await clock.advance(1.0)
    drops = [outcome for _, outcome in fleet.counters.outcomes()]
    assert {"queue-full", "replayed", "silent", "malformed", "answered"} <= set(drops)
    return sent, fleet.counters.to_json(), drops, fired
