"""A remote party of a test: it reads meters, through the cache or directly.

The remote parties of a test, by the names of their roles.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from esme_emulator.cache.policy.ledger import Decided, Decision
from esme_emulator.estate.parties import PARTIES, Party, RemoteParty, party_called
from esme_emulator.messaging.client import NoReplyError, ReceivedReply, Requester
from esme_emulator.messaging.topics import Via
from esme_emulator.pytest_plugin.clock import AnyClock
from esme_emulator.pytest_plugin.journal import LINES_IN_MESSAGE, NAMES, Journal
from esme_emulator.pytest_plugin.system import EsmeMeter, WindowLike, window_of
from esme_emulator.runtime.config import closest
from gbcs import EUI, Command, Keystore, KeyUsage, Message, authenticate
from gbcs.tables.reading_services import SINGLE, ReadingService, service_of
from gbcs.tables.result_codes import result_name
from gbcs.usecases.profile_read import Row, Window
from gbcs.usecases.values import Reading as Value
from gbcs.usecases.values import values_of

TIMEOUT = 120.0
"""Timeout of a read, in seconds of the test's clock."""

_REAL_TIMEOUT = 600.0
"""Timeout of any request, in seconds of real time."""

_UNANSWERED = {Decision.REFUSED, Decision.FAILED}
"""Decisions of the cache after which no reply comes."""


class RefusedError(Exception):
    """A meter answered with a failure; the text is one line."""

    def __init__(self, meter: EUI, srv: str, code: int) -> None:
        super().__init__(f"{meter} refuses SRV {srv}: {result_name(code)}")
        self.code = code
        """The result code, a Data-Access-Result."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of a read."""

    meter: EUI
    srv: str
    window: Window | None
    """None if the SRV takes no window."""
    via: Via
    rows: list[Row]
    """`time` in seconds since 2000 and the columns of the log, in Wh or varh; [] without a log."""
    values: tuple[Value, ...] = field(repr=False)
    """Each attribute that the SRV reads: `name`, `data`, and `fields` or `rows`."""
    cache_status: str | None
    """As in RFC 9211, such as `s1sp; hit; ttl=90000`. None for a direct read and on MQTT 3.1.1."""
    octets: bytes = field(repr=False)
    """Octets of the response as received."""
    response: Message = field(repr=False)
    """The response, decoded, verified and decrypted."""
    command: bytes = field(repr=False)
    """Octets of the command."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A command, and the read that it was made for."""

    service: ReadingService
    window: Window | None
    via: Via
    command: Command
    octets: bytes


class PendingReads:
    """The reads that are in flight; they are cancelled when their fixture ends."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Reading]] = set()
        self._waiting: dict[tuple[EUI, EUI, int], Callable[[], object]] = {}

    def start(self, read: Coroutine[Any, Any, Reading]) -> "asyncio.Task[Reading]":
        """Start a read and return its task."""
        task = asyncio.get_running_loop().create_task(read)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: "asyncio.Task[Reading]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # a test need not await it

    def if_unanswered(
        self, task: "asyncio.Task[Reading]", command: Command, give_up: Callable[[], object]
    ) -> None:
        """Call `give_up` if the cache decides not to answer `command` while `task` waits for it."""
        key = command.device, command.remote_party, command.originator_counter
        self._waiting[key] = give_up
        task.add_done_callback(lambda _: self._waiting.pop(key, None))

    def on_decision(self, event: Decided) -> None:
        """Give up the read that a decision of the cache leaves unanswered."""
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


@dataclass(frozen=True, slots=True)
class PartyContext:
    """What all parties of a test share."""

    requesters: Mapping[Via, Requester]
    clock: AnyClock
    reads: PendingReads
    journal: Journal


class EsmeParty:
    """One remote party with its role and keys."""

    def __init__(self, name: str, remote: RemoteParty, context: PartyContext) -> None:
        self.name = name
        self.remote = remote
        """Makes commands with its keys and counter."""
        self._requesters = context.requesters
        self._clock = context.clock
        self._reads = context.reads
        self._journal = context.journal

    @property
    def eui(self) -> EUI:
        """EUI of the party."""
        return self.remote.eui

    async def read(
        self,
        meter: EsmeMeter | EUI,
        srv: str,
        window: WindowLike = None,
        *,
        via: Via = "cache",
        timeout: float = TIMEOUT,  # noqa: ASYNC109  of the test's clock, not of the loop's
    ) -> Reading:
        """Return one reading; a manual clock advances as far as the reply needs.

        `window` is a day, two times, or the last whole day. `timeout` is in seconds of the clock.

        Raises `NoReplyError` if no reply came in this time, `RefusedError` if the meter answered
        with a failure, `AuthenticationError` if the MAC of the reply does not verify, and
        `ValueError` if `meter` has no such `srv`, or if it takes no window and one is given.
        """
        __tracebackhide__ = True
        clock, read = self._clock, self._prepare(meter, srv, window, via)
        task = self._reads.start(self._fetch(read))
        try:
            if not await clock.wait_for(task, timeout):
                raise self._no_reply(read, f" within {timeout:g} s of the clock")
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
        """Start a read without advancing the clock; return a task to await for the reading.

        The task raises the errors of `read`. It has no timeout: it waits for a reply until the
        fixture ends, or until `esme_cache` decides `refused` or `failed`.
        """
        read = self._prepare(meter, srv, window, via)
        task = self._reads.start(self._fetch(read))
        if via == "cache":
            requester = self._requesters[via]

            def give_up() -> None:
                requester.give_up(read.command, self._no_reply(read))

            self._reads.if_unanswered(task, read.command, give_up)
        return task

    async def request(
        self, command: Command, octets: bytes, *, via: Via = "cache"
    ) -> ReceivedReply:
        """Send any command and return the response; do not verify its MAC.

        The clock is not advanced. Raises `NoReplyError` after ten minutes of real time.
        """
        return await self._requesters[via].request(command, octets, _REAL_TIMEOUT)

    def _prepare(self, meter: EsmeMeter | EUI, srv: str, window: WindowLike, via: Via) -> _Read:
        if not isinstance(meter, EsmeMeter | EUI):
            raise TypeError(f"{meter!r} is not a meter: give esme_meter or esme_fleet.meter(EUI)")
        variant = meter.profile.variant if isinstance(meter, EsmeMeter) else SINGLE
        service = service_of(srv, variant)
        if window is not None and not service.windowed:
            raise ValueError(f"SRV {srv} takes no window: leave it out")
        wanted = window_of(window, self._clock.now()) if service.windowed else None
        if via not in self._requesters:
            raise ValueError(f"via {via!r}: give {' or '.join(map(repr, self._requesters))}")
        return _Read(service, wanted, via, *self.remote.ask(_eui(meter), service, wanted))

    async def _fetch(self, read: _Read) -> Reading:
        reply = await self.request(read.command, read.octets, via=read.via)
        authenticate(reply.response)
        device, srv = read.command.device, read.service.srv
        values = values_of(reply.response)
        for value in values:
            if value.code:
                raise RefusedError(device, srv, value.code)
        return Reading(
            meter=device,
            srv=srv,
            window=read.window,
            via=read.via,
            rows=[row for value in values for row in value.rows or ()],
            values=values,
            cache_status=reply.cache_status,
            octets=reply.octets,
            response=reply.response,
            command=read.octets,
        )

    def _no_reply(self, read: _Read, within: str = "") -> NoReplyError:
        device, srv = read.command.device, read.service.srv
        counts = self._requesters[read.via].dropped.items()
        dropped = ", ".join(f"{number} {kind}" for kind, number in counts)
        known = [
            self._journal.outcome(read.command, read.octets),
            f"{dropped} replies were dropped" if dropped else "",
        ]
        if read.via == "cache":
            hint = "use the fixture esme_cache, or run your own system on s1sp/"
        else:
            hint = "check that it is a meter of esme_fleet"
        error = NoReplyError(
            f"{device} did not reply to SRV {srv} for {self.name}{within}: "
            f"{'; '.join(filter(None, known)) or hint}"
        )
        for line in self._journal.lines((device,), srv, LINES_IN_MESSAGE):
            error.add_note(f"  {line}")
        return error

    def __repr__(self) -> str:
        return f"<{self.name} {self.eui}>"


def _eui(meter: EsmeMeter | EUI) -> EUI:
    return meter.eui if isinstance(meter, EsmeMeter) else meter


class Parties:
    """The parties by name. Each is made on first use, since it derives keys."""

    def __init__(
        self, keystore: Keystore, counter: int, context: PartyContext, known: tuple[Party, ...]
    ) -> None:
        self._known = known
        self._context = context
        self._keystore = keystore
        self._counter = counter
        self._made: dict[str, EsmeParty] = {}

    @property
    def supplier(self) -> EsmeParty:
        """The import supplier; it may read 4.6.1, 4.8.1 and 4.8.2."""
        return self["supplier"]

    @property
    def export_supplier(self) -> EsmeParty:
        """The export supplier; it may read 4.6.2 and 4.8.3."""
        return self["export_supplier"]

    @property
    def distributor(self) -> EsmeParty:
        """The electricity distributor; it may read 4.8.1, 4.8.2 and 4.8.3."""
        return self["distributor"]

    @property
    def other_user(self) -> EsmeParty:
        """An Other User behind the Access Control Broker; it may read 4.8.1, 4.8.2 and 4.8.3."""
        return self["other_user"]

    @property
    def new_supplier(self) -> EsmeParty:
        """The import supplier after a change of supplier; it may read 4.6.1, 4.8.1 and 4.8.2."""
        return self["new_supplier"]

    def __getattr__(self, name: str) -> EsmeParty:
        raise AttributeError(f"no party is called {name}; {closest(name, NAMES)}")

    def __getitem__(self, name: str) -> EsmeParty:
        """Return the party called `name`, which may be its EUI. Raises `KeyError` for no party."""
        if name not in self._made:
            try:
                party = party_called(self._known, str(NAMES.get(name, name)))
            except ValueError:
                own = [party.name for party in self._known if party not in PARTIES]
                names = ", ".join([*NAMES, *own])
                raise KeyError(f"no party is called {name}; choose one of {names}") from None
            if self._keystore.private_key(party.eui, KeyUsage.KEY_AGREEMENT) is None:
                raise KeyError(f"{party.name} has no private key, so it cannot make commands")
            remote = RemoteParty.of(party, self._keystore, self._counter)
            self._made[name] = EsmeParty(name, remote, self._context)
        return self._made[name]
