"""Run a proof: a scenario directly, then through the cache, each with a fleet of its own.

Both runs send the same requests at the same scenario times. The proof goes through its parts one by
one, over a broker or without one, in this process or in several, and adds their figures up.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from esme_emulator.proof.bench import Bench, PartRun, Step, Variants, label_of
from esme_emulator.proof.evidence import Evidence
from esme_emulator.proof.figures import Figures, build_result
from esme_emulator.proof.parts import Part, split
from esme_emulator.proof.result import INTERRUPTED, ProofResult
from esme_emulator.runtime.processes import Ended, Pipe, Workers
from esme_emulator.scenario.scenario import Scenario
from esme_emulator.transport import Gauged, MemoryBroker, TransportError

_STRICT: dict[str, Any] = {
    "retention_hours": 25.0,
    "literal": False,
    "sub_window": False,
    "collapse": True,
}
VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("as in the scenario", {}),
    ("strict, 25 hours", _STRICT),
    ("strict, 48 hours", {**_STRICT, "retention_hours": 48.0}),
    ("strict, 72 hours", {**_STRICT, "retention_hours": 72.0}),
    ("literal", {**_STRICT, "literal": True}),
    ("sub-window", {**_STRICT, "sub_window": True}),
    ("no collapse", {**_STRICT, "collapse": False}),
)
"""Caching rules that `--compare` runs: a name, and the cache settings that replace the scenario's.

Each rule after the strict one differs from it in a single setting.
"""

Progress = Callable[[str, int], Step]
"""Starts a progress bar, given a title and a total."""

_GRACE = 10.0
"""Time for workers to stop before they are killed, in seconds."""


@dataclass(frozen=True, slots=True)
class Proved:
    """The outcome of a proof: one result per variant of the cache."""

    results: list[tuple[str, ProofResult]]
    """Names of variants, and their results."""
    evidence: Evidence
    """Evidence of the first result."""
    left: int = 0
    """Variants that did not run, because the proof was interrupted before."""

    @property
    def result(self) -> ProofResult:
        """The first result."""
        return self.results[0][1]


@dataclass(slots=True)
class Book:
    """The figures of the runs so far: number 0 is the direct run, the others are variants."""

    runs: list[Figures]
    parts: list[int]
    """Parts that each run has been through to the end."""

    @classmethod
    def empty(cls, runs: int) -> "Book":
        """Return a book without figures."""
        return cls([Figures() for _ in range(runs)], [0] * runs)

    def add(self, other: "Book") -> None:
        """Add the figures of other parts."""
        for number, figures in enumerate(other.runs):
            self.runs[number].add(figures)
            self.parts[number] += other.parts[number]


class Proof:
    """A proof of `scenario`, over a broker or, if that is None, without one in `workers` processes.

    Temporary files go to `folder`. With `duis`, and a broker, parties make their requests through a
    front door for DUIS. Raises `WorkloadError` if its requests cannot be made, and
    `OSError` if they cannot be written.
    """

    def __init__(
        self,
        scenario: Scenario,
        broker: str | MemoryBroker | None,
        folder: Path,
        variants: Variants = (),
        workers: int = 1,
        *,
        duis: bool = False,
    ) -> None:
        self._scenario = scenario
        self._broker = None if broker is None else Gauged(broker)
        self._folder = folder
        self._variants = variants or [("", scenario.cache)]
        self._duis = duis
        self._parts = split(scenario, folder)
        self._planned = sum(part.requests for part in self._parts)
        self._workers = min(workers, len(self._parts))
        self._book = Book.empty(1 + len(self._variants))

    async def run(self, progress: Progress) -> Proved:
        """Run the requests directly, and through each variant of the cache.

        If the proof is cancelled, or loses its broker or a process, results are partial. Raises
        `TransportError` if there is no broker from the start, and `OSError` for temporary files.
        """
        titles = ["direct", *(name or "cached" for name, _ in self._variants)]
        steps = [progress(title, self._planned) for title in titles]
        ended = await self._ended(steps)
        results = [
            (name, self._result(number, ended))
            for number, (name, _) in enumerate(self._variants, 1)
            if number == 1 or self._is_begun(number)
        ]
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)  # one that came while results were built comes too late
        left = len(self._variants) - len(results)
        return Proved(results, Evidence(self._folder, label_of(1)), left)

    async def _ended(self, steps: Sequence[Step]) -> str | None:
        """Run all parts; return why that ended early, None if it did not."""
        try:
            if self._workers > 1:
                await self._in_workers(steps)
            else:
                with _without_garbage_collection():
                    await self._here(steps)
        except asyncio.CancelledError:
            return INTERRUPTED
        except WorkerLostError as error:
            return str(error)
        except TransportError as error:
            if not self._is_begun(0):
                raise
            return str(error)
        return None

    def _is_begun(self, number: int) -> bool:
        totals = self._book.runs[number].totals
        return any(totals[name] for name in ("made", "requests", "device_hits"))

    def _result(self, number: int, ended: str | None) -> ProofResult:
        runs, (_, caching) = self._book.runs, self._variants[number - 1]
        if self._book.parts[number] == len(self._parts):
            ended = None
        return build_result(
            replace(self._scenario, cache=caching),
            self._planned,
            *(runs[0], runs[number]),
            Evidence(self._folder, label_of(number)),
            ended=ended,
        )

    async def _here(self, steps: Sequence[Step]) -> None:
        """Run all parts in this process."""
        bench = Bench(self._scenario, self._variants, self._folder, "0", duis=self._duis)
        try:
            for part in self._parts:
                for part_run in bench.runs_of(part):
                    number = part_run.number
                    try:
                        await self._run(bench, part_run, steps[number])
                        self._book.parts[number] += 1
                    finally:
                        self._book.runs[number].add(bench.figures(part_run))
                    del part_run  # most of it is in cycles
                    gc.collect()
                    await asyncio.sleep(0)  # an interruption meanwhile ends the proof here
        finally:
            bench.flush()

    async def _run(self, bench: Bench, part_run: PartRun, step: Step) -> None:
        if self._broker is not None:
            await bench.over_broker(part_run, self._broker, step)
            return
        with closing(bench.in_process(part_run, step)) as turns:
            for _ in turns:
                await asyncio.sleep(0)

    async def _in_workers(self, steps: Sequence[Step]) -> None:
        """Run the parts in several processes. If interrupted, wait for what they have so far."""
        jobs = [
            Job(self._scenario, self._variants, self._folder, str(place), tuple(parts))
            for place in range(self._workers)
            if (parts := self._parts[place :: self._workers])
        ]
        async with Workers(work, jobs) as workers:
            try:
                await self._take(workers, steps)
            except (asyncio.CancelledError, WorkerLostError):
                workers.send(Stop())
                with suppress(TimeoutError):
                    async with asyncio.timeout(_GRACE):
                        await self._take(workers, steps)
                raise

    async def _take(self, workers: Workers, steps: Sequence[Step]) -> None:
        """Take the messages of all workers. Raises `WorkerLostError` if one dies or fails."""
        async for place, message in workers.messages():
            match message:
                case Book():
                    self._book.add(message)
                case Steps(counts):
                    for step, number in zip(steps, counts, strict=True):
                        step(number)
                case Failed(text):
                    raise WorkerLostError(text)
                case Ended(code) if code:
                    raise WorkerLostError(f"worker {place} died ({message})")


class WorkerLostError(Exception):
    """A worker died or failed; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Job:
    """The job of one worker: some parts of a proof."""

    scenario: Scenario
    variants: Variants
    folder: Path
    owner: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """Message to workers: send what there is, and end."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Message of a worker: how many requests of each run are over, since the last message."""

    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """Message of a worker: it cannot go on; `text` says why."""

    text: str


def work(pipe: Pipe, job: Job) -> None:
    """Run the parts of a job in the process of a worker."""
    try:
        with _without_garbage_collection():
            for message in _messages(job, lambda: _is_stopped(pipe)):
                pipe.send(message)
    except OSError as error:
        with suppress(OSError):  # the parent process may be gone
            pipe.send(Failed(f"{error.filename or job.folder}: {error.strerror}"))
    except Exception as error:  # no traceback for the user
        pipe.send(Failed(f"internal error: {type(error).__name__}: {error}"))


def _messages(job: Job, is_stopped: Callable[[], bool]) -> Iterator[Book | Steps]:
    """Run the parts of a job; yield figures when their evidence is on disk, and progress."""
    bench = Bench(job.scenario, job.variants, job.folder, job.owner)
    book = Book.empty(len(job.variants) + 1)
    counts = [0] * len(book.runs)

    def step(number: int, steps: int) -> None:
        counts[number] += steps

    stopped = False
    for part_run in chain.from_iterable(map(bench.runs_of, job.parts)):
        number = part_run.number
        with closing(bench.in_process(part_run, partial(step, number))) as turns:
            for _ in turns:
                yield Steps(tuple(counts))
                counts[:] = [0] * len(counts)
                stopped = is_stopped()
                if stopped:
                    break
        book.parts[number] += not stopped
        book.runs[number].add(bench.figures(part_run))
        del part_run  # most of it is in cycles
        gc.collect()
        if stopped or bench.is_full:
            bench.flush()
            yield book
            book = Book.empty(len(book.runs))
        if stopped:
            return
    bench.flush()
    yield Steps(tuple(counts))
    yield book


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Leave cyclic garbage to `gc.collect` during the body; it skips what there was before.

    Looking for it all the time takes an eighth of it, and there is little before a run is over.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


def _is_stopped(pipe: Pipe) -> bool:
    try:
        return pipe.poll() and isinstance(pipe.recv(), Stop)
    except (EOFError, OSError):
        return True  # the parent process is gone
