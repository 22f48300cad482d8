"""`esme report`: compare reports of proofs and loads, and print their schemas.

The rooms of proofs and loads are imported when a command runs, since `--help` does not need them.
"""

import json
from dataclasses import asdict
from pathlib import Path

import click

from esme_emulator.cli.commands import Group
from esme_emulator.cli.options import json_option
from esme_emulator.cli.render.screen import out, warn

_REPORT = click.Path(path_type=Path)


@click.group(cls=Group, example="esme report compare report-monday report-friday")
def report() -> None:
    """Compare reports, or print their JSON Schema."""


@report.command("compare", example="esme report compare report-monday report-friday")
@click.argument("first", type=_REPORT)
@click.argument("second", type=_REPORT)
@json_option
def compare_command(first: Path, second: Path, as_json: bool) -> None:
    """Show two reports side by side: how they ended, and their figures.

    FIRST and SECOND are folders or JSON files, both of proofs or both of loads. Differences
    between what they measured are warnings.
    """
    from esme_emulator.cli.render import proof as proof_view
    from esme_emulator.load.compare import about_load, compare_loads, load_form, unlike_loads
    from esme_emulator.proof.report.compare import about, compare, load_report, unlike
    from esme_emulator.runtime.reports import ReportError

    one, other = load_form(first), load_form(second)
    if one is not None and other is not None:
        of, unlikeness = (about_load(one), about_load(other)), unlike_loads(one, other)
        figures = compare_loads(one, other)
    elif one is other is None:
        one, other = load_report(first), load_report(second)
        of, unlikeness = (about(one), about(other)), unlike(one, other)
        figures = compare(one, other)
    else:
        raise ReportError(
            f"{first} and {second}: only one is the report of a load; give two of one kind"
        )
    if as_json:
        form = {"first": of[0], "second": of[1], "unlike": unlikeness}
        click.echo(json.dumps({**form, "figures": [asdict(item) for item in figures]}))
        return
    proof_view.figures_table((str(first), str(second)), of, figures, out)
    warn(unlikeness)


@report.command("schema", example="esme report schema load > load.schema.json")
@click.argument(
    "kind", metavar="[proof|load]", type=click.Choice(["proof", "load"]), default="proof"
)
def schema_command(kind: str) -> None:
    """Print the JSON Schema of proof.json or load.json."""
    if kind == "proof":
        from esme_emulator.proof.result import json_schema
    else:
        from esme_emulator.load.result import json_schema
    click.echo(json.dumps(json_schema(), indent=2))
