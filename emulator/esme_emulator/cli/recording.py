"""`esme record` and `esme replay`: keep what crosses a broker, and make its requests again."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from esme_emulator.app.recording import Player, record, replay_alone
from esme_emulator.cli.commands import CHECK_FAILED, Command
from esme_emulator.cli.options import (
    FILE,
    Parameter,
    broker_option,
    estate_options,
    json_option,
    part_broker_option,
    via_option,
)
from esme_emulator.cli.render import screen
from esme_emulator.cli.render.screen import announce, out, show_progress, warn
from esme_emulator.estate.estate import EstateSource
from esme_emulator.load.replay import DIFFERENCES, MOST_LISTED, Comparison, Replay
from esme_emulator.messaging.recording import Recorded, RecordingError, line_of, read_recording
from esme_emulator.messaging.topics import PREFIXES, Via
from esme_emulator.runtime.clock import Clock, SystemClock, parse_clock
from esme_emulator.runtime.errors import MisuseError
from esme_emulator.runtime.files import opener
from esme_emulator.runtime.processes import ending_signals
from esme_emulator.runtime.urls import without_credentials
from esme_emulator.transport import TransportError
from gbcs.pcap import Packet, PcapWriter

_NANOSECONDS = 1_000_000_000


class FileExistsAlreadyError(MisuseError):
    """A file that would be overwritten. The text is one line."""


class _Files:
    """The files of a recording: JSON lines, and a capture if `pcap` is given."""

    def __init__(self, stack: ExitStack, lines: Path, pcap: Path | None) -> None:
        self._lines = stack.enter_context(_create(lines, "x"))
        self._created = [lines]
        self._pcap = None
        if pcap is not None:
            try:
                stream = stack.enter_context(_create(pcap, "xb"))
            except (FileExistsAlreadyError, OSError):
                self.remove()  # or else the next attempt finds that `lines` exists
                raise
            self._created.append(pcap)
            self._pcap = PcapWriter(stream)
        self.counts: Counter[str] = Counter()

    def remove(self) -> None:
        """Remove the files."""
        for path in self._created:
            path.unlink()

    def keep(self, message: Recorded) -> None:
        self._lines.write(line_of(message) + "\n")
        if self._pcap is not None:
            self._pcap.write(Packet(message.octets, int(message.at * _NANOSECONDS)))
        self.counts[message.kind] += 1


def _create(path: Path, mode: str) -> Any:
    try:
        return open(path, mode, opener=opener, encoding=None if "b" in mode else "utf-8")
    except FileExistsError:
        raise FileExistsAlreadyError(f"{path} exists: name another file") from None


@click.command(
    "record", cls=Command, example="esme record morning.jsonl --broker mqtt://127.0.0.1:1883"
)
@click.argument("file", type=FILE)
@click.option("--pcap", type=FILE, help="Also write the messages to this capture, for Wireshark.")
@click.option(
    "--clock",
    type=Parameter("clock", parse_clock),
    default="system",
    help="Clock of the times: that of the meters.",
)
@part_broker_option
@json_option
def record_command(file: Path, pcap: Path | None, clock: Clock, broker: str, as_json: bool) -> None:
    """Write what crosses a broker to a file.

    Each line is a message: time, topic, octets in hex, and its Cache-Status. Runs until
    interrupted. FILE must not exist.
    """
    with ExitStack() as stack:
        files = _Files(stack, file, pcap)

        def begin() -> None:
            announce({"recording": str(file), "broker": without_credentials(broker)}, as_json)

        try:
            dropped = asyncio.run(pass_on(broker, files.keep, clock, begin))
        except TransportError:  # the broker was never reached, so the files are empty
            files.remove()
            raise
    counts = {f"{kind}s": files.counts[kind] for kind in ("command", "response", "alert")}
    announce(counts | {"left_out": dict(dropped)}, as_json)


async def pass_on(
    broker: str, keep: Callable[[Recorded], None], clock: Clock, begin: Callable[[], None]
) -> Counter[str]:
    """Do as `record` does, until the process is interrupted."""
    stopped = asyncio.get_running_loop().create_future()

    def stop() -> None:
        if not stopped.done():
            stopped.set_result(None)

    for number in ending_signals():
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return await record(broker, keep, clock, begin, stopped)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1_000_000:
        raise ValueError(f"{text!r}: give a factor above 0 and up to 1000000")
    return speed


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise ValueError(f"{text!r}: give seconds from 0 to 86400")
    return seconds


@click.command(
    "replay", cls=Command, example="esme replay morning.jsonl --speed 60 --broker mqtt://…"
)
@click.argument("file", type=FILE)
@click.option(
    "--speed", type=Parameter("factor", _speed), default="1", help="How many times as fast."
)
@click.option(
    "--timeout",
    type=Parameter("seconds", _seconds),
    default="60",
    help="Seconds to wait for replies after the last request.",
)
@via_option
@estate_options
@broker_option
@json_option
def replay_command(
    file: Path,
    speed: float,
    timeout: float,
    via: Via,
    source: EstateSource,
    broker: str | None,
    as_json: bool,
) -> None:
    """Make recorded requests again, and compare the answers.

    They get new counters and MACs. Exits 1 if an answer differs. Without --broker, starts meters
    and a cache. Requests that were made through the cache are sent, or with --via direct those
    that meters received.
    """
    estate = source.estate()
    prefix = PREFIXES[via]
    replay = Replay(prefix, estate.keystore, int(SystemClock().now() * 1_000_000))
    try:
        with file.open(encoding="utf-8") as lines:
            replay.load(read_recording(str(file), lines))
    except UnicodeDecodeError:
        raise RecordingError(f"{file}: it is not UTF-8") from None
    if not replay.schedule:
        others = ", ".join(f"{number} {reason}" for reason, number in replay.left_out.items())
        raise RecordingError(
            f"{file}: there is no request on {prefix}/…/command to make again"
            + (f" ({others})" if others else ": see --via")
        )
    with show_progress() as bar:
        step = bar("requests", len(replay.schedule))
        player = Player(replay, prefix, speed, timeout, progress=step)
        asyncio.run(replay_alone(player, estate, broker))
    form = _form(replay, player)
    if as_json:
        click.echo(json.dumps(form))
    else:
        _show(form)
    if any(form[str(comparison)] for comparison in DIFFERENCES):
        sys.exit(CHECK_FAILED)


def _form(replay: Replay, player: Player) -> dict[str, Any]:
    comparisons = Counter(comparison for _, comparison in replay.compared())
    return {
        "requests": comparisons.total(),
        "repetitions": replay.repetitions,
        "left_out": {str(reason): number for reason, number in replay.left_out.items()},
        "unsent": player.unsent,
        **{str(comparison): comparisons[comparison] for comparison in Comparison},
        "decisions": [
            {"recorded": str(before), "replayed": str(now), "number": number}
            for (before, now), number in sorted(replay.decisions().items())
        ],
        "differences": [
            asdict(one) | {"device": str(one.device), "party": str(one.party)}
            for one in replay.differences()
        ],
    }


def _show(form: dict[str, Any]) -> None:
    """Print the differences as a table, and everything else as lines."""
    differences = form.pop("differences")
    if differences:
        screen.plain_table(differences, out)
    announce(form | {"decisions": [_decision(one) for one in form["decisions"]]}, as_json=False)
    if len(differences) == MOST_LISTED:
        warn([f"only the first {MOST_LISTED} differences are listed"])
    if unreadable := form[Comparison.UNREADABLE]:
        warn(
            [f"{unreadable} replies were not compared: give the --seed or --keystore of the meters"]
        )


def _decision(one: dict[str, Any]) -> str:
    return f"{one['number']} {one['recorded']} then, {one['replayed']} now"
