"""The DSP (Data Service Provider) at work: acknowledges requests, and carries them out on MQTT.

A request is kept in the outbox, acknowledged, and only then sent to the meter. The device's
response, or the code of a failure, becomes a signed response in the outbox, which is delivered to
the user. Times of meters, schedules and timeouts are those of the project's clock; pauses before
and between deliveries are in real time.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from esme_emulator.cache.registry.registry import Registry
from esme_emulator.cache.store.base import StoreError
from esme_emulator.gateway.checks import (
    Admitted,
    Checks,
    Meters,
    Refused,
    Repeated,
    Untrusted,
    identity_of,
)
from esme_emulator.gateway.commands import CommandBuilder, CommandError, pre_command
from esme_emulator.gateway.deliveries import Deliveries
from esme_emulator.gateway.documents import (
    Code,
    Content,
    CreateSchedule,
    DeleteSchedule,
    Endpoint,
    GbcsPayload,
    Inventory,
    PreCommand,
    ReadInventory,
    Request,
    RequestId,
    Response,
    ScheduledMessage,
    ScheduleId,
    SignedReadings,
)
from esme_emulator.gateway.keys import DuisKeys
from esme_emulator.gateway.outbox import FirstAnswer, Job, KeptRun, Outbox
from esme_emulator.gateway.requests import DocumentError, parse_xml, read_request
from esme_emulator.gateway.responses import write_response
from esme_emulator.gateway.schedules import Run, ScheduleError, Schedules
from esme_emulator.gateway.signature import SignatureError, sign, verify
from esme_emulator.gateway.smets1 import is_trusted, signed_readings
from esme_emulator.messaging.client import NobodyListensError, NoReplyError, ReceivedReply
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.tasks import Tasks, first_of
from esme_emulator.transport import TransportError
from gbcs import EUI, Command, GbcsError
from gbcs.instants import EPOCH_UNIX

MAX_WAITING = 10_000
"""Most requests and responses in the outbox. Further requests are refused until some have left."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one HTTP request."""

    status: int
    body: bytes
    media_type: str = "application/xml"
    sent: Callable[[], None] = lambda: None
    """Is called once the answer has been sent."""


@dataclass(slots=True)
class DspTally:
    """Counts of requests, by service and outcome, and of responses by their codes."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The outcome is a response code, or why the request got HTTP 400 or 503."""
    responses: Counter[str] = field(default_factory=Counter)


class Sender(Protocol):
    """Sends commands to meters, and waits for their replies; a `Requester` is one."""

    async def request(self, command: Command, octets: bytes, timeout: float) -> ReceivedReply:  # noqa: ASYNC109  # by its own clock
        """Return the response to a command; see `Requester.request`."""
        ...


@dataclass(frozen=True, slots=True)
class DspParts:
    """What the DSP works with."""

    checks: Checks
    keys: DuisKeys
    registry: Registry
    meters: Meters
    outbox: Outbox
    deliveries: Deliveries
    requester: Sender
    clock: Clock
    machine: Clock
    """The clock of real time."""
    is_smets1: Callable[[EUI], bool]
    """Whether the readings of a meter are delivered decoded, in XML that the S1SP signs."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A job, decoded: the request, or the run of a schedule that the request created."""

    job: Job
    request: Request
    run: Run | None = None

    @property
    def device(self) -> EUI:
        return self.request.id.target if self.run is None else self.run.details.device

    @property
    def execution(self) -> float | None:
        """When to send the command, as Unix time; None for now."""
        held = self.request.execution if self.run is None else None
        return None if held is None else EPOCH_UNIX + held


_FULL = Answer(503, b"the outbox is full: receive responses first", "text/plain")
_BUSY = Answer(503, b"the same request is being answered: send it again", "text/plain")


class Dsp:
    """Answers requests, and carries them out.

    `respond_after` is the time between an acknowledgement and its response, in seconds of real
    time. `timeout` is that for the reply of a meter, in seconds of the clock.
    """

    def __init__(self, parts: DspParts, respond_after: float, timeout: float) -> None:
        self._parts = parts
        self._respond_after = respond_after
        self._timeout = timeout
        self._builder = CommandBuilder(parts.keys, parts.registry)
        self._schedules = Schedules()
        self._created: dict[int, bytes] = {}
        """Requests that created schedules, by the schedules' numbers."""
        self._rescheduled = asyncio.Event()
        self._scheduling = asyncio.Lock()
        """Schedules change in memory and in the outbox in one order."""
        self._tasks = Tasks()
        self.tally = DspTally()
        self.jobs = 0
        """Acknowledged requests that have no response yet, future-dated ones among them."""

    @property
    def deliveries(self) -> Deliveries:
        """The deliveries, with their counts."""
        return self._parts.deliveries

    @property
    def schedules(self) -> int:
        """The number of schedules that have runs to come."""
        return len(self._schedules)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Carry requests out while the context lasts, those of an earlier process first."""
        async with self._tasks:
            await self._resume()
            self._tasks.start(self._run_schedules())
            yield

    async def answer(self, endpoint: Endpoint, octets: bytes) -> Answer:
        """Return the answer to a document that was POSTed to a service."""
        if self.jobs + self.deliveries.waiting >= MAX_WAITING:
            self._count(endpoint, "outbox-full")
            return _FULL
        verdict = self._parts.checks.judge(endpoint, octets, self._parts.clock.now())
        match verdict:
            case Untrusted(reason=reason, detail=detail):
                self._count(endpoint, reason)
                return Answer(400, detail.encode(), "text/plain")
            case Refused(request=request, code=code, detail=detail):
                _log.info("duis: %s: %s: %s", request.id, code, detail)
                self._count(endpoint, code)
                return Answer(200, self._signed(self._response(request, code)))
            case Repeated(request=request):
                self._count(endpoint, "repeated")
                body = await self._parts.outbox.first_answer(identity_of(request))
                return _BUSY if body is None else Answer(200, body)
            case Admitted():
                try:
                    answer, code = await self._carry_out(endpoint, verdict, octets)
                except StoreError:
                    # Nothing was kept, so nothing was done: the user may send it again.
                    self._parts.checks.forget(verdict.request)
                    raise
                self._count(endpoint, code)
                return answer

    async def _carry_out(
        self, endpoint: Endpoint, admitted: Admitted, octets: bytes
    ) -> tuple[Answer, Code]:
        """Return the answer to an admitted request, and its code. Raises `StoreError`."""
        request, kind = admitted.request, admitted.kind or ""
        try:
            if endpoint is Endpoint.TRANSFORM:
                content = PreCommand(pre_command(request, kind))
                return await self._keep(admitted, self._response(request, Code.DONE, content))
            if isinstance(request.body, ReadInventory):
                inventory = self._inventory(request.body.device)
                return await self._keep(admitted, self._response(request, Code.DONE, inventory))
            if endpoint is Endpoint.NON_DEVICE:
                return await self._answer_schedules(admitted, octets)
            # A command that cannot be built is refused now, not after the acknowledgement.
            built = self._builder.command(request, kind, self._parts.clock.now())
        except (CommandError, ScheduleError) as error:
            _log.info("duis: %s: %s", request.id, error)
            return await self._keep(admitted, self._response(request, Code.NOT_COMPATIBLE))
        first = self._first_answer(admitted, self._response(request, Code.ACCEPTED))
        task = _Task(await self._parts.outbox.accept(octets, first), request)
        return Answer(200, first.body, sent=partial(self._acknowledged, task, built)), Code.ACCEPTED

    def _acknowledged(self, task: _Task, built: tuple[Command, bytes]) -> None:
        not_before = self._parts.machine.now() + self._respond_after
        self._start(self._work(task, not_before, None if task.execution else built))

    def _start(self, work: Any) -> None:
        self.jobs += 1
        self._tasks.start(work)

    # Answers in the same exchange

    def _response(self, request: Request, code: Code, content: Any = None) -> Response:
        return Response.to(request, code, self._parts.clock.now(), content)

    def _first_answer(self, admitted: Admitted, response: Response) -> FirstAnswer:
        return FirstAnswer(identity_of(admitted.request), admitted.digest, self._signed(response))

    async def _keep(self, admitted: Admitted, response: Response) -> tuple[Answer, Code]:
        """Keep the answer to a request that needs nothing else."""
        first = self._first_answer(admitted, response)
        await self._parts.outbox.keep(first)
        return Answer(200, first.body), response.code

    def _signed(self, response: Response) -> bytes:
        # DCC's profile names no c14n, which allows for no other namespace than that of DUIS.
        other = isinstance(response.content, SignedReadings)
        return sign(write_response(response), self._parts.keys.dsp, name_c14n=other)

    def _count(self, endpoint: Endpoint, outcome: str) -> None:
        self.tally.requests[endpoint, outcome] += 1

    async def _answer_schedules(self, admitted: Admitted, octets: bytes) -> tuple[Answer, Code]:
        """Create, read or delete schedules."""
        async with self._scheduling:
            request, now = admitted.request, self._parts.clock.now()
            if isinstance(request.body, DeleteSchedule):
                return await self._delete_schedules(admitted, request.body)
            content = self._schedules.answer(request, now)
            if not isinstance(content, ScheduleId):
                code = Code.DONE if content else Code.ACCEPTED
                return await self._keep(admitted, self._response(request, code, content))
            number = content.schedule
            first = self._first_answer(admitted, self._response(request, Code.DONE, content))
            self._created[number] = octets
            try:
                await self._parts.outbox.add_schedule(number, octets, now, first)
            except StoreError:
                self._drop_schedules([number])
                raise
            self._rescheduled.set()
            return Answer(200, first.body), Code.DONE

    async def _delete_schedules(
        self, admitted: Admitted, body: DeleteSchedule
    ) -> tuple[Answer, Code]:
        request = admitted.request
        gone = self._schedules.of(request.id.originator, body.schedule, body.device)
        first = self._first_answer(admitted, self._response(request, Code.ACCEPTED))
        await self._parts.outbox.drop_schedules(gone, first)
        self._drop_schedules(gone)
        self._rescheduled.set()
        return Answer(200, first.body), Code.ACCEPTED

    def _drop_schedules(self, numbers: list[int]) -> None:
        self._schedules.drop(numbers)
        for number in numbers:
            del self._created[number]

    def _inventory(self, device: EUI | None) -> Inventory:
        kind = None if device is None else self._parts.meters(device)
        return Inventory(() if device is None or kind is None else ((device, kind),))

    # Commands to meters

    async def _work(
        self, task: _Task, not_before: float = 0.0, built: tuple[Command, bytes] | None = None
    ) -> None:
        """Send the command of a task when it is time, and put the response into the outbox."""
        clock = self._parts.clock
        if task.execution is not None:
            await clock.sleep(task.execution - clock.now())
        response = await self._ask(task, built)
        user, body = task.request.id.originator, self._signed(response)
        outbox, machine = self._parts.outbox, self._parts.machine
        delivery = await outbox.insist(lambda: outbox.finish(task.job, user, body), machine)
        self.tally.responses[response.code] += 1
        self.jobs -= 1
        self.deliveries.start(self._tasks, delivery, not_before)

    async def _ask(self, task: _Task, built: tuple[Command, bytes] | None) -> Response:
        try:
            command, octets = built or self._build(task)
        except CommandError as error:
            _log.info("duis: %s: %s", task.request.id, error)
            return self._reply(task, Code.NOT_COMPATIBLE)
        except LookupError:
            return self._reply(task, Code.NO_DEVICE)
        try:
            reply = await self._parts.requester.request(command, octets, self._timeout)
        except (NobodyListensError, TransportError):
            return self._reply(task, Code.UNREACHABLE)
        except NoReplyError:
            late = task.execution is not None
            return self._reply(task, Code.TIMED_OUT if late else Code.NO_RESPONSE)
        content = self._content(task, reply)
        return self._reply(task, Code.DONE, content, command.originator_counter)

    def _content(self, task: _Task, reply: ReceivedReply) -> Content:
        """Return what the response to the user contains: the meter's reply, or its readings."""
        schedule = None if task.run is None else task.run.schedule
        if self._parts.is_smets1(task.device) and is_trusted(reply.response):
            srv = task.request.srv if task.run is None else task.run.details.srv
            try:
                octets = signed_readings(reply.response, srv, self._parts.keys.s1sp)
                return SignedReadings(octets, schedule)
            except GbcsError as error:  # no readings, or none that our keys open
                _log.info("duis: %s: delivered as GBCS: %s", task.request.id, error)
        if schedule is None:
            return GbcsPayload(reply.octets)
        return ScheduledMessage(reply.octets, schedule)

    def _build(self, task: _Task) -> tuple[Command, bytes]:
        """Return the command of a task. Raises `CommandError`, and `LookupError` without meter."""
        kind, now = self._parts.meters(task.device), self._parts.clock.now()
        if kind is None:
            raise LookupError(task.device)
        if task.run is None:
            return self._builder.command(task.request, kind, now)
        run = task.run
        return self._builder.scheduled(run.details, run.user, kind, run.window, now)

    def _reply(
        self, task: _Task, code: Code, content: Content | None = None, counter: int = 0
    ) -> Response:
        """Return the response that will be delivered."""
        now = self._parts.clock.now()
        if task.run is None:
            return Response.to(task.request, code, now, content, from_device=True)
        run = task.run
        return Response(
            code,
            now,
            run.details.reference,
            run.details.srv,
            response_id=RequestId(run.details.device, run.user, counter or int(run.due)),
            content=content,
        )

    # Schedules

    async def _run_schedules(self) -> None:
        clock = self._parts.clock
        while True:
            due = self._schedules.next_due()
            if due is not None and due <= clock.now():
                await self._start_runs(self._due_runs(clock.now()))
                continue
            self._rescheduled.clear()
            if due is None:
                await self._rescheduled.wait()
            else:
                await first_of(self._rescheduled.wait(), clock.sleep(due - clock.now()))

    def _due_runs(self, now: float) -> list[Run]:
        """Return all runs due by `now`, each of those that were missed too."""
        runs: list[Run] = []
        while (due := self._schedules.next_due()) is not None and due <= now:
            runs += self._schedules.due(due)
        return runs

    async def _start_runs(self, runs: list[Run]) -> None:
        kept = [
            (self._created[run.schedule], KeptRun(run.schedule, run.due, run.window))
            for run in runs
        ]
        outbox, now = self._parts.outbox, self._parts.clock.now()
        jobs = await outbox.insist(lambda: outbox.start_runs(kept, now), self._parts.machine)
        self._start_in_order([self._decoded(job) for job in jobs])

    def _start_in_order(self, tasks: list[_Task | None]) -> None:
        """Carry out the runs of each schedule one after another, to spare the meter."""
        by_schedule: dict[int, list[_Task]] = {}
        for task in tasks:
            if task is not None and task.run is not None:
                by_schedule.setdefault(task.run.schedule, []).append(task)
        for queue in by_schedule.values():
            self.jobs += len(queue)
            self._tasks.start(self._work_through(queue))

    async def _work_through(self, tasks: list[_Task]) -> None:
        for task in tasks:
            await self._work(task)

    # After a restart

    async def _resume(self) -> None:
        """Go on with what an earlier process left in the outbox."""
        kept = await self._parts.outbox.kept()
        self._parts.checks.recall(kept.answered)
        self._schedules.last = kept.last_schedule
        for number, octets, at in kept.schedules:
            request = self._read(octets)
            if request is not None and isinstance(request.body, CreateSchedule):
                self._schedules.restore(number, request.id.originator, request.body, at)
                self._created[number] = octets
        self._due_runs(kept.ran)  # runs that are jobs or done; those missed since are made now
        tasks = [self._decoded(job) for job in kept.jobs]
        for task in tasks:
            if task is not None and task.run is None:
                self._start(self._work(task))
        self._start_in_order(tasks)
        for delivery in kept.deliveries:
            self.deliveries.start(self._tasks, delivery)

    def _decoded(self, job: Job) -> _Task | None:
        request = self._read(job.request)
        if request is None:
            return None
        if job.run is None:
            return _Task(job, request)
        if not isinstance(request.body, CreateSchedule):
            return None
        kept, user = job.run, request.id.originator
        return _Task(job, request, Run(kept.schedule, user, request.body, kept.due, kept.window))

    def _read(self, octets: bytes) -> Request | None:
        """Return the request in a document of the outbox, None if its key is not known now."""
        try:
            signed, _ = verify(parse_xml(octets), self._parts.keys.signers)
            return read_request(signed)
        except (DocumentError, SignatureError) as error:
            _log.warning("duis: a request in the outbox is left there: %s", error)
            return None
