"""Two valid and different replies to one command: readings are dropped, an alarm is raised."""

import logging

import pytest

from esme_emulator.cache.policy.effects import Alarm
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.device.logs import buffer
from esme_emulator.device.model import meter_of
from esme_emulator.messaging.topics import CACHED, DIRECT, command_topic, response_topic
from esme_emulator.transport import connect
from gbcs import decode
from gbcs.tables.profile_logs import BY_SRV
from gbcs.tables.result_codes import ResultCode
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window, answer_profile_read
from gbcs.usecases.responding import refuse
from tests.emulator.cache.bench import Bench, BenchStore
from tests.emulator.cache.test_service_sharing import OPEN, _broker_of, run, settle
from tests.support.estate import (
    KEYS,
    METER,
    MIDNIGHT,
    NOW,
    OTHER_METER,
    SEED,
    YESTERDAY,
    command,
    meter_octets,
    own_counter_in,
    party,
)

CONTRADICTED = "reply-contradicted"


def forged(
    srv: str = "4.8.1",
    role: Role = Role.IS,
    counter: int = 1,
    window: Window = YESTERDAY,
    own_counter: int | None = None,
) -> bytes:
    """Return a reply without the first entry, which any holder of the party's key can make."""
    log = BY_SRV[srv]
    readings = buffer(meter_of(SEED, METER), log, window, NOW, lambda stamp: stamp > window.start)
    asked, _ = command(srv, role, counter, window)
    return answer_profile_read(asked, log, readings, KEYS, own_counter)


def retrying() -> Bench:
    """Return a bench that retries reads."""
    bench = Bench(retries=1)
    for counter in range(100, 110):
        bench.read_through("4.8.2", Role.ED, counter)
    return bench


def alarm(counter: int = 1, role: Role = Role.IS) -> Alarm:
    return Alarm(METER, party(role).eui, counter)


@pytest.mark.parametrize("first", ["forged", "true"])
@pytest.mark.parametrize("srv", ["4.6.1", "4.8.1", "4.8.3"])
def test_two_different_valid_replies_raise_an_alarm_and_neither_is_kept(
    first: str, srv: str
) -> None:
    role = Role.ED if srv == "4.8.3" else Role.IS
    bench = Bench()
    bench.ask(srv, role)
    true = bench.meter_reply()
    replies = [forged(srv, role), true]
    one, other = replies if first == "forged" else replies[::-1]
    assert [reply.octets for reply in bench.deliver(one)] == [one]
    assert len(bench.store) == 1
    assert bench.deliver(other) == []
    assert bench.store == {}
    assert bench.alarms == [alarm(role=role)]
    assert bench.policy.ledger.reasons == {CONTRADICTED: 1}
    bench.read_through(srv, Role.ED, 2)
    (hit,) = bench.ask(srv, Role.ED, 3)
    assert hit.octets == meter_octets(command(srv, Role.ED, 3)[0])
    bench.assert_settled()


def test_entries_cut_from_a_forged_reply_are_dropped_too() -> None:
    bench = Bench(sub_window=True)
    bench.ask("4.8.1")
    true = bench.meter_reply()
    bench.deliver(forged())
    part = Window(YESTERDAY.start, MIDNIGHT - 7200)
    assert len(bench.ask("4.8.1", counter=2, window=part)) == 1
    assert len(bench.store) == 2
    bench.deliver(true)
    assert bench.store == {}


def test_a_forged_reply_that_is_late_is_dropped_once_the_true_one_comes() -> None:
    bench = Bench()
    bench.ask("4.8.1")
    true = bench.meter_reply()
    bench.expire()
    bench.deliver(forged())
    assert len(bench.store) == 1
    bench.deliver(true)
    assert (bench.store, bench.alarms) == ({}, [alarm()])


def test_an_entry_that_the_store_is_still_keeping_is_dropped_afterwards() -> None:
    bench = Bench()
    bench.ask("4.8.1")
    true = bench.meter_reply()
    keeping = bench.policy.response(forged(), bench.now)
    bench.deliver(true)
    bench.change(keeping)
    assert (bench.store, bench.alarms) == ({}, [alarm()])
    assert bench.replies[0].status.endswith("detail=flushed-not-kept")


def test_a_store_that_was_away_serves_no_forged_readings_when_it_is_back() -> None:
    bench = Bench()
    bench.ask("4.8.1")
    true = bench.meter_reply()
    bench.deliver(forged())
    bench.shared.failing = True
    bench.deliver(true)
    bench.shared.failing = False
    assert len(bench.store) == 1
    assert bench.ask("4.8.1", counter=2) == []


def test_a_forged_refusal_raises_an_alarm_too() -> None:
    bench = Bench()
    asked, _ = command("4.8.1")
    bench.ask("4.8.1")
    true = bench.meter_reply()
    bench.deliver(refuse(asked, ResultCode.HARDWARE_FAULT, KEYS))
    bench.deliver(true)
    assert bench.alarms == [alarm()]


def test_readings_of_other_dates_raise_an_alarm_too() -> None:
    bench = Bench()
    bench.ask("4.8.1")
    true = bench.meter_reply()
    asked, _ = command("4.8.1")
    log = BY_SRV["4.8.1"]
    wide = buffer(meter_of(SEED, METER), log, Window(YESTERDAY.start - 86_400, MIDNIGHT), NOW)
    for octets in (answer_profile_read(asked, log, wide, KEYS), true, true):
        bench.deliver(octets)
    assert bench.alarms == [alarm()]


def test_the_true_reply_behind_a_forged_one_is_seen_though_the_counter_is_used_again() -> None:
    """The forger reads something else under the same counter, so that a reply is awaited."""
    bench = Bench()
    bench.ask("4.8.1")
    true = bench.meter_reply()
    bench.deliver(forged())
    bench.ask("4.8.1", window=Window(YESTERDAY.start, MIDNIGHT - 1))
    bench.deliver(true)
    assert (bench.store, bench.alarms) == ({}, [alarm()])


def test_the_alarm_is_raised_once_for_each_command() -> None:
    bench = Bench()
    bench.ask("4.8.1")
    true = bench.meter_reply()
    for octets in (forged(), true, forged(), true):
        bench.deliver(octets)
    assert bench.alarms == [alarm()]
    assert bench.policy.ledger.reasons == {CONTRADICTED: 1, "duplicate-reply": 2}


def test_the_alarm_is_raised_once_even_if_the_command_is_sent_again() -> None:
    bench = Bench()
    bench.ask("4.8.1")
    true = bench.meter_reply()
    bench.deliver(forged())
    bench.store.clear()
    bench.ask("4.8.1")
    for octets in (true, forged(), true):
        bench.deliver(octets)
    assert bench.alarms == [alarm()]


def test_a_reply_that_does_not_verify_contradicts_nothing() -> None:
    bench = Bench()
    bench.ask("4.8.1")
    bench.deliver()
    altered = bytearray(forged())
    altered[-1] ^= 1
    bench.deliver(bytes(altered))
    assert bench.alarms == []
    assert len(bench.store) == 1
    assert bench.policy.ledger.reasons == {"reply-mac-invalid": 1}


@pytest.mark.parametrize("role", [Role.IS, Role.OU])
@pytest.mark.parametrize("times", [1, 3])
def test_the_same_reply_again_is_no_contradiction(role: Role, times: int) -> None:
    bench = Bench()
    bench.ask("4.8.1", role)
    octets = bench.meter_reply()
    for _ in range(1 + times):
        bench.deliver(octets)
    assert bench.alarms == []
    assert len(bench.store) == 1
    assert bench.policy.ledger.reasons == {"duplicate-reply": times}


def test_replies_that_differ_in_the_device_counter_alone_are_no_contradiction() -> None:
    """A retried read is answered twice, each time with another device counter."""
    bench = retrying()
    bench.ask("4.8.1", Role.OU)
    bench.expire()
    one, other = bench.meter_reply(), bench.meter_reply()
    assert own_counter_in(one) != own_counter_in(other)
    bench.deliver(one)
    bench.deliver(other)
    assert bench.alarms == []
    assert bench.policy.ledger.reasons == {"duplicate-reply": 1}
    assert len(bench.store) == 1


def test_other_readings_under_another_device_counter_raise_an_alarm() -> None:
    bench = retrying()
    bench.ask("4.8.1", Role.OU)
    bench.expire()
    bench.deliver()
    bench.deliver(forged(role=Role.OU, own_counter=2 * 10**15))
    assert (bench.store, bench.alarms) == ({}, [alarm(role=Role.OU)])


@pytest.mark.parametrize("window", [OPEN, Window(YESTERDAY.start, NOW + 1800)])
def test_a_meter_that_was_asked_again_may_have_more_of_a_window_that_is_open(
    window: Window,
) -> None:
    bench = retrying()
    bench.ask("4.8.1", window=window)
    first = bench.meter_reply()
    bench.now += 1740
    bench.expire()
    bench.deliver(first)
    bench.deliver()
    assert bench.alarms == []
    assert bench.policy.ledger.reasons == {"open-window": 1, "duplicate-reply": 1}


def test_a_meter_that_was_asked_again_may_refuse_what_it_had_answered() -> None:
    bench = retrying()
    asked, _ = command("4.8.1")
    bench.ask("4.8.1")
    bench.expire()
    bench.deliver()
    bench.deliver(refuse(asked, ResultCode.HARDWARE_FAULT, KEYS))
    assert bench.alarms == []
    assert len(bench.store) == 1


def test_one_of_several_processes_sees_it_for_all() -> None:
    store = BenchStore()
    benches = [Bench(shared_store=store, shared=True) for _ in range(2)]
    benches[0].ask("4.8.1")
    true = benches[0].meter_reply()
    for octets in (forged(), true):
        for bench in benches:
            bench.deliver(octets)
    assert store.entries == {}
    assert [bench.alarms for bench in benches] == [[alarm()], []]


async def test_the_alarm_is_logged_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    supplier = party(Role.IS).eui
    async with run([MemoryStore()], hosted=()) as running:
        async with connect(_broker_of(running), client_id="forger") as forger:
            await forger.publish(command_topic(CACHED, METER), command("4.8.1")[1])
            await settle()
            topic = response_topic(DIRECT, METER, supplier)
            with caplog.at_level(logging.WARNING):
                for octets in (forged(), meter_octets(command("4.8.1")[0])):
                    await forger.publish(topic, octets)
                await settle()
        [cache] = running.caches
        assert cache.policy.ledger.reasons == {CONTRADICTED: 1}
    [said] = caplog.messages
    assert f"{METER} gave two valid, different replies to counter 1 of {supplier}" in said
    assert "docs/broker.md" in said
    assert "\n" not in said


async def test_a_reply_on_the_topic_of_another_device_is_ignored() -> None:
    supplier = party(Role.IS).eui
    async with run([MemoryStore()], hosted=()) as running:
        async with connect(_broker_of(running), client_id="forger") as forger:
            await forger.publish(command_topic(CACHED, METER), command("4.8.1")[1])
            await settle()
            await forger.publish(response_topic(DIRECT, OTHER_METER, supplier), forged())
            await settle()
        [cache] = running.caches
        assert cache.policy.ledger.reasons == {"reply-of-another-topic": 1}
        assert cache.policy.next_deadline() is not None, "it still waits for the meter"


def test_a_forged_reply_passes_all_other_checks() -> None:
    """Otherwise these tests would show nothing."""
    assert decode(forged(), KEYS).mac_status == "valid"
    assert forged() != meter_octets(command("4.8.1")[0])
