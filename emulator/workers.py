"""Workers: the shards of a fleet in processes of their own, and their counters put together."""

import asyncio
import logging
import multiprocessing
import signal
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, TypeAlias

from emulator.clock import parse_clock
from emulator.counters import Counters
from emulator.errors import UserError
from emulator.estate import Estate, sharded
from emulator.services import FleetOptions, run_services

Pipe: TypeAlias = "Connection[Any, Any]"
_log = logging.getLogger(__name__)

_STOPPING = 10.0
"""Seconds that a worker is given to end."""


class WorkerError(UserError):
    """A worker that ended before it was asked to; the text is one line for the user."""


def run_workers(
    estate: Estate,
    broker: str,
    clock: str,
    options: FleetOptions,
    number: int,
    control: int | None,
) -> Counters:
    """Run the meters of `estate` in `number` processes until interrupted; return what they counted.

    Each has a shard, or all meters where they share commands on the broker. `clock` is the text
    of a clock that shows the same in all of them. The control interface of worker K has the port
    `control` + K. Raises `WorkerError` where one ends by itself.
    """
    context = multiprocessing.get_context("spawn")
    workers, pipes = [], []
    for place in range(number):
        ours, theirs = context.Pipe(duplex=False)
        port = None if control is None else control + place if control else 0
        part = estate if options.shared else sharded(estate, place, number)
        worker = context.Process(
            target=_work, args=(theirs, estate, part, broker, clock, options, port), daemon=True
        )
        worker.start()
        theirs.close()
        workers.append(worker)
        pipes.append(ours)
    merged = Counters()
    failure = ""
    with suppress(KeyboardInterrupt):
        failure = _watch(pipes)
    for worker in workers:
        if worker.is_alive():
            worker.terminate()
    for pipe in pipes:
        with suppress(EOFError, OSError):
            while pipe.poll(_STOPPING):
                said, form = pipe.recv()
                if said == "counters":
                    merged.merge(Counters.from_json(form))
    for worker in workers:
        worker.join(_STOPPING)
    if failure:
        raise WorkerError(failure)
    return merged


def _watch(pipes: list[Pipe]) -> str:
    """Wait until a worker says why it cannot go on, or is gone, and return that."""
    while True:
        ready = wait(pipes)
        for place, pipe in enumerate(pipes):
            if pipe not in ready:
                continue
            try:
                said, what = pipe.recv()
            except EOFError:
                return f"worker {place} is gone: the others are stopped"
            if said == "failed":
                return f"worker {place}: {what}"
            _log.warning("worker %d: %s", place, what)


def _work(
    pipe: Pipe,
    whole: Estate,
    part: Estate,
    broker: str,
    clock: str,
    options: FleetOptions,
    control: int | None,
) -> None:
    """Run one worker until it is terminated, and tell what it counted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        counters = asyncio.run(_serve(pipe, whole, part, broker, clock, options, control))
    except Exception as error:  # whatever it is, the parent is to say it in one line
        pipe.send(("failed", str(error)))
    else:
        pipe.send(("counters", counters.to_json()))


async def _serve(
    pipe: Pipe,
    whole: Estate,
    part: Estate,
    broker: str,
    clock: str,
    options: FleetOptions,
    control: int | None,
) -> Counters:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    services = run_services(broker, part, parse_clock(clock), options, None, control, whole)
    async with services as running:
        where = f", control: {running.control}" if running.control else ""
        pipe.send(("started", f"{len(part.meters)} meters from {part.meters[0]} on{where}"))
        await stopped.wait()
        return running.fleet.counters if running.fleet else Counters()
