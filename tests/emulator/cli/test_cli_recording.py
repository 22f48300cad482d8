"""`esme record` and `esme replay`: on mosquitto, and with bad input."""

import json
import os
import signal
from pathlib import Path

import pytest

from esme_emulator.messaging.recording import read_recording
from gbcs.pcap import read_packets
from tests.emulator.cli.test_cli_processes import DAY, METER, running
from tests.support.command_line import esme
from tests.support.mosquitto import DEAD_PORT, Mosquitto

LINE = {"at": "2026-01-15T12:00:00Z", "topic": f"s1sp/{METER}/command", "message": "DF09"}


@pytest.mark.processes
def test_what_crossed_a_broker_is_kept_and_made_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    lines, pcap = tmp_path / "morning.jsonl", tmp_path / "morning.pcap"
    with running("serve", "--broker", mosquitto.url, "--meters", 1, "--store", "memory:") as serve:
        with running("record", lines, "--pcap", pcap, "--broker", mosquitto.url) as recorder:
            assert recorder.started == {"recording": str(lines), "broker": mosquitto.url}
            for _ in range(2):
                result = esme("read", METER, "4.8.1", *DAY, "--broker", mosquitto.url)
                assert result.exit_code == 0, result.stderr
            counted = recorder.stop(signal.SIGINT)
        assert counted == {"commands": 3, "responses": 3, "alerts": 0, "left_out": {}}
        with lines.open() as stream:
            kept = list(read_recording("morning", stream))
        with pcap.open("rb") as stream:
            captured = [packet.octets for packet in read_packets(stream)]
        assert captured == [one.octets for one in kept]
        replayed = esme("replay", lines, "--broker", mosquitto.url, "--speed", 1000, "--json")
        serve.stop(signal.SIGINT)
    form = json.loads(replayed.stdout)
    assert (replayed.exit_code, form["requests"], form["same"]) == (0, 2, 2)
    assert form["decisions"] == [
        {"recorded": "hit", "replayed": "hit", "number": 1},
        {"recorded": "miss", "replayed": "hit", "number": 1},
    ]
    assert os.stat(lines).st_mode & 0o077 == 0


def recording(folder: Path, *lines: object) -> Path:
    path = folder / "morning.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    path = recording(tmp_path, LINE)
    for arguments in ([path], [tmp_path / "other.jsonl", "--pcap", path]):
        result = esme("record", *arguments, "--broker", f"mqtt://127.0.0.1:{DEAD_PORT}")
        assert (result.exit_code, result.stderr) == (2, f"esme: {path} exists: name another file\n")
    assert path.read_text().startswith("{")


def test_no_broker_to_record_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "morning.jsonl"
    result = esme("record", path, "--broker", f"mqtt://127.0.0.1:{DEAD_PORT}")
    assert result.exit_code == 1
    assert result.stderr.startswith("esme: no MQTT broker at ")
    assert not path.exists()


@pytest.mark.parametrize("pcap", ["there.pcap", "new.jsonl", "none/new.pcap"])
def test_a_capture_that_cannot_be_created_leaves_no_file(tmp_path: Path, pcap: str) -> None:
    (tmp_path / "there.pcap").write_bytes(b"there")
    result = esme("record", tmp_path / "new.jsonl", "--pcap", tmp_path / pcap)
    assert result.exit_code in (1, 2)
    assert len(result.stderr.splitlines()) == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"there.pcap": b"there"}


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([], "there is no request on s1sp/…/command to make again: see --via"),
        ([LINE], "there is no request on s1sp/…/command to make again (1 malformed)"),
        ([LINE, {}], ", line 2: topic is missing"),
        ([LINE | {"topic": f"esme/{METER}/command"}], "to make again: see --via"),
    ],
    ids=["empty", "malformed", "bad-line", "other-prefix"],
)
def test_nothing_to_make_again(tmp_path: Path, lines: list[object], text: str) -> None:
    result = esme("replay", recording(tmp_path, *lines))
    assert (result.exit_code, result.stdout) == (1, "")
    assert text in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"\xd4\xc3\xb2\xa1\x02\x00"], ids=["utf-16", "pcap"]
)
def test_a_file_of_another_kind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    result = esme("replay", path)
    assert result.exit_code == 1
    assert result.stderr == f"esme: {path}: it is not UTF-8\n"


@pytest.mark.parametrize(
    ("option", "value"),
    [("--speed", "0"), ("--speed", "nan"), ("--speed", "fast"), ("--timeout", "-1")],
)
def test_bad_options(tmp_path: Path, option: str, value: str) -> None:
    result = esme("replay", recording(tmp_path, LINE), option, value)
    assert result.exit_code == 2
    assert value in result.stderr
