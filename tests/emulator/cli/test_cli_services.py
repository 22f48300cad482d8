"""`esme serve`, `esme fleet` and `esme counters` as processes: each option does what it says."""

import asyncio
import json
import os
import pty
import signal
import subprocess
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import pytest

from esme_emulator.cli.main import main as esme_command
from esme_emulator.cli.run import cache, serve
from esme_emulator.cli.service_options import cache_options
from esme_emulator.estate.estate import derived_estate
from esme_emulator.messaging.topics import DIRECT, command_topic
from esme_emulator.transport import connect
from gbcs.instants import DAY, parse_iso
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from gbcs.usecases.values import values_of
from tests.emulator.cli.test_cli_processes import (
    ESME,
    GUARD,
    Running,
    assert_one_line,
    esme,
    running,
)
from tests.support.asker import (
    METERS,
    YESTERDAY,
    Asker,
    asking,
    day,
    http,
    lines_of,
    told,
)
from tests.support.mosquitto import Mosquitto
from tests.support.rtds import ROOT
from tests.support.valkey import ValkeyServer
from tests.support.waiting import until

pytestmark = pytest.mark.processes

NOON = "manual@2026-01-15T12:00:00Z"
MIDNIGHT = parse_iso("2026-01-15")
WINDOW = Window(MIDNIGHT - DAY, MIDNIGHT)
TODAY = Window(MIDNIGHT, MIDNIGHT + DAY)
OWN = ("serve", "--port", 0, "--meters", 5, "--store", "memory:", "--decisions", "decisions.jsonl")
STANDING = (*OWN, "--clock", NOON, "--control", 0)


def advance(process: Running, seconds: float) -> None:
    http(f"{process.started['control']}/clock/advance", {"seconds": seconds})


def hits_of(process: Running) -> int:
    return int(http(f"{process.started['control']}/counters")["device_hits"])


async def advanced(process: Running, asked: "asyncio.Future[Any]", seconds: float) -> Any:
    """Move the clock on, a step at a time, until there is a reply."""
    for _ in range(100):
        if asked.done():
            break
        await asyncio.to_thread(advance, process, seconds)
        await asyncio.sleep(0.02)
    return await asyncio.wait_for(asked, GUARD)


def write(name: str, text: str) -> None:
    """Write a file that others cannot read, so that nobody is warned of it."""
    Path(name).write_text(text, "utf-8")
    Path(name).chmod(0o600)


def sockets_of(pid: int) -> int:
    """How many sockets a process has."""
    return sum("socket:" in os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir())


def decisions() -> list[str]:
    return list(told("decisions.jsonl", "decision"))


# Clocks and what is kept


async def test_72_hours_pass_on_a_clock_moved_by_hand_and_readings_expire() -> None:
    with running(*STANDING, "--retention", 72) as serve:
        assert serve.started["clock"] == NOON
        assert serve.started["retention_hours"] == 72
        async with asking(serve.started["broker"]) as asker:
            await asker.ask(window=WINDOW)
            for seconds in (1, 72 * 3600 - 2, 1):
                advance(serve, seconds)
                await asker.ask(window=WINDOW)
        assert hits_of(serve) == 2
    assert decisions() == ["forwarded", "hits", "hits", "forwarded"]
    assert told("decisions.jsonl", "age", "at")[2] == (72 * 3600 - 1, "2026-01-18T11:59:59Z")


async def test_readings_expire_on_a_scaled_clock() -> None:
    scaled = "scaled:100000@2026-01-15T12:00:00Z"
    with running(*OWN, "--clock", scaled, "--control", 0) as serve:
        assert serve.started["clock"].startswith(f"{scaled}=")
        async with asking(serve.started["broker"]) as asker:
            while decisions().count("forwarded") < 2:
                await asker.ask(window=WINDOW)
    rows = told("decisions.jsonl", "decision", "time")
    first, second = (time for decision, time in rows if decision == "forwarded")
    assert second - first >= 25 * 3600


def test_the_control_interface_shows_the_process() -> None:
    with running(*STANDING, "--profile", "polyphase") as serve:
        url = serve.started["control"]
        up = {"up": True, "connected": True, "fleet": True, "cache": True}
        assert http(f"{url}/health").items() >= up.items()
        assert http(f"{url}/meters/{METERS[0]}")["profile"] == "polyphase"
        assert http(f"{url}/clock")["now"] == "2026-01-15T12:00:00Z"
        with pytest.raises(ValueError, match="Expecting value"):
            http(f"{url}/metrics")


def test_a_read_that_assumes_the_variant_warns() -> None:
    with running(*STANDING, "--profile", "polyphase") as serve:
        common = ("read", METERS[0], "--broker", serve.started["broker"], "--json")
        voltage = (*common, "4.10", "--from", "2026-01-14", "--to", "2026-01-15")
        for more in (("--profile", "polyphase"), ("--variant", "polyphase"), ()):
            read = esme(*voltage, *more)
            assert read.returncode == 0, read.stderr
            assert (b"phase 3" in read.stdout) is bool(more)
            assert (b"if it is another kind, give the --profile" in read.stderr) is (not more)
            assert read.stderr.count(b"\n") == (0 if more else 1)
        assert esme(*common, "4.3").stderr == b""


def test_a_kind_of_meter_can_be_a_file() -> None:
    text = (ROOT / "profiles" / "meters" / "twin.toml").read_text("utf-8")
    write("mine.toml", text.replace('title = "', 'title = "Mine: '))
    with running(*STANDING, "--profile", "mine.toml") as serve:
        said = http(f"{serve.started['control']}/meters/{METERS[0]}")
        assert said["title"].startswith("Mine: ")
        assert said["variant"] == "twin"


# What meters and networks do


LATENCIES = ("150ms", "uniform:1s,2s", "normal:2s,100ms", "lognormal:1s,2s", "empirical:some.txt")


LOSSLESS = """
profile = "wan"
title = "Slow"
latency = "4s"
wake_sms = 0
wake_latency = "none"
awake_seconds = 0
loss = 0
octets_per_second = 0

[sources]
latency = "assumed"
wake_sms = "assumed"
wake_latency = "assumed"
awake_seconds = "assumed"
loss = "assumed"
octets_per_second = "assumed"
"""


async def test_a_reply_waits_for_latency_and_network(mosquitto: Mosquitto) -> None:
    """A fleet of one meter for each way to say how long it takes."""
    write("some.txt", "1.5\n2.5\n")
    write("lossless.toml", LOSSLESS)
    wans = (("--wan", name) for name in ("smets1-sms", "profile", "lossless.toml"))
    ways = [*(("--latency", text) for text in LATENCIES), *wans]
    args = ("fleet", "--meters", 1, "--broker", mosquitto.url, "--clock", NOON, "--control", 0)
    with ExitStack() as stack:
        fleets = [
            stack.enter_context(running(*args, "--base", device, *way))
            for device, way in zip(METERS, ways, strict=False)
        ]
        async with asking(mosquitto.url) as asker:
            for device, fleet in zip(METERS, fleets, strict=False):
                asked = asyncio.ensure_future(asker.ask(device, window=WINDOW, prefix=DIRECT))
                await until(lambda: hits_of(fleet) == 1)  # noqa: B023
                assert not asked.done()
                reply = await advanced(fleet, asked, 5)
                assert reply.response.originator == device


RULES = """
[[fault]]
kind = "result-code"
name = "refuses"
meters = "00DBE50000000000"
code = "hardware-fault"

[[fault]]
kind = "no-reply"
name = "mute"
meters = "00DBE50000000001"

[[fault]]
kind = "no-reply"
name = "nowhere"
meters = "00DBE5000000FFFF"
"""


async def test_faults_fire_and_are_logged_and_idle_rules_are_warned_of() -> None:
    write("rules.toml", RULES)
    args = (*STANDING, "--faults", "rules.toml", "--fault-log", "fired.jsonl")
    with running(*args) as serve:
        async with asking(serve.started["broker"]) as asker:
            refused = await asker.ask(METERS[0], window=WINDOW, prefix=DIRECT)
            mute = asyncio.ensure_future(asker.ask(METERS[1], window=WINDOW))
            await asker.ask(METERS[2], window=WINDOW)
            await until(lambda: len(lines_of("fired.jsonl")) == 2)
            mute.cancel()
        rules = http(f"{serve.started['control']}/faults")["fired"]
        assert rules == {"refuses": 1, "mute": 1, "nowhere": 0}
        serve.process.send_signal(signal.SIGINT)
        out, err = serve.process.communicate(timeout=GUARD)
    assert [item.code for item in values_of(refused.response)] == [1]
    assert err.splitlines() == [
        b"esme: fault 'nowhere': meters: 00DBE5000000FFFF is not a meter of this fleet"
    ]
    assert b'"4.8.1 silent": 1' in out
    assert b'"4.8.1 refused": 1' in out
    fired = {(line["rule"], line["device"], line["number"]) for line in lines_of("fired.jsonl")}
    assert fired == {("refuses", str(METERS[0]), 1), ("mute", str(METERS[1]), 1)}


def test_faults_of_several_files_and_for_the_meters_of_a_profile() -> None:
    rule = '[[fault]]\nkind = "no-reply"\n'
    write("some.toml", rule + 'profile = "single"\n')
    write("others.toml", rule + 'profile = ["twin", "toaster"]\n')
    kinds = ("--profile", "single", "--profile", "single-north")
    files = ("--faults", "some.toml", "--faults", "others.toml")
    with running(*STANDING, *kinds, *files) as serve:
        url = serve.started["control"]
        assert http(f"{url}/faults")["fired"] == {"no-reply-1": 0, "no-reply-2": 0}
        serve.process.send_signal(signal.SIGINT)
        _, err = serve.process.communicate(timeout=GUARD)
    assert err.decode().splitlines() == [
        "esme: fault 'no-reply-2': profile: no meter of this fleet is "
        f"{name}; there are single, single-north"
        for name in ("twin", "toaster")
    ]


@pytest.mark.parametrize(("strict", "answered"), [((), 2), (("--strict",), 1)])
async def test_strict_meters_refuse_a_repeated_counter(
    strict: tuple[str, ...], answered: int
) -> None:
    with running(*STANDING, *strict) as serve:
        async with asking(serve.started["broker"]) as asker:
            _, octets = asker.party(Role.IS).command(METERS[0], "4.8.1", WINDOW)
            async with connect(serve.started["broker"], client_id="twice") as transport:
                for _ in range(2):
                    await transport.publish(command_topic(DIRECT, METERS[0]), octets)
            await until(lambda: hits_of(serve) == 2)
        counted = serve.stop(signal.SIGINT)
    replayed = {"4.8.1 replayed": 1} if strict else {}
    assert counted["outcomes"] == {"4.8.1 answered": answered, **replayed}


# What the cache does


async def several(asker: Asker, *windows: Window, srv: str = "4.8.1") -> None:
    for window in windows:
        await asker.ask(srv=srv, window=window)


TWO_DAYS = Window(WINDOW.start - DAY, WINDOW.end)


LOOKS = (
    ("4.8.1", TODAY),
    ("4.8.1", TODAY),
    ("4.8.1", TWO_DAYS),
    ("4.8.1", WINDOW),
    ("4.6.1", WINDOW),
)


@pytest.mark.parametrize(
    ("args", "hits"),
    [
        ((), {"4.6.1": 1}),
        (("--literal",), {"4.8.1": 1, "4.6.1": 1}),
        (("--sub-window",), {"4.8.1": 1, "4.6.1": 1}),
        (("--srv", "4.8.1", "--srv", "4.8.3"), {}),
    ],
    ids=["rule", "literal", "sub-window", "srv"],
)
async def test_each_cache_option_changes_which_requests_are_hits(
    args: tuple[str, ...], hits: dict[str, int]
) -> None:
    """A window that is not over twice, a part of another window, and an SRV of the rule twice."""
    with running(*STANDING, *args) as serve:
        async with asking(serve.started["broker"]) as asker:
            for srv, window in (*LOOKS, LOOKS[-1]):
                await asker.ask(srv=srv, window=window)
        assert hits_of(serve) == 6 - sum(hits.values())
    assert (
        Counter(srv for srv, what in told("decisions.jsonl", "srv", "decision") if what == "hits")
        == hits
    )


@pytest.mark.parametrize(("args", "hits"), [((), 1), (("--no-collapse",), 4)])
async def test_simultaneous_requests_collapse_unless_turned_off(
    args: tuple[str, ...], hits: int
) -> None:
    with running(*STANDING, "--latency", "5s", *args) as serve:
        async with asking(serve.started["broker"]) as asker:
            asked = [asyncio.ensure_future(asker.ask(window=WINDOW)) for _ in range(4)]
            url = serve.started["control"]
            await until(lambda: http(f"{url}/cache")["requests"] == 4 and hits_of(serve) == hits)
            await advanced(serve, asyncio.gather(*asked), 5)
        assert hits_of(serve) == hits
    assert decisions().count("forwarded") == hits


async def test_the_shadow_audit_asks_the_meter_for_hits_too() -> None:
    with running(*STANDING, "--shadow", 1) as serve:
        async with asking(serve.started["broker"]) as asker:
            await several(asker, WINDOW, WINDOW)
            await until(lambda: hits_of(serve) == 2)
            await until(
                lambda: http(f"{serve.started['control']}/cache")["reasons"] == {"shadow-equal": 1}
            )
        counted = serve.stop(signal.SIGTERM)
    assert (counted["shadow"], counted["shadow_compared"], counted["shadow_different"]) == (1, 1, 0)
    assert counted["shadow_difference_ratio"] == 0.0
    assert counted["decisions"] == {"4.8.1 forwarded": 1, "4.8.1 hits": 1}


FIRST_FAILS = '[[fault]]\nkind = "fail-first"\nmeters = "00DBE50000000001"\n'


async def test_a_read_without_a_reply_is_sent_again() -> None:
    write("rules.toml", FIRST_FAILS)
    with running(*STANDING, "--retries", 1, "--faults", "rules.toml") as serve:
        async with asking(serve.started["broker"]) as asker:
            windows = [Window(WINDOW.start - n * DAY, WINDOW.end) for n in range(10)]
            await several(asker, *windows)  # a retry for every ten commands
            asked = asyncio.ensure_future(asker.ask(METERS[1], window=WINDOW))
            await until(lambda: hits_of(serve) == 11)
            advance(serve, 60)
            await asked
        assert serve.stop(signal.SIGINT)["retries"] == 1


async def test_a_failing_meter_is_held_down() -> None:
    write("rules.toml", FIRST_FAILS)
    args = ("--hold-down", "1,600", "--faults", "rules.toml")
    with running(*STANDING, *args) as serve:
        url = serve.started["control"]
        async with asking(serve.started["broker"]) as asker:
            first, second = (
                asyncio.ensure_future(asker.ask(METERS[1], window=WINDOW)) for _ in range(2)
            )
            await until(lambda: http(f"{url}/cache")["requests"] == 2 and hits_of(serve) == 1)
            advance(serve, 60)
            third = asyncio.ensure_future(asker.ask(METERS[1], window=WINDOW))
            await until(lambda: "hold-down" in http(f"{url}/cache")["reasons"])
            advance(serve, 600)
            await asker.ask(METERS[1], window=WINDOW)
            for one in (first, second, third):
                one.cancel()
        assert hits_of(serve) == 2
    reasons = told("decisions.jsonl", "decision", "reason")
    assert reasons == [
        ("forwarded", ""),
        ("failed", "no-reply"),
        ("failed", "hold-down"),
        ("forwarded", ""),
    ]


async def test_a_registry_decides_who_may_ask() -> None:
    write("registry.toml", '[[party]]\neui = "90B3D51F30020000"\nroles = ["ED"]\n')
    with running(*STANDING, "--registry", "registry.toml") as serve:
        async with asking(serve.started["broker"]) as asker:
            refused = asyncio.ensure_future(asker.ask(window=WINDOW))
            await asker.ask(role=Role.ED, window=WINDOW)
            await until(lambda: len(decisions()) == 2)
            refused.cancel()
        assert hits_of(serve) == 1
    assert sorted(told("decisions.jsonl", "decision", "reason")) == [
        ("forwarded", ""),
        ("refused", "unknown-party"),
    ]


async def test_a_change_of_the_registry_outlives_the_process() -> None:
    party, device = '[[party]]\neui = "90B3D51F30040000"\nroles = ["OU"]\n', str(METERS[0])
    write("registry.toml", party)
    for run in range(2):
        with running(*STANDING, "--registry", "registry.toml") as serve:
            url = f"{serve.started['control']}/cache/registry"
            if run == 0:
                change = {"device": device, "day": "2026-01-14"}
                assert http(f"{url}/change-of-tenancy", change)["forgotten"] is None
            [ended] = http(f"{url}?device={device}")["registrations"]
            assert (ended["party"], ended["to"]) == ("90B3D51F30040000", "2026-01-14")


async def test_a_decision_is_a_json_line_with_party_read_and_reason() -> None:
    with running(*STANDING) as serve:
        async with asking(serve.started["broker"]) as asker:
            await asker.ask(window=WINDOW)
    line, reply = lines_of("decisions.jsonl")
    assert [reply.pop(name) for name in ("reply", "hit", "fwd", "stored", "detail")] == [
        *("s1sp; fwd=miss; stored", False, "miss", True, "")
    ]
    assert reply.items() >= {name: line[name] for name in ("device", "party", "counter")}.items()
    assert line.pop("counter") > 0
    assert line == {
        "time": 1768478400.0,
        "at": "2026-01-15T12:00:00Z",
        "device": str(METERS[0]),
        "srv": "4.8.1",
        "party": "90B3D51F30010000",
        "from": "2026-01-14T00:00:00Z",
        "to": "2026-01-15T00:00:00Z",
        "decision": "forwarded",
        "reason": "",
        "age": None,
    }


@pytest.mark.parametrize("kind", ["file", "memory", "valkey"])
async def test_readings_survive_a_restart_in_the_store(kind: str, tmp_path: Path) -> None:
    write("key", "ab" * 32)
    server = ValkeyServer(tmp_path) if kind == "valkey" else None
    where = {"file": "s.sqlite", "memory": "memory:"}.get(kind) or (server and server.url)
    args = ("serve", "--port", 0, "--meters", 5, "--store", where, "--store-key", "key")
    if server is not None:
        server.start()
    try:
        hits = []
        for _ in range(2):
            with running(*args) as serve:
                async with asking(serve.started["broker"]) as asker:
                    await asker.ask()
                hits.append(serve.stop(signal.SIGINT)["device_hits"])
    finally:
        if server is not None:
            server.kill()
    assert hits == ([1, 1] if kind == "memory" else [1, 0])


def test_a_journal_on_a_full_disk_ends_with_one_warning_and_nothing_else() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full")
    with running("serve", "--port", 0, "--meters", 5, "--store", "m", "--decisions", full) as serve:

        async def ask() -> None:
            async with asking(serve.started["broker"]) as asker:
                await several(asker, YESTERDAY, YESTERDAY)

        asyncio.run(ask())
        serve.process.send_signal(signal.SIGINT)
        _, err = serve.process.communicate(timeout=GUARD)
    reason = b"No space left on device; nothing more is written to it"
    assert err == b"journal /dev/full: " + reason + b"\n"
    assert serve.process.returncode == 0


# What is seen


def test_elsewhere_than_on_a_terminal_there_are_plain_lines() -> None:
    args = [*ESME, *map(str, OWN)]
    process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    with process:
        first = process.stderr.readline()
        names = [first, *[process.stderr.readline() for _ in range(6)]]
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=GUARD)
    assert [line.partition(b":")[0] for line in names] == [
        *(b"broker", b"clock", b"meters", b"first", b"last", b"retention hours", b"store"),
    ]
    assert names[-1] == b"store: memory:\n"
    assert out == b""
    assert b"device hits: 0\n" in rest
    assert b"\x1b" not in rest
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_on_a_terminal_there_is_a_live_view_that_ends_cleanly(number: int) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    process = subprocess.Popen(
        [*ESME, *map(str, OWN)], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    shown = b""
    stopped = False
    try:
        while True:
            try:
                octets = os.read(ours, 65536)
            except OSError:  # the terminal has no process any more
                break
            if not octets:
                break
            shown += octets
            if not stopped and b"\x1b[?25l" in shown and "╰".encode() in shown:
                stopped = True
                process.send_signal(number)
        assert process.wait(GUARD) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert stopped
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l"), "the cursor is shown again"
    assert b"device hits: 0" in shown
    assert b"Traceback" not in shown


def test_no_password_is_shown(mosquitto: Mosquitto) -> None:
    url = mosquitto.url.replace("//", "//somebody:secret@")
    with running("fleet", "--meters", 3, "--broker", url) as fleet:
        assert fleet.started["broker"] == mosquitto.url


# Fleets of several processes


def children_of(pid: int) -> list[int]:
    """The processes that run meters for this one."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child)
        for child in found
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def ask_all(broker: str, meters: int) -> None:
    """Have each meter answer one read, once, and truly."""
    async with asking(broker) as asker:
        await asyncio.gather(*[asker.direct(device) for device in METERS[:meters]])
        assert asker.strays(DIRECT) == 0


def merged(*urls: str) -> dict[str, Any]:
    said = esme("counters", *urls, "--json")
    assert said.returncode == 0, said.stderr
    form: dict[str, Any] = json.loads(said.stdout)
    return form


def row(number: int) -> dict[str, Any]:
    return {"srv": "4.8.1", "outcome": "answered", "received": number, "replied": number}


def test_counters_of_a_process_with_a_token_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESME_CONTROL_TOKEN", "0123456789abcdef")
    write("token", "0123456789abcdef\n")
    with running(*STANDING) as serve:
        url = serve.started["control"]
        assert merged(url)["device_hits"] == 0
        monkeypatch.delenv("ESME_CONTROL_TOKEN")
        assert merged(url, "--control-token-file", "token")["device_hits"] == 0
        reason = b"the token is missing or wrong: set ESME_CONTROL_TOKEN, or give"
        assert_one_line(esme("counters", url), 1, reason)


async def test_workers_answer_every_meter_once_and_their_counts_add_up(
    mosquitto: Mosquitto,
) -> None:
    args = ("fleet", "--meters", 21, "--workers", 2, "--broker", mosquitto.url, "--control", 0)
    with running(*args) as fleet:
        assert fleet.started["workers"] == 2
        assert fleet.started["meters"] == 21
        first, second = fleet.started["control"]
        await ask_all(mosquitto.url, 21)
        await until(lambda: merged(first, second)["counters"] == [row(21)])
        assert merged(first)["device_hits"] == 11
        assert merged(second)["device_hits"] == 10
        one = merged(first, second, "--device", str(METERS[3]))
        assert one == {"device_hits": 1, "counters": [row(1)]}
        assert merged(first, "--srv", "4.8.1")["device_hits"] == 11
        assert merged(first, "--srv", "4.6.1") == {"device_hits": 0, "counters": []}
        elsewhere = esme("counters", first, second, "--device", "00DBE5000000FFFF")
        assert_one_line(elsewhere, 2, b"00DBE5000000FFFF: it is not a meter of these fleets")
        counted = fleet.stop(signal.SIGINT)
    assert counted == {
        "device_hits": 21,
        "replies": 21,
        "unsent": 0,
        "outcomes": {"4.8.1 answered": 21},
    }


@pytest.mark.parametrize("how", [("--shard", "0/2"), ("--shared",)])
async def test_fleets_apart_have_each_command_answered_once(
    how: tuple[str, ...], mosquitto: Mosquitto
) -> None:
    args = ("fleet", "--meters", 21, "--broker", mosquitto.url, "--control", 0)
    other = ("--shard", "1/2") if how[0] == "--shard" else how
    with running(*args, *how) as first, running(*args, *other) as second:
        await ask_all(mosquitto.url, 21)
        urls = first.started["control"], second.started["control"]
        await until(lambda: merged(*urls)["counters"] == [row(21)])
        stopped = [process.stop(signal.SIGTERM)["device_hits"] for process in (first, second)]
    assert sum(stopped) == 21
    assert all(stopped)


async def test_each_meter_can_have_a_connection_of_its_own(mosquitto: Mosquitto) -> None:
    args = ("fleet", "--meters", 50, "--connections", "--broker", mosquitto.url)
    with running(*args) as fleet:
        assert sockets_of(fleet.process.pid) >= 50
        await ask_all(mosquitto.url, 50)
        assert fleet.stop(signal.SIGINT)["device_hits"] == 50


def test_workers_have_keystores_faults_and_clocks_too(mosquitto: Mosquitto) -> None:
    write("keys.json", esme("keys", "--meters", 4).stdout.decode())
    write("rules.toml", RULES)
    args = ("fleet", "--keystore", "keys.json", "--faults", "rules.toml", "--workers", 2)
    more = ("--broker", mosquitto.url, "--clock", NOON, "--latency", "1s", "--control", 0)
    with running(*args, *more) as fleet:
        urls = fleet.started["control"]
        assert [http(f"{url}/clock")["clock"] for url in urls] == [NOON, NOON]
        assert [http(f"{url}/fleet")["meters"] for url in urls] == [2, 2]
        fleet.process.send_signal(signal.SIGTERM)
        _, err = fleet.process.communicate(timeout=GUARD)
    assert err.splitlines() == [
        b"esme: fault 'nowhere': meters: 00DBE5000000FFFF is not a meter of this fleet"
    ]


async def test_a_dead_worker_ends_the_others_with_one_line_and_their_counters(
    mosquitto: Mosquitto,
) -> None:
    with running("fleet", "--meters", 5, "--workers", 2, "--broker", mosquitto.url) as fleet:
        workers = children_of(fleet.process.pid)
        assert len(workers) == 2
        await ask_all(mosquitto.url, 5)
        os.kill(workers[1], signal.SIGKILL)
        out, err = fleet.process.communicate(timeout=GUARD)
    said = "worker 1 ended unexpectedly (signal 9): the others are stopped"
    assert (fleet.process.returncode, err.decode()) == (1, f"esme: {said}\n")
    counted = json.loads(out)
    assert (counted["device_hits"], counted["without"]) == (3, said)
    assert not any(map(is_running, workers))


async def test_workers_do_not_outlive_their_parent(mosquitto: Mosquitto) -> None:
    with running("fleet", "--meters", 5, "--workers", 2, "--broker", mosquitto.url) as fleet:
        workers = children_of(fleet.process.pid)
        assert len(workers) == 2
        fleet.process.kill()
        fleet.process.communicate(timeout=GUARD)
        await until(lambda: not any(map(is_running, workers)))


async def test_fleet_and_cache_come_back_when_their_broker_does(mosquitto: Mosquitto) -> None:
    store = ("--store", "memory:", "--decisions", "decisions.jsonl")
    part = ("--meters", 5, "--broker", mosquitto.url, "--control", 0)
    with running("fleet", *part) as fleet, running("cache", *part, *store) as cache:
        healths = [f"{process.started['control']}/health" for process in (fleet, cache)]
        async with asking(mosquitto.url) as asker:
            await several(asker, day(0), day(0))
            mosquitto.kill()
            await until(lambda: not any(map(is_healthy, healths)))
            mosquitto.start()
            await until(lambda: all(map(is_healthy, healths)))
            await asker.back(window=day(0))
            await several(asker, day(0), day(1), day(1))
        by_cache, complaints = stopped(cache)
        by_fleet, more = stopped(fleet)
    assert by_fleet["device_hits"] == decisions().count("forwarded") == 2
    assert by_cache["decisions"]["4.8.1 forwarded"] == 2
    assert by_cache["requests"] == sum(by_cache["decisions"].values())
    said = [line.partition(" at ")[0] for line in (*complaints, *more)]
    assert set(said) == {"esme-fleet", "esme-identity", "s1sp-cache"}


def stopped(process: Running) -> tuple[dict[str, Any], list[str]]:
    """Stop a process; return what it counted, and the lines of its complaints."""
    process.process.send_signal(signal.SIGINT)
    out, err = process.process.communicate(timeout=GUARD)
    assert process.process.returncode == 0
    return json.loads(out), err.decode().splitlines()


def is_healthy(url: str) -> bool:
    try:
        return bool(http(url)["connected"])
    except OSError:
        return False


# What is said of mistakes


@pytest.mark.parametrize(
    ("args", "code", "reason"),
    [
        (("fleet", "--shard", "2/2"), 2, "K from 0 to N - 1"),
        (("fleet", "--shard", "x"), 2, "give K/N"),
        (("fleet", "--shard", "0/2", "--workers", "2"), 2, "leave it out"),
        (("fleet", "--shard", "0/2", "--shared"), 2, "leave it out"),
        (("fleet", "--shared", "--connections"), 2, "give one of the two"),
        (("fleet", "--shard", "5/6", "--meters", "5"), 2, "only 5 meters"),
        (("fleet", "--workers", "3", "--meters", "2"), 2, "3 workers for 2 meters"),
        (("fleet", "--workers", "2", "--control", "65535"), 2, "a lower one"),
        (("fleet", "--meters", "1000000001"), 2, "give a whole number from 1 to 1000000000"),
        (("serve", "--latency", "soon"), 2, "latency"),
        (("serve", "--latency", "empirical:none.txt"), 2, "cannot read none.txt"),
        (("serve", "--clock", "scaled:nan"), 2, "not a number"),
        (("serve", "--clock", "manual@yesterday"), 2, "not a time"),
        (("serve", "--wan", "pigeon"), 2, "pigeon"),
        (("serve", "--profile", "pigeon"), 2, "no such profile"),
        (("serve", "--profile", "pigeon.toml"), 2, "pigeon.toml"),
        (("serve", "--faults", "none.toml"), 2, "No such file"),
        (("serve", "--faults", "bad.toml"), 2, "did you mean"),
        (("serve", "--faults", "mute.toml", "--faults", "mute.toml"), 2, "another rule has this"),
        (("serve", "--registry", "none.toml"), 2, "none.toml"),
        (("serve", "--registry", "bad.toml"), 2, "bad.toml"),
        (("serve", "--shadow", "nan"), 2, "0 to 1"),
        (("serve", "--shadow", "1.5"), 2, "1.5"),
        (("serve", "--retries", "11"), 2, "11"),
        (("serve", "--reply-timeout", "0"), 2, "more than 0"),
        (("serve", "--reply-timeout", "nan"), 2, "more than 0"),
        (("serve", "--device-limit", "0"), 2, "1 or more"),
        (("serve", "--device-queue", "-1"), 2, "0 or more"),
        (("serve", "--store-limit", "7"), 2, "give a number of MB, GB, TB, such as 500MB"),
        (("serve", "--store-limit", "many"), 2, "give a number of MB, GB, TB, such as 500MB"),
        (("serve", "--store-limit", "0.5MB"), 2, "give 1MB or more"),
        (("serve", "--store-limit", "-1GB"), 2, "give a number of MB"),
        (("cache", "--shared", "--store", "memory:"), 2, "--shared: memory: is a store of this"),
        (("serve", "--hold-down", "3,nan"), 2, "3,60"),
        (("serve", "--hold-down", "3"), 2, "3,60"),
        (("serve", "--retention", "73"), 2, "25 to 72"),
        (("serve", "--retention", "nan"), 2, "25 to 72"),
        (("serve", "--srv", "4.4.3"), 2, "cannot be cached"),
        (("serve", "--store", "http://somewhere"), 1, "no kind of store"),
        (("serve", "--store", "none/store"), 1, "is there such a folder"),
        (("serve", "--store-key", "bad.toml"), 2, "64 hexadecimal digits"),
        (("serve", "--decisions", "none/decisions"), 1, "No such file"),
        (("serve", "--fault-log", "/"), 2, "is a folder: name a file"),
        (("serve", "--broker", "nonsense"), 2, "not the URL of a broker"),
        (("serve", "--keystore", "none.json"), 2, "none.json"),
        (("serve", "--keystore", "bad.toml"), 2, "bad.toml"),
        (("serve", "--base", "12"), 2, "12"),
        (("serve", "--base", "F" * 16, "--meters", "2"), 2, "up to FFFFFFFFFFFFFFFF"),
        (("counters", "http://127.0.0.1:1"), 1, "refused"),
        (("counters", "http://127.0.0.1:x"), 2, "give the URL of a control interface"),
        (("counters", "http://["), 2, "give the URL of a control interface"),
        (("counters", "127.0.0.1:80"), 2, "http://host:port"),
        (("counters",), 2, "URL"),
        (
            ("counters", "http://127.0.0.1:1", "--srv", "4.8.11"),
            2,
            "did you mean 4.8.1?; counted are",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_one_line(
    args: tuple[str, ...], code: int, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("bad.toml", '[[fault]]\nkind = "no-repyl"\n')
    write("mute.toml", '[[fault]]\nkind = "no-reply"\nname = "mute"\n')
    own = ("--port", "0", "--store", "memory:")
    if args[0] == "serve":
        args = (*args, *own[: 2 if "--store" in args else 4])
    with pytest.raises(SystemExit) as exited:
        esme_command(list(args))
    said = capsys.readouterr()
    assert (exited.value.code, said.out) == (code, "")
    assert said.err.startswith("esme: ")
    assert said.err.count("\n") == 1
    assert reason in said.err


def test_counters_need_the_control_interface_of_a_fleet(mosquitto: Mosquitto) -> None:
    args = ("cache", "--broker", mosquitto.url, "--store", "memory:", "--control", 0)
    with running(*args) as cache:
        assert_one_line(
            esme("counters", cache.started["control"]), 1, b"no meters run in this process"
        )
        taken = cache.started["control"].rpartition(":")[2]
        said = esme("fleet", "--broker", mosquitto.url, "--control", taken)
        assert_one_line(said, 1, b"choose another port")
    assert_one_line(esme("counters", mosquitto.url.replace("mqtt", "http")), 1, b"interface")


def test_a_manual_clock_without_control_is_warned_of(mosquitto: Mosquitto) -> None:
    args = ("fleet", "--broker", mosquitto.url, "--clock", NOON)
    with running(*args) as fleet:
        fleet.process.send_signal(signal.SIGINT)
        _, err = fleet.process.communicate(timeout=GUARD)
    assert err.decode() == "esme: the clock stands still: give --control to advance it\n"


def test_a_process_is_counted_once(mosquitto: Mosquitto) -> None:
    with running("fleet", "--broker", mosquitto.url, "--control", 0) as fleet:
        url = fleet.started["control"]
        again = url.replace("127.0.0.1", "localhost") + "/"
        said = esme("counters", url, again)
        assert_one_line(said, 2, f"{again} is the process of {url}".encode())


# Options


@pytest.mark.parametrize("command", [serve, cache])
def test_options_protect_meters_and_limit_the_store(command: click.Command) -> None:
    chosen = [
        *("--store-limit", "2.5 mb", "--reply-timeout", "2.5"),
        *("--device-limit", "3", "--device-queue", "0"),
    ]
    estate = derived_estate("1", 1)
    for arguments, expected in ((chosen, (2_500_000, 2.5, 3, 0)), ([], (10**9, 60.0, 4, 64))):
        options = cache_options(command.make_context("esme", arguments).params, estate)
        settings = options.settings
        assert expected == (
            options.store_limit,
            settings.reply_timeout,
            settings.device_limit,
            settings.device_queue,
        )
