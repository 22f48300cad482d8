"""The shared store: a Valkey or Redis server, for processes on many machines.

Atomic steps are scripts on the server, and entries expire there. Beyond `limit` octets the entry
received first is evicted. How much survives the server's end depends on its configuration: all
acknowledged writes do with `appendonly yes` and `appendfsync always`; with `everysec`, the default,
the last seconds may be lost, more if the disk is slow. A server that may evict any key would forget
device counters, and is refused.

A server forgets the device counters it gave if it restarts without them, is replaced by a replica,
or loses keys. Each run of a server has an identifier, so the first reservation in a run skips as
many as other processes may still have.

In a cluster the readings of an estate are divided by device into groups, each in one slot, so that
every step stays atomic and the nodes share the load. What concerns the whole estate asks all groups
in turn; device counters are on one node. Each group evicts beyond its part of the limit.

If a server is away, calls raise `StoreAwayError` within some seconds; once it is back it is used
again. The same holds for a server that takes no writes, such as a primary that became a replica.
Foreign values among its keys are no error: they are dropped and counted as unreadable.
"""

import asyncio
import logging
import math
import struct
from collections.abc import AsyncIterator

from esme_emulator.cache.entry import Entry, Key, Settled
from esme_emulator.cache.store import valkey_scripts as lua
from esme_emulator.cache.store.base import (
    AHEAD,
    CONSIDERED,
    DEFAULT_LIMIT,
    LEAST_LIMIT,
    OPENED,
    SETTLED_SECONDS,
    UNSETTLED_SECONDS,
    HeldLease,
    Lease,
    Size,
    poll,
)
from esme_emulator.cache.store.sealing import Seal, key_of, key_text
from esme_emulator.cache.store.valkey_servers import ForbiddenError, Servers
from gbcs import EUI

_RECEIVED = struct.Struct(">d")
_BATCH = 500
_NOTHING, _CODE, _READINGS = b"-", b"#", b"="
"""First octet of the value that a lease was settled with."""

_log = logging.getLogger(__name__)


class ValkeyStore:
    """Readings of `estate` on the server at `url`, sealed if there is a `key` of 32 octets.

    `url` is one of `valkey_servers.Servers`. Nothing is sent before the first call. Raises
    `StoreError` if `url` has another form.
    """

    def __init__(
        self, url: str, estate: str, *, key: bytes | None = None, limit: int = DEFAULT_LIMIT
    ) -> None:
        self._servers = Servers(url)
        self._estate = lua.Names(estate)
        self._groups_in_cluster = lua.groups_of(estate)
        self._seal = Seal(estate, key)
        self._limit = limit
        self.replaced = 0
        """How often the server was found to have forgotten which device counters it gave."""
        self._reserved = 0
        """The device counter after the last one that this process was given."""
        self._evicted = 0

    async def check(self) -> None:
        """Raise `StoreError` unless the server takes writes and keeps device counters."""
        try:
            memories = await self._servers.ask_all("INFO", "memory")
        except ForbiddenError as error:
            _log.warning("%s; make sure that its maxmemory-policy is noeviction", error)
            memories = []
        for memory in memories:
            policy = memory.get("maxmemory_policy", "")
            if policy.startswith("allkeys") and memory.get("maxmemory"):
                raise self._servers.error(
                    f"its maxmemory-policy {policy} may drop device counters, which would then be "
                    "given again: set it to noeviction, or to one of volatile-…"
                )
        await self.reserve(0, 0)

    async def claim(
        self, key: Key, seconds: float, received_after: float
    ) -> Entry | Lease | HeldLease:
        """Return the entry under `key`, a lease on it, or another's lease."""
        names = await self._names(key.device)
        keys = names.entry(key), names.lease(key), names.latest(key), names.fence
        times = _ms(seconds), _ms(seconds + UNSETTLED_SECONDS)
        run = self._servers.run
        what, value = await run(lua.CLAIM, keys, (repr(float(received_after)), *times))
        if what == b"entry":
            entry = self._opened(key, value)
            if entry is not None:
                return entry
            # It cannot be read: ask the meter, as if it were too old.
            what, value = await run(lua.CLAIM, keys, (repr(math.inf), *times))
        return (Lease if what == b"lease" else HeldLease)(key, int(value))

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Let `lease` expire `seconds` from now."""
        names = await self._names(lease.key.device)
        keys = names.lease(lease.key), names.latest(lease.key)
        values = lease.fence, _ms(seconds), _ms(seconds + UNSETTLED_SECONDS)
        return bool(await self._servers.run(lua.RENEW, keys, values))

    async def settle(
        self,
        lease: Lease,
        readings: bytes | int | None,
        entry: Entry | None = None,
        ttl: float | None = None,
    ) -> bool:
        """End `lease`, give `readings` to waiting processes, and keep `entry`."""
        key = lease.key
        names = await self._names(key.device)
        if readings is None:
            told = _NOTHING
        elif isinstance(readings, int):
            told = _CODE + str(readings).encode()
        else:
            told = _READINGS + self._seal.close_settled(key, lease.fence, readings)
        keys = names.lease(key), names.latest(key), names.settled(lease.fence)
        kept = ("",) if entry is None else self._kept(names, key, entry, ttl)
        values = lease.fence, told, _ms(SETTLED_SECONDS), *kept
        evicted = await self._servers.run(lua.SETTLE, (*keys, *_places(names, key)), values)
        self._evicted += max(0, evicted)
        return bool(evicted >= 0)

    async def settled(self, held: HeldLease, seconds: float) -> Settled:
        """Wait up to `seconds` until that lease is settled or lost."""
        names = await self._names(held.key.device)
        wanted = names.settled(held.fence), names.lease(held.key)

        async def look() -> Settled | None:
            told, live = await self._servers.ask(wanted[0], "MGET", *wanted)
            if told is not None:
                return self._settled_of(held, told)
            lost = live != b"%d" % held.fence
            return Settled(None, came=False) if lost else None

        return await poll(look, seconds)

    async def put(self, key: Key, entry: Entry, ttl: float | None = None) -> None:
        """Keep `entry` under `key`, in place of the former one."""
        names = await self._names(key.device)
        kept = self._kept(names, key, entry, ttl)
        self._evicted += await self._servers.run(lua.PUT, _places(names, key), kept)

    async def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`, or None."""
        name = (await self._names(key.device)).entry(key)
        octets = await self._servers.ask(name, "GET", name)
        return None if octets is None else self._opened(key, octets)

    def at_hand(self, key: Key) -> Entry | None:
        """Return None: the server has to be asked."""
        return None

    async def covering(self, key: Key, received_after: float) -> tuple[Key, Entry] | None:
        """Return an entry whose window holds that of `key`."""
        index = (await self._names(key.device)).device(key.device)
        bound = f"({received_after!r}"
        values = bound, CONSIDERED, key.srv, key.identity, key.start, key.end, OPENED
        members = await self._servers.run(lua.COVERING, (index,), values)
        for _, other in await self._named(index, members):
            entry = await self.get(other)
            if entry is not None and entry.received > received_after:
                return other, entry
        return None

    async def reserve(self, earliest: int, size: int) -> int:
        """Take `size` device counters that were never given, as durably as the server is."""
        names = self._estate.own_counter, self._estate.own_counter_run
        earliest = max(earliest, self._reserved)
        values = earliest, earliest + AHEAD * size, size
        first, lost = await self._servers.run(lua.RESERVE, names, values)
        if size:
            if lost and self._reserved:
                self.replaced += 1
                _log.warning(
                    "%s",
                    self._servers.error(
                        "was restarted or lost keys: further device counters are ahead of the "
                        "clock, so that none is given twice"
                    ),
                )
            self._reserved = int(first) + size
        return int(first)

    async def purge(
        self,
        *,
        device: EUI | None = None,
        srv: str | None = None,
        received_before: float | None = None,
        received_after: float | None = None,
    ) -> int:
        """Drop the entries that meet all conditions given, in batches."""
        before = math.inf if received_before is None else float(received_before)
        after = -math.inf if received_after is None else float(received_after)
        return sum(
            [
                await self._purge(names, index, srv, after, before)
                for names, index in await self._indexes(device)
            ]
        )

    async def _purge(
        self, names: lua.Names, index: str, srv: str | None, after: float, before: float
    ) -> int:
        """Drop the entries of an index received between those times; return their number."""
        bounds = f"({after!r}", f"({before!r}"
        purged, passed = 0, 0
        while True:
            due = await self._servers.ask(
                index, "ZRANGEBYSCORE", index, *bounds, "LIMIT", passed, _BATCH
            )
            named = await self._named(index, due)
            chosen = [member for member, key in named if srv in (None, key.srv)]
            if chosen:
                values = names.prefix, repr(after), repr(before), *chosen
                purged += await self._servers.run(lua.DROP, (index,), values)
            if len(due) < _BATCH:
                return purged
            passed += len(named) - len(chosen)

    async def entries(
        self, device: EUI | None = None, srv: str | None = None
    ) -> AsyncIterator[tuple[Key, Entry]]:
        """Yield the entries in no order; one may come twice if others change meanwhile."""
        for names, index in await self._indexes(device):
            cursor = 0
            while True:
                cursor, rows = await self._servers.ask(
                    index, "ZSCAN", index, cursor, "COUNT", _BATCH
                )
                named = await self._named(index, [member for member, _ in rows])
                keys = [key for _, key in named if srv in (None, key.srv)]
                wanted = [names.entry(key) for key in keys]
                found = await self._servers.ask(wanted[0], "MGET", *wanted) if wanted else []
                for key, octets in zip(keys, found, strict=True):
                    entry = None if octets is None else self._opened(key, octets)
                    if entry is not None:
                        yield key, entry
                if not cursor:
                    break

    async def size(self) -> Size:
        """Return the number of entries, and what they count against the limit.

        Entries that expired on the server count until they are purged.
        """
        groups = await self._groups()
        sizes = await asyncio.gather(
            *(self._servers.run(lua.SIZE, (names.octets,), ()) for names in groups)
        )
        entries, octets = (sum(map(int, column)) for column in zip(*sizes, strict=True))
        return Size(entries, octets, self._evicted, self._seal.unreadable)

    async def close(self) -> None:
        """End the calls in progress, then close the connections."""
        await self._servers.close()

    async def _groups(self) -> list[lua.Names]:
        """Return the names of all groups; one server has a single one."""
        if not await self._servers.is_cluster():
            return [self._estate]
        least = lua.SHARDS * LEAST_LIMIT
        if self._limit < least:
            raise self._servers.error(
                f"a cluster has a limit of {least / 1e6:.0f} MB or more: raise --store-limit"
            )
        return self._groups_in_cluster

    async def _names(self, device: EUI) -> lua.Names:
        """Return the names of the group of `device`."""
        return lua.group_of(await self._groups(), device)

    async def _indexes(self, device: EUI | None) -> list[tuple[lua.Names, str]]:
        """Return the indexes of the entries of a device, or of all, and the groups they are in."""
        if device is None:
            return [(names, names.received) for names in await self._groups()]
        names = await self._names(device)
        return [(names, names.device(device))]

    async def _named(self, index: str, members: list[bytes]) -> list[tuple[bytes, Key]]:
        """Return members of an index with their keys; drop members that are not keys."""
        named: list[tuple[bytes, Key]] = []
        others: list[bytes] = []
        for member in members:
            try:
                named.append((member, key_of(member.decode())))
            except ValueError:
                others.append(member)
                self._seal.give_up(f"{member!r} in {index} is not a key")
        if others:
            await self._servers.ask(index, "ZREM", index, *others)
        return named

    def _kept(
        self, names: lua.Names, key: Key, entry: Entry, ttl: float | None
    ) -> tuple[bytes | str | int, ...]:
        """Return the arguments of `lua.PUT`."""
        received = float(entry.received)
        octets = _RECEIVED.pack(received) + self._seal.close_entry(key, entry)
        expiry = "" if ttl is None else _ms(ttl)
        limit = self._limit if names is self._estate else self._limit // lua.SHARDS
        return octets, expiry, key_text(key), repr(received), names.prefix, limit

    def _opened(self, key: Key, octets: bytes) -> Entry | None:
        head, readings = octets[: _RECEIVED.size], octets[_RECEIVED.size :]
        if not readings:
            head = bytes(_RECEIVED.size)  # cut off, so the readings cannot be opened either
        (received,) = _RECEIVED.unpack(head)
        return self._seal.open_entry(key, received, readings)

    def _settled_of(self, held: HeldLease, told: bytes) -> Settled:
        form, value = told[:1], told[1:]
        if form == _NOTHING:
            return Settled(None, came=True)
        if form == _CODE and value.isdigit():
            return Settled(int(value), came=True)
        readings = self._seal.open_settled(held.key, held.fence, value)
        return Settled(readings, came=readings is not None)


def _places(names: lua.Names, key: Key) -> tuple[str, str, str]:
    return names.entry(key), names.received, names.device(key.device)


def _ms(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))
