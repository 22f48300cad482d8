"""Puts together what runs once: a broker, one reading or one proof.

Services that run until interrupted are in `esme_emulator.app.services`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from esme_emulator.app.services import run_alone
from esme_emulator.device.model import profile_of
from esme_emulator.estate.estate import Estate
from esme_emulator.estate.parties import Party, RemoteParty
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.topics import PREFIXES, Via
from esme_emulator.profiles import MeterProfile
from esme_emulator.proof.bench import Variants
from esme_emulator.proof.run import Progress, Proof, Proved
from esme_emulator.runtime.clock import SystemClock
from esme_emulator.runtime.errors import UserError
from esme_emulator.runtime.listening import HOST
from esme_emulator.scenario.scenario import Scenario
from esme_emulator.transport import Broker, BrokerAddress
from esme_emulator.transport.base import LOGGER
from esme_emulator.transport.embedded import embedded_broker
from esme_emulator.transport.embedded_rumqttd import OnEnded
from gbcs import EUI, authenticate
from gbcs.tables.reading_services import SINGLE, ReadingService
from gbcs.tables.result_codes import result_name
from gbcs.usecases.profile_read import Window
from gbcs.usecases.values import Reading, values_of

REPLY_TIMEOUT = 60.0
"""Timeout of one read, in seconds."""


class ReadFailedError(UserError):
    """A read that failed. The text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The reply to one read."""

    device: EUI
    service: ReadingService
    window: Window | None
    via: str
    cache_status: str | None
    readings: tuple[Reading, ...]


@asynccontextmanager
async def broker_at(
    url: str | None,
    port: int = 0,
    mqtt: str | None = None,
    on_ended: OnEnded = LOGGER.error,
    host: str = HOST,
) -> AsyncIterator[str]:
    """Yield the URL of a broker: `url`, or if that is None, of a new one on `host`.

    Port 0 takes a free one; `mqtt` and `on_ended` are those of `embedded_broker`. Raises
    `TransportError` if the port is taken or `url` is not a URL.
    """
    if url is not None:
        BrokerAddress.parse(url)  # report a typo before anything is started or removed
        yield url
    else:
        async with embedded_broker(port, mqtt, on_ended, host) as own:
            yield own


def variant_of(
    estate: Estate, device: EUI, profiles: tuple[MeterProfile, ...] | None = None
) -> str:
    """Return the variant of a meter, drawn from `profiles` or, if None, from the shipped mix.

    A meter outside the estate counts as a single element meter.
    """
    if device not in estate.meters:
        return SINGLE
    return profile_of(estate.seed, device, profiles).variant


async def read(
    estate: Estate,
    device: EUI,
    service: ReadingService,
    window: Window | None,
    via: Via,
    url: str | None,
    party: Party | None = None,
    *,
    profiles: tuple[MeterProfile, ...] | None = None,
    reply_timeout: float = REPLY_TIMEOUT,
) -> Answered:
    """Return one reading of a meter; without `url`, start a meter and a cache for it.

    `party` is the requester, by default the first that may send it. `via` is a key of `PREFIXES`;
    `window` is None for a service that reads no log. `profiles` are the profiles of the meters to
    start, None for the shipped mix. Raises `ReadFailedError` if the meter refuses, `NoReplyError`
    if it does not answer within `reply_timeout` seconds, `AuthenticationError` if the MAC of its
    reply is invalid, and `TransportError` if the broker cannot be reached.
    """
    _refuse_a_party(estate, device)
    remote = _party_for(estate, service.srv, party)
    requester = Requester(PREFIXES[via], estate.keystore)
    async with AsyncExitStack() as stack:
        broker: Broker | None = url
        if broker is None:
            if device not in estate.meters:
                first, last = estate.meters[0], estate.meters[-1]
                raise ReadFailedError(
                    f"{device} is not a meter of this estate, which has {first} to {last}"
                )
            broker = await stack.enter_async_context(run_alone(estate, SystemClock(), profiles))
        await stack.enter_async_context(requester.connected(broker, {remote.recipient}))
        command, octets = remote.ask(device, service, window)
        reply = await requester.request(command, octets, reply_timeout)
    authenticate(reply.response)
    readings = values_of(reply.response)
    failed = next((item for item in readings if item.code), None)
    if failed is not None:
        reason = f"{failed.name} is {result_name(failed.code)}"
        raise ReadFailedError(f"{device} refuses SRV {service.srv}: {reason}")
    return Answered(device, service, window, via, reply.cache_status, readings)


def _refuse_a_party(estate: Estate, device: EUI) -> None:
    for party in estate.known_parties:
        if party.eui == device:
            raise ReadFailedError(f"{device} is the party {party.name} and no meter")


def _party_for(estate: Estate, srv: str, wanted: Party | None) -> RemoteParty:
    """Return `wanted`, or else a party that may send `srv`.

    Its counter is the time, so that it never repeats.
    """
    able = estate.parties(counter=int(SystemClock().now() * 1_000_000))
    if wanted is not None:
        able = tuple(party for party in able if party.eui == wanted.eui)
        if not able:
            raise ReadFailedError(
                f"{wanted.name} has no private key-agreement key: add it to the party in --parties"
            )
        if not able[0].may_ask(srv):
            roles = ", ".join(sorted(wanted.roles))
            raise ReadFailedError(f"{wanted.name} may not send SRV {srv}: its roles are {roles}")
    for party in able:
        if party.may_ask(srv):
            return party
    raise ReadFailedError(f"no party with a private key in the keystore may send SRV {srv}")


async def prove(
    scenario: Scenario,
    folder: Path,
    progress: Progress,
    *,
    url: str | None,
    variants: Variants = (),
    duis: bool = False,
    begin: Callable[[], None] = lambda: None,
) -> Proved:
    """Return the result of a proof, a partial one if it is interrupted or loses its broker.

    Its temporary files go to `folder`. The same requests are made under each of `variants`. With
    `duis`, they go through a front door for DUIS. `begin` is called before the first request, after
    all input has been checked. Raises `TransportError` if the broker cannot be reached,
    `WorkloadError` if the requests cannot be made, and `OSError` for temporary files.
    """
    async with broker_at(url) as broker:
        proof = Proof(scenario, broker, folder, variants, duis=duis)
        begin()
        return await proof.run(progress)


async def prove_in_process(
    scenario: Scenario,
    folder: Path,
    progress: Progress,
    *,
    workers: int,
    variants: Variants = (),
    begin: Callable[[], None] = lambda: None,
) -> Proved:
    """Return the result of a proof without a broker, in up to `workers` processes; see `prove`."""
    proof = Proof(scenario, None, folder, variants, workers)
    begin()
    return await proof.run(progress)
