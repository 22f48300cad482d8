"""The front door for DUIS in a test: its URLs, requests signed, and responses received.

Imported only if a test uses it, since its packages are in an extra of their own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from esme_emulator.app.dsp import DspOptions, RunningDsp, serve_dsp
from esme_emulator.estate.estate import Estate
from esme_emulator.gateway.deliveries import Addresses
from esme_emulator.gateway.drafts import draft_of
from esme_emulator.gateway.http import received_at
from esme_emulator.gateway.keys import DuisKeys, duis_registry
from esme_emulator.gateway.user import read_response, signed_by_originator
from esme_emulator.messaging.client import NoReplyError
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.listening import HOST
from esme_emulator.transport import Broker
from gbcs import EUI, Message, authenticate, decode

RECEIVER_PATH = "/smartdcc/duis"

_RESPONSE_SECONDS = 30.0
"""Timeout of a response in seconds of real time."""


class DuisResponse:
    """A response that was delivered, with a valid signature of the DSP."""

    def __init__(self, octets: bytes, keys: DuisKeys) -> None:
        self.octets = octets
        self._received = read_response(octets, keys)
        self._keys = keys

    def text(self, name: str) -> str | None:
        """Return the text of the first element of this name, such as `RequestID`, or None."""
        return self._received.text(name)

    @property
    def code(self) -> str:
        """The response code, such as I0 or E21."""
        return self._received.code

    @property
    def message(self) -> Message:
        """The GBCS response in it, decoded. Raises `AuthenticationError` for an invalid MAC."""
        message = decode(self._received.payload, self._keys.keystore)
        authenticate(message)
        return message


class EsmeDsp:
    """The front door for DUIS of a test."""

    def __init__(self, running: RunningDsp, keys: DuisKeys) -> None:
        self.url = running.duis
        """URL of the endpoint; requests go to `url + "/api/v1/serviceS"`."""
        self.smki = running.smki
        """URL of the SMKI services."""
        self.keys = keys
        """Keys of users and DSP."""
        self._running = running
        self._arrived: asyncio.Queue[DuisResponse] = asyncio.Queue()

    @property
    def respond_to(self) -> str:
        """URL that receives responses. Set it to that of your own software."""
        return self._running.dsp.deliveries.addresses.default

    @respond_to.setter
    def respond_to(self, url: str) -> None:
        self._running.dsp.deliveries.addresses = Addresses(url)

    def sign(self, request: str | bytes) -> bytes:
        """Return a request, signed by its originator, whose key is drawn from the seed.

        A signature, comments and white space in `request` are left out. Raises `DocumentError`, and
        `SignatureError` for an unknown originator.
        """
        root = draft_of(request.encode() if isinstance(request, str) else request)
        return signed_by_originator(root, self.keys)

    def read(self, octets: bytes) -> DuisResponse:
        """Return a response after checking that the DSP signed it. Raises `SignatureError`."""
        return DuisResponse(octets, self.keys)

    async def response(self) -> DuisResponse:
        """Return the next response that was delivered to the fixture itself.

        Raises `NoReplyError` after 30 seconds of real time.
        """
        try:
            async with asyncio.timeout(_RESPONSE_SECONDS):
                return await self._arrived.get()
        except TimeoutError:
            raise NoReplyError("no response was delivered: advance esme_clock?") from None

    def forget(self) -> None:
        """Drop the responses that `response` has not returned yet."""
        while not self._arrived.empty():
            self._arrived.get_nowait()

    def _take(self, octets: bytes) -> int:
        self._arrived.put_nowait(self.read(octets))
        return 204


@asynccontextmanager
async def esme_dsp(
    broker: Broker,
    estate: Estate,
    keys: DuisKeys,
    clock: Clock,
    meters: Callable[[EUI], str | None],
    folder: Path,
) -> AsyncIterator[EsmeDsp]:
    """Run a front door, and a receiver of its responses, on free ports."""
    taken: list[EsmeDsp] = []
    async with AsyncExitStack() as stack:
        receiver = received_at(
            f"http://{HOST}:0{RECEIVER_PATH}", lambda octets: taken[0]._take(octets)
        )
        address = await stack.enter_async_context(receiver)
        options = DspOptions(
            keys=keys,
            registry=duis_registry(estate.known_parties),
            outbox=folder / "duis.sqlite",
            port=0,
            smki_port=0,
            addresses=Addresses(address),
            respond_after=0.0,
        )
        running = serve_dsp(broker, estate, clock, options, meters)
        taken.append(EsmeDsp(await stack.enter_async_context(running), keys))
        yield taken[0]
