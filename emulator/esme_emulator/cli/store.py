"""`esme cache inspect` and `esme cache purge`: the readings in a store."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store import MEMORY, open_store, read_store_key
from esme_emulator.cache.store.base import Size, Store, drop_entries, entries_of
from esme_emulator.cli.commands import Command
from esme_emulator.cli.options import (
    EUI_PARAMETER,
    STORE_PASSWORD,
    Parameter,
    all_of,
    estate_from,
    json_option,
    keystore_option,
    seed_option,
)
from esme_emulator.cli.render.screen import out, plain_table, plural
from esme_emulator.cli.service_options import store_key_option
from esme_emulator.estate.estate import EstateSource
from esme_emulator.runtime.clock import iso
from esme_emulator.runtime.urls import without_credentials
from gbcs import EUI
from gbcs.instants import to_iso


def _existing(place: str) -> str:
    """Return the URL of a server, or the name of an existing file. Raises `ValueError`."""
    if place == MEMORY:
        raise ValueError(
            f"{MEMORY} ends with the process that uses it: give the file or URL of a store"
        )
    if "://" not in place:
        # It may be a mistyped URL with a password.
        shown = without_credentials(place) if "@" in place else place
        try:
            found = Path(place.removeprefix("sqlite:")).stat()
        except FileNotFoundError:
            raise ValueError(f"{shown}: no such file") from None
        except OSError as error:
            raise ValueError(f"{shown}: {error.strerror}") from None
        if not found.st_size:  # SQLite would make a store of it
            raise ValueError(f"{shown}: this file is empty, so it is not a store")
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
    estate_from(seed_option, keystore_option),
    click.option("--device", type=EUI_PARAMETER, help="Only readings of this meter."),
    click.option("--srv", metavar="SRV", help="Only readings of this SRV."),
    json_option,
)


@asynccontextmanager
async def _opened(place: str, key: Path | None, estate: str) -> AsyncIterator[Store]:
    store = open_store(place, estate, key=read_store_key(key) if key else None)
    try:
        yield store
    finally:
        await store.close()


@click.command(cls=Command, example="esme cache inspect esme-cache-1.sqlite --srv 4.8.1")
@_store_options
def inspect(
    store: str,
    store_key: Path | None,
    source: EstateSource,
    device: EUI | None,
    srv: str | None,
    as_json: bool,
) -> None:
    """List the readings in a store, one line for each read."""
    estate = source.estate().name

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
    plain_table(rows, out)
    in_all = f"{plural(size.entries, 'entry', 'entries')}, {plural(size.octets, 'octet')} in all"
    in_all += f", {unreadable} unreadable" if unreadable else ""
    out.print(f"{in_all}; estate {estate}", highlight=False)


@click.command(
    cls=Command, example="esme cache purge esme-cache-1.sqlite --device 00DBE50000000007"
)
@_store_options
def purge(
    store: str,
    store_key: Path | None,
    source: EstateSource,
    device: EUI | None,
    srv: str | None,
    as_json: bool,
) -> None:
    """Remove readings from a store: all, or those of one meter or SRV."""
    estate = source.estate().name

    async def drop() -> int:
        async with _opened(store, store_key, estate) as opened:
            return await drop_entries(opened, device, srv)

    dropped = asyncio.run(drop())
    form = {"estate": estate, "dropped": dropped}
    said = f"{plural(dropped, 'entry', 'entries')} dropped; estate {estate}"
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
