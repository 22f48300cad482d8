"""The parties of a run as users of DUIS: their requests go through a front door of the run's own.

The documents are those of DUIS: signed, checked, acknowledged, kept in an outbox and delivered.
Only sockets are left out. Each attempt of a party is a request of its own, because the DSP (Data
Service Provider) answers a repeated RequestID without asking the meter. The DSP chooses the
counters of the commands that it sends, so the record learns from it which command is whose.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

import httpx

from esme_emulator.estate.estate import Estate
from esme_emulator.gateway.checks import Checks
from esme_emulator.gateway.deliveries import Addresses, Deliveries
from esme_emulator.gateway.documents import Code, Endpoint, RequestId
from esme_emulator.gateway.drafts import draft_read
from esme_emulator.gateway.keys import DuisKeys, derived_keys
from esme_emulator.gateway.outbox import Outbox
from esme_emulator.gateway.service import Dsp, DspParts
from esme_emulator.gateway.user import ReceivedResponse, read_response, signed_by_originator
from esme_emulator.messaging.client import (
    NobodyListensError,
    NoReplyError,
    ReceivedReply,
    Requester,
)
from esme_emulator.proof.run_record import Exchange, Run
from esme_emulator.runtime.clock import ManualClock, SteadyClock
from esme_emulator.transport import Gauge, Gauged
from gbcs import EUI, Command, open_message, read_content
from gbcs.usecases.read_request import Window

FIRST_COUNTER = 1 << 40
"""Counter of a party's first request. No command of the scenario itself has so high a one."""

_ADDRESS = "http://user.invalid/"


class Users:
    """The parties of `run`, whose requests are answered by one front door."""

    def __init__(self, run: Run, keys: DuisKeys, clock: ManualClock, gauge: Gauge) -> None:
        self._run = run
        self._keys = keys
        self._clock = clock
        self._gauge = gauge
        self._counters: Counter[EUI] = Counter()
        self._exchanges: dict[RequestId, Exchange] = {}
        self._waiting: dict[RequestId, asyncio.Future[ReceivedResponse]] = {}
        self._dsp: Dsp | None = None

    @classmethod
    @asynccontextmanager
    async def served(
        cls,
        broker: Gauged,
        run: Run,
        clock: ManualClock,
        *,
        prefix: str,
        estate: Estate,
        kind_of: Callable[[EUI], str],
        timeout: float,  # noqa: ASYNC109  # by the run's own clock
        outbox_file: Path,
    ) -> AsyncIterator[Self]:
        """Run the front door during the context: commands go to topics under `prefix`.

        `kind_of` returns the kind of a meter; `timeout` is that of the DSP for a meter, in seconds
        of the clock; `outbox_file` is removed at the end. Raises `TransportError` and `StoreError`.
        """
        keys = derived_keys(estate.seed, estate.keystore, estate.known_parties)
        users, registry = cls(run, keys, clock, broker.gauge), run.upstream.registry

        def meters(eui: EUI) -> str | None:
            return kind_of(eui) if eui in estate.meters else None

        requester = Requester(prefix, keys.keystore, clock)
        recipients = {party.eui for party in estate.known_parties}
        recipients.add(keys.keystore.access_control_broker)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(requester.connected(broker, recipients))
            stack.callback(outbox_file.unlink, missing_ok=True)
            outbox = Outbox(outbox_file, estate.name)
            stack.callback(outbox.close)
            client = httpx.AsyncClient(transport=httpx.MockTransport(users._receive))
            await stack.enter_async_context(client)
            machine = SteadyClock()
            parts = DspParts(
                checks=Checks(keys, registry, meters),
                keys=keys,
                registry=registry,
                meters=meters,
                outbox=outbox,
                deliveries=Deliveries(outbox, Addresses(_ADDRESS), machine, client),
                requester=_Sender(requester, users, broker.gauge),
                clock=clock,
                machine=machine,
                is_smets1=lambda _: False,
            )
            users._dsp = Dsp(parts, 0.0, timeout)
            await stack.enter_async_context(users._dsp.run())
            yield users

    def withholds(self, exchange: Exchange) -> bool:
        """Return False: the DSP has to refuse by itself what upstream would."""
        return False

    async def ask(self, exchange: Exchange) -> ReceivedReply | None:
        """Make an attempt of an exchange, and return the reply in the response, None if refused.

        Raises `NoReplyError` for a response that says so.
        """
        if self._dsp is None:
            raise RuntimeError("not served")
        planned, key = exchange.planned, exchange.planned.key
        user = planned.command.remote_party
        identity = RequestId(user, key.device, FIRST_COUNTER + self._counters[user])
        self._counters[user] += 1
        exchange.request_ids.append(str(identity))
        draft = draft_read(identity, key.srv, Window(key.start, key.end))
        future = asyncio.get_running_loop().create_future()
        self._exchanges[identity], self._waiting[identity] = exchange, future
        sent = self._clock.now()
        self._gauge.add(1)  # until the command is sent, or the request refused
        answer = await self._dsp.answer(Endpoint.SEND, signed_by_originator(draft, self._keys))
        code = read_response(answer.body, self._keys).code
        exchange.codes.append(code)
        if code != Code.ACCEPTED:
            self._gauge.remove(1)
            exchange.turned_away = code
            return None
        answer.sent()
        response = await future
        exchange.codes.append(response.code)
        if response.code == Code.UNREACHABLE:
            raise NobodyListensError(f"response code {response.code}")
        if response.code == Code.NO_RESPONSE:
            raise NoReplyError(f"response code {response.code}")
        octets = response.payload
        message = read_content(open_message(octets, self._keys.keystore), self._keys.keystore)
        return ReceivedReply(message, octets, None, self._clock.now() - sent)

    def note(self, command: Command, octets: bytes) -> None:
        """Note which request a command of the DSP belongs to."""
        behind = command.supplementary
        counter = behind.party_counter if behind else command.originator_counter
        identity = RequestId(command.remote_party, command.device, counter or 0)
        self._run.record.sent(self._exchanges.pop(identity), command, octets, self._clock.now())

    def _receive(self, request: httpx.Request) -> httpx.Response:
        """Take a response that the front door delivers."""
        self._gauge.remove(1)
        response = read_response(request.content, self._keys)
        identity = response.request_id
        if identity is not None:
            self._waiting.pop(identity).set_result(response)
        return httpx.Response(204)


class _Sender:
    """Sends the commands of the DSP, and tells the gauge what is in flight within the DSP."""

    def __init__(self, requester: Requester, users: Users, gauge: Gauge) -> None:
        self._requester = requester
        self._users = users
        self._gauge = gauge

    async def request(self, command: Command, octets: bytes, timeout: float) -> ReceivedReply:  # noqa: ASYNC109  # by its own clock
        """Send a command and return the reply; see `Requester`."""
        self._users.note(command, octets)
        pending = asyncio.create_task(self._requester.request(command, octets, timeout))
        await asyncio.sleep(0)  # it is sent now, and counted from now on as a message
        self._gauge.remove(1)
        try:
            return await pending
        finally:
            self._gauge.add(1)  # until the response is delivered
