"""Several load generators at once, each in a process of its own, with its share of the requests.

Every process says when it is ready, all start at the same instant, and each sends what it counts
as it goes, so that a process that dies takes little with it.
"""

import asyncio
import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from esme_emulator.estate.estate import EstateSource
from esme_emulator.load.generator import Generator, MonotonicClock, Take
from esme_emulator.load.in_flight import Batch
from esme_emulator.load.plan import Plan
from esme_emulator.runtime.processes import no_interrupts
from esme_emulator.transport import TransportError

LEAD = 0.2
"""Seconds from when all are ready to the start."""
GRACE = 5.0
"""Seconds that workers have to end."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is told."""

    plan: Plan
    source: EstateSource
    url: str
    worker: int
    first_counter: int


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker could start."""


@dataclass(frozen=True, slots=True)
class Start:
    """Workers start at `at`, by the monotonic clock."""

    at: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Workers break off."""


@dataclass(frozen=True, slots=True)
class Done:
    """A worker is through; `failure` says why where it could not go on."""

    failure: str | None = None


class WorkerLostError(Exception):
    """A worker ended before its time; the text says which and how."""


class Workers:
    """Runs `plan.workers` processes."""

    def __init__(self, plan: Plan, source: EstateSource, url: str, first_counter: int) -> None:
        jobs = (Job(plan, source, url, number, first_counter) for number in range(plan.workers))
        self._changed = asyncio.Event()
        self._members = [_Member(job, self._changed) for job in jobs]
        self._stopping = False

    def break_off(self) -> None:
        """Let the workers send nothing more, and wait for nothing."""
        self._stopping = True
        self._changed.set()

    async def run(self, started: asyncio.Future[float], take: Take) -> None:
        """Run until all are through; `take` gets their batches, `started` when they started.

        Raises `TransportError` where a worker cannot use the broker, and `WorkerLostError` where
        one dies; the others are then broken off, and what they counted is taken first.
        """
        try:
            for member in self._members:
                member.start(take)
            await self._until(lambda: all(member.ready for member in self._members))
            at = MonotonicClock().now() + LEAD
            if not self._stopping and self._trouble() is None:
                started.set_result(at)
                self._tell(Start(at))
                await self._until(lambda: all(member.over for member in self._members))
            trouble = self._trouble()
            self._tell(Stop())
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    while not all(member.over for member in self._members):
                        self._changed.clear()
                        await self._changed.wait()
        finally:
            for member in self._members:
                member.end()
        if trouble is not None:
            raise trouble

    def _tell(self, message: "Start | Stop") -> None:
        for member in self._members:
            member.tell(message)

    def _trouble(self) -> Exception | None:
        return next((error for member in self._members if (error := member.trouble)), None)

    async def _until(self, met: Callable[[], bool]) -> None:
        """Wait until something is so, there is trouble, or all are to stop."""
        while not (met() or self._stopping or self._trouble()):
            self._changed.clear()
            await self._changed.wait()


class _Member:
    """One process and the pipe to it; `changed` is set when something about it is."""

    def __init__(self, job: Job, changed: asyncio.Event) -> None:
        self.ready = False
        self.over = False
        self.trouble: Exception | None = None
        self._changed = changed
        self._job = job
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def start(self, take: Take) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, self._job), daemon=True)
        with no_interrupts():
            self._process.start()
        theirs.close()
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._read, take)

    def tell(self, message: "Start | Stop") -> None:
        if self._pipe is not None and not self.over:
            with suppress(OSError):
                self._pipe.send(message)

    def end(self) -> None:
        """End the process, if it has not ended, and forget it."""
        if self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            self._pipe.close()
        if self._process is not None:
            self._process.join(GRACE if self.over else 0)
            self._process.kill()
            self._process.join()

    def _read(self, take: Take) -> None:
        pipe, process = self._pipe, self._process
        if pipe is None or process is None:
            return
        try:
            while not self.over and pipe.poll():
                match pipe.recv():
                    case Batch() as batch:
                        take(batch)
                    case Ready():
                        self.ready = True
                    case Done(failure):
                        self.over = True
                        self.trouble = None if failure is None else TransportError(failure)
        except (EOFError, OSError):
            process.join(GRACE)
            code = process.exitcode or 0
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self.trouble = WorkerLostError(f"worker {self._job.worker} died ({how})")
            self.over = True
        if self.over:
            asyncio.get_running_loop().remove_reader(pipe.fileno())
        self._changed.set()


def work(pipe: Connection, job: Job) -> None:
    """Do a worker's job; what the process of a worker runs."""
    asyncio.run(_work(pipe, job))


async def _work(pipe: Connection, job: Job) -> None:
    loop = asyncio.get_running_loop()
    start: asyncio.Future[float] = loop.create_future()
    generator = Generator(job.plan, job.source.estate(), job.worker, job.first_counter)

    def read() -> None:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            message = Stop()
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
    failure = None
    try:
        await generator.run(job.url, begin, pipe.send)
    except TransportError as error:
        failure = str(error)
    with suppress(OSError):
        pipe.send(Done(failure))
    loop.remove_reader(pipe.fileno())
