"""The registry over the control interface: who is in it, and changes with what they drop."""

from contextlib import nullcontext
from typing import Any

import httpx
import pytest

from esme_emulator.cache.registry.registration import ReceivedChange
from esme_emulator.cache.registry.registry import Reason
from esme_emulator.estate.parties import DISTRIBUTOR, NEW_SUPPLIER, OTHER_USER, PARTIES, SUPPLIER
from gbcs import EUI
from tests.emulator.control.process import KEY, Process
from tests.emulator.control.stores import AWAY, AwayStore, MuteStore
from tests.emulator.control.test_control_endpoints import get
from tests.support.estate import METER, OTHER_METER, UNIX_NOW

REGISTRY = "/cache/registry"
REGISTRATIONS = f"{REGISTRY}/registrations"
SUPPLIER_CHANGE = f"{REGISTRY}/change-of-supplier"
TENANCY_CHANGE = f"{REGISTRY}/change-of-tenancy"
STRANGER = "90B3D51F300100FF"
TODAY, TOMORROW = "2026-01-15", "2026-01-16"


NO_FILE = "there is no registry file to keep it beside: give --registry FILE"


def change(**others: Any) -> dict[str, Any]:
    """Return a valid change of supplier, with `others` replaced."""
    device = str(METER)
    given = {"device": device, "old": str(SUPPLIER), "new": str(NEW_SUPPLIER), "day": TODAY}
    return {key: value for key, value in (given | others).items() if value is not None}


def refusal(process: Process, party: EUI, days: int = 0, device: EUI = METER) -> Reason | None:
    """Return why a party may not read the meter today, or `days` later; None if it may."""
    registry = process.cache.policy.registry
    return registry.check(party, device, "4.8.1", None, UNIX_NOW + days * 86_400)


async def test_parties_are_listed_with_their_roles(client: httpx.AsyncClient) -> None:
    registry = await get(client, REGISTRY)
    assert registry == {
        "parties": [
            {"party": str(party.eui), "name": party.name, "roles": sorted(party.roles)}
            for party in sorted(PARTIES, key=lambda one: one.eui)
        ],
        "registrations": None,
        "left_off": False,
    }
    few = await get(client, f"{REGISTRY}?limit=2")
    assert (len(few["parties"]), few["left_off"]) == (2, True)


async def test_registrations_of_a_device_are_listed(client: httpx.AsyncClient) -> None:
    body = {"party": str(OTHER_USER), "devices": str(METER), "from": TOMORROW, "roles": ["OU"]}
    answer = await client.post(REGISTRATIONS, json=body)
    added = body | {"to": None, "current": False}
    told = {"repeated": False, "forgotten": NO_FILE}
    assert (answer.status_code, answer.json()) == (201, added | told)
    found = (await get(client, f"{REGISTRY}?device={METER}"))["registrations"]
    assert added in found
    assert {
        "party": str(SUPPLIER),
        "devices": "*",
        "from": None,
        "to": None,
        "roles": None,
        "current": True,
    } in found
    assert found == sorted(found, key=lambda one: one["party"])
    others = (await get(client, f"{REGISTRY}?device={OTHER_METER}"))["registrations"]
    assert len(others) == len(found) - 1
    few = await get(client, f"{REGISTRY}?device={METER}&limit=1")
    assert (len(few["registrations"]), few["left_off"]) == (1, True)


async def test_a_registration_entitles(process: Process, client: httpx.AsyncClient) -> None:
    """A party with a registration for some devices has only its registrations for them."""
    await process.keep(KEY)
    assert refusal(process, DISTRIBUTOR, 1) is None
    body = {"party": str(DISTRIBUTOR), "from": TODAY, "to": TOMORROW}
    answer = await client.post(REGISTRATIONS, json=body)
    assert answer.json()["devices"] == "*"
    assert answer.json()["current"] is True
    assert refusal(process, DISTRIBUTOR) is None
    assert refusal(process, DISTRIBUTOR, 1) is Reason.NOT_REGISTERED
    assert (await process.store.size()).entries == 1


async def test_a_registration_takes_a_range_of_devices(
    process: Process, client: httpx.AsyncClient
) -> None:
    devices = f"{OTHER_METER} to 00DBE500000000FF"
    body = {"party": str(DISTRIBUTOR), "devices": devices, "from": TOMORROW}
    assert (await client.post(REGISTRATIONS, json=body)).json()["devices"] == devices
    assert refusal(process, DISTRIBUTOR, device=OTHER_METER) is Reason.NOT_REGISTERED
    assert refusal(process, DISTRIBUTOR, 1, OTHER_METER) is None
    assert refusal(process, DISTRIBUTOR) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "body.party: Field required"),
        ({"party": STRANGER}, f"party: {STRANGER} is not in the registry"),
        ({"party": "12"}, "party: '12' is not an EUI-64"),
        ({"party": 12}, "body.party"),
        ({"party": "0" * 5000}, "body.party"),
        ({"party": str(SUPPLIER), "devices": "all"}, "devices: 'all' is not an EUI-64"),
        ({"party": str(SUPPLIER), "devices": f"{OTHER_METER} to {METER}"}, "is before"),
        ({"party": str(SUPPLIER), "devices": [str(METER)]}, "body.devices"),
        ({"party": str(SUPPLIER), "device": str(METER)}, "body.device: Extra"),
        ({"party": str(SUPPLIER), "start": TODAY}, "body.start: Extra"),
        ({"party": str(SUPPLIER), "from": "2026-02-30"}, "is not a day: write it as 2026-01-31"),
        ({"party": str(SUPPLIER), "from": "20260115"}, "is not a day"),
        ({"party": str(SUPPLIER), "from": 1768478400}, "is not a day"),
        ({"party": str(SUPPLIER), "from": "٢٠٢٦-٠١-١٥"}, "is not a day"),
        ({"party": str(SUPPLIER), "from": "9" * 5000}, "is not a day"),
        ({"party": str(SUPPLIER), "from": TODAY, "to": TODAY}, f"to: {TODAY} is not after"),
        ({"party": str(SUPPLIER), "roles": []}, "body.roles"),
        ({"party": str(SUPPLIER), "roles": ["XX"]}, "body.roles.0"),
        ({"party": str(SUPPLIER), "roles": ["IS", "OU"]}, f"roles: {SUPPLIER} is not OU"),
        ({"party": str(SUPPLIER), "roles": ["IS"] * 7}, "body.roles"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_invalid_registrations_are_refused(
    process: Process, client: httpx.AsyncClient, body: dict[str, Any], words: str
) -> None:
    before = process.cache.policy.registry.version
    answer = await client.post(REGISTRATIONS, json=body)
    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert process.cache.policy.registry.version == before


# changes


async def test_a_change_of_supplier_drops_readings(
    process: Process, client: httpx.AsyncClient
) -> None:
    other = KEY._replace(device=OTHER_METER)
    await process.keep(KEY, KEY._replace(srv="4.6.1"), other)
    answer = await client.post(SUPPLIER_CHANGE, json=change())
    assert answer.status_code == 200
    told = answer.json()
    rows = {row["party"]: row for row in told.pop("registrations")}
    assert told == {
        "device": str(METER),
        "day": TODAY,
        "flushed": 2,
        "waiting": None,
        "repeated": False,
        "forgotten": NO_FILE,
    }
    assert (rows[str(SUPPLIER)]["to"], rows[str(SUPPLIER)]["current"]) == (TODAY, False)
    assert rows[str(NEW_SUPPLIER)]["from"] in (None, TODAY)
    assert await process.store.get(KEY) is None
    assert await process.store.get(other) is not None
    assert refusal(process, SUPPLIER, 1) is Reason.NOT_REGISTERED
    assert refusal(process, NEW_SUPPLIER, 1) is None


async def test_a_repeated_change_is_not_made_again(
    process: Process, client: httpx.AsyncClient
) -> None:
    """It flushes the store again, because the first flush may have been lost."""
    tenancy = {"device": str(METER), "day": TOMORROW}
    for path, body in ((SUPPLIER_CHANGE, change()), (TENANCY_CHANGE, tenancy)):
        first = (await client.post(path, json=body)).json()
        await process.keep(KEY)
        again = await client.post(path, json=body)
        assert again.status_code == 200
        assert again.json() == first | {"flushed": 1, "repeated": True}
        assert await process.store.get(KEY) is None
    body = {"party": str(OTHER_USER), "devices": str(METER), "from": TODAY}
    await client.post(REGISTRATIONS, json=body)
    await client.post(TENANCY_CHANGE, json={"device": str(METER), "day": TODAY})
    again = await client.post(REGISTRATIONS, json=body)
    assert (again.status_code, again.json()["repeated"]) == (201, True)
    assert refusal(process, OTHER_USER) is Reason.NOT_REGISTERED, "it restores nothing"


class Memo:
    """A journal that records what it kept, and reports why it did not keep a change."""

    def __init__(self, *reasons: str | ValueError) -> None:
        self.kept: list[ReceivedChange] = []
        self._reasons = iter(reasons)

    def others(self) -> list[ReceivedChange]:
        return []

    def keep(self, told: ReceivedChange) -> str:
        reason = next(self._reasons)
        if isinstance(reason, ValueError):
            raise reason
        self.kept.append(told)
        return reason


async def test_a_change_without_room_in_the_file_is_refused(
    process: Process, client: httpx.AsyncClient
) -> None:
    await process.keep(KEY)
    full = ValueError("registry.toml.changes is full")
    process.cache.policy.registry.journal = nullcontext(Memo(full, full, full))
    for path, body in (
        (SUPPLIER_CHANGE, change()),
        (TENANCY_CHANGE, {"device": str(METER), "day": TODAY}),
        (REGISTRATIONS, {"party": str(DISTRIBUTOR), "from": TOMORROW}),
    ):
        answer = await client.post(path, json=body)
        assert (answer.status_code, answer.json()) == (409, {"error": str(full)})
    assert refusal(process, SUPPLIER, 1) is None
    assert refusal(process, OTHER_USER) is None
    assert refusal(process, DISTRIBUTOR) is None
    assert await process.store.get(KEY) is not None


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (OTHER_USER, f"{OTHER_USER} is not a supplier: its roles are OU"),
        (SUPPLIER, f"{SUPPLIER} is the old supplier too"),
    ],
)
async def test_a_change_to_no_other_supplier_is_refused(
    process: Process, client: httpx.AsyncClient, new: EUI, reason: str
) -> None:
    await process.keep(KEY)
    answer = await client.post(SUPPLIER_CHANGE, json=change(new=str(new)))
    assert (answer.status_code, answer.json()) == (409, {"error": reason})
    assert refusal(process, SUPPLIER, 1) is None
    assert await process.store.get(KEY) is not None


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"device": "12"}, "device: '12' is not an EUI-64"),
        ({"device": None}, "body.device: Field required"),
        ({"old": STRANGER}, f"old: {STRANGER} is not in the registry"),
        ({"new": STRANGER}, f"new: {STRANGER} is not in the registry"),
        ({"new": "?"}, "new: '?' is not an EUI-64"),
        ({"day": "tomorrow"}, "body.day: Value error, 'tomorrow' is not a day"),
        ({"day": None}, "body.day: Field required"),
        ({"when": TODAY}, "body.when: Extra"),
    ],
)
async def test_invalid_changes_of_supplier_are_refused(
    process: Process, client: httpx.AsyncClient, others: dict[str, Any], words: str
) -> None:
    await process.keep(KEY)
    answer = await client.post(SUPPLIER_CHANGE, json=change(**others))
    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert await process.store.get(KEY) is not None
    assert refusal(process, SUPPLIER, 1) is None


async def test_a_change_of_tenancy_drops_readings(
    process: Process, client: httpx.AsyncClient
) -> None:
    await process.keep(KEY)
    body = {"device": str(METER), "day": TODAY}
    told = (await client.post(TENANCY_CHANGE, json=body)).json()
    ended = [row for row in told["registrations"] if row["party"] == str(OTHER_USER)]
    assert (told["flushed"], told["waiting"], told["day"]) == (1, None, TODAY)
    assert [(row["to"], row["current"]) for row in ended] == [(TODAY, False)]
    assert await process.store.get(KEY) is None
    assert refusal(process, OTHER_USER) is Reason.NOT_REGISTERED
    assert refusal(process, SUPPLIER) is None


@pytest.mark.parametrize("body", [{}, {"device": str(METER)}, {"device": "12", "day": TODAY}])
async def test_invalid_changes_of_tenancy_are_refused(
    process: Process, client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    assert (await client.post(TENANCY_CHANGE, json=body)).status_code == 422
    assert refusal(process, OTHER_USER) is None


@pytest.mark.parametrize(
    ("kind", "reason"), [(AwayStore, AWAY), (MuteStore, "the store has not answered within 0 s")]
)
async def test_a_change_holds_while_the_store_is_away(
    kind: type[AwayStore], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries that cannot be dropped yet are reported as waiting, and dropped later."""
    monkeypatch.setattr("esme_emulator.control.registry_routes.STORE_TIMEOUT", 0.0)
    store = kind()
    process = Process(store=store)
    await process.keep(KEY)
    async with process.client() as client:
        answer = await client.post(SUPPLIER_CHANGE, json=change())
        assert answer.status_code == 200
        assert (answer.json()["flushed"], answer.json()["waiting"]) == (None, reason)
        assert refusal(process, SUPPLIER, 1) is Reason.NOT_REGISTERED
        assert await store.get(KEY) is not None
        store.away = False
        monkeypatch.undo()
        body = {"device": str(METER), "day": TOMORROW}
        answer = await client.post(TENANCY_CHANGE, json=body)
        assert (answer.json()["flushed"], answer.json()["waiting"]) == (1, None)


async def test_a_change_that_a_restart_loses_is_reported_and_logged(
    process: Process, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A change that a restart keeps is not reported."""
    memo = Memo("the disk is full", "")
    process.cache.policy.registry.journal = nullcontext(memo)
    answer = await client.post(SUPPLIER_CHANGE, json=change())
    assert answer.json()["forgotten"] == "the disk is full"
    assert "lost when the cache ends: the disk is full" in caplog.text
    caplog.clear()
    answer = await client.post(TENANCY_CHANGE, json={"device": str(METER), "day": TODAY})
    assert answer.json()["forgotten"] is None
    assert [told.at for told in memo.kept] == [UNIX_NOW, UNIX_NOW]
    assert caplog.text == ""


async def test_the_number_of_changes_is_limited(
    process: Process, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esme_emulator.control.registry_routes.MAX_CHANGES", 2)
    body = {"device": str(METER), "day": TODAY}
    for _ in range(2):
        assert (await client.post(TENANCY_CHANGE, json=body)).status_code == 200
    for path, third in (
        (TENANCY_CHANGE, body),
        (SUPPLIER_CHANGE, change()),
        (REGISTRATIONS, {"party": str(SUPPLIER)}),
    ):
        answer = await client.post(path, json=third)
        assert answer.status_code == 409
        assert "already changed 2 times" in answer.json()["error"]


@pytest.mark.parametrize("path", [REGISTRATIONS, SUPPLIER_CHANGE, TENANCY_CHANGE])
async def test_changes_without_a_cache_are_answered_with_404(process: Process, path: str) -> None:
    body = {REGISTRATIONS: {"party": str(SUPPLIER)}, SUPPLIER_CHANGE: change()}.get(
        path, {"device": str(METER), "day": TODAY}
    )
    async with process.client(cache=False) as client:
        answer = await client.post(path, json=body)
    assert (answer.status_code, answer.json()) == (404, {"error": "no cache runs in this process"})
