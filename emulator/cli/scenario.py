"""`esme scenario`: what can be proved, and whether a file of one's own is right."""

import json
from dataclasses import asdict

import click

from emulator import show_proof
from emulator.cli.options import CHECK_FAILED, json_option, one_line, out, warn
from emulator.proof.scenario_file import (
    ScenarioError,
    fault_warnings,
    load_scenario,
    shipped_scenarios,
)


@click.group()
def scenario() -> None:
    """List, show and check scenarios."""


@scenario.command("list")
@json_option
@one_line
def list_command(as_json: bool) -> None:
    """Show the scenarios that come with the package."""
    found = [load_scenario(name) for name in shipped_scenarios()]
    if as_json:
        click.echo(json.dumps([{"name": item.name, "title": item.title} for item in found]))
    else:
        show_proof.scenarios_table(found, out)


@scenario.command("show")
@click.argument("name")
@json_option
@one_line
def show_command(name: str, as_json: bool) -> None:
    """Print a scenario: its file, to copy and alter, or what it comes to as JSON."""
    found = load_scenario(name)
    click.echo(json.dumps(asdict(found), default=str) if as_json else found.text.rstrip())


@scenario.command("check")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@one_line
def check_command(files: tuple[str, ...]) -> None:
    """Check scenario files; every mistake is a line, and exit is 1 where there is one.

    A rule of faults that can match nothing is no mistake, and warned of.
    """
    failed = False
    for file in files:
        try:
            found = load_scenario(file)
        except ScenarioError as error:
            failed = True
            click.echo(f"esme: {error}", err=True)
        else:
            warn([f"{file}: {warning}" for warning in fault_warnings(found)])
            click.echo(f"{file}: good")
    if failed:
        raise SystemExit(CHECK_FAILED)
