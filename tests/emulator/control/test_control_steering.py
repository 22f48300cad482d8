"""What runs is steered over HTTP: latency and WAN, connections, the clock, and reset of all."""

from typing import Any

import httpx
import pytest

from esme_emulator.faults.engine import Faults
from esme_emulator.faults.loading import rule_from
from esme_emulator.fleet.wan import WanLink
from esme_emulator.profiles import wan_profile
from esme_emulator.profiles.latency import NONE
from esme_emulator.runtime.clock import ManualClock, ScaledClock, parse_clock
from tests.emulator.control.process import KEY, Process
from tests.emulator.control.test_control_endpoints import get
from tests.support.estate import METER, SEED, UNIX_NOW, command


def due(process: Process, counter: int) -> float:
    """Return after how many seconds a meter's reply to a command is due."""
    receipt = process.fleet.receive(METER, command("4.8.1", counter=counter)[1], UNIX_NOW)
    return receipt.replies[0].due - UNIX_NOW


# latency and WAN


async def test_latency_changes_for_further_commands(
    process: Process, client: httpx.AsyncClient
) -> None:
    assert due(process, 1) == 0
    answer = await client.put("/fleet/latency", json={"latency": "150ms"})
    assert answer.json() == {"latency": "0.15s", "wan": "none"}
    assert due(process, 2) == pytest.approx(0.15)
    assert (await get(client, "/fleet"))["latency"] == "0.15s"


async def test_a_wan_comes_and_goes_while_the_latency_stays(
    process: Process, client: httpx.AsyncClient
) -> None:
    await client.put("/fleet/latency", json={"latency": "uniform:1s,2s"})
    answer = await client.put("/fleet/latency", json={"wan": "smets1-sms"})
    assert answer.json() == {"latency": "uniform:1s,2s", "wan": "smets1-sms"}
    process.fleet.receive(METER, command("4.8.1")[1], UNIX_NOW)
    assert (await get(client, "/fleet"))["wan"]["commands"] == 1
    await client.put("/fleet/latency", json={"wan": "none"})
    assert (await get(client, "/fleet"))["wan"] is None


async def test_a_wan_of_each_meters_profile(process: Process, client: httpx.AsyncClient) -> None:
    answer = await client.put("/fleet/latency", json={"wan": "profile"})
    assert answer.json() == {"latency": "none", "wan": "profile"}
    assert due(process, 1) > 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"latency": "slow"}, "latency: 'slow' is not a latency: give none, "),
        ({"latency": "empirical:/etc/passwd"}, "latency: a file can be named on the command line"),
        ({"wan": "smets3"}, "wan: "),
        ({"wan": "./own.toml"}, "wan: a file can be named on the command line only"),
        ({"latencies": "1s"}, "body.latencies: "),
    ],
)
async def test_a_wrong_network_is_refused(
    process: Process, client: httpx.AsyncClient, body: dict[str, str], reason: str
) -> None:
    answer = await client.put("/fleet/latency", json=body)
    assert answer.status_code == 422
    assert reason in answer.json()["error"]
    assert (process.fleet.latency, process.fleet.wan) == (NONE, None)


# connections


async def test_the_connections_of_the_fleet_are_cut(
    process: Process, client: httpx.AsyncClient
) -> None:
    answer = await client.post("/fleet/cut", json={"seconds": 30})
    assert answer.json() == {"cut": 1}
    assert (process.meters_transport.cuts, process.cache_transport.cuts) == ([30], [])
    answer = await client.post("/fleet/cut", json={"seconds": -1})
    assert answer.status_code == 422


async def test_a_process_without_meters_has_nothing_to_steer() -> None:
    async with Process().client(fleet=False) as client:
        for method, path in (("PUT", "/fleet/latency"), ("POST", "/fleet/cut")):
            answer = await client.request(method, path, json={})
            assert (answer.status_code, answer.json()) == (
                404,
                {"error": "no meters run in this process"},
            )
        assert (await client.post("/reset")).status_code == 200


# the clock


@pytest.mark.parametrize(
    ("body", "now"),
    [
        ({"seconds": 90.5}, "2026-01-15T12:01:30.500000Z"),
        ({"hours": 36}, "2026-01-17T00:00:00Z"),
        ({"at": "2026-01-16"}, "2026-01-16T00:00:00Z"),
        ({"at": "2026-01-15T14:00:00+01:00"}, "2026-01-15T13:00:00Z"),
    ],
)
async def test_a_manual_clock_advances_by_seconds_hours_or_to_a_time(
    client: httpx.AsyncClient, body: dict[str, Any], now: str
) -> None:
    answer = await client.post("/clock/advance", json=body)
    assert answer.json()["now"] == now


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({}, 422, "give one of seconds, hours and at"),
        ({"seconds": 1, "hours": 1}, 422, "give one of seconds, hours and at"),
        ({"at": "tomorrow"}, 422, "at: 'tomorrow' is not a time: write 2026-01-31 or "),
        ({"at": "2026-01-15T12:00:00Z"}, 409, "is not after 2026-01-15T12:00:00Z, the present"),
        ({"hours": 10_000}, 422, "that is more than 31622400 seconds: advance in steps"),
        ({"hours": 0}, 422, "body.hours: "),
    ],
)
async def test_a_wrong_step_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, reason: str
) -> None:
    answer = await client.post("/clock/advance", json=body)
    assert answer.status_code == status
    assert reason in answer.json()["error"]


async def test_the_pace_of_a_scaled_clock_changes() -> None:
    clock = ScaledClock(60.0, UNIX_NOW, 0.0, ManualClock(0.0))
    async with Process(clock).client() as client:
        assert (await get(client, "/clock"))["factor"] == 60
        told = (await client.put("/clock", json={"factor": 3600})).json()
        assert (told["factor"], told["unix"]) == (3600, UNIX_NOW)
        answer = await client.put("/clock", json={"factor": 0})
        assert answer.status_code == 422
        assert "give a number above 0" in answer.json()["error"]


@pytest.mark.parametrize("text", ["system", "manual@2026-01-15"])
async def test_other_clocks_have_no_pace(text: str) -> None:
    async with Process(parse_clock(text)).client() as client:
        answer = await client.put("/clock", json={"factor": 2})
    assert answer.status_code == 409
    assert "only a scaled one has a pace; start with --clock scaled:1" in answer.json()["error"]


# reset


async def test_everything_is_reset_to_the_start() -> None:
    link = WanLink(wan_profile("smets1-sms"), SEED)
    kept = rule_from({"kind": "no-reply", "name": "initial", "meters": "00DBE5000000FFFF"})
    process = Process(wan=link, faults=Faults(SEED, (kept,)))
    async with process.client() as client:
        process.work()
        process.fleet.receive(METER, command("4.8.1")[1], UNIX_NOW)
        await process.keep(KEY)
        await client.post("/faults", json={"kind": "no-reply", "name": "mute"})
        process.suffer(1)
        await client.delete("/faults/initial")
        await client.put("/fleet/latency", json={"latency": "1s", "wan": "none"})

        answer = await client.post("/reset")
        assert answer.json() == {"faults": 1, "entries": 1, "requests": 3}
        assert (await get(client, "/counters"))["totals"] == []
        told = await get(client, "/cache")
        assert (told["requests"], told["undecided"], told["decisions"]) == (1, 1, []), (
            "one request is still waiting"
        )
        assert (told["reasons"], told["store"]["entries"]) == ({}, 0)
        assert told["hits"]["by_age"][0]["number"] == 0
        assert (await get(client, "/cache/replies")) == {"total": 0, "replies": []}
        assert (await get(client, "/requests"))["total"] == 0
        rules = await get(client, "/faults")
        assert [rule["name"] for rule in rules["rules"]] == ["initial"]
        assert (await get(client, "/faults/log"))["total"] == 0
        fleet = await get(client, "/fleet")
        assert (fleet["latency"], fleet["wan"]["profile"]) == ("none", "smets1-sms")
        assert (fleet["wan"]["commands"], fleet["busy_seconds"]) == (0, 0)
