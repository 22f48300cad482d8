"""`esme counters`: what the meters of several processes counted, put together."""

import json
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import click

from emulator import show
from emulator.cli.options import EUI_PARAMETER, json_option, one_line, out
from emulator.control.parts import ControlError
from emulator.counters import PROCESS_HEADER, Counters, Stage
from gbcs import EUI

_TIMEOUT = 10
"""Seconds to wait for a control interface."""

_OPENER = build_opener(ProxyHandler({}))
"""Goes to no proxy: control interfaces are on loopback, or at the end of a tunnel."""


@click.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("--device", type=EUI_PARAMETER, help="Only of this meter.")
@json_option
@one_line
def counters(urls: tuple[str, ...], device: EUI | None, as_json: bool) -> None:
    """Add up what fleets counted; URL is a control interface such as http://127.0.0.1:8080."""
    merged = Counters()
    seen: dict[str, str] = {}
    for url in urls:
        counted, process = _fetch(url)
        if process in seen:
            raise click.UsageError(f"{url} is the process of {seen[process]}: give each one once")
        seen[process] = url
        merged.merge(counted)
    if device is None:
        table = merged.as_table()
    else:
        rows = merged.of_meter(device)
        pairs = sorted({(row.srv, row.outcome) for row in rows})
        count = {(row.srv, row.outcome, row.stage): row.number for row in rows}
        table = [
            (*pair, count.get((*pair, Stage.RECEIVED), 0), count.get((*pair, Stage.REPLIED), 0))
            for pair in pairs
        ]
    names = ("srv", "outcome", "received", "replied")
    rows_by_name = [dict(zip(names, row, strict=True)) for row in table]
    if as_json:
        click.echo(json.dumps({"device_hits": merged.device_hits, "counters": rows_by_name}))
    else:
        show.plain_table(rows_by_name, out)
        out.print(f"{merged.device_hits} device hits", highlight=False)


def _fetch(url: str) -> tuple[Counters, str]:
    """Return what a process counted, and what tells it from others."""
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"{url}: give the URL of a control interface, http://host:port")
    try:
        with _OPENER.open(f"{url.rstrip('/')}/counters/export", timeout=_TIMEOUT) as answer:
            return Counters.from_json(json.load(answer)), answer.headers[PROCESS_HEADER] or url
    except HTTPError as error:
        raise ControlError(f"{url}: {_reason(error)}") from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise ControlError(f"{url}: {reason}: is it a control interface that runs?") from None
    except (HTTPException, ValueError, OverflowError):
        raise ControlError(f"{url}: it is no control interface") from None


def _reason(error: HTTPError) -> str:
    """Return why a control interface refuses, or that it is none."""
    with error:
        try:
            return str(json.load(error)["error"])
        except (HTTPException, OSError, ValueError, TypeError, KeyError):
            return f"it is no control interface ({error.code} {error.reason})"
