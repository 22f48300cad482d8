"""The engines of MQTT 5 (mqtt5) and of MQTT 3.1.1 (aiomqtt): the cost of an exchange, without GBCS.

A client and a bare echo on the same engine exchange a command and a reply through mosquitto, QoS 1.
The engines take turns, and the best round of each counts.
"""

import asyncio
import tempfile
from pathlib import Path

import pytest

from benchmarks.processes import running
from benchmarks.reads import IN_FLIGHT, READS, bare_exchanges
from benchmarks.shares import microseconds
from tests.emulator.transport.brokers import speak_only_3_1_1
from tests.support import mosquitto

ENGINES = {"mqtt5, MQTT 5": "5", "aiomqtt, MQTT 3.1.1": "3.1.1"}
ROUNDS = 3


def main() -> None:
    if mosquitto.BINARY is None:
        print(f"engines: skipped, {mosquitto.MISSING}")
        return
    print(f"engines: {READS} exchanges, {IN_FLIGHT} in flight, best of {ROUNDS} rounds in turn")
    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, mosquitto.Mosquitto(Path(folder)) as broker:
        for _ in range(ROUNDS):
            for engine, version in ENGINES.items():
                spent = _round(broker.url, version)
                if engine not in best or sum(spent.values()) < sum(best[engine].values()):
                    best[engine] = spent
    for engine, spent in best.items():
        print(f"{engine}: {microseconds(spent)}")
    slow, fast = (sum(best[engine].values()) for engine in reversed(ENGINES))
    print(f"    {slow / fast:.2f} times as much on aiomqtt")


def _round(url: str, version: str) -> dict[str, float]:
    """Return the processor time of an exchange in seconds, by process."""
    with pytest.MonkeyPatch.context() as monkeypatch, running("benchmarks.echo", url, version):
        if version == "3.1.1":
            speak_only_3_1_1(monkeypatch)
        rate, taken = asyncio.run(bare_exchanges(url))
    return taken.spent(rate)
