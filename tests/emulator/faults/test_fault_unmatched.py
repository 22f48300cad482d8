"""Warnings of rules that can match nothing."""

from typing import Any

import pytest

from emulator.eui_range import EuiRange
from emulator.faults.loading import rules_from
from emulator.faults.unmatched import unmatched
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX, parse_iso
from tests.support.effort import at_most

BASE = EUI.parse("00DBE50000000000")
MILLIONS = EuiRange(BASE, 30_000_000)
LAST = str(MILLIONS[-1])
SRVS = {"4.8.1", "4.6.1"}


def warnings(fleet: Any = MILLIONS, /, **where: Any) -> list[str]:
    options = {key: where.pop(key) for key in ("now", "seed") if key in where}
    rules = rules_from([{"kind": "no-reply", "name": "r", **where}])
    return unmatched(rules, fleet, SRVS, **options)


@pytest.mark.parametrize(
    "pattern", [str(BASE), LAST, "00DBE5*", "*", LAST[:-1] + "?", "*C9C37F", "?0DBE5*1"]
)
@pytest.mark.parametrize("meters", [MILLIONS, (BASE, MILLIONS[-1], MILLIONS[1])])
def test_meters_of_the_fleet_are_no_warning(pattern: str, meters: Any) -> None:
    assert warnings(meters, meters=pattern) == []


@pytest.mark.parametrize("pattern", ["00DBE50000000000", "00DBE5000000000?", "*0"])
def test_a_fleet_of_one(pattern: str) -> None:
    assert warnings(EuiRange(BASE, 1), meters=pattern) == []
    assert warnings(EuiRange(EUI.from_int(int(BASE) + 17), 1), meters=pattern) != []


@pytest.mark.parametrize(
    ("pattern", "warning"),
    [
        ("00DBE50001C9C380", "is not a meter"),
        ("00DBE4FFFFFFFFFF", "is not a meter"),
        ("01*", "fits no meter"),
        ("00DBE50001C9C38?", "fits no meter"),
        ("00DBE5??FF*", "fits no meter"),
        ("*2000000?", "fits no meter"),
    ],
)
@pytest.mark.parametrize("meters", [MILLIONS, (BASE, MILLIONS[-1])])
def test_meters_outside_the_fleet_are(pattern: str, warning: str, meters: Any) -> None:
    expected = [f"fault 'r': meters: {pattern} {warning} of this fleet"]
    assert warnings(meters, meters=pattern) == expected
    assert warnings(meters, meters=["*", pattern]) == expected


def test_patterns_are_not_tried_on_millions() -> None:
    with at_most(20_000):
        assert warnings(meters=["*F", "*01C9C380", "00DBE5*0*0*0*0*0*0*7"]) == [
            "fault 'r': meters: *01C9C380 fits no meter of this fleet"
        ]


def test_a_container_says_only_who_is_in_it() -> None:
    class Hosted:
        def __contains__(self, eui: object) -> bool:
            return eui == BASE

    assert warnings(Hosted(), meters=[str(BASE), "01*"], fraction=0.1, seed="s") == []
    assert len(warnings(Hosted(), meters=LAST)) == 1


def test_an_srv_that_no_meter_answers() -> None:
    assert warnings(srvs=["4.8.1", "6.11"]) == [
        "fault 'r': srvs: no meter answers 6.11; meters answer 4.6.1, 4.8.1"
    ]


def test_a_window_that_is_over() -> None:
    end = EPOCH_UNIX + parse_iso("2026-01-01")
    assert warnings(to="2026-01-01", now=end - 1) == []
    assert warnings(to="2026-01-01", now=end) == ["fault 'r': to: 2026-01-01T00:00:00Z is over"]
    assert warnings(to="2026-01-01") == []


def test_chances_that_are_none() -> None:
    assert warnings(probability=0, fraction=0) == [
        "fault 'r': fraction: 0 is no meter",
        "fault 'r': probability: 0 is never",
    ]


def test_a_fraction_that_draws_nobody() -> None:
    few = EuiRange(BASE, 10)
    assert warnings(few, fraction=0.001, seed="s") == [
        "fault 'r': fraction: 0.001 of these meters is none of them"
    ]
    assert warnings(few, fraction=0.001) == []
    assert warnings(few, fraction=0.9, seed="s") == []
    with at_most(1_000):
        assert warnings(fraction=1e-9, seed="s") == []
