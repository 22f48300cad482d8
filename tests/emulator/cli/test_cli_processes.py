"""The command line as processes: `esme serve` and its parts, asked by `esme read`, and stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.mosquitto import DEAD_PORT, Mosquitto
from tests.support.rtds import ROOT

pytestmark = pytest.mark.processes

METER = "00DBE50000000000"
LAST = datetime.now(UTC).date() - timedelta(days=1)
DAY = ("--from", f"{LAST - timedelta(days=1)}", "--to", f"{LAST}")
ESME = (sys.executable, str(ROOT / "cli.py"))
GUARD = 30
"""Seconds after which a process that hangs fails its test; no test relies on it."""


def esme(
    *args: object, stdin: bytes = b"", within: Sequence[str] = ()
) -> subprocess.CompletedProcess[bytes]:
    """Run a command and return what it said; `within` are the words of a command that runs it."""
    words = [*within, *ESME, *map(str, args)]
    return subprocess.run(words, input=stdin, capture_output=True, timeout=GUARD, check=False)


def read(broker: str, srv: str, via: str, *more: object) -> dict[str, Any]:
    said = esme("read", METER, srv, *DAY, "--via", via, "--broker", broker, "--json", *more)
    assert said.returncode == 0, said.stderr
    form: dict[str, Any] = json.loads(said.stdout)
    return form


class Running:
    """A process that says in JSON what it started, and what it counted when it is stopped."""

    def __init__(self, *args: object, within: Sequence[str] = ()) -> None:
        words = [*within, *ESME, *map(str, args), "--json"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate(timeout=GUARD)
        self.started: dict[str, Any] = json.loads(line)

    def stop(self, number: int) -> dict[str, Any]:
        """Send a signal, and return what was counted."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=GUARD)
        assert (self.process.returncode, err) == (0, b"")
        counted: dict[str, Any] = json.loads(out)
        return counted


@contextmanager
def ended(process: "subprocess.Popen[Any]") -> Iterator[None]:
    """Kill the process at the end of the block, if it still runs."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=GUARD)


@contextmanager
def running(*args: object, within: Sequence[str] = ()) -> Iterator[Running]:
    started = Running(*args, within=within)
    with ended(started.process):
        yield started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_answers_and_prints_its_counters_at_the_end(number: int) -> None:
    with running("serve", "--port", 0, "--meters", 3, "--store", "store.sqlite") as serve:
        assert serve.started.pop("broker").startswith("mqtt://127.0.0.1:")
        assert serve.started == {
            "clock": "system",
            "meters": 3,
            "first": METER,
            "last": "00DBE50000000002",
            "retention_hours": 25,
            "store": "store.sqlite",
        }
        counted = serve.stop(number)
    assert counted == {
        "device_hits": 0,
        "replies": 0,
        "unsent": 0,
        "outcomes": {},
        "requests": 0,
        "retries": 0,
        "shadow": 0,
        "shadow_compared": 0,
        "shadow_different": 0,
        "shadow_difference_ratio": None,
        "decisions": {},
        "reasons": {},
    }


def test_serve_answers_read_and_its_counters_are_true_over_a_restart() -> None:
    args = ("serve", "--port", 0, "--meters", 3, "--store", "store.sqlite")
    with running(*args) as serve:
        broker = serve.started["broker"]
        forms = [read(broker, "4.8.1", via) for via in ("cache", "cache", "direct")]
        rows = [form["rows"] for form in forms]
        assert len(rows[0]) == 49
        assert rows[0] == rows[1] == rows[2]
        said = [form["cache_status"] for form in forms]
        assert said[0::2] == ["s1sp; fwd=miss; stored", None]
        assert said[1].startswith("s1sp; hit; ttl=")
        bypass = read(broker, "4.8.2", "cache")
        assert len(bypass["rows"]) == 49
        counted = serve.stop(signal.SIGINT)
    assert counted["device_hits"] == 3
    assert counted["outcomes"] == {"4.8.1 answered": 2, "4.8.2 answered": 1}
    assert counted["requests"] == 3
    assert counted["decisions"] == {
        "4.8.1 forwarded": 1,
        "4.8.1 hits": 1,
        "4.8.2 forwarded": 1,
    }
    with running(*args) as serve:
        assert read(serve.started["broker"], "4.8.1", "cache")["rows"] == rows[0]
        counted = serve.stop(signal.SIGINT)
    assert counted["device_hits"] == 0
    assert counted["decisions"] == {"4.8.1 hits": 1}


def test_serve_speaks_mqtt_3_1_1_if_it_is_told_to() -> None:
    with running("serve", "--port", 0, "--mqtt", "3.1.1") as serve:
        form = read(serve.started["broker"], "4.8.1", "cache")
        assert (len(form["rows"]), form["cache_status"]) == (49, None)
        serve.stop(signal.SIGINT)


def test_serve_ends_with_its_broker() -> None:
    pytest.importorskip("iotcore")
    with running("serve", "--port", 0, "--meters", 3, "--store", "memory:") as serve:
        read(serve.started["broker"], "4.8.1", "cache")
        os.kill(child_of(serve.process.pid, "rumqttd_process"), signal.SIGKILL)
        out, err = serve.process.communicate(timeout=GUARD)
    assert serve.process.returncode == 1
    assert json.loads(out)["device_hits"] == 1
    last = err.decode().splitlines()[-1]
    assert last == "esme: the embedded broker ended by itself (signal 9): start this again"


def child_of(parent: int, script: str) -> int:
    """Return the process that `parent` started and that runs `script`."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    [found] = [
        int(child) for child in children if script in Path(f"/proc/{child}/cmdline").read_text()
    ]
    return found


def test_own_and_other_brokers_exclude_each_other() -> None:
    said = esme("serve", "--mqtt", "5", "--broker", "mqtt://127.0.0.1:1")
    assert_one_line(said, 2, b"--broker and --mqtt: give one of the two")


def test_the_store_of_another_seed_is_refused_in_one_line() -> None:
    with running("serve", "--port", 0, "--store", "store.sqlite") as serve:
        serve.stop(signal.SIGINT)
    said = esme("serve", "--port", 0, "--store", "store.sqlite", "--seed", "2", "--json")
    assert_one_line(said, 1, b"store.sqlite keeps readings of another estate")


def test_fleet_and_cache_run_apart_on_a_broker(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path) as mosquitto,
        running("fleet", "--meters", 3, "--broker", mosquitto.url) as fleet,
        running("cache", "--meters", 3, "--broker", mosquitto.url) as cache,
    ):
        assert fleet.started["broker"] == cache.started["broker"] == mosquitto.url
        assert cache.started["store"].startswith("esme-cache-seed-")
        statuses = [
            read(mosquitto.url, "4.6.1", via)["cache_status"]
            for via in ("cache", "cache", "direct")
        ]
        assert statuses[0] == "s1sp; fwd=miss; stored"
        assert statuses[1].startswith("s1sp; hit; ttl=")
        assert statuses[2] is None
        by_cache, by_fleet = cache.stop(signal.SIGINT), fleet.stop(signal.SIGINT)
    assert by_fleet == {
        "device_hits": 2,
        "replies": 2,
        "unsent": 0,
        "outcomes": {"4.6.1 answered": 2},
    }
    assert by_cache["decisions"] == {"4.6.1 forwarded": 1, "4.6.1 hits": 1}
    assert by_cache["reasons"] == {}, "it does not get the reply to the direct read"


def assert_one_line(
    said: subprocess.CompletedProcess[bytes], code: int, reason: bytes = b""
) -> None:
    assert (said.returncode, said.stdout) == (code, b"")
    assert len(said.stderr.splitlines()) == 1, said.stderr
    assert said.stderr.startswith(b"esme")
    assert reason in said.stderr


@pytest.mark.parametrize(
    ("args", "code", "reason"),
    [
        (("decode", "zz"), 1, b"zz"),
        (("decode", "DD" * 400), 1, b""),
        (("nonsense",), 2, b"nonsense"),
        (("serve", "--retention", "24"), 2, b"25 to 72"),
        (("read", METER, "4.8.1", "--from", "2026-01-02", "--to", "2026-01-01"), 2, b"before"),
    ],
)
def test_a_failure_is_an_exit_code_and_one_line(
    args: tuple[str, ...], code: int, reason: bytes
) -> None:
    assert_one_line(esme(*args), code, reason)


def test_a_missing_broker_is_one_line() -> None:
    said = esme("fleet", "--broker", f"mqtt://127.0.0.1:{DEAD_PORT}")
    assert_one_line(said, 1, b"no MQTT broker at 127.0.0.1")


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = esme("serve", "--port", taken.getsockname()[1])
    assert_one_line(said, 1, b"choose another port")


def test_output_without_a_reader_is_no_traceback(tmp_path: Path) -> None:
    """As with `esme keys | head -1`."""
    with subprocess.Popen(
        [*ESME, "keys", "--meters", "400"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as keys:
        assert keys.stdout is not None
        assert keys.stderr is not None
        keys.stdout.readline()
        keys.stdout.close()
        assert keys.stderr.read() == b""
        keys.wait(GUARD)


def test_the_installed_script_is_the_same_program() -> None:
    script = Path(sys.executable).with_name("esme")
    if not script.exists():
        pytest.skip("the project is not installed beside this Python")
    said = subprocess.run(
        [str(script), "decode", "zz"], capture_output=True, timeout=GUARD, check=False
    )
    assert_one_line(said, 1, b"zz")
