"""Direct reads a second: a process of meters and one of requesters, through mosquitto.

Every read is real: command and response have MACs, and the response is encrypted, decrypted and
verified. The reference exchanges the same octets without cryptography and codec, so the ratio is
the cost of GBCS on top of MQTT.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import perf_counter, time

from benchmarks.processes import running
from benchmarks.shares import Shares, microseconds, shares
from esme_emulator.estate.estate import Estate, derived_estate
from esme_emulator.estate.parties import RemoteParty
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.topics import DIRECT, command_topic, response_topic
from esme_emulator.transport import connect
from gbcs import Command
from gbcs.instants import DAY, EPOCH_UNIX
from gbcs.usecases.profile_read import Window
from tests.support.mosquitto import BINARY, MISSING, Mosquitto

METERS, READS, IN_FLIGHT = 1000, 10_000, 200
TIMEOUT = 60.0


def main() -> None:
    if BINARY is None:
        print(f"reads a second: skipped, {MISSING}")
        return
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder)) as broker:
        with running("benchmarks.echo", broker.url):
            bare, bare_taken = asyncio.run(bare_exchanges(broker.url))
        of_meters = ("--meters", str(METERS), "--broker", broker.url)
        fleet = ("esme_emulator", "fleet", "--json", *of_meters)
        with running(*fleet):
            real, taken = asyncio.run(_reads(broker.url))
    print(f"direct reads of 24 h of 4.8.1 through mosquitto, {IN_FLIGHT} in flight")
    for title, rate, shares_of in (
        ("with full GBCS at both ends", real, taken),
        ("the same octets, no codec (reference)", bare, bare_taken),
    ):
        print(f"{title:44}{rate:8.0f} a second, {microseconds(shares_of.spent(rate))}")
    print(f"{'ratio':44}{real / bare:8.2f}")


def _asks(estate: Estate, party: RemoteParty) -> list[tuple[Command, bytes]]:
    end = int(time() - EPOCH_UNIX) // DAY * DAY
    return [
        party.command(estate.meters[number % METERS], "4.8.1", Window(end - DAY, end))
        for number in range(READS + METERS)
    ]


async def _reads(url: str) -> tuple[float, Shares]:
    """Return reads a second, and what each process took."""
    estate = derived_estate("1", METERS)
    party = estate.parties(counter=1)[0]
    asks = _asks(estate, party)
    requester = Requester(DIRECT, estate.keystore)
    async with requester.connected(url, {party.recipient}):
        return await _timed(
            [lambda ask=ask: requester.request(*ask, TIMEOUT) for ask in asks]  # type: ignore[misc]
        )


async def bare_exchanges(url: str) -> tuple[float, Shares]:
    """Return exchanges with `benchmarks.echo` a second, and what each process took.

    There are `METERS` exchanges as a warm-up, and `READS` that are timed.
    """
    estate = derived_estate("1", METERS)
    octets = [octets for _, octets in _asks(estate, estate.parties(counter=1)[0])]
    waiting: dict[bytes, asyncio.Future[None]] = {}

    def receive(_: str, payload: bytes, __: Mapping[str, str]) -> None:
        waiting.pop(payload[18:26]).set_result(None)  # the originator counter

    replies = response_topic(DIRECT, "+", "bare")
    async with connect(url, client_id="bare", subscriptions={replies: receive}) as transport:

        async def request(command: bytes, device: str) -> None:
            future = asyncio.get_running_loop().create_future()
            waiting[command[18:26]] = future
            transport.post(command_topic(DIRECT, device), command, lambda _: None)
            await future

        return await _timed(
            [
                lambda command=command, number=number: request(  # type: ignore[misc]
                    command, str(estate.meters[number % METERS])
                )
                for number, command in enumerate(octets)
            ]
        )


async def _timed(requests: list[Callable[[], Awaitable[object]]]) -> tuple[float, Shares]:
    """Make the requests, `IN_FLIGHT` at a time; the first `METERS` are a warm-up."""
    remaining = iter(requests)

    async def work(number: int) -> None:
        for _, request in zip(range(number), remaining, strict=False):
            await request()

    async def phase(number: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(work(number // IN_FLIGHT))

    await phase(METERS)
    start = perf_counter()
    with shares() as taken:
        await phase(READS)
    return READS / (perf_counter() - start), taken
