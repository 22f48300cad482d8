"""The engines of MQTT 5 (mqtt5) and of MQTT 3.1.1 (aiomqtt): the cost of an exchange, without GBCS.

A client and a bare echo on the same engine exchange 64 and 560 octets through mosquitto, QoS 1. The
engines take turns, and the best round of each counts.
"""

import asyncio
import tempfile
from itertools import count
from pathlib import Path

import pytest

from benchmarks.client import Ask, connected
from benchmarks.processes import running
from benchmarks.shares import Shares, shares
from esme_emulator.messaging.topics import DIRECT, command_topic
from tests.emulator.transport.brokers import speak_only_3_1_1
from tests.support import mosquitto

ENGINES = {"mqtt5, MQTT 5": "5", "aiomqtt, MQTT 3.1.1": "3.1.1"}
EXCHANGES, IN_FLIGHT, ROUNDS = 10_000, 200, 3
_counters = count(1)


def main() -> None:
    if mosquitto.BINARY is None:
        print(f"engines: skipped, {mosquitto.MISSING}")
        return
    print(f"engines: {EXCHANGES} exchanges, {IN_FLIGHT} in flight, best of {ROUNDS} rounds in turn")
    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, mosquitto.Mosquitto(Path(folder)) as broker:
        for _ in range(ROUNDS):
            for engine, version in ENGINES.items():
                spent = _round(broker.url, version)
                if engine not in best or sum(spent.values()) < sum(best[engine].values()):
                    best[engine] = spent
    for engine, spent in best.items():
        parts = ", ".join(f"{name} {each * 1e6:.0f} µs" for name, each in spent.items())
        print(f"{engine}: {sum(spent.values()) * 1e6:.0f} µs of processor time  ({parts})")
    slow, fast = (sum(best[engine].values()) for engine in reversed(ENGINES))
    print(f"    {slow / fast:.2f} times as much on aiomqtt")


def _round(url: str, version: str) -> dict[str, float]:
    """Return the processor time of an exchange in seconds, by process."""
    with pytest.MonkeyPatch.context() as monkeypatch, running("benchmarks.echo", url, version):
        if version == "3.1.1":
            speak_only_3_1_1(monkeypatch)
        rate, taken = asyncio.run(_exchange(url))
    return {name: part / rate for name, part in taken.parts.items()}


async def _exchange(url: str) -> tuple[float, Shares]:
    async with connected(url, DIRECT, "bare") as client:
        await client.at_once(_asks(IN_FLIGHT), IN_FLIGHT)
        asks = _asks(EXCHANGES)
        with shares() as taken:
            rate = await client.at_once(asks, IN_FLIGHT)
    return rate, taken


def _asks(number: int) -> list[Ask]:
    """Return octets that have a counter where a command has its originator counter."""
    topic = command_topic(DIRECT, "00DBE50000000000")
    return [
        (topic, bytes(16) + next(_counters).to_bytes(8, "big") + bytes(40)) for _ in range(number)
    ]
