"""Durable outbox: acknowledged requests, responses to deliver, and schedules, in one SQLite file.

A request is kept from before its acknowledgement until its response is kept, and a response until
the user has received it. So whatever the process dies of, no acknowledged request stays without a
response; the user may get one twice. The first answer to each admitted request is kept too, so that
a repetition gets the same one, and no meter is asked again. Knows no XML: documents are octets.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from esme_emulator.cache.store.base import StoreError
from esme_emulator.cache.store.sqlite_file import Cursor, Execute, FileKind, SqliteFile
from esme_emulator.runtime.clock import Clock
from gbcs import EUI
from gbcs.usecases.read_request import Window

KIND = FileKind(
    application=0x44554953,
    format=2,
    what="an outbox of DUIS",
    keeps="requests",
    exclusive=True,  # a second process would carry out and deliver everything once more
)
"""`DUIS` in the file's `application_id`."""

_SCHEMA = """
CREATE TABLE job (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    request BLOB NOT NULL,
    schedule INTEGER, due REAL, first INTEGER, last INTEGER
);

CREATE TABLE delivery (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    user BLOB NOT NULL,
    body BLOB NOT NULL
);

CREATE TABLE answer (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    identity BLOB NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    body BLOB NOT NULL
);

CREATE TABLE schedule (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    request BLOB NOT NULL,
    at REAL NOT NULL
);

CREATE TABLE schedules (ran REAL NOT NULL)
"""

MAX_ANSWERS = 65_536
"""Most first answers in the outbox; the oldest is dropped first. They take some 130 MB."""

PAUSE = 5.0
"""Pause before another attempt to write to a failing file, in seconds of real time."""

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """The answer to an admitted request, for its repetitions."""

    identity: bytes
    """What the request is known by."""
    digest: bytes
    """Digest of the request: another one of the same identity is no repetition."""
    body: bytes
    """The signed document."""


@dataclass(frozen=True, slots=True)
class KeptRun:
    """What a run of a schedule adds to the request that created the schedule."""

    schedule: int
    due: float
    """Unix time in seconds."""
    window: Window | None


@dataclass(frozen=True, slots=True)
class Job:
    """A request whose response is not known yet."""

    number: int
    request: bytes
    """The signed DUIS document."""
    run: KeptRun | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A signed response that the user has not received yet."""

    number: int
    user: EUI
    body: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier process left."""

    jobs: tuple[Job, ...]
    deliveries: tuple[Delivery, ...]
    schedules: tuple[tuple[int, bytes, float], ...]
    """Schedules: number, the document that created it, and the Unix time at which it did."""
    last_schedule: int
    """The highest number that a schedule ever had."""
    answered: tuple[tuple[bytes, bytes], ...]
    """Identities and digests of the requests whose first answers are known, the oldest first."""
    ran: float
    """Runs of schedules that were due by this Unix time are among the jobs, or done."""


class Outbox:
    """The outbox in the file `path`, which belongs to `estate`. Raises `StoreError`."""

    def __init__(self, path: Path, estate: str) -> None:
        self._file = SqliteFile(path, estate, _SCHEMA, KIND)
        self._failing = False

    async def kept(self) -> Kept:
        """Return everything in the outbox."""
        return await self._file.read(_kept)

    async def accept(self, request: bytes, answer: FirstAnswer) -> Job:
        """Keep a request that will be acknowledged by `answer`."""

        def work(execute: Execute) -> Job:
            _insert_answer(execute, answer)
            return _insert_job(execute, request)

        return await self._file.write(work)

    async def keep(self, answer: FirstAnswer) -> None:
        """Keep the answer to a request that needs nothing else."""
        await self._file.write(lambda execute: _insert_answer(execute, answer))

    async def first_answer(self, identity: bytes) -> bytes | None:
        """Return the signed document that first answered a request; None if it is not known."""
        query = "SELECT body FROM answer WHERE identity = ?"
        row = await self._file.read(lambda execute: execute(query, (identity,)).fetchone())
        return None if row is None else row[0]

    async def start_runs(self, runs: Sequence[tuple[bytes, KeptRun]], ran: float) -> list[Job]:
        """Keep runs of schedules, each with the request that created its schedule.

        No run that was due by `ran` will be kept again.
        """

        def work(execute: Execute) -> list[Job]:
            execute("DELETE FROM schedules")
            execute("INSERT INTO schedules VALUES (?)", (ran,))
            return [_insert_job(execute, request, run) for request, run in runs]

        return await self._file.write(work)

    async def finish(self, job: Job, user: EUI, body: bytes) -> Delivery:
        """Replace a request by its response."""

        def work(execute: Execute) -> Delivery:
            execute("DELETE FROM job WHERE number = ?", (job.number,))
            query = "INSERT INTO delivery (user, body) VALUES (?, ?)"
            return Delivery(_number(execute(query, (bytes(user), body))), user, body)

        return await self._file.write(work)

    async def remove(self, delivery: Delivery) -> None:
        """Forget a response that was delivered, or that the user refused."""
        query = "DELETE FROM delivery WHERE number = ?"
        await self._file.write(lambda execute: execute(query, (delivery.number,)))

    async def add_schedule(
        self, number: int, request: bytes, at: float, answer: FirstAnswer
    ) -> None:
        """Keep a schedule that `request` created at the Unix time `at`."""

        def work(execute: Execute) -> None:
            execute("INSERT INTO schedule VALUES (?, ?, ?)", (number, request, at))
            _insert_answer(execute, answer)

        await self._file.write(work)

    async def drop_schedules(self, numbers: Sequence[int], answer: FirstAnswer) -> None:
        """Forget deleted schedules."""

        def work(execute: Execute) -> None:
            for number in numbers:
                execute("DELETE FROM schedule WHERE number = ?", (number,))
            _insert_answer(execute, answer)

        await self._file.write(work)

    async def insist(self, write: Callable[[], Awaitable[T]], machine: Clock) -> T:
        """Return the result of `write`, repeated until the file can be written.

        For writes after an acknowledgement: no requester waits that could get a `StoreError`.
        `machine` is the clock of real time.
        """
        while True:
            try:
                result = await write()
            except StoreError as error:
                if not self._failing:
                    _log.error("duis: %s; it is tried again every %g s", error, PAUSE)
                self._failing = True
                await machine.sleep(PAUSE)
            else:
                self._failing = False
                return result

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _insert_job(execute: Execute, request: bytes, run: KeptRun | None = None) -> Job:
    schedule = due = first = last = None
    if run is not None:
        schedule, due = run.schedule, run.due
        if run.window is not None:
            first, last = run.window.start, run.window.end
    query = "INSERT INTO job (request, schedule, due, first, last) VALUES (?, ?, ?, ?, ?)"
    return Job(_number(execute(query, (request, schedule, due, first, last))), request, run)


def _insert_answer(execute: Execute, answer: FirstAnswer) -> None:
    query = "INSERT OR REPLACE INTO answer (identity, digest, body) VALUES (?, ?, ?)"
    newest = _number(execute(query, (answer.identity, answer.digest, answer.body)))
    execute("DELETE FROM answer WHERE number <= ?", (newest - MAX_ANSWERS,))


def _number(inserted: Cursor) -> int:
    return inserted.lastrowid or 0  # set, since every insertion made a row


def _kept(execute: Execute) -> Kept:
    jobs = tuple(
        Job(number, request, None if schedule is None else _run(schedule, due, first, last))
        for number, request, schedule, due, first, last in execute(
            "SELECT number, request, schedule, due, first, last FROM job ORDER BY number"
        )
    )
    deliveries = tuple(
        Delivery(number, EUI(user), body)
        for number, user, body in execute("SELECT number, user, body FROM delivery ORDER BY number")
    )
    schedules = tuple(execute("SELECT number, request, at FROM schedule ORDER BY number"))
    last = execute("SELECT seq FROM sqlite_sequence WHERE name = 'schedule'").fetchone()
    answered = tuple(execute("SELECT identity, digest FROM answer ORDER BY number"))
    ran = execute("SELECT ran FROM schedules").fetchone()
    return Kept(
        jobs, deliveries, schedules, last[0] if last else 0, answered, ran[0] if ran else 0.0
    )


def _run(schedule: int, due: float, first: int | None, last: int | None) -> KeptRun:
    window = None if first is None or last is None else Window(first, last)
    return KeptRun(schedule, due, window)
