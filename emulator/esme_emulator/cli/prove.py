"""`esme prove`: run a scenario directly and through the cache, and compare."""

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any

import click

from esme_emulator.app import one_shot
from esme_emulator.cache.policy.settings import SETTINGS
from esme_emulator.cli.commands import CHECK_FAILED, INTERRUPTED, Command, fail
from esme_emulator.cli.options import (
    FOLDER,
    Parameter,
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
from esme_emulator.proof.result import ProofResult
from esme_emulator.proof.run import VARIANTS, Progress, Proved
from esme_emulator.proof.side_by_side import SideBySide, of_seeds
from esme_emulator.runtime.clock import SystemClock, to_the_minute
from esme_emulator.runtime.files import temporary_folder
from esme_emulator.runtime.processes import interruptible
from esme_emulator.runtime.reports import ReportFolderError
from esme_emulator.scenario.file import (
    load_scenario,
    resized,
    warnings_of,
    with_requester,
)
from esme_emulator.scenario.scenario import Caching, Scenario


def _hours(text: str) -> tuple[float, ...]:
    """Return the retentions in a text such as `25,48h,72`. Raises `ValueError`."""
    try:
        found = tuple(float(part.strip().removesuffix("h")) for part in text.split(","))
        for hours in found:
            SETTINGS["retention_hours"].check("retention_hours", hours)
    except ValueError as error:
        reason = str(error) if "retention" in str(error) else "write hours such as 25,48,72"
        raise ValueError(f"{text!r:.60}: {reason}") from None
    return found


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
@click.option(
    "--retention",
    "retentions",
    type=Parameter("hours", _hours),
    default=(),
    metavar="HOURS,...",
    show_default="the scenario's",
    help="Retentions to compare, such as 25,48,72, with the scenario's other cache settings.",
)
@click.option(
    "--seeds",
    type=Whole(1, 1000),
    metavar="N",
    default=1,
    help="Number of seeds to run; what is compared is the mean and the range.",
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
    retentions: tuple[float, ...],
    seeds: int,
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
    if compare and retentions:
        raise click.UsageError("--compare and --retention: give one of the two")
    folder = report_folder(report)
    folder.check()
    plan = resized(load_scenario(scenario), seed, meters)
    found = PartyList() if parties is None else load_parties(parties)
    plan, left_out = with_requester(plan, found, party)
    warn([*left_out, *warnings_of(plan)])
    named = [scenario, *(["--parties", str(parties)] if parties else [])]
    named += ["--party", party] if party else []
    rules = _rules(plan, retentions, seeds, compare=compare)
    page, unwritten = None, None
    made = to_the_minute(SystemClock().now())
    with interruptible(), temporary_folder() as files:
        with screen.show_progress() as bars:
            progress = bars if sys.stderr.isatty() else screen.progress_lines(aside)
            bars("planning", None)  # takes half a minute for a million meters
            if in_process:
                proof = partial(one_shot.prove_in_process, workers=workers or os.cpu_count() or 1)
            else:
                proof = partial(one_shot.prove, url=broker, duis=via == "duis")
            everything = _prove_each(
                partial(proof, variants=rules), _seeded(plan, seeds), files, progress, folder.clear
            )
        proved = everything[0]
        result, side_by_side = proved.result, None
        if rules:
            hours = [caching.retention_hours for _, caching in rules]
            side_by_side = of_seeds(hours, [each.results for each in everything])
        try:
            page = write_report(
                *(result, proved.evidence, folder),
                named=shlex.join(named),
                made=made,
                side_by_side=side_by_side,
            )
        except ReportFolderError as error:
            unwritten = error  # the verdict is shown first
    proof_view.proof_table(result, aside)
    if side_by_side is not None:
        proof_view.rules_table(side_by_side, result.title, aside)
    if page is not None:
        aside.print(f"report: {page}", highlight=False)
    if as_json:
        click.echo(json.dumps(_form(result, side_by_side)))
    if unwritten is not None:
        fail(unwritten)
    last = everything[-1].results[-1][1]
    if not last.complete:
        what = "not every rule and seed was run to its end"
        if not result.complete:
            what = "the report is partial"
        fail(f"{last.ended}; {what}", INTERRUPTED if last.interrupted else CHECK_FAILED)
    if everything[-1].left or len(everything) < seeds:
        fail("interrupted; not every rule and seed was run to its end", INTERRUPTED)
    if not (result.passed if not retentions else side_by_side and side_by_side.least()):
        sys.exit(CHECK_FAILED)


def _rules(
    plan: Scenario, retentions: tuple[float, ...], seeds: int, *, compare: bool
) -> list[tuple[str, Caching]]:
    """Return the cache rules to compare by name; none but the scenario's own if it is empty."""
    if compare:
        return [(name, replace(plan.cache, **changed)) for name, changed in VARIANTS]
    if seeds > 1 and not retentions:
        return [("as in the scenario", plan.cache)]
    return [
        (f"{hours:g} hours", replace(plan.cache, retention_hours=hours)) for hours in retentions
    ]


def _seeded(plan: Scenario, seeds: int) -> Iterator[Scenario]:
    """Yield the scenario with its own seed, and with further ones."""
    yield plan
    for number in range(2, seeds + 1):
        yield resized(plan, f"{plan.seed}-{number}", None)


def _prove_each(
    proof: Callable[..., Awaitable[Proved]],
    plans: Iterator[Scenario],
    files: Path,
    progress: Progress,
    begin: Callable[[], None],
) -> list[Proved]:
    """Return the proofs of all plans, up to one that is not complete.

    Only the files of the first are kept, since the report has its ledger.
    """
    found: list[Proved] = []
    for place, plan in enumerate(plans):
        folder = files / str(place)
        folder.mkdir()
        started = begin if not place else lambda: None
        found.append(
            asyncio.run(proof(scenario=plan, folder=folder, progress=progress, begin=started))  # type: ignore[arg-type]
        )
        if place:
            rmtree(folder)
        if found[-1].left or not found[-1].results[-1][1].complete:
            break
    return found


def _form(result: ProofResult, side_by_side: SideBySide | None) -> dict[str, Any]:
    """Return the JSON of a result, or of the results of each rule, one for each seed."""
    if side_by_side is None:
        return result.as_dict()
    least = side_by_side.least()
    return {
        "least_retention_hours": None if least is None else least.retention_hours,
        "rules": [
            {
                "name": rule.name,
                "retention_hours": rule.retention_hours,
                "results": [each.as_dict() for each in rule.results],
            }
            for rule in side_by_side.rules
        ],
    }
