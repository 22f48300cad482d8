"""`esme counters`: what the meters of several processes counted, put together."""

import json
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import click

from esme_emulator.cli.options import EUI_PARAMETER, Parameter, json_option, one_line, out
from esme_emulator.cli.render import screen
from esme_emulator.fleet.counters import PROCESS_HEADER, Counters
from esme_emulator.monitor.counted_srvs import counted
from esme_emulator.monitor.parts import ControlError
from gbcs import EUI

_TIMEOUT = 10
"""Seconds to wait for a control interface."""

_OPENER = build_opener(ProxyHandler({}))
"""Goes to no proxy: control interfaces are on loopback, or at the end of a tunnel."""


@click.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("--device", type=EUI_PARAMETER, help="Only of this meter.")
@click.option("--srv", type=Parameter("srv", counted), help="Only of this SRV.")
@json_option
@one_line
def counters(urls: tuple[str, ...], device: EUI | None, srv: str | None, as_json: bool) -> None:
    """Add up what fleets counted; URL is a control interface such as http://127.0.0.1:8080."""
    merged = Counters()
    seen: dict[str, str] = {}
    for url in urls:
        counted_there, process = _fetch(url)
        if process in seen:
            raise click.UsageError(f"{url} is the process of {seen[process]}: give each one once")
        seen[process] = url
        merged.merge(counted_there)
    if device is not None and not any(_hosts(url, device) for url in urls):
        raise click.UsageError(f"--device {device}: it is not a meter of these fleets")
    names = ("srv", "outcome", "received", "replied")
    rows = [dict(zip(names, row, strict=True)) for row in merged.as_table(device, srv)]
    hits = merged.hits(srv, device=device)
    if as_json:
        click.echo(json.dumps({"device_hits": hits, "counters": rows}))
    else:
        screen.plain_table(rows, out)
        out.print(f"{hits} device hits", highlight=False)


def _hosts(url: str, device: EUI) -> bool:
    """Return whether a meter is of the fleet at `url`, so that a typo does not count as 0."""
    try:
        with _OPENER.open(f"{url.rstrip('/')}/meters/{device}", timeout=_TIMEOUT):
            return True
    except HTTPError as error:
        with error:
            return False
    except (OSError, HTTPException) as error:
        raise ControlError(f"{url}: {error}") from None


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
