"""The examples and paths of docs/control.md are true of a process like the one it starts."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace

import httpx

from esme_emulator.control.app import create_app
from esme_emulator.estate.estate import derived_estate
from esme_emulator.faults.engine import Faults
from esme_emulator.fleet.counters import Stage
from esme_emulator.fleet.fleet import Fleet, identity_of
from esme_emulator.monitor.parts import RunningFleet, RunningParts
from esme_emulator.profiles.latency import NONE
from esme_emulator.runtime.clock import parse_clock
from tests.emulator.control.process import BASE_URL, KEY, Process
from tests.support.rtds import ROOT

PAGE = ROOT / "docs" / "control.md"
LEFT_OUT = "…"


def examples() -> Iterator[tuple[str, str]]:
    """Yield every command of the page, and what it prints."""
    for block in re.findall(r"^```\n(\$ .*?)^```", PAGE.read_text("utf-8"), re.M | re.S):
        for example in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, printed = example.partition("\n")
            yield command, printed


async def documented() -> RunningParts:
    """Return the process of the page, after one hit and one forwarded read."""
    estate = derived_estate("1", 100)
    process = Process(parse_clock("manual@2026-01-15T12:00:00Z"))
    process.work()
    mix = process.profiles
    meters = Fleet(estate.meters, estate.keystore, estate.seed, NONE, profiles=mix)
    for device in estate.meters[:2]:
        meters.counters.count(Stage.RECEIVED, device, "4.8.1", "answered")
        meters.counters.count(Stage.REPLIED, device, "4.8.1", "answered")
    fleet = RunningFleet(
        estate.seed,
        estate.meters,
        meters,
        mix,
        Faults(estate.seed),
        process.change,
    )
    key = KEY._replace(identity=identity_of(estate.seed))
    await process.keep(*(key._replace(device=device) for device in estate.meters[7:9]))
    parts = process.parts()
    return replace(parts, fleet=fleet)


async def curl(client: httpx.AsyncClient, command: str) -> httpx.Response:
    """Send the request of a curl command line."""
    words = iter(shlex.split(command))
    assert (next(words), next(words)) == ("curl", "-s")
    method, url, body = "GET", "", None
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "--json":
                method, body = "POST" if method == "GET" else method, json.loads(next(words))
            case _:
                url = word
    assert url.startswith(BASE_URL)
    return await client.request(method, url, json=body)


def is_shown(shown: str, answered: str) -> bool:
    """Return whether the page shows this answer, except for the parts that it leaves out."""
    parts = [re.escape(part) for part in shown.strip().split(LEFT_OUT)]
    return re.fullmatch(".*".join(parts), answered.strip(), re.S) is not None


async def test_the_examples_of_the_page_are_true() -> None:
    transport = httpx.ASGITransport(create_app(await documented()))
    sent = 0
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        for command, shown in examples():
            answered = (await curl(client, command)).text
            assert is_shown(shown, answered), f"{command}\n{answered}"
            sent += 1
    assert sent > 10


async def test_the_page_lists_every_path_and_no_other() -> None:
    shown = set()
    for line in re.findall(r"^\| (`(?:GET|PUT|POST|DELETE) .*?) \|", PAGE.read_text("utf-8"), re.M):
        shown |= set(re.findall(r"`(GET|PUT|POST|DELETE) ([^?`]+)", line))
    transport = httpx.ASGITransport(create_app(await documented()))
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        paths = (await client.get("/")).json()
    there = {(method, path) for path, methods in paths.items() for method in methods}
    assert shown == there - {("GET", "/")}
