"""What a load is put on: a broker, or meters and a cache started for this load alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from esme_emulator.app.services import run_alone
from esme_emulator.estate.estate import EstateSource
from esme_emulator.runtime.clock import parse_clock
from esme_emulator.transport import Broker


@asynccontextmanager
async def target_of(url: str | None, source: EstateSource, clock: str) -> AsyncIterator[Broker]:
    """Yield the broker `url`, or where it is None one in this process, with meters and a cache.

    `clock` is theirs, as `parse_clock` reads it.

    Raises `KeystoreError` where the keystore file of `source` cannot be used.
    """
    if url is not None:
        yield url
        return
    async with run_alone(source.estate(), parse_clock(clock)) as broker:
        yield broker
