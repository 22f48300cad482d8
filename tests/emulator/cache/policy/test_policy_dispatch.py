"""Meters are protected: limits of commands in flight, of queues and retries, and a cooldown."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.cache.policy.context import Context
from esme_emulator.cache.policy.dispatch import Admission, DeviceQueue, RetryBudget
from esme_emulator.cache.policy.ledger import Audit, Decision, audit_of
from esme_emulator.cache.policy.settings import CacheSettings, HoldDown
from esme_emulator.runtime.events import Events
from esme_emulator.runtime.timers import Timers
from gbcs import decode
from gbcs.instants import HALF_HOUR
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.emulator.cache.bench import PATIENCE, Bench, anything_for_anybody
from tests.support.estate import KEYS, METER, OTHER_METER, YESTERDAY, command, meter_octets


def other_window(number: int) -> Window:
    return Window(YESTERDAY.start, YESTERDAY.end - number * HALF_HOUR)


def ask_for(bench: Bench, number: int, first: int = 0) -> None:
    """Ask for this many different windows."""
    for place in range(first, first + number):
        assert bench.ask("4.8.1", counter=place, window=other_window(place)) == []


def test_commands_in_flight_to_a_meter_are_limited_and_the_next_go_in_order() -> None:
    bench = Bench(device_limit=4, device_queue=10)
    ask_for(bench, 9)
    assert len(bench.forwards) == 4
    assert bench.policy.ledger.undecided() == 5
    bench.ask("4.8.1", counter=50, device=OTHER_METER)
    bench.ask("4.8.2", Role.ED, counter=51)
    assert len(bench.forwards) == 5
    order = []
    while bench.forwards:
        order.append(decode(bench.forwards[0].octets).originator_counter)
        assert sum(forward.device == METER for forward in bench.forwards) <= 4
        assert len(bench.deliver()) == 1
    assert order == [0, 1, 2, 3, 50, 4, 5, 6, 7, 8, 51]
    assert bench.decisions() == {Decision.FORWARDED: 11}
    bench.assert_settled()


def test_a_full_queue_fails_the_next_command_and_its_waiting_requests() -> None:
    bench = Bench(device_limit=1, device_queue=1)
    ask_for(bench, 3)
    assert bench.policy.ledger.reasons == {"device-queue-full": 1}
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.FAILED: 1}
    assert bench.shared.leases.keys() == {
        key for key in bench.shared.leases if key.end != other_window(2).end
    }
    bench.deliver()
    bench.deliver()
    bench.assert_settled()


def test_a_queue_of_length_0_fails_at_once() -> None:
    bench = Bench(device_limit=1, device_queue=0)
    ask_for(bench, 2)
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.FAILED: 1}


def test_commands_queued_for_a_silent_meter_are_sent_or_fail_in_turn() -> None:
    bench = Bench(device_limit=1, device_queue=10)
    ask_for(bench, 1)
    bench.now += 1
    ask_for(bench, 3, 1)
    bench.ask("4.8.1", Role.ED, 60, other_window(2))
    bench.expire(PATIENCE - 1)
    assert len(bench.forwards) == 2
    assert bench.policy.ledger.undecided() == 3
    bench.expire(1)
    assert bench.policy.ledger.undecided() == 0
    assert bench.policy.ledger.reasons == {"no-reply": 1, "device-queue-timeout": 2}
    bench.expire()
    assert bench.decisions() == {Decision.FORWARDED: 2, Decision.FAILED: 3}
    bench.assert_settled()


def test_a_read_without_a_reply_is_sent_again_and_its_reply_answers_all() -> None:
    bench = Bench(retries=2)
    for counter in range(100, 130):
        bench.read_through("4.8.2", Role.ED, counter)
    asked = [command("4.8.1", role, counter) for counter, role in ((1, Role.IS), (2, Role.ED))]
    for _, octets in asked:
        bench.receive(octets)
    bench.expire()
    assert [forward.octets for forward in bench.forwards] == [asked[0][1]] * 2
    bench.expire()
    assert len(bench.forwards) == 3
    replies = bench.deliver()
    assert [reply.octets for reply in replies] == [meter_octets(one) for one, _ in asked]
    assert bench.deliver() == []
    assert bench.deliver() == []
    ledger = bench.policy.ledger
    assert ledger.reasons == {"duplicate-reply": 2}
    assert ledger.retries == 2
    assert ledger.sent() == bench.fleet.counters.device_hits == 33
    bench.assert_settled()


def test_retries_end_and_other_commands_are_never_retried() -> None:
    bench = Bench(retries=1)
    for counter in range(100, 120):
        bench.read_through("4.8.2", Role.ED, counter)
    bench.ask("4.8.1", counter=1)
    bench.ask("4.8.2", Role.ED, 2)
    bench.expire()
    assert len(bench.forwards) == 3
    bench.expire()
    assert bench.policy.ledger.reasons == {"no-reply": 2}
    bench.assert_settled()


@given(st.lists(st.booleans(), max_size=400))
def test_at_most_a_tenth_of_the_commands_may_be_retries(wishes: list[bool]) -> None:
    budget = RetryBudget()
    sent = retried = 0
    for again in wishes:
        if again and budget.take():
            retried += 1
        else:
            budget.sent()
            sent += 1
        assert retried * 10 <= sent


def test_a_reset_counts_from_0_and_ends_cooldowns() -> None:
    bench = Bench(hold_down=HoldDown(1, 300.0))
    bench.ask("4.8.1", counter=1)
    bench.expire()
    bench.ask("4.8.1", counter=2)
    assert bench.decisions()[Decision.FAILED] == 1
    bench.policy.reset()
    ledger = bench.policy.ledger
    assert (ledger.requests, ledger.decisions, ledger.reasons, ledger.by_meter) == (0, {}, {}, {})
    bench.forwards.clear()
    bench.ask("4.8.1", counter=3)
    assert len(bench.forwards) == 1


def test_a_meter_gets_no_commands_for_a_while_after_several_timeouts() -> None:
    bench = Bench(hold_down=HoldDown(2, 300.0))
    bench.read_through("4.8.3", Role.ED, 1)
    for counter in (2, 3):
        bench.ask("4.8.1", counter=counter)
        bench.expire()
    assert bench.policy.ledger.reasons == {"no-reply": 2}
    bench.forwards.clear()
    for counter, (srv, role) in enumerate([("4.8.1", Role.IS), ("4.8.2", Role.ED)], start=10):
        assert bench.ask(srv, role, counter) == []
    assert bench.forwards == []
    assert bench.policy.ledger.reasons["hold-down"] == 2
    assert bench.decisions()[Decision.FAILED] == 2
    assert len(bench.ask("4.8.3", Role.ED, 12)) == 1
    bench.ask("4.8.1", counter=13, device=OTHER_METER)
    assert len(bench.forwards) == 1
    bench.deliver()
    bench.now += 300.0
    bench.ask("4.8.1", counter=14)
    bench.expire()
    bench.ask("4.8.1", counter=15)
    assert bench.policy.ledger.reasons["hold-down"] == 3
    bench.forwards.clear()
    bench.now += 300.0
    bench.read_through("4.8.1", counter=16)
    bench.store.clear()
    bench.ask("4.8.1", counter=17)
    bench.expire()
    assert bench.ask("4.8.1", counter=18) == []
    assert bench.policy.ledger.reasons["hold-down"] == 3


def test_a_clock_set_back_does_not_prolong_a_hold_down() -> None:
    bench = Bench(hold_down=HoldDown(1, 300.0))
    bench.ask("4.8.1")
    bench.expire()
    bench.now -= 3600
    bench.forwards.clear()
    bench.ask("4.8.2", Role.ED, 2)
    assert len(bench.forwards) == 1


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 3), st.integers(0, 3))
def test_a_device_queue_keeps_its_limits_and_the_order(
    steps: list[int], limit: int, length: int
) -> None:
    meter_queue: DeviceQueue[int] = DeviceQueue(limit, length)
    inside: list[int] = []
    queue: list[int] = []
    for number, step in enumerate(steps):
        if step and inside:
            inside.pop(0)
            following = meter_queue.leave(METER)
            assert following == (queue.pop(0) if queue else None)
            inside += [] if following is None else [following]
        elif step == 3 and queue:
            meter_queue.withdraw(METER, queue.pop())
        else:
            expected = Admission.NOW if len(inside) < limit else Admission.LATER
            if expected is Admission.LATER and len(queue) >= length:
                expected = Admission.NEVER
            assert meter_queue.admit(METER, number) is expected
            if expected is Admission.NOW:
                inside.append(number)
            elif expected is Admission.LATER:
                queue.append(number)
        assert len(inside) <= limit
        assert meter_queue.is_free(METER) is (len(inside) < limit)


@given(st.lists(st.tuples(st.floats(-50, 100), st.integers(0, 2)), max_size=50))
def test_timers_fall_due_in_order_even_if_the_clock_is_set_back(
    steps: list[tuple[float, int]],
) -> None:
    context = Context(KEYS, CacheSettings(), anything_for_anybody(), Events())
    timers = cast("Timers[int]", context.timers)
    now = 1000.0
    waits: dict[int, float] = {}
    for number, (seconds, kind) in enumerate(steps):
        now += seconds
        context.tick(now)
        for waiting in waits:
            waits[waiting] -= max(seconds, 0.0)
        timer = timers.start(now + 10 * kind, number)
        if kind == 1:
            timer.cancel()
        else:
            waits[number] = 10.0 * kind
        due = []
        while (one := timers.pop_due(now)) is not None:
            due.append(one)
        overdue = sorted((left, one) for one, left in waits.items() if left <= 1e-6)
        assert sorted(due) == sorted(one for _, one in overdue)
        for one in due:
            del waits[one]
    assert (timers.next_deadline() is None) is (not waits)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_the_shadow_audit_asks_the_meter_for_a_part_of_the_hits_and_delivers_no_reply(
    fraction: float,
) -> None:
    bench = Bench(shadow=fraction, seed="audit")
    bench.read_through("4.8.1")
    for counter in range(2, 102):
        role = (Role.IS, Role.ED, Role.OU)[counter % 3]
        assert len(bench.ask("4.8.1", role, counter)) == 1
        while bench.forwards:
            assert bench.deliver() == []
    ledger = bench.policy.ledger
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.HIT: 100}
    assert ledger.shadow == ledger.reasons["shadow-equal"]
    assert ledger.reasons["shadow-different"] == 0
    expected = {0.0: range(1), 0.3: range(15, 46), 1.0: range(100, 101)}
    assert ledger.shadow in expected[fraction]
    assert ledger.sent() == bench.fleet.counters.device_hits
    bench.assert_settled()


def test_the_shadow_audit_finds_replies_that_differ_from_the_meters() -> None:
    bench = Bench(shadow=1.0)
    bench.read_through("4.8.1")
    bench.ask("4.8.1", Role.IS, 2, Window(YESTERDAY.start, YESTERDAY.end - HALF_HOUR))
    bench.deliver()
    whole, part = bench.store
    bench.store[whole] = bench.store[part]
    assert len(bench.ask("4.8.1", Role.ED, 3)) == 1
    assert bench.deliver() == []
    assert bench.policy.ledger.reasons == {"shadow-different": 1}
    assert audit_of(bench.policy.ledger) == Audit(asked=1, compared=1, different=1)


def test_the_difference_ratio_counts_compared_replies_alone() -> None:
    bench = Bench(shadow=1.0)
    assert audit_of(bench.policy.ledger).difference_ratio is None
    bench.policy.ledger.shadow = 6
    reasons = {"shadow-equal": 3, "shadow-different": 1, "shadow-no-reply": 2, "shadow-skipped": 9}
    bench.policy.ledger.reasons.update(reasons)
    audit = audit_of(bench.policy.ledger)
    assert audit == Audit(asked=6, compared=4, different=1)
    assert audit.difference_ratio == 0.25


def test_a_shadow_that_gets_no_reply_or_would_wait_is_counted_apart() -> None:
    bench = Bench(shadow=1.0, device_limit=1)
    bench.read_through("4.8.1")
    bench.ask("4.8.1", Role.ED, 2)
    bench.ask("4.8.1", Role.ED, 3)
    assert bench.policy.ledger.reasons == {"shadow-skipped": 1}
    bench.expire()
    assert bench.policy.ledger.reasons == {"shadow-skipped": 1, "shadow-no-reply": 1}
    assert bench.policy.ledger.shadow == 1
    bench.assert_settled()
    altered = bytearray(bench.meter_reply())
    assert decode(bytes(altered), KEYS)
    assert bench.deliver(bytes(altered)) == []
    assert bench.policy.ledger.reasons["late-reply"] == 1
