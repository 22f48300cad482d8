"""Every command with streams that are closed, full or without a reader, and with each signal."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from esme_emulator.cache.store import open_store
from esme_emulator.cli.main import main
from esme_emulator.estate.estate import derived_estate
from esme_emulator.messaging.recording import Recorded, line_of
from esme_emulator.messaging.topics import CACHED, command_topic, response_topic
from esme_emulator.scenario.file import load_scenario
from gbcs import decode
from gbcs.json_form import to_json
from tests.support.dsp_bench import a_read
from tests.support.estate import UNIX_NOW, command, meter_octets
from tests.support.mosquitto import Mosquitto
from tests.support.rtds import ROOT

pytestmark = pytest.mark.processes

GUARD = 60
"""Seconds after which a process that hangs fails its test; no test relies on it."""

ESME = f"{sys.executable} -m cli"
METER = "00DBE50000000000"

COMMANDS = {
    "decode": "decode message.hex",
    "encode": "encode message.json",
    "read": f"read {METER} 4.8.1 --from 2026-01-14 --to 2026-01-15",
    "load": "load --meters 2 --rate 20 --seconds 0.2 --json",
    "prove": "prove --meters 1 --json",
    "scenario list": "scenario list",
    "scenario show": "scenario show quickstart",
    "scenario check": "scenario check mine.toml",
    "report compare": "report compare proof.json proof.json",
    "report schema": "report schema",
    "cache inspect": "cache inspect store.sqlite",
    "cache purge": "cache purge store.sqlite",
    "replay": "replay morning.jsonl --seed tests --meters 5 --json",
    "counters": "counters http://127.0.0.1:1",
    "profiles list": "profiles list",
    "profiles show": "profiles show domestic",
    "profiles check": "profiles check domestic.toml --json",
    "profiles plot": "profiles plot domestic",
    "keys": "keys --meters 1",
    "keys import": f"keys import {METER} --ka key.hex",
    "duis sign": "duis sign request.xml",
    "duis verify": "duis verify request.xml",
}
SERVICES = {
    "serve": "serve --meters 1 --port 0 --store memory: --json",
    "fleet": "fleet --meters 2 --json",
    "cache": "cache --meters 1 --store memory: --json",
}
"""What runs until it is interrupted."""
CLIENTS = {"dsp", "duis send", "duis listen", "record", "watch"}
"""What needs more than a file beside it; other tests run these."""

STREAMS = {
    "stdin closed": ("<&-", 0),
    "stdout closed": (">&-", 1),
    "stdout full": (">/dev/full", 1),
    "stdout without a reader": ("| true", 1),
    "stderr full": ("2>/dev/full", 0),
    "all closed": ("<&- >&- 2>&-", 1),
}
"""What a shell is told, and the exit code of a command that has a result."""

SAID = {
    "stdout closed": "esme: standard output is closed: connect it to a file or a pipe",
    "stdout full": "esme: standard output: No space left on device",
}
"""The last line on stderr."""


def leaves(group: click.Command, path: str = "") -> Iterator[str]:
    """Yield the names of all commands that do something."""
    if not isinstance(group, click.Group):
        yield path.strip()
        return
    context = click.Context(group)
    if group.invoke_without_command:
        yield path.strip()
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from leaves(command, f"{path} {name}")


def test_every_command_is_here() -> None:
    assert set(leaves(main)) == {*COMMANDS, *SERVICES, *CLIENTS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the commands take."""
    made = tmp_path_factory.mktemp("streams")
    read, octets = command("4.8.1")
    sent = Recorded(UNIX_NOW, command_topic(CACHED, read.device), octets)
    reply = response_topic(CACHED, read.device, read.originator)
    morning = (sent, Recorded(UNIX_NOW, reply, meter_octets(read)))
    (made / "morning.jsonl").write_text("".join(f"{line_of(each)}\n" for each in morning))
    (made / "message.hex").write_text(octets.hex())
    (made / "key.hex").write_text("7" * 64)
    (made / "request.xml").write_bytes(a_read(1))
    (made / "message.json").write_text(json.dumps(to_json(decode(octets))))
    (made / "mine.toml").write_text(load_scenario("quickstart").text)
    (made / "domestic.toml").write_bytes((ROOT / "profiles/loads/domestic.toml").read_bytes())
    (made / "proof.json").write_text('{"passed": true, "scenario": "mine"}')
    asyncio.run(open_store(made / "store.sqlite", derived_estate("1", 1).name).close())
    return made


def started(
    folder: Path, args: str, redirect: str = "", **environment: str
) -> subprocess.Popen[str]:
    """Start a command by a shell, which goes on with its exit code."""
    # A command at the head of a pipe gets it closed before it begins: it waits for a line of stdin.
    if redirect.startswith("|"):
        line = f"{{ read _; exec {ESME} {args}; }} {redirect}; exit ${{PIPESTATUS[0]}}"
    else:
        line = f"exec {ESME} {args} {redirect}"
    return subprocess.Popen(
        ["bash", "-c", line],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_ends_in_a_line_whatever_its_streams_are(name: str, folder: Path) -> None:
    elsewhere = {"prove": " --report {}"}.get(name, "")
    processes = {
        how: started(folder, COMMANDS[name] + elsewhere.format(place), redirect)
        for place, (how, (redirect, _)) in enumerate(STREAMS.items())
    }
    for how, process in processes.items():
        _, err = process.communicate("\n", timeout=GUARD)
        assert "Traceback" not in err, how
        assert "Exception ignored" not in err, how
        assert process.returncode == (1 if name == "counters" else STREAMS[how][1]), (how, err)
        if how in SAID and name != "counters":
            assert err.splitlines()[-1] == SAID[how]


@pytest.mark.parametrize("args", ["decode", "encode", "decode -"])
def test_reading_a_closed_stdin_is_one_line(args: str, folder: Path) -> None:
    _, err = started(folder, args, "<&-").communicate(timeout=GUARD)
    assert err == "esme: standard input is closed: connect it to a file or a pipe\n"


@pytest.mark.parametrize(
    ("args", "redirect", "code"),
    [
        ("--help", ">/dev/full", 1),
        ("--version", ">&-", 1),
        ("read --help", "2>/dev/full", 0),
        ("keys --nonsense", "2>/dev/full", 2),
        ("keys --nonsense", "<&- >&- 2>&-", 2),
    ],
)
def test_help_and_usage_errors_end_in_a_line_too(
    args: str, redirect: str, code: int, folder: Path
) -> None:
    process = started(folder, args, redirect)
    _, err = process.communicate(timeout=GUARD)
    assert process.returncode == code
    assert err.count("\n") == (redirect[0] == ">")


@pytest.mark.parametrize("args", ["profiles list", "profiles plot domestic", "scenario list"])
def test_characters_that_an_encoding_lacks_are_no_traceback(args: str, folder: Path) -> None:
    process = started(folder, args, PYTHONIOENCODING="ascii")
    out, err = process.communicate(timeout=GUARD)
    assert (process.returncode, err) == (0, "")
    assert out.isascii()


@pytest.mark.parametrize("columns", ["0", "1", "many"])
def test_an_absurd_terminal_width_hides_nothing(columns: str, folder: Path) -> None:
    out, err = started(folder, "profiles list", COLUMNS=columns).communicate(timeout=GUARD)
    assert err == ""
    assert {"domestic", "twin", "cellular"} <= set(re.findall(r"\w+", out))


class Service:
    """A command that runs until it is told to end; its first line of JSON was read."""

    def __init__(self, folder: Path, args: str) -> None:
        self.process = started(folder, args)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate(timeout=GUARD)

    def end(self, number: int) -> dict[str, Any]:
        """Send a signal, and return what was counted."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=GUARD)
        assert (self.process.returncode, err) == (0, "")
        form: dict[str, Any] = json.loads(out)
        return form


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    with Mosquitto(tmp_path) as running:
        yield running.url


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
@pytest.mark.parametrize("name", [*SERVICES, "fleet --workers 2"])
def test_an_interrupted_service_prints_its_counters(
    name: str, number: int, folder: Path, broker: str
) -> None:
    first, _, more = name.partition(" ")
    service = Service(folder, f"{SERVICES[first]} --broker {broker} {more}")
    counted = service.end(number)
    assert ("device_hits" in counted) == (first != "cache")
    assert ("requests" in counted) == (first in ("serve", "cache"))


def test_nohup_is_heeded(folder: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited by what is started
    try:
        service = Service(folder, SERVICES["serve"])
    finally:
        signal.signal(signal.SIGHUP, before)
    service.process.send_signal(signal.SIGHUP)
    assert "device_hits" in service.end(signal.SIGTERM)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("redirect", [">/dev/full", ">&-", "| true"])
def test_a_service_whose_first_line_cannot_be_read_ends(redirect: str, folder: Path) -> None:
    process = started(folder, SERVICES["serve"], redirect)
    _, err = process.communicate("\n", timeout=GUARD)
    assert process.returncode == 1
    assert "Traceback" not in err
