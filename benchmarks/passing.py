"""What direct reads cost processes that they are not for: idle caches, and workers of other shards.

The processor time of each process over the same direct reads through mosquitto, divided by their
number. A cache is idle: no request comes to it. Meters are divided over the workers of one fleet.
"""

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path
from time import time

from benchmarks.processes import running
from benchmarks.shares import shares
from esme_emulator.estate.estate import derived_estate
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.topics import DIRECT
from gbcs.instants import DAY, EPOCH_UNIX
from gbcs.usecases.profile_read import Window
from tests.support.mosquitto import BINARY, MISSING, Mosquitto

METERS, READS, IN_FLIGHT = 200, 4000, 100
TIMEOUT = 60.0
OPTIONS = "--seed", "1", "--meters", str(METERS), "--json", "--broker"


def main() -> None:
    if BINARY is None:
        print(f"passing reads: skipped, {MISSING}")
        return
    print(f"{READS} direct reads of 24 h of 4.8.1 of {METERS} meters: CPU a read, in microseconds")
    for caches in (0, 1, 3):
        _measure(f"{caches} idle caches", caches=caches)
    for workers in (2, 4):
        _measure(f"a fleet of {workers} workers", "--workers", str(workers))


def _measure(title: str, *options: str, caches: int = 0) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Mosquitto(Path(folder)) as broker,
        running("cli", "fleet", *OPTIONS, broker.url, *options),
        ExitStack() as stack,
    ):
        for _ in range(caches):
            cache = "cli", "cache", *OPTIONS, broker.url, "--store", "memory:"
            stack.enter_context(running(*cache))
        parts = asyncio.run(_read(broker.url))
    spent = ", ".join(f"{name} {seconds / READS * 1e6:.1f}" for name, seconds in parts.items())
    print(f"{title:24}{spent}", flush=True)


async def _read(url: str) -> dict[str, float]:
    """Read each meter in turn; return the processor time by name of the process, in seconds."""
    estate = derived_estate("1", METERS)
    end = int(time() - EPOCH_UNIX) // DAY * DAY
    [party, *_] = estate.parties(counter=int(time() * 1_000_000))
    requester = Requester(DIRECT, estate.keystore)
    asks = [
        party.command(estate.meters[number % METERS], "4.8.1", Window(end - DAY, end))
        for number in range(READS + METERS)
    ]
    remaining = iter(asks)

    async def work(number: int) -> None:
        for _, ask in zip(range(number), remaining, strict=False):
            await requester.request(*ask, TIMEOUT)

    async def phase(number: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(work(number // IN_FLIGHT))

    async with requester.connected(url, {party.recipient}):
        await phase(METERS)  # so that all keys are agreed
        with shares() as taken:
            await phase(READS)
    return taken.seconds
