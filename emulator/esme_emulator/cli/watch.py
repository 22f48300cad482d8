"""`esme watch`: show what crosses a broker, decoded, as it happens."""

import asyncio

import click

from esme_emulator.cli.commands import Command
from esme_emulator.cli.options import estate_options, json_option, part_broker_option
from esme_emulator.cli.recording import pass_on
from esme_emulator.cli.render.messages import explanation
from esme_emulator.cli.render.screen import announce, warn
from esme_emulator.cli.render.watching import Watched, heading
from esme_emulator.estate.estate import EstateSource
from esme_emulator.messaging.recording import Recorded
from esme_emulator.runtime.clock import SystemClock
from esme_emulator.runtime.urls import without_credentials
from gbcs.block_transfer import Transfers
from gbcs.explain import explain


@click.command(cls=Command, example="esme watch --broker mqtt://127.0.0.1:1883")
@click.option("--explain", "explained", is_flag=True, help="Print the octets too, annotated.")
@estate_options
@part_broker_option
@json_option
def watch(explained: bool, source: EstateSource, broker: str, as_json: bool) -> None:
    """Show the messages that cross a broker, decoded.

    Prints a line for each command, response and alert until interrupted. The keys of --seed or
    --keystore verify and decrypt. The lines of --json are a recording too, for esme replay.
    """
    if as_json and explained:
        raise click.UsageError("--explain and --json: give one of the two")
    estate = source.estate()
    transfers = Transfers()

    def begin() -> None:
        announce({"watching": without_credentials(broker)}, as_json=False)
        if not as_json:
            click.echo(heading())

    def show(recorded: Recorded) -> None:
        watched = Watched.of(recorded, estate, transfers)
        click.echo(watched.json_line() if as_json else watched.line())
        if explained and watched.message is not None:
            click.echo("\n".join(explanation(explain(watched.message))))
        warn_unfinished()

    def warn_unfinished() -> None:
        warn([f"{one.source}: {one.error}" for one in transfers.take_unfinished()])

    dropped = asyncio.run(pass_on(broker, show, SystemClock(), begin))
    transfers.give_up()
    warn_unfinished()
    if dropped:
        warn([f"missed: {', '.join(f'{number} {reason}' for reason, number in dropped.items())}"])
