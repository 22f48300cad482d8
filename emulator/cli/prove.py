"""`esme prove`."""

import asyncio
import json
import sys
from pathlib import Path

import click

from emulator import show, show_proof, wiring
from emulator.cli.options import (
    CHECK_FAILED,
    INTERRUPTED,
    aside,
    broker_option,
    fail,
    json_option,
    one_line,
    warn,
)
from emulator.proof.report.write import write_report
from emulator.proof.scenario_file import (
    fault_warnings,
    load_scenario,
    resized,
)


@click.command()
@click.argument("scenario", default="quickstart")
@click.option("--seed", help="In place of the scenario's.")
@click.option(
    "--meters", type=click.IntRange(min=1), help="In place of the scenario's; requests go with it."
)
@broker_option
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    default="report",
    show_default=True,
    help="Folder for the report.",
)
@click.option("--compare", is_flag=True, help="The same requests under each rule, side by side.")
@json_option
@one_line
def prove(
    scenario: str,
    seed: str | None,
    meters: int | None,
    broker: str | None,
    report: Path,
    compare: bool,
    as_json: bool,
) -> None:
    """Make the same requests directly and through the cache, and compare hits and octets.

    SCENARIO is a file, or the name of a shipped one (esme scenario list shows them).
    """
    plan = resized(load_scenario(scenario), seed, meters)
    warn(fault_warnings(plan))
    try:
        report.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"report folder {report}: {error.strerror}")
    with show.show_progress() as bars:
        progress = bars if sys.stderr.isatty() else show.progress_lines(aside)
        if compare:
            variants = asyncio.run(wiring.prove_variants(plan, broker, progress))
        else:
            variants = [("", asyncio.run(wiring.prove(plan, broker, progress)))]
    result = variants[0][1]
    try:
        page = write_report(result, report, named=scenario)
    except OSError as error:
        fail(f"report {error.filename or report}: {error.strerror}")
    show_proof.proof_table(result, aside)
    if compare:
        show_proof.variants_table(variants, aside)
    aside.print(f"report: {page}", highlight=False)
    if as_json and compare:
        click.echo(json.dumps({name: item.as_dict() for name, item in variants}))
    elif as_json:
        click.echo(result.as_json())
    if not result.complete:
        fail("interrupted; the report is partial", INTERRUPTED)
    if not variants[-1][1].complete:
        fail("interrupted; not every rule was compared to its end", INTERRUPTED)
    if not result.passed:
        sys.exit(CHECK_FAILED)
