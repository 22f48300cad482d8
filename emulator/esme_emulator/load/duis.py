"""Makes the requests of a load as a user of DUIS: signed, over HTTP, with responses delivered.

A request is acknowledged in the HTTP exchange, and its response is delivered later to an address of
this process. Latency counts from the planned time to the delivery, so the pause that the endpoint
makes before each delivery is part of it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from esme_emulator.estate.estate import Estate
from esme_emulator.gateway.deliveries import http_client
from esme_emulator.gateway.documents import Code, Endpoint, RequestId
from esme_emulator.gateway.drafts import draft_read
from esme_emulator.gateway.http import DUIS_PATH, received_at
from esme_emulator.gateway.keys import DuisKeys
from esme_emulator.gateway.requests import DocumentError
from esme_emulator.gateway.signature import SignatureError
from esme_emulator.gateway.user import read_response, signed_by_originator
from esme_emulator.load.generator import Slot, parties_of
from esme_emulator.load.in_flight import ConnectionState, InFlight, Outcome, PreparedRequest
from esme_emulator.load.plan import LoadError, Plan
from esme_emulator.messaging.transaction import Transaction
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.transport import TransportError

_XML = {"content-type": "application/xml"}
_UNANSWERED = (Code.NO_RESPONSE, Code.UNREACHABLE, Code.TIMED_OUT)


@dataclass(frozen=True, slots=True)
class DuisEndpoint:
    """The front door at `url`, which delivers responses to `listen`."""

    url: str
    listen: str
    keys: DuisKeys

    def __str__(self) -> str:
        return f"the DUIS endpoint at {self.url}"

    def maker(self, plan: Plan, estate: Estate, first_counter: int) -> "DuisMaker":
        """Return what makes its requests. Raises `LoadError` if a party has no keys."""
        return DuisMaker(plan, estate, first_counter, self.keys)

    def road(self) -> "DuisRoad":
        """Return the way to it."""
        return DuisRoad(self)


class DuisMaker:
    """Makes signed requests of the parties in a plan to the meters of `estate`.

    A request has the counter `first_counter` plus its place in the schedule. Raises `LoadError` if
    a party has no keys.
    """

    def __init__(self, plan: Plan, estate: Estate, first_counter: int, keys: DuisKeys) -> None:
        self._plan = plan
        self._meters = estate.meters
        self._first_counter = first_counter
        self._keys = keys
        self._users = {
            name: party.eui for name, party in parties_of(plan, estate, first_counter).items()
        }

    def request(self, slot: Slot, now: float) -> PreparedRequest:
        """Return the request of `slot`, made at `now`, Unix time in seconds."""
        kind, device = self._plan.mix[slot.kind], self._meters[slot.meter]
        identity = RequestId(self._users[kind.party], device, self._first_counter + slot.place)
        draft = draft_read(identity, kind.srv, slot.window_at(kind, now))
        try:
            octets = signed_by_originator(draft, self._keys)
        except SignatureError as error:
            raise LoadError(str(error)) from None
        return PreparedRequest(
            seconds=slot.seconds,
            party=kind.party,
            srv=kind.srv,
            device=str(device),
            transaction=_transaction(identity),
            topic=DUIS_PATH.format(service=Endpoint.SEND),
            octets=octets,
        )


def _transaction(identity: RequestId) -> Transaction:
    """Return what identifies a request, whoever sends its command: user, device and counter."""
    return Transaction(
        identity.target, identity.originator, identity.counter, 0, identity.originator
    )


class DuisRoad:
    """The way of requests to an endpoint, and of its responses back."""

    def __init__(self, endpoint: DuisEndpoint) -> None:
        self._endpoint = endpoint
        self._is_up = True
        self._client = http_client()
        self._tasks = Tasks()

    @property
    def state(self) -> ConnectionState:
        """Whether the endpoint took the last request."""
        return ConnectionState(self._is_up)

    @asynccontextmanager
    async def connected(
        self, in_flight: InFlight, now: Callable[[], float], freed: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Receive responses during the context.

        Raises `TransportError` if nothing is at the endpoint's URL, `MisuseError` and `ListenError`
        if responses cannot be received.
        """
        self._in_flight, self._now, self._freed = in_flight, now, freed
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(received_at(self._endpoint.listen, self._take))
            await stack.enter_async_context(self._client)
            await self._check()
            await stack.enter_async_context(self._tasks)
            yield

    async def _check(self) -> None:
        """Check that a server answers, before anything is measured."""
        try:
            await self._client.get(self._endpoint.url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TransportError(
                f"nothing answers as {self._endpoint} ({error or type(error).__name__}): "
                "start esme serve --duis, or give its URL with --to-url"
            ) from None

    def send(self, request: PreparedRequest, planned: float) -> None:
        """Send a request that is in flight, planned for `planned`."""
        self._tasks.start(self._post(request, planned))

    async def _post(self, request: PreparedRequest, planned: float) -> None:
        url = self._endpoint.url.rstrip("/") + request.topic
        try:
            answer = await self._client.post(url, content=request.octets, headers=_XML)
        except httpx.HTTPError:
            self._is_up = False
            self._in_flight.unsent(request)
        else:
            self._is_up = True
            self._acknowledge(request, planned, answer)
        self._freed()

    def _acknowledge(
        self, request: PreparedRequest, planned: float, answer: httpx.Response
    ) -> None:
        in_flight, transaction = self._in_flight, request.transaction
        if not answer.is_success:
            in_flight.end(transaction, Outcome.REFUSED, f"HTTP {answer.status_code}")
            return
        try:
            response = read_response(answer.content, self._endpoint.keys)
        except (DocumentError, SignatureError):
            in_flight.end(transaction, Outcome.INVALID)
            return
        if response.code == Code.ACCEPTED:
            in_flight.acknowledge(planned, self._now())
        else:
            in_flight.end(transaction, Outcome.REFUSED, response.code)

    def _take(self, octets: bytes) -> int:
        """Take a delivered response; return the HTTP status for it."""
        try:
            response = read_response(octets, self._endpoint.keys)
            payload = response.payload
        except (DocumentError, SignatureError):
            self._in_flight.unexpected()
            return 400
        identity = response.request_id
        if identity is None:
            self._in_flight.unexpected()
        elif response.code == Code.DONE:
            self._in_flight.respond(_transaction(identity), payload, self._now())
        else:
            outcome = Outcome.NO_REPLY if response.code in _UNANSWERED else Outcome.REFUSED
            self._in_flight.end(_transaction(identity), outcome, response.code)
        self._freed()
        return 204
