"""`esme load`: send requests at a planned rate."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from esme_emulator.app.services import run_alone
from esme_emulator.cli.commands import CHECK_FAILED, INTERRUPTED, Command, fail
from esme_emulator.cli.duis_options import duis_keys, listen_option, to_url_option
from esme_emulator.cli.options import (
    FILE,
    FOLDER,
    NUMBER,
    Parameter,
    Whole,
    estate_options,
    is_given,
    json_option,
    load_broker_option,
    party_option,
)
from esme_emulator.cli.render import load as load_view
from esme_emulator.cli.render.screen import aside, warn
from esme_emulator.cli.service_options import fleet_file_option
from esme_emulator.estate.estate import Estate, EstateSource
from esme_emulator.estate.parties import party_called
from esme_emulator.load.generator import Endpoint
from esme_emulator.load.plan import DUIS, Arrivals, LoadError, Plan
from esme_emulator.load.result import LoadResult
from esme_emulator.load.run import Load
from esme_emulator.load.tally import AbortRule, Tally, parse_rule
from esme_emulator.load.thresholds import LoadThreshold, parse_threshold
from esme_emulator.messaging.topics import PREFIXES
from esme_emulator.profiles import MeterMix
from esme_emulator.runtime.clock import Clock, SystemClock, parse_clock, to_the_minute
from esme_emulator.runtime.files import UnreadableError, read_text
from esme_emulator.runtime.processes import ending_signals
from esme_emulator.runtime.reports import ReportFolderError
from esme_emulator.scenario.file import load_scenario
from esme_emulator.scenario.scenario import Scenario, asked_by
from esme_emulator.scenario.workload import read_trace, whole_seconds
from esme_emulator.transport import Broker

_RULE = Parameter("rule", parse_rule)
_THRESHOLD = Parameter("threshold", parse_threshold)
_CLOCK = Parameter("clock", parse_clock)
_SHAPES = [Arrivals.CONSTANT.value, Arrivals.POISSON.value, Arrivals.RAMP.value]
_SECONDS = 10.0


@click.command(
    cls=Command,
    example='esme load --rate 500 --broker mqtt://127.0.0.1:1883 --abort "failed > 5%"',
)
@click.option("--rate", type=NUMBER, default=100, help="Requests a second.")
@click.option(
    "--arrivals",
    type=click.Choice(_SHAPES),
    default="constant",
    help="How requests arrive: evenly, at random, or at a rate that rises from 0.",
)
@click.option(
    "--trace", type=FILE, help="Requests in CSV, or a file of esme record; not with --rate."
)
@click.option(
    "--closed",
    type=Whole(),
    metavar="N",
    help="Keep N requests in flight at any time, in place of --rate.",
)
@click.option(
    "--seconds",
    type=NUMBER,
    metavar="SECONDS",
    show_default=f"{_SECONDS:g}, or the length of the trace",
    help="Seconds to measure.",
)
@click.option(
    "--warm-up",
    type=NUMBER,
    metavar="SECONDS",
    default=0,
    help="Seconds of load before measuring begins.",
)
@click.option(
    "--scenario",
    metavar="NAME|FILE",
    default="quickstart",
    help="Scenario whose mix of requests is sent.",
)
@click.option(
    "--via",
    type=click.Choice([*PREFIXES, DUIS]),
    default="cache",
    help="Send requests through the cache, direct to the meters, or as signed XML to a front door.",
)
@click.option(
    "--abort",
    "rules",
    type=_RULE,
    multiple=True,
    help='Abort if this holds, such as "failed > 5%" or "p99 > 500ms". May be repeated.',
)
@click.option(
    "--abort-window",
    type=Whole(1, 3600),
    metavar="SECONDS",
    default=5,
    help="Seconds that --abort looks back.",
)
@click.option(
    "--threshold",
    "thresholds",
    type=_THRESHOLD,
    multiple=True,
    help='Condition over the whole load, such as "p95 <= 500ms". May be repeated.',
)
@click.option(
    "--in-flight",
    type=Whole(),
    metavar="N",
    default=10_000,
    help="Maximum number of requests in flight.",
)
@click.option(
    "--timeout",
    type=NUMBER,
    metavar="SECONDS",
    show_default="the scenario's",
    help="Seconds to wait for a reply.",
)
@click.option(
    "--check", type=NUMBER, metavar="FRACTION", default=1, help="Fraction of replies to verify."
)
@click.option(
    "--workers",
    type=Whole(),
    metavar="N",
    default=1,
    help="Number of processes that send requests.",
)
@party_option("the parties of the scenario's mix", "The party that makes all requests.")
@fleet_file_option
@estate_options
@click.option("--clock", type=_CLOCK, default="system", help="Clock of the meters.")
@load_broker_option
@to_url_option
@listen_option
@click.option("--report", type=FOLDER, show_default="none", help="Folder to write a report to.")
@json_option
def load(
    *,
    scenario: str,
    rules: tuple[AbortRule, ...],
    abort_window: int,
    thresholds: tuple[LoadThreshold, ...],
    party: str | None,
    fleet_file: MeterMix | None,
    source: EstateSource,
    broker: str | None,
    to_url: str,
    listen: str,
    report: Path | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Send requests at a planned rate and measure their latency.

    Latency counts from the planned time of each request. Works with any broker that carries the
    topics; without --broker, with meters and a cache in this process. With --via duis, requests are
    signed and sent to a front door, which delivers responses to --listen. Exits 1 if the load was
    aborted, a worker, broker or front door was lost, no request was answered, or a threshold was
    not met.
    """
    if wanted["via"] == DUIS:
        _refuse_other_target()
    elif broker is None and wanted["workers"] > 1:
        raise LoadError(
            f"--workers {wanted['workers']} needs --broker: start esme serve, or mosquitto"
        )
    asked = load_scenario(scenario)
    source = replace(source, own=asked.parties)
    estate = source.estate()
    warn(list(estate.notes))
    if party is not None:
        requester = party_called(estate.known_parties, party)
        asked, left_out = asked_by(requester, asked)
        warn(left_out)
    plan = _plan(asked, estate, **wanted)
    folder = None
    if report is not None:
        # Only here, because its packages are in an extra of their own.
        from esme_emulator.load.report import report_folder, write_report

        folder = report_folder(report)
        folder.clear()
    endpoint = None if plan.via != DUIS else _endpoint(to_url, listen, source, estate)
    target = broker if endpoint is None else endpoint
    limits = {"rules": rules, "window": abort_window, "thresholds": thresholds}
    made = to_the_minute(SystemClock().now())
    result, tally = asyncio.run(_run(scenario, plan, source, target, fleet_file, **limits))
    unwritten = None
    try:
        if folder is not None:
            write_report(folder, result, tally, made=made)
    except ReportFolderError as error:
        unwritten = error  # the figures are shown first
    load_view.load_table(result, aside)
    if folder is not None and unwritten is None:
        aside.print(f"written to {report}", highlight=False)
    if as_json:
        click.echo(json.dumps(result.as_dict()))
    if unwritten is not None:
        fail(unwritten)
    if result.ended == "interrupted":
        sys.exit(INTERRUPTED)
    if not result.passed:
        sys.exit(CHECK_FAILED)


def _refuse_other_target() -> None:
    """Refuse a broker: a front door has one of its own."""
    if is_given("broker"):
        raise click.UsageError("--broker: leave it out with --via duis, and give --to-url")


def _endpoint(url: str, listen: str, source: EstateSource, estate: Estate) -> Endpoint:
    # Only here, because its packages are in an extra of their own.
    from esme_emulator.load.duis import DuisEndpoint

    return DuisEndpoint(url, listen, duis_keys(source, estate))


def _plan(
    asked: Scenario,
    estate: Estate,
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
    """Return the planned load. Raises `LoadError` and `TraceError`."""
    shape = Arrivals(arrivals)
    lines: Any = ()
    if trace is not None or closed is not None:
        if trace is not None and closed is not None:
            raise LoadError("give one of --trace and --closed")
        shape = Arrivals.CLOSED if trace is None else Arrivals.TRACE
        for name in ("rate", "arrivals"):
            if is_given(name):
                raise LoadError(f"--{name}: leave it out with --trace or --closed")
    if shape is Arrivals.RAMP and seconds is None:
        raise LoadError("--arrivals ramp needs --seconds: the time until the rate is reached")
    if trace is not None:
        lines = read_trace(str(trace), _text(trace), asked.mix, estate)
        if seconds is None:
            seconds = whole_seconds(lines) - others["warm_up"]
    return Plan(
        arrivals=shape,
        mix=asked.mix,
        seed=estate.seed,
        meters=len(estate.meters),
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
    target: Broker | Endpoint | None,
    fleet: MeterMix | None,
    **limits: Any,
) -> tuple[LoadResult, Tally]:
    alone = target is None
    async with AsyncExitStack() as stack:
        if target is None:
            services = run_alone(source.estate(), parse_clock(plan.clock), fleet)
            target = await stack.enter_async_context(services)
        running = Load(scenario, plan, source, target, shared=alone, **limits)
        loop = asyncio.get_running_loop()
        for number in ending_signals():
            loop.add_signal_handler(number, running.interrupt)
        with load_view.show_live(plan.total) as watch:
            result = await running.run(watch)
    return result, running.tally
