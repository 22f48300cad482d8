"""The journal over HTTP: requests with filter and pages, and messages explained octet by octet."""

import base64
from collections.abc import AsyncIterator

import httpx
import pytest

from esme_emulator.app.services import CacheOptions, FleetOptions, run_services
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.control.app import create_app
from esme_emulator.estate.parties import OTHER_USER, SUPPLIER
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.topics import CACHED, DIRECT
from esme_emulator.runtime.clock import ManualClock, iso
from esme_emulator.transport import MemoryBroker
from gbcs.tables.roles import Role
from tests.emulator.control.process import BASE_URL
from tests.emulator.control.test_control_endpoints import get
from tests.support.estate import ESTATE, KEYS, METER, OTHER_METER, UNIX_NOW, YESTERDAY, party

GUARD = 10.0
"""Timeout of a test that would hang, in seconds; no test relies on it."""


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a process to which four requests were made.

    A miss and two hits through the cache, ten seconds apart, and a direct read.
    """
    broker, clock = MemoryBroker(), ManualClock(UNIX_NOW)
    cached, direct = Requester(CACHED, KEYS), Requester(DIRECT, KEYS)
    cache = CacheOptions(CacheSettings(), "memory:")
    async with (
        run_services(broker, ESTATE, clock, FleetOptions(), cache) as running,
        cached.connected(broker, {SUPPLIER, KEYS.access_control_broker}),
        direct.connected(broker, {SUPPLIER}),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(running.parts)), base_url=BASE_URL
        ) as client,
    ):
        running.parts.keep_journal()
        supplier, other = party(Role.IS, 1000), party(Role.OU, 2000)
        for requester in (supplier, supplier, other):
            await cached.request(*requester.command(METER, "4.8.1", YESTERDAY), GUARD)
            await clock.advance(10)
        await direct.request(*supplier.command(OTHER_METER, "4.6.1", YESTERDAY), GUARD)
        yield client


async def test_requests_are_listed_newest_first(client: httpx.AsyncClient) -> None:
    told = await get(client, "/requests")
    assert (told["total"], told["kept"], told["next"]) == (4, 4, None)
    assert [(one["number"], one["decision"]) for one in told["requests"]] == [
        (4, "direct"),
        (3, "hits"),
        (2, "hits"),
        (1, "forwarded"),
    ]
    direct, _, hit, forwarded = told["requests"]
    assert forwarded == {
        "number": 1,
        "time": UNIX_NOW,
        "at": "2026-01-15T12:00:00Z",
        "device": str(METER),
        "srv": "4.8.1",
        "party": str(SUPPLIER),
        "counter": 1000,
        "from": "2026-01-14T00:00:00Z",
        "to": "2026-01-15T00:00:00Z",
        "decision": "forwarded",
        "reason": "",
        "meter": [
            {
                "at": "2026-01-15T12:00:00Z",
                "outcome": "answered",
                "replies_due": ["2026-01-15T12:00:00Z"],
            }
        ],
        "reply": "s1sp; fwd=miss; stored",
        "age": None,
        "seconds": 0.0,
    }
    assert (hit["meter"], hit["reply"], hit["age"]) == ([], "s1sp; hit; ttl=89990", 10)
    assert (direct["party"], direct["reply"], direct["seconds"]) == (str(SUPPLIER), None, 0.0)


async def test_requests_are_selected(client: httpx.AsyncClient) -> None:
    for query, numbers in {
        f"device={METER}": [3, 2, 1],
        "srv=4.6.1": [4],
        f"party={OTHER_USER}": [3],
        "decision=hits": [3, 2],
        "decision=direct": [4],
        f"since={iso(UNIX_NOW + 10)}": [4, 3, 2],
        f"since={UNIX_NOW + 11}": [4, 3],
        f"device={METER}&decision=hits&party={SUPPLIER}": [2],
    }.items():
        told = await get(client, f"/requests?{query}")
        assert [one["number"] for one in told["requests"]] == numbers, query


async def test_requests_come_in_pages(client: httpx.AsyncClient) -> None:
    first = await get(client, "/requests?limit=3")
    assert ([one["number"] for one in first["requests"]], first["next"]) == ([4, 3, 2], 2)
    last = await get(client, f"/requests?limit=3&before={first['next']}")
    assert ([one["number"] for one in last["requests"]], last["next"]) == ([1], None)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("device=4", "device: '4' is not an EUI-64"),
        ("party=x", "party: 'x' is not an EUI-64"),
        ("srv=9.9", "srv: no device hit is counted as SRV '9.9'"),
        ("decision=hit", "decision: 'hit' is unknown: choose one of hits, collapsed, "),
        ("since=noon", "since: 'noon' is not a time: write 2026-01-31 or "),
        ("before=0", "query.before: "),
        ("limit=1001", "query.limit: "),
        ("page=2", "query.page: "),
    ],
)
async def test_a_wrong_filter_is_refused(
    client: httpx.AsyncClient, query: str, reason: str
) -> None:
    answer = await client.get(f"/requests?{query}")
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(reason)


async def test_both_messages_of_a_request_are_explained(client: httpx.AsyncClient) -> None:
    told = await get(client, "/requests/1")
    assert (told["number"], told["decision"]) == (1, "forwarded")
    command, [reply] = told["command"], told["replies"]
    assert (command["kind"], command["mac"], command["error"]) == ("command", "valid", None)
    assert (reply["kind"], reply["mac"]) == ("response", "valid")
    for message in (command, reply):
        plain = [line["octets"] for line in message["lines"] if not line["decrypted"]]
        assert "".join(plain) == message["octets"]
    assert any(line["decrypted"] for line in reply["lines"]), "with the keys of the estate"


async def test_a_request_that_is_not_kept(client: httpx.AsyncClient) -> None:
    answer = await client.get("/requests/5")
    assert answer.status_code == 404
    assert answer.json() == {
        "error": "request 5 is not in the journal: GET /requests lists those that are"
    }


async def test_messages_are_explained_in_every_form(client: httpx.AsyncClient) -> None:
    command = (await get(client, "/requests/1"))["command"]
    octets = bytes.fromhex(command["octets"])
    in_base64 = base64.b64encode(octets).decode()
    duis = f"<Request><GBCSPayload>{in_base64}</GBCSPayload></Request>"
    for text in (command["octets"], in_base64, duis):
        answer = await client.post("/explain", json={"message": text})
        assert answer.json() == {"messages": [command], "left_off": False}, text[:20]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("what is this?", "neither hex nor base64 nor the octets of a message"),
        ("<Request/>", "GBCSPayload"),
        ("", "body.message: "),
    ],
)
async def test_what_is_no_message_is_refused(
    client: httpx.AsyncClient, message: str, reason: str
) -> None:
    answer = await client.post("/explain", json={"message": message})
    assert answer.status_code == 422
    assert reason in answer.json()["error"]


async def test_octets_that_cannot_be_decoded_are_answered_with_the_reason(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/explain", json={"message": "DF09"})
    [message] = answer.json()["messages"]
    assert (message["octets"], message["kind"], message["lines"]) == ("DF09", None, [])
    assert message["error"]
