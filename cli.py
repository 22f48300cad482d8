"""`esme`: the command line, put together from the commands in `emulator.cli`."""

import sys

try:
    import logging

    import click

    from emulator.cli.options import LazyGroup
except KeyboardInterrupt:  # while the program itself is read, which takes some tenths of a second
    sys.stderr.write("esme: interrupted\n")
    sys.exit(130)
except ModuleNotFoundError as error:
    from emulator.extras import hint

    if (text := hint(error)) is None:
        raise
    sys.stderr.write(f"esme: {text}\n")
    sys.exit(1)

COMMANDS = {
    "decode": "emulator.cli.messages:decode_command",
    "encode": "emulator.cli.messages:encode_command",
    "read": "emulator.cli.read:read",
    "load": "emulator.cli.load:load",
    "prove": "emulator.cli.prove:prove",
    "scenario": "emulator.cli.scenario:scenario",
    "report": "emulator.cli.report:report",
    "serve": "emulator.cli.run:serve",
    "fleet": "emulator.cli.run:fleet",
    "cache": "emulator.cli.cache:cache",
    "counters": "emulator.cli.counters:counters",
    "profiles": "emulator.cli.profiles:profiles",
    "keys": "emulator.cli.keys:keys",
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="esme-emulator")
def main() -> None:
    """GBCS messages, emulated ESMEs, and a reading cache proved by counting device hits."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)


if __name__ == "__main__":
    main()
