"""`esme scenario`: the shipped scenarios, and checks of a user's own."""

import json
from dataclasses import asdict
from typing import Any

import click

from esme_emulator.cli.commands import CHECK_FAILED, Group
from esme_emulator.cli.options import json_option
from esme_emulator.cli.output import out, warn
from esme_emulator.cli.render import proof as proof_view
from esme_emulator.scenario.file import (
    ScenarioError,
    fault_warnings,
    load_scenario,
    shipped_scenarios,
)
from esme_emulator.scenario.scenario import Scenario
from gbcs.instants import to_iso


@click.group(cls=Group, example="esme scenario show quickstart > mine.toml")
def scenario() -> None:
    """List, show and check scenarios."""


@scenario.command("list", example="esme scenario list")
@json_option
def list_command(as_json: bool) -> None:
    """List the shipped scenarios."""
    found = [load_scenario(name) for name in shipped_scenarios()]
    if as_json:
        click.echo(json.dumps([_listed(item) for item in found]))
    else:
        proof_view.scenarios_table(found, out)


@scenario.command("show", example="esme scenario show quickstart > mine.toml")
@click.argument("name")
@json_option
def show_command(name: str, as_json: bool) -> None:
    """Print a scenario: its file, to copy and edit, or its values as JSON.

    NAME is a shipped scenario or a file.
    """
    found = load_scenario(name)
    if as_json:
        click.echo(json.dumps({**asdict(found), "start": to_iso(found.start)}, default=str))
    else:
        click.echo(found.text.rstrip())


@scenario.command("check", example="esme scenario check mine.toml")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@json_option
def check_command(files: tuple[str, ...], as_json: bool) -> None:
    """Check scenario files and the files that they name.

    Each mistake is one line, and any mistake makes the exit code 1. A fault rule that can match
    nothing is a warning.
    """
    failed = False
    for file in files:
        problems, warnings = [], []
        try:
            warnings = [f"{file}: {warning}" for warning in fault_warnings(load_scenario(file))]
        except ScenarioError as error:
            problems = str(error).splitlines()
        failed = failed or bool(problems)
        if as_json:
            form = {"source": file, "problems": problems, "warnings": warnings}
            click.echo(json.dumps(form))
            continue
        for problem in problems:
            click.echo(f"esme: {problem}", err=True)
        warn(warnings)
        if not problems:
            click.echo(f"{file}: good")
    if failed:
        raise SystemExit(CHECK_FAILED)


def _listed(found: Scenario) -> dict[str, Any]:
    return {
        "name": found.name,
        "title": found.title,
        "seed": found.seed,
        "start": to_iso(found.start),
        "seconds": found.arrivals.seconds,
        "meters": found.fleet.meters,
        "requests": found.arrivals.requests,
    }
