"""`esme keys`."""

import click

from esme_emulator.cli.options import (
    EUI_PARAMETER,
    base_option,
    meters_option,
    one_line,
    seed_option,
)
from esme_emulator.estate.estate import derived_estate
from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.estate.parties import PARTIES
from gbcs import EUI


@click.command()
@click.argument("euis", type=EUI_PARAMETER, nargs=-1)
@seed_option
@meters_option
@base_option
@one_line
def keys(euis: tuple[EUI, ...], seed: str, meters: int, base: EUI) -> None:
    """Print a keystore file: the keys of a seed's meters (or of EUIS), parties and ACB."""
    devices = euis or derived_estate(seed, meters, base).meters
    keystore = DerivedKeystore(seed)
    parties = [keystore.access_control_broker, *(eui for eui, _, _ in PARTIES)]
    click.echo(keystore.export([*parties, *devices]))
