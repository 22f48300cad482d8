"""What a load is put on: a broker, or meters and a cache started for this load alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from emulator.cache.entry import MIN_RETENTION_HOURS, retention_seconds
from emulator.cache.settings import CacheSettings
from emulator.clock import parse_clock
from emulator.load.plan import EstateSource
from emulator.services import CacheOptions, FleetOptions, run_services
from emulator.transport import Broker, MemoryBroker


@asynccontextmanager
async def target_of(url: str | None, source: EstateSource, clock: str) -> AsyncIterator[Broker]:
    """Yield the broker `url`, or where it is None one in this process, with meters and a cache.

    `clock` is theirs, as `parse_clock` reads it.

    Raises `KeystoreError` where the keystore file of `source` cannot be used.
    """
    if url is not None:
        yield url
        return
    broker = MemoryBroker()
    settings = CacheSettings(retention=retention_seconds(MIN_RETENTION_HOURS))
    cache = CacheOptions(settings, "memory:")
    async with run_services(broker, source.estate(), parse_clock(clock), FleetOptions(), cache):
        yield broker
