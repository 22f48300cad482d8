"""Counters are exact for any order of counts, and add up over processes."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.fleet.counters import NOT_HOSTED, Counters, Row, Series, Stage
from gbcs import EUI

ONE, TWO, HIGHEST = EUI.from_int(1), EUI.from_int(2), EUI(b"\xff" * 8)
SRVS = ("4.6.1", "4.8.1", "unknown")
OUTCOMES = ("answered", "refused", "malformed")

events = st.lists(
    st.tuples(
        st.sampled_from(Stage),
        st.sampled_from((ONE, TWO, HIGHEST)),
        st.sampled_from(SRVS),
        st.sampled_from(OUTCOMES),
    )
)


def counted(*seen: tuple[Stage, EUI | None, str, str]) -> Counters:
    counters = Counters()
    for event in seen:
        counters.count(*event)
    return counters


@given(events)
def test_every_query_agrees_with_counting_one_by_one(
    seen: list[tuple[Stage, EUI, str, str]],
) -> None:
    counters, truth = counted(*seen), Counter(seen)
    rows = {(row.stage, row.device, row.srv, row.outcome): row.number for row in counters.rows()}
    assert rows == truth
    assert counters.total() == len(seen)
    assert counters.meters() == len({device for _, device, _, _ in seen})
    for device in (ONE, TWO, HIGHEST):
        of_meter = counters.of_meter(device)
        assert of_meter == sorted(row for row in counters.rows() if row.device == device)
        for srv in SRVS:
            received = sum(event[:3] == (Stage.RECEIVED, device, srv) for event in seen)
            assert counters.received(device, srv) == received
            assert counters.received_by_meter().get((device, srv), 0) == received
    for stage in Stage:
        assert counters.total(stage) == sum(event[0] is stage for event in seen)
    for srv, outcome, received, replied in counters.as_table():
        pairs = Counter(event[0] for event in seen if event[2:] == (srv, outcome))
        assert (received, replied) == (pairs[Stage.RECEIVED], pairs[Stage.REPLIED])
        assert counters.outcomes().get((srv, outcome), 0) == received


@given(events, events)
def test_counters_of_two_processes_add_up_through_json(
    here: list[tuple[Stage, EUI, str, str]], there: list[tuple[Stage, EUI, str, str]]
) -> None:
    counters = counted(*here)
    counters.merge(Counters.from_json(json.loads(json.dumps(counted(*there).to_json()))))
    together = counted(*here, *there)
    assert counters.totals() == together.totals()
    assert Counter(counters.rows()) == Counter(together.rows())
    assert counters.received(ONE, "4.8.1") == together.received(ONE, "4.8.1")


def test_rows_can_be_filtered_and_limited() -> None:
    counters = counted(
        (Stage.RECEIVED, ONE, "4.8.1", "answered"),
        (Stage.RECEIVED, TWO, "4.8.1", "answered"),
        (Stage.RECEIVED, TWO, "4.6.1", "refused"),
        (Stage.REPLIED, ONE, "4.8.1", "answered"),
    )
    assert list(counters.rows(Stage.REPLIED)) == [Row(ONE, Stage.REPLIED, "4.8.1", "answered", 1)]
    assert [row.device for row in counters.rows(srv="4.8.1", outcome="answered")] == [ONE, TWO, ONE]
    assert [row.srv for row in counters.rows(outcome="refused")] == ["4.6.1"]
    assert len(list(counters.rows(limit=2))) == 2
    assert list(counters.rows(limit=0)) == []
    assert counters.total(srv="4.8.1") == 3
    assert next(iter(counters.totals())) == Series(Stage.RECEIVED, "4.6.1", "refused")


def test_messages_for_no_meter_count_in_totals_but_not_as_device_hits() -> None:
    counters = counted(
        (Stage.RECEIVED, None, "unknown", NOT_HOSTED), (Stage.RECEIVED, ONE, "4.8.1", "answered")
    )
    assert counters.total(Stage.RECEIVED) == 2
    assert counters.device_hits == 1
    assert counters.meters() == 1
    again = Counters.from_json(counters.to_json())
    assert again.totals() == counters.totals()


def test_counting_begins_anew_after_a_reset() -> None:
    counters = counted((Stage.RECEIVED, ONE, "4.8.1", "answered"))
    counters.reset()
    assert counters.totals() == {}
    assert counters.received(ONE, "4.8.1") == 0
    counters.count(Stage.RECEIVED, ONE, "4.8.1", "answered")
    assert counters.received(ONE, "4.8.1") == 1


GOOD: dict[str, Any] = {
    "stage": "received",
    "srv": "4.8.1",
    "outcome": "answered",
    "total": 1,
    "meters": {str(ONE): 1},
}


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({}, "array"),
        ([GOOD, 5], "series 1"),
        ([{**GOOD, "stage": "sent"}], "series 0: 'sent' is not a valid Stage"),
        ([{**GOOD, "srv": None}], "None is not a text"),
        ([{**GOOD, "total": -1}], "-1 is not a count"),
        ([{**GOOD, "total": True}], "True is not a count"),
        ([{**GOOD, "meters": {"nonsense": 1}}], "nonsense"),
        ([{**GOOD, "meters": {str(ONE): 1.5}}], "1.5 is not a count"),
        ([{**GOOD, "meters": []}], "series 0"),
        ([{"stage": "received"}], "series 0: 'srv' is missing"),
    ],
)
def test_invalid_counts_are_refused_in_one_line(form: object, says: str) -> None:
    assert Counters.from_json([GOOD]).total() == 1
    with pytest.raises(ValueError, match=says) as raised:
        Counters.from_json(form)
    assert len(str(raised.value).splitlines()) == 1


def test_hits_and_rows_are_those_of_the_given_meter_and_srv() -> None:
    one, other, counters = EUI.from_int(1), EUI.from_int(2), Counters()
    for device, srv, number in ((one, "4.8.1", 3), (one, "4.6.1", 2), (other, "4.8.1", 5)):
        counters.count(Stage.RECEIVED, device, srv, "answered", number)
        counters.count(Stage.REPLIED, device, srv, "answered", number - 1)
    counters.count(Stage.RECEIVED, None, "4.8.1", NOT_HOSTED, 7)
    assert (counters.hits(), counters.hits(device=one), counters.hits("4.8.1")) == (10, 5, 8)
    assert counters.hits("4.8.1", device=one) == 3
    assert counters.hits("4.8.1", device=one, outcome="refused") == 0
    assert counters.as_table(one) == [("4.6.1", "answered", 2, 1), ("4.8.1", "answered", 3, 2)]
    assert counters.as_table(one, "4.8.1") == [("4.8.1", "answered", 3, 2)]
    assert counters.as_table(srv="4.6.1") == [("4.6.1", "answered", 2, 1)]
