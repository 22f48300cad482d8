"""The cost of a fleet: to start, per hosted meter, and per meter that received a command.

Each figure comes from a new process. Memory is resident memory, read from /proc. A million meters
are read with the fleet's own code, but with constants instead of decoding and answering: the
cryptography of a million first contacts takes minutes, and leaves only bounded caches behind. Real
commands and answers are measured with 20,000 meters, for memory and time.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from time import perf_counter
from typing import Any
from unittest.mock import patch

from benchmarks.shares import resident
from gbcs import EUI

REAL, TOUCHED, REPEATED = 20_000, 1_000_000, 1_000
STARTS = 1, 10_000, 30_000_000
MB = 1_000_000


def main() -> None:
    for meters in STARTS:
        began = time.time()
        got = in_process("benchmarks.fleet", "start", str(meters))
        seconds, size = got["ready"] - began, got["rss"] / MB
        print(f"{f'start of {meters:,} meters, first reply':52}{seconds:8.2f} s {size:8.0f} MB")
    got = in_process("benchmarks.fleet", "real")
    print(f"{'first contact with a meter':52}{got['first']:8.0f} µs")
    print(f"{'a repeated one':52}{got['repeated']:8.0f} µs")
    grown = got["grown"] / MB
    print(f"{f'{REAL:,} meters asked, real commands':52}{grown:19.0f} MB more")
    for kind, text in (
        ("lean", "one SRV, no latency"),
        ("full", "two SRVs, latency, strict, own counters"),
    ):
        got = in_process("benchmarks.fleet", "touch", kind)
        grown = got["grown"] / MB
        print(f"{f'{TOUCHED:,} asked, no codec: {text}':66}{grown:5.0f} MB more")


def in_process(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module in a new process, and return the figures that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return dict(json.loads(done.stdout))


def start(meters: str) -> dict[str, Any]:
    """Serve this many meters, and read the last of them."""
    from esme_emulator.estate.estate import derived_estate
    from esme_emulator.fleet.fleet import Fleet
    from esme_emulator.fleet.service import serve_fleet
    from esme_emulator.messaging.client import Requester
    from esme_emulator.messaging.topics import DIRECT
    from esme_emulator.profiles.latency import NONE
    from esme_emulator.runtime.clock import SystemClock
    from esme_emulator.transport import MemoryBroker
    from gbcs.instants import DAY, EPOCH_UNIX
    from gbcs.usecases.profile_read import Window

    async def read() -> None:
        estate = derived_estate("1", int(meters))
        party = estate.parties(counter=1)[0]
        broker, clock = MemoryBroker(), SystemClock()
        fleet = Fleet(estate.meters, estate.keystore, estate.seed, NONE)
        requester = Requester(DIRECT, estate.keystore)
        end = (int(clock.now()) - EPOCH_UNIX) // DAY * DAY
        asked = party.command(estate.meters[-1], "4.8.1", Window(end - DAY, end))
        async with (
            serve_fleet(broker, fleet, clock),
            requester.connected(broker, {party.recipient}),
        ):
            await requester.request(*asked, 10.0)

    asyncio.run(read())
    return {"ready": time.time(), "rss": resident()}


def real() -> dict[str, Any]:
    """Send a real command to many meters once, and to some of them again."""
    from esme_emulator.estate.estate import derived_estate
    from esme_emulator.fleet.fleet import Fleet
    from esme_emulator.profiles.latency import NONE
    from gbcs.instants import DAY, EPOCH_UNIX
    from gbcs.usecases.profile_read import Window

    asking, answering = (derived_estate("1", 30_000_000) for _ in range(2))
    party = asking.parties(counter=1)[0]
    now = float(int(time.time()) // DAY * DAY)
    window = Window(int(now) - EPOCH_UNIX - DAY, int(now) - EPOCH_UNIX)
    meters = list(islice(asking.meters, REAL))
    commands = [(meter, party.command(meter, "4.8.1", window)[1]) for meter in meters]
    fleet = Fleet(answering.meters, answering.keystore, answering.seed, NONE)
    before = resident()
    first = each(commands, lambda ask: answered(fleet.receive(*ask, now).reply))
    grown = resident() - before
    again = commands[-REPEATED:]
    repeated = each(again, lambda ask: answered(fleet.receive(*ask, now).reply))
    return {"first": first, "repeated": repeated, "grown": grown}


def each(commands: list[tuple[EUI, bytes]], act: Callable[[tuple[EUI, bytes]], None]) -> float:
    """Return the microseconds per command."""
    start = perf_counter()
    for command in commands:
        act(command)
    return (perf_counter() - start) / len(commands) * 1e6


def answered(reply: bytes | None) -> None:
    if reply is None:
        raise SystemExit("a meter did not answer")


def touch(kind: str) -> dict[str, Any]:
    """Send commands to many meters, without codec and cryptography."""
    from esme_emulator.device.meter import Answer, Outcome
    from esme_emulator.estate.estate import derived_estate
    from esme_emulator.fleet.counters import Stage
    from esme_emulator.fleet.fleet import Fleet
    from esme_emulator.fleet.queueing import Outbox
    from esme_emulator.messaging.validation import Accepted
    from esme_emulator.profiles.latency import NONE, Fixed
    from gbcs.usecases.profile_read import Window

    estate = derived_estate("1", 30_000_000)
    party = estate.parties(counter=1)[0]
    asked, octets = party.command(estate.meters[0], "4.8.1", Window(0, 86_400))
    said = Answer(Outcome.ANSWERED, bytes(600))

    def answer(*arguments: Any) -> Answer:
        own: Callable[[], int] = arguments[4]
        if kind != "lean":
            own()
        return said

    srvs = ("4.8.1",) if kind == "lean" else ("4.8.1", "4.6.1")
    taken: Iterator[Accepted] = iter(())
    module = "esme_emulator.fleet.fleet"
    patch.multiple(module, accept=lambda *_: next(taken), answer=answer).start()
    fleet = Fleet(
        estate.meters,
        estate.keystore,
        estate.seed,
        NONE if kind == "lean" else Fixed(1.0),
        strict=kind != "lean",
    )
    outbox = Outbox()
    before = resident()
    counter = 0
    for number in range(TOUCHED):
        meter = estate.meters[number * 29]
        for srv in srvs:
            counter += 1
            object.__setattr__(asked, "originator_counter", counter)  # faster than a copy
            taken = iter((Accepted(asked, srv),))
            outbox.put(fleet.receive(meter, octets, number * 0.001).replies)
        for reply in outbox.take(number * 0.001):
            fleet.counters.count(Stage.REPLIED, reply.device, reply.srv, reply.outcome)
    for reply in outbox.take(1e12):
        fleet.counters.count(Stage.REPLIED, reply.device, reply.srv, reply.outcome)
    totals = {fleet.counters.total(stage) for stage in (Stage.RECEIVED, Stage.REPLIED)}
    if totals != {TOUCHED * len(srvs)}:
        raise SystemExit(f"counted {totals}")
    return {"grown": resident() - before}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
