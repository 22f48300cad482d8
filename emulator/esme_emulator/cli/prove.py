"""`esme prove`: run a scenario directly and through the cache, and compare."""

import asyncio
import json
import os
import shlex
import sys
from functools import partial
from pathlib import Path

import click

from esme_emulator.app import one_shot
from esme_emulator.cli.commands import CHECK_FAILED, INTERRUPTED, Command, fail
from esme_emulator.cli.options import (
    FOLDER,
    Whole,
    broker_option,
    json_option,
    parties_option,
    party_option,
)
from esme_emulator.cli.render import proof as proof_view
from esme_emulator.cli.render import screen
from esme_emulator.cli.render.screen import aside, warn
from esme_emulator.estate.parties import PartyList
from esme_emulator.estate.parties_file import load_parties
from esme_emulator.proof.report.write import report_folder, write_report
from esme_emulator.runtime.files import temporary_folder
from esme_emulator.runtime.processes import interruptible
from esme_emulator.runtime.reports import ReportFolderError
from esme_emulator.scenario.file import (
    load_scenario,
    resized,
    warnings_of,
    with_requester,
)


@click.command(
    cls=Command, example="esme prove\nesme prove settlement-morning --meters 500 --report morning"
)
@click.argument("scenario", default="quickstart")
@click.option(
    "--seed",
    show_default="the scenario's",
    help="Seed for keys, meters, readings and requests.",
)
@click.option(
    "--meters",
    type=Whole(min=1),
    metavar="N",
    show_default="the scenario's",
    help="Number of meters. The number of requests changes in proportion.",
)
@parties_option
@party_option("the parties of the scenario's mix", "The party that makes all requests.")
@click.option(
    "--via",
    type=click.Choice(["mqtt", "duis"]),
    default="mqtt",
    help="Make requests as GBCS commands on MQTT, or as signed XML to a front door.",
)
@broker_option
@click.option(
    "--in-process",
    is_flag=True,
    help="Use no broker: call cache and meters directly. Same figures, several times as fast.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    show_default="the number of processors",
    help="Number of processes with --in-process. The figures do not depend on it.",
)
@click.option(
    "--report",
    type=FOLDER,
    default="report",
    help="Folder to write the report to.",
)
@click.option(
    "--compare", is_flag=True, help="Also run other cache rules, and show them side by side."
)
@json_option
def prove(
    scenario: str,
    seed: str | None,
    meters: int | None,
    parties: Path | None,
    party: str | None,
    via: str,
    broker: str | None,
    in_process: bool,
    workers: int | None,
    report: Path,
    compare: bool,
    as_json: bool,
) -> None:
    """Make the same requests directly and cached, and compare.

    Compares the octets of all replies, and counts the commands that reached meters. SCENARIO is a
    file or the name of a shipped scenario, see esme scenario list. Exits 1 if a threshold of the
    scenario is missed.
    """
    if in_process and broker is not None:
        raise click.UsageError("--in-process uses no broker: leave out --in-process or --broker")
    if in_process and via == "duis":
        raise click.UsageError("--in-process has no front door: leave out --in-process or --via")
    if workers is not None and not in_process:
        raise click.UsageError("--workers needs --in-process: a broker serves one process")
    folder = report_folder(report)
    folder.check()
    plan = resized(load_scenario(scenario), seed, meters)
    found = PartyList() if parties is None else load_parties(parties)
    plan, left_out = with_requester(plan, found, party)
    warn([*left_out, *warnings_of(plan)])
    named = [scenario, *(["--parties", str(parties)] if parties else [])]
    named += ["--party", party] if party else []
    page, unwritten = None, None
    with interruptible(), temporary_folder() as files:
        with screen.show_progress() as bars:
            progress = bars if sys.stderr.isatty() else screen.progress_lines(aside)
            bars("planning", None)  # takes half a minute for a million meters
            if in_process:
                number = workers or os.cpu_count() or 1
                proof = partial(one_shot.prove_in_process, plan, number)
            else:
                proof = partial(one_shot.prove, plan, broker, duis=via == "duis")
            proved = asyncio.run(proof(files, progress, compare=compare, begin=folder.clear))
        result = proved.result
        try:
            page = write_report(result, proved.evidence, folder, named=shlex.join(named))
        except ReportFolderError as error:
            unwritten = error  # the verdict is shown first
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
        what = "not every rule was run to its end"
        if not result.complete:
            what = "the report is partial"
        fail(f"{last.ended}; {what}", INTERRUPTED if last.interrupted else CHECK_FAILED)
    if proved.left:
        fail("interrupted; not every rule was run to its end", INTERRUPTED)
    if not result.passed:
        sys.exit(CHECK_FAILED)
