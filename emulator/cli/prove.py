"""`esme prove`."""

import asyncio
import sys
from pathlib import Path

import click

from emulator import show, wiring
from emulator.cli.options import (
    CHECK_FAILED,
    aside,
    broker_option,
    fail,
    json_option,
    meters_option,
    one_line,
    seed_option,
)
from emulator.estate import derived_estate


@click.command()
@seed_option
@meters_option
@broker_option
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    default="report",
    show_default=True,
    help="Folder for proof.json.",
)
@json_option
@one_line
def prove(seed: str, meters: int, broker: str | None, report: Path, as_json: bool) -> None:
    """Ask the same reads directly and through the cache, and compare device hits and octets."""
    file = report / "proof.json"
    try:
        report.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"report folder {report}: {error.strerror}")
    with show.show_progress() as progress:
        result = asyncio.run(wiring.prove(derived_estate(seed, meters), broker, progress))
    file.write_text(result.as_json() + "\n", "utf-8")
    show.proof_table(result, aside)
    aside.print(f"written to {file}", highlight=False)
    if as_json:
        click.echo(result.as_json())
    if not result.passed:
        sys.exit(CHECK_FAILED)
