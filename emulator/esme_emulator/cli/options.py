"""Parameter types and options that several commands share."""

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click

from esme_emulator.cli.secrets import BROKER_PASSWORD, SecretFile
from esme_emulator.estate.estate import DEFAULT_BASE, Estate, EstateSource
from esme_emulator.messaging.topics import PREFIXES
from esme_emulator.profiles.latency import parse_latency
from gbcs import EUI
from gbcs.instants import parse_iso

MAX_METERS = 1_000_000_000
"""Meters of one fleet, at most; Great Britain has some thirty million."""


class Parameter(click.ParamType[Any]):
    """A type whose values `read` makes from text; its `ValueError` is the usage error."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value that the text stands for."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


EUI_PARAMETER = Parameter("eui", EUI.parse)
INSTANT = Parameter("time", parse_iso)
LATENCY = Parameter("latency", parse_latency)
FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
KEYSTORE = SecretFile(
    "its private keys",
    lambda octets: b'"private"' in octets.replace(b"\0", b""),  # in UTF-16 too
)


def all_of(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that applies all of these, the last one first."""
    return lambda command: reduce(lambda made, option: option(made), reversed(decorators), command)


seed_option = click.option("--seed", default="1", help="Seed for keys, meters and readings.")
meters_option = click.option(
    "--meters",
    type=click.IntRange(1, MAX_METERS),
    metavar="N",
    default=100,
    help="Number of meters.",
)
base_option = click.option(
    "--base",
    type=EUI_PARAMETER,
    default=str(DEFAULT_BASE),
    help="EUI-64 of the first meter; the others follow it.",
)
keystore_option = click.option(
    "--keystore",
    type=KEYSTORE,
    help="Keystore file. Its devices are the meters, in place of derived ones.",
)
expired_option = click.option(
    "--expired-certificates",
    "takes_expired",
    is_flag=True,
    help="Accept certificates in commands outside their dates, such as DCC's test data.",
)
latency_option = click.option(
    "--latency",
    type=LATENCY,
    default="none",
    help="Time a meter takes to answer: none, 150ms, uniform:LOW,HIGH, normal:MEAN,SD, "
    "lognormal:MEDIAN,P99 or empirical:FILE.",
)
via_option = click.option(
    "--via",
    type=click.Choice(list(PREFIXES)),
    default="cache",
    help="Send requests through the cache or direct to the meters.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")


def broker_url(help_: str, default: str | None = None, shown: str = "") -> Callable[[Any], Any]:
    """Return the options for the URL of a broker and for its password.

    `shown` describes the default if it is None.
    """
    url = click.option(
        "--broker",
        metavar="URL",
        default=default,
        show_default=shown or True,
        callback=BROKER_PASSWORD.into_url,
        help=help_,
    )
    return all_of(url, BROKER_PASSWORD.option())


_URL = "Broker to connect to, as mqtt://[user@]host:port, or mqtts:// for TLS."
broker_option = broker_url(_URL, shown="a broker of its own")
part_broker_option = broker_url(_URL, "mqtt://127.0.0.1:1883")
load_broker_option = broker_url(_URL, shown="meters and a cache in this process")


def estate_of(
    keystore: Path | None, seed: str, meters: int, base: EUI, takes_expired: bool = False
) -> Estate:
    """Return the estate of a keystore file, or the one that is derived from `seed`."""
    return EstateSource(seed, meters, base, keystore, takes_expired).estate()
