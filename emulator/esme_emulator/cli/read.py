"""`esme read`."""

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import click

from esme_emulator.app import one_shot
from esme_emulator.cli.options import (
    EUI_PARAMETER,
    INSTANT,
    Parameter,
    base_option,
    broker_option,
    estate_of,
    json_option,
    keystore_option,
    meters_option,
    one_line,
    out,
    seed_option,
    warn,
)
from esme_emulator.cli.render import readings as readings_view
from esme_emulator.cli.service_options import profile_option, profiles_of
from esme_emulator.messaging.topics import PREFIXES, Via
from gbcs import EUI
from gbcs.dlms.data import BitString
from gbcs.instants import to_iso
from gbcs.json_form import rows_to_json
from gbcs.tables.reading_services import (
    POLYPHASE,
    READING_SERVICES,
    SINGLE,
    TWIN,
    ReadingService,
    service_of,
)
from gbcs.usecases.profile_read import Window
from gbcs.usecases.values import Reading, plain


def _patience(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"timeout {text!r}: give a number of seconds above 0")
    return seconds


_PATIENCE = Parameter("seconds", _patience)
_VARIANTS = [SINGLE, TWIN, POLYPHASE]
_SAY_WHICH = "where it is another kind, give --profile as its fleet has it, or --variant"
_SRVS = list(dict.fromkeys(service.srv for service in READING_SERVICES))


def _srv(text: str) -> str:
    if text not in _SRVS:
        raise ValueError(f"SRV {text!r} is none that reads an ESME: give one of {', '.join(_SRVS)}")
    return text


@click.command()
@click.argument("eui", type=EUI_PARAMETER)
@click.argument("srv", type=Parameter("srv", _srv))
@click.option("--from", "start", type=INSTANT, help="First instant of a log, ISO 8601.")
@click.option("--to", "end", type=INSTANT, help="Last instant of a log, ISO 8601.")
@click.option("--via", type=click.Choice(list(PREFIXES)), default="cache", show_default=True)
@profile_option
@click.option(
    "--variant",
    type=click.Choice(_VARIANTS),
    help="Kind of meter; default: what it is, by --seed and --profile.",
)
@click.option("--chart", is_flag=True, help="A small chart in place of the table.")
@click.option(
    "--timeout",
    type=_PATIENCE,
    default=str(one_shot.REPLY_TIMEOUT),
    show_default=True,
    help="Seconds to wait for the reply.",
)
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
    start: int | None,
    end: int | None,
    via: Via,
    profiles: tuple[str, ...],
    variant: str | None,
    chart: bool,
    timeout: float,
    seed: str,
    meters: int,
    base: EUI,
    keystore: Path | None,
    broker: str | None,
    as_json: bool,
) -> None:
    """Read one meter; without --broker, one that is started for this read alone.

    SRV is a service request of the reading service, 4.1.1 to 4.18; a party that may send it asks.
    """
    window = _window(srv, variant, start, end)
    estate = estate_of(keystore, seed, meters, base)
    kinds = profiles_of(profiles)
    taken = variant or one_shot.variant_of(estate, eui, kinds)
    try:
        service = service_of(srv, taken)
    except ValueError as error:
        raise click.UsageError(f"{error}: {_SAY_WHICH}") from None
    answered = asyncio.run(
        one_shot.read(estate, eui, service, window, via, broker, profiles=kinds, patience=timeout)
    )
    if broker and not (variant or profiles) and not set(_VARIANTS) <= set(service.meters):
        warn([f"read as of a {taken} meter: {_SAY_WHICH}"])
    rows = _the_rows(answered.service, answered.readings)
    if as_json:
        form: dict[str, Any] = {
            "device": str(eui),
            "srv": srv,
            "from": window and to_iso(window.start),
            "to": window and to_iso(window.end),
            "via": via,
            "cache_status": answered.cache_status,
        }
        if rows is None:
            form["values"] = [_to_json(item) for item in answered.readings]
        else:
            form["rows"] = rows_to_json(rows)
        click.echo(json.dumps(form))
    elif chart and rows is not None:
        readings_view.reading_chart(rows, out)
    elif rows is not None:
        readings_view.reading_table(rows, out)
    else:
        readings_view.reading_values(answered.readings, out)


def _window(srv: str, variant: str | None, start: int | None, end: int | None) -> Window | None:
    windowed = service_of(srv, variant or _kind_that_has(srv)).windowed
    if not windowed:
        if start is not None or end is not None:
            raise click.UsageError(f"SRV {srv} is read as it stands: leave --from and --to out")
        return None
    if start is None or end is None:
        raise click.UsageError(f"SRV {srv} reads a log: give --from and --to")
    if end < start:
        raise click.UsageError(f"the window ends, at {to_iso(end)}, before it starts")
    return Window(start, end)


def _kind_that_has(srv: str) -> str:
    return next(service.meters[0] for service in READING_SERVICES if service.srv == srv)


def _the_rows(service: ReadingService, readings: tuple[Reading, ...]) -> list[Any] | None:
    """Return the rows where the service reads one log and nothing else."""
    return readings[0].rows if service.windowed and len(readings) == 1 else None


def _to_json(item: Reading) -> dict[str, Any]:
    form: dict[str, Any] = {"name": item.name}
    rows, fields = item.rows, item.fields
    if rows is not None:
        form["rows"] = rows_to_json(rows)
    elif fields is not None:
        form["fields"] = {name: _jsonable(value) for name, value in fields.items()}
    elif item.data is not None:
        form["value"] = _jsonable(plain(item.data))
    return form


def _jsonable(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex().upper()
    if isinstance(value, BitString):
        return str(value)
    return [_jsonable(part) for part in value] if isinstance(value, tuple) else value
