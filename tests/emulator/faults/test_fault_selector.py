"""The calls that a rule selects."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.estate.euis import EuiPattern, EuiRange
from esme_emulator.faults.base import Call, FaultContext
from esme_emulator.faults.loading import rule_from
from esme_emulator.faults.selector import matcher, meter_test, read_calls, write_calls
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX, parse_iso
from tests.emulator.faults.faulty_calls import call
from tests.support.estate import METER, OTHER_METER

FLEET = EuiRange(EUI.parse("00DBE50000000000"), 2000)
ASKED = call()


def a_call(
    number: int = 1,
    srv: str = "4.8.1",
    device: EUI = METER,
    now: float = 0.0,
    profile: str = "single",
) -> Call:
    return Call(device, srv, number, now, ASKED.command, ASKED.keystore, lambda: profile)


def addresses(one: Call, seed: str = "s", name: str = "rule", **where: Any) -> bool:
    rule = rule_from({"kind": "no-reply", "name": name, **where})
    return matcher(rule.where, FaultContext(seed, name, 1))(one)


def numbers(calls: object) -> list[int]:
    return [number for number in range(1, 13) if addresses(a_call(number), calls=calls)]


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ("1", [1]),
        (2, [2]),
        ("1-3", [1, 2, 3]),
        ("4-4", [4]),
        ("11-", [11, 12]),
        ("every 5", [5, 10]),
        ("every 1", list(range(1, 13))),
        ("1-2, 7, every 6", [1, 2, 6, 7, 12]),
    ],
)
def test_calls_are_selected_by_number(calls: object, expected: list[int]) -> None:
    assert numbers(calls) == expected


@pytest.mark.parametrize("text", ["1", "1-3", "5-", "every 3", "1, 3-4, every 9, 100-"])
def test_calls_are_written_as_they_are_read(text: str) -> None:
    assert write_calls(read_calls(text)) == text


def test_an_open_range_selects_distant_calls() -> None:
    assert addresses(a_call(10**17), calls="5-")


def test_calls_are_selected_by_srv() -> None:
    assert addresses(a_call(), srvs="4.8.1")
    assert addresses(a_call(), srvs=["4.6.1", "4.8.1"])
    assert not addresses(a_call(srv="4.8.3"), srvs=["4.6.1", "4.8.1"])
    assert addresses(a_call(srv="unknown"), srvs="unknown")


def test_calls_are_selected_by_profile() -> None:
    assert addresses(a_call(), profile="single")
    assert addresses(a_call(), profile=["twin", "single"])
    assert not addresses(a_call(profile="single-north"), profile=["twin", "single"])
    assert not addresses(a_call(profile=""), profile="single")
    assert addresses(a_call(profile="my own meter"), profile="my own meter")


def test_a_period_includes_its_start_but_not_its_end() -> None:
    start, end = (EPOCH_UNIX + parse_iso(f"2026-01-0{day}") for day in (1, 2))
    window = {"from": "2026-01-01", "to": "2026-01-02T00:00:00Z"}
    assert not addresses(a_call(now=start - 0.001), **window)
    assert addresses(a_call(now=start), **window)
    assert addresses(a_call(now=end - 0.001), **window)
    assert not addresses(a_call(now=end), **window)
    assert addresses(a_call(now=start - 1), to="2026-01-02")
    assert addresses(a_call(now=end + 1), **{"from": "2026-01-01T00:00:00+00:00"})


@pytest.mark.parametrize(
    "pattern",
    [
        str(METER),
        str(METER).lower(),
        "00-DB-E5-00-00-00-00-00",
        "00DBE5000000000*",
        "00dbe5*",
        "*",
        "**0",
        "?" * 16,
        "*DBE5*0",
        [str(OTHER_METER), str(METER)],
        [str(OTHER_METER), "*0000"],
    ],
)
def test_patterns_select_a_meter(pattern: object) -> None:
    assert addresses(a_call(device=METER), meters=pattern)


@pytest.mark.parametrize("pattern", [str(OTHER_METER), "*1", "01*", "?" * 15 + "1", ["*1", "*2"]])
def test_patterns_do_not_select_another_meter(pattern: object) -> None:
    assert not addresses(a_call(device=METER), meters=pattern)


def drawn(seed: str, fraction: float, name: str = "rule", **where: Any) -> set[EUI]:
    rule = rule_from({"kind": "no-reply", "name": name, "fraction": fraction, **where})
    matches = matcher(rule.where, FaultContext(seed, name, 1))
    return {device for device in FLEET if matches(a_call(device=device))}


def test_a_fraction_of_the_meters_is_the_same_in_every_run() -> None:
    tenth = drawn("s", 0.1)
    assert 0.07 < len(tenth) / len(FLEET) < 0.13
    assert tenth == drawn("s", 0.1)
    assert tenth < drawn("s", 0.3)
    assert tenth != drawn("t", 0.1)
    assert tenth != drawn("s", 0.1, "other")
    assert drawn("s", 0) == set()
    assert drawn("s", 1) == set(FLEET)


def test_a_fraction_is_taken_of_the_named_meters() -> None:
    assert drawn("s", 0.1, meters="*00") == {eui for eui in drawn("s", 0.1) if eui[-1] == 0}


def test_a_meter_of_the_fraction_is_selected_in_every_call() -> None:
    for number in range(1, 50):
        assert addresses(a_call(number), fraction=0.5) == addresses(a_call(1), fraction=0.5)


def test_probability_is_drawn_for_each_call() -> None:
    def hits(seed: str = "s", name: str = "rule", **of: Any) -> list[int]:
        return [
            number
            for number in range(1, 1001)
            if addresses(a_call(number, **of), seed, name, probability=0.2)
        ]

    found = hits()
    assert 150 < len(found) < 250
    assert found == hits()
    others = hits("t"), hits(name="other"), hits(srv="4.8.3"), hits(device=OTHER_METER)
    assert all(found != other for other in others)
    assert not addresses(a_call(), probability=0)


def test_all_conditions_must_hold() -> None:
    where = {
        **{"srvs": "4.8.1", "calls": "2-", "meters": "*0", "to": "2001-01-01"},
        "profile": "single",
    }
    assert addresses(a_call(2), **where)
    for other in (
        *(a_call(1), a_call(2, "4.8.3"), a_call(2, device=OTHER_METER), a_call(2, now=2e9)),
        a_call(2, profile="twin"),
    ):
        assert not addresses(other, **where)


PATTERNS = st.lists(
    st.sampled_from(["0", "1", "8", "F", "?", "*", "00", "FF"]), min_size=1, max_size=16
).map(lambda parts: "".join(parts))


@given(PATTERNS, st.integers(0, (1 << 64) - 1), st.integers(1, 40))
def test_matching_a_range_agrees_with_enumeration(text: str, low: int, number: int) -> None:
    padded = text if "*" in text else text + "*"
    low = min(low, (1 << 64) - number)
    try:
        pattern = EuiPattern.parse(padded)
    except ValueError:
        return
    fits = meter_test((pattern,))
    expected = any(fits(EUI.from_int(eui)) for eui in range(low, low + number))
    assert pattern.fits_some(low, low + number - 1) is expected
    assert pattern.fits_some(0, (1 << 64) - 1)


@given(PATTERNS, st.lists(st.sampled_from("018F"), min_size=16, max_size=16))
def test_a_pattern_matches_the_texts_of_its_regex(text: str, digits: list[str]) -> None:
    try:
        pattern = EuiPattern.parse(text + "*")
    except ValueError:
        return
    eui = EUI.parse("".join(digits))
    assert meter_test((pattern,))(eui) is pattern.fits_some(int(eui), int(eui))
