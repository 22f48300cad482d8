"""One command to the meter for all requests at once, in one process and in several."""

from collections.abc import Callable

import pytest

from esme_emulator.cache.entry import Key
from esme_emulator.cache.policy.effects import Claim, Reserve
from esme_emulator.cache.policy.ledger import Decision
from gbcs import EUI, decode
from gbcs.tables.result_codes import ResultCode
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from gbcs.usecases.responding import refuse
from tests.emulator.cache.bench import PATIENCE, Bench, BenchStore
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
)

OPEN = Window(MIDNIGHT, NOW + 1)
DAY_BEFORE = Window(YESTERDAY.start - 86_400, YESTERDAY.start)


def processes(number: int, **options: object) -> list[Bench]:
    store = BenchStore()
    return [Bench(shared_store=store, shared=True, **options) for _ in range(number)]


def ask_all(benches: list[Bench], window: Window = YESTERDAY, role: Role = Role.IS) -> None:
    for number, bench in enumerate(benches):
        for asked in range(3):
            assert bench.ask("4.8.1", role, 10 * number + asked, window) == []


def total(benches: list[Bench], decision: Decision) -> int:
    return sum(bench.policy.ledger.total(decision) for bench in benches)


@pytest.mark.parametrize("window", [YESTERDAY, OPEN])
@pytest.mark.parametrize("role", [Role.IS, Role.OU])
def test_a_key_asked_of_all_processes_at_once_is_one_device_hit(window: Window, role: Role) -> None:
    benches = processes(4)
    ask_all(benches, window, role)
    assert [len(bench.forwards) for bench in benches] == [1, 0, 0, 0]
    benches[0].deliver()
    for number, bench in enumerate(benches):
        assert len(bench.replies) == 3
        for reply in bench.replies:
            counter = decode(reply.octets).originator_counter
            assert counter // 10 == number
            asked, _ = command("4.8.1", role, counter, window)
            assert reply.octets == meter_octets(asked, bench.now, own_counter_in(reply.octets) or 0)
        bench.assert_settled()
    own = {own_counter_in(reply.octets) for bench in benches for reply in bench.replies}
    assert len(own) == (12 if role is Role.OU else 1)
    said = {reply.status for bench in benches[1:] for reply in bench.replies}
    assert said == {"s1sp; fwd=miss; collapsed; detail=elsewhere"}
    assert total(benches, Decision.FORWARDED) == 1
    assert total(benches, Decision.COLLAPSED) == 11
    assert len(benches[0].store) == (window is YESTERDAY)


def test_a_refusal_of_the_meter_is_one_device_hit_too() -> None:
    benches = processes(3)
    ask_all(benches)
    asked, _ = command("4.8.1", counter=0)
    benches[0].deliver(refuse(asked, ResultCode.HARDWARE_FAULT, KEYS))
    for bench in benches:
        for reply in bench.replies:
            again, _ = command("4.8.1", counter=decode(reply.octets).originator_counter)
            assert reply.octets == refuse(again, ResultCode.HARDWARE_FAULT, KEYS)
        assert len(bench.replies) == 3
        bench.assert_settled()
    assert benches[0].store == {}
    assert benches[0].shared.leases == {}


def test_exactly_one_waiting_process_takes_over_when_the_leader_dies() -> None:
    benches = processes(4)
    ask_all(benches)
    benches[0].restart()
    assert [len(bench.forwards) for bench in benches] == [0, 1, 0, 0]
    benches[1].deliver()
    assert [len(bench.replies) for bench in benches] == [0, 3, 3, 3]
    assert total(benches, Decision.FORWARDED) == 1
    for bench in benches:
        bench.assert_settled()


def test_a_meter_that_never_answers_is_asked_once_and_fails_all() -> None:
    benches = processes(3)
    ask_all(benches)
    for bench in benches:
        bench.expire(PATIENCE)
    assert [len(bench.forwards) for bench in benches] == [1, 0, 0]
    assert [bench.decisions() for bench in benches] == [
        {Decision.FORWARDED: 1, Decision.FAILED: 2},
        {Decision.FAILED: 3},
        {Decision.FAILED: 3},
    ]
    for bench in benches:
        bench.assert_settled()


def test_waiting_for_a_leader_that_never_settles_ends() -> None:
    benches = processes(2)
    ask_all(benches)
    benches[1].expire(PATIENCE)
    assert benches[1].policy.ledger.undecided() == 3
    benches[1].expire(PATIENCE)
    assert benches[1].decisions() == {Decision.FAILED: 3}
    benches[1].assert_settled()
    assert benches[0].policy.ledger.undecided() == 2


def test_a_reply_after_the_lease_was_lost_is_passed_on_and_not_kept() -> None:
    first, second = processes(2)
    first.ask("4.8.1", counter=1)
    first.ask("4.8.1", counter=2)
    first.shared.leases.clear()
    second.ask("4.8.1", counter=3)
    assert len(second.forwards) == 1
    replies = first.deliver()
    assert [reply.status for reply in replies] == [
        "s1sp; fwd=miss; detail=lease-lost",
        "s1sp; fwd=miss; collapsed; detail=lease-lost",
    ]
    assert first.store == {}
    second.deliver()
    assert len(first.store) == 1
    first.assert_settled()
    second.assert_settled()


def test_unsolicited_replies_are_counted_apart_from_replies_to_other_caches() -> None:
    shared, alone = Bench(shared=True), Bench()
    octets = meter_octets(command("4.8.1")[0])
    for bench in (shared, alone):
        assert bench.deliver(octets) == []
    assert shared.policy.ledger.reasons == {"others-reply": 1}
    assert alone.policy.ledger.reasons == {"reply-unsolicited": 1}


def test_5000_requests_at_once_are_one_device_hit_and_each_is_answered() -> None:
    bench = Bench()
    for counter in range(5000):
        assert bench.ask("4.8.3", (Role.ED, Role.OU)[counter % 2], counter) == []
    assert len(bench.forwards) == 1
    replies = bench.deliver()
    assert {decode(reply.octets).originator_counter for reply in replies} == set(range(5000))
    assert len(replies) == 5000
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.COLLAPSED: 4999}
    bench.assert_settled()


def test_5000_requests_to_a_silent_meter_fail_together_at_the_timeout() -> None:
    bench = Bench()
    for counter in range(5000):
        bench.ask("4.8.3", Role.ED, counter)
    bench.expire()
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.FAILED: 4999}
    assert bench.policy.ledger.reasons == {"no-reply": 1}
    bench.assert_settled()


def test_a_late_reply_fills_the_cache_and_is_not_passed_on() -> None:
    bench = Bench()
    bench.ask("4.8.1", Role.OU, 1)
    late = bench.meter_reply()
    bench.expire()
    bench.now += 100
    assert bench.deliver(late) == []
    assert bench.policy.ledger.reasons == {"no-reply": 1, "late-reply": 1}
    [(key, entry)] = bench.store.items()
    assert (key, entry.received) == (
        Key(METER, "4.8.1", YESTERDAY.start, YESTERDAY.end),
        bench.now,
    )
    (hit,) = bench.ask("4.8.1", counter=2)
    assert hit.octets == meter_octets(command("4.8.1", counter=2)[0], bench.now)


def refused(octets: bytes) -> bytes:
    return refuse(command("4.8.1")[0], ResultCode.HARDWARE_FAULT, KEYS)


def mac_altered(octets: bytes) -> bytes:
    return octets[:-1] + bytes((octets[-1] ^ 1,))


@pytest.mark.parametrize(
    ("window", "spoil", "reason"),
    [
        (OPEN, bytes, "late-reply"),
        (YESTERDAY, refused, "late-reply"),
        (YESTERDAY, mac_altered, "reply-mac-invalid"),
    ],
)
def test_a_late_reply_that_would_not_be_kept_in_time_is_not_kept_late(
    window: Window, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    bench = Bench(literal=True)
    bench.ask("4.8.1", window=window)
    late = spoil(bench.meter_reply())
    bench.expire()
    assert bench.deliver(late) == []
    assert bench.policy.ledger.reasons[reason] == 1
    assert bench.store == {}


def test_transactions_are_remembered_for_a_limited_time() -> None:
    bench = Bench()
    bench.ask("4.8.1", counter=1)
    late = bench.meter_reply()
    bench.expire()
    bench.now += 3601
    bench.read_through("4.8.3", Role.ED, 2)
    assert bench.deliver(late) == []
    assert bench.policy.ledger.reasons == {"no-reply": 1, "reply-unsolicited": 1}


def test_a_late_reply_is_not_taken_for_that_to_another_read_under_the_same_counter() -> None:
    """A party whose first read was given up uses its counter again, for other dates."""
    bench = Bench()
    bench.ask("4.8.3", Role.ED, 5, YESTERDAY)
    late = bench.meter_reply()
    bench.expire()
    bench.ask("4.8.3", Role.ED, 5, DAY_BEFORE)
    bench.ask("4.8.3", Role.OU, 6, DAY_BEFORE)
    (misled,) = bench.deliver(late)
    assert misled.status == "s1sp; fwd=bypass; detail=counter-reused"
    assert bench.store == {}
    replies = [reply for _ in range(2) for reply in bench.deliver()]
    asked, _ = command("4.8.3", Role.OU, 6, DAY_BEFORE)
    assert meter_octets(asked) in [reply.octets for reply in replies]
    bench.expire()
    bench.assert_settled()


def test_a_duplicate_is_not_taken_for_the_reply_to_another_read_under_the_same_counter() -> None:
    bench = Bench()
    bench.ask("4.8.3", Role.ED, 5, YESTERDAY)
    first = bench.meter_reply()
    bench.deliver(first)
    bench.ask("4.8.3", Role.ED, 5, DAY_BEFORE)
    bench.deliver(first)
    assert [key.start for key in bench.store] == [YESTERDAY.start]
    bench.expire()
    bench.assert_settled()


def test_a_counter_used_twice_delays_and_fails_no_other_request() -> None:
    """Its first command leads a flight; the flight goes on with the command of another."""
    bench = Bench()
    bench.ask("4.8.3", Role.ED, 5, YESTERDAY)
    bench.ask("4.8.3", Role.OU, 6, YESTERDAY)
    bench.ask("4.8.3", Role.ED, 5, DAY_BEFORE)
    counters = [decode(forward.octets).originator_counter for forward in bench.forwards]
    assert counters == [5, 6, 5]
    replies = [reply for _ in range(3) for reply in bench.deliver()]
    asked, _ = command("4.8.3", Role.OU, 6, YESTERDAY)
    [answer] = [r for r in replies if decode(r.octets).originator_counter == 6]
    assert answer.octets == meter_octets(asked)
    assert [key.start for key in bench.store] == [YESTERDAY.start]
    assert bench.policy.ledger.reasons == {"counter-reused": 1, "withheld-counter-reused": 1}
    bench.assert_settled()


def test_a_counter_used_twice_before_it_is_sent_leads_no_flight() -> None:
    bench = Bench()
    bench.looks_up = False
    bench.ask("4.8.3", Role.ED, 5, YESTERDAY)
    bench.ask("4.8.3", Role.ED, 5, DAY_BEFORE)
    bench.looks_up = True
    bench.look_up()
    assert len(bench.forwards) == 2
    for _ in range(2):
        bench.deliver()
    assert bench.store == {}
    assert bench.shared.leases == {}
    bench.assert_settled()


def test_a_counter_used_twice_while_it_is_queued_leads_no_flight() -> None:
    bench = Bench(device_limit=1)
    bench.ask("4.8.1", Role.IS, 1)
    bench.ask("4.8.3", Role.ED, 5, YESTERDAY)
    bench.ask("4.8.3", Role.OU, 6, YESTERDAY)
    bench.ask("4.8.3", Role.ED, 5, DAY_BEFORE)
    while bench.forwards:
        bench.deliver()
    assert [key.start for key in bench.store if key.srv == "4.8.3"] == [YESTERDAY.start]
    assert len(bench.replies) == 3, "one reply under each counter"
    bench.assert_settled()


def test_entries_of_other_dates_than_were_asked_for_are_relayed_and_not_kept() -> None:
    """Whatever the cause may be."""
    bench = Bench()
    asked, octets = command("4.8.3", Role.ED, 5, YESTERDAY)
    other, _ = command("4.8.3", Role.ED, 5, DAY_BEFORE)
    bench.receive(octets)
    bench.ask("4.8.3", Role.OU, 6)
    said = meter_octets(other)
    assert [reply.octets for reply in bench.deliver(said)] == [said]
    assert bench.store == {}
    assert bench.policy.ledger.reasons == {"reply-unreadable": 1}
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.FAILED: 1}
    assert asked.originator_counter == 5
    bench.assert_settled()


def test_a_store_that_fails_forwards_and_comes_back_by_itself() -> None:
    bench = Bench()
    bench.read_through("4.8.1")
    bench.shared.failing = True
    for counter in (2, 3):
        bench.ask("4.8.1", counter=counter)
    replies = bench.deliver()
    assert [reply.status for reply in replies] == [
        "s1sp; fwd=bypass; detail=store-failed",
        "s1sp; fwd=bypass; collapsed; detail=store-failed",
    ]
    bench.shared.failing = False
    (hit,) = bench.ask("4.8.1", counter=4)
    assert hit.status.startswith("s1sp; hit")
    bench.assert_settled()


def test_a_request_survives_a_store_that_fails_while_it_waits_for_another_process() -> None:
    first, second = processes(2)
    first.ask("4.8.1", counter=1)
    second.ask("4.8.1", counter=2)
    [(_, wait)] = first.shared.waiting.pop(Key(METER, "4.8.1", *_limits()))
    second.answer(wait, None)
    (reply,) = second.deliver()
    assert reply.status == "s1sp; fwd=bypass; stored; detail=store-failed"


def test_an_entry_of_the_future_is_no_obstacle_to_a_lease() -> None:
    benches = processes(3)
    benches[0].read_through("4.8.1")
    for number, bench in enumerate(benches):
        bench.now -= 3600
        bench.ask("4.8.1", counter=10 + number)
    assert [len(bench.forwards) for bench in benches] == [1, 0, 0], "one device hit"
    assert [reply.status for reply in benches[0].deliver()] == [
        "s1sp; fwd=stale; stored",
        *["s1sp; fwd=miss; collapsed; detail=elsewhere"] * 2,
    ]
    for bench in benches:
        bench.assert_settled()


@pytest.mark.parametrize("role", [Role.IS, Role.OU])
def test_an_ending_cache_decides_waiting_requests_and_lets_another_take_over(role: Role) -> None:
    first, second = processes(2)
    for counter in (1, 2, 3):
        first.ask("4.8.1", role, counter)
    second.ask("4.8.1", role, 4)
    first.change(first.policy.end(first.now))
    assert first.decisions() == {Decision.FORWARDED: 1, Decision.FAILED: 2}
    assert first.policy.ledger.reasons == {"cache-ended": 2}
    assert [decided.reason for decided in first.decided] == ["", "cache-ended", "cache-ended"]
    assert first.policy.ledger.undecided() == 0
    (reply,) = second.deliver()
    assert reply.status == "s1sp; fwd=miss; stored"
    second.assert_settled()


def test_an_ending_cache_decides_requests_that_wait_for_a_queue_or_the_store() -> None:
    bench = Bench(device_limit=1)
    bench.ask("4.8.1", counter=1)
    bench.ask("4.8.3", counter=2)
    bench.ask("4.4.2", counter=3)
    bench.looks_up = False
    bench.ask("4.6.1", counter=4)
    bench.change(bench.policy.end(bench.now))
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.FAILED: 3}
    bench.look_up()
    assert bench.shared.leases == {}, "what it was given too late is given back"
    assert bench.policy.ledger.undecided() == 0


def test_an_ending_cache_decides_requests_that_wait_for_device_counters() -> None:
    bench = Bench()
    bench.read_through("4.8.1")
    policy = bench.policy
    (claim,) = policy.command(METER, command("4.8.1", Role.OU, 2)[1], bench.now)
    assert isinstance(claim, Claim)
    (entry,) = bench.store.values()
    (reserve,) = policy.answer(claim, entry, bench.now)
    assert isinstance(reserve, Reserve)
    assert policy.end(bench.now) == []
    assert policy.answer(reserve, reserve.earliest, bench.now) == [], "too late for a reply"
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.FAILED: 1}
    assert policy.ledger.undecided() == 0


def _limits() -> tuple[int, int]:
    return YESTERDAY.start, YESTERDAY.end


def test_other_meters_and_windows_are_read_by_different_processes_at_once() -> None:
    first, second = processes(2)
    asks: list[tuple[Bench, EUI]] = [(first, METER), (second, OTHER_METER)]
    for number, (bench, device) in enumerate(asks):
        bench.ask("4.8.1", counter=number, device=device)
        assert len(bench.forwards) == 1
