"""The front door for DUIS: puts checks, outbox, deliveries and HTTP together."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from esme_emulator.cache.registry.registry import Registry
from esme_emulator.device.model import profile_of
from esme_emulator.estate.estate import Estate
from esme_emulator.estate.parties import DUIS_USERS
from esme_emulator.gateway.checks import Checks, Meters
from esme_emulator.gateway.deliveries import Addresses, Deliveries, http_client
from esme_emulator.gateway.http import Route, application, duis_routes, smki_routes
from esme_emulator.gateway.keys import DuisKeys
from esme_emulator.gateway.outbox import Outbox
from esme_emulator.gateway.service import Dsp, DspParts
from esme_emulator.gateway.smki import Smki
from esme_emulator.gateway.xsd import Xsd
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.topics import PREFIXES, Via
from esme_emulator.profiles import MeterProfile
from esme_emulator.runtime.clock import Clock, SteadyClock
from esme_emulator.runtime.http_server import serve_http
from esme_emulator.runtime.listening import HOST
from esme_emulator.transport import Broker
from gbcs import EUI

DUIS_PORT, SMKI_PORT = 8079, 8083
"""Ports that DCC's clients assume."""

RESPOND_AFTER = 1.0
"""Default pause between an acknowledgement and its response, in seconds of real time.

DCC's nodes for Node-RED remember a request only after they have verified its acknowledgement.
"""

REPLY_TIMEOUT = 60.0
"""Default timeout for the reply of a meter, in seconds."""


@dataclass(frozen=True, slots=True)
class DspOptions:
    """How the front door for DUIS behaves."""

    keys: DuisKeys
    registry: Registry
    outbox: Path
    host: str = HOST
    """Address that the endpoints listen on."""
    port: int = DUIS_PORT
    smki_port: int | None = SMKI_PORT
    """Port of the SMKI services; None for none. It may be that of DUIS."""
    addresses: Addresses = field(default_factory=Addresses)
    respond_after: float = RESPOND_AFTER
    via: Via = "cache"
    reply_timeout: float = REPLY_TIMEOUT
    profiles: tuple[MeterProfile, ...] | None = None
    """Profiles that the kinds of meters are drawn from, None for the shipped mix."""
    xsd: Xsd | None = None
    """DCC's own schemas."""
    machine: Clock = field(default_factory=SteadyClock)
    """The clock of real time."""
    smets1_response: bool = False
    """Whether readings of SMETS1 meters are delivered decoded, in XML."""


@dataclass(frozen=True, slots=True)
class RunningDsp:
    """The front door that runs, and its URLs."""

    dsp: Dsp
    duis: str
    smki: str | None


@asynccontextmanager
async def serve_dsp(
    broker: Broker,
    estate: Estate,
    clock: Clock,
    options: DspOptions,
    meters: Meters | None = None,
) -> AsyncIterator[RunningDsp]:
    """Run the front door for the meters of `estate` while the context lasts.

    `meters` replaces the estate's own. Raises `ListenError` if a port cannot be used, `StoreError`
    for the outbox, and `TransportError` if the broker cannot be reached.
    """
    keys = options.keys
    meters = meters or meters_of(estate, options.profiles)
    async with AsyncExitStack() as stack:
        outbox = Outbox(options.outbox, estate.name)
        stack.callback(outbox.close)
        client = await stack.enter_async_context(http_client())
        requester = Requester(PREFIXES[options.via], keys.keystore, clock)
        recipients = {*DUIS_USERS, *(party.eui for party in estate.known_parties)}
        recipients.add(keys.keystore.access_control_broker)
        await stack.enter_async_context(requester.connected(broker, recipients))
        deliveries = Deliveries(outbox, options.addresses, options.machine, client)
        validate = None if options.xsd is None else options.xsd.mistake
        checks = Checks(keys, options.registry, meters, validate)
        parts = DspParts(
            checks,
            keys,
            options.registry,
            meters,
            outbox,
            deliveries,
            requester,
            clock,
            options.machine,
            smets1_of(estate, options.profiles) if options.smets1_response else _none,
        )
        dsp = Dsp(parts, options.respond_after, options.reply_timeout)
        await stack.enter_async_context(dsp.run())
        smki = Smki(keys, meters, estate.seed)
        yield RunningDsp(dsp, *await _listen(stack, dsp, smki, options))


def meters_of(estate: Estate, profiles: tuple[MeterProfile, ...] | None) -> Meters:
    """Return a function that returns the kind of a meter of `estate`, None for others."""

    def kind(eui: EUI) -> str | None:
        if eui not in estate.meters:
            return None
        return profile_of(estate.seed, eui, profiles).variant

    return kind


def _none(eui: EUI) -> bool:
    return False


def smets1_of(estate: Estate, profiles: tuple[MeterProfile, ...] | None) -> Callable[[EUI], bool]:
    """Return a function that tells whether a meter of `estate` is of the first generation."""

    def is_smets1(eui: EUI) -> bool:
        return profile_of(estate.seed, eui, profiles).generation == "SMETS1"

    return is_smets1


async def _listen(
    stack: AsyncExitStack, dsp: Dsp, smki: Smki, options: DspOptions
) -> tuple[str, str | None]:
    """Serve DUIS and SMKI, on one port if their ports are the same; return their URLs."""

    async def serve(routes: list[Route], port: int, what: str) -> str:
        served = serve_http(application(routes), port, options.host, what=what)
        return await stack.enter_async_context(served)

    duis, port = duis_routes(dsp), options.smki_port
    if port and port == options.port:
        url = await serve([*duis, *smki_routes(smki)], port, "DUIS endpoint")
        return url, url
    url = await serve(duis, options.port, "DUIS endpoint")
    return url, None if port is None else await serve(smki_routes(smki), port, "SMKI endpoint")
