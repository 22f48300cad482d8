"""Wiring: what a user asks for once, a broker, one reading or a proof, and the parts it takes.

What runs until it is interrupted is put together in `esme_emulator.app.services`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from esme_emulator.app.services import run_alone
from esme_emulator.device.model import meter_of
from esme_emulator.estate.estate import Estate
from esme_emulator.estate.parties import RemoteParty
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.topics import PREFIXES, Via
from esme_emulator.profiles import MeterProfile
from esme_emulator.proof.run import VARIANTS, Progress, Proof, Proved
from esme_emulator.runtime.clock import SystemClock
from esme_emulator.runtime.errors import UserError
from esme_emulator.scenario.scenario import Scenario
from esme_emulator.transport import Broker, BrokerAddress
from gbcs import EUI, authenticate
from gbcs.tables.reading_services import SINGLE, ReadingService
from gbcs.tables.result_codes import result_name
from gbcs.usecases.profile_read import Window
from gbcs.usecases.values import Reading, values_of

REPLY_TIMEOUT = 60.0
"""Seconds that the cache, and who reads one meter, wait for it."""


class ReadFailedError(UserError):
    """A reading that was not to be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One read, and what the meter said to it."""

    device: EUI
    service: ReadingService
    window: Window | None
    via: str
    cache_status: str | None
    readings: tuple[Reading, ...]


@asynccontextmanager
async def broker_at(url: str | None, port: int = 0) -> AsyncIterator[str]:
    """Yield the URL of the broker `url`, or of one of our own on loopback where it is None.

    Raises `TransportError` if `port` cannot be had, 0 being any free one, or if `url` is not one.
    """
    if url is not None:
        BrokerAddress.parse(url)  # a typo is told before anything is started or removed
        yield url
    else:
        from esme_emulator.transport.embedded import embedded_broker  # takes the extra `broker`

        async with embedded_broker(port=port) as own:
            yield own


def variant_of(
    estate: Estate, device: EUI, profiles: tuple[MeterProfile, ...] | None = None
) -> str:
    """Return what a meter is where the estate has `profiles`, None for the shipped mix.

    A meter that is none of the estate's is taken for a single one.
    """
    if device not in estate.meters:
        return SINGLE
    return meter_of(estate.seed, device, profiles).profile.variant


async def read(
    estate: Estate,
    device: EUI,
    service: ReadingService,
    window: Window | None,
    via: Via,
    url: str | None,
    *,
    profiles: tuple[MeterProfile, ...] | None = None,
    patience: float = REPLY_TIMEOUT,
) -> Answered:
    """Return what a meter says; without `url`, of a meter and a cache started for it alone.

    `via` is a key of `PREFIXES`; `window` is None for a service that takes none. `profiles` are the
    kinds of meters that are started, None for the shipped mix. Raises `ReadFailedError` where the
    meter refuses, `NoReplyError` where it does not answer within `patience` seconds,
    `AuthenticationError` where its MAC does not verify, and `TransportError` where there is no
    broker.
    """
    party = _party_for(estate, service.srv)
    requester = Requester(PREFIXES[via], estate.keystore)
    async with AsyncExitStack() as stack:
        broker: Broker | None = url
        if broker is None:
            if device not in estate.meters:
                first, last = estate.meters[0], estate.meters[-1]
                raise ReadFailedError(f"{device} is not a meter here; these are {first} to {last}")
            broker = await stack.enter_async_context(run_alone(estate, SystemClock(), profiles))
        await stack.enter_async_context(requester.connected(broker, {party.recipient}))
        command, octets = party.ask(device, service, window)
        reply = await requester.request(command, octets, patience)
    authenticate(reply.response)
    readings = values_of(reply.response)
    failed = next((item for item in readings if item.code), None)
    if failed is not None:
        reason = f"{failed.name} is {result_name(failed.code)}"
        raise ReadFailedError(f"{device} refuses SRV {service.srv}: {reason}")
    return Answered(device, service, window, via, reply.cache_status, readings)


def _party_for(estate: Estate, srv: str) -> RemoteParty:
    """Return a party that may ask for `srv`; its counter is the time, so it never comes again."""
    counter = int(SystemClock().now() * 1_000_000)
    for party in estate.parties(counter):
        if party.may_ask(srv):
            return party
    raise ReadFailedError(f"the keystore has no private key of a party that may ask for SRV {srv}")


async def prove(
    scenario: Scenario,
    url: str | None,
    progress: Progress,
    *,
    compare: bool,
    begin: Callable[[], None] = lambda: None,
) -> Proved:
    """Return what a proof came to, a partial result where it is interrupted or its broker lost.

    With `compare` the same requests are made under each rule. `begin` is called before the first
    request, once everything that the user gave is known to be good. Raises `TransportError` if
    there is no broker, `WorkloadError` for requests that cannot be.
    """
    rules = VARIANTS if compare else ()
    variants = [(name, replace(scenario.cache, **changed)) for name, changed in rules]
    async with broker_at(url) as broker:
        proof = Proof(scenario, broker)
        begin()
        return await proof.run(progress, variants)
