"""Rules as text: reading, writing, and the error of every mistake."""

import json
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.faults.base import FaultError
from esme_emulator.faults.kind import FAULTS
from esme_emulator.faults.loading import (
    kinds,
    parse_rules,
    rule_from,
    rule_to,
    rules_from,
    selectors,
)
from esme_emulator.faults.selector import FaultRule
from gbcs.instants import parse_iso
from gbcs.tables.result_codes import ResultCode

FULL = """
[[fault]]
kind = "late-reply"
name = "winter"
meters = ["00DBE5000000000*", "00DBE50000000010"]
fraction = 0.5
srvs = ["4.8.1", "4.6.1"]
calls = "1-3, every 10"
from = 2026-01-01T00:00:00Z
to = "2026-02-01"
probability = 0.25
seconds = 90
jitter = 10.5

[[fault]]
kind = "result-code"
code = "hardware-fault"

[[fault]]
kind = "result-code"
"""


def test_all_keys_of_a_rule_are_read() -> None:
    winter, first, second = parse_rules(FULL)
    assert [rule.name for rule in (winter, first, second)] == [
        "winter",
        "result-code-1",
        "result-code-2",
    ]
    where = winter.where
    assert [str(meter) for meter in where.meters] == ["00DBE5000000000*", "00DBE50000000010"]
    assert (where.fraction, where.probability) == (0.5, 0.25)
    assert where.srvs == ("4.8.1", "4.6.1")
    assert (where.start, where.end) == (parse_iso("2026-01-01"), parse_iso("2026-02-01"))
    assert rule_to(winter)["seconds"] == 90.0
    assert rule_to(first)["code"] == str(ResultCode.HARDWARE_FAULT)
    assert first.where == rule_from({"kind": "no-reply"}).where
    assert first.kind == "result-code"


def test_an_empty_text_has_no_rules() -> None:
    assert parse_rules("") == []
    assert parse_rules("fault = []") == []


def test_rules_survive_a_round_trip_through_json() -> None:
    for rule in parse_rules(FULL):
        assert rule_from(json.loads(json.dumps(rule_to(rule)))) == rule


@pytest.mark.parametrize("kind", FAULTS)
def test_every_kind_survives_a_round_trip_through_json(kind: str) -> None:
    rule = rule_from({"kind": kind})
    table = rule_to(rule)
    assert rule_from(json.loads(json.dumps(table))) == rule
    assert table["name"] == f"{kind}-1"


def test_every_parameter_survives_a_round_trip_through_json() -> None:
    tables: list[dict[str, Any]] = [
        {"kind": "missing-half-hours", "since": "2026-01-01T00:00:00Z", "until": "2026-01-02"},
        {"kind": "clock-drift", "per_day": -2, "since": "2026-01-01"},
        {"kind": "truncated", "keep": 7},
        {"kind": "lost-block", "lost": 3},
        {"kind": "wrong-recipient", "recipient": "90-b3-d5-1f-30-02-00-00"},
        {"kind": "fail-first", "result": "other-reason"},
        {"kind": "fail-first", "result": "no-reply"},
        {"kind": "wrong-counter", "offset": -5},
    ]
    for table in tables:
        rule = rule_from(table)
        assert rule_from(rule_to(rule)) == rule
        assert table.items() - rule_to(rule).items() <= {
            ("until", "2026-01-02"),
            ("since", "2026-01-01"),
            ("recipient", "90-b3-d5-1f-30-02-00-00"),
        }


def test_a_profile_survives_a_round_trip_through_json() -> None:
    rule = rule_from({"kind": "no-reply", "profile": "smets1"})
    assert rule_to(rule)["profile"] == ["smets1"]
    assert rule_from(rule_to(rule)) == rule


def test_null_means_not_given() -> None:
    rule = rule_from({"kind": "truncated", "keep": None, "meters": None, "name": None})
    assert rule == rule_from({"kind": "truncated"})


def test_toml_times_are_read() -> None:
    for value in (date(2026, 1, 2), datetime(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)):
        assert rule_from({"kind": "no-reply", "from": value}).where.start == parse_iso("2026-01-02")


def test_default_names_avoid_taken_names() -> None:
    names = [
        rule.name
        for rule in rules_from([{"kind": "no-reply"}, {"kind": "no-reply", "name": "no-reply-1"}])
    ]
    assert names == ["no-reply-2", "no-reply-1"]
    assert rule_from({"kind": "no-reply"}, {"no-reply-1", "no-reply-2"}).name == "no-reply-3"


def test_names_in_other_files_are_taken() -> None:
    text = '[[fault]]\nkind = "no-reply"\n'
    first = parse_rules(text)
    second = parse_rules(text, [rule.name for rule in first])
    assert [rule.name for rule in (*first, *second)] == ["no-reply-1", "no-reply-2"]
    with pytest.raises(FaultError, match=r"^fault 1 'a': name: another rule has this name$"):
        parse_rules(text + 'name = "a"', ["a"])


EUI_FORM = "give 16 hexadecimal digits, with ? for any one and * for any run of them"
CALL_FORM = 'a call "1", a range "1-3" or "5-", "every 3", or several with commas'

MISTAKES = [
    ({}, f"kind: give one of {', '.join(FAULTS)}"),
    ({"kind": 3}, f"kind: give one of {', '.join(FAULTS)}"),
    ({"kind": "late-replies"}, "kind: 'late-replies' is unknown; did you mean late-reply?"),
    ({"kind": "zzz"}, f"kind: 'zzz' is unknown; known are {', '.join(FAULTS)}"),
    ({"secnds": 3}, "secnds: unknown key of late-reply; did you mean seconds?"),
    (
        {"zzz": 3},
        "zzz: unknown key of late-reply; known are kind, name, meters, profile, fraction, srvs, "
        "calls, from, to, probability, seconds, jitter",
    ),
    ({"name": 3}, "name: give up to 64 letters, digits, dots, hyphens, underscores"),
    ({"seconds": "soon"}, "seconds: 'soon' is not seconds from 0 to 31,622,400"),
    ({"seconds": True}, "seconds: true is not seconds from 0 to 31,622,400"),
    ({"seconds": -1}, "seconds: -1 is not seconds from 0 to 31,622,400"),
    ({"seconds": float("nan")}, "seconds: nan is not seconds from 0 to 31,622,400"),
    ({"seconds": [1]}, "seconds: [1] is not seconds from 0 to 31,622,400"),
    ({"probability": 1.5}, "probability: 1.5 should be less than or equal to 1"),
    ({"probability": -0.1}, "probability: -0.1 should be greater than or equal to 0"),
    ({"probability": "half"}, "probability: 'half' should be a valid number"),
    ({"fraction": 2}, "fraction: 2 should be less than or equal to 1"),
    ({"calls": "3-1"}, "calls: '3-1': it ends before it begins"),
    ({"calls": "0"}, "calls: '0': calls are counted from 1"),
    ({"calls": 0}, "calls: '0': calls are counted from 1"),
    ({"calls": "0-3"}, "calls: '0-3': calls are counted from 1"),
    ({"calls": "every 0"}, "calls: 'every 0': give 1 or more after `every`"),
    ({"calls": "sometimes"}, f"calls: 'sometimes' is not {CALL_FORM}"),
    ({"calls": "1,,2"}, f"calls: '1,,2' is not {CALL_FORM}"),
    ({"calls": -1}, f"calls: -1 is not {CALL_FORM}"),
    ({"calls": 1.5}, f"calls: 1.5 is not {CALL_FORM}"),
    ({"calls": True}, f"calls: true is not {CALL_FORM}"),
    ({"from": "2026-02-01", "to": "2026-01-01"}, "to: no time is left: `from` is not before `to`"),
    ({"from": "2026-02-01", "to": "2026-02-01"}, "to: no time is left: `from` is not before `to`"),
    (
        {"from": "spring"},
        "from: 'spring' is not a date or time: write 2026-01-31 or 2026-01-31T00:30:00Z",
    ),
    ({"to": 7}, "to: 7 is not an ISO 8601 date or time, UTC without a zone"),
    (
        {"to": "1999-12-31"},
        "to: 1999-12-31T00:00:00+00:00 is outside 2000-01-01 to 2136-02-07",
    ),
    (
        {"meters": "00DBE5000000000"},
        f"meters: '00DBE5000000000' has 15 digits, an EUI 16: {EUI_FORM}",
    ),
    (
        {"meters": ["*", "00DBE5000000000000*"]},
        f"meters: '00DBE5000000000000*' has 18 digits, an EUI 16: {EUI_FORM}",
    ),
    ({"meters": "00DBE5[01]*"}, f"meters: '00DBE5[01]*' is not an EUI or a pattern: {EUI_FORM}"),
    ({"meters": ""}, f"meters: '' is not an EUI or a pattern: {EUI_FORM}"),
    (
        {"meters": []},
        f"meters: [] is not an EUI or a pattern, or a list of these: {EUI_FORM[5:]}",
    ),
    (
        {"meters": 5},
        f"meters: 5 is not an EUI or a pattern, or a list of these: {EUI_FORM[5:]}",
    ),
    ({"srvs": "ECS22b"}, "srvs: 'ECS22b' is not an SRV: write it like 4.8.1"),
    ({"srvs": [4.8]}, "srvs: [4.8] is not an SRV such as 4.8.1, or a list of SRVs"),
    (
        {"kind": "result-code", "code": "hardware-failure"},
        "code: 'hardware-failure' is unknown; did you mean hardware-fault?",
    ),
    (
        {"kind": "result-code", "code": 1},
        f"code: 1 is not one of {', '.join(map(str, list(ResultCode)[1:]))}",
    ),
    (
        {"kind": "duplicate", "copies": 0},
        "copies: 0 should be greater than or equal to 1",
    ),
    (
        {"kind": "duplicate", "copies": 1.0},
        "copies: 1.0 should be a valid integer",
    ),
    (
        {"kind": "wrong-counter", "offset": 0},
        "offset: 0 is not a whole number from -1,000,000,000 to 1,000,000,000, but 0",
    ),
    (
        {"kind": "wrong-recipient", "recipient": "90B3"},
        "recipient: '90B3' is not an EUI-64: give 16 hexadecimal digits",
    ),
    (
        {"kind": "wrong-recipient", "recipient": 9},
        "recipient: 9 is not an EUI of 16 hexadecimal digits in quotes",
    ),
    (
        {"kind": "missing-half-hours", "since": "2026-01-02", "until": "2026-01-01"},
        "until: no time is left: `since` is not before `until`",
    ),
    (
        {"profile": 3},
        "profile: 3 is not the name of a meter profile, or a list of names",
    ),
    ({"profile": ["twin", ""]}, "profile: '' is not the name of a profile: give printable text"),
    ({"kind": "clock-drift", "per_day": 1}, "since: is missing: `per_day` counts from it"),
]


@pytest.mark.parametrize(("table", "expected"), MISTAKES, ids=[text[:40] for _, text in MISTAKES])
def test_every_mistake_is_reported(table: dict[str, Any], expected: str) -> None:
    whole = {"kind": "late-reply", **table} if table else table
    with pytest.raises(FaultError) as caught:
        rule_from(whole)
    assert str(caught.value) == f"fault: {expected}"
    assert caught.value.key == expected.split(":")[0]
    with pytest.raises(FaultError) as caught:
        rules_from([{"kind": "no-reply"}, whole])
    assert str(caught.value) == f"fault 2: {expected}"
    assert "\n" not in str(caught.value)


def test_a_mistake_names_the_rule() -> None:
    text = '[[fault]]\nkind = "no-reply"\n[[fault]]\nkind = "no-reply"\nname = "b"\nprobability = 2'
    with pytest.raises(FaultError, match=r"^fault 2 'b': probability: 2 should be "):
        parse_rules(text)
    with pytest.raises(FaultError, match=r"^fault 'b': calls: "):
        rule_from({"kind": "no-reply", "name": "b", "calls": "x"})


@pytest.mark.parametrize("name", ["", "a b", "-a", "ä", "a" * 65, "a\n", "a/b"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(FaultError, match="give up to 64 letters"):
        rule_from({"kind": "no-reply", "name": name})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[fault]", r"^it is not TOML: Expected ']]' at the end of an array declaration"),
        ("a = " + "[" * 5000, "^it is not TOML: "),
        (
            '[[faults]]\nkind = "no-reply"',
            r"^faults: unknown key; write each rule as \[\[fault\]\]",
        ),
        ('[fault]\nkind = "no-reply"', r"^fault: write each rule as a table \[\[fault\]\]"),
        ("fault = [1]", r"^fault: write each rule as a table \[\[fault\]\]"),
        (
            '[[fault]]\nkind="no-reply"\nname="a"\n[[fault]]\nkind="empty-log"\nname="a"',
            "^fault 2 'a': name: another rule has this name$",
        ),
    ],
)
def test_text_without_rules_is_refused(text: str, expected: str) -> None:
    with pytest.raises(FaultError, match=expected):
        parse_rules(text)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.sampled_from(["1-3", "*", "4.8.1", "2026-01-01"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)
KEYS = [parameter.key for parameter in selectors()] + sorted(
    {parameter.key for kind in kinds() for parameter in kind.parameters}
)


@given(st.sampled_from(sorted(FAULTS)), st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))
def test_any_table_is_a_rule_or_a_clean_error(kind: str, table: dict[str, Any]) -> None:
    known = {
        parameter.key for each in kinds() if each.name == kind for parameter in each.parameters
    }
    known |= {parameter.key for parameter in selectors()}
    table = {key: value for key, value in table.items() if key in known}
    try:
        rule = rule_from({"kind": kind, **table})
    except FaultError:
        return
    assert rule_from(json.loads(json.dumps(rule_to(rule)))) == rule


@given(st.text())
def test_any_text_is_rules_or_a_clean_error(text: str) -> None:
    with suppress(FaultError):
        assert all(isinstance(rule, FaultRule) for rule in parse_rules(text))


def test_descriptions_of_kinds_have_parameters_and_defaults() -> None:
    described = {kind.name: kind.to_json() for kind in kinds()}
    assert described.keys() == FAULTS.keys()
    late = described["late-reply"]
    assert late["stage"] == "way"
    assert late["parameters"][0] == {
        "key": "seconds",
        "takes": "seconds from 0 to 31,622,400",
        "doc": "seconds of delay",
        "schema": {"type": "number", "minimum": 0, "maximum": 31622400, "default": 30.0},
    }
    for kind in described.values():
        assert kind["doc"].endswith(".")
        json.dumps(kind)
    keys = [parameter.key for parameter in selectors()]
    for kind in kinds():
        own = [parameter.key for parameter in kind.parameters]
        assert len({*own, *keys, "kind", "name"}) == len(own) + len(keys) + 2
