"""`esme prove`."""

import asyncio
import json
import sys
from pathlib import Path

import click

from esme_emulator.app import one_shot
from esme_emulator.cli.options import (
    CHECK_FAILED,
    INTERRUPTED,
    aside,
    broker_option,
    fail,
    json_option,
    one_line,
    warn,
)
from esme_emulator.cli.render import proof as proof_view
from esme_emulator.cli.render import screen
from esme_emulator.proof.report.write import report_folder, write_report
from esme_emulator.runtime.processes import interruptible
from esme_emulator.runtime.report_folder import ReportFolderError
from esme_emulator.scenario.file import (
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
    folder = report_folder(report)
    folder.check()
    plan = resized(load_scenario(scenario), seed, meters)
    warn(fault_warnings(plan))
    with interruptible(), screen.show_progress() as bars:
        progress = bars if sys.stderr.isatty() else screen.progress_lines(aside)
        proving = one_shot.prove(plan, broker, progress, compare=compare, begin=folder.clear)
        proved = asyncio.run(proving)
    result = proved.result
    page, unwritten = None, None
    try:
        with interruptible():
            page = write_report(result, proved.evidence, folder, named=scenario)
    except ReportFolderError as error:
        unwritten = error  # the verdict is told all the same
    proof_view.proof_table(result, aside)
    if compare:
        proof_view.variants_table(proved.results, aside)
    if page is not None:
        aside.print(f"report: {page}", highlight=False)
    if as_json and compare:
        click.echo(json.dumps({name: item.as_dict() for name, item in proved.results}))
    elif as_json:
        click.echo(result.as_json())
    if unwritten is not None:
        fail(unwritten)
    last = proved.results[-1][1]
    if not last.complete:
        what = "not every rule was compared to its end"
        if not result.complete:
            what = "the report is partial"
        fail(f"{last.ended}; {what}", INTERRUPTED if last.interrupted else CHECK_FAILED)
    if proved.left:
        fail("interrupted; not every rule was compared to its end", INTERRUPTED)
    if not result.passed:
        sys.exit(CHECK_FAILED)
