"""`esme keys`: print a keystore file."""

import click

from esme_emulator.cli.commands import Command
from esme_emulator.cli.options import (
    EUI_PARAMETER,
    base_option,
    meters_option,
    seed_option,
)
from esme_emulator.estate.estate import derived_estate
from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.estate.parties import PARTIES
from gbcs import EUI


@click.command(cls=Command, example="esme keys --meters 2 > keys.json")
@click.argument("euis", type=EUI_PARAMETER, nargs=-1)
@seed_option
@meters_option
@base_option
def keys(euis: tuple[EUI, ...], seed: str, meters: int, base: EUI) -> None:
    """Print the keys of meters and parties as a keystore file.

    The meters are EUIS, or else the first --meters from --base. The keys of the emulated parties
    and of the Access Control Broker come with them.
    """
    devices = euis or derived_estate(seed, meters, base).meters
    keystore = DerivedKeystore(seed)
    parties = [keystore.access_control_broker, *(eui for eui, _, _ in PARTIES)]
    click.echo(keystore.export([*parties, *devices]))
