"""`esme cache`: run the cache alone, or inspect and purge its store."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from esme_emulator.app import one_shot
from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store import open_store, read_store_key
from esme_emulator.cache.store.base import Size, Store, drop_entries, entries_of
from esme_emulator.cli.commands import Group
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
    part_broker_option,
    seed_option,
)
from esme_emulator.cli.output import out
from esme_emulator.cli.render import screen
from esme_emulator.cli.run import run
from esme_emulator.cli.secrets import STORE_PASSWORD
from esme_emulator.cli.service_options import (
    cache_options,
    caching_options,
    common_options,
    setting_option,
    store_key_option,
)
from esme_emulator.estate.estate import DEFAULT_BASE, Estate
from esme_emulator.runtime.clock import iso
from esme_emulator.runtime.urls import without_credentials
from gbcs import EUI
from gbcs.instants import to_iso


@click.group(
    cls=Group,
    invoke_without_command=True,
    example="esme cache --meters 1000 --broker mqtt://127.0.0.1:1883 --retention 72",
)
@seed_option
@meters_option
@base_option
@keystore_option
@expired_option
@caching_options
@setting_option("shared")
@common_options
@part_broker_option
@json_option
@click.pass_context
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
    """Run the cache alone, on a broker, until interrupted.

    The commands inspect and purge work on its store; their options follow their names.
    """
    command = context.invoked_subcommand
    if command is not None:
        _refuse_options(context, command)
        return
    estate = estate_of(keystore, seed, meters, base, takes_expired)
    options = cache_options(chosen, estate)
    on = one_shot.broker_at(broker)
    asyncio.run(run(estate, on, chosen, None, options, as_json=as_json))


def _refuse_options(context: click.Context, command: str) -> None:
    """Refuse options before the name of a command, which the command would ignore."""
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{parameter.opts[0]}: write the options of {command} behind {command}"
            )


def _existing(place: str) -> str:
    """Return the URL of a server, or the name of an existing file. Raises `ValueError`."""
    if "://" not in place:
        # It may be a mistyped URL with a password.
        shown = without_credentials(place) if "@" in place else place
        try:
            Path(place.removeprefix("sqlite:")).stat()
        except FileNotFoundError:
            raise ValueError(f"{shown}: no such file") from None
        except OSError as error:
            raise ValueError(f"{shown}: {error.strerror}") from None
    return place


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
    click.option("--device", type=EUI_PARAMETER, help="Only readings of this meter."),
    click.option("--srv", metavar="SRV", help="Only readings of this SRV."),
    json_option,
)


@asynccontextmanager
async def _opened(place: str, key: Path | None, estate: Estate) -> AsyncIterator[Store]:
    store = open_store(place, estate.name, key=read_store_key(key) if key else None)
    try:
        yield store
    finally:
        await store.close()


@cache.command(example="esme cache inspect esme-cache-1.sqlite --srv 4.8.1")
@_store_options
def inspect(
    store: str,
    store_key: Path | None,
    seed: str,
    keystore: Path | None,
    device: EUI | None,
    srv: str | None,
    as_json: bool,
) -> None:
    """List the readings in a store, one line for each read."""
    estate = estate_of(keystore, seed, 1, DEFAULT_BASE)

    async def look() -> tuple[Size, list[dict[str, Any]]]:
        async with _opened(store, store_key, estate) as opened:
            found = entries_of(opened, device, srv)
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


@cache.command(example="esme cache purge esme-cache-1.sqlite --device 00DBE50000000007")
@_store_options
def purge(
    store: str,
    store_key: Path | None,
    seed: str,
    keystore: Path | None,
    device: EUI | None,
    srv: str | None,
    as_json: bool,
) -> None:
    """Remove readings from a store: all, or those of one meter or SRV."""
    estate = estate_of(keystore, seed, 1, DEFAULT_BASE)

    async def drop() -> int:
        async with _opened(store, store_key, estate) as opened:
            return await drop_entries(opened, device, srv)

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
