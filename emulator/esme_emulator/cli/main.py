"""`esme`: the command line.

Each command is a module of this room, which is imported when the command is used.
"""

import sys

try:
    import logging

    import click

    from esme_emulator.cli.commands import Lazy, LazyGroup
except KeyboardInterrupt:  # Ctrl-C during start-up
    sys.stderr.write("esme: interrupted\n")
    sys.exit(130)
except ModuleNotFoundError as error:
    from esme_emulator.runtime.errors import hint

    if (text := hint(error)) is None:
        raise
    sys.stderr.write(f"esme: {text}\n")
    sys.exit(1)

_HERE = "esme_emulator.cli"

COMMANDS = {
    "decode": Lazy(
        f"{_HERE}.messages:decode_command",
        "Decode GBCS messages in hex, base64, JSON, logs, DUIS or pcap.",
    ),
    "encode": Lazy(
        f"{_HERE}.messages:encode_command", "Encode the JSON of esme decode --json back to hex."
    ),
    "read": Lazy(f"{_HERE}.read:read", "Read one meter, through the cache or directly."),
    "load": Lazy(
        f"{_HERE}.load:load", "Send requests at a planned rate and measure their latency."
    ),
    "prove": Lazy(
        f"{_HERE}.prove:prove", "Make the same requests directly and cached, and compare."
    ),
    "scenario": Lazy(f"{_HERE}.shipped:scenario", "List, show and check scenarios."),
    "report": Lazy(f"{_HERE}.report:report", "Compare reports, or print their JSON Schema."),
    "serve": Lazy(f"{_HERE}.run:serve", "Run broker, meters and cache until interrupted."),
    "fleet": Lazy(f"{_HERE}.run:fleet", "Run the meters alone, on a broker, until interrupted."),
    "cache": Lazy(f"{_HERE}.run:cache", "Run the cache alone, on a broker, until interrupted."),
    "dsp": Lazy(f"{_HERE}.run:dsp", "Run the front door for DUIS alone, until interrupted."),
    "duis": Lazy(
        f"{_HERE}.duis:duis", "Sign, verify and send DUIS requests, and receive responses."
    ),
    "record": Lazy(f"{_HERE}.recording:record_command", "Write what crosses a broker to a file."),
    "watch": Lazy(f"{_HERE}.watch:watch", "Show the messages that cross a broker, decoded."),
    "replay": Lazy(
        f"{_HERE}.recording:replay_command",
        "Make recorded requests again, and compare the answers.",
    ),
    "counters": Lazy(f"{_HERE}.counters:counters", "Add up the counters of several fleets."),
    "profiles": Lazy(
        f"{_HERE}.shipped:profiles", "List, show, check and plot profiles of meters and networks."
    ),
    "keys": Lazy(f"{_HERE}.keys:keys", "Print the keys of meters and parties as a keystore file."),
    "keys import": Lazy(
        f"{_HERE}.keys:import_keys", "Turn the key files of a party into a keystore file."
    ),
}


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    example="esme prove\nesme serve --meters 10 --store memory:",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(package_name="esme-emulator")
def main() -> None:
    """GBCS messages, emulated smart meters, and a reading cache that spares them.

    The first line of a command's help says what it does; esme COMMAND --help has its options.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING)


if __name__ == "__main__":
    main()
