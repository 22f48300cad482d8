"""Worker processes that share one store, and are killed while they write.

Run as `python -m tests.support.stores TASK WHERE NUMBER`, a worker prints `ready`, waits for a line
on stdin, runs its task, and prints a line for each operation that the store acknowledged. An entry
is a function of its number, so a reader can verify it.
"""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import shake_128
from random import Random

import pytest

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store import open_store
from esme_emulator.cache.store.base import HeldLease, Lease, Store, StoreError
from gbcs import EUI
from tests.support.rtds import ROOT

ESTATE = "workers"
CLAIMS = 50
RESERVATIONS, RESERVED = 100, 7
LEASE = 60.0


def key_of(number: int) -> Key:
    return Key(EUI(bytes(8)), "4.8.1", number, number)


def entry_of(number: int) -> Entry:
    """Return entry `number`, whose size and octets depend on the number."""
    return Entry(shake_128(b"%d" % number).digest(300 + number % 200), float(number))


async def _write(store: Store, first: int) -> None:
    """Write entries from `first` on until killed; print each number, and its counter or -1."""
    for number in range(first, sys.maxsize):
        key, entry = key_of(number), entry_of(number)
        if number % 2:
            await store.put(key, entry)
        else:
            lease = await store.claim(key, LEASE, 0.0)
            if not isinstance(lease, Lease) or not await store.settle(lease, 0, entry):
                raise SystemExit(f"no lease of {number}: {lease}")
        counter = await store.reserve(0, RESERVED) if number % 5 == 0 else -1
        _say(number, counter)


async def _claim(store: Store, _: int) -> None:
    for number in range(CLAIMS):
        claimed = await store.claim(key_of(number), LEASE, 0.0)
        _say(type(claimed).__name__, getattr(claimed, "fence", 0))


async def _reserve(store: Store, _: int) -> None:
    for _ in range(RESERVATIONS):
        _say(await store.reserve(0, RESERVED))


async def _hold(store: Store, _: int) -> None:
    """Claim a lease of 0.3 s and never settle it."""
    _say(await store.claim(key_of(0), 0.3, 0.0))
    sys.stdin.readline()


TASKS: dict[str, Callable[[Store, int], Awaitable[None]]] = {
    "write": _write,
    "claim": _claim,
    "reserve": _reserve,
    "hold": _hold,
}


def _say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def _work(task: str, where: str, argument: int) -> None:
    store = open_store(where, ESTATE)
    _say("ready")
    sys.stdin.readline()
    try:
        await TASKS[task](store, argument)
        await store.close()
    except StoreError as error:
        raise SystemExit(str(error)) from None


async def assert_every_call_fails(store: Store, saying: str) -> None:
    """Assert that every call raises a `StoreError` of one line that matches `saying`."""
    key, lease = key_of(0), Lease(key_of(0), 1)
    for call in (
        store.claim(key, LEASE, 0.0),
        store.renew(lease, LEASE),
        store.settle(lease, None),
        store.settled(HeldLease(key, 1), LEASE),
        store.put(key, entry_of(0)),
        store.get(key),
        store.covering(key, 0.0),
        store.reserve(0, 1),
        store.purge(),
        anext(aiter(store.entries())),
        store.size(),
    ):
        with pytest.raises(StoreError, match=saying) as raised:
            await call
        assert len(str(raised.value).splitlines()) == 1


@contextmanager
def workers(number: int, task: str, where: str, argument: int = 0) -> Iterator[list["Worker"]]:
    """Start `number` workers at once; kill those that still run at the end."""
    command = [sys.executable, "-m", "tests.support.stores", task, where, str(argument)]
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(number)
    ]
    started = [Worker(process) for process in processes]
    try:
        for worker in started:
            worker.wait_for("ready")
        for worker in started:
            worker.go()
        yield started
    finally:
        for process in processes:
            process.kill()
            process.communicate()


class Worker:
    """A worker process, seen from its parent."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def go(self) -> None:
        """Start its task."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def wait_for(self, said: str) -> None:
        """Read its next line, and assert that it is this one."""
        line = self.line()
        assert line == said

    def line(self) -> str:
        """Return its next line of output."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._complaint()
        return line.rstrip("\n")

    def lines(self) -> list[str]:
        """Wait for it to end, and return its remaining output."""
        said = self.said()
        assert self._process.wait() == 0, self._complaint()
        return said

    def kill(self) -> list[str]:
        """Kill it with SIGKILL, and return its remaining output."""
        self._process.kill()
        return self.said()

    def said(self) -> list[str]:
        """Return its output until it ends, with any exit code."""
        assert self._process.stdout is not None
        return self._process.stdout.read().splitlines()

    def _complaint(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.read()


def write_until(
    where: str, first: int, lines: int, kill: Callable[[Worker], list[str]]
) -> tuple[list[int], list[int]]:
    """Start a writing worker, call `kill` after `lines` lines of output.

    Returns the entries and the counters that were acknowledged.
    """
    with workers(1, "write", where, first) as (worker,):
        said = [worker.line() for _ in range(lines)]
        said += kill(worker)
    pairs = [tuple(map(int, line.split())) for line in said]
    return [number for number, _ in pairs], [counter for _, counter in pairs if counter >= 0]


async def check(store: Store, acknowledged: Iterable[int], counters: list[int]) -> int:
    """Check a store against acknowledged entries and counters, and return its number of entries.

    Every acknowledged entry must be there, every entry must be right, and no counter may repeat.
    """
    found = {key: entry async for key, entry in store.entries()}
    for key, entry in found.items():
        assert entry == entry_of(key.start), f"{key} is wrong"
    missing = [number for number in acknowledged if key_of(number) not in found]
    assert not missing, f"lost: {missing}"
    assert (await store.size()).unreadable == 0
    assert len(set(counters)) == len(counters)
    if counters:
        assert await store.reserve(0, RESERVED) >= max(counters) + RESERVED
    return len(found)


def kill_rounds(
    where: str,
    rounds: int,
    seed: int,
    kill: Callable[[Worker], list[str]] = Worker.kill,
    mend: Callable[[], None] = lambda: None,
) -> int:
    """Write and kill `rounds` times at random moments; return the number of acknowledged entries.

    `kill` ends the worker or the server that it depends on; `mend` makes the store usable again.
    """
    draw = Random(seed)
    acknowledged: list[int] = []
    counters: list[int] = []
    for _ in range(rounds):
        first = max(acknowledged, default=-1) + 2
        numbers, taken = write_until(where, first, draw.randrange(1, 200), kill)
        mend()
        acknowledged += numbers
        counters += taken
        asyncio.run(_checked(where, acknowledged, counters))
    return len(acknowledged)


async def _checked(where: str, acknowledged: list[int], counters: list[int]) -> None:
    store = open_store(where, ESTATE)
    await check(store, acknowledged, counters)
    await store.close()


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
