"""`esme report`: what was proved before."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from emulator import show_proof
from emulator.cli.options import json_option, one_line, out
from emulator.proof.report.compare import compare, load_report
from emulator.proof.report.schema import schema

_REPORT = click.Path(path_type=Path)


@click.group()
def report() -> None:
    """Compare reports of proofs, and read them with programs."""


@report.command("compare")
@click.argument("first", type=_REPORT)
@click.argument("second", type=_REPORT)
@json_option
@one_line
def compare_command(first: Path, second: Path, as_json: bool) -> None:
    """Show the figures of two reports, given as folders or as JSON, side by side."""
    figures = compare(load_report(first), load_report(second))
    if as_json:
        click.echo(json.dumps([asdict(item) for item in figures]))
    else:
        show_proof.figures_table((str(first), str(second)), figures, out)


@report.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of proof.json."""
    click.echo(json.dumps(schema(), indent=2))
