"""`esme scenario`: what can be proved, and whether a file of one's own is right."""

import json
from dataclasses import asdict
from typing import Any

import click

from esme_emulator.cli.options import CHECK_FAILED, json_option, one_line, out, warn
from esme_emulator.cli.render import proof as proof_view
from esme_emulator.scenario.file import (
    ScenarioError,
    fault_warnings,
    load_scenario,
    shipped_scenarios,
)
from esme_emulator.scenario.scenario import Scenario
from gbcs.instants import to_iso


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
        click.echo(json.dumps([_listed(item) for item in found]))
    else:
        proof_view.scenarios_table(found, out)


@scenario.command("show")
@click.argument("name")
@json_option
@one_line
def show_command(name: str, as_json: bool) -> None:
    """Print a scenario: its file, to copy and alter, or what it comes to as JSON."""
    found = load_scenario(name)
    if as_json:
        click.echo(json.dumps({**asdict(found), "start": to_iso(found.start)}, default=str))
    else:
        click.echo(found.text.rstrip())


@scenario.command("check")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@json_option
@one_line
def check_command(files: tuple[str, ...], as_json: bool) -> None:
    """Check scenario files and those they name; every mistake is a line, and exit is 1 for any.

    A rule of faults that can match nothing is no mistake, and warned of.
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
