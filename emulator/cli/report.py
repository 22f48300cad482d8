"""`esme report`: what was proved before."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from emulator import show_proof
from emulator.cli.options import json_option, one_line, out, warn
from emulator.proof.report.compare import about, compare, load_report, unlike
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
    """Show two reports, given as folders or as JSON, side by side: verdicts and figures.

    What makes them proofs of different things is warned of.
    """
    one, other = load_report(first), load_report(second)
    of, unlikeness, figures = (about(one), about(other)), unlike(one, other), compare(one, other)
    if as_json:
        form = {"first": of[0], "second": of[1], "unlike": unlikeness}
        click.echo(json.dumps({**form, "figures": [asdict(item) for item in figures]}))
        return
    show_proof.figures_table((str(first), str(second)), of, figures, out)
    warn(unlikeness)


@report.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of proof.json."""
    click.echo(json.dumps(schema(), indent=2))
