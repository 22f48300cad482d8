"""The shared store: a Valkey or Redis server, for processes on many machines.

Atomic steps are scripts on the server, and entries expire there. Beyond `limit` octets the entry
received first is evicted. How much survives the server's end depends on its configuration: all
acknowledged writes do with `appendonly yes` and `appendfsync always`; with `everysec`, the default,
the last seconds may be lost, more if the disk is slow. A server that may evict any key would forget
device counters, and is refused.

A server forgets the device counters it gave if it restarts without them, is replaced by a replica,
or loses keys. Each run of a server has an identifier, so the first reservation in a run skips as
many as other processes may still have.

If a server is away, calls raise `StoreAwayError` within some seconds; once it is back it is used
again. The same holds for a server that takes no writes, such as a primary that became a replica:
its connections are closed, since the address may lead to another server by now. Foreign values
among its keys are no error: they are dropped and counted as unreadable.
"""

import asyncio
import logging
import math
import struct
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from valkey.asyncio import BlockingConnectionPool, Connection, SSLConnection, Valkey
from valkey.exceptions import (
    AuthenticationError,
    MasterDownError,
    NoPermissionError,
    ReadOnlyError,
    ResponseError,
    ValkeyError,
)

from esme_emulator.cache.entry import Entry, Key, Settled
from esme_emulator.cache.store import valkey_scripts as lua
from esme_emulator.cache.store.base import (
    AHEAD,
    CONSIDERED,
    DEFAULT_LIMIT,
    OPENED,
    SETTLED_SECONDS,
    UNSETTLED_SECONDS,
    VALKEY_SCHEMES,
    Held,
    Lease,
    Size,
    StoreAwayError,
    StoreError,
    poll,
)
from esme_emulator.cache.store.sealing import Seal, key_of, key_text
from gbcs import EUI

TIMEOUT = 1.0
"""Timeout to connect, and of each call of the server, in seconds of real time."""

CONNECTIONS, QUEUE_TIMEOUT = 16, 5
"""Maximum number of connections of a process, and timeout to get one, in seconds."""

_PORT = 6379
_RECEIVED = struct.Struct(">d")
_BATCH = 500
_NOTHING, _CODE, _READINGS = b"-", b"#", b"="
"""First octet of the value that a lease was settled with."""

_ELSEWHERE = ("READONLY", "MASTERDOWN", "UNBLOCKED")
"""Words in errors of a server that is not the primary, also in errors of scripts."""

_log = logging.getLogger(__name__)


class ValkeyStore:
    """Readings of `estate` on the server at `url`, sealed if there is a `key` of 32 octets.

    `url` is `valkey://[user:password@]host[:port][/database]`, or has another of `VALKEY_SCHEMES`.
    Nothing is sent before the first call. Raises `StoreError` if `url` has another form.
    """

    def __init__(
        self, url: str, estate: str, *, key: bytes | None = None, limit: int = DEFAULT_LIMIT
    ) -> None:
        pool, self._where = _pool(url)
        self._client = Valkey(connection_pool=pool)
        self._names = lua.Names(estate)
        self._seal = Seal(estate, key)
        self._limit = limit
        self.replaced = 0
        """How often the server was found to have forgotten which device counters it gave."""
        self._reserved = 0
        """The device counter after the last one that this process was given."""
        self._evicted = 0
        self._closed = False
        self._asking: set[asyncio.Timeout] = set()
        self._is_idle = asyncio.Event()
        script = self._client.register_script
        self._claim, self._renew = script(lua.CLAIM), script(lua.RENEW)
        self._settle, self._put = script(lua.SETTLE), script(lua.PUT)
        self._drop, self._reserve = script(lua.DROP), script(lua.RESERVE)
        self._covering, self._size = script(lua.COVERING), script(lua.SIZE)

    async def check(self) -> None:
        """Raise `StoreError` unless the server takes writes and keeps device counters."""
        try:
            memory = await self._ask(self._client.info("memory"))
        except StoreError as error:
            if not isinstance(error.__cause__, NoPermissionError):
                raise
            _log.warning("%s; make sure that its maxmemory-policy is noeviction", error)
            memory = {}
        policy = memory.get("maxmemory_policy", "")
        if policy.startswith("allkeys") and memory.get("maxmemory"):
            raise StoreError(
                f"store {self._where}: its maxmemory-policy {policy} may drop device counters, "
                "which would then be given again: set it to noeviction, or to one of volatile-…"
            )
        await self.reserve(0, 0)

    async def claim(self, key: Key, seconds: float, received_after: float) -> Entry | Lease | Held:
        """Return the entry under `key`, a lease on it, or another's lease."""
        names = self._names
        keys = names.entry(key), names.lease(key), names.latest(key), names.fence
        times = _ms(seconds), _ms(seconds + UNSETTLED_SECONDS)
        what, value = await self._ask(self._claim(keys, (repr(float(received_after)), *times)))
        if what == b"entry":
            entry = self._opened(key, value)
            if entry is not None:
                return entry
            # It cannot be read: ask the meter, as if it were too old.
            what, value = await self._ask(self._claim(keys, (repr(math.inf), *times)))
        return (Lease if what == b"lease" else Held)(key, int(value))

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Let `lease` expire `seconds` from now."""
        keys = self._names.lease(lease.key), self._names.latest(lease.key)
        values = lease.fence, _ms(seconds), _ms(seconds + UNSETTLED_SECONDS)
        return bool(await self._ask(self._renew(keys, values)))

    async def settle(
        self,
        lease: Lease,
        readings: bytes | int | None,
        entry: Entry | None = None,
        ttl: float | None = None,
    ) -> bool:
        """End `lease`, give `readings` to waiting processes, and keep `entry`."""
        names, key = self._names, lease.key
        if readings is None:
            told = _NOTHING
        elif isinstance(readings, int):
            told = _CODE + str(readings).encode()
        else:
            told = _READINGS + self._seal.close_settled(key, lease.fence, readings)
        keys = names.lease(key), names.latest(key), names.settled(lease.fence)
        kept = ("",) if entry is None else self._kept(key, entry, ttl)
        evicted = await self._ask(
            self._settle(
                (*keys, *self._places(key)), (lease.fence, told, _ms(SETTLED_SECONDS), *kept)
            )
        )
        self._evicted += max(0, evicted)
        return bool(evicted >= 0)

    async def settled(self, held: Held, seconds: float) -> Settled:
        """Wait up to `seconds` until that lease is settled or lost."""
        names = self._names.settled(held.fence), self._names.lease(held.key)

        async def look() -> Settled | None:
            told, live = await self._ask(self._client.mget(names))
            if told is not None:
                return self._told(held, told)
            lost = live != b"%d" % held.fence
            return Settled(None, came=False) if lost else None

        return await poll(look, seconds)

    async def put(self, key: Key, entry: Entry, ttl: float | None = None) -> None:
        """Keep `entry` under `key`, in place of the former one."""
        kept = self._kept(key, entry, ttl)
        self._evicted += await self._ask(self._put(self._places(key), kept))

    async def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`, or None."""
        octets = await self._ask(self._client.get(self._names.entry(key)))
        return None if octets is None else self._opened(key, octets)

    async def covering(self, key: Key, received_after: float) -> tuple[Key, Entry] | None:
        """Return an entry whose window holds that of `key`."""
        index = self._names.device(key.device)
        bound = f"({received_after!r}"
        values = bound, CONSIDERED, key.srv, key.identity, key.start, key.end, OPENED
        members = await self._ask(self._covering((index,), values))
        for _, other in await self._named(index, members):
            entry = await self.get(other)
            if entry is not None and entry.received > received_after:
                return other, entry
        return None

    async def reserve(self, earliest: int, size: int) -> int:
        """Take `size` device counters that were never given, as durably as the server is."""
        names = self._names.own_counter, self._names.own_counter_run
        earliest = max(earliest, self._reserved)
        first, lost = await self._ask(
            self._reserve(names, (earliest, earliest + AHEAD * size, size))
        )
        if size:
            if lost and self._reserved:
                self.replaced += 1
                _log.warning(
                    "store %s was restarted or lost keys: further device counters are ahead of the "
                    "clock, so that none is given twice",
                    self._where,
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
        index = self._names.received if device is None else self._names.device(device)
        purged, passed = 0, 0
        while True:
            due = await self._ask(
                self._client.zrangebyscore(index, f"({after!r}", f"({before!r}", passed, _BATCH)
            )
            named = await self._named(index, due)
            chosen = [member for member, key in named if srv in (None, key.srv)]
            if chosen:
                values: list[bytes | str] = [self._names.prefix, repr(after), repr(before), *chosen]
                purged += await self._ask(self._drop((index,), values))
            if len(due) < _BATCH:
                return purged
            passed += len(named) - len(chosen)

    async def entries(
        self, device: EUI | None = None, srv: str | None = None
    ) -> AsyncIterator[tuple[Key, Entry]]:
        """Go through the entries in no order; one may come twice where others change meanwhile."""
        index = self._names.received if device is None else self._names.device(device)
        cursor = 0
        while True:
            cursor, rows = await self._ask(self._client.zscan(index, cursor, count=_BATCH))
            named = await self._named(index, [member for member, _ in rows])
            keys = [key for _, key in named if srv in (None, key.srv)]
            names = [self._names.entry(key) for key in keys]
            found = await self._ask(self._client.mget(names)) if names else []
            for key, octets in zip(keys, found, strict=True):
                entry = None if octets is None else self._opened(key, octets)
                if entry is not None:
                    yield key, entry
            if not cursor:
                return

    async def size(self) -> Size:
        """Return the number of entries, and what they count against the limit.

        Entries that expired on the server count until they are purged.
        """
        entries, octets = await self._ask(self._size((self._names.octets,)))
        return Size(entries, int(octets), self._evicted, self._seal.unreadable)

    async def close(self) -> None:
        """End the calls in progress, then close the connections.

        Otherwise a call that is connecting would leave its connection open.
        """
        self._closed = True
        for limit in self._asking:
            limit.reschedule(0.0)
        while self._asking:
            self._is_idle.clear()
            await self._is_idle.wait()
        await self._hang_up()

    async def _hang_up(self) -> None:
        """Close all connections; the next call connects again."""
        with suppress(ValkeyError, OSError):  # it is away, and the connection with it
            await self._client.connection_pool.disconnect()

    async def _ask(self, answer: Awaitable[Any]) -> Any:
        if self._closed:
            if isinstance(answer, Coroutine):
                answer.close()
            raise self._was_closed()
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        try:
            async with asyncio.timeout(None) as limit:
                self._asking.add(limit)
                try:
                    return await answer
                finally:
                    self._asking.discard(limit)
                    self._is_idle.set()
                    if task and task.cancelling() > before:
                        # asyncio.wait_for of Python 3.11 may have swallowed the cancellation
                        raise asyncio.CancelledError
        except AuthenticationError as error:
            reason = f"give another user or password in its URL ({_line(error)})"
        except ResponseError as error:
            if _is_elsewhere(error):
                await self._hang_up()
                away = (
                    f"takes no writes; name the primary, or wait until it is one ({_line(error)})"
                )
                raise StoreAwayError(f"store {self._where}: {away}") from None
            says = f"store {self._where}: the server says: {_line(error)}"
            raise StoreError(says) from error
        except (ValkeyError, OSError, TimeoutError) as error:
            if self._closed:
                raise self._was_closed() from None
            away = f"no answer; see that the server runs there ({_line(error)})"
            raise StoreAwayError(f"store {self._where}: {away}") from None
        raise StoreError(f"store {self._where}: {reason}") from None

    def _was_closed(self) -> StoreError:
        return StoreError(f"store {self._where}: it was closed")

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
            await self._ask(self._client.zrem(index, *others))
        return named

    def _places(self, key: Key) -> tuple[str, str, str]:
        return self._names.entry(key), self._names.received, self._names.device(key.device)

    def _kept(self, key: Key, entry: Entry, ttl: float | None) -> tuple[bytes | str | int, ...]:
        received = float(entry.received)
        octets = _RECEIVED.pack(received) + self._seal.close_entry(key, entry)
        expiry = "" if ttl is None else _ms(ttl)
        return octets, expiry, key_text(key), repr(received), self._names.prefix, self._limit

    def _opened(self, key: Key, octets: bytes) -> Entry | None:
        head, readings = octets[: _RECEIVED.size], octets[_RECEIVED.size :]
        if not readings:
            head = bytes(_RECEIVED.size)  # cut off, so the readings cannot be opened either
        (received,) = _RECEIVED.unpack(head)
        return self._seal.open_entry(key, received, readings)

    def _told(self, held: Held, told: bytes) -> Settled:
        form, value = told[:1], told[1:]
        if form == _NOTHING:
            return Settled(None, came=True)
        if form == _CODE and value.isdigit():
            return Settled(int(value), came=True)
        readings = self._seal.open_settled(held.key, held.fence, value)
        return Settled(readings, came=readings is not None)


def _pool(url: str) -> tuple[BlockingConnectionPool, str]:
    """Return connections to the server at `url`, and the URL without a password."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
        database = int(parts.path.strip("/") or 0)
        if parts.scheme not in VALKEY_SCHEMES or not parts.hostname or parts.query or database < 0:
            raise ValueError
    except ValueError:
        form = "valkey://[user:password@]host[:port][/database]"
        raise StoreError(f"the store's URL must be {form}, with a number as database") from None
    pool = BlockingConnectionPool(
        max_connections=CONNECTIONS,
        timeout=QUEUE_TIMEOUT,
        connection_class=SSLConnection if parts.scheme in ("valkeys", "rediss") else Connection,
        host=parts.hostname,
        port=port,
        db=database,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
    )
    return pool, f"{parts.scheme}://{parts.hostname}:{port}/{database}"


def _is_elsewhere(error: ResponseError) -> bool:
    if isinstance(error, (ReadOnlyError, MasterDownError)):
        return True
    return any(word in str(error) for word in _ELSEWHERE)


def _ms(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
