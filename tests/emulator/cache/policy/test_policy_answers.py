"""The cache answers from the meter, the store, or another request's reply."""

import pytest

from esme_emulator.cache.entry import Key
from esme_emulator.cache.policy.ledger import Decision
from gbcs import EUI, FileKeystore, Keystore, Status, decode
from gbcs.instants import DAY
from gbcs.tables.result_codes import ResultCode
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from gbcs.usecases.responding import refuse
from tests.emulator.cache.bench import RETENTION, Bench
from tests.support.estate import (
    KEYS,
    METER,
    MIDNIGHT,
    NOW,
    OTHER_METER,
    YESTERDAY,
    command,
    meter_octets,
    own_counter_in,
    party,
    readings_in,
)
from tests.support.rtds import named

CACHED = [
    ("4.6.1", Role.IS),
    ("4.8.1", Role.IS),
    ("4.8.1", Role.ED),
    ("4.8.1", Role.OU),
    ("4.8.3", Role.ED),
    ("4.8.3", Role.OU),
    ("4.8.3", Role.ES),
]
NOT_CACHED = [("4.6.2", Role.ES), ("4.8.2", Role.ED), ("4.8.2", Role.OU), ("4.8.2", Role.IS)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def own_octets(reply: bytes, srv: str, role: Role, counter: int, now: float) -> bytes:
    """Return the meter's own reply to the same command, with the device counter of `reply`."""
    asked, _ = command(srv, role, counter)
    return meter_octets(asked, now, own_counter_in(reply) or 0)


@pytest.mark.parametrize(("srv", "role"), CACHED)
def test_a_miss_goes_to_the_meter_and_its_reply_is_relayed_unchanged(
    srv: str, role: Role, bench: Bench
) -> None:
    asked, octets = command(srv, role)
    assert bench.receive(octets) == []
    (forward,) = bench.forwards
    assert (forward.device, forward.octets) == (METER, octets)
    from_meter = bench.meter_reply()
    (reply,) = bench.deliver(from_meter)
    assert reply.octets == from_meter
    assert (reply.device, reply.recipient) == (METER, asked.originator)
    assert reply.status.split("; ") == ["s1sp", "fwd=miss", "stored"]
    assert bench.decisions() == {Decision.FORWARDED: 1}
    bench.assert_settled()


@pytest.mark.parametrize(("srv", "role"), CACHED)
@pytest.mark.parametrize("first", [Role.IS, Role.ED, Role.OU])
def test_a_hit_is_octet_for_octet_what_the_meter_says(
    srv: str, role: Role, first: Role, bench: Bench
) -> None:
    bench.read_through(srv, first)
    bench.now += RETENTION - 1
    (hit,) = bench.ask(srv, role, counter=77)
    assert hit.octets == own_octets(hit.octets, srv, role, 77, bench.now)
    assert decode(hit.octets, KEYS).mac_status is Status.VALID
    assert hit.status.split("; ") == ["s1sp", "hit", "ttl=1"]
    assert bench.fleet.counters.device_hits == 1
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.HIT: 1}
    bench.assert_settled()


@pytest.mark.parametrize("srv", ["4.6.1", "4.8.1", "4.8.3"])
def test_requests_for_one_key_collapse_into_one_device_hit(srv: str, bench: Bench) -> None:
    roles = [Role.IS, Role.ED, Role.OU, Role.ES]
    asks = [(roles[number % 4], 100 + number) for number in range(40)]
    for role, counter in asks:
        assert bench.ask(srv, role, counter) == []
    assert len(bench.forwards) == 1
    replies = bench.deliver()
    replies.sort(key=lambda reply: decode(reply.octets).originator_counter)
    assert len(replies) == len(asks)
    for reply, (role, counter) in zip(replies, asks, strict=True):
        assert reply.recipient == party(role).recipient
        assert reply.octets == own_octets(reply.octets, srv, role, counter, bench.now)
    assert replies[0].status.split("; ") == ["s1sp", "fwd=miss", "stored"]
    assert {reply.status for reply in replies[1:]} == {"s1sp; fwd=miss; collapsed; stored"}
    assert bench.fleet.counters.device_hits == 1
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.COLLAPSED: 39}
    bench.assert_settled()


def test_requests_wait_together_while_the_store_is_looked_up(bench: Bench) -> None:
    bench.read_through("4.8.1")
    bench.looks_up = False
    for counter in (2, 3, 4):
        assert bench.ask("4.8.1", counter=counter) == []
    assert bench.pending_looks == [Key(METER, "4.8.1", YESTERDAY.start, YESTERDAY.end)]
    replies = bench.look_up()
    assert [decode(reply.octets).originator_counter for reply in replies] == [2, 3, 4]
    assert all("hit" in reply.status for reply in replies)
    bench.assert_settled()


def test_other_devices_windows_and_srvs_are_other_keys(bench: Bench) -> None:
    bench.read_through("4.8.1")
    assert bench.ask("4.8.1", counter=2, device=OTHER_METER) == []
    assert bench.ask("4.8.3", Role.ED, counter=3) == []
    for number, (start, end) in enumerate([(-1800, 0), (1800, 0), (0, 1800), (0, -1800), (1, 0)]):
        window = Window(YESTERDAY.start + start, YESTERDAY.end + end)
        assert bench.ask("4.8.1", counter=10 + number, window=window) == []
    assert len(bench.forwards) == 7


@pytest.mark.parametrize("code", [ResultCode.HARDWARE_FAULT, ResultCode.OTHER_REASON])
@pytest.mark.parametrize(("srv", "role"), CACHED)
def test_a_failure_is_given_to_all_waiting_requests_and_not_kept(
    srv: str, role: Role, code: ResultCode, bench: Bench
) -> None:
    asked = [command(srv, role, counter) for counter in (1, 2, 3)]
    for _, octets in asked:
        bench.receive(octets)
    replies = bench.deliver(refuse(asked[0][0], code, KEYS))
    assert [reply.octets for reply in replies] == [refuse(one, code, KEYS) for one, _ in asked]
    assert not any("stored" in reply.status for reply in replies)
    assert bench.store == {}
    assert bench.policy.ledger.reasons == {"failure-not-kept": 1}
    bench.forwards.clear()
    assert bench.ask(srv, role, counter=4) == []
    assert len(bench.forwards) == 1
    bench.deliver()
    assert bench.decisions() == {Decision.FORWARDED: 2, Decision.COLLAPSED: 2}
    bench.assert_settled()


@pytest.mark.parametrize(
    ("age", "decision"),
    [
        (0.0, Decision.HIT),
        (RETENTION - 1, Decision.HIT),
        (RETENTION + 1, Decision.FORWARDED),
        (-1.0, Decision.FORWARDED),
        (-86_400.0, Decision.FORWARDED),
    ],
)
def test_retention_counts_from_receipt_and_a_clock_before_receipt_is_not_trusted(
    age: float, decision: Decision, bench: Bench
) -> None:
    """Retention is 25 hours here; a negative age means that the clock was set back."""
    bench.read_through("4.8.1")
    bench.now += age
    bench.ask("4.8.1", counter=2)
    before = {Decision.FORWARDED: 1}
    assert bench.decisions() == before | {decision: before.get(decision, 0) + 1}


def test_a_read_forwarded_after_its_retention_is_kept_again(bench: Bench) -> None:
    bench.read_through("4.8.1")
    bench.now += RETENTION + 1
    bench.read_through("4.8.1", counter=2)
    bench.now += RETENTION - 1
    (hit,) = bench.ask("4.8.1", counter=3)
    assert hit.octets == own_octets(hit.octets, "4.8.1", Role.IS, 3, bench.now)


@pytest.mark.parametrize("beyond", [1, 1800, 10 * DAY])
@pytest.mark.parametrize("srv", ["4.6.1", "4.8.1", "4.8.3"])
def test_a_window_that_is_still_open_is_not_kept(srv: str, beyond: int, bench: Bench) -> None:
    """The window will have more entries than the meter has now."""
    window = Window(MIDNIGHT, NOW + beyond)
    for counter in (1, 2, 3):
        assert bench.ask(srv, counter=counter, window=window) == []
    replies = bench.deliver()
    assert len(replies) == 3
    assert not any("stored" in reply.status for reply in replies)
    assert bench.store == {}
    assert bench.policy.ledger.reasons == {"open-window": 1}
    assert bench.ask(srv, counter=4, window=window) == []
    assert len(bench.forwards) == 1


def test_a_window_that_closed_before_the_meter_was_asked_is_kept(bench: Bench) -> None:
    bench.ask("4.8.1", window=Window(MIDNIGHT, NOW))
    bench.deliver()
    assert len(bench.store) == 1


def test_a_window_that_closed_while_the_reply_was_on_its_way_is_not_kept(bench: Bench) -> None:
    bench.ask("4.8.1", window=Window(MIDNIGHT, NOW + 1))
    from_meter = bench.meter_reply()
    bench.now += 30
    bench.deliver(from_meter)
    assert bench.store == {}


@pytest.mark.parametrize(("srv", "role"), NOT_CACHED)
def test_an_srv_that_is_not_cached_is_forwarded_and_relayed_unchanged(
    srv: str, role: Role, bench: Bench
) -> None:
    for counter in (1, 2):
        asked, octets = command(srv, role, counter)
        assert bench.receive(octets) == []
        assert bench.forwards[0].octets == octets
        from_meter = bench.meter_reply()
        (reply,) = bench.deliver(from_meter)
        assert reply.octets == from_meter
        assert reply.recipient == asked.originator
        assert reply.status.split("; ") == ["s1sp", "fwd=bypass"]
    assert bench.store == {}
    assert bench.decisions() == {Decision.FORWARDED: 2}
    bench.assert_settled()


def test_commands_and_replies_of_a_device_without_a_key_are_passed_on_unchanged() -> None:
    bench = Bench(keystore=FileKeystore({}))
    for counter, (srv, role) in enumerate((*CACHED, *NOT_CACHED)):
        octets = command(srv, role, counter)[1]
        assert bench.receive(octets) == []
        from_meter = bench.meter_reply()
        (reply,) = bench.deliver(from_meter)
        assert reply.octets == from_meter
    assert bench.store == {}
    assert bench.decisions() == {Decision.FORWARDED: len(CACHED) + len(NOT_CACHED)}
    bench.assert_settled()


def test_readings_of_a_hit_are_those_of_the_miss(bench: Bench) -> None:
    miss = decode(bench.read_through("4.6.1").octets, KEYS)
    (hit,) = bench.ask("4.6.1", Role.ED, counter=2)
    assert readings_in(decode(hit.octets, KEYS), "4.6.1") == readings_in(miss, "4.6.1")


RTDS_METER = EUI.parse("00DB1234567890A0")


@pytest.mark.parametrize(
    "name",
    ["ECS21a_4.6.1_SINGLE_SUCCESS", "ECS22b_4.8.1_SINGLE_SUCCESS", "ECS22a_4.8.3_SUCCESS"],
)
def test_a_hit_is_the_response_of_the_rtds(name: str, rtds_keystore: Keystore) -> None:
    asked, answered = named(f"{name}_COMMAND").octets, named(f"{name}_RESPONSE").octets
    bench = Bench(keystore=rtds_keystore)
    assert bench.receive(asked, RTDS_METER) == []
    assert bench.receive(asked, RTDS_METER) == []
    assert [reply.octets for reply in bench.deliver(answered)] == [answered, answered]
    (hit,) = bench.receive(asked, RTDS_METER)
    assert hit.octets == answered
    bench.assert_settled()


def test_a_failure_given_to_waiting_requests_is_the_error_response_of_the_rtds(
    rtds_keystore: Keystore,
) -> None:
    asked = named("ECS22a_4.8.3_ERROR_COMMAND").octets
    answered = named("ECS22a_4.8.3_ERROR_RESPONSE").octets
    bench = Bench(keystore=rtds_keystore)
    for _ in range(3):
        assert bench.receive(asked, RTDS_METER) == []
    assert [reply.octets for reply in bench.deliver(answered)] == [answered] * 3
    assert bench.store == {}
