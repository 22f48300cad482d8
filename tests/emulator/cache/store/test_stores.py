"""One suite for all stores: memory, SQLite, a Valkey server and a cluster, sealed or not."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from hashlib import shake_128
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store import open_store
from esme_emulator.cache.store.base import (
    AHEAD,
    CONSIDERED,
    ENTRY_OCTETS,
    HeldLease,
    Lease,
    Settled,
    Store,
)
from tests.support.estate import METER, OTHER_METER, UNIX_NOW
from tests.support.valkey import ValkeyCluster, ValkeyServer

KEY = Key(METER, "4.8.1", 0, 86_400)
ENTRY = Entry(bytes(range(256)), UNIX_NOW + 0.123456)
LONG = 60.0
"""Seconds that a test does not last."""
SHORT = 0.05
"""Seconds that a test can await."""
MANY = 50

SEALED = bytes(range(32))


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    with TemporaryDirectory() as folder, ValkeyServer(Path(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def valkey_cluster() -> Iterator[ValkeyCluster]:
    with TemporaryDirectory() as folder, ValkeyCluster(Path(folder)) as running:
        yield running


@dataclass
class Opener:
    """Opens the same store again, as another process would; the one in memory is only one."""

    where: str
    estate: str
    key: bytes | None
    opened: list[Store] = field(default_factory=list)

    def __call__(self, limit: int | None = None) -> Store:
        if self.where == "memory:" and self.opened:
            return self.opened[0]
        if limit is not None and "," in self.where:
            pytest.skip("the groups of a cluster have limits of their own")
        self.opened.append(open_store(self.where, self.estate, key=self.key, limit=limit))
        return self.opened[-1]


STORES = ["memory", "sqlite", "sqlite-sealed", "valkey", "valkey-sealed", "valkey_cluster"]


@pytest.fixture(params=STORES)
async def opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    kind, _, sealed = request.param.partition("-")
    where = {"memory": "memory:", "sqlite": str(tmp_path / "s")}.get(kind)
    if where is None:
        where = request.getfixturevalue(kind).url
    opening = Opener(where, request.node.name, SEALED if sealed else None)
    yield opening
    for store in opening.opened:
        await store.close()


@pytest.fixture
def store(opener: Opener) -> Store:
    return opener()


async def lease_on(store: Store, key: Key = KEY, seconds: float = LONG) -> Lease:
    lease = await store.claim(key, seconds, math.inf)
    assert isinstance(lease, Lease)
    return lease


async def held_by_another(store: Store, key: Key = KEY) -> HeldLease:
    held = await store.claim(key, LONG, math.inf)
    assert isinstance(held, HeldLease)
    return held


async def contents(store: Store) -> dict[Key, Entry]:
    return {key: entry async for key, entry in store.entries()}


# entries


async def test_an_entry_that_was_put_is_returned(store: Store) -> None:
    await store.put(KEY, ENTRY)
    assert await store.get(KEY) == ENTRY


@pytest.mark.parametrize(
    "entry",
    [
        Entry(b"", UNIX_NOW),
        Entry(b"\x00", 0.0),
        Entry(bytes(230_000), 4e9),
        Entry(b"whole seconds", 1_700_000_000),
    ],
)
async def test_any_entry_is_stored_unchanged(entry: Entry, store: Store) -> None:
    await store.put(KEY, entry)
    assert await store.get(KEY) == entry


async def test_an_empty_store_has_nothing(store: Store) -> None:
    assert await store.get(KEY) is None
    assert await store.covering(KEY, -math.inf) is None
    assert await store.purge() == 0
    assert await contents(store) == {}
    assert (await store.size()).entries == 0


async def test_each_part_of_the_key_tells_entries_apart(store: Store) -> None:
    keys = [
        KEY,
        KEY._replace(device=OTHER_METER),
        KEY._replace(srv="4.8.3"),
        KEY._replace(start=1),
        KEY._replace(end=86_401),
        KEY._replace(end=0xFFFFFFFF),
        KEY._replace(identity="0123456789abcdef"),
    ]
    for number, key in enumerate(keys):
        await store.put(key, Entry(bytes((number,)), UNIX_NOW))
    assert [await store.get(key) for key in keys] == [
        Entry(bytes((number,)), UNIX_NOW) for number in range(len(keys))
    ]
    assert await store.get(KEY._replace(start=2)) is None


async def test_a_later_entry_takes_the_place_of_the_one_before(store: Store) -> None:
    await store.put(KEY, ENTRY)
    later = Entry(b"later", ENTRY.received + 1)
    await store.put(KEY, later)
    assert await store.get(KEY) == later
    assert await store.purge(received_before=ENTRY.received + 0.5) == 0
    assert await contents(store) == {KEY: later}
    assert (await store.size()).entries == 1


async def test_an_entry_received_earlier_takes_the_place_too(store: Store) -> None:
    """As after a clock was set back."""
    await store.put(KEY, ENTRY)
    earlier = Entry(b"earlier", ENTRY.received - 3600)
    await store.put(KEY, earlier)
    assert await store.get(KEY) == earlier
    assert await store.purge(received_before=ENTRY.received - 1) == 1


async def test_all_processes_see_what_one_put(opener: Opener) -> None:
    first, second = opener(), opener()
    await first.put(KEY, ENTRY)
    assert await second.get(KEY) == ENTRY
    await second.put(KEY, Entry(b"other", UNIX_NOW))
    assert await first.get(KEY) == Entry(b"other", UNIX_NOW)


# claims


async def test_a_fresh_entry_is_claimed_and_an_old_one_is_not(store: Store) -> None:
    await store.put(KEY, ENTRY)
    assert await store.claim(KEY, LONG, ENTRY.received - 1) == ENTRY
    assert isinstance(await store.claim(KEY, LONG, ENTRY.received), Lease)


async def test_an_entry_is_given_even_where_another_holds_the_lease(store: Store) -> None:
    await lease_on(store)
    await store.put(KEY, ENTRY)
    assert await store.claim(KEY, LONG, 0.0) == ENTRY


async def test_one_of_many_gets_the_lease_and_the_others_its_fence(opener: Opener) -> None:
    stores = [opener(), opener()]
    claims = [stores[number % 2].claim(KEY, LONG, 0.0) for number in range(MANY)]
    got = await asyncio.gather(*claims)
    (lease,) = [each for each in got if isinstance(each, Lease)]
    assert got.count(HeldLease(KEY, lease.fence)) == MANY - 1


async def test_leases_on_different_keys_are_independent(store: Store) -> None:
    keys = [KEY._replace(start=number) for number in range(MANY)]
    leases = [await lease_on(store, key) for key in keys]
    assert [lease.key for lease in leases] == keys
    fences = [lease.fence for lease in leases]
    assert fences == sorted(set(fences))


async def test_fences_grow_whichever_process_claims(opener: Opener) -> None:
    fences = []
    for store in (opener(), opener()) * 10:
        lease = await lease_on(store)
        assert await store.settle(lease, None)
        fences.append(lease.fence)
    assert fences == sorted(set(fences))


async def test_an_expired_lease_can_be_taken(opener: Opener) -> None:
    first, second = opener(), opener()
    old = await lease_on(first, seconds=SHORT)
    assert not (await second.settled(HeldLease(KEY, old.fence), LONG)).came
    new = await lease_on(second)
    assert new.fence > old.fence
    assert not await first.settle(old, b"late", ENTRY)
    assert not await first.renew(old, LONG)
    assert await first.get(KEY) is None
    assert await second.settle(new, b"in time", ENTRY)
    assert not await first.settle(old, b"late", Entry(b"late", UNIX_NOW))
    assert await first.get(KEY) == ENTRY


async def test_an_expired_lease_can_be_settled_until_it_is_taken(store: Store) -> None:
    lease = await lease_on(store, seconds=SHORT)
    assert await store.settled(HeldLease(KEY, lease.fence), LONG) == Settled(None, came=False)
    assert await store.settle(lease, b"late", ENTRY)
    assert await store.claim(KEY, LONG, 0.0) == ENTRY


async def test_a_renewed_lease_lasts_on(store: Store) -> None:
    lease = await lease_on(store, seconds=SHORT)
    other = await lease_on(store, KEY._replace(start=1), seconds=SHORT)
    assert await store.renew(lease, LONG)
    assert not (await store.settled(HeldLease(other.key, other.fence), LONG)).came
    assert await held_by_another(store) == HeldLease(KEY, lease.fence)


async def test_a_settled_lease_is_not_renewed_nor_settled_again(store: Store) -> None:
    lease = await lease_on(store)
    assert await store.settle(lease, 250)
    assert not await store.renew(lease, LONG)
    assert not await store.settle(lease, b"again", ENTRY)
    assert await store.get(KEY) is None


@pytest.mark.parametrize("readings", [b"readings", b"", 250, 0, None])
async def test_settling_ends_all_waits(opener: Opener, readings: bytes | int | None) -> None:
    holder, other = opener(), opener()
    lease = await lease_on(holder)
    held = await held_by_another(other)
    waiting = [asyncio.create_task(store.settled(held, LONG)) for store in (holder, other) * 10]
    await asyncio.sleep(0)
    assert await holder.settle(lease, readings)
    assert await asyncio.gather(*waiting) == [Settled(readings, came=True)] * 20


async def test_the_value_that_a_lease_was_settled_with_stays_readable(opener: Opener) -> None:
    holder, other = opener(), opener()
    lease = await lease_on(holder)
    held = await held_by_another(other)
    await holder.settle(lease, 250)
    assert (await lease_on(other)).fence > lease.fence
    assert await other.settled(held, 0.0) == Settled(250, came=True)


async def test_a_settled_entry_is_kept_before_any_wait_ends(opener: Opener) -> None:
    holder, other = opener(), opener()
    lease = await lease_on(holder)
    held = await held_by_another(other)

    async def wait() -> Entry | None:
        assert (await other.settled(held, LONG)).came
        return await other.get(KEY)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    await holder.settle(lease, ENTRY.buffer, ENTRY)
    assert await waiting == ENTRY


async def test_waits_end_when_the_holder_dies(opener: Opener) -> None:
    lease = await lease_on(opener(), seconds=SHORT)
    other = opener()
    assert await other.settled(HeldLease(KEY, lease.fence), LONG) == Settled(None, came=False)
    await lease_on(other)


async def test_waiting_ends_at_the_timeout(store: Store) -> None:
    lease = await lease_on(store)
    assert await store.settled(HeldLease(KEY, lease.fence), SHORT) == Settled(None, came=False)
    assert await store.settle(lease, None)


async def test_waiting_for_an_unknown_lease_ends_at_once(store: Store) -> None:
    assert await store.settled(HeldLease(KEY, 7), LONG) == Settled(None, came=False)


async def test_claiming_and_waiting_in_turns_gives_all_the_readings(store: Store) -> None:
    """With `claim` and `settled` in turns each gets the readings, and the meter is asked once."""
    asked = 0

    async def read() -> bytes | int | None:
        nonlocal asked
        while True:
            got = await store.claim(KEY, LONG, 0.0)
            if isinstance(got, Entry):
                return got.buffer
            if isinstance(got, Lease):
                asked += 1
                await asyncio.sleep(0)
                await store.settle(got, ENTRY.buffer, ENTRY)
                return ENTRY.buffer
            settled = await store.settled(got, LONG)
            if settled.came:
                return settled.readings

    assert await asyncio.gather(*(read() for _ in range(MANY))) == [ENTRY.buffer] * MANY
    assert asked == 1


# covering


async def test_a_wider_window_covers(store: Store) -> None:
    await store.put(KEY, ENTRY)
    for start, end in ((0, 86_400), (1800, 86_400), (0, 1800), (3600, 5400)):
        inner = KEY._replace(start=start, end=end)
        assert await store.covering(inner, 0.0) == (KEY, ENTRY)


@pytest.mark.parametrize(
    "other",
    [
        KEY._replace(end=86_401),
        Key(METER, "4.8.1", 90_000, 91_800),
        KEY._replace(srv="4.8.3"),
        KEY._replace(device=OTHER_METER),
    ],
)
async def test_an_entry_that_does_not_hold_the_window_does_not_cover(
    store: Store, other: Key
) -> None:
    await store.put(KEY, ENTRY)
    assert await store.covering(other, 0.0) is None


async def test_the_latest_covering_entry_is_returned_unless_too_old(store: Store) -> None:
    for number, received in enumerate((5.0, 9.0, 7.0)):
        await store.put(KEY._replace(end=86_400 + number), Entry(b"%d" % number, received))
    assert await store.covering(KEY, 0.0) == (KEY._replace(end=86_401), Entry(b"1", 9.0))
    assert await store.covering(KEY, 9.0) is None


async def test_a_purged_entry_covers_nothing(store: Store) -> None:
    await store.put(KEY, ENTRY)
    await store.purge(srv="4.8.1")
    assert await store.covering(KEY, 0.0) is None


async def test_only_the_latest_of_a_device_are_looked_at_for_a_wider_window(store: Store) -> None:
    await store.put(KEY._replace(end=99_999), Entry(b"early", 0.5))
    for number in range(CONSIDERED):
        if number == CONSIDERED - 1:
            assert await store.covering(KEY, 0.0) is not None
        await store.put(Key(METER, "4.8.3", number, 86_400), Entry(b"", 1.0 + number))
    assert await store.covering(KEY, 0.0) is None


async def test_a_wider_window_of_other_meters_does_not_cover(store: Store) -> None:
    await store.put(KEY._replace(identity="a" * 16), ENTRY)
    inner = KEY._replace(start=1)
    assert await store.covering(inner, 0.0) is None
    assert await store.covering(inner._replace(identity="b" * 16), 0.0) is None
    assert await store.covering(inner._replace(identity="a" * 16), 0.0) is not None


# Device counters


async def test_a_check_takes_no_device_counters(store: Store) -> None:
    first = await store.reserve(1000, 5)
    await store.check()
    assert await store.reserve(0, 5) == first + 5


async def test_a_new_store_skips_counters_that_a_lost_one_may_have_given(
    opener: Opener,
) -> None:
    store = opener()
    await store.check()
    ahead = 0 if opener.where == "memory:" else AHEAD * 10
    assert await store.reserve(1000, 10) == 1000 + ahead
    assert await opener().reserve(1000, 10) == 1010 + ahead


async def test_reservations_never_overlap(opener: Opener) -> None:
    stores = [opener(), opener()]
    firsts = await asyncio.gather(*(stores[n % 2].reserve(1000, 1 + n % 7) for n in range(MANY)))
    taken = [first + more for n, first in enumerate(firsts) for more in range(1 + n % 7)]
    assert len(set(taken)) == len(taken)
    assert min(taken) >= 1000


async def test_a_reservation_is_at_least_the_earliest_and_goes_on_where_it_is_past(
    store: Store,
) -> None:
    clock = 2 * int(UNIX_NOW * 1e6) + 1
    first = await store.reserve(clock, 10)
    assert first >= clock
    assert await store.reserve(first + 1000, 10) == first + 1000
    assert await store.reserve(9, 3) == first + 1010  # the clock was stepped back
    assert await store.reserve(2**62, 2) == 2**62
    assert await store.reserve(2**62 - 1, 1) == 2**62 + 2


async def test_purging_leaves_device_counters_and_leases(store: Store) -> None:
    first = await store.reserve(7, 3)
    lease = await lease_on(store)
    await store.purge()
    assert await store.reserve(0, 1) == first + 3
    assert await held_by_another(store) == HeldLease(KEY, lease.fence)


# purging, listing, size


def some_entries() -> dict[Key, Entry]:
    return {
        Key(device, srv, start, 100): Entry(b"%d" % start, float(start))
        for device in (METER, OTHER_METER)
        for srv in ("4.6.1", "4.8.1", "4.8.3")
        for start in range(10)
    }


@pytest.mark.parametrize("device", [None, METER])
@pytest.mark.parametrize("srv", [None, "4.8.1"])
@pytest.mark.parametrize("before", [None, 4.0])
@pytest.mark.parametrize("after", [None, 2.0, 8.5])
async def test_purge_drops_entries_that_meet_all_conditions(
    store: Store, device: None, srv: str | None, before: float | None, after: float | None
) -> None:
    entries = some_entries()
    for key, entry in entries.items():
        await store.put(key, entry)
    left = {
        key: entry
        for key, entry in entries.items()
        if not (
            device in (None, key.device)
            and srv in (None, key.srv)
            and (before is None or entry.received < before)
            and (after is None or entry.received > after)
        )
    }
    given = {"device": device, "srv": srv, "received_before": before, "received_after": after}
    gone = len(entries) - len(left)
    assert await store.purge(**given) == gone
    assert await contents(store) == left
    assert (await store.size()).entries == len(left)
    assert await store.purge(**given) == 0


async def test_purge_drops_entries_received_after_a_time(store: Store) -> None:
    for key, entry in some_entries().items():
        await store.put(key, entry)
    assert await store.purge(received_after=7.0) == 2 * 6
    assert await store.purge(received_after=1.0, received_before=4.0, srv="4.8.1") == 2 * 2
    kept = {entry.received for key, entry in (await contents(store)).items() if key.srv == "4.8.1"}
    assert kept == {0.0, 1.0, 4.0, 5.0, 6.0, 7.0}


async def test_entries_are_listed_by_device_and_srv(store: Store) -> None:
    entries = some_entries()
    for key, entry in entries.items():
        await store.put(key, entry)
    for device, srv in ((METER, None), (None, "4.8.3"), (OTHER_METER, "4.6.1")):
        found = [key async for key, _ in store.entries(device, srv)]
        assert sorted(found) == sorted(
            key for key in entries if device in (None, key.device) and srv in (None, key.srv)
        )


async def test_more_than_one_page_is_listed_and_purged(store: Store) -> None:
    keys = [KEY._replace(start=number) for number in range(2100)]
    for number, key in enumerate(keys):
        await store.put(key, Entry(b"", float(number % 3)))
    assert sorted([key async for key, _ in store.entries()]) == keys
    assert await store.purge(received_before=2.0) == 1400
    assert await store.purge() == 700


async def test_entries_may_be_put_and_purged_while_listing(store: Store) -> None:
    await store.put(KEY, ENTRY)
    async for key, _ in store.entries():
        await store.purge(device=key.device)
        await store.put(key, ENTRY)
    assert await store.get(KEY) == ENTRY


async def test_size_grows_with_the_entries(store: Store) -> None:
    before = await store.size()
    for number in range(200):
        await store.put(KEY._replace(start=number), Entry(bytes(range(256)) * 4, UNIX_NOW))
    after = await store.size()
    assert after.entries == 200
    assert after.octets > before.octets
    assert (after.evicted, after.unreadable) == (0, 0)


def readings_of(octets: int) -> bytes:
    """Return readings that no store can compress much."""
    return shake_128(b"readings").digest(octets)


LARGE = readings_of(10_000)


def room_for(entries: int) -> int:
    """Return the limit of a store with room for exactly so many large entries."""
    return entries * (len(LARGE) + ENTRY_OCTETS) + len(LARGE) // 2


async def test_beyond_the_limit_the_oldest_goes_and_is_counted(opener: Opener) -> None:
    store = opener(limit=room_for(10))
    for number in range(25):
        await store.put(KEY._replace(start=number), Entry(LARGE, float(number)))
    assert [key.start for key in sorted(await contents(store))] == list(range(15, 25))
    size = await store.size()
    assert (size.entries, size.evicted) == (10, 15)


async def test_settling_minds_the_limit_too(opener: Opener) -> None:
    store = opener(limit=room_for(3))
    for number in range(5):
        lease = await lease_on(store, KEY._replace(start=number))
        assert await store.settle(lease, b"x", Entry(LARGE, float(number)), ttl=LONG)
    assert [key.start for key in sorted(await contents(store))] == [2, 3, 4]
    assert (await store.size()).evicted == 2


async def test_the_limit_is_of_octets_however_they_are_spread(opener: Opener) -> None:
    store = opener(limit=room_for(10))
    for number in range(30):
        await store.put(KEY._replace(start=number), Entry(b"x", float(number)))
    assert len(await contents(store)) == 30, "small entries take little room"
    huge = readings_of(102_000)
    await store.put(KEY, Entry(huge, 99.0))
    found = await contents(store)
    assert found[KEY].buffer == huge
    assert 15 < len(found) < 30, "some had to go, and no more than that"
    await store.put(KEY, Entry(b"x", 99.0))
    for number in range(30):
        await store.put(KEY._replace(start=number), Entry(b"x", 100.0 + number))
    assert len(await contents(store)) == 30, "what was replaced takes no room any more"


async def test_an_entry_larger_than_the_limit_is_not_kept(opener: Opener) -> None:
    store = opener(limit=room_for(2))
    other = KEY._replace(start=1)
    for key in (KEY, other):
        await store.put(key, Entry(LARGE, 1.0))
    await store.put(KEY, Entry(readings_of(30_000), 2.0))
    assert await contents(store) == {other: Entry(LARGE, 1.0)}, "nor anything else in its place"
    size = await store.size()
    assert (size.entries, size.evicted) == (1, 1)


async def test_purged_entries_make_room(opener: Opener) -> None:
    store = opener(limit=room_for(10))
    for turn in range(3):
        for number in range(10):
            await store.put(KEY._replace(start=number), Entry(LARGE, float(turn)))
        assert await store.purge() == 10
    assert (await store.size()).evicted == 0
