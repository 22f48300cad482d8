"""The store in memory: what it evicts first, and that leases do not accumulate."""

import asyncio
import math

import pytest

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store.base import ENTRY_OCTETS, SETTLED_SECONDS, HeldLease, Lease, Settled
from esme_emulator.cache.store.memory import MemoryStore
from tests.support.effort import within
from tests.support.estate import METER, UNIX_NOW

KEY = Key(METER, "4.8.1", 0, 86_400)
ENTRY = Entry(b"readings", UNIX_NOW)


async def starts_in(store: MemoryStore) -> set[int]:
    return {key.start async for key, _ in store.entries()}


@pytest.mark.parametrize("by_claim", [True, False])
async def test_the_least_recently_used_goes_first(by_claim: bool) -> None:
    store = MemoryStore(limit=3 * (ENTRY_OCTETS + len(ENTRY.buffer)))
    for start in range(3):
        await store.put(KEY._replace(start=start), ENTRY)
    if by_claim:
        assert await store.claim(KEY, 1.0, 0.0) == ENTRY
    else:
        assert await store.get(KEY) == ENTRY
    await store.put(KEY._replace(start=3), ENTRY)
    await store.put(KEY._replace(start=4), ENTRY)
    assert await starts_in(store) == {0, 3, 4}
    assert (await store.size()).evicted == 2


async def test_octets_are_counted_exactly() -> None:
    store = MemoryStore(limit=3 * ENTRY_OCTETS + 1000)
    for start, length in enumerate((1000, 5, 6, 7)):
        await store.put(KEY._replace(start=start), Entry(bytes(length), UNIX_NOW))
    await store.put(KEY._replace(start=3), Entry(bytes(70), UNIX_NOW))
    assert (await store.size()).octets == 5 + 6 + 70
    await store.purge()
    assert (await store.size()).octets == 0


async def test_leases_and_settlements_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads without an entry, one a minute for a fortnight, take no room."""
    loop = asyncio.get_running_loop()
    store = MemoryStore()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    with within(200_000):
        for start in range(20_000):
            now += 60.0
            lease = await store.claim(KEY._replace(start=start), 1.0, 0.0)
            assert isinstance(lease, Lease)
            if start % 2:
                assert await store.settle(lease, bytes(100))


async def test_settlements_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    store = MemoryStore()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    lease = await store.claim(KEY, 10.0, 0.0)
    assert isinstance(lease, Lease)
    await store.settle(lease, 250)
    held = HeldLease(KEY, lease.fence)
    now += SETTLED_SECONDS - 1
    await store.claim(KEY, 10.0, math.inf)
    assert await store.settled(held, 0.0) == Settled(250, came=True)
    now += 2
    await store.claim(KEY._replace(start=1), 10.0, math.inf)
    assert await store.settled(held, 0.0) == Settled(None, came=False)
