"""A proof passes if the cache keeps its promises, and fails with a reason if it does not.

Each test of a failure changes one seam, which its docstring names.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import esme_emulator.cache.policy.replies as replies_module
import esme_emulator.proof.bench as bench_module
from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy.effects import Forward, Reply
from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.reads import build_reply
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.cache.service import CacheService
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.cli.render.proof import proof_table, rules_table
from esme_emulator.device.logs import buffer
from esme_emulator.estate.estate import derived_estate
from esme_emulator.faults.engine import FaultFired
from esme_emulator.fleet.counters import Stage
from esme_emulator.fleet.fleet import CommandReceived, Fleet, Receipt
from esme_emulator.messaging.topics import CACHED, DIRECT, command_topic
from esme_emulator.proof.bench import Bench
from esme_emulator.proof.report.ci import markdown
from esme_emulator.proof.report.page import page
from esme_emulator.proof.result import ProofResult
from esme_emulator.proof.run import VARIANTS
from esme_emulator.proof.run_record import Exchange, FleetObserver, Run
from esme_emulator.proof.side_by_side import of_seeds
from esme_emulator.runtime.tasks import Tasks
from esme_emulator.scenario.file import load_scenario, resized
from esme_emulator.scenario.supply import Supply, estate_of
from esme_emulator.scenario.workload import planned_changes
from esme_emulator.transport import MemoryBroker, connect
from gbcs import EUI, decode, encode
from gbcs.instants import DAY, EPOCH_UNIX, to_date_time
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import Window, buffer_of, rows_of
from tests.emulator.proof.proving import (
    IN_BOTH_WAYS,
    PAGE,
    SHIPPED,
    as_shipped,
    lines_of,
    prove,
    proved,
    rows,
    runs_of,
    small,
    unmet,
)
from tests.support.embedded import EMBEDDED, embedded
from tests.support.mosquitto import Mosquitto


def shown(result: ProofResult) -> str:
    text = io.StringIO()
    proof_table(result, Console(file=text, width=200))
    return text.getvalue()


def check_page(result: ProofResult) -> None:
    """Check that docs/proof.md has the figures of a shipped scenario."""
    table = rows(PAGE.split("## Shipped scenarios")[1].split("## A scenario")[0])
    assert set(table) == set(SHIPPED)
    assert table[result.scenario][:-1] == [
        f"{result.meters:,}",
        f"{result.requests:,}",
        f"{result.device_hits_direct:,}",
        f"{result.device_hits_cached:,}",
        f"{100 * result.avoided_ratio:.1f} %",
        f"{result.hits:,}",
        f"{result.collapsed:,}",
        f"{result.refused:,}",
        f"{result.failed:,}",
        f"{result.unanswered:,}",
    ]
    if result.scenario == "sms-wake":
        for spent in (result.spent_direct, result.spent_cached):
            assert f"{spent.sms:,}" in PAGE
            assert f"£{spent.pounds:.2f}" in PAGE


async def test_the_latency_of_meters_can_come_from_a_file(tmp_path: Path) -> None:
    measured = tmp_path / "measured.csv"
    measured.write_text("3\n3\n")
    scenario = small("quickstart")
    fleet = replace(scenario.fleet, latency=f"empirical:{measured}")
    result = await prove(replace(scenario, fleet=fleet))
    assert result.latency.direct.p50 == 3000.0
    assert result.passed


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_scenario_passes_and_its_numbers_add_up(name: str) -> None:
    result = as_shipped(name)
    assert result.passed
    assert unmet(result) == set()
    assert (result.ledger_difference, result.ledger_lines) == (0, ())
    assert result.replies_different == 0
    decided = (result.hits, result.collapsed, result.forwarded, result.refused, result.failed)
    assert result.requests == sum(decided)
    assert result.device_hits_cached == result.forwarded + result.retries + result.shadow
    for accounts in (result.by_srv, result.by_party):
        assert sum(item.requests for item in accounts) == result.requests
        assert sum(item.hits for item in accounts) == result.hits
        assert sum(item.device_hits_cached for item in accounts) == result.device_hits_cached
        assert sum(item.device_hits_direct for item in accounts) == result.device_hits_direct
        for item in accounts:
            told = (item.hits, item.collapsed, item.forwarded, item.refused, item.failed)
            assert item.requests == sum(told)
            assert item.forwarded == item.device_hits_cached
    assert sum(item.direct for item in result.over_time) == result.device_hits_direct
    assert sum(item.cached for item in result.over_time) == result.device_hits_cached
    assert sum(result.distribution.hit) > 0
    assert result.latency.hit.p99 == 0
    for measured in (result.latency.direct, result.latency.miss):
        assert measured.p50 is not None
        assert measured.p99 is not None
        assert 0 < measured.p50 <= measured.p99
    assert "PASSED" in shown(result)
    check_page(result)


@pytest.mark.parametrize("name", SHIPPED)
async def test_a_rerun_is_identical(name: str) -> None:
    first, second = await prove(small(name)), await prove(small(name))
    assert first.passed
    assert first.as_json() == second.as_json()
    other = await prove(resized(small(name), "another", None))
    assert other.as_dict()["over_time"] != first.as_dict()["over_time"]


@pytest.mark.processes
@pytest.mark.parametrize("name", ["retry-storm", "settlement-morning"])
async def test_a_real_broker_gives_the_same_figures(name: str, tmp_path: Path) -> None:
    scenario = small(name, 5)
    expected = (await prove(scenario)).as_json()
    for embedded_name in EMBEDDED:
        async with embedded(embedded_name) as url:
            assert (await prove(scenario, url)).as_json() == expected
    with Mosquitto(tmp_path) as mosquitto:
        assert (await prove(scenario, mosquitto.url)).as_json() == expected


@pytest.mark.parametrize("name", SHIPPED)
@IN_BOTH_WAYS
async def test_it_fails_when_the_cache_is_disabled(name: str, in_process: bool) -> None:
    """Seam: the scenario, whose cache has no SRV to answer."""
    scenario = small(name)
    result = await prove(
        replace(scenario, cache=replace(scenario.cache, srvs=())), in_process=in_process
    )
    assert not result.passed
    assert result.hits == 0
    assert "avoided_ratio" in unmet(result)
    assert result.ledger_difference == 0
    assert "avoided_ratio is" in shown(result)


@pytest.mark.parametrize("name", SHIPPED)
async def test_it_fails_when_the_cache_is_bypassed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seam: the topic prefix of the second run."""
    monkeypatch.setattr(bench_module, "CACHED", DIRECT)
    result = await prove(small(name))
    assert not result.passed
    assert unmet(result) >= {"ledger_difference", "avoided_ratio"}
    assert any(line.endswith("sent, and not decided by the cache") for line in result.ledger_lines)
    assert "FAILED" in shown(result)
    assert result.ledger_lines[0] in shown(result)


@IN_BOTH_WAYS
async def test_it_fails_when_the_cache_stores_nothing(
    monkeypatch: pytest.MonkeyPatch, in_process: bool
) -> None:
    """Seam: the store."""

    class Forgetful(MemoryStore):
        def at_hand(self, key: Key) -> Entry | None:
            return None

    monkeypatch.setattr(bench_module, "MemoryStore", Forgetful)
    result = await prove(small("quickstart"), in_process=in_process)
    assert not result.passed
    assert unmet(result) == {"avoided_ratio"}


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("place", [-1, -40])
@IN_BOTH_WAYS
async def test_it_fails_when_the_octets_of_one_reply_of_the_cache_are_altered(
    name: str, place: int, monkeypatch: pytest.MonkeyPatch, in_process: bool
) -> None:
    """Seam: the function that builds the cache's replies."""
    minted = 0

    def alter_one(*args: Any) -> bytes:
        nonlocal minted
        minted += 1
        octets = bytearray(build_reply(*args))
        if minted == 3:
            octets[place] ^= 1
        return bytes(octets)

    monkeypatch.setattr(replies_module, "build_reply", alter_one)
    result = await prove(small(name), in_process=in_process)
    assert not result.passed
    assert result.replies_different == 1
    assert "replies_different" in unmet(result)


@pytest.mark.parametrize("name", SHIPPED)
@IN_BOTH_WAYS
async def test_it_fails_when_the_octets_of_one_reply_of_a_meter_are_altered(
    name: str, monkeypatch: pytest.MonkeyPatch, in_process: bool
) -> None:
    """Seam: the fleet, whose first prompt reply without a fault is altered."""
    altered = 0

    class Careless(Fleet):
        def receive(self, device: EUI, octets: bytes, now: float) -> Receipt:
            nonlocal altered
            fired: list[FaultFired] = []
            unsubscribe = self.events.subscribe(FaultFired, fired.append)
            receipt = super().receive(device, octets, now)
            unsubscribe()
            if altered or fired or not receipt.replies or receipt.replies[0].due > now + 9:
                return receipt
            altered += 1
            [reply] = receipt.replies
            wrong = reply.octets[:-1] + bytes((reply.octets[-1] ^ 1,))
            return replace(receipt, replies=(replace(reply, octets=wrong),))

    monkeypatch.setattr(bench_module, "Fleet", Careless)
    result = await prove(small(name), in_process=in_process)
    assert not result.passed
    assert result.replies_different == 1


@IN_BOTH_WAYS
async def test_it_fails_when_the_cache_serves_another_meters_readings(
    monkeypatch: pytest.MonkeyPatch, in_process: bool
) -> None:
    """Seam: the store, which returns authentic readings of another meter."""

    class MixedUp(MemoryStore):
        def at_hand(self, key: Key) -> Entry | None:
            found = super().at_hand(key)
            others = [
                entry
                for other, entry in self._entries.items()
                if other.srv == key.srv and other.device != key.device
            ]
            return found and others[0] if others else found

    monkeypatch.setattr(bench_module, "MemoryStore", MixedUp)
    result = await prove(small("quickstart"), in_process=in_process)
    assert result.replies_different > 0
    assert unmet(result) == {"replies_different"}


@IN_BOTH_WAYS
async def test_it_fails_when_an_authentic_reply_has_other_octets_than_the_meters(
    monkeypatch: pytest.MonkeyPatch, in_process: bool
) -> None:
    """Seam: the function that builds the cache's replies; it adds a time to one of them."""
    minted = 0

    def add_a_time(command: Any, read: Any, readings: Any, keystore: Any, own: Any) -> bytes:
        nonlocal minted
        minted += 1
        octets = build_reply(command, read, readings, keystore, own)
        if minted != 3:
            return octets
        reply = replace(decode(octets), transaction_time=to_date_time(800_000_000), mac=b"")
        return encode(reply, keystore)

    monkeypatch.setattr(replies_module, "build_reply", add_a_time)
    result = await prove(small("quickstart"), in_process=in_process)
    assert unmet(result) == {"replies_different"}
    assert result.replies_different == 1


@IN_BOTH_WAYS
async def test_it_fails_when_meters_give_wrong_readings(
    monkeypatch: pytest.MonkeyPatch, in_process: bool
) -> None:
    """Seam: the judge's true readings, with another last octet. Only a sample is compared."""

    def wrong(*args: Any) -> bytes:
        octets = buffer(*args)
        return octets[:-1] + bytes((octets[-1] ^ 1,))

    monkeypatch.setattr("esme_emulator.proof.judge.buffer", wrong)
    result = await prove(small("quickstart"), in_process=in_process)
    assert unmet(result) == {"replies_different"}
    assert 0 < result.replies_different < result.replies_compared


@pytest.mark.parametrize("name", SHIPPED)
@IN_BOTH_WAYS
async def test_it_fails_when_one_device_hit_is_not_counted(
    name: str, monkeypatch: pytest.MonkeyPatch, in_process: bool
) -> None:
    """Seam: the fleet, which does not count its seventh command of each run."""

    class Discreet(Fleet):
        seen = 0

        def receive(self, device: EUI, octets: bytes, now: float) -> Receipt:
            receipt = super().receive(device, octets, now)
            self.seen += 1
            if self.seen == 7:
                self.counters.count(Stage.RECEIVED, device, receipt.srv, receipt.outcome, -1)
            return receipt

    monkeypatch.setattr(bench_module, "Fleet", Discreet)
    result = await prove(small(name), in_process=in_process)
    assert not result.passed
    assert result.ledger_difference == 2
    assert "ledger_difference is 2 and must be == 0" in shown(result)


@pytest.mark.parametrize("name", SHIPPED)
@IN_BOTH_WAYS
async def test_it_fails_and_names_the_request_when_one_device_hit_is_hidden(
    name: str, monkeypatch: pytest.MonkeyPatch, in_process: bool
) -> None:
    """Seam: the fleet, which hides its seventh command of each run."""
    hidden: list[str] = []

    class Secretive(FleetObserver):
        seen = 0

        def note(self, event: CommandReceived) -> None:
            super().note(event)
            self.seen += 1
            if self.seen == 7:
                counters = self.fleet.counters
                counters.count(Stage.RECEIVED, event.device, event.srv, event.outcome, -1)
                exchange = self.record.of_octets(event.device, event.octets)
                assert exchange is not None
                hidden.append(str(exchange.received.pop().request))
                self.record.commands -= 1

    monkeypatch.setattr(bench_module, "FleetObserver", Secretive)
    result = await prove(small(name), in_process=in_process)
    assert not result.passed
    assert result.ledger_difference == 2
    direct, cached = hidden
    assert f"{direct} was sent, and not received by the meter" in result.ledger_lines[0]
    assert f"{cached} was forwarded, and not received by the meter" in result.ledger_lines[1]


async def test_it_fails_and_names_the_command_if_another_cache_is_on_the_broker() -> None:
    """Seam: a client that forwards the parties' commands to the meters."""
    broker = MemoryBroker()

    def send_on(topic: str, octets: bytes, _: object) -> None:
        other = topic.replace(f"{CACHED}/", f"{DIRECT}/")
        tasks.start(transport.publish(other, octets))

    taken = {command_topic(CACHED, "+"): send_on}
    async with (
        connect(broker, client_id="other-cache", subscriptions=taken) as transport,
        Tasks() as tasks,
    ):
        proof = await proved(small("quickstart", 2), broker)
    result = proof.result
    assert not result.passed
    assert result.ledger_difference == result.requests
    [line] = result.ledger_lines
    assert re.search(
        r": SRV 4\.\S+ of 00DBE5\S+ for 90B3D51F\S+, counter \d+ was received by", line
    )
    assert "18 such commands are not among the cache's 0 retries" in line
    assert "is another cache, fleet or proof on this broker?" in line
    hits = [line for line in lines_of(proof.evidence) if line.decision == "hits"]
    assert {line.received for line in hits} == {1}


async def test_it_fails_and_names_the_command_if_another_client_is_on_the_broker() -> None:
    """Seam: a client that reads a meter once in each run."""
    broker = MemoryBroker()
    estate = derived_estate("1", 2)
    party = estate.parties(counter=777)[0]
    meter, window = estate.meters[0], Window(0, DAY)
    asked: list[str] = []

    def ask(topic: str, _octets: bytes, _: object) -> None:
        if topic.split("/")[0] not in asked:
            asked.append(topic.split("/")[0])
            _, octets = party.command(meter, "4.8.1", window)
            tasks.start(transport.publish(command_topic(DIRECT, meter), octets))

    taken = {command_topic(prefix, "+"): ask for prefix in (DIRECT, CACHED)}
    async with (
        connect(broker, client_id="stranger", subscriptions=taken) as transport,
        Tasks() as tasks,
    ):
        proof = await proved(small("quickstart", 2), broker)
    assert proof.result.ledger_difference == 2
    for line, counter in zip(proof.result.ledger_lines, (777, 778), strict=True):
        told = f"SRV 4.8.1 of {meter} for {party.eui}, counter {counter} was received by the meter"
        assert f"{told}, and never sent: another client is on this broker" in line
    strangers = [line for line in lines_of(proof.evidence) if line.request is None]
    assert [(line.run, line.counter, line.received) for line in strangers] == [
        ("direct", 777, 1),
        ("cached", 778, 1),
    ]


@pytest.mark.parametrize(
    ("decision", "says"),
    [
        (Decision.HIT, "was answered by the cache, and no reply came to its party"),
        (Decision.FORWARDED, "was answered by its meter, and no reply came to its party"),
    ],
)
async def test_it_fails_when_a_counted_reply_does_not_arrive(
    decision: Decision, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seam: the cache's service, which does not publish one reply to a party."""
    publish = CacheService._publish
    replies = 0

    def forgetful(self: CacheService, effect: Forward | Reply) -> None:
        nonlocal replies
        if isinstance(effect, Reply) and (decision is Decision.HIT) == ("hit" in effect.status):
            replies += 1
            if replies == 2:
                return
        publish(self, effect)

    monkeypatch.setattr(CacheService, "_publish", forgetful)
    result = await prove(small("change-of-supplier"))
    assert not result.passed
    assert result.ledger_difference == 1
    assert says in result.ledger_lines[0]
    assert result.unanswered == 1


@pytest.mark.parametrize("name", SHIPPED)
@IN_BOTH_WAYS
async def test_it_fails_and_says_so_when_nothing_was_measured(
    name: str, monkeypatch: pytest.MonkeyPatch, in_process: bool
) -> None:
    """Seam: the workload, which is empty."""
    monkeypatch.setattr("esme_emulator.proof.parts.arrivals_of", lambda *_: iter(()))
    result = await prove(small(name), in_process=in_process)
    assert not result.passed
    assert (result.requests, result.replies_compared) == (0, 0)
    verdict = shown(result).split("FAILED")[1]
    assert "nothing was measured" in verdict


async def test_it_fails_without_thresholds() -> None:
    result = await prove(replace(small("quickstart", 1), thresholds=()))
    assert result.replies_compared > 0
    assert not result.passed


# Entitlement


async def test_both_runs_refuse_the_same_and_no_supplier_reads_anothers_days(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = runs_of(monkeypatch)
    replies: list[tuple[Exchange, bytes]] = []
    take_reply = Run.take_reply

    def noted(run: Run, exchange: Exchange, message: Any, octets: bytes, now: float) -> None:
        replies.append((exchange, octets))
        take_reply(run, exchange, message, octets, now)

    monkeypatch.setattr(Run, "take_reply", noted)
    scenario = small("change-of-supplier", 20)
    result = await prove(scenario)
    direct, cached = runs
    assert result.passed
    refused = [item.request for item in direct.record.exchanges() if not item.attempts]
    assert len(refused) == result.refused > 0
    decided = [
        request for request, decision in cached.record.decisions() if decision is Decision.REFUSED
    ]
    assert sorted(decided) == sorted(refused)
    meters = {item.request.device for item in direct.record.exchanges()}
    supply = Supply(scenario, estate_of(scenario))
    changed = {
        change.device: int(change.time - EPOCH_UNIX) // DAY * DAY
        for change in planned_changes(scenario, supply, sorted(meters))
        if change.kind == "supplier"
    }
    assert changed
    seen = {"import-supplier": 0, "new-supplier": 0}
    for exchange, octets in replies:
        planned = exchange.planned
        if planned.party not in seen:
            continue
        log = BY_SRV[planned.key.srv]
        readings = buffer_of(decode(octets, derived_estate("1", 20).keystore), log)
        assert isinstance(readings, bytes)
        rows = rows_of(log, readings)
        change = changed.get(planned.key.device)
        for row in rows:
            if planned.party == "new-supplier":
                assert change is not None
                assert row["time"] >= change
            elif change is not None:
                assert row["time"] < change + DAY, "the day of the change is in both"
        seen[planned.party] += len(rows)
    assert all(seen.values())


@IN_BOTH_WAYS
async def test_it_fails_when_the_cache_refuses_nobody(
    monkeypatch: pytest.MonkeyPatch, in_process: bool
) -> None:
    """Seam: the registry of the cache, which refuses nobody."""

    def lenient(self: Bench, meters: Sequence[EUI]) -> Registry:
        registry = self._supply.registry(meters)
        registry.check = lambda *_: None  # type: ignore[method-assign]
        return registry

    monkeypatch.setattr(Bench, "_cache_registry", lenient)
    result = await prove(small("change-of-supplier"), in_process=in_process)
    assert not result.passed
    assert result.replies_different > 0
    assert {"refused", "replies_different"} <= unmet(result)


@IN_BOTH_WAYS
async def test_it_fails_when_the_cache_refuses_everybody(
    monkeypatch: pytest.MonkeyPatch, in_process: bool
) -> None:
    """Seam: the registry of the cache, which refuses everybody."""

    def strict(self: Bench, meters: Sequence[EUI]) -> Registry:
        registry = self._supply.registry(meters)
        registry.check = lambda *_: "not-registered"  # type: ignore[method-assign]
        return registry

    monkeypatch.setattr(Bench, "_cache_registry", strict)
    result = await prove(small("change-of-supplier", 20), in_process=in_process)
    assert result.refused == result.requests
    assert "unanswered_ratio" in unmet(result)


# Comparison of caching rules


async def compared(name: str, meters: int, **cache: Any) -> dict[str, ProofResult]:
    scenario = small(name, meters)
    scenario = replace(scenario, cache=replace(scenario.cache, **cache))
    variants = [(rule, replace(scenario.cache, **changed)) for rule, changed in VARIANTS]
    return dict((await proved(scenario, variants=variants)).results)


async def test_caching_rules_differ_in_the_settlement_morning() -> None:
    found = await compared("settlement-morning", 20)
    rule, literal = found["as in the scenario"], found["literal"]
    assert rule.passed
    assert literal.replies_different > 0
    assert literal.device_hits_cached < rule.device_hits_cached
    assert found["sub-window"].hits > rule.hits
    assert found["no collapse"].device_hits_cached > rule.device_hits_cached
    assert found["no collapse"].collapsed == 0 < rule.collapsed
    for name, result in found.items():
        assert result.ledger_difference == 0
        assert result.device_hits_direct == rule.device_hits_direct
        assert result.replies_different == 0 or name == "literal"
    text = io.StringIO()
    rules_table(
        of_seeds([25.0] * len(found), [list(found.items())]),
        "title",
        Console(file=text, width=200),
    )
    lines = {name: line for name in found for line in text.getvalue().splitlines() if name in line}
    for name, result in found.items():
        assert f" {result.device_hits_cached:,} " in lines[name]
        assert f" {result.replies_different:,} " in lines[name]


@pytest.mark.parametrize("literal", [False, True])
async def test_a_shadow_audit_finds_outdated_hits(literal: bool) -> None:
    scenario = small("settlement-morning", 10)
    audited = replace(scenario.cache, shadow=1.0, literal=literal)
    result = await prove(replace(scenario, cache=audited))
    assert 0 < result.shadow_compared <= result.shadow
    assert (result.shadow_different > 0) is literal
    ratio = result.shadow_different / result.shadow_compared
    assert result.shadow_difference_ratio == ratio
    said = f"{result.shadow_compared} replies of which {result.shadow_different} differ"
    assert said in page(result, named="settlement-morning")
    text = markdown(result, named="settlement-morning")
    assert f"{result.shadow_compared} compared, {result.shadow_different} different" in text


async def test_longer_retention_avoids_more_device_hits() -> None:
    found = await compared("soak", 5)
    strict = [result for name, result in found.items() if name.startswith("strict")]
    hits = [result.device_hits_cached for result in strict]
    assert hits[0] > hits[1] > hits[2]
    assert all(result.passed for result in strict)


async def test_caching_rules_override_the_scenario() -> None:
    own = {"literal": True, "collapse": False, "sub_window": True, "retention_hours": 72.0}
    plain = await compared("settlement-morning", 10)
    other = await compared("settlement-morning", 10, **own)
    assert [name for name in plain if plain[name] != other[name]] == ["as in the scenario"]


async def test_a_result_names_its_scenario_and_versions() -> None:
    scenario = load_scenario("quickstart")
    result = await prove(resized(scenario, "x", 2))
    assert (result.scenario, result.seed, result.meters) == ("quickstart", "x", 2)
    assert result.scenario_text == scenario.text
    assert result.versions.keys() == {
        "esme-emulator",
        "aiomqtt",
        "construct",
        "cryptography",
        "mqtt5",
        "python",
    }
