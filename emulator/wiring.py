"""Wiring: which parts make up what a user runs.

The one place that puts estate, broker, fleet, cache, clock and store together.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from emulator.cache.entry import MIN_RETENTION_HOURS, retention_seconds
from emulator.cache.policy import CachePolicy
from emulator.cache.service import serve_cache
from emulator.cache.sqlite import SqliteStore
from emulator.cache.store import MemoryStore, Store
from emulator.clock import SystemClock
from emulator.estate import Estate
from emulator.fleet import Fleet
from emulator.fleet_service import serve_fleet
from emulator.latency import NONE, Latency
from emulator.parties import RemoteParty
from emulator.proof.result import ProofResult
from emulator.proof.run import Progress, run_proof
from emulator.requester import Requester
from emulator.topics import CACHED, DIRECT
from emulator.transport import Broker, MemoryBroker
from emulator.transport.embedded import embedded_broker
from gbcs import EUI, authenticate
from gbcs.tables.profile_logs import BY_SRV
from gbcs.tables.result_codes import result_name
from gbcs.usecases.profile_read import Row, Window, buffer_of, rows_of

REPLY_TIMEOUT = 60.0
"""Seconds that the cache, and who reads one meter, wait for it."""

PREFIXES = {"cache": CACHED, "direct": DIRECT}


class ReadFailedError(Exception):
    """A reading that was not to be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One read and its rows."""

    device: EUI
    srv: str
    window: Window
    via: str
    cache_status: str | None
    rows: list[Row]


@asynccontextmanager
async def broker_at(url: str | None, port: int = 0) -> AsyncIterator[str]:
    """Yield the URL of the broker `url`, or of one of our own on loopback where it is None.

    Raises `TransportError` where `port` cannot be had; 0 is any free one.
    """
    if url is not None:
        yield url
    else:
        async with embedded_broker(port=port) as own:
            yield own


@asynccontextmanager
async def fleet_on(broker: Broker, estate: Estate, latency: Latency) -> AsyncIterator[Fleet]:
    """Run the meters of `estate`. Raises `TransportError` where there is no broker."""
    fleet = Fleet(estate.meters, estate.keystore, estate.seed, latency)
    async with serve_fleet(broker, fleet, SystemClock()):
        yield fleet


@asynccontextmanager
async def cache_on(
    broker: Broker, estate: Estate, retention: float, path: Path | None
) -> AsyncIterator[CachePolicy]:
    """Run a cache that keeps readings for `retention` seconds, in the file `path` or in memory.

    Raises `TransportError` where there is no broker and `StoreError` where the file is no store.
    """
    store: Store = MemoryStore() if path is None else SqliteStore(path, estate.name)
    try:
        policy = CachePolicy(
            estate.keystore,
            retention=retention,
            reply_timeout=REPLY_TIMEOUT,
            reserved=await store.reserved(),
        )
        async with serve_cache(broker, policy, store, SystemClock()):
            yield policy
    finally:
        await store.close()


async def read(
    estate: Estate, device: EUI, srv: str, window: Window, via: str, url: str | None
) -> Reading:
    """Return one reading; without `url`, of a meter and a cache started for it alone.

    `via` is a key of `PREFIXES`. Raises `ReadFailedError` where the meter refuses, `NoReplyError`
    where it does not answer, `AuthenticationError` where its MAC does not verify, and
    `TransportError` where there is no broker.
    """
    party = _party_for(estate, srv)
    requester = Requester(PREFIXES[via], estate.keystore)
    async with AsyncExitStack() as stack:
        broker: Broker = MemoryBroker() if url is None else url
        if url is None:
            if device not in estate.meters:
                first, last = estate.meters[0], estate.meters[-1]
                raise ReadFailedError(f"{device} is not a meter here; these are {first} to {last}")
            retention = retention_seconds(MIN_RETENTION_HOURS)
            await stack.enter_async_context(fleet_on(broker, estate, NONE))
            await stack.enter_async_context(cache_on(broker, estate, retention, None))
        await stack.enter_async_context(requester.connected(broker, {party.recipient}))
        command, octets = party.command(device, srv, window)
        reply = await requester.request(command, octets, REPLY_TIMEOUT)
    authenticate(reply.response)
    log = BY_SRV[srv]
    readings = buffer_of(reply.response, log)
    if isinstance(readings, int):
        raise ReadFailedError(f"{device} refuses SRV {srv}: {result_name(readings)}")
    return Reading(device, srv, window, via, reply.cache_status, rows_of(log, readings))


def _party_for(estate: Estate, srv: str) -> RemoteParty:
    """Return a party that may ask for `srv`; its counter is the time, so it never comes again."""
    counter = int(SystemClock().now() * 1_000_000)
    for party in estate.parties(counter):
        if party.may_ask(srv):
            return party
    raise ReadFailedError(f"the keystore has no private key of a party that may ask for SRV {srv}")


async def prove(estate: Estate, url: str | None, progress: Progress) -> ProofResult:
    """Return the result of a proof. Raises `TransportError` where there is no broker."""
    async with broker_at(url) as broker:
        return await run_proof(estate, broker, progress)
