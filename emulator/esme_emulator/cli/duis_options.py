"""Options of the front door for DUIS, and the parts that they configure.

Imports what the extra `duis` installs only if the front door is used.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from esme_emulator.cli.options import FILE, FOLDER, Parameter, Whole, all_of, is_given, via_option
from esme_emulator.cli.render.screen import warn
from esme_emulator.estate.boxed import is_boxed
from esme_emulator.estate.estate import Estate, EstateSource
from esme_emulator.gateway.documents import DEFAULT_ADDRESS
from esme_emulator.runtime.clock import Clock, ScaledClock
from esme_emulator.runtime.urls import is_http_url
from gbcs import EUI

if TYPE_CHECKING:
    from esme_emulator.app.dsp import DspOptions
    from esme_emulator.cache.registry.registry import Registry
    from esme_emulator.gateway.keys import DuisKeys
    from esme_emulator.profiles import MeterProfile

DUIS_PORT, SMKI_PORT = 8079, 8083
"""Ports that DCC's clients assume."""

_OF_DUIS = (
    *("smki_port", "respond_to", "respond_after", "reply_within"),
    *("via", "outbox", "smets1_response", "duis_schema"),
)
"""Parameters that have no effect without --duis."""
_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0}
_LONGEST = 3600.0


def duration(text: str) -> float:
    """Return the seconds in a text such as `1s`, `500ms` or `2min`. Raises `ValueError`."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min)\s*", text, re.ASCII)
    seconds = float(found[1]) * _UNITS[found[2]] if found else -1.0
    if not 0 <= seconds <= _LONGEST:
        raise ValueError(f"{text!r} is not a duration up to an hour: write 1s, 500ms or 2min")
    return seconds


def _address(text: str) -> tuple[EUI | None, str]:
    """Return user and URL of `[EUI=]URL`."""
    eui, equals, url = text.partition("=")
    if not equals or "/" in eui:
        eui, url = "", text
    if not is_http_url(url):
        raise ValueError(
            f"{text!r} is not an address: write http://127.0.0.1:1880/smartdcc/duis, "
            "or EUI=URL for one user"
        )
    return EUI.parse(eui) if eui else None, url


def _endpoint(url: str) -> str:
    if not is_http_url(url):
        raise ValueError(
            f"{url!r} is not the URL of an endpoint: write http://127.0.0.1:{DUIS_PORT}"
        )
    return url


_PORTS = Whole(0, 65535)

to_url_option = click.option(
    "--to-url",
    type=Parameter("URL", _endpoint),
    metavar="URL",
    default=f"http://127.0.0.1:{DUIS_PORT}",
    help="The DUIS endpoint.",
)
listen_option = click.option(
    "--listen",
    metavar="URL",
    default=DEFAULT_ADDRESS,
    help="Where to receive responses: the --respond-to of the endpoint.",
)


def duis_options(*, always: bool) -> Callable[[Any], Any]:
    """Return the options of the front door; it runs `always`, or only if --duis is given."""
    smki = click.option(
        "--smki",
        "smki_port",
        type=_PORTS,
        is_flag=False,
        flag_value=SMKI_PORT,
        default=SMKI_PORT if always else None,
        metavar="[PORT]",
        show_default=True if always else "off",
        help=f"Serve certificates for DUIS on this port, {SMKI_PORT} if none is named; "
        "it may be that of DUIS.",
    )
    duis = click.option(
        "--duis",
        "duis_port",
        type=_PORTS,
        is_flag=False,
        flag_value=DUIS_PORT,
        default=DUIS_PORT if always else None,
        metavar="[PORT]",
        show_default=True if always else "off",
        help=f"Receive DUIS requests over HTTP on this port, {DUIS_PORT} if none is named.",
    )
    return all_of(
        duis,
        smki,
        click.option(
            "--respond-to",
            type=Parameter("address", _address),
            multiple=True,
            metavar="[EUI=]URL",
            show_default=DEFAULT_ADDRESS,
            help="Where to deliver responses to all users, or to the user with this EUI. "
            "May be repeated.",
        ),
        click.option(
            "--respond-after",
            type=Parameter("duration", duration),
            metavar="DURATION",
            default="1s",
            help="Least time between an acknowledgement and its response.",
        ),
        click.option(
            "--reply-within",
            type=Parameter("duration", duration),
            metavar="DURATION",
            default="1min",
            help="Time after which a DUIS request without a reply of the meter is answered E21.",
        ),
        via_option,
        click.option(
            "--outbox",
            type=FILE,
            show_default="an SQLite file for each estate",
            help="SQLite file of DUIS requests and responses under way.",
        ),
        click.option(
            "--smets1-response",
            is_flag=True,
            help="Deliver readings of SMETS1 meters decoded, in XML, and not as GBCS.",
        ),
        click.option(
            "--duis-schema",
            type=FOLDER,
            show_default="none",
            help="Folder with DCC's duis.xsd, to check requests with it too.",
        ),
    )


def duis_keys(source: EstateSource, estate: Estate | None = None) -> "DuisKeys":
    """Return the keys of users and DSP, and warn of bad entries.

    `estate` is that of `source` with the parties of a registry. Its notes are not repeated. Raises
    `NamedFileError`.
    """
    from esme_emulator.gateway.keys import derived_keys, file_keys

    told = () if estate is None else estate.notes
    estate, parties = estate or source.estate(), source.parties
    text = b"" if parties is None else parties.read_bytes()
    if parties is None or not is_boxed(text):
        return derived_keys(estate.seed, estate.keystore, estate.known_parties)
    keys = file_keys(text, estate.seed, estate.keystore)
    lines = [f"{parties}: {complaint}" for complaint in keys.complaints]
    warn([line for line in lines if line not in told])
    return keys


def _refuse_without_duis() -> None:
    for name in _OF_DUIS:
        if is_given(name):
            option = name.removesuffix("_port").replace("_", "-")
            raise click.UsageError(f"--{option}: give --duis too")


def dsp_options(
    chosen: dict[str, Any],
    source: EstateSource,
    estate: Estate,
    registry: "Registry | None",
    profiles: "tuple[MeterProfile, ...] | None",
) -> "tuple[DspOptions | None, Estate]":
    """Return the options of the front door, None without --duis, and the estate with its keys.

    Raises `NamedFileError` and `ValueError`.
    """
    if chosen["duis_port"] is None:
        _refuse_without_duis()
        return None, estate
    from esme_emulator.app.dsp import DspOptions
    from esme_emulator.gateway.deliveries import Addresses
    from esme_emulator.gateway.keys import duis_registry
    from esme_emulator.gateway.xsd import Xsd

    keys = duis_keys(source, estate)
    addresses = dict(chosen["respond_to"])
    default = addresses.pop(None, DEFAULT_ADDRESS)
    folder = chosen["duis_schema"]
    # Meters answer in real time. A faster clock must wait as long, in more of its own seconds.
    clock: Clock = chosen["clock"]
    faster = max(clock.factor, 1.0) if isinstance(clock, ScaledClock) else 1.0
    options = DspOptions(
        keys=keys,
        registry=registry or duis_registry(estate.known_parties),
        outbox=chosen["outbox"] or Path(f"esme-duis-{estate.name}.sqlite"),
        host=chosen["listen"].host,
        port=chosen["duis_port"],
        smki_port=chosen["smki_port"],
        addresses=Addresses(default, addresses),
        respond_after=chosen["respond_after"],
        via=chosen["via"],
        reply_timeout=chosen["reply_within"] * faster,
        profiles=profiles,
        xsd=None if folder is None else Xsd(folder),
        smets1_response=chosen["smets1_response"],
    )
    return options, replace(estate, keystore=keys.keystore)
