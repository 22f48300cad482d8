"""The interface of all stores: entries, leases on reads in progress, and device counters.

Knows what a store promises, not how it does that. Several processes may use one store at once.
Times of receipt are Unix times of the caller's clock, which may be an emulated one; leases, waits
and the store's own expiry are in seconds of real time, so no change of a clock affects them.

A read without an entry is *leased*: one process asks the meter, and the others wait until it
*settles* the lease with what came. Any process can take a lease that is not settled in time. Each
lease has a greater *fence* than those before, and a process with an older one can keep nothing.

An SRV has several names in a store (`policy.reads.names_of`); `entries_of` and `drop_entries` map a
user's SRV to them. `Breaker` stops asking a store that is away. Does not know how a store keeps
entries.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar

from esme_emulator.cache.entry import Entry, Key, Settled
from esme_emulator.cache.policy.reads import names_of
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.errors import UserError
from esme_emulator.runtime.tasks import Tasks
from gbcs import EUI

VALKEY_SCHEMES = ("valkey", "redis", "valkeys", "rediss")
"""URL schemes of a Valkey or Redis server; those that end in s use TLS."""

SETTLED_SECONDS = 30.0
"""How long waiting processes can read what a lease was settled with, in seconds of real time."""

UNSETTLED_SECONDS = 600.0
"""How long an expired lease may still be settled, in seconds of real time."""

DEFAULT_LIMIT = 1_000_000_000
"""Default size limit of a store, in octets."""

LEAST_LIMIT = 1_000_000
"""Lowest size limit that a user may choose, in octets: several readings of a full log."""

ENTRY_OCTETS = 256
"""Octets that an entry counts in addition to its readings, for its key and places in indexes."""

CONSIDERED, OPENED = 1000, 8
"""Latest entries of a device that are searched for a wider window, and those of them that are read.

Reading stops at the first one that can be read.
"""

AHEAD = 64
"""Blocks of device counters that are skipped if a store may have forgotten which it gave.

Processes that use the store may still have some of them.
"""

POLL_SECONDS, MAX_POLL_SECONDS = 0.005, 0.05
"""First and longest polling interval, in seconds of real time."""

PROBE_SECONDS = 1.0
"""Pause between two probes of a store that is away, in seconds of real time."""

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class StoreError(UserError):
    """A store that cannot be used; the text is one line for the user."""


class StoreAwayError(StoreError):
    """A store that does not answer; if asked again at once it may not answer either."""


class NotAskedError(StoreAwayError):
    """The store was not asked, since it is known to be away."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The caller's lease: no other process asks the meter for `key` while it lasts."""

    key: Key
    fence: int
    """Grows with every lease of a store."""


@dataclass(frozen=True, slots=True)
class HeldLease:
    """Another process's live lease on `key`."""

    key: Key
    fence: int


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a store, and what this process saw it lose since it was opened."""

    entries: int
    octets: int
    """Octets of readings in memory, of used pages in a file, or on a server what counts against
    the limit."""
    evicted: int = 0
    """Entries that were dropped to make room for others."""
    unreadable: int = 0
    """Entries that were altered, or sealed with another key: each was a miss."""


class Store(Protocol):
    """Entries by key, leases by key, and device counters.

    Every method raises `StoreError`, within bounded time, if the store cannot be used.
    """

    @property
    def replaced(self) -> int:
        """How often another store took its place, which may give device counters again."""
        ...

    async def check(self) -> None:
        """Raise `StoreError` unless the store can be read and written, and forgets nothing."""
        ...

    async def claim(
        self, key: Key, seconds: float, received_after: float
    ) -> Entry | Lease | HeldLease:
        """Return the entry under `key`, a lease on it, or another's lease, in one atomic step.

        The entry, if it was received after `received_after` (Unix time); else a lease on the key
        for `seconds` of real time, if there is no live one; else the live one.
        """
        ...

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Let `lease` expire `seconds` of real time from now.

        False if it is lost: settled, or expired and taken by another process.
        """
        ...

    async def settle(
        self,
        lease: Lease,
        readings: bytes | int | None,
        entry: Entry | None = None,
        ttl: float | None = None,
    ) -> bool:
        """End `lease`, give `readings` to waiting processes and keep `entry`, in one atomic step.

        `entry` is kept, durably, when this returns; with `ttl`, a store that can will drop it
        `ttl` seconds of real time later. An expired lease may still be settled until another
        process takes the key. False, and nothing is kept, if it was settled before, a newer lease
        was given, or it expired more than `UNSETTLED_SECONDS` ago.
        """
        ...

    async def settled(self, held: HeldLease, seconds: float) -> Settled:
        """Wait up to `seconds` of real time until that lease is settled or lost.

        What it was settled with can be read for `SETTLED_SECONDS`.
        """
        ...

    async def put(self, key: Key, entry: Entry, ttl: float | None = None) -> None:
        """Keep `entry` under `key` without a lease, in place of the former one: a late reply."""
        ...

    async def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`, however old, or None."""
        ...

    def at_hand(self, key: Key) -> Entry | None:
        """Return the entry under `key`, however old, if the store need not wait for it.

        None says nothing: it may be absent, or may have to be waited for.
        """
        ...

    async def covering(self, key: Key, received_after: float) -> tuple[Key, Entry] | None:
        """Return an entry received after that Unix time whose window holds that of `key`, or None.

        Its key is equal in all else; an entry under `key` itself counts. If there are several,
        return the one received last. Only the latest `CONSIDERED` entries of the device are
        searched, which bounds the cost; if none is found, the meter is asked.
        """
        ...

    async def reserve(self, earliest: int, size: int) -> int:
        """Take `size` device counters that were never given, durably; return the first of them.

        It is `earliest` or greater; later calls return greater ones. A store that may have lost
        its state, since it is new, was restarted or is a copy, skips `AHEAD` blocks. With `size` 0
        nothing is taken; this tests whether the store can reserve.
        """
        ...

    async def purge(
        self,
        *,
        device: EUI | None = None,
        srv: str | None = None,
        received_before: float | None = None,
        received_after: float | None = None,
    ) -> int:
        """Drop the entries that meet all conditions given; return their number."""
        ...

    def entries(
        self, device: EUI | None = None, srv: str | None = None
    ) -> AsyncIterator[tuple[Key, Entry]]:
        """Yield the entries, or those of a device or an SRV; others may change meanwhile."""
        ...

    async def size(self) -> Size:
        """Return the size of the store."""
        ...

    async def close(self) -> None:
        """Close files and connections."""
        ...


async def poll(look: Callable[[], Awaitable[Settled | None]], seconds: float) -> Settled:
    """Return the first result of `look` that is not None, calling it for up to `seconds`.

    Polling needs no message from the lease's holder, so none is lost if that process dies.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    pause = POLL_SECONDS
    while (found := await look()) is None:
        left = deadline - loop.time()
        if left <= 0:
            return Settled(None, came=False)
        await asyncio.sleep(min(pause, left))
        pause = min(2 * pause, MAX_POLL_SECONDS)
    return found


async def drop_entries(store: Store, device: EUI | None = None, srv: str | None = None) -> int:
    """Drop all entries, or those of a device or an SRV; return their number.

    Raises `StoreError`, and `ValueError` if `srv` is never cached.
    """
    return sum([await store.purge(device=device, srv=name) for name in _names(srv)])


async def entries_of(
    store: Store, device: EUI | None = None, srv: str | None = None
) -> AsyncGenerator[tuple[Key, Entry], None]:
    """Yield all entries, or those of a device or an SRV. Raises as `purge`."""
    for name in _names(srv):
        async with AsyncExitStack() as stack:
            found = store.entries(device, name)
            if isinstance(found, AsyncGenerator):
                stack.push_async_callback(found.aclose)
            async for pair in found:
                yield pair


def _names(srv: str | None) -> tuple[str | None, ...]:
    return (None,) if srv is None else names_of(srv)


class Breaker:
    """Guards the calls of `store`, so that no request waits for a store that is away.

    The first call that finds it away ends all calls in progress. From then on every call fails at
    once, until a probe in the background gets an answer. Probes go by the clock `real`, in `tasks`.
    """

    def __init__(self, store: Store, real: Clock, tasks: Tasks) -> None:
        self._store = store
        self._real = real
        self._tasks = tasks
        self._away = ""
        """Why the store is away; empty while it is not."""
        self._asking: set[asyncio.Timeout] = set()

    async def ask(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result of a store call. Raises `StoreError`, at once if the store is away."""
        if self._away:
            raise NotAskedError(self._away)
        try:
            async with asyncio.timeout(None) as limit:
                self._asking.add(limit)
                try:
                    return await call(*args, **kwargs)
                finally:
                    self._asking.discard(limit)
        except TimeoutError:
            raise NotAskedError(self._away) from None
        except StoreAwayError as error:
            self._open(error)
            raise

    def at_hand(self, key: Key) -> Entry | None:
        """Return what the store has at hand; nothing if it is away."""
        return None if self._away else self._store.at_hand(key)

    def try_again(self) -> None:
        """Let the next call reach the store, even if it is known to be away."""
        self._away = ""

    def _open(self, error: StoreAwayError) -> None:
        if self._away:
            return
        self._away = str(error)
        asking, self._asking = self._asking, set()
        for limit in asking:
            limit.reschedule(0.0)
        self._tasks.start(self._probe())

    async def _probe(self) -> None:
        """Reserve no device counter now and then, which tests all that a store needs to work."""
        while True:
            await self._real.sleep(PROBE_SECONDS)
            try:
                await self._store.reserve(0, 0)
            except StoreAwayError:
                continue
            except StoreError:
                pass  # it answers; the next call learns what is wrong
            self._away = ""
            _log.info("the store answers again")
            return
