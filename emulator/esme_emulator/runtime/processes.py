"""Processes: worker processes with a pipe to each, and the signals that end a program.

Knows processes, pipes and signals; knows nothing of what a worker does. A worker never outlives the
block that runs it, and sees the end of its pipe if the parent process dies.
"""

import asyncio
import multiprocessing
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Self, TypeAlias

Pipe: TypeAlias = "Connection[Any, Any]"

_JOIN = 5.0
"""Time for a process to disappear after it closed its end of the sentinel, in seconds."""


def ending_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that end a service: Ctrl-C, SIGTERM, and the loss of its terminal.

    SIGHUP is left out if it is ignored, as `nohup` wants it.
    """
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if ignored else (signal.SIGHUP,)))


@contextmanager
def interruptible() -> Iterator[None]:
    """Let each of `ending_signals` interrupt the block, even if the parent ignores SIGINT.

    Each raises `KeyboardInterrupt`, or cancels the main task of `asyncio.run`. Works in the main
    thread only.
    """
    handlers: dict[signal.Signals, Any] = dict.fromkeys(ending_signals(), _interrupt)
    handlers[signal.SIGINT] = signal.default_int_handler
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(*_: object) -> None:
    signal.raise_signal(signal.SIGINT)


@contextmanager
def no_interrupts() -> Iterator[None]:
    """Block SIGINT and SIGHUP, also in processes that are started in the block, for good.

    Ctrl-C and the end of a terminal reach every process of the terminal. Only the first process
    handles them, and stops the others.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True, slots=True)
class Ended:
    """The last message of a worker: its process has ended with exit code `code`."""

    code: int
    """0 for success; -N if signal N killed the process."""

    def __str__(self) -> str:
        return f"signal {-self.code}" if self.code < 0 else f"exit code {self.code}"


@asynccontextmanager
async def python_process(*args: str) -> AsyncIterator[Process]:
    """Run Python with `args`, and kill it after the body. Its stdout and stderr are one pipe.

    Its stdin ends with this process, even if this process is killed. The signals of a terminal do
    not reach it.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, *args, stdin=PIPE, stdout=PIPE, stderr=STDOUT, start_new_session=True
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


class Workers:
    """Runs `work(pipe, job)` in a process of its own for each of `jobs`.

    Use it as an asynchronous context manager. Its processes start with the block, and those that
    still run at its end are killed. `work` must be a function of a module, and jobs and messages
    must be picklable.
    """

    def __init__(self, work: Callable[[Pipe, Any], None], jobs: Iterable[Any]) -> None:
        self._work = work
        self._jobs = tuple(jobs)
        self._members: list[tuple[SpawnProcess, Pipe]] = []
        self._running: set[int] = set()
        self._inbox: asyncio.Queue[tuple[int, Any]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        # multiprocessing would start the tracker with the first process, and unblock SIGINT then.
        resource_tracker.ensure_running()
        context = multiprocessing.get_context("spawn")
        try:
            for place, job in enumerate(self._jobs):
                ours, theirs = context.Pipe()
                process = context.Process(target=self._work, args=(theirs, job), daemon=True)
                self._members.append((process, ours))
                with no_interrupts():
                    process.start()
                theirs.close()
                self._running.add(place)
                loop = asyncio.get_running_loop()
                loop.add_reader(ours.fileno(), self._read, place)
                loop.add_reader(process.sentinel, self._end, place)
        except BaseException:
            self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def send(self, message: object) -> None:
        """Send `message` to all workers that still run."""
        for place in self._running:
            with suppress(OSError):
                self._members[place][1].send(message)

    def terminate(self) -> None:
        """Send SIGTERM to all workers that still run."""
        for place in self._running:
            self._members[place][0].terminate()

    async def messages(self) -> AsyncIterator[tuple[int, Any]]:
        """Yield the place of a worker and its message until all have ended; the last is `Ended`."""
        while self._running or not self._inbox.empty():
            yield await self._inbox.get()

    def _read(self, place: int) -> None:
        """Take the messages that have arrived from a worker."""
        pipe = self._members[place][1]
        try:
            while pipe.poll():
                self._inbox.put_nowait((place, pipe.recv()))
        except (EOFError, OSError):
            # The process is about to end, or died within a message; its sentinel follows.
            asyncio.get_running_loop().remove_reader(pipe.fileno())

    def _end(self, place: int) -> None:
        process, _ = self._members[place]
        self._read(place)
        self._forget(place)
        process.join(_JOIN)
        self._inbox.put_nowait((place, Ended(process.exitcode or 0)))

    def _forget(self, place: int) -> None:
        process, pipe = self._members[place]
        loop = asyncio.get_running_loop()
        loop.remove_reader(process.sentinel)
        loop.remove_reader(pipe.fileno())
        pipe.close()
        self._running.discard(place)

    def _stop(self) -> None:
        """Kill the processes that still run."""
        for place in list(self._running):
            process, _ = self._members[place]
            self._forget(place)
            process.kill()
            process.join()
