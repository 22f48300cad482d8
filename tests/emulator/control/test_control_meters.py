"""Meters over HTTP: search, own data and states."""

import gc
from typing import Any

import httpx
import pytest

from esme_emulator.device.model import profile_of
from esme_emulator.profiles import MeterMix
from tests.emulator.control.process import Process
from tests.emulator.control.test_control_endpoints import get
from tests.support.estate import ESTATE, METER, OTHER_METER, SEED, STRANGER, UNIX_NOW, command

METERS = [str(device) for device in ESTATE.meters]
CURVE = {"start": "2026-01-15", "values": {"import": [500, None, 750]}}


async def found(client: httpx.AsyncClient, **wanted: object) -> tuple[list[str], str | None]:
    """Return the EUIs of a page, and where the next one begins."""
    answer = await client.get("/meters", params={key: str(wanted[key]) for key in wanted})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    return [meter["device"] for meter in page["meters"]], page["next"]


async def put(client: httpx.AsyncClient, device: object, **table: object) -> Any:
    answer = await client.put(f"/meters/{device}", json=table)
    assert answer.status_code == 200, answer.text
    return answer.json()


# search


async def test_pages_lead_through_all_meters(client: httpx.AsyncClient) -> None:
    assert await found(client) == (METERS, None)
    assert await found(client, limit=2) == (METERS[:2], METERS[1])
    assert await found(client, limit=3, after=METERS[1]) == (METERS[2:], None)
    assert await found(client, after=METERS[-1]) == ([], None)


async def test_meters_are_found_by_profile_and_state(client: httpx.AsyncClient) -> None:
    await put(client, METER, profile="twin")
    await client.put(f"/meters/{OTHER_METER}/state", json={"state": "suspended"})
    twins = [
        str(eui) for eui in ESTATE.meters if eui == METER or profile_of(SEED, eui).name == "twin"
    ]
    assert await found(client, profile="twin") == (twins, None)
    assert await found(client, state="suspended") == ([str(OTHER_METER)], None)
    assert await found(client, state="suspended", profile="twin") == ([], None)


async def test_a_request_looks_at_some_meters_only(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esme_emulator.control.meter_routes.MAX_SEARCHED", 2)
    await client.put(f"/meters/{METERS[4]}/state", json={"state": "suspended"})
    assert await found(client, state="suspended") == ([], METERS[1])
    assert await found(client, state="suspended", after=METERS[1]) == ([], METERS[3])
    assert await found(client, state="suspended", after=METERS[3]) == ([METERS[4]], None)


# own data


async def test_a_meter_gets_its_own_data(process: Process, client: httpx.AsyncClient) -> None:
    before = await get(client, f"/meters/{METER}")
    assert (before["own"], before["state"]) == ([], "commissioned")
    state = await put(client, METER, installed="2026-01-14", half_hours=CURVE)
    assert state == await get(client, f"/meters/{METER}")
    assert state["own"] == ["half_hours", "installed"]
    assert state["registers"]["active_import"]["total"] == 1250
    energies = await get(client, f"/meters/{METER}/half-hours?day=2026-01-15")
    assert energies["active_import"][:3] == [500, 0, 750]
    assert process.changes == 1
    others = await get(client, f"/meters/{OTHER_METER}")
    assert others["own"] == []


async def test_data_that_were_replaced_are_freed(client: httpx.AsyncClient) -> None:
    def mixes() -> int:
        return sum(isinstance(one, MeterMix) for one in gc.get_objects())

    await put(client, METER, half_hours=CURVE)
    before = mixes()
    for energy in range(5):
        await put(client, METER, half_hours=CURVE | {"values": {"import": [energy]}})
    assert mixes() == before


async def test_an_empty_table_takes_the_own_data_away(client: httpx.AsyncClient) -> None:
    before = await get(client, f"/meters/{METER}")
    await put(client, METER, installed="2026-01-14", half_hours=CURVE)
    assert await put(client, METER) == before


async def test_a_reset_undoes_data_and_states(process: Process, client: httpx.AsyncClient) -> None:
    before = [await get(client, f"/meters/{device}") for device in METERS]
    digest = process.profiles.digest
    await put(client, METER, half_hours=CURVE)
    assert process.profiles.digest != digest
    await client.put(f"/meters/{OTHER_METER}/state", json={"state": "decommissioned"})
    await client.post("/reset")
    assert [await get(client, f"/meters/{device}") for device in METERS] == before
    assert process.profiles.digest == digest
    assert process.changes == 2
    await client.post("/reset")
    assert process.changes == 2, "nothing was changed, so caches keep what they have"


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"price": 3}, "price: unknown key; did you mean prices?"),
        ({"prices": [3]} | {"switching": {"00:00": 2}}, "prices: give one for each tariff "),
        ({"profile": "twins"}, "twin"),
        ({"profile": "/etc/own.toml"}, "profile: a file can be named on the command line only"),
        ({"wan": "own.toml"}, "wan: a file can be named on the command line only"),
        ({"csv": "own.csv"}, "csv: unknown key"),
        ({"count": 3}, "count: unknown key"),
        ({"balance": "1"}, "balance: "),
        ({"registers": {"import": [1, 2, 3]}}, "registers: no time of day has tariff register 2"),
        ({"half_hours": {"start": "soon", "values": {}}}, "half_hours.start: 'soon' is not"),
        ({"half_hours": CURVE | {"start": "2026-01-15T00:10"}}, "half_hours.start: is not the "),
        ({"half_hours": CURVE | {"values": {"import": [-1]}}}, "half_hours.values"),
    ],
)
async def test_bad_data_change_nothing(
    process: Process, client: httpx.AsyncClient, table: dict[str, object], reason: str
) -> None:
    before = await put(client, METER, profile="single")
    digest = process.profiles.digest
    answer = await client.put(f"/meters/{METER}", json=table)
    assert answer.status_code == 422
    assert reason in answer.json()["error"]
    assert await get(client, f"/meters/{METER}") == before
    assert (process.profiles.digest, process.changes) == (digest, 1)


@pytest.mark.parametrize("depth", [50, 500, 930, 960, 980, 5_000, 30_000])
@pytest.mark.parametrize("key", ["half_hours", "registers", "none"])
async def test_deep_data_are_refused(client: httpx.AsyncClient, depth: int, key: str) -> None:
    deep = f'{{"{key}": {"[" * depth}{"]" * depth}}}'
    headers = {"content-type": "application/json"}
    answer = await client.put(f"/meters/{METER}", content=deep, headers=headers)
    assert answer.status_code in (400, 422)
    assert len(answer.json()["error"].splitlines()) == 1


# states


async def test_a_suspended_meter_is_like_none(process: Process, client: httpx.AsyncClient) -> None:
    def outcome(counter: int) -> str:
        return process.fleet.receive(METER, command("4.8.1", counter=counter)[1], UNIX_NOW).outcome

    path = f"/meters/{METER}/state"
    await put(client, METER, half_hours=CURVE)
    for state, said in (
        ("suspended", "not-hosted"),
        ("not-commissioned", "not-hosted"),
        ("decommissioned", "not-hosted"),
        ("commissioned", "answered"),
    ):
        answer = await client.put(path, json={"state": state})
        assert answer.json()["state"] == state
        assert answer.json()["registers"]["active_import"]["total"] > 0, "it keeps its data"
        assert outcome(1) == said
    assert process.changes == 1, "only that of the data: a state changes no reading"


async def test_what_cannot_be_changed_is_refused(
    process: Process, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    suspended = {"state": "suspended"}
    for path, body, status, reason in (
        (f"/meters/{STRANGER}/state", suspended, 404, "is not a meter of this fleet"),
        (f"/meters/{STRANGER}", {}, 404, "is not a meter of this fleet"),
        ("/meters/12/state", suspended, 422, "'12' is not an EUI-64"),
        (f"/meters/{METER}/state", {"state": "asleep"}, 422, "'commissioned', 'not-"),
    ):
        answer = await client.put(path, json=body)
        assert (answer.status_code, reason in answer.json()["error"]) == (status, True), path
    for parameters, reason in (
        ("profile=twins", "profile: 'twins' is unknown; did you mean twin?"),
        (f"after={STRANGER}", "is not a meter of this fleet"),
        ("limit=0", "limit"),
        ("states=suspended", "states"),
    ):
        answer = await client.get(f"/meters?{parameters}")
        assert reason in answer.json()["error"]
    monkeypatch.setattr("esme_emulator.profiles.fleet_file.MOST_CHANGED", 1)
    await put(client, METER)
    await put(client, METER, half_hours=CURVE)
    answer = await client.put(f"/meters/{OTHER_METER}", json={})
    assert answer.json()["error"] == "1 meters were changed already: reset, or restart"
    answer = await client.put(f"/meters/{OTHER_METER}/state", json=suspended)
    assert answer.status_code == 409


async def test_meters_that_others_have_too_stay(process: Process) -> None:
    process.is_shared = True
    async with process.client() as client:
        for path, body in (("", {}), ("/state", {"state": "suspended"})):
            answer = await client.put(f"/meters/{METER}{path}", json=body)
            assert answer.status_code == 409
            assert "(--shared)" in answer.json()["error"]


async def test_without_meters_there_is_none_to_find(process: Process) -> None:
    async with process.client(fleet=False) as client:
        assert (await client.get("/meters")).status_code == 404
