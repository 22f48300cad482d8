"""Reads a second through DUIS, beside the same reads on MQTT, and the time of an acknowledgement.

Every request is signed before the measurement. The front door checks its signature and schema,
keeps it, acknowledges it with a signature of its own, reads the meter, signs the response and
delivers it. The reads on MQTT make the same commands of the same meters, through the same broker.
Acknowledgements are measured apart, at a rate that the front door can bear.

DCC's own schema is checked too if GBCS_DUIS names a folder with it.
"""

import asyncio
import os
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from time import perf_counter, time

from benchmarks.processes import running
from benchmarks.shares import Shares, microseconds, shares
from esme_emulator.estate.estate import Estate, derived_estate
from esme_emulator.gateway.documents import RequestId
from esme_emulator.gateway.drafts import draft_read
from esme_emulator.gateway.keys import derived_keys
from esme_emulator.gateway.signature import sign
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.topics import DIRECT
from gbcs.instants import DAY, EPOCH_UNIX
from gbcs.usecases.profile_read import Window
from tests.support.mosquitto import BINARY, MISSING, Mosquitto, free_port

METERS, READS, IN_FLIGHT = 200, 2000, 50
RATE, SECONDS = 100, 20
TIMEOUT = 60.0
_SEED = "1"


def main() -> None:
    if BINARY is None:
        print(f"reads through DUIS: skipped, {MISSING}")
        return
    estate = derived_estate(_SEED, METERS)
    window = _yesterday()
    schema = os.environ.get("GBCS_DUIS")
    print(f"direct reads of 24 h of 4.8.1 from {METERS} meters, {IN_FLIGHT} in flight")
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder)) as broker:
        of_meters = ("--meters", str(METERS), "--broker", broker.url)
        with running("esme_emulator", "fleet", "--json", *of_meters):
            rate, taken = asyncio.run(_on_mqtt(estate, window, broker.url))
            _show("MQTT (reference)", rate, taken)
            for title, options in (
                ("DUIS", ()),
                *(
                    [("DUIS, with DCC's schema too", ("--duis-schema", f"{schema}/xsd"))]
                    * bool(schema)
                ),
            ):
                with _front_door(Path(folder), of_meters, options) as (port, listening):
                    requests = _signed(estate, window, READS + METERS + RATE * SECONDS)
                    through, taken, times = asyncio.run(_through_duis(requests, port, listening))
                    _show(title, through, taken)
                    print(f"{'ratio':32}{through / rate:8.3f}")
                    middle, late = times[len(times) // 2], times[len(times) * 99 // 100]
                    print(
                        f"acknowledgement at {RATE} a second for {SECONDS} s: "
                        f"p50 {middle * 1e3:.1f} ms, p99 {late * 1e3:.1f} ms"
                    )


def _show(title: str, rate: float, taken: Shares) -> None:
    print(f"{title:32}{rate:8.0f} a second, {microseconds(taken.spent(rate))}")


def _yesterday() -> Window:
    end = int(time() - EPOCH_UNIX) // DAY * DAY
    return Window(end - DAY, end)


@contextmanager
def _front_door(
    folder: Path, of_meters: Sequence[str], options: Sequence[str]
) -> Iterator[tuple[int, int]]:
    """Run the front door; yield its port, and the one that it delivers responses to."""
    port, listening = free_port(), free_port()
    ours = ("--via", "direct", "--respond-after", "0s", "--outbox", str(folder / f"{port}.sqlite"))
    where = ("--duis", str(port), "--smki", "0", "--respond-to", f"http://127.0.0.1:{listening}/")
    with running("esme_emulator", "dsp", "--json", *of_meters, *ours, *where, *options):
        yield port, listening


def _signed(estate: Estate, window: Window, number: int) -> list[bytes]:
    """Return requests of the supplier, each with a counter of its own."""
    keys = derived_keys(estate.seed, estate.keystore)
    user = estate.parties(counter=1)[0].eui
    signer = next(each for each in keys.signers.values() if each.eui == user)
    first = int(time() * 1000)
    return [
        sign(
            draft_read(
                RequestId(user, estate.meters[place % METERS], first + place), "4.8.1", window
            ),
            signer,
        )
        for place in range(number)
    ]


async def _on_mqtt(estate: Estate, window: Window, url: str) -> tuple[float, Shares]:
    party = estate.parties(counter=1)[0]
    asks = [
        party.command(estate.meters[place % METERS], "4.8.1", window)
        for place in range(READS + METERS)
    ]
    requester = Requester(DIRECT, estate.keystore)
    async with requester.connected(url, {party.recipient}):

        async def work(mine: Sequence[int]) -> None:
            for place in mine:
                await requester.request(*asks[place], TIMEOUT)

        await _spread(work, range(METERS))
        start = perf_counter()
        with shares() as taken:
            await _spread(work, range(METERS, METERS + READS))
        return READS / (perf_counter() - start), taken


async def _spread(
    work: Callable[[Sequence[int]], Coroutine[None, None, None]], places: range
) -> None:
    async with asyncio.TaskGroup() as group:
        for first in range(IN_FLIGHT):
            group.create_task(work(places[first::IN_FLIGHT]))


class _User:
    """A user of DUIS: sends requests on one connection each, and receives responses."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.received = 0
        self._arrived = asyncio.Event()

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):  # the measurement is over
            while await _body(reader) is not None:
                self.received += 1
                self._arrived.set()
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async def wait_for(self, number: int) -> None:
        async with asyncio.timeout(TIMEOUT):
            while self.received < number:
                self._arrived.clear()
                await self._arrived.wait()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def send(request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a request, and wait for its acknowledgement. Raises `SystemExit` for anything else."""
    writer.write(
        b"POST /api/v1/serviceS HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/xml\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(request), request)
    )
    answer = await _body(reader)
    if answer is None or b">I99<" not in answer:
        raise SystemExit(f"not acknowledged: {answer!r:.300}")


async def _body(reader: asyncio.StreamReader) -> bytes | None:
    """Return the body of a request or an answer with a Content-Length; None at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = head.lower().split(b"\r\n")
    size = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    return await reader.readexactly(size)


async def _through_duis(
    requests: Sequence[bytes], port: int, listening: int
) -> tuple[float, Shares, list[float]]:
    """Return requests a second, what each process took, and the times of acknowledgements."""
    user = _User(port)
    async with await asyncio.start_server(user.receive, "127.0.0.1", listening):

        async def work(mine: Sequence[int]) -> None:
            async with user.connected() as (reader, writer):
                for place in mine:
                    await send(requests[place], reader, writer)

        await _spread(work, range(METERS))
        await user.wait_for(METERS)
        start = perf_counter()
        with shares() as taken:
            await _spread(work, range(METERS, METERS + READS))
            await user.wait_for(METERS + READS)
        rate = READS / (perf_counter() - start)
        times = await _acknowledged(requests[METERS + READS :], port)
        await user.wait_for(len(requests))
        return rate, taken, times


async def _acknowledged(requests: Sequence[bytes], port: int) -> list[float]:
    """Return the times from the planned time of each request to its acknowledgement, sorted."""
    times: list[float] = []
    # The connection that was idle longest is next: the server closes idle ones after a while.
    idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def one(request: bytes, due: float) -> None:
        connection = idle.popleft() if idle else await asyncio.open_connection("127.0.0.1", port)
        await send(request, *connection)
        times.append(perf_counter() - due)
        idle.append(connection)

    start = perf_counter()
    async with asyncio.TaskGroup() as group:
        for place, request in enumerate(requests):
            due = start + place / RATE
            await asyncio.sleep(max(due - perf_counter(), 0.0))
            group.create_task(one(request, due))
    for _, writer in idle:
        writer.close()
    return sorted(times)
