"""The interface of every store: entries, leases on reads that are under way, and own counters.

Knows what a store promises, and nothing of how one keeps it. Several processes may use one store
at once. Times of receipt are Unix times of the caller's clock, which may be an emulated one;
leases, waits and native expiry are in seconds of real time, which no clock's setting moves.

A read that is not there is *leased*: one process goes to the meter, the others wait until it
*settles* the lease with what came. A lease that is not settled in time is anybody's; every lease
has a greater *fence* than those before it, and who holds an older one can keep nothing.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.runtime.errors import UserError
from gbcs import EUI

SETTLED_SECONDS = 30.0
"""For so long of real time it can be read what a lease was settled with."""

UNSETTLED_SECONDS = 600.0
"""For so long after it expired a lease that nobody took may still be settled."""

DEFAULT_LIMIT = 1_000_000_000
"""Octets that a store keeps unless its user says otherwise."""

LEAST_LIMIT = 1_000_000
"""The least that a user may choose: several readings of a log to its full depth."""

ENTRY_OCTETS = 256
"""Octets that an entry counts beside its readings, for its key and its places in indexes."""

CONSIDERED, OPENED = 1000, 8
"""Of the latest entries of a device so many are looked at for a wider window, and of those that
have one so many are read, until one can be."""

AHEAD = 64
"""Blocks of own counters that are left out if the store may have lost which of them were given:
those who use it may still have some of them, or had them already."""


class StoreError(UserError):
    """A store that cannot be used; the text is one line for the user."""


class StoreAwayError(StoreError):
    """A store that does not answer: who asks it again at once may wait in vain again."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The caller's: nobody else reads `key` from the meter while it lasts."""

    key: Key
    fence: int
    """Grows with every lease of a store."""


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody else's live lease on `key`."""

    key: Key
    fence: int


@dataclass(frozen=True, slots=True)
class Settled:
    """How waiting for a lease ended."""

    readings: bytes | int | None
    """The log's buffer as A-XDR, the result code of a refusal, or None: nothing came."""
    came: bool
    """Whether its holder settled it (with None too); False where it expired, was lost, or the
    wait was over first: `claim` again then."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much a store keeps, and what this process saw it lose since it was opened."""

    entries: int
    octets: int
    """Of what is kept, as the store knows it: of readings in memory, of pages in use of a file, and
    on a server what counts against its limit."""
    evicted: int = 0
    """Entries that went to make room for others."""
    unreadable: int = 0
    """Entries that were altered, or sealed with another key: each was a miss."""


class Store(Protocol):
    """Entries by key, leases by key, and own counters.

    Every method raises `StoreError` where the store cannot be used, in bounded time.
    """

    @property
    def replaced(self) -> int:
        """How often another took its place, which may give own counters again that it gave."""
        ...

    async def check(self) -> None:
        """Raise `StoreError` unless the store can be read and written, and forgets nothing."""
        ...

    async def claim(self, key: Key, seconds: float, received_after: float) -> Entry | Lease | Held:
        """Return the entry under `key`, or who is to read it, in one atomic step.

        The entry, where one was received after `received_after` (Unix time); else a lease on the
        key for `seconds` of real time, where nobody holds a live one; else whose lease it is.
        """
        ...

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Let `lease` last for `seconds` of real time from now.

        False where it is lost: settled, or expired and taken by somebody else.
        """
        ...

    async def settle(
        self,
        lease: Lease,
        readings: bytes | int | None,
        entry: Entry | None = None,
        ttl: float | None = None,
    ) -> bool:
        """End `lease`, tell who waits for it what came, and keep `entry`, in one atomic step.

        `entry` is kept, durably, when this returns; a store that can will drop it by itself `ttl`
        seconds of real time later, where that is given. A lease that expired may still be settled
        until somebody else takes it. False, and nothing is kept, where it was settled before, where
        a newer lease was given, or where it expired so long ago that nobody knows.
        """
        ...

    async def settled(self, held: Held, patience: float) -> Settled:
        """Wait up to `patience` seconds of real time until that lease is settled or lost.

        What it was settled with can be read for `SETTLED_SECONDS`.
        """
        ...

    async def put(self, key: Key, entry: Entry, ttl: float | None = None) -> None:
        """Keep `entry` under `key` without a lease, in place of what was there: a late reply."""
        ...

    async def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`, however old, or None."""
        ...

    async def covering(self, key: Key, received_after: float) -> tuple[Key, Entry] | None:
        """Return an entry received after that Unix time whose window holds that of `key`.

        It is alike in all else; `key` itself counts. The latest received if there are several.
        Only the latest `CONSIDERED` entries of the device are looked at, so that a device with
        many costs no more: whoever finds none asks the meter.
        """
        ...

    async def reserve(self, earliest: int, size: int) -> int:
        """Take `size` own counters that nobody has or had, durably; return the first of them.

        It is `earliest` or greater. Whoever reserves next gets greater ones. A store that may
        have lost its state, since it is new, was restarted or is a copy, leaves `AHEAD` blocks out.
        With `size` 0 nothing is taken, but what it takes to reserve is tried.
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
        """Drop the entries that meet every condition given, and return how many they were."""
        ...

    def entries(
        self, device: EUI | None = None, srv: str | None = None
    ) -> AsyncIterator[tuple[Key, Entry]]:
        """Go through the entries, or those of a device or an SRV; others may change meanwhile."""
        ...

    async def size(self) -> Size:
        """Return how much is kept."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
