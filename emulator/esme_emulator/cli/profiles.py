"""`esme profiles`: what meters, loads and WANs are made of, and whether one's own will do."""

import json
from functools import partial
from pathlib import Path

import click

from esme_emulator.cli.options import (
    CHECK_FAILED,
    aside,
    fail,
    json_option,
    one_line,
    out,
    seed_option,
)
from esme_emulator.cli.render.profile_plot import draw_picture
from esme_emulator.cli.render.profiles import (
    profile_chart,
    profile_form,
    profile_table,
    profiles_tables,
)
from esme_emulator.device.profile_curves import curves
from esme_emulator.fleet.latency import parse_latency
from esme_emulator.profiles import (
    WanProfile,
    any_profile,
    check,
    load_profiles,
    meter_profiles,
    wan_profiles,
)
from esme_emulator.runtime.files import read_text


@click.group()
def profiles() -> None:
    """Profiles of loads, meters and WANs: those shipped, and your own in TOML files."""


@profiles.command("list")
@json_option
@one_line
def list_command(as_json: bool) -> None:
    """List the shipped profiles."""
    loads, meters, wans = load_profiles(), meter_profiles(), wan_profiles()
    if not as_json:
        profiles_tables(loads, meters, wans, out)
        return
    for kind, found in (("load", loads), ("meter", meters), ("wan", wans)):
        for profile in found:
            click.echo(json.dumps({"profile": kind, **profile_form(profile)}))


@profiles.command("show")
@click.argument("name")
@json_option
@one_line
def show_command(name: str, as_json: bool) -> None:
    """Show every figure of the profile NAME, shipped or a .toml file, and where it comes from."""
    profile = any_profile(name)
    if as_json:
        click.echo(json.dumps(profile_form(profile)))
    else:
        profile_table(profile, out)


@profiles.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@one_line
def check_command(files: tuple[Path, ...], as_json: bool) -> None:
    """Say what is wrong with profiles in FILES, a line each. Exit 1 where something is."""
    problems = {file: check(file, partial(parse_latency, read=read_text)) for file in files}
    for file, found in problems.items():
        if as_json:
            click.echo(json.dumps({"source": str(file), "problems": found}))
        for problem in () if as_json else found:
            click.echo(problem)
    number = sum(map(len, problems.values()))
    if number:
        fail(f"{number} problem{'s' if number > 1 else ''} found", CHECK_FAILED)
    aside.print(f"{len(problems)} good", highlight=False)


@profiles.command("plot")
@click.argument("name")
@click.option(
    "--out",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Picture to write, .svg or .png; needs matplotlib.",
)
@seed_option
@one_line
def plot_command(name: str, file: Path | None, seed: str) -> None:
    """Plot a load or meter, as a chart in the terminal or, with --out, as a picture.

    The chart has a weekday and a weekend day of winter and of summer, and a year, without chance;
    the picture a winter week, a summer week and a year, as one meter measures them too.
    """
    profile = any_profile(name)
    if isinstance(profile, WanProfile):
        raise click.UsageError(f"{name} is a WAN, and only loads and meters can be plotted")
    lines = curves(profile, seed)
    if file is None:
        profile_chart(lines, out)
        return
    try:
        draw_picture(profile.title, lines, file)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
    aside.print(f"written to {file}", highlight=False)
