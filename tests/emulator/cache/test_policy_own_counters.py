"""Own counters in what the cache mints: reserved before they are used, and never used twice."""

from collections.abc import Callable

import pytest

from emulator.cache.effects import Reply, Reserve
from gbcs.tables.roles import Role
from tests.emulator.cache.bench import RETENTION, Bench
from tests.support.estate import METER, command, own_counter_in


def mint(bench: Bench, first: int, number: int) -> list[int]:
    """The own counters of this many encrypted hits for a party behind the ACB."""
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
def test_they_strictly_increase(event: Callable[[Bench], None]) -> None:
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


def test_meter_and_cache_take_none_that_the_other_takes() -> None:
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
    for counter in range(10, 60):
        effects = bench.policy.command(METER, command("4.8.1", Role.OU, counter)[1], bench.now)
        (look,) = effects
        effects = bench.policy.found(look.key, bench.store[look.key], bench.now)  # type: ignore[union-attr]
        if isinstance(effects[0], Reserve):
            reservations.append(effects.pop(0))
        (reply,) = effects
        assert isinstance(reply, Reply)
        own = own_counter_in(reply.octets)
        assert own is not None
        assert reservations, "the first one is reserved"
        (reservation,) = reservations
        assert isinstance(reservation, Reserve)
        assert own <= reservation.counter


def test_replies_that_take_no_own_counter_reserve_none() -> None:
    bench = Bench()
    bench.read_through("4.8.1")
    bench.ask("4.8.1", Role.ED, 2)
    bench.read_through("4.8.3", Role.ED, 3)
    bench.ask("4.8.3", Role.OU, 4)
    assert len(bench.replies) == 4
    assert bench.reserved == 0
