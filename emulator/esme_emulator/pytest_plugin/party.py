"""A remote party of a test: who reads meters, through the cache or directly."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from esme_emulator.cache.policy.ledger import Decided, Decision
from esme_emulator.estate.parties import RemoteParty
from esme_emulator.messaging.client import NoReplyError, ReceivedReply, Requester
from esme_emulator.messaging.topics import Via
from esme_emulator.pytest_plugin.clock import SteppedClock
from esme_emulator.pytest_plugin.journal import IN_MESSAGE, Journal
from esme_emulator.pytest_plugin.meters import EsmeMeter, log_of
from esme_emulator.pytest_plugin.windows import WindowLike, window_of
from gbcs import EUI, Command, Message, authenticate
from gbcs.tables.profile_logs import ProfileLog
from gbcs.tables.result_codes import result_name
from gbcs.usecases.profile_read import Row, Window, buffer_of, rows_of

PATIENCE = 120.0
"""Seconds, by the clock of the test, that a read waits for its reply."""

_HANGING = 600.0
"""Seconds of real time after which a request is given up whatever the clock shows."""

_UNANSWERED = {Decision.REFUSED, Decision.FAILED}
"""Decisions of the cache after which no reply comes."""


class RefusedError(Exception):
    """A meter that says that it cannot; the text is one line."""

    def __init__(self, meter: EUI, srv: str, code: int) -> None:
        super().__init__(f"{meter} refuses SRV {srv}: {result_name(code)}")
        self.code = code
        """The result code, a Data-Access-Result."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a read brought."""

    meter: EUI
    srv: str
    window: Window
    via: Via
    rows: list[Row]
    """`time` in seconds since 2000 and the columns of the log, in Wh or varh."""
    cache_status: str | None
    """In the words of RFC 9211, such as `s1sp; hit; ttl=90000`; None directly, or on MQTT 3.1.1."""
    octets: bytes = field(repr=False)
    """Of the response as it came."""
    response: Message = field(repr=False)
    """The same, decoded, verified and decrypted."""
    command: bytes = field(repr=False)
    """Octets of the command that it answers."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A command, and what it is for."""

    log: ProfileLog
    window: Window
    via: Via
    command: Command
    octets: bytes


class Asking:
    """The reads of a test, which end with it."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[Reading]] = []
        self._waiting: dict[tuple[EUI, EUI, int], Callable[[], object]] = {}

    def begin(self, read: Coroutine[Any, Any, Reading]) -> "asyncio.Task[Reading]":
        """Begin a read, and return the task of it."""
        task = asyncio.get_running_loop().create_task(read)
        self._tasks.append(task)
        return task

    def unless_answered(
        self, task: "asyncio.Task[Reading]", command: Command, give_up: Callable[[], object]
    ) -> None:
        """Call `give_up` as soon as the cache decides not to answer `command`, of `task`."""
        key = command.device, command.remote_party, command.originator_counter
        self._waiting[key] = give_up
        task.add_done_callback(lambda _: self._waiting.pop(key, None))

    def decided(self, event: Decided) -> None:
        """Take note of a decision of the cache."""
        if event.decision in _UNANSWERED and event.party is not None and event.counter is not None:
            give_up = self._waiting.pop((event.device, event.party, event.counter), None)
            if give_up is not None:
                give_up()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class EsmeParty:
    """One remote party, in its role, with its keys."""

    def __init__(
        self,
        name: str,
        remote: RemoteParty,
        requesters: Mapping[Via, Requester],
        clock: SteppedClock,
        asking: "Asking",
        journal: Journal,
    ) -> None:
        self.name = name
        self.remote = remote
        """Makes its commands."""
        self._requesters = requesters
        self._clock = clock
        self._asking = asking
        self._journal = journal

    @property
    def eui(self) -> EUI:
        """Its EUI."""
        return self.remote.eui

    async def read(
        self,
        meter: EsmeMeter | EUI,
        srv: str,
        window: WindowLike = None,
        *,
        via: Via = "cache",
        patience: float = PATIENCE,
    ) -> Reading:
        """Return one reading; while it is waited for, the clock goes on as far as it must.

        `window` is a day, two times, or the last whole day. `patience` is in seconds of the clock.

        Raises `NoReplyError` where no reply came in this time, `RefusedError` where the meter
        says that it cannot, `AuthenticationError` for a reply whose MAC does not verify, and
        `ValueError` for an SRV that reads no log.
        """
        __tracebackhide__ = True
        clock, asked = self._clock, self._command(meter, srv, window, via)
        task = self._asking.begin(self._fetch(asked))
        deadline = clock.now() + patience
        try:
            while True:
                moves = clock.moves
                await clock.settle(task.done)
                if task.done():
                    break
                if clock.now() >= deadline and clock.moves == moves:
                    raise self._no_reply(asked, f" within {patience:g} s of the clock")
                await clock.step(deadline, moves)
            reading = await task
            await clock.settle(quiet=0.0)
        finally:
            task.cancel()
        return reading

    def ask(
        self,
        meter: EsmeMeter | EUI,
        srv: str,
        window: WindowLike = None,
        *,
        via: Via = "cache",
    ) -> "asyncio.Task[Reading]":
        """Begin a read, and leave the clock to the test: await what this returns for its outcome.

        It raises what `read` raises, save that it waits for a reply as long as the test lasts, or
        until `esme_cache` decides that it is refused or has failed.
        """
        asked = self._command(meter, srv, window, via)
        task = self._asking.begin(self._fetch(asked))
        if via == "cache":
            requester = self._requesters[via]

            def give_up() -> None:
                requester.give_up(asked.command, self._no_reply(asked))

            self._asking.unless_answered(task, asked.command, give_up)
        return task

    async def request(
        self, command: Command, octets: bytes, *, via: Via = "cache"
    ) -> ReceivedReply:
        """Send any command, and return the response to it, whatever its MAC is worth.

        The clock is left to the test. Raises `NoReplyError` after ten minutes of real time.
        """
        return await self._requesters[via].request(command, octets, _HANGING)

    def _command(self, meter: EsmeMeter | EUI, srv: str, window: WindowLike, via: Via) -> "_Asked":
        log, asked = log_of(srv), window_of(window, self._clock.now())
        if via not in self._requesters:
            raise ValueError(f"via {via!r}: give {' or '.join(map(repr, self._requesters))}")
        return _Asked(log, asked, via, *self.remote.command(_eui(meter), log.srv, asked))

    async def _fetch(self, asked: "_Asked") -> Reading:
        reply = await self.request(asked.command, asked.octets, via=asked.via)
        authenticate(reply.response)
        log, device = asked.log, asked.command.device
        readings = buffer_of(reply.response, log)
        if isinstance(readings, int):
            raise RefusedError(device, log.srv, readings)
        return Reading(
            meter=device,
            srv=log.srv,
            window=asked.window,
            via=asked.via,
            rows=rows_of(log, readings),
            cache_status=reply.cache_status,
            octets=reply.octets,
            response=reply.response,
            command=asked.octets,
        )

    def _no_reply(self, asked: "_Asked", within: str = "") -> NoReplyError:
        device, srv = asked.command.device, asked.log.srv
        counts = self._requesters[asked.via].dropped.items()
        dropped = ", ".join(f"{number} {kind}" for kind, number in counts)
        known = [
            self._journal.fate(asked.command, asked.octets),
            f"{dropped} replies were dropped" if dropped else "",
        ]
        if asked.via == "cache":
            hint = "ask for fixture esme_cache, or run your system on s1sp/"
        else:
            hint = "is it a meter of esme_fleet?"
        error = NoReplyError(
            f"{device} did not reply to SRV {srv} for {self.name}{within}: "
            f"{'; '.join(filter(None, known)) or hint}"
        )
        for line in self._journal.lines((device,), srv, IN_MESSAGE):
            error.add_note(f"  {line}")
        return error

    def __repr__(self) -> str:
        return f"<{self.name} {self.eui}>"


def _eui(meter: EsmeMeter | EUI) -> EUI:
    return meter.eui if isinstance(meter, EsmeMeter) else meter
