"""Warnings about rules that can match nothing."""

from typing import Any

import pytest

from esme_emulator.estate.euis import EuiRange
from esme_emulator.faults.lint import Meters, lint
from esme_emulator.faults.loading import rules_from
from esme_emulator.profiles import MeterProfile, meter_profile
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX, parse_iso
from gbcs.tables.reading_services import READING_SERVICES
from tests.support.effort import at_most

BASE = EUI.parse("00DBE50000000000")
MILLIONS = EuiRange(BASE, 30_000_000)
FEW = EuiRange(BASE, 10)
LAST = str(MILLIONS[-1])
SINGLE, TWIN, SMETS1 = map(meter_profile, ("single", "twin", "smets1"))


def warnings(
    fleet: Any = MILLIONS, /, kinds: tuple[MeterProfile, ...] = (SINGLE, TWIN), **where: Any
) -> list[str]:
    """Return the warnings about a rule for a fleet whose meters take the profiles in turn."""
    options = {key: where.pop(key) for key in ("now", "seed") if key in where}
    rules = rules_from([{"kind": "no-reply", "name": "r", **where}])
    meters = Meters(fleet, kinds, lambda eui: kinds[int(eui) % len(kinds)])
    return lint(rules, meters, **options)


@pytest.mark.parametrize(
    "pattern", [str(BASE), LAST, "00DBE5*", "*", LAST[:-1] + "?", "*C9C37F", "?0DBE5*1"]
)
@pytest.mark.parametrize("meters", [MILLIONS, (BASE, MILLIONS[-1], MILLIONS[1])])
def test_meters_of_the_fleet_give_no_warning(pattern: str, meters: Any) -> None:
    assert warnings(meters, meters=pattern) == []


@pytest.mark.parametrize("pattern", ["00DBE50000000000", "00DBE5000000000?", "*0"])
def test_a_fleet_of_one_meter_is_checked(pattern: str) -> None:
    assert warnings(EuiRange(BASE, 1), meters=pattern) == []
    assert warnings(EuiRange(EUI.from_int(int(BASE) + 17), 1), meters=pattern) != []


@pytest.mark.parametrize(
    ("pattern", "warning"),
    [
        ("00DBE50001C9C380", "is not a meter"),
        ("00DBE4FFFFFFFFFF", "is not a meter"),
        ("01*", "matches no meter"),
        ("00DBE50001C9C38?", "matches no meter"),
        ("00DBE5??FF*", "matches no meter"),
        ("*2000000?", "matches no meter"),
    ],
)
@pytest.mark.parametrize("meters", [MILLIONS, (BASE, MILLIONS[-1])])
def test_meters_outside_the_fleet_give_a_warning(pattern: str, warning: str, meters: Any) -> None:
    expected = [f"fault 'r': meters: {pattern} {warning} of this fleet"]
    assert warnings(meters, meters=pattern) == expected
    assert warnings(meters, meters=["*", pattern]) == expected


def test_patterns_are_not_matched_against_millions_of_meters() -> None:
    with at_most(20_000):
        assert warnings(meters=["*F", "*01C9C380", "00DBE5*0*0*0*0*0*0*7"]) == [
            "fault 'r': meters: *01C9C380 matches no meter of this fleet"
        ]


def test_a_container_is_checked_for_single_meters_only() -> None:
    class Hosted:
        def __contains__(self, eui: object) -> bool:
            return eui == BASE

    assert warnings(Hosted(), meters=[str(BASE), "01*"], fraction=0.1, seed="s") == []
    assert len(warnings(Hosted(), meters=LAST)) == 1


def test_an_srv_that_no_meter_answers_gives_a_warning() -> None:
    for fleet in (MILLIONS, FEW):
        [line] = warnings(fleet, srvs=["4.8.1", "6.11"])
        assert line.startswith(
            "fault 'r': srvs: none of these meters answers 6.11; they answer 4.1"
        )
        assert line.endswith(", 4.18")


@pytest.mark.parametrize("srv", [service.srv for service in READING_SERVICES])
def test_every_srv_is_answered_by_some_meter(srv: str) -> None:
    assert warnings(srvs=srv) == warnings(FEW, srvs=srv) == []


def test_an_srv_that_the_selected_meters_do_not_answer_gives_a_warning() -> None:
    for where in (
        {"kinds": (SINGLE, SMETS1)},
        {"profile": "single"},
        {"meters": str(BASE)},
        {"meters": ["*0", "*2"], "profile": ["single", "twin"]},
    ):
        found = warnings(FEW, srvs=["4.11.2", "4.18"], **where)
        assert next(line for line in found if "srvs" in line).startswith(
            "fault 'r': srvs: none of these meters answers 4.11.2; they answer 4.1.1, "
        )
    assert warnings(kinds=(SINGLE, SMETS1), srvs="4.11.2") != []
    assert warnings(FEW, srvs="4.11.2", meters="*1", profile="twin") == []


def test_an_srv_that_the_fault_ignores_gives_a_warning() -> None:
    logs = "4.4.2, 4.4.3, 4.4.4, 4.4.5, 4.6.1, 4.6.2, 4.8.1, 4.8.2, 4.8.3, 4.10, 4.14, 4.17"
    for kind, left, concerned in (
        ("missing-half-hours", ("4.1.1", "4.6.1", "4.10", "4.14"), "4.8.1, 4.8.2, 4.8.3"),
        ("empty-log", ("4.18", "4.1.1"), logs),
    ):
        assert warnings(kind=kind, srvs=[*left, *concerned.split(", ")]) == [
            f"fault 'r': srvs: {kind} changes nothing of {srv}, only of {concerned}" for srv in left
        ]


def test_a_profile_outside_the_fleet_gives_a_warning() -> None:
    for fleet in (MILLIONS, FEW):
        assert warnings(fleet, profile=["single", "smets1"]) == [
            "fault 'r': profile: no meter of this fleet is smets1; there are single, twin"
        ]
        assert warnings(fleet, profile=["single", "twin"]) == []


def test_a_profile_that_no_selected_meter_has_gives_a_warning() -> None:
    none = ["fault 'r': profile: none of these meters is twin"]
    assert warnings(EuiRange(BASE, 1), profile=["single", "twin"]) == none
    assert warnings(FEW, meters=["*0", "*2"], profile="twin") == none
    assert warnings(FEW, meters="*1", profile="twin") == []
    assert warnings(meters="*0", profile="twin") == []
    [outside] = warnings(FEW, meters="01*", profile="twin", srvs="4.11.2")
    assert "matches no meter" in outside


def test_a_past_period_gives_a_warning() -> None:
    end = EPOCH_UNIX + parse_iso("2026-01-01")
    assert warnings(to="2026-01-01", now=end - 1) == []
    assert warnings(to="2026-01-01", now=end) == [
        "fault 'r': to: 2026-01-01T00:00:00Z is in the past"
    ]
    assert warnings(to="2026-01-01") == []


def test_chances_of_0_give_a_warning() -> None:
    assert warnings(probability=0, fraction=0) == [
        "fault 'r': fraction: 0 selects no meter",
        "fault 'r': probability: 0 never fires",
    ]


def test_a_fraction_without_meters_gives_a_warning() -> None:
    few = FEW
    assert warnings(few, fraction=0.001, seed="s") == [
        "fault 'r': fraction: 0.001 selects none of these meters"
    ]
    assert warnings(few, fraction=0.001) == []
    assert warnings(few, fraction=0.9, seed="s") == []
    with at_most(1_000):
        assert warnings(fraction=1e-9, seed="s") == []
