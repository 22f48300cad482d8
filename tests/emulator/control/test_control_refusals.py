"""Refusals of the control interface: each is one JSON object with a reason, without a traceback."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from esme_emulator.control.guard import MAX_BODY, Guard
from esme_emulator.control.models import MAX_ADVANCE
from tests.emulator.control.process import Process
from tests.support.estate import METER, STRANGER, UNIX_NOW

JSON = {"content-type": "application/json"}


def reason(answer: httpx.Response, status: int) -> str:
    """Return the reason of a refusal; all refusals have one form."""
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert problem.keys() == {"error"}
    assert "Traceback" not in problem["error"]
    assert "\n" not in problem["error"]
    return str(problem["error"])


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nowhere", 404, "GET /nowhere: not found"),
        ("PATCH", "/clock", 405, "method not allowed"),
        ("GET", "/counters/reset", 405, "method not allowed"),
        ("POST", f"/meters/{METER}", 405, "method not allowed"),
        ("GET", "/meters/12", 422, "give 16 hexadecimal digits"),
        ("GET", "/meters/%00%ff", 422, "give 16 hexadecimal digits"),
        ("GET", f"/meters/{STRANGER}", 404, f"{STRANGER} is not a meter of this fleet"),
        ("GET", "/counters?device=12", 422, "give 16 hexadecimal digits"),
        ("GET", f"/counters?device={STRANGER}", 404, f"{STRANGER} is not a meter of this fleet"),
        ("GET", "/counters?srv=4.8.11", 422, "srv: no device hit is counted as SRV '4.8.11': did"),
        ("GET", "/counters?srv=x", 422, "; counted are 1.1.1, 1.1.2, "),
        ("GET", "/cache/replies?srv=4.8.11", 422, "srv: no device hit is counted as SRV '4.8.11'"),
        ("GET", "/counters?stage=lost", 422, "query.stage"),
        ("GET", "/counters?limit=-1", 422, "query.limit"),
        ("GET", "/counters?limit=10001", 422, "query.limit"),
        ("GET", "/counters?limit=" + "9" * 5000, 422, "query.limit"),
        ("GET", "/faults/log?limit=many", 422, "query.limit"),
        ("DELETE", "/faults/nameless", 404, "there is no rule 'nameless'"),
    ],
)
async def test_unknown_paths_and_parameters_are_refused(
    client: httpx.AsyncClient, method: str, path: str, status: int, words: str
) -> None:
    assert words in reason(await client.request(method, path), status)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "body: Field required"),
        (b"{}", 422, "give one of seconds, hours and at"),
        (b"[]", 422, "body"),
        (b"null", 422, "body"),
        (b"seconds=60", 422, "JSON"),
        (b'{"seconds": "60"}', 422, "valid number"),
        (b'{"seconds": true}', 422, "valid number"),
        (b'{"seconds": NaN}', 422, "body.seconds"),
        (b'{"seconds": Infinity}', 422, "body.seconds"),
        (b'{"seconds": 1e999}', 422, "body.seconds"),
        (b'{"seconds": 0}', 422, "greater than 0"),
        (b'{"seconds": -1}', 422, "greater than 0"),
        (b'{"seconds": %d}' % (MAX_ADVANCE + 1), 422, "advance in steps"),
        (b'{"seconds": ' + b"9" * 400 + b"}", 422, "body.seconds"),
        (b'{"seconds": ' + b"9" * 5000 + b"}", 400, "parsing"),
        (b'{"seconds": 1, "days": 1}', 422, "body.days"),
        (b"[" * 60_000, 400, "parsing"),
        (b"\xff\xfe", 422, "JSON"),
        (b'{"seconds": 1', 422, "JSON"),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_invalid_advances_are_refused(
    process: Process, client: httpx.AsyncClient, body: bytes, status: int, words: str
) -> None:
    answer = await client.post("/clock/advance", content=body, headers=JSON)
    assert words in reason(answer, status)
    assert process.clock.now() == UNIX_NOW


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({}, "kind: give one of"),
        ({"kind": "no-repyl"}, "did you mean no-reply?"),
        ({"kind": "no-reply", "probabilty": 1}, "did you mean probability?"),
        ({"kind": "late-reply", "seconds": "soon"}, "seconds: 'soon' is not seconds"),
        ({"kind": "no-reply", "name": "two words"}, "name: give up to 64"),
        ({"kind": "no-reply", "name": "x" * 65}, "name: give up to 64"),
        ({"kind": ["no-reply"]}, "kind: give one of"),
        ({"kind": "no-reply", "meters": "12"}, "meters"),
    ],
)
async def test_invalid_rules_are_refused(
    process: Process, client: httpx.AsyncClient, rule: dict[str, Any], words: str
) -> None:
    assert words in reason(await client.post("/faults", json=rule), 422)
    assert not process.faults


@pytest.mark.parametrize("value", [b"NaN", b"1e999", b"9" * 4000, b"[" * 900 + b"]" * 900])
async def test_invalid_values_of_a_rule_are_refused(
    client: httpx.AsyncClient, value: bytes
) -> None:
    body = b'{"kind": "late-reply", "seconds": ' + value + b"}"
    answer = await client.post("/faults", content=body, headers=JSON)
    assert "fault: " in reason(answer, 422)


async def test_a_second_rule_of_the_same_name_is_refused(client: httpx.AsyncClient) -> None:
    rule = {"kind": "no-reply", "name": "mute"}
    assert (await client.post("/faults", json=rule)).status_code == 201
    assert "another rule has this name" in reason(await client.post("/faults", json=rule), 409)


async def test_the_number_of_rules_is_limited(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esme_emulator.control.fleet_routes.MAX_RULES", 3)
    for _ in range(3):
        assert (await client.post("/faults", json={"kind": "no-reply"})).status_code == 201
    answer = await client.post("/faults", json={"kind": "no-reply"})
    assert "remove some" in reason(answer, 409)


# the guard


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8080", "localhost", "LOCALHOST:80", "[::1]", "[::1]:8080"],
)
async def test_hosts_of_this_machine_are_allowed(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/clock", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["example.org", "127.0.0.1.example.org", "localhost.example.org:80", "10.0.0.1", "", "[", "@"],
)
async def test_other_hosts_are_refused(client: httpx.AsyncClient, host: str) -> None:
    """Anyone can make a name of their own resolve to this machine."""
    answer = await client.get("/clock", headers={"host": host})
    assert "not this machine" in reason(answer, 421)


OTHER_ORIGINS = [
    "http://example.org",
    "https://127.0.0.1.example.org",
    "http://localhost:3000",  # another program of this machine may serve anyone's pages
    "http://localhost:8080",
    "http://127.0.0.1",
    "https://127.0.0.1:8080",
    "http://127.0.0.1:99999",
    "file://",
    "null",
    "",
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("origin", OTHER_ORIGINS)
async def test_requests_of_other_origins_are_refused(
    process: Process, client: httpx.AsyncClient, method: str, origin: str
) -> None:
    process.work()
    path = "/counters/reset" if method == "POST" else "/counters"
    answer = await client.request(method, path, headers={"origin": origin})
    assert "web page of another origin" in reason(answer, 403)
    assert process.counters.total() == 5
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site", "something new"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/counters/reset"), ("DELETE", "/faults"), ("DELETE", "/cache/entries")],
)
async def test_pages_of_other_sites_cannot_change_anything(
    process: Process, client: httpx.AsyncClient, site: str, method: str, path: str
) -> None:
    process.work()
    answer = await client.request(method, path, headers={"sec-fetch-site": site})
    assert "web page of another origin" in reason(answer, 403)
    assert process.counters.total() == 5


async def test_a_link_on_any_page_is_allowed(client: httpx.AsyncClient) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert (await client.get("/clock", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("localhost:80", "http://localhost"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("LOCALHOST:8080", "http://localhost:8080"),
    ],
)
@pytest.mark.parametrize("site", ["none", "same-origin"])
async def test_requests_typed_into_the_browser_are_allowed(
    client: httpx.AsyncClient, host: str, origin: str, site: str
) -> None:
    headers = {"host": host, "origin": origin, "sec-fetch-site": site}
    assert (await client.post("/counters/reset", headers=headers)).status_code == 200


SIMPLE = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
"""Content types that a web page may send to another origin without its permission."""


@pytest.mark.parametrize("content_type", [*SIMPLE, "application/geo+json", "", None])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/cache/registry/registrations", b'{"party": "90B3D51F30040000", "devices": "*"}'),
        ("/clock/advance", b'{"seconds": 1}'),
        ("/faults", b'{"kind": "no-reply"}'),
        ("/counters/reset", b"x=1"),
    ],
)
async def test_a_body_that_is_not_declared_as_json_is_refused(
    process: Process,
    client: httpx.AsyncClient,
    content_type: str | None,
    path: str,
    body: bytes,
) -> None:
    process.work()
    before = (await client.get("/cache/registry")).json()
    headers = {} if content_type is None else {"content-type": content_type}
    answer = await client.post(path, content=body, headers=headers)
    assert "content-type: application/json" in reason(answer, 415)
    assert (await client.get("/cache/registry")).json() == before
    assert process.clock.now() == UNIX_NOW
    assert not process.faults
    assert process.counters.total() == 5


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_may_be_declared_in_any_spelling(
    client: httpx.AsyncClient, content_type: str
) -> None:
    headers = {"content-type": content_type}
    answer = await client.post("/clock/advance", content=b'{"seconds": 1}', headers=headers)
    assert answer.status_code == 200


async def test_a_request_whose_client_left_is_dropped() -> None:
    """The part of the body that arrived may be valid JSON by accident."""
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"seconds": 1}', "more_body": True},
        {"type": "http.disconnect"},
    ]
    reached = False

    async def app(*_: object) -> None:
        nonlocal reached
        reached = True

    async def receive() -> Message:
        return messages.pop(0)

    async def send(_: Message) -> None:
        raise AssertionError("the client left")

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/clock/advance", "headers": headers}
    await Guard(app)(scope, receive, send)
    assert not reached
    assert not messages


async def test_a_long_body_is_not_read_to_its_end(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield bytes(1024)

    answer = await client.post("/faults", content=endless(), headers=JSON)
    assert "longer than" in reason(answer, 413)
    assert sent == MAX_BODY // 1024 + 1


async def test_ten_megabytes_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/faults", content=bytes(10_000_000), headers=JSON)
    assert "longer than" in reason(answer, 413)


async def test_an_internal_error_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret")

    transport = httpx.ASGITransport(Guard(broken))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert reason(await client.get("/x"), 500) == "internal error: RuntimeError"
    assert caplog.messages == ["GET /x failed: RuntimeError('secret')"]


@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS"]),
    path=st.sampled_from(
        [
            *("/", "/faults", "/faults/x", "/clock/advance", "/counters", "/meters/x", "/health"),
            *("//", "/cache", "/cache/entries", "/cache/registry", "/cache/registry/registrations"),
            *("/cache/registry/change-of-supplier", "/cache/registry/change-of-tenancy"),
        ]
    ),
    query=st.text(max_size=20),
    body=st.binary(max_size=60) | st.text('{}[]":,0123456789.eEN', max_size=30).map(str.encode),
)
async def test_any_request_gets_an_answer(method: str, path: str, query: str, body: bytes) -> None:
    async with Process().client() as client:
        answer = await client.request(
            method, path, params={"limit": query}, content=body, headers=JSON
        )
    assert answer.status_code < 500
    if answer.status_code >= 400 and method != "HEAD":
        assert reason(answer, answer.status_code)
