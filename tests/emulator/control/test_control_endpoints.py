"""The endpoints of process, meters and faults: what they show, and what they change."""

import asyncio
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from esme_emulator.control.meter_routes import registers_of
from esme_emulator.control.models import MAX_ADVANCE
from esme_emulator.device.logs import registers_row
from esme_emulator.device.meter import answer
from esme_emulator.device.model import meter_of
from esme_emulator.estate.estate import derived_estate
from esme_emulator.faults.kind import FAULTS
from esme_emulator.fleet.wan import WanLink
from esme_emulator.profiles import meter_profile, wan_profile
from esme_emulator.runtime.clock import parse_clock
from gbcs import decode
from gbcs.instants import parse_iso
from gbcs.tables.reading_services import READING_SERVICES, ReadingService
from tests.emulator.control.process import PARTY, Process
from tests.emulator.device.meters import TWIN_BLOCKS
from tests.support.estate import (
    ESTATE,
    KEYS,
    METER,
    OTHER_METER,
    SEED,
    STRANGER,
    UNIX_NOW,
    command,
    readings_in,
)

RECEIVED = {"stage": "received", "srv": "4.8.1", "outcome": "answered", "number": 2}
REPLIED = RECEIVED | {"stage": "replied"}
REFUSED = {"stage": "received", "srv": "4.6.1", "outcome": "bad-mac", "number": 1}


async def get(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_health_follows_the_connections(process: Process, client: httpx.AsyncClient) -> None:
    healthy = {
        "up": True,
        "broker": "127.0.0.1:1883",
        "connected": True,
        "lost": [],
        "fleet": True,
        "cache": True,
    }
    assert await get(client, "/health") == healthy
    process.cache_transport.is_connected = False
    answer = await client.get("/health")
    assert answer.status_code == 503
    down = healthy | {"up": False, "connected": False, "lost": ["cache: 1 of 1"]}
    assert answer.json() == down
    process.meters_transport.is_connected = False
    answer = await client.get("/health")
    assert answer.json() == down | {"lost": ["fleet: 1 of 1", "cache: 1 of 1"]}


async def test_fleet_is_described(process: Process, client: httpx.AsyncClient) -> None:
    await client.post("/faults", json={"kind": "no-reply", "name": "mute"})
    fleet = await get(client, "/fleet")
    shares = fleet.pop("profiles")
    assert fleet == {
        "meters": 5,
        "first": str(METER),
        "last": str(ESTATE.meters[-1]),
        "seed": SEED,
        "clock": "manual@2026-01-15T12:00:00Z",
        "faults": ["mute"],
        "strict": False,
        "latency": "none",
        "busy_seconds": 0.0,
        "wan": None,
    }
    assert {"profile", "title", "share"} == shares[0].keys()
    assert sum(share["share"] for share in shares) == pytest.approx(1)


async def test_fleet_shows_its_wan() -> None:
    process = Process(wan=WanLink(wan_profile("smets1-sms"), SEED))
    process.fleet.receive(METER, command("4.8.1")[1], UNIX_NOW)
    async with process.client() as client:
        wan = (await get(client, "/fleet"))["wan"]
    assert process.wan is not None
    assert wan == {"profile": "smets1-sms", **process.wan.tally.as_dict()}
    assert wan["commands"] == 1
    assert wan["sms"] > 0


async def test_meter_is_described(process: Process, client: httpx.AsyncClient) -> None:
    process.work()
    meter = await get(client, f"/meters/{METER}")
    assert meter["device"] == str(METER)
    assert meter["now"] == "2026-01-15T12:00:00Z"
    assert len(meter["tou_switching"]) == 48
    assert meter["counters"] == [RECEIVED, REPLIED]
    for register in meter["registers"].values():
        assert register["tou"] is None or sum(register["tou"]) == register["total"]


@pytest.mark.parametrize("device", ESTATE.meters, ids=str)
async def test_registers_at_midnight_equal_the_daily_reading(device: Any) -> None:
    process = Process(parse_clock("manual@2026-01-15"))
    parsed, _ = command("4.6.1", device=device)
    reply = answer(SEED, parsed, KEYS, process.clock.now(), lambda: 0)
    assert reply.octets is not None
    row = readings_in(decode(reply.octets, KEYS), "4.6.1")[-1]
    async with process.client() as client:
        shown = (await get(client, f"/meters/{device}"))["registers"]
    assert shown["active_import"]["total"] == row["primary" if "primary" in row else "import"]


def test_registers_equal_those_that_the_meter_logs() -> None:
    now = parse_iso("2026-01-15T12:00:00Z")
    [device] = derived_estate("registers", 1).meters
    shipped = map(meter_profile, ("single", "single-economy-7", "single-blocks", "twin"))
    for kind in (*shipped, TWIN_BLOCKS):
        meter = meter_of("registers", device, (kind,))
        registers = registers_of(meter, now)
        shown = registers["active_import"]
        row = registers_row(meter, now)
        tou = row[2] if meter.secondary is None else row[3]
        assert shown.total == row[1] > 0
        assert shown.tou == list(tou[: len(shown.tou or ())])
        assert sum(tou) == sum(shown.tou or ()) == (0 if meter.block_thresholds else shown.total)
        if meter.secondary is not None:
            second = registers["active_import_secondary"]
            assert second.total == row[2] == sum(second.tou or ()) > 0
            assert second.tou == list(row[4][: len(second.tou or ())])


async def test_an_eui_may_have_hyphens_and_lower_case(client: httpx.AsyncClient) -> None:
    text = "-".join(str(METER)[place : place + 2].lower() for place in range(0, 16, 2))
    assert (await get(client, f"/meters/{text}"))["device"] == str(METER)


async def test_counters_are_shown(process: Process, client: httpx.AsyncClient) -> None:
    process.work()
    counters = await get(client, "/counters")
    assert counters["device_hits"] == 3
    assert counters["totals"] == [REFUSED, RECEIVED, REPLIED]
    assert counters["meters"] == [
        REFUSED | {"device": str(OTHER_METER)},
        RECEIVED | {"device": str(METER)},
        REPLIED | {"device": str(METER)},
    ]
    assert not counters["left_off"]


@pytest.mark.parametrize(
    ("query", "totals", "meters"),
    [
        ("srv=4.8.1", [RECEIVED, REPLIED], 2),
        ("stage=received", [REFUSED, RECEIVED], 2),
        ("outcome=bad-mac", [REFUSED], 1),
        (f"device={METER}", [RECEIVED, REPLIED], 2),
        (f"device={METER}&stage=replied", [REPLIED], 1),
        ("limit=2", [REFUSED, RECEIVED, REPLIED], 2),
        ("limit=0", [REFUSED, RECEIVED, REPLIED], 0),
    ],
)
async def test_counters_are_filtered(
    process: Process, client: httpx.AsyncClient, query: str, totals: list[Any], meters: int
) -> None:
    process.work()
    counters = await get(client, f"/counters?{query}")
    assert counters["totals"] == totals
    received = [total for total in totals if total["stage"] == "received"]
    if "stage=" not in query:  # what is not received is no hit
        assert counters["device_hits"] == sum(total["number"] for total in received)
    assert len(counters["meters"]) == meters
    assert counters["left_off"] == query.startswith("limit")


async def test_counters_are_reset(process: Process, client: httpx.AsyncClient) -> None:
    process.work()
    nothing = {"device_hits": 0, "totals": [], "meters": [], "left_off": False}
    assert (await client.post("/counters/reset")).json() == nothing
    assert await get(client, "/counters") == nothing
    assert (await get(client, "/cache"))["requests"] == 4


async def test_cache_shows_its_ledger(process: Process, client: httpx.AsyncClient) -> None:
    assert (await get(client, "/cache"))["avoided_ratio"] is None
    process.work()
    process.ledger.retries = 1
    assert (await get(client, "/cache"))["avoided_ratio"] == pytest.approx(1 / 3)
    process.ledger.retries = 0
    cache = await get(client, "/cache")
    del cache["settings"], cache["store"], cache["hits"]
    assert cache == {
        "requests": 4,
        "undecided": 1,
        "avoided_ratio": pytest.approx(2 / 3),
        "retries": 0,
        "shadow": 0,
        "shadow_outcomes": {},
        "shadow_compared": 0,
        "shadow_different": 0,
        "shadow_difference_ratio": None,
        "by_party": [
            {"party": str(PARTY), "srv": "4.8.1", "decision": "hits", "number": 1},
            {"party": str(PARTY), "srv": "4.8.1", "decision": "collapsed", "number": 1},
            {"party": None, "srv": "4.8.1", "decision": "forwarded", "number": 1},
        ],
        "decisions": [
            {"srv": "4.8.1", "decision": decision, "number": 1}
            for decision in ("collapsed", "forwarded", "hits")
        ],
        "reasons": {"bad-mac": 1},
    }


# faults


async def test_rules_are_added_and_removed(process: Process, client: httpx.AsyncClient) -> None:
    answer = await client.post("/faults", json={"kind": "late-reply", "seconds": 90})
    assert answer.status_code == 201
    rule = answer.json()["rule"]
    assert rule["name"] == "late-reply-1"
    assert not answer.json()["warnings"]
    again = await client.post("/faults", json={"kind": "late-reply"})
    assert again.json()["rule"]["name"] == "late-reply-2"

    await client.post("/faults", json={"kind": "no-reply", "name": "mute", "calls": "2"})
    rules = await get(client, "/faults")
    assert [rule["name"] for rule in rules["rules"]] == ["late-reply-1", "late-reply-2", "mute"]
    process.suffer(1)
    process.suffer(2)
    fired = (await get(client, "/faults"))["fired"]
    assert fired == {"late-reply-1": 1, "late-reply-2": 1, "mute": 1}
    log = await get(client, "/faults/log?limit=2")
    assert log["total"] == 3
    assert [one["rule"] for one in log["fired"]] == ["mute", "late-reply-2"]
    assert log["fired"][0]["device"] == str(METER)
    assert log["fired"][0]["time"].startswith("2026-01-15T12:00:00")

    assert (await client.delete("/faults/late-reply-1")).json() == {"removed": 1}
    assert (await client.delete("/faults/late-reply-1")).status_code == 404
    assert (await client.delete("/faults")).json() == {"removed": 2}
    assert not process.faults
    assert (await get(client, "/faults/log"))["total"] == 3


async def test_a_shown_rule_can_be_added_again(client: httpx.AsyncClient) -> None:
    for kind in FAULTS:
        answer = await client.post("/faults", json={"kind": kind, "meters": "00DBE5*"})
        assert answer.status_code == 201, answer.text
    rules = (await get(client, "/faults"))["rules"]
    await client.delete("/faults")
    for rule in rules:
        assert (await client.post("/faults", json=rule)).json()["rule"] == rule


async def test_a_rule_that_matches_nothing_has_a_warning(client: httpx.AsyncClient) -> None:
    rule = {"kind": "no-reply", "meters": str(STRANGER)}
    warnings = (await client.post("/faults", json=rule)).json()["warnings"]
    assert len(warnings) == 1
    assert "is not a meter of this fleet" in warnings[0]
    rule = {"kind": "no-reply", "profile": ["twin", "mine"]}
    answer = (await client.post("/faults", json=rule)).json()
    assert answer["rule"]["profile"] == ["twin", "mine"]
    assert "profile: no meter of this fleet is mine; there are " in answer["warnings"][-1]


@pytest.mark.parametrize("service", READING_SERVICES, ids=lambda service: service.srv)
async def test_a_rule_for_an_answered_srv_has_no_warning(
    service: ReadingService, process: Process, client: httpx.AsyncClient
) -> None:
    answer = await client.post("/faults", json={"kind": "no-reply", "srvs": service.srv})
    kinds = {meter_of(SEED, meter).profile.variant for meter in ESTATE.meters}
    assert (answer.json()["warnings"] == []) is bool(kinds.intersection(service.meters))


async def test_fault_kinds_are_described(client: httpx.AsyncClient) -> None:
    described = await get(client, "/faults/kinds")
    assert [kind["kind"] for kind in described["kinds"]] == list(FAULTS)
    assert "probability" in [selector["key"] for selector in described["selectors"]]


# the clock


async def test_a_manual_clock_advances(process: Process, client: httpx.AsyncClient) -> None:
    woken: list[float] = []

    async def sleeper() -> None:
        await process.clock.sleep(60)
        woken.append(process.clock.now())

    sleeping = asyncio.create_task(sleeper())
    await asyncio.sleep(0)
    assert await get(client, "/clock") == {
        "clock": "manual@2026-01-15T12:00:00Z",
        "now": "2026-01-15T12:00:00Z",
        "unix": UNIX_NOW,
        "manual": True,
        "factor": 1.0,
    }
    answer = await client.post("/clock/advance", json={"seconds": 90.5})
    assert answer.json()["now"] == "2026-01-15T12:01:30.500000Z"
    await sleeping
    assert woken == [UNIX_NOW + 60]


@pytest.mark.parametrize("text", ["system", "scaled:3600"])
async def test_other_clocks_do_not_advance(text: str) -> None:
    process = Process(parse_clock(text))
    async with process.client() as client:
        assert (await get(client, "/clock"))["clock"].startswith(text)
        answer = await client.post("/clock/advance", json={"seconds": 1})
    assert answer.status_code == 409
    assert "only a manual one can be advanced" in answer.json()["error"]


async def test_a_clock_does_not_advance_past_its_end() -> None:
    async with Process(parse_clock("manual@2136-02-01")).client() as client:
        answer = await client.post("/clock/advance", json={"seconds": MAX_ADVANCE})
    assert answer.status_code == 409
    assert "up to 2136-02-07" in answer.json()["error"]


# metrics


async def samples(client: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    """Return values by name and labels, in order of the names of the labels."""
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *[value for _, value in sorted(sample.labels.items())]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_metrics_show_the_counters(process: Process, client: httpx.AsyncClient) -> None:
    process.work()
    await client.post("/faults", json={"kind": "late-reply", "name": "late"})
    process.suffer(1)
    found = await samples(client)
    apart = "s1sp_hit_age", "esme_transport"
    assert {name: found[name] for name in found if not name[0].startswith(apart)} == {
        ("esme_up",): 1,
        ("esme_broker_connected",): 1,
        ("esme_clock_seconds",): UNIX_NOW,
        ("esme_meters",): 5,
        ("esme_commands_received_total", "answered", "4.8.1"): 2,
        ("esme_commands_received_total", "bad-mac", "4.6.1"): 1,
        ("esme_replies_sent_total", "answered", "4.8.1"): 2,
        ("esme_faults_fired_total", "late-reply", "late"): 1,
        ("esme_busy_seconds_total",): 0,
        ("s1sp_requests_total",): 4,
        ("s1sp_retries_total",): 0,
        ("s1sp_shadow_total",): 0,
        ("s1sp_shadow_compared_total",): 0,
        ("s1sp_shadow_differences_total",): 0,
        ("s1sp_decisions_total", "collapsed", "4.8.1"): 1,
        ("s1sp_decisions_total", "forwarded", "4.8.1"): 1,
        ("s1sp_decisions_total", "hits", "4.8.1"): 1,
        ("s1sp_reasons_total", "bad-mac"): 1,
        ("s1sp_store_up",): 1,
        ("s1sp_store_entries",): 0,
        ("s1sp_store_octets",): 0,
        ("s1sp_store_evicted_total",): 0,
        ("s1sp_store_unreadable_total",): 0,
    }
    process.work()
    process.meters_transport.is_connected = False
    later = await samples(client)
    assert later["esme_commands_received_total", "answered", "4.8.1"] == 4
    assert later["esme_broker_connected",] == 0


async def test_metrics_show_connections(process: Process, client: httpx.AsyncClient) -> None:
    process.meters_transport.counters.refused = 2
    process.cache_transport.counters.reconnections = 3
    found = await samples(client)
    assert found["esme_transport_messages_total", "refused", "fleet"] == 2
    assert found["esme_transport_messages_total", "refused", "cache"] == 0
    assert found["esme_transport_reconnections_total", "cache"] == 3
    assert found["esme_transport_reconnections_total", "fleet"] == 0


async def test_metrics_show_the_ages_of_hits(process: Process, client: httpx.AsyncClient) -> None:
    process.work()
    process.work()
    found = await samples(client)
    assert found["s1sp_hit_age_seconds_bucket", "3600.0"] == 0
    assert found["s1sp_hit_age_seconds_bucket", "21600.0"] == 2
    assert found["s1sp_hit_age_seconds_bucket", "+Inf"] == 2
    assert found["s1sp_hit_age_seconds_count",] == 2
    assert found["s1sp_hit_age_seconds_sum",] == 2 * 5_400


async def test_metrics_show_different_shadows(process: Process, client: httpx.AsyncClient) -> None:
    process.ledger.shadow = 5
    process.ledger.reasons.update({"shadow-equal": 3, "shadow-different": 1, "shadow-no-reply": 1})
    cache = await get(client, "/cache")
    assert cache["shadow_outcomes"] == {"different": 1, "equal": 3, "no-reply": 1}
    figures = [cache[f"shadow{name}"] for name in ("", "_compared", "_different")]
    assert (figures, cache["shadow_difference_ratio"]) == ([5, 4, 1], 0.25)
    found = await samples(client)
    assert found["s1sp_shadow_total",] == 5
    assert found["s1sp_shadow_compared_total",] == 4
    assert found["s1sp_shadow_difference_ratio",] == 0.25
    assert found["s1sp_shadow_differences_total",] == 1


async def test_metrics_show_the_wan() -> None:
    process = Process(wan=WanLink(wan_profile("smets1-sms"), SEED))
    process.fleet.receive(METER, command("4.8.1")[1], UNIX_NOW)
    async with process.client() as client:
        found = await samples(client)
    assert process.wan is not None
    tally = process.wan.tally
    assert found["esme_wan_messages_total", "down"] == tally.commands == 1
    assert found["esme_wan_messages_total", "up"] == tally.replies
    assert found["esme_wan_octets_total", "down"] == tally.octets_down > 0
    assert found["esme_wan_octets_total", "up"] == tally.octets_up
    assert found["esme_wan_lost_total", "down"] == tally.lost_commands
    assert found["esme_wan_lost_total", "up"] == tally.lost_replies
    assert found["esme_wan_radio_seconds_total",] == pytest.approx(tally.radio_seconds)
    assert found["esme_wan_wakes_total",] == tally.wakes == 1
    assert found["esme_wan_sms_total",] == tally.sms > 0


async def test_metrics_leave_out_parts_that_do_not_run(process: Process) -> None:
    process.work()
    async with process.client(cache=False) as client:
        assert not [name for name, *_ in await samples(client) if name.startswith("s1sp")]
    async with process.client(fleet=False) as client:
        names = {name for name, *_ in await samples(client)}
    assert names & {"esme_meters", "esme_commands_received_total"} == set()
    assert "s1sp_requests_total" in names


# parts that do not run in this process


@pytest.mark.parametrize(
    "path", ["/fleet", f"/meters/{METER}", "/counters", "/faults", "/faults/log"]
)
async def test_a_process_without_meters_answers_404(process: Process, path: str) -> None:
    async with process.client(fleet=False) as client:
        answer = await client.get(path)
        assert not (await get(client, "/health"))["fleet"]
    assert (answer.status_code, answer.json()) == (404, {"error": "no meters run in this process"})


@pytest.mark.parametrize(
    "path",
    [
        *("/cache", "/cache/entries", "/cache/replies", "/cache/registry"),
        f"/cache/registry?device={METER}",
    ],
)
async def test_a_process_without_a_cache_answers_404(process: Process, path: str) -> None:
    async with process.client(cache=False) as client:
        answer = await client.get(path)
        assert not (await get(client, "/health"))["cache"]
    assert (answer.status_code, answer.json()) == (404, {"error": "no cache runs in this process"})
