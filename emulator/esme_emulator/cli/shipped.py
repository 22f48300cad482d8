"""`esme scenario` and `esme profiles`: the shipped files, and checks of a user's own.

The rooms of scenarios and profiles are imported when a command runs: `--help` does not need them.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from esme_emulator.cli.commands import CHECK_FAILED, Group, fail
from esme_emulator.cli.options import FILE, all_of, json_option, seed_option
from esme_emulator.cli.render.screen import aside, out, print_rows, warn
from gbcs.instants import to_iso

if TYPE_CHECKING:
    from esme_emulator.scenario.scenario import Scenario

_check_arguments = all_of(
    click.argument("files", nargs=-1, required=True, metavar="FILE..."), json_option
)
_show_arguments = all_of(click.argument("name", metavar="NAME|FILE"), json_option)


def _report(checked: Iterable[tuple[str, list[str], list[str]]], as_json: bool) -> None:
    """Print each file with its problems and warnings; exit 1 if there is any problem."""
    failed = False
    for file, problems, warnings in checked:
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


@click.group(cls=Group, example="esme scenario show quickstart > mine.toml")
def scenario() -> None:
    """List, show and check scenarios."""


@scenario.command("list", example="esme scenario list")
@json_option
def list_scenarios(as_json: bool) -> None:
    """List the shipped scenarios."""
    from esme_emulator.scenario.file import load_scenario, shipped_scenarios

    found = [_listed(load_scenario(name)) for name in shipped_scenarios()]
    if as_json:
        click.echo(json.dumps(found))
        return
    rows = [
        {
            "scenario": item["name"],
            "meters": f"{item['meters']:,}",
            "requests": f"{item['requests']:,}",
            "hours": f"{item['seconds'] / 3600:g}",
            "title": item["title"],
        }
        for item in found
    ]
    print_rows(rows, out, right={"meters", "requests", "hours"})


@scenario.command("show", example="esme scenario show quickstart > mine.toml")
@_show_arguments
def show_scenario(name: str, as_json: bool) -> None:
    """Print a scenario: its file, to copy and edit, or its values as JSON."""
    from esme_emulator.scenario.file import load_scenario

    found = load_scenario(name)
    if as_json:
        click.echo(json.dumps({**asdict(found), "start": to_iso(found.start)}, default=str))
    else:
        click.echo(found.text.rstrip())


@scenario.command("check", example="esme scenario check mine.toml")
@_check_arguments
def check_scenarios(files: tuple[str, ...], as_json: bool) -> None:
    """Check scenario files and the files that they name.

    Each mistake is one line, and any mistake makes the exit code 1. A fault rule that can match
    nothing is a warning.
    """
    _report(map(_checked_scenario, files), as_json)


def _checked_scenario(file: str) -> tuple[str, list[str], list[str]]:
    from esme_emulator.scenario.file import ScenarioError, load_scenario, warnings_of

    try:
        warnings = warnings_of(load_scenario(file))
    except ScenarioError as error:
        return file, str(error).splitlines(), []
    return file, [], [f"{file}: {warning}" for warning in warnings]


def _listed(found: "Scenario") -> dict[str, Any]:
    return {
        "name": found.name,
        "title": found.title,
        "seed": found.seed,
        "start": to_iso(found.start),
        "seconds": found.arrivals.seconds,
        "meters": found.fleet.meters,
        "requests": found.arrivals.requests,
    }


@click.group(cls=Group, example="esme profiles show domestic")
def profiles() -> None:
    """List, show, check and plot profiles of meters and networks."""


@profiles.command("list", example="esme profiles list")
@json_option
def list_profiles(as_json: bool) -> None:
    """List the shipped profiles."""
    from esme_emulator.cli.render import profiles as profiles_view
    from esme_emulator.profiles import load_profiles, meter_profiles, wan_profiles

    loads, meters, wans = load_profiles(), meter_profiles(), wan_profiles()
    if not as_json:
        profiles_view.profiles_tables(loads, meters, wans, out)
        return
    for kind, found in (("load", loads), ("meter", meters), ("wan", wans)):
        for profile in found:
            click.echo(json.dumps({"profile": kind, **profiles_view.profile_form(profile)}))


@profiles.command("show", example="esme profiles show domestic")
@_show_arguments
def show_profile(name: str, as_json: bool) -> None:
    """Show every figure of a profile with its source."""
    from esme_emulator.cli.render import profiles as profiles_view
    from esme_emulator.profiles import any_profile

    profile = any_profile(name)
    if as_json:
        click.echo(json.dumps(profiles_view.profile_form(profile)))
    else:
        profiles_view.profile_table(profile, out)


@profiles.command("check", example="esme profiles check mine.toml")
@_check_arguments
def check_profiles(files: tuple[str, ...], as_json: bool) -> None:
    """Check profile files.

    Each mistake is one line, and any mistake makes the exit code 1.
    """
    from esme_emulator.profiles import check

    _report(((file, check(Path(file)), []) for file in files), as_json)


@profiles.command("plot", example="esme profiles plot domestic --out domestic.svg")
@click.argument("name", metavar="NAME|FILE")
@click.option(
    "--out",
    "file",
    type=FILE,
    show_default="a chart in the terminal",
    help="Picture to write, .svg or .png; needs matplotlib.",
)
@seed_option
def plot_profile(name: str, file: Path | None, seed: str) -> None:
    """Plot a load or meter profile.

    The chart in the terminal shows the expected load of a weekday and a weekend day in winter and
    in summer, and of a year. The picture shows a winter week, a summer week and a year, both
    expected and as one meter of --seed measures them.
    """
    from esme_emulator.cli.render import profiles as profiles_view
    from esme_emulator.device.profile_curves import curves
    from esme_emulator.profiles import WanProfile, any_profile

    profile = any_profile(name)
    if isinstance(profile, WanProfile):
        raise click.UsageError(f"{name} is a network; only loads and meters can be plotted")
    lines = curves(profile, seed)
    if file is None:
        profiles_view.profile_chart(lines, out)
        return
    try:
        profiles_view.draw_picture(profile.title, lines, file)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
    aside.print(f"written to {file}", highlight=False)
