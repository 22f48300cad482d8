"""`esme`: the command line, put together from the commands in `emulator.cli`."""

import logging

import click

from emulator.cli.keys import keys
from emulator.cli.messages import decode_command, encode_command
from emulator.cli.options import OneLineGroup
from emulator.cli.prove import prove
from emulator.cli.read import read
from emulator.cli.run import cache, fleet, serve


@click.group(cls=OneLineGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="esme-emulator")
def main() -> None:
    """GBCS messages, emulated ESMEs, and a reading cache proved by counting device hits."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)


for command in (decode_command, encode_command, read, prove, serve, fleet, cache, keys):
    main.add_command(command)


if __name__ == "__main__":
    main()
