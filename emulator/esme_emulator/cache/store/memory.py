"""The store in memory: it serves one process and ends with it.

Beyond `limit` octets the least recently used entry is evicted. Real time is the event loop's.
Nothing expires by itself; `purge` drops expired entries.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import islice

from esme_emulator.cache.entry import Entry, Key, Settled
from esme_emulator.cache.store.base import (
    CONSIDERED,
    DEFAULT_LIMIT,
    ENTRY_OCTETS,
    SETTLED_SECONDS,
    UNSETTLED_SECONDS,
    HeldLease,
    Lease,
    Size,
)
from gbcs import EUI


@dataclass(slots=True)
class _Lease:
    fence: int
    expires: float
    """In seconds of the event loop's time."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is settled or renewed."""


class MemoryStore:
    """A store of at most `limit` octets: `ENTRY_OCTETS` for each entry, and its readings."""

    replaced = 0

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._of_device: dict[EUI, dict[Key, None]] = {}
        self._leases: OrderedDict[Key, _Lease] = OrderedDict()
        self._settled: OrderedDict[int, tuple[float, Settled]] = OrderedDict()
        """By fence: when to forget it, and how waiting ended."""
        self._fence = 0
        self._device_counter = 0
        self._octets = 0
        self._evicted = 0

    async def check(self) -> None:
        """Do nothing: memory can be used as long as the process lasts."""

    async def claim(
        self, key: Key, seconds: float, received_after: float
    ) -> Entry | Lease | HeldLease:
        """Return the entry under `key`, a lease on it, or another's lease."""
        entry = await self.get(key)
        if entry is not None and entry.received > received_after:
            return entry
        now = self._sweep()
        lease = self._leases.get(key)
        if lease is not None and lease.expires > now:
            return HeldLease(key, lease.fence)
        self._fence += 1
        self._leases[key] = _Lease(self._fence, now + seconds)
        self._leases.move_to_end(key)
        return Lease(key, self._fence)

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Let `lease` expire `seconds` from now."""
        current = self._leases.get(lease.key)
        if current is None or current.fence != lease.fence:
            return False
        current.expires = asyncio.get_running_loop().time() + seconds
        self._leases.move_to_end(lease.key)
        current.changed.set()
        current.changed = asyncio.Event()
        return True

    async def settle(
        self,
        lease: Lease,
        readings: bytes | int | None,
        entry: Entry | None = None,
        ttl: float | None = None,
    ) -> bool:
        """End `lease`, give `readings` to waiting requests, and keep `entry`."""
        now = self._sweep()
        current = self._leases.get(lease.key)
        if current is None or current.fence != lease.fence:
            return False
        del self._leases[lease.key]
        self._settled[lease.fence] = now + SETTLED_SECONDS, Settled(readings, came=True)
        if entry is not None:
            await self.put(lease.key, entry, ttl)
        current.changed.set()
        return True

    async def settled(self, held: HeldLease, seconds: float) -> Settled:
        """Wait up to `seconds` until that lease is settled or lost."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            if (outcome := self._settled.get(held.fence)) is not None:
                return outcome[1]
            lease = self._leases.get(held.key)
            if lease is None or lease.fence != held.fence:
                return Settled(None, came=False)
            until = min(deadline, lease.expires)
            if loop.time() >= until:
                return Settled(None, came=False)
            try:
                async with asyncio.timeout_at(until):
                    await lease.changed.wait()
            except TimeoutError:
                continue

    async def put(self, key: Key, entry: Entry, ttl: float | None = None) -> None:
        """Keep `entry` under `key`, in place of the former one."""
        self._drop(key)
        if len(entry.buffer) + ENTRY_OCTETS > self._limit:
            self._evicted += 1  # itself, rather than all others
            return
        self._entries[key] = entry
        self._of_device.setdefault(key.device, {})[key] = None
        self._octets += len(entry.buffer)
        while self._octets + ENTRY_OCTETS * len(self._entries) > self._limit:
            self._drop(next(iter(self._entries)))
            self._evicted += 1

    async def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`, or None."""
        return self.at_hand(key)

    def at_hand(self, key: Key) -> Entry | None:
        """Return the entry under `key`, or None."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    async def covering(self, key: Key, received_after: float) -> tuple[Key, Entry] | None:
        """Return an entry whose window holds that of `key`."""
        latest = islice(reversed(self._of_device.get(key.device, {})), CONSIDERED)
        found = [
            (other, entry)
            for other in latest
            if other.start <= key.start
            and key.end <= other.end
            and other._replace(start=key.start, end=key.end) == key
            and (entry := self._entries[other]).received > received_after
        ]
        return max(found, key=lambda pair: pair[1].received, default=None)

    async def reserve(self, earliest: int, size: int) -> int:
        """Take `size` device counters that this process has not given before."""
        first = max(earliest, self._device_counter)
        self._device_counter = first + size
        return first

    async def purge(
        self,
        *,
        device: EUI | None = None,
        srv: str | None = None,
        received_before: float | None = None,
        received_after: float | None = None,
    ) -> int:
        """Drop the entries that meet all conditions given."""
        gone = [
            key
            for key, entry in self._chosen(device, srv)
            if (received_before is None or entry.received < received_before)
            and (received_after is None or entry.received > received_after)
        ]
        for key in gone:
            self._drop(key)
        return len(gone)

    async def entries(
        self, device: EUI | None = None, srv: str | None = None
    ) -> AsyncIterator[tuple[Key, Entry]]:
        """Yield the entries as they are now."""
        for pair in self._chosen(device, srv):
            yield pair

    async def size(self) -> Size:
        """Return the number of entries and the length of their readings."""
        return Size(len(self._entries), self._octets, self._evicted)

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._octets -= len(entry.buffer)
            others = self._of_device[key.device]
            del others[key]
            if not others:
                del self._of_device[key.device]

    def _chosen(self, device: EUI | None, srv: str | None) -> list[tuple[Key, Entry]]:
        """Return the entries of a device, or of all, and of an SRV, or of all."""
        keys = self._entries if device is None else self._of_device.get(device, ())
        return [(key, self._entries[key]) for key in keys if srv in (None, key.srv)]

    def _sweep(self) -> float:
        """Forget old leases, settled or not; return the time."""
        now = asyncio.get_running_loop().time()
        while self._settled and next(iter(self._settled.values()))[0] < now:
            self._settled.popitem(last=False)
        while self._leases and (
            next(iter(self._leases.values())).expires + UNSETTLED_SECONDS < now
        ):
            self._leases.popitem(last=False)
        return now
