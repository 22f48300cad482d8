"""`esme load`."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click

from esme_emulator.app.services import run_alone
from esme_emulator.cli.options import (
    CHECK_FAILED,
    FILE,
    INTERRUPTED,
    Parameter,
    aside,
    base_option,
    broker_url,
    fail,
    json_option,
    keystore_option,
    meters_option,
    one_line,
    seed_option,
)
from esme_emulator.cli.render import load as load_view
from esme_emulator.estate.estate import EstateSource
from esme_emulator.load.abort import AbortRule, parse_rule
from esme_emulator.load.plan import Arrivals, LoadError, Plan
from esme_emulator.load.report import report_folder, write_report
from esme_emulator.load.result import LoadResult
from esme_emulator.load.run import Load
from esme_emulator.load.tally import Tally
from esme_emulator.messaging.topics import PREFIXES
from esme_emulator.runtime.clock import Clock, parse_clock
from esme_emulator.runtime.files import UnreadableError, read_text
from esme_emulator.runtime.processes import ending_signals
from esme_emulator.runtime.report_folder import ReportFolderError
from esme_emulator.scenario.arrivals import whole_seconds
from esme_emulator.scenario.file import load_scenario
from esme_emulator.scenario.trace import parse_trace
from esme_emulator.transport import Broker
from gbcs import EUI

_RULE = Parameter("rule", parse_rule)
_CLOCK = Parameter("clock", parse_clock)
_SHAPES = [Arrivals.CONSTANT.value, Arrivals.POISSON.value, Arrivals.RAMP.value]
_SECONDS = 10.0


@click.command()
@click.option("--rate", type=float, default=100.0, show_default=True, help="Requests a second.")
@click.option("--arrivals", type=click.Choice(_SHAPES), default="constant", show_default=True)
@click.option("--trace", type=FILE, help="CSV file of times in place of a rate.")
@click.option("--closed", type=int, help="So many in flight at any time, in place of a rate.")
@click.option("--seconds", type=float, help="How long is counted; default 10, or the trace's.")
@click.option("--warm-up", type=float, default=0.0, help="Seconds before, which are not counted.")
@click.option("--scenario", default="quickstart", show_default=True, help="Whose mix is asked.")
@click.option("--via", type=click.Choice(list(PREFIXES)), default="cache", show_default=True)
@click.option(
    "--abort", "rules", type=_RULE, multiple=True, help='As "failed > 5%", "p99 > 500ms".'
)
@click.option(
    "--abort-window",
    type=click.IntRange(1, 3600),
    default=5,
    show_default=True,
    help="Seconds that --abort looks back.",
)
@click.option(
    "--in-flight",
    type=int,
    default=10_000,
    show_default=True,
    help="Requests on their way at most.",
)
@click.option("--timeout", type=float, help="Seconds to wait for a reply; default the scenario's.")
@click.option(
    "--check", type=float, default=1.0, show_default=True, help="Fraction of replies verified."
)
@click.option("--workers", type=int, default=1, show_default=True, help="Processes that ask.")
@seed_option
@meters_option
@base_option
@keystore_option
@click.option("--clock", type=_CLOCK, default="system", show_default=True, help="Of the meters.")
@broker_url("mqtt://[user@]host:port; default: all in this process.")
@click.option("--report", type=click.Path(file_okay=False, path_type=Path), help="Folder of files.")
@json_option
@one_line
def load(
    *,
    scenario: str,
    rules: tuple[AbortRule, ...],
    abort_window: int,
    seed: str,
    meters: int,
    base: EUI,
    keystore: Path | None,
    broker: str | None,
    report: Path | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Ask at a planned rate, and measure latency from the planned time of each request.

    Drives any broker that speaks the topics; without --broker, meters and a cache in this process.
    Exit 1 where the load was aborted, a worker or the broker was lost, or nothing was answered.
    """
    if broker is None and wanted["workers"] > 1:
        raise LoadError(
            f"--workers {wanted['workers']} needs --broker: run esme serve, or mosquitto"
        )
    source = EstateSource(seed, meters, base, keystore)
    plan = _plan(scenario, source, **wanted)
    folder = None if report is None else report_folder(report)
    if folder is not None:
        folder.clear()
    result, tally = asyncio.run(_run(scenario, plan, source, broker, rules, abort_window))
    unwritten = None
    try:
        if folder is not None:
            write_report(folder, result, tally)
    except ReportFolderError as error:
        unwritten = error  # the figures are told all the same
    load_view.load_table(result, aside)
    if folder is not None and unwritten is None:
        aside.print(f"written to {report}", highlight=False)
    if as_json:
        click.echo(json.dumps(result.as_dict()))
    if unwritten is not None:
        fail(unwritten)
    if result.ended == "interrupted":
        sys.exit(INTERRUPTED)
    if not result.complete or not result.requests.answered:
        sys.exit(CHECK_FAILED)


def _plan(
    scenario: str,
    source: EstateSource,
    *,
    rate: float,
    arrivals: str,
    trace: Path | None,
    closed: int | None,
    seconds: float | None,
    timeout: float | None,
    clock: Clock,
    **others: Any,
) -> Plan:
    """Return the plan of a load's options. Raises `LoadError`, `TraceError`, `ScenarioError`."""
    asked = load_scenario(scenario)
    meters = len(source.estate().meters)
    given = click.get_current_context().get_parameter_source
    own = click.core.ParameterSource.DEFAULT
    shape = Arrivals(arrivals)
    lines: Any = ()
    if trace is not None or closed is not None:
        if trace is not None and closed is not None:
            raise LoadError("give one of --trace and --closed")
        shape = Arrivals.CLOSED if trace is None else Arrivals.TRACE
        for name in ("rate", "arrivals"):
            if given(name) is not own:
                raise LoadError(f"--{name} goes with neither --trace nor --closed")
    if shape is Arrivals.RAMP and seconds is None:
        raise LoadError("--arrivals ramp needs --seconds: how long it takes to reach the rate")
    if trace is not None:
        lines = parse_trace(str(trace), _text(trace), asked.mix, meters)
        if seconds is None:
            seconds = whole_seconds(lines) - others["warm_up"]
    return Plan(
        arrivals=shape,
        mix=asked.mix,
        seed=source.seed,
        meters=meters,
        rate=rate,
        closed=closed or 0,
        trace=lines,
        seconds=_SECONDS if seconds is None else seconds,
        timeout=asked.retry.timeout if timeout is None else timeout,
        clock=clock.describe(),
        **others,
    )


def _text(trace: Path) -> str:
    try:
        return read_text(trace)
    except UnreadableError as error:
        raise LoadError(f"--trace {trace}: {error}") from None


async def _run(
    scenario: str,
    plan: Plan,
    source: EstateSource,
    url: str | None,
    rules: tuple[AbortRule, ...],
    window: int,
) -> tuple[LoadResult, Tally]:
    async with AsyncExitStack() as stack:
        broker: Broker | None = url
        if broker is None:
            alone = run_alone(source.estate(), parse_clock(plan.clock))
            broker = await stack.enter_async_context(alone)
        running = Load(
            scenario, plan, source, broker, rules=rules, window=window, shared=url is None
        )
        loop = asyncio.get_running_loop()
        for number in ending_signals():
            loop.add_signal_handler(number, running.interrupt)
        with load_view.show_live(plan.total) as watch:
            result = await running.run(watch)
    return result, running.tally
