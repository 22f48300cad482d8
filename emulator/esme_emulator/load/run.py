"""Run a load in this process or in several, and check its limits every second.

Run several load generators, each in a process of its own with its share of the requests.

All generators start at the same instant, once each has reported that it is ready. Each sends its
counts every few tenths of a second, so a process that dies loses little.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from esme_emulator.estate.estate import EstateSource
from esme_emulator.load.generator import Endpoint, Generator, MonotonicClock, Take
from esme_emulator.load.in_flight import Batch
from esme_emulator.load.plan import DUIS, LoadError, Plan
from esme_emulator.load.result import LoadResult, make_result
from esme_emulator.load.tally import AbortRule, Live, Tally, first_exceeded, percentile
from esme_emulator.load.thresholds import LoadThreshold
from esme_emulator.messaging.topics import command_topic
from esme_emulator.runtime.processes import Ended, Pipe, Workers
from esme_emulator.transport import Broker, TransportError

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
    estate = job.source.estate()
    generator = Generator(job.plan, estate, job.worker, job.first_counter, job.url)

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
        await generator.run(begin, partial(_send, pipe))
    except TransportError as error:
        _send(pipe, Failed(str(error)))
    loop.remove_reader(pipe.fileno())


def _send(pipe: Pipe, message: Batch | Failed) -> None:
    with suppress(OSError):  # the parent process is gone
        pipe.send(message)


Watch = Callable[[Live], None]
"""Receives the figures of every second."""

GONE = 3
"""Seconds without a connection after which a load ends. Users would wait out a shorter outage, and
after a longer one the figures mean nothing."""


SILENCE = 3.0
"""Time without any reply after which the live figures say that nothing answers, in seconds. A load
ends then if nobody subscribes to its commands."""


class Outage:
    """Counts consecutive seconds without a connection."""

    def __init__(self, peer: str = "the broker") -> None:
        self._peer = peer
        self._seconds = 0

    def exceeded(self, is_up: bool, elapsed: float) -> str | None:
        """Count a second, `elapsed` after the start; return a message if the outage is too long."""
        self._seconds = 0 if is_up else self._seconds + 1
        if self._seconds < GONE:
            return None
        began = max(elapsed - self._seconds, 0.0)
        return (
            f"the connection to {self._peer} was lost {began:.0f} s after the start, "
            f"and not restored within {GONE} s"
        )


class Load:
    """One load on `target`.

    Several workers need the URL of a broker. `rules` are evaluated every second and at the end,
    over the last `window` seconds; `thresholds` judge the whole load. `shared` is whether meters
    or cache run in this process too.
    """

    def __init__(
        self,
        scenario: str,
        plan: Plan,
        source: EstateSource,
        target: Broker | Endpoint,
        *,
        rules: Sequence[AbortRule] = (),
        window: int = 5,
        shared: bool = False,
        thresholds: Sequence[LoadThreshold] = (),
    ) -> None:
        self._scenario = scenario
        self._plan = plan
        self._source = source
        self._target = target
        self._rules = rules
        self._shared = shared
        self._thresholds = thresholds
        self._ended: str | None = None
        self._running: Generator | LoadWorkers | None = None
        self.tally = Tally(window)

    def interrupt(self, why: str = "interrupted") -> None:
        """Break the load off; only the first reason counts."""
        self._ended = self._ended or why
        if self._running is not None:
            self._running.break_off()

    async def run(self, watch: Watch) -> LoadResult:
        """Run the load, call `watch` every second, and return the result.

        Raises `TransportError` if there is no broker, and `LoadError` if a party has no keys or
        workers have no URL.
        """
        started: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        async def begin() -> float:
            at = MonotonicClock().now()
            started.set_result(at)
            return at

        plan, first_counter = self._plan, time.time_ns() // 1000
        if plan.workers > 1:
            if not isinstance(self._target, str):
                raise LoadError(f"{plan.workers} workers need the URL of a broker")
            workers = LoadWorkers(plan, self._source, self._target, first_counter)
            self._running = workers
            running = workers.run(started, self.tally.add)
        else:
            estate = self._source.estate()
            generator = Generator(plan, estate, 0, first_counter, self._target)
            self._running = generator
            running = generator.run(begin, self.tally.add)
        if self._ended is not None:
            self._running.break_off()
        watching = asyncio.create_task(self._watch(started, watch))
        try:
            await running
        except WorkerLostError as error:
            self._ended = str(error)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        if self._ended is None:
            self._check_rest()
        if self._ended is None and not self.tally.is_up:
            self._ended = f"aborted: there was no connection to {self._peer} at the end"
        elapsed = MonotonicClock().now() - started.result() if started.done() else 0.0
        return make_result(
            self._scenario,
            self._plan,
            self.tally,
            ended=self._ended,
            elapsed=max(elapsed, 0.0),
            shared=self._shared,
            thresholds=self._thresholds,
        )

    @property
    def _peer(self) -> str:
        return str(self._target) if self._plan.via == DUIS else "the broker"

    def _unheard(self, elapsed: float) -> str | None:
        """Return a message if the broker says that every command so far reached nobody."""
        if elapsed < SILENCE or not self.tally.made or self.tally.unheard < self.tally.made:
            return None
        peer = "a cache" if self._plan.via == "cache" else "a fleet"
        topic = command_topic(self._plan.prefix, "+")
        return f"nobody subscribes to {topic}: is {peer} connected to this broker?"

    def _check_rest(self) -> None:
        """Evaluate the rules again, with the counts after the last whole second."""
        self.tally.close_second()
        said = first_exceeded(self._rules, self.tally.recent)
        if said is not None:
            self._ended = f"aborted: {said}"

    async def _watch(self, started: "asyncio.Future[float]", watch: Watch) -> None:
        start = await asyncio.shield(started)
        clock, outage = MonotonicClock(), Outage(self._peer)
        number = 0
        while True:
            number += 1
            await clock.sleep(max(start + number - clock.now(), 0))
            second, elapsed = self.tally.close_second(), clock.now() - start
            watch(live(self.tally, elapsed, self._plan.warm_up))
            said = outage.exceeded(second.is_up, elapsed) or self._unheard(elapsed)
            said = said or first_exceeded(self._rules, self.tally.recent)
            if said is not None:
                self.interrupt(f"aborted: {said}")


def live(tally: Tally, elapsed: float, warm_up: float) -> Live:
    """Return the figures of the last second in `tally`."""
    last = tally.recent[-1]
    p99 = percentile(last.latencies, 0.99)
    return Live(
        elapsed=elapsed,
        sent_rate=float(last.made),
        answered_rate=float(len(last.latencies)),
        in_flight=last.in_flight,
        p99=None if p99 is None else p99 * 1000,
        failed=tally.failed(),
        warming_up=elapsed < warm_up,
        silent=elapsed >= SILENCE and not tally.heard,
    )
