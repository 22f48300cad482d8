"""`esme serve`, `esme fleet` and `esme cache`: run until interrupted."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from esme_emulator.app import one_shot
from esme_emulator.app.services import (
    CacheOptions,
    FleetOptions,
    Running,
    fault_warnings,
    paced,
    run_services,
    settle,
)
from esme_emulator.app.workers import WorkerError, run_workers
from esme_emulator.cache.policy.ledger import Ledger, audit_of
from esme_emulator.cli.commands import Command, Group
from esme_emulator.cli.duis_options import (
    dsp_options,
    duis_options,
)
from esme_emulator.cli.options import (
    Whole,
    broker_option,
    json_option,
    part_broker_option,
    service_estate_options,
)
from esme_emulator.cli.render.live import watch
from esme_emulator.cli.render.screen import announce, aside, warn
from esme_emulator.cli.service_options import (
    cache_options,
    caching_options,
    common_options,
    estate_of,
    fleet_file_option,
    fleet_options,
    meter_options,
    profile_option,
    profiles_of,
    registry_option,
    setting_option,
    sharding_options,
)
from esme_emulator.cli.store import inspect, purge
from esme_emulator.estate.estate import Estate, EstateSource, sharded
from esme_emulator.fleet.counters import Counters, Stage
from esme_emulator.monitor.snapshot import Sampler
from esme_emulator.runtime.clock import Clock, ManualClock, SystemClock
from esme_emulator.runtime.listening import Listen, is_loopback
from esme_emulator.runtime.processes import ending_signals
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.runtime.urls import without_credentials
from esme_emulator.transport import TransportError
from esme_emulator.transport.embedded import MQTT_3, MQTT_5

if TYPE_CHECKING:
    from esme_emulator.app.dsp import DspOptions


@click.command(
    cls=Command,
    example="esme serve --meters 500 --wan smets2-cellular --retention 72 --control 8080",
)
@service_estate_options
@meter_options
@caching_options
@common_options
@duis_options(always=False)
@broker_option
@click.option(
    "--port",
    type=Whole(0, 65535),
    metavar="PORT",
    default=1883,
    help="Port of its own broker; 0 takes a free one.",
)
@click.option(
    "--mqtt",
    type=click.Choice([MQTT_5, MQTT_3]),
    help="MQTT version of its own broker. With 3.1.1 there is no cache-status.",
    show_default="5, or 3.1.1 without iotcore",
)
@json_option
def serve(
    source: EstateSource,
    broker: str | None,
    port: int,
    mqtt: str | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Run broker, meters and cache until interrupted."""
    if broker and mqtt:
        raise click.UsageError("--broker and --mqtt: give one of the two")
    estate = estate_of(source, chosen["registry"])
    fleeting, caching = fleet_options(chosen), cache_options(chosen, estate)
    door, estate = dsp_options(chosen, source, estate, caching.registry, fleeting.profiles)
    if door is not None:
        caching = replace(caching, registry=door.registry)
    listen: Listen = chosen["listen"]
    own = partial(one_shot.broker_at, broker, port, mqtt, host=listen.host)
    if broker is None and not is_loopback(listen.host):
        warn([_OPEN_BROKER])
    asyncio.run(_run(estate, own, chosen, fleeting, caching, dsp=door, as_json=as_json))


@click.command(
    cls=Command,
    example="esme dsp --meters 1000 --broker mqtt://127.0.0.1:1883 --parties keystore.json",
)
@service_estate_options
@profile_option
@fleet_file_option
@registry_option
@common_options
@duis_options(always=True)
@part_broker_option
@json_option
def dsp(source: EstateSource, broker: str, as_json: bool, **chosen: Any) -> None:
    """Run the front door for DUIS alone, until interrupted.

    Give the same --parties to meters and cache, and the same --registry to the cache.
    """
    estate = estate_of(source, chosen["registry"])
    profiles = profiles_of(chosen["profiles"], chosen["fleet_file"])
    door, estate = dsp_options(chosen, source, estate, chosen["registry"], profiles)
    on = partial(one_shot.broker_at, broker)
    asyncio.run(_run(estate, on, chosen, dsp=door, as_json=as_json))


@click.command(cls=Command, example="esme fleet --meters 100000 --workers 4")
@service_estate_options
@meter_options
@sharding_options
@common_options
@part_broker_option
@json_option
def fleet(
    source: EstateSource,
    broker: str,
    as_json: bool,
    shard: tuple[int, int] | None,
    workers: int,
    **chosen: Any,
) -> None:
    """Run the meters alone, on a broker, until interrupted."""
    estate = source.estate()
    warn(list(estate.notes))
    options = fleet_options(chosen)
    if shard is not None and (workers > 1 or options.shared):
        raise click.UsageError("--shard: leave it out with --workers or --shared")
    if options.shared and options.connections:
        raise click.UsageError("--shared and --connections: give one of the two")
    if workers == 1:
        part = estate if shard is None else sharded(estate, *shard)
        on = partial(one_shot.broker_at, broker)
        asyncio.run(_run(part, on, chosen, options, as_json=as_json, whole=estate))
        return
    clock: Clock = chosen["clock"]
    warn([*_standing_still(chosen), *fault_warnings(options, estate, clock)])

    def started(controls: list[str | None]) -> None:
        form = _started(broker, estate, clock, meters=True) | {"workers": workers}
        announce(form | ({"control": controls} if any(controls) else {}), as_json)

    control = chosen["control"]
    try:
        merged = run_workers(
            source.estate,
            broker,
            clock.describe(),
            options,
            workers,
            control,
            started,
            chosen["listen"],
        )
    except WorkerError as error:
        announce(_counted(error.counted, None) | {"without": str(error)}, as_json)
        raise
    announce(_counted(merged, None), as_json)


@click.group(
    cls=Group,
    invoke_without_command=True,
    example="esme cache --meters 1000 --broker mqtt://127.0.0.1:1883 --retention 72",
)
@service_estate_options
@caching_options
@setting_option("shared")
@common_options
@part_broker_option
@json_option
@click.pass_context
def cache(
    context: click.Context,
    /,
    source: EstateSource,
    broker: str,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Run the cache alone, on a broker, until interrupted.

    The commands inspect and purge work on its store; their options follow their names.
    """
    command = context.invoked_subcommand
    if command is not None:
        _refuse_options(context, command)
        return
    estate = estate_of(source, chosen["registry"])
    options = cache_options(chosen, estate)
    on = partial(one_shot.broker_at, broker)
    asyncio.run(_run(estate, on, chosen, None, options, as_json=as_json))


cache.add_command(inspect)
cache.add_command(purge)


def _refuse_options(context: click.Context, command: str) -> None:
    """Refuse options before the name of a command, which the command would ignore."""
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{parameter.opts[0]}: write the options of {command} behind {command}"
            )


async def _run(
    estate: Estate,
    broker: Callable[..., AbstractAsyncContextManager[str]],
    chosen: dict[str, Any],
    meters: FleetOptions | None = None,
    cache: CacheOptions | None = None,
    dsp: "DspOptions | None" = None,
    *,
    as_json: bool,
    whole: Estate | None = None,
) -> None:
    """Run the chosen parts until SIGINT, SIGTERM or SIGHUP, then print their counters.

    `broker` yields the URL of the broker, and takes `on_ended`. Raises `TransportError` if a broker
    of our own ends, after the counters were printed. It is not restarted: messages in flight are
    lost with it, and a count that lacks them would mislead.
    """
    stopped = asyncio.Event()
    lost: list[TransportError] = []

    def on_ended(error: TransportError) -> None:
        lost.append(error)
        stopped.set()

    for number in ending_signals():
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    clock: Clock = chosen["clock"]
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(broker(on_ended=on_ended))
        on, control = paced(url, clock), chosen["control"]
        services = run_services(
            *(on, estate, clock, meters, cache, control, whole, dsp), listen=chosen["listen"]
        )
        running = await stack.enter_async_context(services)
        async with Tasks() as tasks:
            warn([*_standing_still(chosen), *running.warnings])
            form = _started(url, estate, clock, meters=meters is not None, cache=cache)
            announce(form | _urls(running), as_json)
            if not as_json:
                machine = SystemClock()
                if aside.is_terminal and running.control is None:
                    running.parts.keep_journal()  # with --control it is kept anyway
                tasks.start(watch(Sampler(running.parts, machine), aside, machine))
            settle()
            await stopped.wait()
    counters = running.fleet.counters if running.fleet else None
    announce(_counted(counters, running.ledger), as_json)
    if lost:
        raise lost[0]


_OPEN_BROKER = (
    "the broker has no password: everybody who reaches its port may read and command meters"
)


def _urls(running: Running) -> dict[str, str]:
    """Return the URLs of the HTTP interfaces that run."""
    urls = {"control": running.control}
    if running.dsp is not None:
        urls |= {"duis": running.dsp.duis, "smki": running.dsp.smki}
    return {name: url for name, url in urls.items() if url is not None}


def _standing_still(chosen: dict[str, Any]) -> list[str]:
    if isinstance(chosen["clock"], ManualClock) and chosen["control"] is None:
        return ["the clock stands still: give --control to advance it"]
    return []


def _started(
    url: str, estate: Estate, clock: Clock, *, meters: bool, cache: CacheOptions | None = None
) -> dict[str, Any]:
    form: dict[str, Any] = {"broker": without_credentials(url), "clock": clock.describe()}
    if meters:
        first, last = estate.meters[0], estate.meters[-1]
        form |= {"meters": len(estate.meters), "first": str(first), "last": str(last)}
    if cache is not None:
        form |= {
            "retention_hours": cache.settings.retention_hours,
            "store": _shown(cache.store),
        }
    return form


def _shown(store: str) -> str:
    return without_credentials(store) if "://" in store else store


def _counted(fleet: Counters | None, ledger: Ledger | None) -> dict[str, Any]:
    """Return the counters of fleet and cache as JSON."""
    form: dict[str, Any] = {}
    if fleet is not None:
        form["device_hits"] = fleet.device_hits
        form["replies"] = fleet.total(Stage.REPLIED)
        form["unsent"] = fleet.total(Stage.UNSENT)
        form["outcomes"] = {
            f"{srv} {outcome}": number for (srv, outcome), number in fleet.outcomes().items()
        }
    if ledger is not None:
        form["requests"] = ledger.requests
        form["retries"] = ledger.retries
        audit = audit_of(ledger)
        form["shadow"] = audit.asked
        form["shadow_compared"] = audit.compared
        form["shadow_different"] = audit.different
        form["shadow_difference_ratio"] = audit.difference_ratio
        form["decisions"] = {
            f"{srv} {decision}": number
            for (srv, decision), number in sorted(ledger.decisions.items())
        }
        form["reasons"] = {str(name): number for name, number in sorted(ledger.reasons.items())}
    return form
