"""`esme serve`, `esme fleet` and `esme cache`: what runs until it is interrupted."""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click

from emulator import show, wiring
from emulator.cli.options import (
    announce,
    base_option,
    broker_option,
    estate_of,
    json_option,
    keystore_option,
    latency_option,
    meters_option,
    one_line,
    part_broker_option,
    retention_option,
    seed_option,
    store_option,
)
from emulator.estate import Estate
from emulator.latency import Latency
from gbcs import EUI


@click.command()
@seed_option
@meters_option
@base_option
@keystore_option
@latency_option
@retention_option
@store_option
@broker_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=1883,
    show_default=True,
    help="Of our own broker; 0 for any.",
)
@json_option
@one_line
def serve(
    seed: str,
    meters: int,
    base: EUI,
    keystore: Path | None,
    latency: Latency,
    retention: float,
    store: Path | None,
    broker: str | None,
    port: int,
    as_json: bool,
) -> None:
    """Run broker, meters and cache until interrupted."""
    estate = estate_of(keystore, seed, meters, base)
    asyncio.run(_run(estate, broker, port, latency, (retention, store), as_json))


@click.command()
@seed_option
@meters_option
@base_option
@keystore_option
@latency_option
@part_broker_option
@json_option
@one_line
def fleet(
    seed: str,
    meters: int,
    base: EUI,
    keystore: Path | None,
    latency: Latency,
    broker: str,
    as_json: bool,
) -> None:
    """Run the meters alone, on a broker, until interrupted."""
    asyncio.run(_run(estate_of(keystore, seed, meters, base), broker, 0, latency, None, as_json))


@click.command()
@seed_option
@meters_option
@base_option
@keystore_option
@retention_option
@store_option
@part_broker_option
@json_option
@one_line
def cache(
    seed: str,
    meters: int,
    base: EUI,
    keystore: Path | None,
    retention: float,
    store: Path | None,
    broker: str,
    as_json: bool,
) -> None:
    """Run the cache alone, on a broker, until interrupted."""
    estate = estate_of(keystore, seed, meters, base)
    asyncio.run(_run(estate, broker, 0, None, (retention, store), as_json))


async def _run(
    estate: Estate,
    broker: str | None,
    port: int,
    latency: Latency | None,
    caching: tuple[float, Path | None] | None,
    as_json: bool,
) -> None:
    """Run what is asked for until SIGINT or SIGTERM, then show what was counted."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    running_fleet = ledger = None
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(wiring.broker_at(broker, port))
        started: dict[str, Any] = {"broker": url}
        if latency is not None:
            running_fleet = await stack.enter_async_context(wiring.fleet_on(url, estate, latency))
            first, last = estate.meters[0], estate.meters[-1]
            started |= {"meters": len(estate.meters), "first": str(first), "last": str(last)}
        if caching is not None:
            retention, path = caching
            path = path or Path(f"esme-cache-{estate.name}.sqlite")
            policy = await stack.enter_async_context(wiring.cache_on(url, estate, retention, path))
            ledger = policy.ledger
            started |= {"retention_hours": retention / 3600, "store": str(path)}
        announce(started, as_json)
        await stopped.wait()
    announce(show.counters(running_fleet, ledger), as_json)
