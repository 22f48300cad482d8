"""`esme profiles`: the shipped profiles, and checks of a user's own."""

import json
from pathlib import Path

import click

from esme_emulator.cli.commands import Group, fail
from esme_emulator.cli.options import FILE, json_option, seed_option
from esme_emulator.cli.output import aside, out
from esme_emulator.cli.render.profile_plot import draw_picture
from esme_emulator.cli.render.profiles import (
    profile_chart,
    profile_form,
    profile_table,
    profiles_tables,
)
from esme_emulator.device.profile_curves import curves
from esme_emulator.profiles import (
    WanProfile,
    any_profile,
    check,
    load_profiles,
    meter_profiles,
    wan_profiles,
)


@click.group(cls=Group, example="esme profiles show domestic")
def profiles() -> None:
    """List, show, check and plot profiles of meters and networks."""


@profiles.command("list", example="esme profiles list")
@json_option
def list_command(as_json: bool) -> None:
    """List the shipped profiles."""
    loads, meters, wans = load_profiles(), meter_profiles(), wan_profiles()
    if not as_json:
        profiles_tables(loads, meters, wans, out)
        return
    for kind, found in (("load", loads), ("meter", meters), ("wan", wans)):
        for profile in found:
            click.echo(json.dumps({"profile": kind, **profile_form(profile)}))


@profiles.command("show", example="esme profiles show domestic")
@click.argument("name")
@json_option
def show_command(name: str, as_json: bool) -> None:
    """Show every figure of a profile with its source.

    NAME is a shipped profile or a .toml file.
    """
    profile = any_profile(name)
    if as_json:
        click.echo(json.dumps(profile_form(profile)))
    else:
        profile_table(profile, out)


@profiles.command("check", example="esme profiles check mine.toml")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def check_command(files: tuple[Path, ...], as_json: bool) -> None:
    """Check profile files.

    Each mistake is one line, and any mistake makes the exit code 1.
    """
    problems = {file: check(file) for file in files}
    for file, found in problems.items():
        if as_json:
            click.echo(json.dumps({"source": str(file), "problems": found}))
        for problem in () if as_json else found:
            click.echo(problem)
    number = sum(map(len, problems.values()))
    if number:
        fail(f"{number} problem{'s' if number > 1 else ''} found")
    aside.print(f"{len(problems)} good", highlight=False)


@profiles.command("plot", example="esme profiles plot domestic --out domestic.svg")
@click.argument("name")
@click.option(
    "--out",
    "file",
    type=FILE,
    show_default="a chart in the terminal",
    help="Picture to write, .svg or .png; needs matplotlib.",
)
@seed_option
def plot_command(name: str, file: Path | None, seed: str) -> None:
    """Plot a load or meter profile.

    The chart in the terminal shows the expected load of a weekday and a weekend day in winter and
    in summer, and of a year. The picture shows a winter week, a summer week and a year, both
    expected and as one meter of --seed measures them.
    """
    profile = any_profile(name)
    if isinstance(profile, WanProfile):
        raise click.UsageError(f"{name} is a network; only loads and meters can be plotted")
    lines = curves(profile, seed)
    if file is None:
        profile_chart(lines, out)
        return
    try:
        draw_picture(profile.title, lines, file)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
    aside.print(f"written to {file}", highlight=False)
