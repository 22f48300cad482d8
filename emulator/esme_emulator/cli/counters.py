"""`esme counters`: add up the counters of several fleet processes."""

import json
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import click

from esme_emulator.cli.commands import Command
from esme_emulator.cli.options import (
    CONTROL_TOKEN,
    EUI_PARAMETER,
    Parameter,
    control_token,
    control_token_option,
    json_option,
)
from esme_emulator.cli.render import screen
from esme_emulator.cli.render.screen import out
from esme_emulator.fleet.counters import PROCESS_HEADER, Counters
from esme_emulator.monitor.parts import ControlError, counted
from esme_emulator.runtime.accepting import reason_of
from gbcs import EUI

_TIMEOUT = 10
"""Timeout of a control interface, in seconds."""

_OPENER = build_opener(ProxyHandler({}))
"""Uses no proxy: control interfaces are on loopback, or at the end of a tunnel."""


@click.command(
    cls=Command, example="esme counters http://127.0.0.1:8080 http://127.0.0.1:8081 --srv 4.8.1"
)
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("--device", type=EUI_PARAMETER, help="Count only this meter.")
@click.option("--srv", type=Parameter("srv", counted), help="Count only this SRV.")
@control_token_option("File with the token that these processes need.")
@json_option
@click.pass_context
def counters(
    ctx: click.Context, urls: tuple[str, ...], device: EUI | None, srv: str | None, as_json: bool
) -> None:
    """Add up the counters of several fleets.

    URL is the control interface of one process, such as http://127.0.0.1:8080.
    """
    token = control_token(ctx)
    merged = Counters()
    seen: dict[str, str] = {}
    for url in urls:
        counted_there, process = _fetch(url, token)
        if process in seen:
            raise click.UsageError(
                f"{url} is the process of {seen[process]}: give each process once"
            )
        seen[process] = url
        merged.merge(counted_there)
    if device is not None and not any(_hosts(url, device, token) for url in urls):
        raise click.UsageError(f"--device {device}: it is not a meter of these fleets")
    names = ("srv", "outcome", "received", "replied")
    rows = [dict(zip(names, row, strict=True)) for row in merged.as_table(device, srv)]
    hits = merged.hits(srv, device=device)
    if as_json:
        click.echo(json.dumps({"device_hits": hits, "counters": rows}))
    else:
        screen.plain_table(rows, out)
        out.print(screen.plural(hits, "device hit"), highlight=False)


def _request(url: str, path: str, token: str | None) -> Request:
    request = Request(f"{url.rstrip('/')}{path}")  # noqa: S310 - its scheme was checked
    if token is not None:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    return request


def _hosts(url: str, device: EUI, token: str | None) -> bool:
    """Return whether a meter belongs to the fleet at `url`, so that a typo is not counted as 0."""
    try:
        with _OPENER.open(_request(url, f"/meters/{device}", token), timeout=_TIMEOUT):
            return True
    except HTTPError as error:
        with error:
            return False
    except (OSError, HTTPException) as error:
        raise _unreachable(url, error) from None


def _fetch(url: str, token: str | None) -> tuple[Counters, str]:
    """Return the counters of a process and its identity. Raises `ControlError`."""
    if not _is_http(url):
        raise click.UsageError(f"{url}: give the URL of a control interface, http://host:port")
    try:
        with _OPENER.open(_request(url, "/counters/export", token), timeout=_TIMEOUT) as answer:
            return Counters.from_json(json.load(answer)), answer.headers[PROCESS_HEADER] or url
    except HTTPError as error:
        raise ControlError(f"{url}: {_reason(error)}") from None
    except OSError as error:
        raise _unreachable(url, error) from None
    except (HTTPException, ValueError, OverflowError):
        raise ControlError(f"{url}: this is no control interface") from None


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port
        return False


def _unreachable(url: str, error: Exception) -> ControlError:
    reason = getattr(error, "reason", error)  # of an URLError: the error of the connection
    said = reason_of(reason) if isinstance(reason, Exception) else reason
    return ControlError(f"{url}: {said}: is its control interface running?")


def _reason(error: HTTPError) -> str:
    """Return the error that a control interface answered with."""
    with error:
        if error.code == 401:
            give = f"set {CONTROL_TOKEN}, or give --control-token-file FILE"
            return f"the token is missing or wrong: {give}"
        try:
            return str(json.load(error)["error"])
        except (HTTPException, OSError, ValueError, TypeError, KeyError):
            return f"this is no control interface ({error.code} {error.reason})"
