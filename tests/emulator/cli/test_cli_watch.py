"""`esme watch`: on mosquitto, and what it shows of each kind of message."""

import io
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from esme_emulator.cli.render.watching import Watched
from esme_emulator.messaging.recording import Recorded, read_recording
from esme_emulator.messaging.topics import CACHED, DIRECT, command_topic, response_topic
from gbcs.block_transfer import Routing, Transfers, segment
from tests.emulator.cli.test_cli_processes import DAY, ESME, GUARD, METER, ended, running
from tests.support.command_line import esme
from tests.support.estate import ESTATE, UNIX_NOW, command, meter_octets
from tests.support.mosquitto import DEAD_PORT, Mosquitto


@contextmanager
def watching(*args: object) -> Iterator["subprocess.Popen[str]"]:
    """Run `esme watch`; its subscriptions are in force."""
    command = [*ESME, "watch", *map(str, args)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with ended(process):
        assert process.stderr is not None
        assert process.stderr.readline().startswith("watching: mqtt://")
        yield process


def lines_of(watch: "subprocess.Popen[str]") -> list[str]:
    """Stop a watch, and return what it wrote."""
    watch.send_signal(signal.SIGINT)
    out, err = watch.communicate(timeout=GUARD)
    assert (watch.returncode, err) == (0, "")
    return out.splitlines()


@pytest.mark.processes
def test_every_message_on_a_broker_is_shown(mosquitto: Mosquitto) -> None:
    with ExitStack() as stack:
        serve = ("serve", "--broker", mosquitto.url, "--meters", 1, "--store", "memory:")
        stack.enter_context(running(*serve))
        watches = [
            stack.enter_context(watching("--broker", mosquitto.url, *options))
            for options in ([], ["--json"], ["--explain"])
        ]
        for _ in range(2):
            result = esme("read", METER, "4.8.1", *DAY, "--broker", mosquitto.url)
            assert result.exit_code == 0, result.stderr
        (title, *shown), text, explained = map(lines_of, watches)
    assert title.split()[:3] == ["time", "kind", "via"]
    assert len(shown) == 6, "a miss goes to the meter, a hit does not"
    assert all(METER in line and "4.8.1 ECS22b" in line for line in shown)
    assert [line for line in shown if "49 rows" in line] == shown[2:4] + shown[5:]
    assert shown[-1].endswith(text[-1].split('"cache_status": "')[1].split('"')[0])
    forms = [json.loads(line) for line in text]
    assert [(form["kind"], form["via"]) for form in forms] == [
        ("command", "cache"),
        ("command", "direct"),
        ("response", "direct"),
        ("response", "cache"),
        ("command", "cache"),
        ("response", "cache"),
    ]
    assert {form["mac"] for form in forms} == {"valid"}
    assert [
        one.octets.hex().upper() for one in read_recording("watch", io.StringIO("\n".join(text)))
    ] == [form["message"] for form in forms]
    assert sum("originator counter" in line for line in explained) >= 6


def shown(recorded: Recorded) -> tuple[str, dict[str, object]]:
    watched = Watched.of(recorded, ESTATE, Transfers())
    return watched.line(), json.loads(watched.json_line())


def test_a_refusal_a_wrong_mac_and_what_is_no_message() -> None:
    read, octets = command("4.8.1")
    topic = command_topic(CACHED, read.device)
    line, form = shown(Recorded(UNIX_NOW, topic, octets))
    assert line.split()[:3] == ["12:00:00.000", "command", "cache"]
    assert (form["party"], form["srv"], form["result"]) == (str(read.originator), "4.8.1", None)
    line, form = shown(Recorded(UNIX_NOW, topic, octets[:-1] + bytes([octets[-1] ^ 1])))
    assert line.endswith("  MAC invalid")
    assert form["mac"] == "invalid"
    line, form = shown(Recorded(UNIX_NOW, command_topic(DIRECT, read.device), b"\xdf\t\x01"))
    assert form["error"]
    assert line.endswith(str(form["error"]))
    answer = meter_octets(read)
    line, form = shown(
        Recorded(
            UNIX_NOW, response_topic(DIRECT, read.device, read.originator), answer, "s1sp; hit"
        )
    )
    assert form["result"] == "49 rows"
    assert line.endswith(f"{len(answer)}  s1sp; hit")


def test_the_last_block_of_a_transfer_is_shown_as_the_message() -> None:
    read, _ = command("4.8.1")
    topic, answer = response_topic(DIRECT, read.device, read.originator), meter_octets(read)
    transfers = Transfers()
    for routing in (None, Routing.of(read)):
        blocks = segment(answer, block_size=300, routing=routing)
        first, second = (
            Watched.of(Recorded(UNIX_NOW, topic, block), ESTATE, transfers) for block in blocks
        )
        assert first.line().endswith("  block 1 of a general block transfer")
        assert "49 rows" in second.line()
        form = json.loads(second.json_line())
        assert (form["result"], form["message"]) == ("49 rows", blocks[1].hex().upper())


def test_json_and_explain_exclude_each_other() -> None:
    result = esme("watch", "--json", "--explain")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--explain and --json: give one of the two" in result.stderr


def test_no_broker_is_one_line() -> None:
    result = esme("watch", "--broker", f"mqtt://127.0.0.1:{DEAD_PORT}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("esme: no MQTT broker at ")
