"""No entry from before a cache was told of a change is served, even if the store has it.

A process may be killed between writing a change and flushing the store, and a store may bring back
what it had dropped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from esme_emulator.cache.policy.effects import Effect
from esme_emulator.cache.registry.file import changes_path, load_registry
from esme_emulator.cache.registry.registration import Registration
from esme_emulator.estate.parties import DISTRIBUTOR, SUPPLIER
from gbcs import EUI
from gbcs.instants import DAY
from gbcs.tables.roles import Role
from tests.emulator.cache.bench import Bench, BenchStore
from tests.support.estate import METER, MIDNIGHT

RIVAL = EUI.parse("90B3D51F30010010")
TODAY = date(2000, 1, 1) + timedelta(days=MIDNIGHT // DAY)
LONG_AGO, TO_COME = TODAY - timedelta(days=30), TODAY + timedelta(days=30)
REGISTRY = f"""
[[party]]
eui = "{SUPPLIER}"
roles = ["IS"]

[[party]]
eui = "{RIVAL}"
roles = ["IS"]

[[party]]
eui = "{DISTRIBUTOR}"
roles = ["ED"]

[[registration]]
party = "{SUPPLIER}"
"""

Tell = Callable[[Bench], list[Effect]]


def supplier(day: date) -> Tell:
    return lambda bench: bench.policy.change_of_supplier(METER, SUPPLIER, RIVAL, day, bench.now)


def tenancy(day: date) -> Tell:
    return lambda bench: bench.policy.change_of_tenancy(METER, day, bench.now)


def registration(day: date) -> Tell:
    def tell(bench: Bench) -> list[Effect]:
        bench.policy.register(Registration(RIVAL, start=day), bench.now)
        return []

    return tell


EVERY_CHANGE = pytest.mark.parametrize(
    "tell",
    [
        pytest.param(kind(day), id=f"{kind.__name__}-{name}")
        for kind in (supplier, tenancy, registration)
        for name, day in (("long-ago", LONG_AGO), ("today", TODAY), ("to-come", TO_COME))
        if (kind, day) != (registration, TO_COME)  # which hands nothing over until its day
    ],
)


@dataclass
class World:
    """A registry file and a store, and the processes that run on them."""

    path: Path
    store: BenchStore

    def start(self, now: float | None = None) -> Bench:
        bench = Bench(registry=load_registry(self.path), shared_store=self.store)
        bench.now = bench.now if now is None else now
        return bench


@pytest.fixture
def world(tmp_path: Path) -> World:
    path = tmp_path / "registry.toml"
    path.write_text(REGISTRY)
    return World(path, BenchStore())


def is_hit(bench: Bench, counter: int) -> bool:
    """Return whether a distributor, which no change affects, gets a hit.

    Otherwise the meter is asked, and does not reply.
    """
    replies = bench.ask("4.8.1", Role.ED, counter)
    assert len(replies) + len(bench.forwards) == 1
    if bench.forwards:
        bench.forwards.clear()
        bench.expire()
    return bool(replies)


def received_an_hour_ago(world: World) -> Bench:
    bench = world.start()
    bench.read_through("4.8.1", Role.ED, 1)
    bench.now += 3600
    assert is_hit(bench, 2)
    return bench


@EVERY_CHANGE
def test_entries_that_a_store_brings_back_are_not_served(world: World, tell: Tell) -> None:
    bench = received_an_hour_ago(world)
    before = dict(world.store.entries)
    bench.change(tell(bench))
    world.store.entries.update(before)
    assert not is_hit(bench, 3)
    assert not is_hit(world.start(bench.now), 4)
    bench.now += 1
    bench.expire()
    bench.read_through("4.8.1", Role.ED, 5)
    bench.now += 1
    assert is_hit(bench, 6)
    assert is_hit(world.start(bench.now), 7)


@EVERY_CHANGE
def test_a_kill_between_writing_a_change_and_flushing_serves_nothing(
    world: World, tell: Tell
) -> None:
    killed = received_an_hour_ago(world)
    tell(killed)
    assert world.store.entries, "not flushed"
    for hours in (0, 1, 10):
        bench = world.start(killed.now + hours * 3600)
        assert not is_hit(bench, 3 + hours)
    bench.change(tell(bench))
    assert bench.registry.repeated
    assert not is_hit(bench, 20)


@pytest.mark.parametrize("tell", [supplier(TODAY), tenancy(TODAY), tenancy(TO_COME)])
def test_an_equal_change_is_made_once_and_flushes_again(world: World, tell: Tell) -> None:
    killed = received_an_hour_ago(world)
    tell(killed)
    registered = killed.registry.registrations(METER)
    bench = world.start(killed.now + 1)
    bench.change(tell(bench))
    assert world.store.entries == {}
    assert bench.registry.registrations(METER) == registered


@EVERY_CHANGE
def test_entries_from_before_a_repeated_change_are_not_served(world: World, tell: Tell) -> None:
    """A process that learns of the change only now may have kept it before."""
    one, other = world.start(), world.start()
    tell(one)
    other.now += 60
    other.read_through("4.8.1", Role.ED, 1)
    before = dict(world.store.entries)
    other.now += 60
    other.change(tell(other))
    world.store.entries.update(before)
    assert not is_hit(other, 2)
    assert not is_hit(world.start(other.now), 3)


@EVERY_CHANGE
def test_a_change_of_unknown_time_was_told_by_the_start_at_the_latest(
    world: World, tell: Tell
) -> None:
    """Older files do not say when."""
    bench = received_an_hour_ago(world)
    tell(bench)
    file = changes_path(world.path)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.startswith("told = ")))
    bench = world.start(bench.now + 7200)
    assert not is_hit(bench, 3)
    bench.now += 1
    bench.expire()
    bench.read_through("4.8.1", Role.ED, 4)
    bench.now += 1
    assert is_hit(bench, 5)
    bench.change(tell(bench))
    bench.now += 1
    bench.read_through("4.8.1", Role.ED, 6)
    assert is_hit(world.start(bench.now + 1), 7), "since it was told again its time is known"


def test_a_registration_that_is_to_begin_hands_nothing_over_until_its_day(world: World) -> None:
    bench = received_an_hour_ago(world)
    registration(TODAY + timedelta(days=1))(bench)
    assert is_hit(bench, 3)
    bench.now += 12 * 3600
    assert not is_hit(bench, 4)


def test_a_registration_of_another_user_hands_nothing_over(world: World) -> None:
    bench = received_an_hour_ago(world)
    bench.policy.register(Registration(DISTRIBUTOR, start=LONG_AGO), bench.now)
    assert is_hit(bench, 3)


def test_changes_of_other_processes_are_learned_with_the_next_change(world: World) -> None:
    """From then on no reply to an earlier command is kept."""
    one, other = world.start(), world.start()
    other.ask("4.8.1", Role.ED, 1)
    for bench in (one, other):
        bench.now += 10
    tenancy(TODAY)(one)
    other.policy.register(Registration(DISTRIBUTOR), other.now)
    other.now += 1
    [reply] = other.deliver()
    assert reply.status == "s1sp; fwd=miss; detail=flushed-not-kept"
    assert world.store.entries == {}
