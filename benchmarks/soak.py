"""Memory of fleet, cache and load generator over ten minutes of load, through mosquitto.

Prints the resident memory of each process at the end, relative to that after half of the time.
Until then, bounded caches fill: the cache remembers the latest 50,000 transactions.
`ESME_SOAK_SECONDS` replaces the duration of 600 seconds.
"""

import json
import os
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.processes import started
from benchmarks.shares import resident
from tests.support.mosquitto import BINARY, MISSING, Mosquitto

SECONDS = int(os.environ.get("ESME_SOAK_SECONDS", "600"))
RATE, METERS = 200, 1000


def main() -> None:
    if BINARY is None:
        print(f"soak: skipped, {MISSING}")
        return
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder)) as broker:
        estate = ("--meters", str(METERS), "--broker", broker.url, "--json")
        store = ("--store", f"{folder}/readings.sqlite")
        load = ("--rate", str(RATE), "--seconds", str(SECONDS), "--report", f"{folder}/load")
        with ExitStack() as stack:
            processes = {}
            for name, *options in (("fleet", *estate), ("cache", *estate, *store)):
                process = stack.enter_context(started("esme_emulator", name, *options))
                if process.stdout is None or not process.stdout.readline():
                    raise SystemExit(f"soak: the {name} did not start")
                processes[name] = process
            processes["load"] = stack.enter_context(
                started("esme_emulator", "load", *estate, *load, stderr=subprocess.DEVNULL)
            )
            samples = _watch(processes)
            said, _ = processes["load"].communicate()
            result = json.loads(said)
    print(f"{SECONDS} s of {RATE} requests a second for {METERS} meters through the cache")
    counts, latency = result["requests"], result["latency"]["all"]
    print(f"{'answered, of planned':44}{counts['answered']:,} of {counts['planned']:,}")
    shown = ", ".join(str(latency[name]) for name in ("p50", "p99", "p99_9"))
    print(f"{'latency p50, p99, p99.9':44}{shown} ms")
    for name in processes:
        sizes = [sample[name] for sample in samples if sample[name]]
        early, late, most = sizes[len(sizes) // 2], sizes[-1], max(sizes)
        text = f"{early:8.0f} MB {late:8.0f} MB {most:8.0f} MB"
        print(f"{name + ', after half, at the end, most':44}{text}{late / early:8.2f} times")


def _watch(processes: dict[str, subprocess.Popen[str]]) -> list[dict[str, float]]:
    """Sample the resident memory of each process in MB, once a second until the load is over."""
    samples: list[dict[str, float]] = []
    while processes["load"].poll() is None:
        samples.append({name: resident(process.pid) / 2**20 for name, process in processes.items()})
        time.sleep(1)
    return samples
