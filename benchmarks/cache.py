"""The cache compared with a bare echo and with meters without latency, through mosquitto.

All processes, the client included, share the same cores, so each line gives the fraction of a core
that each process used. If client or broker use a whole core, they limit the rate as much as the
cache does. Commands are made in advance, and the client verifies no reply, but counts hits. Latency
runs from the planned time of each request; timers add up to a millisecond to it.
"""

import asyncio
import tempfile
from array import array
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path
from time import time

from benchmarks.client import Ask, connected
from benchmarks.processes import running
from benchmarks.shares import Shares, microseconds, shares
from benchmarks.waiters import SRV, wait_for_one
from esme_emulator.estate.estate import derived_estate
from esme_emulator.estate.parties import SUPPLIER
from esme_emulator.load.in_flight import Origin, origin_of
from esme_emulator.load.tally import percentile
from esme_emulator.messaging.topics import CACHED, DIRECT, command_topic
from gbcs.instants import DAY, EPOCH_UNIX
from gbcs.usecases.profile_read import Window
from tests.support import mosquitto, valkey

SEED, METERS = "1", 100
RATE, SECONDS = 1000, 4
REQUESTS, IN_FLIGHT = 4000, 100
WAITERS = 5000
ESTATE = derived_estate(SEED, METERS)
OPTIONS = "--seed", SEED, "--meters", str(METERS), "--json", "--broker"


def main() -> None:
    if mosquitto.BINARY is None:
        print(f"cache: skipped, {mosquitto.MISSING}")
        return
    print(f"cache: 24 h of 4.8.1 of {METERS} meters through mosquitto, QoS 1")
    with tempfile.TemporaryDirectory() as folder, mosquitto.Mosquitto(Path(folder)) as broker:
        _measure(broker.url, Path(folder))


def _measure(url: str, folder: Path) -> None:
    party = str(SUPPLIER)
    with running("benchmarks.echo", url):
        p50, p99 = _latency("bare echo (reference)", url, DIRECT, "bare")
        echo = _rate("bare echo (reference)", url, DIRECT, "bare")
    with ExitStack() as stack:
        stack.enter_context(running("cli", "fleet", *OPTIONS, url))
        direct = _rate("direct reads, no latency (reference)", url, DIRECT, party, echo=echo)
        stores = {"SQLite": f"{folder}/store.sqlite"}
        if valkey.BINARY is None:
            print(f"Valkey: skipped, {valkey.MISSING}")
        else:
            stores["Valkey"] = stack.enter_context(valkey.ValkeyServer(folder, valkey.BEHIND)).url
        for name, store in stores.items():
            cache = "cli", "cache", *OPTIONS, url, "--shared", "--store", store
            with running(*cache):
                its50, its99 = _latency(f"hits, {name}", url, CACHED, party)
                print(f"    {its50 / p50:.2f} and {its99 / p99:.2f} times the echo's")
                one = _rate(f"hits, {name}, 1 cache", url, CACHED, party, echo=echo, direct=direct)
                with running(*cache):
                    title = f"hits, {name}, 2 caches"
                    _rate(title, url, CACHED, party, echo=echo, direct=direct, one=one)
    with running("cli", "cache", *OPTIONS, url, "--store", "memory:"):
        _waiters(url)


def _latency(title: str, url: str, prefix: str, recipient: str) -> tuple[float, float]:
    """Measure latency at `RATE`; print and return p50 and p99 in seconds."""
    latencies, taken = asyncio.run(_at_rate(url, prefix, recipient))
    p50, p99 = (percentile(latencies, part) or 0.0 for part in (0.5, 0.99))
    print(f"{title}, {RATE} a second: p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms", end="")
    print(f"  ({taken})", flush=True)
    return p50, p99


def _rate(title: str, url: str, prefix: str, recipient: str, **references: float) -> float:
    """Measure replies a second with `IN_FLIGHT`; print them, also relative to `references`."""
    rate, taken = asyncio.run(_at_once(url, prefix, recipient))
    relative = "".join(f", {rate / other:.2f} times {name}" for name, other in references.items())
    print(f"{title}, {IN_FLIGHT} in flight: {rate:.0f} a second{relative}  ({taken})")
    print(f"    {microseconds(taken.spent(rate))}", flush=True)
    return rate


async def _at_rate(url: str, prefix: str, recipient: str) -> tuple["array[float]", Shares]:
    async with connected(url, prefix, recipient) as client:
        await client.at_once(_asks(prefix, METERS), IN_FLIGHT)
        await client.at_rate(_asks(prefix, RATE), RATE)
        asks = _asks(prefix, SECONDS * RATE)
        client.replies.clear()
        with shares() as taken:
            latencies = await client.at_rate(asks, RATE)
        _check(prefix, client.replies)
    return latencies, taken


async def _at_once(url: str, prefix: str, recipient: str) -> tuple[float, Shares]:
    async with connected(url, prefix, recipient) as client:
        await client.at_once(_asks(prefix, 5 * METERS), IN_FLIGHT)
        asks = _asks(prefix, REQUESTS)
        client.replies.clear()
        with shares() as taken:
            rate = await client.at_once(asks, IN_FLIGHT)
        _check(prefix, client.replies)
    return rate, taken


def _asks(prefix: str, number: int) -> list[Ask]:
    """Return `number` commands of the supplier for yesterday, to each meter in turn."""
    counter = int(time() * 1_000_000)
    [party] = [each for each in ESTATE.parties(counter) if each.eui == SUPPLIER]
    return [
        (command_topic(prefix, device), party.command(device, SRV, _yesterday())[1])
        for device in islice(cycle(ESTATE.meters), number)
    ]


def _yesterday() -> Window:
    today = int(time() - EPOCH_UNIX) // DAY * DAY
    return Window(today - DAY, today)


def _check(prefix: str, replies: list[tuple[bytes, str | None]]) -> None:
    misses = sum(origin_of(status) is not Origin.HIT for _, status in replies)
    if prefix == CACHED and misses:
        raise SystemExit(f"cache: {misses} of {len(replies)} replies were not hits")


def _waiters(url: str) -> None:
    waited = asyncio.run(wait_for_one(url, ESTATE, ESTATE.meters[-1], _yesterday(), WAITERS))
    print(f"{WAITERS} waiters on one key: {waited.commands} command to the meter,", end=" ")
    print(f"{waited.replies} answered within {waited.seconds:.2f} s of its reply", end=", ")
    print(f"{waited.replies / waited.seconds:.0f} a second  ({waited.shares})")
    if (waited.commands, waited.replies) != (1, WAITERS):
        raise SystemExit("cache: the meter got several commands, or a requester got no readings")
