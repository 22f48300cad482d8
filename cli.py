"""`esme`: the command line.

Parses options and shows results; what is run is put together in `emulator.wiring`. Results go to
stdout, progress and what accompanies them to stderr. Exit 0 is good, 1 a check that failed or
something that could not be done, 2 bad usage.
"""

import asyncio
import errno
import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import wraps
from itertools import chain, islice
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import click
from rich.console import Console

from emulator import show, wiring
from emulator.cache.entry import MIN_RETENTION_HOURS, retention_seconds
from emulator.cache.store import StoreError
from emulator.estate import DEFAULT_BASE, Estate, derived_estate, keystore_estate
from emulator.keys import DerivedKeystore
from emulator.latency import Latency, parse_latency
from emulator.parties import PARTIES
from emulator.requester import NoReplyError
from emulator.show_messages import Decoded, Totals, show_summary
from emulator.transport import TransportError
from gbcs import EUI, FileKeystore, GbcsError, decode, encode
from gbcs.explain import explain
from gbcs.instants import parse_iso, to_iso
from gbcs.json_form import from_json, rows_to_json, to_json
from gbcs.pcap import Packet, PcapWriter
from gbcs.sources import Found, Input, SourceError, inputs_in
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import Window
from profiles import ProfileError

P = ParamSpec("P")

CHECK_FAILED, INTERRUPTED = 1, 130
_FAILURES = (
    GbcsError,
    NoReplyError,
    ProfileError,
    SourceError,
    StoreError,
    TransportError,
    wiring.ReadFailedError,
)
_out = Console(soft_wrap=True)
_aside = Console(stderr=True, soft_wrap=True)


class _Type(click.ParamType[Any]):
    """A parameter that a function reads from text, and whose `ValueError` is the usage error."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        raise ValueError(f"retention {text!r}: give a number of hours") from None
    return retention_seconds(hours)


_EUI = _Type("eui", EUI.parse)
_INSTANT = _Type("time", parse_iso)
_LATENCY = _Type("latency", parse_latency)
_HOURS = _Type("hours", _hours)
_FILE = click.Path(dir_okay=False, path_type=Path)

_seed = click.option("--seed", default="1", show_default=True, help="What everything follows from.")
_meters = click.option(
    "--meters", type=click.IntRange(min=1), default=100, show_default=True, help="How many meters."
)
_base = click.option(
    "--base", type=_EUI, default=str(DEFAULT_BASE), show_default=True, help="EUI of the first."
)
_keystore = click.option(
    "--keystore", type=_FILE, help="Keystore file; its devices in place of derived meters."
)
_latency = click.option(
    "--latency",
    type=_LATENCY,
    default="none",
    show_default=True,
    help="Of replies: none, a time as 150ms, or lognormal:MEDIAN,P99.",
)
_retention = click.option(
    "--retention",
    type=_HOURS,
    default=str(MIN_RETENTION_HOURS),
    show_default=True,
    help="Hours that readings are kept, 25 to 72.",
)
_store = click.option(
    "--store", type=_FILE, help="SQLite file of readings; by default one a seed, in this folder."
)
_broker = click.option("--broker", metavar="URL", help="mqtt://host:port; default: our own.")
_part_broker = click.option(
    "--broker", metavar="URL", default="mqtt://127.0.0.1:1883", show_default=True
)
_json = click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")


def _fail(reason: object, code: int = CHECK_FAILED) -> NoReturn:
    click.echo(f"esme: {reason}", err=True)
    sys.exit(code)


def _one_line(command: Callable[P, None]) -> Callable[P, None]:
    """Turn every failure of `command` into one line and an exit code."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except _FAILURES as error:
            _fail(error)
        except KeyboardInterrupt:
            _fail("interrupted", INTERRUPTED)
        except ValueError as error:
            raise click.UsageError(str(error)) from None

    return run


def _estate(keystore: Path | None, seed: str, meters: int, base: EUI) -> Estate:
    if keystore is not None:
        return keystore_estate(keystore, seed)
    return derived_estate(seed, meters, base)


class _OneLine(click.Group):
    """A group whose usage errors are one line too."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else "esme"
            _fail(f"{error.format_message()} ({path} --help says more)", error.exit_code)
        except click.ClickException as error:
            _fail(error.format_message(), error.exit_code)
        except click.Abort:
            _fail("interrupted", INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(cls=_OneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="esme-emulator")
def main() -> None:
    """GBCS messages, emulated ESMEs, and a reading cache proved by counting device hits."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)


@main.command("decode")
@click.argument("sources", nargs=-1, metavar="[FILE|HEX|-]...")
@click.option("--keystore", type=_FILE, help="Keys that verify and decrypt.")
@click.option("--explain", "explained", is_flag=True, help="Annotated octets.")
@click.option("--pcap", type=_FILE, help="Write the messages into this file, for Wireshark.")
@_json
@_one_line
def decode_command(
    sources: tuple[str, ...],
    keystore: Path | None,
    explained: bool,
    pcap: Path | None,
    as_json: bool,
) -> None:
    """Decode messages: hex, base64, binary, DUIS or pcap, in files, folders, arguments or stdin.

    One message is shown as JSON, several as a table, a line for each.
    """
    keys = FileKeystore.load(keystore) if keystore else None
    inputs = list(inputs_in(sources or ("-",), sys.stdin.buffer))
    totals = Totals()
    with _capture(pcap, inputs) as keep:
        items = _decoded(inputs, keys, keep)
        first = [] if as_json or explained else list(islice(items, 2))
        items = chain(first, items)
        if len(first) > 1:
            show_summary(items, len(inputs), totals)
        else:
            for item in items:
                totals.add(item)
                _show(item, as_json, explained)
    if not totals.decoded + totals.failed:
        _fail("no messages")
    if totals.failed:
        sys.exit(CHECK_FAILED)


def _decoded(
    inputs: list[Input], keys: FileKeystore | None, keep: Callable[[Found], None]
) -> Iterator[Decoded]:
    for number, entry in enumerate(inputs, start=1):
        for found in entry.messages():
            try:
                if found.error is not None:
                    raise found.error
                message = decode(found.octets, keys)
                keep(found)
            except (GbcsError, SourceError) as error:
                yield Decoded(found.source, error=error, input=number)
            else:
                yield Decoded(found.source, message, input=number)


@contextmanager
def _capture(pcap: Path | None, inputs: list[Input]) -> Iterator[Callable[[Found], None]]:
    """Yield what writes a message into the file `pcap`, where there is to be one."""
    if pcap is None:
        yield lambda found: None
        return
    files = [entry.place for entry in inputs if isinstance(entry.place, Path)]
    if pcap.exists() and any(file.samefile(pcap) for file in files):
        raise click.UsageError(f"--pcap {pcap}: it is one of the sources")
    try:
        with pcap.open("wb") as stream:
            writer = PcapWriter(stream)
            yield lambda found: writer.write(Packet(found.octets, found.time))
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise SourceError(f"{pcap}: {error.strerror}") from None


def _show(item: Decoded, as_json: bool, explained: bool) -> None:
    if item.message is None:
        if as_json:
            click.echo(json.dumps({"source": item.source, "error": str(item.error)}))
        else:
            click.echo(f"esme: {item.source}: {item.error}", err=True)
    elif explained:
        click.echo(item.source)
        click.echo("\n".join(show.explanation(explain(item.message))))
    else:
        form = {"source": item.source, **to_json(item.message)}
        click.echo(json.dumps(form, indent=None if as_json else 2))


@main.command("encode")
@click.argument("source", type=click.File("r"), default="-")
@click.option("--keystore", type=_FILE, help="Keys for a MAC that is still to be calculated.")
@_one_line
def encode_command(source: Any, keystore: Path | None) -> None:
    """Encode what `esme decode --json` printed, one message a line, and print it as hex."""
    keys = FileKeystore.load(keystore) if keystore else None
    failed = False
    for number, line in enumerate(source, start=1):
        if not line.strip():
            continue
        try:
            form = json.loads(line)
            if isinstance(form, dict) and "error" in form:
                raise SourceError(form["error"])
            click.echo(encode(from_json(form), keys).hex().upper())
        except RecursionError:
            failed = True
            click.echo(f"esme: line {number}: nested too deeply", err=True)
        except (GbcsError, SourceError, ValueError) as error:
            failed = True
            click.echo(f"esme: line {number}: {error}", err=True)
    if failed:
        sys.exit(CHECK_FAILED)


@main.command()
@click.argument("eui", type=_EUI)
@click.argument("srv", type=click.Choice(list(BY_SRV)))
@click.option("--from", "start", type=_INSTANT, required=True, help="First instant, ISO 8601.")
@click.option("--to", "end", type=_INSTANT, required=True, help="Last instant, ISO 8601.")
@click.option("--via", type=click.Choice(list(wiring.PREFIXES)), default="cache", show_default=True)
@click.option("--chart", is_flag=True, help="A small chart in place of the table.")
@_seed
@_meters
@_base
@_keystore
@_broker
@_json
@_one_line
def read(
    eui: EUI,
    srv: str,
    start: int,
    end: int,
    via: str,
    chart: bool,
    seed: str,
    meters: int,
    base: EUI,
    keystore: Path | None,
    broker: str | None,
    as_json: bool,
) -> None:
    """Read one log of one meter; without --broker, of a meter started for this one read."""
    if end < start:
        raise click.UsageError(f"the window ends, at {to_iso(end)}, before it starts")
    estate = _estate(keystore, seed, meters, base)
    reading = asyncio.run(wiring.read(estate, eui, srv, Window(start, end), via, broker))
    if as_json:
        form = {
            "device": str(eui),
            "srv": srv,
            "from": to_iso(start),
            "to": to_iso(end),
            "via": via,
            "cache_status": reading.cache_status,
            "rows": rows_to_json(reading.rows),
        }
        click.echo(json.dumps(form))
    elif chart:
        show.reading_chart(reading.rows, _out)
    else:
        show.reading_table(reading.rows, _out)


@main.command()
@_seed
@_meters
@_broker
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    default="report",
    show_default=True,
    help="Folder for proof.json.",
)
@_json
@_one_line
def prove(seed: str, meters: int, broker: str | None, report: Path, as_json: bool) -> None:
    """Ask the same reads directly and through the cache, and compare device hits and octets."""
    file = report / "proof.json"
    try:
        report.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _fail(f"report folder {report}: {error.strerror}")
    with show.show_progress() as progress:
        result = asyncio.run(wiring.prove(derived_estate(seed, meters), broker, progress))
    file.write_text(result.as_json() + "\n", "utf-8")
    show.proof_table(result, _aside)
    _aside.print(f"written to {file}", highlight=False)
    if as_json:
        click.echo(result.as_json())
    if not result.passed:
        sys.exit(CHECK_FAILED)


@main.command()
@_seed
@_meters
@_base
@_keystore
@_latency
@_retention
@_store
@_broker
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=1883,
    show_default=True,
    help="Of our own broker; 0 for any.",
)
@_json
@_one_line
def serve(
    seed: str,
    meters: int,
    base: EUI,
    keystore: Path | None,
    latency: Latency,
    retention: float,
    store: Path | None,
    broker: str | None,
    port: int,
    as_json: bool,
) -> None:
    """Run broker, meters and cache until interrupted."""
    estate = _estate(keystore, seed, meters, base)
    asyncio.run(_run(estate, broker, port, latency, (retention, store), as_json))


@main.command()
@_seed
@_meters
@_base
@_keystore
@_latency
@_part_broker
@_json
@_one_line
def fleet(
    seed: str,
    meters: int,
    base: EUI,
    keystore: Path | None,
    latency: Latency,
    broker: str,
    as_json: bool,
) -> None:
    """Run the meters alone, on a broker, until interrupted."""
    asyncio.run(_run(_estate(keystore, seed, meters, base), broker, 0, latency, None, as_json))


@main.command()
@_seed
@_meters
@_base
@_keystore
@_retention
@_store
@_part_broker
@_json
@_one_line
def cache(
    seed: str,
    meters: int,
    base: EUI,
    keystore: Path | None,
    retention: float,
    store: Path | None,
    broker: str,
    as_json: bool,
) -> None:
    """Run the cache alone, on a broker, until interrupted."""
    estate = _estate(keystore, seed, meters, base)
    asyncio.run(_run(estate, broker, 0, None, (retention, store), as_json))


async def _run(
    estate: Estate,
    broker: str | None,
    port: int,
    latency: Latency | None,
    caching: tuple[float, Path | None] | None,
    as_json: bool,
) -> None:
    """Run what is asked for until SIGINT or SIGTERM, then show what was counted."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    running_fleet = ledger = None
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(wiring.broker_at(broker, port))
        started: dict[str, Any] = {"broker": url}
        if latency is not None:
            running_fleet = await stack.enter_async_context(wiring.fleet_on(url, estate, latency))
            first, last = estate.meters[0], estate.meters[-1]
            started |= {"meters": len(estate.meters), "first": str(first), "last": str(last)}
        if caching is not None:
            retention, path = caching
            path = path or Path(f"esme-cache-{estate.name}.sqlite")
            policy = await stack.enter_async_context(wiring.cache_on(url, estate, retention, path))
            ledger = policy.ledger
            started |= {"retention_hours": retention / 3600, "store": str(path)}
        _announce(started, as_json)
        await stopped.wait()
    _announce(show.counters(running_fleet, ledger), as_json)


def _announce(form: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(form))
        return
    for name, value in form.items():
        title = name.replace("_", " ")
        for part, number in value.items() if isinstance(value, dict) else ():
            _aside.print(f"{title}, {part}: {number}", highlight=False)
        if not isinstance(value, dict):
            _aside.print(f"{title}: {value}", highlight=False)


@main.command()
@click.argument("euis", type=_EUI, nargs=-1)
@_seed
@_meters
@_base
@_one_line
def keys(euis: tuple[EUI, ...], seed: str, meters: int, base: EUI) -> None:
    """Print a keystore file: the keys of a seed's meters (or of EUIS), parties and ACB."""
    devices = euis or derived_estate(seed, meters, base).meters
    keystore = DerivedKeystore(seed)
    parties = [keystore.access_control_broker, *(eui for eui, _, _ in PARTIES)]
    click.echo(keystore.export([*parties, *devices]))


if __name__ == "__main__":
    main()
