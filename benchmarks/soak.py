"""Memory of fleet, cache and load generator over ten minutes of load, through mosquitto.

Prints the resident memory of each process at the end, relative to that after half of the time.
Until then, bounded caches fill: the cache remembers the latest 50,000 transactions.
`ESME_SOAK_SECONDS` replaces the duration of 600 seconds.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
        processes = {
            "fleet": _start("fleet", *estate),
            "cache": _start("cache", *estate, *store),
        }
        try:
            for process in processes.values():
                if process.stdout is None or not process.stdout.readline():
                    raise SystemExit("soak: a part did not start")
            processes["load"] = _start("load", *estate, *load)
            samples = _watch(processes)
            said, _ = processes["load"].communicate()
            result = json.loads(said)
        finally:
            for process in processes.values():
                process.terminate()
                process.wait()
    print(f"{SECONDS} s of {RATE} requests a second for {METERS} meters through the cache")
    counts, latency = result["requests"], result["latency"]["all"]
    print(f"{'answered, of planned':44}{counts['answered']:,} of {counts['planned']:,}")
    shown = ", ".join(str(latency[name]) for name in ("p50", "p99", "p99_9"))
    print(f"{'latency p50, p99, p99.9':44}{shown} ms")
    for name in processes:
        sizes = [sample[name] for sample in samples if sample[name]]
        early, late, most = sizes[len(sizes) // 2], sizes[-1], max(sizes)
        text = f"{early / 1024:8.0f} MB {late / 1024:8.0f} MB {most / 1024:8.0f} MB"
        print(f"{name + ', after half, at the end, most':44}{text}{late / early:8.2f} times")


def _start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "esme_emulator", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def _watch(processes: dict[str, subprocess.Popen[str]]) -> list[dict[str, int]]:
    """Sample the resident memory of each process in KB, once a second until the load is over."""
    samples: list[dict[str, int]] = []
    while processes["load"].poll() is None:
        samples.append({name: _resident(process.pid) for name, process in processes.items()})
        time.sleep(1)
    return samples


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0
