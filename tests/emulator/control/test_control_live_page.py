"""The page over HTTP: what a browser gets, its headers, its files and its live stream."""

import json
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from esme_emulator.control.app import create_app
from esme_emulator.control.page_routes import PAGE
from esme_emulator.monitor.journal import Record
from esme_emulator.monitor.live import latencies, live_state
from esme_emulator.runtime.http_server import serve_http
from tests.emulator.control.process import PARTY, Process
from tests.emulator.control.test_control_endpoints import get
from tests.support.estate import ESTATE, METER, UNIX_NOW

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
async def url(process: Process) -> AsyncIterator[str]:
    """The control interface on a port."""
    async with serve_http(create_app(process.parts()), 0) as url:
        yield url


async def test_a_browser_gets_the_page_and_a_program_the_paths(client: httpx.AsyncClient) -> None:
    page = await client.get("/", headers=BROWSER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>esme</title>" in page.text
    for accept in ("*/*", "application/json"):
        answer = await client.get("/", headers={"accept": accept})
        assert "/requests" in answer.json()
    assert page.headers["vary"] == answer.headers["vary"] == "accept"


@pytest.mark.parametrize("path", ["/", "/docs", "/page/main.js", "/swagger/swagger-ui.css"])
async def test_the_policy_forbids_scripts_in_the_page_and_other_hosts(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path, headers=BROWSER)
    assert answer.status_code == 200
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )
    assert (policy["default-src"], policy["script-src"]) == ("'none'", "'self'")
    assert (policy["connect-src"], policy["frame-ancestors"]) == ("'self'", "'none'")
    assert policy["style-src"] == ("'self' 'unsafe-inline'" if path == "/docs" else "'self'")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_everything_that_the_page_names_is_there(
    client: httpx.AsyncClient, path: str
) -> None:
    page = (await client.get(path, headers=BROWSER)).text
    assert "<script>" not in page
    assert "style=" not in page
    assert " on" not in re.sub(r">[^<]*<", "><", page), "no handlers in HTML"
    named = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert len(named) > 2
    for name in named:
        assert not name.startswith(("http", "//")), name
        assert (await client.get(f"/{name}")).status_code == 200, name


def test_scripts_import_only_each_other_and_make_no_html() -> None:
    for script in PAGE.glob("*.js"):
        source = script.read_text("utf-8")
        for module in re.findall(r'from "(.+?)"', source):
            assert (PAGE / module).is_file(), f"{script.name}: {module}"
        assert not re.search(
            r"(inner|outer)HTML\s*=[^=]|insertAdjacentHTML|document\.write", source
        )
        assert "http" not in re.sub(r"http://www.w3.org/2000/svg", "", source), script.name


async def test_files_outside_the_page_are_not_served(client: httpx.AsyncClient) -> None:
    for path in ("/page/../app.py", "/page/%2e%2e/app.py", "/page/nothing.js", "/page/"):
        answer = await client.get(path)
        assert answer.status_code == 404, path
        assert set(answer.json()) == {"error"}


@pytest.mark.parametrize("path", ["/", "/events", "/page/main.js", "/requests"])
async def test_the_guard_holds_for_the_page_too(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers=BROWSER | {"host": "rebound.example"})
    assert answer.status_code == 421
    answer = await client.get(path, headers=BROWSER | {"origin": "http://elsewhere.example"})
    assert answer.status_code == 403


async def test_the_stream_sends_states_until_the_browser_leaves(
    url: str, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esme_emulator.control.page_routes.EVERY", 0.01)
    states = []
    async with (
        httpx.AsyncClient(base_url=url) as client,
        client.stream("GET", "/events") as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        async for line in answer.aiter_lines():
            if not line:
                continue
            assert line.startswith("data: ")
            states.append(json.loads(line.removeprefix("data: ")))
            if len(states) == 1:
                process.work()
            if states[-1]["cache"]["requests"]:
                break
    assert states[0]["cache"]["requests"] == 0
    assert states[-1] == json.loads(json.dumps(live_state(process.parts())))


def test_the_state_of_all_parts() -> None:
    process = Process()
    process.work()
    state = live_state(process.parts())
    assert (state["now"], state["manual"], state["factor"]) == ("2026-01-15T12:00:00Z", True, None)
    assert state["fleet"] == {
        "meters": len(ESTATE.meters),
        "device_hits": 3,
        "commands": 3,
        "replies": 2,
        "outcomes": [
            {"srv": "4.6.1", "outcome": "bad-mac", "commands": 1, "replies": 0},
            {"srv": "4.8.1", "outcome": "answered", "commands": 2, "replies": 2},
        ],
        "faults": 0,
    }
    cache = state["cache"]
    assert (cache["requests"], cache["undecided"]) == (4, 1)
    counts = {"hits": 1, "collapsed": 1, "forwarded": 1, "refused": 0, "failed": 0}
    assert cache["decisions"] == counts
    assert cache["by_srv"] == [{"srv": "4.8.1"} | counts]
    assert cache["by_party"] == [
        {"party": str(PARTY)} | counts | {"forwarded": 0},
        {"party": "unknown"} | dict.fromkeys(counts, 0) | {"forwarded": 1},
    ]
    assert cache["reasons"] == {"bad-mac": 1}
    assert state["journal"] == 3


def test_the_state_of_a_single_part() -> None:
    process = Process()
    assert live_state(process.parts(cache=False))["cache"] is None
    assert live_state(process.parts(fleet=False))["fleet"] is None


def test_latencies_by_decision() -> None:
    def answered(seconds: float | None, decision: str) -> Record:
        record = Record(1, UNIX_NOW, METER, "4.8.1", PARTY, b"", decision)
        record.replied_at = None if seconds is None else UNIX_NOW + seconds
        return record

    records = [answered(float(number), "forwarded") for number in range(100, 0, -1)]
    records += [answered(0.0, "hits"), answered(None, "failed")]
    assert list(latencies(records)) == [
        {"decision": "forwarded", "number": 100, "p50": 50.0, "p95": 95.0, "p99": 99.0},
        {"decision": "hits", "number": 1, "p50": 0.0, "p95": 0.0, "p99": 0.0},
    ]


async def test_the_half_hours_of_a_meter(client: httpx.AsyncClient) -> None:
    path = f"/meters/{METER}/half-hours"
    past = await get(client, f"{path}?day=2026-01-14")
    assert len(past["active_import"]) == len(past["active_export"]) == 48
    assert sum(past["active_import"]) > 0
    today = await get(client, f"{path}?day=2026-01-15")
    assert len(today["active_import"]) == 24, "it is noon"
    assert (await get(client, f"{path}?day=2026-01-16"))["active_import"] == []
    assert (await get(client, f"{path}?day=1999-12-31"))["active_import"] == [0] * 48
    registers = (await get(client, f"/meters/{METER}"))["registers"]["active_import"]["total"]
    await client.post("/clock/advance", json={"hours": 12})
    whole = sum((await get(client, f"{path}?day=2026-01-15"))["active_import"])
    later = (await get(client, f"/meters/{METER}"))["registers"]["active_import"]["total"]
    assert later - registers == whole - sum(today["active_import"])
    answer = await client.get(f"{path}?day=today")
    assert answer.status_code == 422
    assert "is not a day: write it as 2026-01-31" in answer.json()["error"]
