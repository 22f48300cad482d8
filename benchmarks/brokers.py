"""The embedded brokers: time to start and stop, and processor time of an exchange.

An exchange is that of `benchmarks.echo`: a command and a reply, each published, delivered and
acknowledged. Brokers run in a process of their own and take turns; the best round of each counts.
Reads processor time from /proc, so it needs Linux.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.processes import running
from benchmarks.reads import IN_FLIGHT, METERS, READS, bare_exchanges
from esme_emulator.transport.embedded import MQTT_3, MQTT_5, embedded_broker

BROKERS = {"amqtt": MQTT_3, "rumqttd": MQTT_5}
STARTS, ROUNDS = 15, 3


def main() -> None:
    starts = asyncio.run(_starts())
    costs = {name: min(costs) for name, costs in _costs().items()}
    print(f"embedded brokers, {READS} exchanges, {IN_FLIGHT} in flight, best of {ROUNDS} rounds")
    print(f"{'':12}{'first start':>14}{'start':>10}{'stop':>10}{'CPU an exchange':>18}")
    for name in BROKERS:
        first, *later = starts[name]
        start, stop = (median(times) * 1000 for times in zip(*later, strict=True))
        print(
            f"{name:12}{first[0] * 1000:11.0f} ms{start:7.0f} ms{stop:7.1f} ms"
            f"{costs[name] * 1e6:15.1f} µs"
        )


async def _starts() -> dict[str, list[tuple[float, float]]]:
    """Return times of start and stop in seconds; the first start imports the broker."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in BROKERS}
    for _ in range(STARTS):
        for name, mqtt in BROKERS.items():
            began = perf_counter()
            async with embedded_broker(mqtt=mqtt):
                started = perf_counter()
            times[name].append((started - began, perf_counter() - started))
    return times


def _costs() -> dict[str, list[float]]:
    """Return the processor time of an exchange in seconds, in each round."""
    costs: dict[str, list[float]] = {name: [] for name in BROKERS}
    for _ in range(ROUNDS):
        for name in BROKERS:
            with _host(name) as (url, pid), running("benchmarks.echo", url):
                before = _processor_time(pid)
                asyncio.run(bare_exchanges(url))
                costs[name].append((_processor_time(pid) - before) / (READS + METERS))
    return costs


@contextmanager
def _host(name: str) -> Iterator[tuple[str, int]]:
    """Run a broker in another process, and yield its URL and the process identifier."""
    command = [sys.executable, "-m", "benchmarks.brokers", name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip() if process.stdout else ""
        if not url:
            raise SystemExit(f"{name} did not start")
        yield url, process.pid
    finally:
        process.terminate()
        process.communicate()


def _processor_time(pid: int) -> float:
    """Return the processor time of a process and its children so far, in seconds."""
    total = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0]) / 1e9
        for child in (task / "children").read_text().split():
            total += _processor_time(int(child))
    return total


async def _serve(name: str) -> None:
    async with embedded_broker(mqtt=BROKERS[name]) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
