"""Parties of a scenario: their shares of the meters, and those that are never answered."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from esme_emulator.estate.parties import PARTIES, Party, PartyList, party_called
from esme_emulator.proof.report.ci import markdown
from esme_emulator.proof.report.page import page
from esme_emulator.scenario.file import (
    ScenarioError,
    load_scenario,
    parse_scenario,
    resized,
    with_requester,
)
from esme_emulator.scenario.scenario import ArrivalSettings, Mix, Process, Scenario
from esme_emulator.scenario.supply import Supply, estate_of, unanswerable
from esme_emulator.scenario.workload import Planner, arrivals_of, planned_changes
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.emulator.proof.proving import prove
from tests.support.command_line import esme

ONE, TWO = EUI.parse("90B3D51F30060000"), EUI.parse("90B3D51F30070000")
TEXT = """
title = "Mine"
thresholds = ["replies_different == 0"]
fleet.meters = 200
arrivals = {process = "poisson", seconds = 3600, requests = 600}

[[party]]
name = "one"
eui = "90B3D51F30060000"
roles = ["IS"]
share = 0.4

[[party]]
name = "two"
eui = "90B3D51F30070000"
roles = ["IS", "ES"]
share = 0.25

[[mix]]
share = 1
party = "one"
srv = "4.8.1"

[[mix]]
share = 1
party = "two"
srv = "4.8.3"

[[mix]]
share = 1
party = "import-supplier"
srv = "4.8.1"

[[mix]]
share = 1
party = "distributor"
srv = "4.8.1"
"""
SECOND_SUPPLIER = """
[[party]]
name = "second-supplier"
eui = "90B3D51F30030000"
roles = ["IS"]

[[mix]]
share = 1.2
party = "second-supplier"
srv = "4.8.1"
"""
CHANGE = "[[change]]\nkind = 'supplier'\nat = 60\nfraction = 1\nnew = 'second-supplier'\n"
NEVER = (
    "party second-supplier can never be answered: no registration covers a meter for it; "
    "give it a share in [[party]], or meters by a [[change]]"
)


def scenario(more: str = "", text: str = TEXT) -> Scenario:
    return parse_scenario("mine", text + more)


def test_each_meter_has_one_supplier_for_each_role() -> None:
    mine = scenario()
    estate = estate_of(mine)
    supply = Supply(mine, estate)
    counts: Counter[tuple[str, str]] = Counter()
    for device in estate.meters:
        for role in (Role.IS, Role.ES):
            [name] = [
                party.name
                for party in estate.known_parties
                if role in supply.roles_for(party.eui, device)
            ]
            counts[role, name] += 1
    shares = {key: number / 200 for key, number in counts.items()}
    assert shares == {
        ("IS", "one"): pytest.approx(0.4, abs=0.08),
        ("IS", "two"): pytest.approx(0.25, abs=0.08),
        ("IS", "import-supplier"): pytest.approx(0.35, abs=0.08),
        ("ES", "two"): pytest.approx(0.25, abs=0.08),
        ("ES", "export-supplier"): pytest.approx(0.75, abs=0.08),
    }
    assert shares["IS", "two"] == shares["ES", "two"]


def test_the_registry_says_the_same_as_the_shares() -> None:
    mine = scenario()
    estate = estate_of(mine)
    supply = Supply(mine, estate)
    some = estate.meters[50:80]
    registry = supply.registry(some)
    window = Window(mine.start - 86400, mine.start)
    for party in estate.known_parties:
        for device in some:
            srv = "4.8.3" if party.roles <= {Role.ES} else "4.8.1"
            reason = registry.check(party.eui, device, srv, window, mine.start + EPOCH_UNIX)
            assert (reason is None) is bool(supply.roles_for(party.eui, device)), party.name


def test_suppliers_ask_for_their_own_meters_in_any_number_of_parts() -> None:
    mine = scenario()
    estate = estate_of(mine)
    supply, planner = Supply(mine, estate), Planner(mine, estate)
    asked: Counter[str] = Counter()
    for arrival in arrivals_of(mine):
        request = planner.request(arrival)
        party = party_called(estate.known_parties, request.party)
        assert supply.roles_for(party.eui, request.key.device), request.party
        asked[request.party] += 1
    assert set(asked) == {"one", "two", "import-supplier", "distributor"}


def test_shares_change_nothing_for_scenarios_without_them() -> None:
    quickstart = load_scenario("quickstart")
    own = PartyList((Party(ONE, "one", frozenset({Role.IS})),))
    assert list(arrivals_of(quickstart)) == list(arrivals_of(replace(quickstart, parties=own)))


async def test_own_suppliers_are_answered_in_a_proof() -> None:
    result = await prove(resized(scenario(), None, 40), in_process=True)
    assert result.passed
    assert (result.refused, result.refusals, result.never_answered) == (0, {}, ())
    accounts = {row.name: row for row in result.by_party}
    assert set(accounts) == {"one", "two", "import-supplier", "distributor"}
    assert all(row.hits and row.forwarded for row in accounts.values())


async def test_an_other_user_has_the_share_that_consents() -> None:
    user = '[[party]]\nname = "site"\neui = "0011223344556677"\nroles = ["OU"]\nshare = 0.5\n'
    mix = '[[mix]]\nshare = 1\nparty = "site"\nsrv = "4.8.1"\n'
    mine = resized(scenario(user + mix), None, 40)
    estate = estate_of(mine)
    supply = Supply(mine, estate)
    site = party_called(estate.known_parties, "site")
    assert 10 < len(supply.meters_of(site) or ()) < 30
    result = await prove(mine, in_process=True)
    assert result.refused == 0


async def test_a_party_that_is_never_answered_is_named_and_counted() -> None:
    """A second supplier without registrations was refused 6,381 of 28,324 times in silence."""
    mine = replace(scenario(SECOND_SUPPLIER), arrivals=ArrivalSettings(Process.POISSON, 3600, 300))
    assert unanswerable(mine) == [NEVER]
    result = await prove(resized(mine, None, 20), in_process=True)
    assert result.never_answered == (NEVER,)
    assert result.refusals == {"second-supplier not-registered": result.refused}
    assert result.refused > 0
    said = f"second-supplier not-registered {result.refused}"
    assert said in page(result, named="mine.toml")
    assert said in markdown(result, named="mine.toml")
    for text in (page(result, named="mine.toml"), markdown(result, named="mine.toml")):
        assert "party second-supplier can never be answered" in text


def test_scenario_check_warns_of_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TEXT + SECOND_SUPPLIER)
    said = esme("scenario", "check", str(file))
    assert said.exit_code == 0
    assert NEVER in " ".join(said.stderr.split())


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("", []),
        (
            "[[change]]\nkind = 'supplier'\nat = 60\nfraction = 1\nnew = 'second-supplier'\n",
            ["day"],
        ),
        (
            CHANGE + "[[mix]]\nparty = 'second-supplier'\nshare = 1\nsrv = '4.8.1'\ndays = 0.02\n"
            "ends = 'now'\n",
            ["day"],
        ),
        ("[[mix]]\nshare = 1\nparty = 'one'\nsrv = '4.8.3'\n", ["(IS) may send SRV 4.8.3"]),
    ],
)
def test_each_reason_is_said(more: str, says: list[str]) -> None:
    text = TEXT if "change" not in more else TEXT + SECOND_SUPPLIER
    found = unanswerable(scenario(more, text))
    for line, part in zip(found, says, strict=True):
        assert part in line


def test_a_change_may_be_between_any_two_suppliers() -> None:
    change = '[[change]]\nkind = "supplier"\nat = 60\nfraction = 1\nold = "one"\nnew = "two"\n'
    mine = scenario(change)
    estate = estate_of(mine)
    supply = Supply(mine, estate)
    changes = planned_changes(mine, supply, estate.meters)
    assert {(change.old, change.new) for change in changes} == {(ONE, TWO)}
    one = party_called(estate.known_parties, "one")
    assert len(changes) == len(supply.meters_of(one) or ())
    registry = supply.registry(estate.meters)
    for planned in changes:
        registry.change_of_supplier(planned.device, ONE, TWO, planned.day)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('[[party]]\neui = "0011223344556677"\nroles = ["IS"]\nshare = 0.4\n', "up to 0011.* 1.05"),
        ('[[party]]\neui = "0011223344556677"\nroles = ["IS"]\nshare = 1.4\n', "party 3: share"),
        ('[[party]]\neui = "00DBE50000000003"\nroles = ["IS"]\n', "cannot be a meter"),
        ('[[party]]\neui = "00DBE50000000003"\nroles = ["IS"]\nname = "one"\n', "both called one"),
        ('[[party]]\neui = "0011223344556677"\nroles = ["IS"]\nka = "no"\n', "party 3: ka: .*no: "),
        ("[[mix]]\nshare = 1\nparty = 'x'\nsrv = '4.8.1'\n", "no party x; choose one of import-"),
        (
            "[[change]]\nkind = 'supplier'\nat = 1\nfraction = 1\nold = 'x'\n",
            "change 1: old: there is no party x",
        ),
        (
            "[[change]]\nkind = 'supplier'\nat = 1\nfraction = 1\nnew = 'distributor'\n",
            "change 1: new: distributor is not a supplier",
        ),
    ],
)
def test_mistakes_are_named(more: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        scenario(more)


async def test_one_party_may_make_all_requests() -> None:
    own = PartyList((Party(ONE, "ours", frozenset({Role.IS})),))
    asked, lines = with_requester(resized(load_scenario("quickstart"), None, 5), own, str(ONE))
    assert {kind.party for kind in asked.mix} == {"ours"}
    assert lines == ["party ours may not send SRV 4.8.3: its roles are IS; left out of the mix"]
    result = await prove(asked, in_process=True)
    assert (result.passed, result.refused) == (True, 0)
    with pytest.raises(ValueError, match="no party 'nobody'"):
        with_requester(asked, own, "nobody")
    exports = replace(asked, mix=(Mix(1, "ours", "4.8.3"),))
    with pytest.raises(ValueError, match="may not send SRV 4"):
        with_requester(exports, own, "ours")
    assert {party.name for party in PARTIES} < {party.name for party in asked.known_parties}
