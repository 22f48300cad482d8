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
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeAlias

from esme_emulator.app.services import FleetOptions, run_services, settle
from esme_emulator.estate.estate import Estate, sharded
from esme_emulator.fleet.counters import Counters
from esme_emulator.runtime.clock import parse_clock
from esme_emulator.runtime.errors import UserError
from esme_emulator.runtime.processes import interruptible, no_interrupts

Pipe: TypeAlias = "Connection[Any, Any]"

_STOPPING = 10.0
"""Timeout for a worker to end, in seconds."""

_LAST_PORT = 65535

_STARTED, _COUNTED, _FAILED = "started", "counted", "failed"
"""Messages of a worker: the URL of its control interface, its counters, or why it failed."""


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


def run_workers(
    make_estate: Callable[[], Estate],
    broker: str,
    clock: str,
    options: FleetOptions,
    number: int,
    control: int | None,
    on_started: Callable[[list[str | None]], None] = lambda _: None,
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
    # It unblocks signals when it starts, so it must start before the workers do.
    resource_tracker.ensure_running()
    workers: list[BaseProcess] = []
    pipes: list[Pipe] = []
    failure = ""
    with interruptible(), suppress(KeyboardInterrupt):
        for place in range(number):
            port = None if control is None else control + place if control else 0
            job = Job(make_estate, place, number, broker, clock, options, port)
            _start(job, workers, pipes)
        failure = _watch(pipes, on_started)
    merged = _stop(workers, pipes)
    if failure:
        raise WorkerError(failure, merged)
    return merged


def _start(job: Job, workers: list[BaseProcess], pipes: list[Pipe]) -> None:
    context = multiprocessing.get_context("spawn")
    with no_interrupts():
        ours, theirs = context.Pipe(duplex=False)
        worker = context.Process(target=_work, args=(theirs, job), daemon=True)
        worker.start()
        theirs.close()
        workers.append(worker)
        pipes.append(ours)


def _watch(pipes: list[Pipe], on_started: Callable[[list[str | None]], None]) -> str:
    """Wait until a worker fails or disappears, and return a line about it."""
    controls: dict[int, str | None] = {}
    while True:
        ready = wait(pipes)
        for place, pipe in enumerate(pipes):
            if pipe not in ready:
                continue
            try:
                said, what = pipe.recv()
            except (EOFError, OSError):
                return f"worker {place} ended unexpectedly: the others are stopped"
            if said == _FAILED:
                return f"worker {place}: {what}"
            controls[place] = what
            if len(controls) == len(pipes):
                on_started([controls[place] for place in sorted(controls)])


def _stop(workers: list[BaseProcess], pipes: list[Pipe]) -> Counters:
    """End all workers. Return the counters of those that end in order."""
    for worker in workers:
        worker.terminate()
    merged = Counters()
    for pipe in pipes:
        with suppress(EOFError, OSError):
            while pipe.poll(_STOPPING):
                said, form = pipe.recv()
                if said == _COUNTED:
                    merged.merge(Counters.from_json(form))
    for worker in workers:
        worker.join(_STOPPING)
        if worker.is_alive():
            worker.kill()
    return merged


def _work(pipe: Pipe, job: Job) -> None:
    """Run one worker until it is terminated, and send its counters."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    said: tuple[str, object]
    try:
        said = _COUNTED, asyncio.run(_serve(pipe, job)).to_json()
    except Exception as error:  # the parent reports it in one line
        said = _FAILED, str(error) or repr(error)
    with suppress(OSError):  # the parent is gone
        pipe.send(said)


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
    services = run_services(job.broker, part, clock, job.options, None, job.control, whole)
    async with services as running:
        pipe.send((_STARTED, running.control))
        settle()
        await stopped.wait()
        if parent is not None:
            loop.remove_reader(parent.sentinel)
        return running.fleet.counters if running.fleet else Counters()
