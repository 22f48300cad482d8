"""`esme`: the command line, put together from the commands beside this module."""

import sys

try:
    import logging

    import click

    from esme_emulator.cli.options import LazyGroup
except KeyboardInterrupt:  # while the program itself is read, which takes some tenths of a second
    sys.stderr.write("esme: interrupted\n")
    sys.exit(130)
except ModuleNotFoundError as error:
    from esme_emulator.runtime.extras import hint

    if (text := hint(error)) is None:
        raise
    sys.stderr.write(f"esme: {text}\n")
    sys.exit(1)

COMMANDS = {
    "decode": "esme_emulator.cli.messages:decode_command",
    "encode": "esme_emulator.cli.messages:encode_command",
    "read": "esme_emulator.cli.read:read",
    "load": "esme_emulator.cli.load:load",
    "prove": "esme_emulator.cli.prove:prove",
    "scenario": "esme_emulator.cli.scenario:scenario",
    "report": "esme_emulator.cli.report:report",
    "serve": "esme_emulator.cli.run:serve",
    "fleet": "esme_emulator.cli.run:fleet",
    "cache": "esme_emulator.cli.cache:cache",
    "counters": "esme_emulator.cli.counters:counters",
    "profiles": "esme_emulator.cli.profiles:profiles",
    "keys": "esme_emulator.cli.keys:keys",
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="esme-emulator")
def main() -> None:
    """GBCS messages, emulated ESMEs, and a reading cache proved by counting device hits."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)


if __name__ == "__main__":
    main()
