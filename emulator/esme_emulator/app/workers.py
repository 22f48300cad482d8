"""Workers: run the shards of a fleet in several processes, and add up their counters.

Knows processes, signals and pipes; `app.services` knows what a worker runs. No worker outlives its
parent, however the parent ends.
"""

import asyncio
import multiprocessing
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from esme_emulator.app.services import FleetOptions, run_services, settle
from esme_emulator.estate.estate import Estate, sharded
from esme_emulator.fleet.counters import Counters
from esme_emulator.runtime.clock import parse_clock
from esme_emulator.runtime.errors import UserError
from esme_emulator.runtime.listening import LOCAL, Listen
from esme_emulator.runtime.processes import Ended, Pipe, Workers, interruptible

_STOPPING = 10.0
"""Timeout for all workers to end, in seconds."""

_LAST_PORT = 65535


class WorkerError(UserError):
    """A worker that ended by itself; the text is one line for the user.

    `counted` has the counters of the other workers.
    """

    def __init__(self, text: str, counted: Counters) -> None:
        super().__init__(text)
        self.counted = counted


@dataclass(frozen=True, slots=True)
class Job:
    """What one worker runs; sent from the parent to the worker."""

    make_estate: Callable[[], Estate]
    """Makes the estate of the whole fleet. Keys themselves are not sent between processes."""
    place: int
    number: int
    broker: str
    clock: str
    options: FleetOptions
    control: int | None
    listen: Listen


@dataclass(frozen=True, slots=True)
class Started:
    """Message of a worker: its services run; `control` is the URL of its control interface."""

    control: str | None


@dataclass(frozen=True, slots=True)
class Failed:
    """Last message of a worker that cannot go on; `text` says why.

    The last message of a worker that ends in order is its `Counters`.
    """

    text: str


def run_workers(
    make_estate: Callable[[], Estate],
    broker: str,
    clock: str,
    options: FleetOptions,
    number: int,
    control: int | None,
    on_started: Callable[[list[str | None]], None] = lambda _: None,
    listen: Listen = LOCAL,
) -> Counters:
    """Run the meters of an estate in `number` processes until interrupted; return their counters.

    Ends with SIGINT, SIGTERM or SIGHUP; call it in the main thread. Each process has a shard, or
    all meters if they share commands on the broker. `clock` is the text of a clock that shows the
    same time in all processes. The control interface of worker K has the port `control` + K, or a
    free one if `control` is 0. `on_started` gets their URLs once all workers run. Raises
    `WorkerError` if a worker ends by itself, and `ValueError` if there are too few meters or ports.
    """
    if not options.shared and number > (meters := len(make_estate().meters)):
        raise ValueError(f"{number} workers for {meters} meters: give at most {meters}")
    if control and control + number - 1 > _LAST_PORT:
        raise ValueError(f"{number} control interfaces from port {control} on: give a lower one")
    jobs = [
        Job(make_estate, place, number, broker, clock, options, control and control + place, listen)
        for place in range(number)
    ]
    with interruptible():
        return asyncio.run(_supervise(jobs, on_started))


async def _supervise(jobs: list[Job], on_started: Callable[[list[str | None]], None]) -> Counters:
    merged, failure = Counters(), ""
    async with Workers(_work, jobs) as workers:
        with suppress(asyncio.CancelledError):  # interrupted
            failure = await _failure(workers, len(jobs), merged, on_started)
        workers.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOPPING):
                async for _, message in workers.messages():
                    if isinstance(message, Counters):
                        merged.merge(message)
    if failure:
        raise WorkerError(failure, merged)
    return merged


async def _failure(
    workers: Workers,
    number: int,
    merged: Counters,
    on_started: Callable[[list[str | None]], None],
) -> str:
    """Wait until a worker fails or ends, and return a line about it."""
    controls: dict[int, str | None] = {}
    async for place, message in workers.messages():
        match message:
            case Started(control):
                controls[place] = control
                if len(controls) == number:
                    on_started([controls[each] for each in sorted(controls)])
            case Counters():  # somebody else terminated it
                merged.merge(message)
            case Failed(text):
                return f"worker {place}: {text}"
            case Ended():
                return f"worker {place} ended unexpectedly ({message}): the others are stopped"
    return ""


def _work(pipe: Pipe, job: Job) -> None:
    """Run one worker until it is terminated, and send its counters."""
    last: Counters | Failed
    try:
        last = asyncio.run(_serve(pipe, job))
    except Exception as error:  # the parent reports it in one line
        last = Failed(str(error) or repr(error))
    with suppress(OSError):  # the parent is gone
        pipe.send(last)


async def _serve(pipe: Pipe, job: Job) -> Counters:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    parent = multiprocessing.parent_process()
    if parent is not None:
        loop.add_reader(parent.sentinel, stopped.set)
    whole = job.make_estate()
    part = whole if job.options.shared else sharded(whole, job.place, job.number)
    clock = parse_clock(job.clock)
    services = run_services(
        job.broker, part, clock, job.options, None, job.control, whole, listen=job.listen
    )
    async with services as running:
        pipe.send(Started(running.control))
        settle()
        await stopped.wait()
        if parent is not None:
            loop.remove_reader(parent.sentinel)
        return running.fleet.counters if running.fleet else Counters()
