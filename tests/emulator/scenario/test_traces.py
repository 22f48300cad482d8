"""Traces in CSV, which scenarios and loads share."""

import pytest

from esme_emulator.estate.estate import derived_estate
from esme_emulator.messaging.recording import Recorded, line_of
from esme_emulator.messaging.topics import CACHED, DIRECT, command_topic
from esme_emulator.scenario.scenario import Mix, TraceLine
from esme_emulator.scenario.workload import TraceError, parse_trace, read_trace
from gbcs import EUI
from gbcs.instants import parse_iso
from gbcs.tables.reading_services import service_of
from gbcs.usecases.read_request import Window

WINDOW = Window(parse_iso("2026-01-13"), parse_iso("2026-01-14"))
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
        ("12.5;7;distributor;4.8.1", "semicolons between columns: use commas"),
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


ESTATE = derived_estate("1", 3)


def recorded(*seconds: float, prefix: str = CACHED, srv: str = "4.8.1", meter: int = 1) -> str:
    """Return a recording of reads of one day by the supplier."""
    supplier = ESTATE.parties(counter=5)[0]
    device = EUI.from_int(int(ESTATE.meters[0]) + meter)
    lines = []
    for second in seconds:
        _, octets = supplier.ask(device, service_of(srv), WINDOW if srv == "4.8.1" else None)
        lines.append(line_of(Recorded(1e9 + second, command_topic(prefix, device), octets)))
    return "".join(f"{line}\n" for line in lines)


def test_a_recording_is_a_trace(caplog: pytest.LogCaptureFixture) -> None:
    text = recorded(3.0, 5.5) + recorded(6.0, prefix=DIRECT)
    lines = read_trace("morning", text, MIX, ESTATE)
    assert [(line.meter, line.kind, line.window) for line in lines] == [(1, 0, WINDOW)] * 2
    assert [line.seconds for line in lines] == pytest.approx([0.0, 2.5])
    assert not caplog.records
    [direct] = read_trace("morning", recorded(3.0, prefix=DIRECT), MIX, ESTATE)
    assert direct.window == WINDOW


def test_recorded_requests_of_other_kinds_are_left_out_aloud(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = recorded(0.0) + recorded(1.0, srv="4.1.1") + recorded(2.0, meter=7)
    assert len(read_trace("morning", text, MIX, ESTATE)) == 1
    assert caplog.messages == [
        "morning: 2 of 3 requests are not of the mix or of these meters, and are left out"
    ]


@pytest.mark.parametrize(
    ("text", "last", "why"),
    [
        (recorded(0.0, srv="4.1.1"), 60, "morning: there is no request of the mix in it, which"),
        (recorded(0.0, 61.0), 60, "morning: it has requests after 60 seconds: give more seconds"),
        ("{}\n", 60, "morning, line 1: topic is missing"),
    ],
    ids=["other", "late", "bad-line"],
)
def test_a_recording_that_is_no_trace(text: str, last: float, why: str) -> None:
    with pytest.raises(TraceError) as caught:
        read_trace("morning", text, MIX, ESTATE, last)
    assert str(caught.value).startswith(why)
