"""Run several load generators, each in a process of its own with its share of the requests.

All generators start at the same instant, once each has reported that it is ready. Each sends its
counts every few tenths of a second, so a process that dies loses little.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from esme_emulator.estate.estate import EstateSource
from esme_emulator.load.generator import Generator, MonotonicClock, Take
from esme_emulator.load.in_flight import Batch
from esme_emulator.load.plan import Plan
from esme_emulator.runtime.processes import Ended, Pipe, Workers
from esme_emulator.transport import TransportError

LEAD = 0.2
"""Time between the last report of readiness and the start, in seconds."""
GRACE = 5.0
"""Time for workers to stop before they are killed, in seconds."""


@dataclass(frozen=True, slots=True)
class Job:
    """The job of one worker."""

    plan: Plan
    source: EstateSource
    url: str
    worker: int
    first_counter: int


@dataclass(frozen=True, slots=True)
class Ready:
    """Message of a worker: it can start."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Message of a worker: it cannot use the broker; `text` says why."""

    text: str


@dataclass(frozen=True, slots=True)
class Start:
    """Message to workers: start at `at`, in seconds of the monotonic clock."""

    at: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Message to workers: send nothing more, and report at once."""


class WorkerLostError(Exception):
    """A worker died; the text says which and how."""


class LoadWorkers:
    """Runs `plan.workers` generators."""

    def __init__(self, plan: Plan, source: EstateSource, url: str, first_counter: int) -> None:
        jobs = (Job(plan, source, url, number, first_counter) for number in range(plan.workers))
        self._workers = Workers(work, jobs)
        self._waiting = set(range(plan.workers))
        self._deadline: asyncio.Timeout | None = None
        self._trouble: Exception | None = None
        self._stopping = False

    def break_off(self) -> None:
        """Stop all workers without waiting for replies; kill those that take too long."""
        self._stopping = True
        self._workers.send(Stop())
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time() + GRACE)

    async def run(self, started: asyncio.Future[float], take: Take) -> None:
        """Run all workers to their end; `take` gets their batches, `started` the time of the start.

        Raises `TransportError` if a worker cannot use the broker, and `WorkerLostError` if one
        dies. The others are stopped first, and their counts taken.
        """
        async with self._workers as workers:
            with suppress(TimeoutError):
                async with asyncio.timeout(None) as self._deadline:
                    if self._stopping:
                        self.break_off()
                    async for worker, message in workers.messages():
                        self._handle(worker, message, started, take)
        if self._trouble is not None:
            raise self._trouble

    def _handle(
        self, worker: int, message: object, started: asyncio.Future[float], take: Take
    ) -> None:
        match message:
            case Batch():
                take(message)
            case Ready():
                self._waiting.discard(worker)
                if not self._waiting and not self._stopping:
                    at = MonotonicClock().now() + LEAD
                    started.set_result(at)
                    self._workers.send(Start(at))
            case Failed(text):
                self._fail(TransportError(text))
            case Ended(code) if code:
                self._fail(WorkerLostError(f"worker {worker} died ({message})"))

    def _fail(self, error: Exception) -> None:
        if self._trouble is None:
            self._trouble = error
            self.break_off()


def work(pipe: Pipe, job: Job) -> None:
    """Run one generator in the process of a worker."""
    asyncio.run(_work(pipe, job))


async def _work(pipe: Pipe, job: Job) -> None:
    loop = asyncio.get_running_loop()
    start: asyncio.Future[float] = loop.create_future()
    generator = Generator(job.plan, job.source.estate(), job.worker, job.first_counter)

    def read() -> None:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            message = Stop()  # the parent is gone
            loop.remove_reader(pipe.fileno())
        if isinstance(message, Start) and not start.done():
            start.set_result(message.at)
        elif isinstance(message, Stop):
            generator.break_off()
            if not start.done():
                start.set_result(MonotonicClock().now())

    async def begin() -> float:
        pipe.send(Ready())
        at = await start
        await asyncio.sleep(max(at - MonotonicClock().now(), 0))
        return at

    loop.add_reader(pipe.fileno(), read)
    try:
        await generator.run(job.url, begin, partial(_send, pipe))
    except TransportError as error:
        _send(pipe, Failed(str(error)))
    loop.remove_reader(pipe.fileno())


def _send(pipe: Pipe, message: Batch | Failed) -> None:
    with suppress(OSError):  # the parent process is gone
        pipe.send(message)
