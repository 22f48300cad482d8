"""The load generator: its processor time per request, and the highest sustained rates.

`python -m benchmarks load`. The processor time is measured against an echo of every command, and
compared with a bare MQTT client that exchanges the same octets. A rate is sustained if at least
99 % of it is answered in time, the 99th percentile of latency, from planned times, is below a
second, and nothing fails. The highest rate is found by doubling and bisection.
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from time import process_time
from typing import NamedTuple

from benchmarks.client import counter_of, counter_place
from benchmarks.processes import running
from esme_emulator.estate.estate import DEFAULT_BASE, EstateSource
from esme_emulator.load.generator import CommandMaker, Slot
from esme_emulator.load.in_flight import PreparedRequest
from esme_emulator.load.plan import Arrivals, Plan
from esme_emulator.load.result import LoadResult
from esme_emulator.load.run import Load
from esme_emulator.messaging.topics import DIRECT, command_topic, device_of, response_topic
from esme_emulator.scenario.scenario import Mix
from esme_emulator.transport import connect
from tests.support.mosquitto import BINARY, MISSING, Mosquitto

SEED, METERS = "1", 1000
SOURCE = EstateSource(SEED, METERS, DEFAULT_BASE)
FEW = 100
"""Meters of the echo: few enough that the warm-up derives all keys."""
MIX = (
    Mix(3, "import-supplier", "4.8.1"),
    Mix(2, "import-supplier", "4.6.1"),
    Mix(2, "distributor", "4.8.1"),
    Mix(2, "other-user", "4.8.1"),
    Mix(1, "distributor", "4.8.3"),
)
"""The mix of the quickstart scenario."""
ECHO_RATES = (250.0, 500.0, 1000.0)
EXCHANGES, IN_FLIGHT = 5000, 100
FIRST_RATE, PRECISION = 100.0, 0.06
SECONDS, WARM_UP, TIMEOUT = 5.0, 2.0, 60.0


def main() -> None:
    if BINARY is None:
        print(f"load: skipped, {MISSING}")
        return
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder)) as broker:
        with running("benchmarks.load", broker.url):
            _cost(broker.url)
        estate = ("--meters", str(METERS), "--seed", SEED, "--json", "--broker", broker.url)
        with running("cli", "fleet", *estate):
            _search("direct", broker.url)
            store = ("--store", f"{folder}/store.sqlite")
            with running("cli", "cache", *estate[2:], *store):
                _search("cache", broker.url)


def _plan(rate: float, via: str, check: float = 1.0, meters: int = METERS) -> Plan:
    return Plan(
        Arrivals.CONSTANT,
        MIX,
        SEED,
        meters,
        via=via,
        rate=rate,
        seconds=SECONDS,
        warm_up=WARM_UP,
        timeout=TIMEOUT,
        check=check,
    )


def _load(url: str, plan: Plan) -> LoadResult:
    return asyncio.run(Load("benchmark", plan, SOURCE, url).run(lambda _: None))


def _cost(url: str) -> None:
    print(f"{'generator against an echo':34}{'CPU a request':>16}{'sent late p50, p99':>24}")
    for rate in ECHO_RATES:
        generator = _load(url, _plan(rate, "direct", 0.0, FEW)).generator
        late = generator.sent_late
        each = generator.cpu_microseconds_per_request
        print(f"{f'{rate:.0f} a second':34}{each:13.0f} µs{late.p50:15.2f}, {late.p99:.2f} ms")
    each = asyncio.run(_bare(url))
    print(f"{f'a bare client, {IN_FLIGHT} in flight':34}{each:13.0f} µs")


async def _bare(url: str) -> float:
    """Return the processor time of one bare exchange with the echo, in microseconds."""
    commands = CommandMaker(_plan(1.0, "direct"), SOURCE.estate(), 1)
    slots = (Slot(place, 0.0, 0, place % FEW) for place in range(EXCHANGES))
    requests = iter([commands.request(slot, 1.8e9) for slot in slots])
    waiting: dict[bytes, asyncio.Future[None]] = {}

    def receive(_: str, payload: bytes, __: Mapping[str, str]) -> None:
        waiting.pop(counter_of(payload)).set_result(None)

    [recipient] = {party.recipient for party in SOURCE.estate().parties(1)[:1]}
    replies = response_topic(DIRECT, "+", recipient)
    async with connect(url, client_id="bare", subscriptions={replies: receive}) as transport:

        async def exchange(request: PreparedRequest) -> None:
            future = asyncio.get_running_loop().create_future()
            waiting[counter_of(request.octets)] = future
            await transport.publish(request.topic, request.octets)
            await future

        async def work() -> None:
            for request in requests:
                await exchange(request)

        busy = process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(work())
        return (process_time() - busy) / EXCHANGES * 1e6


class _Step(NamedTuple):
    rate: float
    result: LoadResult

    @property
    def sustained(self) -> bool:
        result = self.result
        p99 = result.latency["all"].p99
        enough = result.achieved_rate >= 0.99 * self.rate
        return enough and p99 is not None and p99 < 1000 and not result.requests.failed


def _search(via: str, url: str) -> None:
    print(
        f"{f'via {via}, {METERS} meters':34}{'answered':>10}{'p50':>8}{'p99':>9}{'p99.9':>9}  hits"
    )

    def step(rate: float) -> _Step:
        taken = _Step(rate, _load(url, _plan(rate, via)))
        _say("sustained" if taken.sustained else "not sustained", taken)
        return taken

    best = _highest(step)
    print(
        f"via {via}: {best.rate:.0f} a second sustained" if best else f"via {via}: none sustained"
    )


def _highest(step: Callable[[float], _Step]) -> _Step | None:
    """Return the step of the highest sustained rate."""
    rate = FIRST_RATE
    best = None
    while (taken := step(rate)).sustained:
        best, rate = taken, 2 * rate
    low, high = (best.rate if best else 0.0), rate
    while best is not None and high - low > PRECISION * high:
        rate = round((low + high) / 2)
        taken = step(rate)
        if taken.sustained:
            best, low = taken, rate
        else:
            high = rate
    return best


def _say(verdict: str, step: _Step) -> None:
    result = step.result
    latency = result.latency["all"]
    times = "".join(f"{value or 0:9.1f}" for value in (latency.p50, latency.p99, latency.p99_9))
    hits = result.latency["hit"].count / max(result.requests.answered, 1)
    title = f"{step.rate:.0f} a second, {verdict}"
    print(f"{title:34}{result.achieved_rate:9.0f}{times} ms{hits:6.0%}", flush=True)


async def echo(url: str) -> None:
    """Send every command back to its originator."""

    def receive(topic: str, payload: bytes, _: Mapping[str, str]) -> None:
        place = counter_place(payload) + 9  # after the counter and the length of the EUI
        originator = payload[place : place + 8].hex().upper()
        replies = response_topic(DIRECT, str(device_of(topic)), originator)
        transport.post(replies, payload, lambda _: None)

    subscriptions = {command_topic(DIRECT, "+"): receive}
    async with connect(url, client_id="echo", subscriptions=subscriptions) as transport:
        print('{"ready": true}', flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(echo(sys.argv[1]))
