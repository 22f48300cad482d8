"""`esme cache`: the cache alone, and what its store holds."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from esme_emulator.cache import queries
from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store.base import Size, Store
from esme_emulator.cache.store.open import open_store, read_store_key
from esme_emulator.cli.options import (
    EUI_PARAMETER,
    Parameter,
    all_of,
    base_option,
    estate_of,
    expired_option,
    json_option,
    keystore_option,
    meters_option,
    one_line,
    out,
    part_broker_option,
    seed_option,
)
from esme_emulator.cli.render import screen
from esme_emulator.cli.run import run
from esme_emulator.cli.secrets import STORE_PASSWORD
from esme_emulator.cli.service_options import (
    cache_options,
    caching_options,
    common_options,
    sharing_option,
    store_key_option,
)
from esme_emulator.estate.estate import DEFAULT_BASE, Estate
from esme_emulator.runtime.clock import iso
from esme_emulator.transport.credentials import without_credentials
from gbcs import EUI
from gbcs.instants import to_iso


@click.group(invoke_without_command=True)
@seed_option
@meters_option
@base_option
@keystore_option
@expired_option
@caching_options
@sharing_option
@common_options
@part_broker_option
@json_option
@click.pass_context
@one_line
def cache(
    context: click.Context,
    /,
    seed: str,
    meters: int,
    base: EUI,
    keystore: Path | None,
    takes_expired: bool,
    broker: str,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Run the cache alone, on a broker, until interrupted; or look into its store."""
    command = context.invoked_subcommand
    if command is not None:
        _refuse_options(context, command)
        return
    estate = estate_of(keystore, seed, meters, base, takes_expired)
    options = cache_options(chosen, estate)
    asyncio.run(run(estate, broker, 0, chosen, None, options, as_json=as_json))


def _refuse_options(context: click.Context, command: str) -> None:
    """Refuse options of the cache that runs, which a command on its store would not heed."""
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]}: give the options of {command} after it")


def _existing(where: str) -> str:
    """Return the text of a store that is a server, or a file that is there."""
    if "://" not in where:
        shown = without_credentials(where) if "@" in where else where  # it may be a mistyped URL
        try:
            Path(where.removeprefix("sqlite:")).stat()
        except FileNotFoundError:
            raise ValueError(f"{shown}: there is no such file") from None
        except OSError as error:
            raise ValueError(f"{shown}: {error.strerror}") from None
    return where


_store_options = all_of(
    click.argument(
        "store",
        metavar="FILE|URL",
        type=Parameter("store", _existing),
        callback=STORE_PASSWORD.into_url,
    ),
    STORE_PASSWORD.option(),
    store_key_option,
    seed_option,
    keystore_option,
    click.option("--device", type=EUI_PARAMETER, help="Only of this meter."),
    click.option("--srv", help="Only of this SRV."),
    json_option,
)


@asynccontextmanager
async def _opened(where: str, key: Path | None, estate: Estate) -> AsyncIterator[Store]:
    store = open_store(where, estate.name, key=read_store_key(key) if key else None)
    try:
        yield store
    finally:
        await store.close()


@cache.command()
@_store_options
@one_line
def inspect(
    store: str,
    store_key: Path | None,
    seed: str,
    keystore: Path | None,
    device: EUI | None,
    srv: str | None,
    as_json: bool,
) -> None:
    """Show what a store holds, one line for each read."""
    estate = estate_of(keystore, seed, 1, DEFAULT_BASE)

    async def look() -> tuple[Size, list[dict[str, Any]]]:
        async with _opened(store, store_key, estate) as opened:
            found = queries.entries(opened, device, srv)
            rows = [_row(key, entry) async for key, entry in found]
            return await opened.size(), rows

    size, rows = asyncio.run(look())
    unreadable = size.unreadable
    if as_json:
        for row in (*rows, *([{"unreadable": unreadable}] if unreadable else [])):
            click.echo(json.dumps(row))
        return
    screen.plain_table(rows, out)
    in_all = f"{size.entries} entries, {size.octets} octets in all"
    in_all += f", {unreadable} unreadable" if unreadable else ""
    out.print(f"{in_all}; estate {estate.name}", highlight=False)


@cache.command()
@_store_options
@one_line
def purge(
    store: str,
    store_key: Path | None,
    seed: str,
    keystore: Path | None,
    device: EUI | None,
    srv: str | None,
    as_json: bool,
) -> None:
    """Drop what a store holds, all of it or that of one meter or SRV."""
    estate = estate_of(keystore, seed, 1, DEFAULT_BASE)

    async def drop() -> int:
        async with _opened(store, store_key, estate) as opened:
            return await queries.purge(opened, device, srv)

    form = {"estate": estate.name, "dropped": asyncio.run(drop())}
    said = f"{form['dropped']} entries dropped; estate {estate.name}"
    click.echo(json.dumps(form) if as_json else said)


def _row(key: Key, entry: Entry) -> dict[str, Any]:
    return {
        "device": str(key.device),
        "srv": key.srv,
        "from": to_iso(key.start),
        "to": to_iso(key.end),
        "received": iso(entry.received),
        "octets": len(entry.buffer),
        "identity": key.identity,
    }
