"""Replies that faults and networks alter are not wrong answers; all others are still compared.

Each scenario has few requests, and names its faults in TOML.
"""

from dataclasses import replace

import pytest

import esme_emulator.proof.bench as bench_module
from esme_emulator.fleet.fleet import Fleet, Receipt
from esme_emulator.proof.judge import Check
from esme_emulator.scenario.file import parse_scenario
from esme_emulator.scenario.scenario import Scenario
from gbcs import EUI
from tests.emulator.proof.proving import IN_BOTH_WAYS, checks_of, few, prove, runs_of


def fault(kind: str, more: str = "") -> str:
    return f'[[fault]]\nkind = "{kind}"\nprobability = 0.3\n{more}\n'


FAULTY = {
    "no-reply": fault("no-reply"),
    "late-reply": fault("late-reply"),
    "duplicate": fault("duplicate"),
    "corrupt-octets": fault("corrupt-octets"),
    "truncated": fault("truncated"),
    "wrong-mac": fault("wrong-mac"),
    "result-code": fault("result-code"),
    "empty-log": fault("empty-log"),
    "wrong-counter": fault("wrong-counter"),
    "reordered": fault("reordered"),
    "several": fault("no-reply") + fault("duplicate") + fault("late-reply"),
}


@pytest.mark.parametrize("more", FAULTY.values(), ids=FAULTY)
@pytest.mark.parametrize("caching", ["", "[cache]\nretries = 2\nshadow = 0.5\n"], ids=["", "own"])
@IN_BOTH_WAYS
async def test_a_faulty_reply_is_not_compared_and_the_ledgers_add_up(
    more: str, caching: str, in_process: bool
) -> None:
    result = await prove(few(more + caching), in_process=in_process)
    assert sum(result.faults_fired.values()) > 0
    assert (result.ledger_difference, result.ledger_lines) == (0, ())
    assert result.replies_different == 0
    assert result.replies_compared > 0
    assert result.passed
    if caching:
        assert result.shadow > 0
    assert result.device_hits_cached == result.forwarded + result.retries + result.shadow


@pytest.mark.parametrize("kind", ["corrupt-octets", "wrong-mac", "truncated", "no-reply"])
async def test_an_unacceptable_reply_counts_as_unanswered(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = runs_of(monkeypatch)
    result = await prove(few(f'[[fault]]\nkind = "{kind}"\n'))
    assert result.hits == 0
    assert result.unanswered == sum(run.record.made for run in runs) > 0
    assert result.replies_compared == 0
    assert not result.passed, "nothing was compared"


async def test_a_reply_without_a_fault_is_still_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seam: the fleet, which alters a reply of a meter without a fault."""
    scenario = few('[[fault]]\nkind = "duplicate"\nmeters = "00DBE50000000000"\n')
    assert (await prove(scenario)).passed
    runs = runs_of(monkeypatch)

    class Careless(Fleet):
        altered = 0

        def receive(self, device: EUI, octets: bytes, now: float) -> Receipt:
            receipt = super().receive(device, octets, now)
            if int(device) & 0xFF == 0 or self.altered or not receipt.replies:
                return receipt
            self.altered += 1
            [reply] = receipt.replies
            wrong = reply.octets[:-1] + bytes((reply.octets[-1] ^ 1,))
            return replace(receipt, replies=(replace(reply, octets=wrong),))

    monkeypatch.setattr(bench_module, "Fleet", Careless)
    result = await prove(scenario)
    assert result.replies_different == 1
    faulty = {item.request.device for run in runs for item in run.record.exchanges() if item.faulty}
    assert {str(device) for device in faulty} == {"00DBE50000000000"}


async def test_a_direct_request_next_to_a_faulty_one_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = runs_of(monkeypatch)
    result = await prove(few('[[fault]]\nkind = "duplicate"\ncalls = "1"\n'))
    assert result.passed
    assert result.collapsed == 0
    for run in runs:
        faulty = [item for item in run.record.exchanges() if item.faulty]
        assert checks_of(run).count(Check.FAULT) == len(faulty) > 0
    compared = [checks_of(run).count(Check.SAME) for run in runs]
    assert result.replies_compared == sum(compared)
    assert compared[1] >= result.hits > 0


DRIFTING = """
title = "Midnight"
start = 2026-01-15T00:00:00Z
thresholds = ["replies_different == 0"]
[fleet]
meters = 4
[arrivals]
process = "poisson"
seconds = 600
requests = 60
[[mix]]
party = "import-supplier"
srv = "{srv}"
share = 1
repeats = 2
again = 900
[[fault]]
kind = "{kind}"
{parameters}
"""


def drifting(srv: str, kind: str, parameters: str) -> Scenario:
    return parse_scenario("midnight", DRIFTING.format(srv=srv, kind=kind, parameters=parameters))


BEHIND = ("clock-drift", 'seconds = -240\nto = "2026-01-15T00:10:00Z"')


@pytest.mark.parametrize("srv", ["4.6.1", "4.8.1"])
async def test_a_meter_with_a_slow_clock_is_cached_once_its_window_is_complete(
    srv: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = runs_of(monkeypatch)
    result = await prove(drifting(srv, *BEHIND))
    assert sum(result.faults_fired.values()) > 0
    policy = runs[1].policy
    assert policy is not None
    assert policy.ledger.reasons["incomplete-window"] > 0
    assert result.hits > 0
    assert (result.replies_different, result.ledger_difference) == (0, 0)


@pytest.mark.parametrize("srv", ["4.6.1", "4.8.1"])
async def test_a_hit_without_the_end_of_its_window_is_wrong_despite_a_fault(
    srv: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seam: a cache that trusts its own clock alone, and so keeps incomplete windows."""
    monkeypatch.setattr("esme_emulator.cache.policy.flights.reaches_end", lambda *_: True)
    result = await prove(drifting(srv, *BEHIND))
    assert result.hits > 0
    assert result.replies_different > 0
    assert not result.passed


async def test_a_hit_with_the_meters_own_gap_is_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = runs_of(monkeypatch)
    gaps = 'share = 0.5\nuntil = "2026-01-15T00:00:00Z"'
    result = await prove(drifting("4.8.1", "missing-half-hours", gaps))
    assert result.hits > 0
    assert result.replies_different == 0
    assert Check.FAULT in checks_of(runs[1])


async def test_a_log_without_its_last_entry_is_never_cached() -> None:
    lost = 'share = 1\nsince = "2026-01-15T00:00:00Z"'
    result = await prove(drifting("4.8.1", "missing-half-hours", lost))
    assert (result.hits, result.replies_different) == (0, 0)


@pytest.mark.parametrize(
    ("fleet", "more"),
    [
        ("strict = true", ""),
        ("strict = true", fault("no-reply") + "[cache]\nretries = 2\n"),
        ('wan = "smets1-sms"', ""),
        ('wan = "smets1-sms"\nstrict = true', "[cache]\nretries = 1\nshadow = 1.0\n"),
        ("", "[cache]\ndevice_limit = 1\n"),
        ("", fault("no-reply") + "[cache]\nhold_down_failures = 1\nhold_down_seconds = 60\n"),
        ("", "[cache]\nliteral = true\nsub_window = true\ncollapse = false\n"),
    ],
)
@IN_BOTH_WAYS
async def test_ledgers_add_up_with_any_network_meter_and_cache(
    fleet: str, more: str, in_process: bool
) -> None:
    result = await prove(few(more, fleet), in_process=in_process)
    assert (result.ledger_difference, result.ledger_lines) == (0, ())
    assert result.replies_different == 0
    assert result.device_hits_cached == result.forwarded + result.retries + result.shadow
    assert result.passed


async def test_the_wan_of_a_profile_costs_as_much_as_the_same_wan_in_the_scenario() -> None:
    kind = 'profiles = ["smets1"]'
    named, own = [
        await prove(few(fleet=f'wan = "{wan}"\n{kind}')) for wan in ("smets1-sms", "profile")
    ]
    assert own.spent_cached.sms > 0
    assert (own.spent_direct, own.spent_cached) == (named.spent_direct, named.spent_cached)


async def test_sms_per_wake_come_from_the_wan_or_the_scenario() -> None:
    fleet = 'wan = "smets1-sms"\nprofiles = ["smets1"]'
    by_wan = await prove(few(fleet=fleet))
    own = await prove(few("[costs]\nsms_per_wake = 3\nsms_pounds = 0.1\n", fleet))
    assert by_wan.spent_direct.sms > 0
    assert 2 * own.spent_direct.sms == 3 * by_wan.spent_direct.sms
    assert own.spent_direct.pounds == pytest.approx(own.spent_direct.sms * 0.1)


async def test_each_attempt_of_a_party_is_a_request() -> None:
    quiet = await prove(few())
    assert quiet.requests == quiet.device_hits_direct
    insisting = await prove(few('[[fault]]\nkind = "no-reply"\n'))
    assert insisting.device_hits_direct == 2 * quiet.device_hits_direct
    assert insisting.ledger_difference == 0
    assert insisting.failed > 0
