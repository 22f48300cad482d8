"""The cost of a store with a million entries: memory per entry, and time to find, claim and put.

The readings are a day of 4.8.1. The reference looks up the same keys in a dict. `ESME_ENTRIES`
replaces the number of entries. `python -m benchmarks.stores kills 200` instead kills writers, and a
server, 200 times, and checks that no acknowledged entry is lost.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from benchmarks.shares import resident
from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store import open_store
from esme_emulator.cache.store.base import Lease, Store
from esme_emulator.cache.store.sealing import Seal
from gbcs import EUI, decode
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import buffer_of
from tests.support.estate import ESTATE, KEYS, UNIX_NOW, command, meter_octets
from tests.support.stores import Worker, kill_rounds
from tests.support.valkey import BEHIND, BINARY, MISSING, ValkeyServer

ENTRIES = int(os.environ.get("ESME_ENTRIES", "1_000_000"))
ASKED = 20_000
AT_ONCE = 16
SECRET = bytes(range(32))


def main() -> None:
    readings = [_readings(device) for device in ESTATE.meters]
    octets = sum(map(len, readings)) / len(readings)
    print(f"{ENTRIES} entries, each a day of 4.8.1: {octets:.0f} octets of readings")
    _forms(readings)
    reference = _reference()
    print(f"{'a plain dict (reference)':26}{reference * 1e6:9.2f} µs to find")
    print(
        f"{'':26}{'octets':>8}{'find':>12}{'ratio':>8}{'claim hit':>12}{'16 at once':>13}"
        f"{'claim+settle':>14}{'put':>13}"
    )
    for name, secret in (("memory:", None), ("sqlite", None), ("sqlite, sealed", SECRET)):
        with tempfile.TemporaryDirectory() as folder:
            where = name if name == "memory:" else f"{folder}/store.sqlite"
            asyncio.run(_measure(name, where, secret, readings, reference, _growth(where)))
    if BINARY is None:
        print(f"valkey: skipped, {MISSING}")
        return
    with tempfile.TemporaryDirectory() as folder, ValkeyServer(Path(folder), BEHIND) as server:
        asyncio.run(
            _measure("valkey", server.url, None, readings, reference, lambda: server.resident)
        )


def kills(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept = kill_rounds(f"{folder}/store.sqlite", rounds, seed=1)
        print(f"sqlite: {kept} acknowledged in {rounds} rounds, the writer killed: none lost")
        if BINARY is None:
            print(f"valkey: skipped, {MISSING}")
            return
        with ValkeyServer(Path(folder)) as server:

            def kill(worker: Worker) -> list[str]:
                server.kill()
                return worker.said()

            kept = kill_rounds(server.url, rounds, 2, kill, server.start)
            print(f"valkey: {kept} acknowledged in {rounds} rounds, the server killed: none lost")


def _readings(device: EUI) -> bytes:
    asked, _ = command("4.8.1", device=device)
    readings = buffer_of(decode(meter_octets(asked), KEYS), BY_SRV["4.8.1"])
    if isinstance(readings, int):
        raise SystemExit(f"refused with {readings}")
    return readings


def _forms(readings: list[bytes]) -> None:
    """Print the cost of packing and sealing."""
    for name, secret in (("packed", None), ("packed and sealed", SECRET)):
        seal = Seal("estate", secret)
        octets = sum(len(seal.close_settled(_key(0), 1, each)) for each in readings)
        first = readings[0]
        closing = _seconds(partial(seal.close_settled, _key(0), 1, first))
        closed = seal.close_settled(_key(0), 1, first)
        opening = _seconds(partial(seal.open_settled, _key(0), 1, closed))
        print(
            f"{name:26}{octets / len(readings):8.0f} octets,"
            f" {closing * 1e6:.1f} µs to close, {opening * 1e6:.1f} µs to open"
        )


def _seconds(function: Callable[[], object], calls: int = 1000) -> float:
    start = perf_counter()
    for _ in range(calls):
        function()
    return (perf_counter() - start) / calls


def _key(number: int) -> Key:
    return Key(EUI.from_int(number), "4.8.1", 820_000_000, 820_086_400)


def _asked() -> list[Key]:
    draw = Random(1)
    return [_key(draw.randrange(ENTRIES)) for _ in range(ASKED)]


def _reference() -> float:
    """Return the seconds to find an entry in a dict."""
    entries = {_key(number): Entry(b"", UNIX_NOW) for number in range(ENTRIES)}
    asked = _asked()
    start = perf_counter()
    for key in asked:
        entries[key]
    return (perf_counter() - start) / ASKED


def _growth(where: str) -> Callable[[], int]:
    """Return a function that returns the memory or file size of the store at `where`."""
    if where != "memory:":
        return lambda: sum(each.stat().st_size for each in Path(where).parent.iterdir())
    before = resident()
    return lambda: resident() - before


async def _measure(
    name: str,
    where: str,
    secret: bytes | None,
    readings: list[bytes],
    reference: float,
    octets: Callable[[], int],
) -> None:
    """Fill the store at `where`, measure it, and print a row; `octets` returns its size."""
    store = open_store(where, "estate", key=secret, limit=4096 * ENTRIES)
    before = octets()

    def put(number: int) -> Awaitable[None]:
        own = bytes(bytearray(readings[number % len(readings)]))
        return store.put(_key(number), Entry(own, UNIX_NOW + number / 1000))

    putting = await _at_once(range(ENTRIES), put)
    room = (octets() - before) / ENTRIES
    asked = _asked()
    start = perf_counter()
    for key in asked:
        await store.get(key)
    finding = (perf_counter() - start) / ASKED
    start = perf_counter()
    for key in asked:
        await store.claim(key, 60.0, 0.0)
    hitting = (perf_counter() - start) / ASKED
    many = await _at_once(asked, lambda key: store.claim(key, 60.0, 0.0))
    missing = await _at_once(
        range(ENTRIES, ENTRIES + ASKED), lambda number: _fetch(store, number, readings[0])
    )
    print(
        f"{name:26}{room:8.0f}{finding * 1e6:9.1f} µs{finding / reference:8.0f}"
        f"{hitting * 1e6:9.1f} µs{1 / many:10.0f} /s{1 / missing:11.0f} /s{1 / putting:10.0f} /s",
        flush=True,
    )
    await store.close()


async def _fetch(store: Store, number: int, readings: bytes) -> None:
    """Take a lease and settle it, as a miss does."""
    lease = await store.claim(_key(number), 60.0, 0.0)
    assert isinstance(lease, Lease)
    await store.settle(lease, readings, Entry(readings, UNIX_NOW))


async def _at_once(items: Iterable[Any], call: Callable[[Any], Awaitable[Any]]) -> float:
    """Call with each item, `AT_ONCE` at a time, and return the seconds per item."""
    left = iter(items)
    done = 0

    async def work() -> None:
        nonlocal done
        for item in left:
            await call(item)
            done += 1

    start = perf_counter()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return (perf_counter() - start) / done


if __name__ == "__main__":
    if sys.argv[1:2] == ["kills"]:
        kills(int(sys.argv[2]))
    else:
        main()
