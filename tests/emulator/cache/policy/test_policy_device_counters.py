"""Device counters in the cache's replies are reserved before use, and never used twice."""

from collections.abc import Callable

import pytest

from esme_emulator.cache.policy.effects import Claim, Reply, Reserve
from esme_emulator.messaging.transaction import METER as METER_BIT
from gbcs.tables.roles import Role
from tests.emulator.cache.bench import RETENTION, Bench, BenchStore
from tests.support.estate import METER, command, own_counter_in


def mint(bench: Bench, first: int, number: int) -> list[int]:
    """Return the device counters of this many encrypted hits for a party behind the ACB."""
    found = []
    for counter in range(first, first + number):
        (reply,) = bench.ask("4.8.1", Role.OU, counter)
        own = own_counter_in(reply.octets)
        assert own is not None
        found.append(own)
    return found


def nothing(bench: Bench) -> None:
    """The clock and the cache go on as they were."""


def clock_back(bench: Bench) -> None:
    bench.now -= 3600


def restart(bench: Bench) -> None:
    bench.restart()


def restart_with_clock_back(bench: Bench) -> None:
    bench.restart()
    bench.now -= 3600


def restart_much_later(bench: Bench) -> None:
    bench.restart()
    bench.now += RETENTION / 2


EVENTS = [nothing, clock_back, restart, restart_with_clock_back, restart_much_later]


@pytest.mark.parametrize("event", EVENTS)
def test_device_counters_strictly_increase(event: Callable[[Bench], None]) -> None:
    bench = Bench()
    bench.read_through("4.8.1")
    bench.now += 2 * 3600
    taken = mint(bench, 10, 5)
    for number in range(3):
        event(bench)
        bench.store.clear()
        bench.read_through("4.8.1", counter=20 + number)
        taken += mint(bench, 30 + 10 * number, 5)
    assert taken == sorted(set(taken))


def test_meter_and_cache_never_take_the_same_device_counter() -> None:
    bench = Bench()
    by_meter, by_cache = set(), set()
    for counter in range(1, 30, 3):
        bench.store.clear()
        by_meter.add(own_counter_in(bench.read_through("4.8.1", Role.OU, counter).octets))
        by_cache |= set(mint(bench, counter + 1, 2))
    assert len(by_meter) == 10
    assert len(by_cache) == 20
    assert by_meter.isdisjoint(by_cache)


def test_a_reservation_comes_before_the_replies_that_need_it_and_not_for_each() -> None:
    bench = Bench()
    bench.read_through("4.8.1")
    reservations = []
    granted = range(0)
    for counter in range(10, 60):
        effects = bench.policy.command(METER, command("4.8.1", Role.OU, counter)[1], bench.now)
        (claim,) = effects
        assert isinstance(claim, Claim)
        effects = bench.policy.answer(claim, bench.store[claim.key], bench.now)
        if isinstance(effects[0], Reserve):
            (reservation,) = effects
            assert isinstance(reservation, Reserve)
            reservations.append(reservation)
            first = reservation.earliest + 12_345
            granted = range(first, first + reservation.size)
            effects = bench.policy.answer(reservation, first, bench.now)
        (reply,) = effects
        assert isinstance(reply, Reply)
        assert own_counter_in(reply.octets) in granted
    assert len(reservations) == 1


def test_a_block_is_never_left_behind_by_the_clock_nor_overrun() -> None:
    bench = Bench()
    bench.read_through("4.8.1")
    taken = []
    for step in range(12):
        before = bench.reserved
        taken += mint(bench, 100 + step, 1)
        assert 2e6 * bench.now <= taken[-1] < bench.reserved
        assert (bench.reserved > before) is (step % 3 == 0)
        bench.now += 2.0
    assert taken == sorted(set(taken))


def test_processes_on_one_store_never_take_the_same_device_counter() -> None:
    store = BenchStore()
    benches = [Bench(shared_store=store) for _ in range(3)]
    benches[0].read_through("4.8.1")
    taken = [own for n, bench in enumerate(benches * 3) for own in mint(bench, 2 + 4 * n, 4)]
    assert len(set(taken)) == len(taken) == 36


def test_without_a_store_the_meter_is_asked_once_the_block_is_used_up() -> None:
    bench = Bench()
    for counter in (1, 2, 3):
        bench.ask("4.8.1", Role.OU if counter > 1 else Role.IS, counter)
    bench.shared.failing = True
    relayed = bench.deliver()
    assert [reply.status for reply in relayed] == ["s1sp; fwd=miss; detail=store-failed"]
    while bench.forwards:
        relayed += bench.deliver()
    assert [reply.status for reply in relayed[1:]] == ["s1sp; fwd=bypass; detail=store-failed"] * 2
    for reply in relayed[1:]:
        own = own_counter_in(reply.octets)
        assert own is not None
        assert own % 2 == METER_BIT
    assert bench.reserved == 0
    assert bench.fleet.counters.device_hits == 3
    bench.assert_settled()


def test_replies_without_a_device_counter_reserve_no_block() -> None:
    bench = Bench()
    bench.read_through("4.8.1")
    bench.ask("4.8.1", Role.ED, 2)
    bench.read_through("4.8.3", Role.ED, 3)
    bench.ask("4.8.3", Role.OU, 4)
    assert len(bench.replies) == 4
    assert bench.reserved == 0
