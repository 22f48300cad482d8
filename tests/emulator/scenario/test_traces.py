"""Traces in CSV, which scenarios and loads share."""

import pytest

from esme_emulator.scenario.scenario import Mix, TraceLine
from esme_emulator.scenario.workload import TraceError, parse_trace
from gbcs.instants import parse_iso
from gbcs.usecases.read_request import Window

MIX = (Mix(3, "import-supplier", "4.8.1"), Mix(1, "distributor", "4.8.3"))


def test_a_line_has_a_time_and_optionally_meter_party_and_srv() -> None:
    text = "# a comment\n\n2.5\n0.5, 7, distributor, 4.8.3\n"
    assert parse_trace("trace.csv", text, MIX, 50) == (TraceLine(2.5), TraceLine(0.5, 7, 1))


def test_a_line_may_have_a_window_of_its_own() -> None:
    text = "2,7,distributor,4.8.3,2026-01-13,2026-01-13T12:00:00Z"
    window = Window(parse_iso("2026-01-13"), parse_iso("2026-01-13T12:00:00Z"))
    assert parse_trace("trace.csv", text, MIX, 50) == (TraceLine(2.0, 7, 1, window),)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1,0,distributor,4.8.3,soon,2026-01-13", "'soon' is not"),
        ("1,0,distributor,4.8.3,2026-01-13,2026-01-12", "the window ends, at 2026-01-12, before"),
        ("1,0,distributor,4.8.3,2026-01-13", "give seconds, or seconds, number of the meter"),
        ("x", "'x': give seconds of 0 or more"),
        ("-1", "'-1': give seconds of 0 or more"),
        ("nan", "'nan': give seconds of 0 or more"),
        ("inf", "'inf': give seconds of 0 or more"),
        pytest.param("9" * 200_000, "field larger than field limit", id="long"),
        ("1,2", "give seconds, or seconds, number of the meter, party, SRV"),
        ("1,50,distributor,4.8.3", "'50': give the number of a meter, 0 to 49"),
        ("1,-1,distributor,4.8.3", "'-1': give the number of a meter"),
        ("1,²,distributor,4.8.3", "'²': give the number of a meter"),
        ("1,0,distributor,4.8.1", "the scenario's mix has no distributor 4.8.1; it has import-sup"),
    ],
)
def test_an_invalid_line_is_reported_with_its_number(line: str, said: str) -> None:
    with pytest.raises(TraceError) as caught:
        parse_trace("trace.csv", f"1.0\n{line}\n", MIX, 50)
    assert str(caught.value).startswith(f"trace.csv, line 2: {said}")


def test_an_empty_trace_is_an_error() -> None:
    with pytest.raises(TraceError, match=r"trace\.csv: there is no request in it"):
        parse_trace("trace.csv", "# nothing\n", MIX, 50)


@pytest.mark.parametrize("line", ["61", "-1", "soon"])
def test_a_time_after_the_end_is_an_error(line: str) -> None:
    assert parse_trace("trace.csv", "60", MIX, 50, last=60) == (TraceLine(60.0),)
    with pytest.raises(
        TraceError, match=f"^trace.csv, line 1: '{line}': give seconds from 0 to 60"
    ):
        parse_trace("trace.csv", line, MIX, 50, last=60)
