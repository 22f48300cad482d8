"""`esme read`."""

import asyncio
import json
from pathlib import Path

import click

from emulator import show, wiring
from emulator.cli.options import (
    EUI_PARAMETER,
    INSTANT,
    base_option,
    broker_option,
    estate_of,
    json_option,
    keystore_option,
    meters_option,
    one_line,
    out,
    seed_option,
)
from gbcs import EUI
from gbcs.instants import to_iso
from gbcs.json_form import rows_to_json
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import Window


@click.command()
@click.argument("eui", type=EUI_PARAMETER)
@click.argument("srv", type=click.Choice(list(BY_SRV)))
@click.option("--from", "start", type=INSTANT, required=True, help="First instant, ISO 8601.")
@click.option("--to", "end", type=INSTANT, required=True, help="Last instant, ISO 8601.")
@click.option("--via", type=click.Choice(list(wiring.PREFIXES)), default="cache", show_default=True)
@click.option("--chart", is_flag=True, help="A small chart in place of the table.")
@seed_option
@meters_option
@base_option
@keystore_option
@broker_option
@json_option
@one_line
def read(
    eui: EUI,
    srv: str,
    start: int,
    end: int,
    via: str,
    chart: bool,
    seed: str,
    meters: int,
    base: EUI,
    keystore: Path | None,
    broker: str | None,
    as_json: bool,
) -> None:
    """Read one log of one meter; without --broker, of a meter started for this one read."""
    if end < start:
        raise click.UsageError(f"the window ends, at {to_iso(end)}, before it starts")
    estate = estate_of(keystore, seed, meters, base)
    reading = asyncio.run(wiring.read(estate, eui, srv, Window(start, end), via, broker))
    if as_json:
        form = {
            "device": str(eui),
            "srv": srv,
            "from": to_iso(start),
            "to": to_iso(end),
            "via": via,
            "cache_status": reading.cache_status,
            "rows": rows_to_json(reading.rows),
        }
        click.echo(json.dumps(form))
    elif chart:
        show.reading_chart(reading.rows, out)
    else:
        show.reading_table(reading.rows, out)
