"""`esme read`: read one meter."""

import asyncio
import json
import math
from typing import Any

import click

from esme_emulator.app import one_shot
from esme_emulator.cli.commands import Command
from esme_emulator.cli.options import (
    EUI_PARAMETER,
    Parameter,
    broker_option,
    estate_options,
    json_option,
    party_option,
    via_option,
)
from esme_emulator.cli.render import readings as readings_view
from esme_emulator.cli.render.readings_csv import readings_csv
from esme_emulator.cli.render.screen import out, warn
from esme_emulator.cli.service_options import fleet_file_option, profile_option, profiles_of
from esme_emulator.estate.estate import EstateSource
from esme_emulator.estate.parties import party_called
from esme_emulator.messaging.topics import Via
from esme_emulator.profiles import MeterMix
from gbcs import EUI
from gbcs.instants import parse_iso, to_iso
from gbcs.json_readings import readings_to_json
from gbcs.tables.reading_services import (
    POLYPHASE,
    READING_SERVICES,
    SINGLE,
    TWIN,
    ReadingService,
    service_of,
)
from gbcs.usecases.profile_read import Window
from gbcs.usecases.values import Reading


def _timeout(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"timeout {text!r}: give a number of seconds above 0")
    return seconds


_INSTANT = Parameter("time", parse_iso)
_TIMEOUT = Parameter("seconds", _timeout)
_VARIANTS = [SINGLE, TWIN, POLYPHASE]
_SAY_WHICH = "if it is another kind, give the --profile of its fleet, or --variant"
_SRVS = list(dict.fromkeys(service.srv for service in READING_SERVICES))


def _srv(text: str) -> str:
    if text not in _SRVS:
        raise ValueError(f"{text!r} is not a reading SRV. Choose one of {', '.join(_SRVS)}")
    return text


@click.command(
    cls=Command,
    example="esme read 00DBE50000000000 4.8.1 --from 2026-01-14 --to 2026-01-15 --chart",
)
@click.argument("eui", type=EUI_PARAMETER)
@click.argument("srv", type=Parameter("srv", _srv))
@click.option(
    "--from",
    "start",
    type=_INSTANT,
    show_default="none",
    help="First instant of a log, in ISO 8601.",
)
@click.option(
    "--to", "end", type=_INSTANT, show_default="none", help="Last instant of a log, in ISO 8601."
)
@via_option
@profile_option
@fleet_file_option
@click.option(
    "--variant",
    type=click.Choice(_VARIANTS),
    show_default="the kind that --seed and --profile give this meter",
    help="Kind of meter.",
)
@click.option("--chart", is_flag=True, help="Show a small chart in place of the table.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with scales applied and units.")
@click.option(
    "--timeout",
    type=_TIMEOUT,
    default=f"{one_shot.REPLY_TIMEOUT:g}",
    help="Seconds to wait for the reply.",
)
@party_option("the first party that may send it", "The requester.")
@estate_options
@broker_option
@json_option
def read(
    eui: EUI,
    srv: str,
    start: int | None,
    end: int | None,
    via: Via,
    profiles: tuple[str, ...],
    fleet_file: MeterMix | None,
    variant: str | None,
    chart: bool,
    as_csv: bool,
    timeout: float,
    party: str | None,
    source: EstateSource,
    broker: str | None,
    as_json: bool,
) -> None:
    """Read one meter, through the cache or directly.

    Without --broker, starts a meter and a cache for this one read. SRV is a service reference of
    the reading service, 4.1.1 to 4.18.
    """
    if as_csv + as_json + chart > 1:
        raise click.UsageError("--chart, --csv and --json: give one of the three")
    window = _window(srv, variant, start, end)
    estate = source.estate()
    warn(list(estate.notes))
    wanted = None if party is None else party_called(estate.known_parties, party)
    kinds = profiles_of(profiles, fleet_file)
    taken = variant or one_shot.variant_of(estate, eui, kinds)
    try:
        service = service_of(srv, taken)
    except ValueError as error:
        raise click.UsageError(f"{error}: {_SAY_WHICH}") from None
    answered = asyncio.run(
        one_shot.read(
            *(estate, eui, service, window, via, broker, wanted),
            profiles=kinds,
            reply_timeout=timeout,
        )
    )
    if broker and not (variant or kinds) and not set(_VARIANTS) <= set(service.meters):
        warn([f"read as a {taken} meter: {_SAY_WHICH}"])
    form: dict[str, Any] = {
        "device": str(eui),
        "srv": srv,
        "from": window and to_iso(window.start),
        "to": window and to_iso(window.end),
        "via": via,
        "cache_status": answered.cache_status,
    }
    if as_csv:
        click.echo(readings_csv(answered.readings), nl=False)
    else:
        print_reading(answered.service, answered.readings, form, as_json=as_json, chart=chart)


def print_reading(
    service: ReadingService,
    readings: tuple[Reading, ...],
    form: dict[str, Any],
    *,
    as_json: bool,
    chart: bool = False,
) -> None:
    """Print a reading as a table, as values or as a chart; or as JSON, added to `form`."""
    rows = _the_rows(service, readings)
    if as_json:
        click.echo(json.dumps(form | readings_to_json(readings)))
    elif chart and rows is not None:
        readings_view.reading_chart(rows, out)
    elif rows is not None:
        readings_view.reading_table(rows, out)
    else:
        readings_view.reading_values(readings, out)


def _window(srv: str, variant: str | None, start: int | None, end: int | None) -> Window | None:
    windowed = service_of(srv, variant or _kind_that_has(srv)).windowed
    if not windowed:
        if start is not None or end is not None:
            raise click.UsageError(f"SRV {srv} reads no log: leave out --from and --to")
        return None
    if start is None or end is None:
        raise click.UsageError(f"SRV {srv} reads a log: give --from and --to")
    if end < start:
        raise click.UsageError(f"the window ends, at {to_iso(end)}, before it starts")
    return Window(start, end)


def _kind_that_has(srv: str) -> str:
    return next(service.meters[0] for service in READING_SERVICES if service.srv == srv)


def _the_rows(service: ReadingService, readings: tuple[Reading, ...]) -> list[Any] | None:
    """Return the rows if the service reads one log and nothing else, else None."""
    return readings[0].rows if service.windowed and len(readings) == 1 else None
