"""Sums over workers, abort rules, and the result."""

import json
from array import array
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from esme_emulator.load.in_flight import Batch, ConnectionState, Origin, Outcome
from esme_emulator.load.plan import Arrivals, LoadError, Plan
from esme_emulator.load.report import report_folder, write_report
from esme_emulator.load.result import make_result
from esme_emulator.load.run import GONE, Outage, live
from esme_emulator.load.tally import (
    AbortRule,
    Second,
    Tally,
    first_exceeded,
    parse_rule,
    percentile,
)
from esme_emulator.runtime.reports import ReportFolderError
from esme_emulator.scenario.scenario import Mix

MIX = (Mix(1, "import-supplier", "4.8.1"),)


def plan(arrivals: Arrivals = Arrivals.CONSTANT, **changes: Any) -> Plan:
    settings: dict[str, Any] = {"mix": MIX, "seed": "1", "meters": 5, "rate": 1.0}
    return Plan(arrivals, **{**settings, **changes})


def batch(
    worker: int = 0,
    party: str = "import-supplier",
    srv: str = "4.8.1",
    hits: tuple[float, ...] = (),
    misses: tuple[float, ...] = (),
    **outcomes: int,
) -> Batch:
    made = Batch(
        worker=worker, cpu=0.25, checked=1, made=outcomes.get("sent", 0), in_flight=worker + 1
    )
    for name, number in outcomes.items():
        made.counts[party, srv, Outcome(name.replace("_", "-"))] += number
    for origin, latencies in ((Origin.HIT, hits), (Origin.MISS, misses)):
        if latencies:
            made.latencies[party, srv, origin] = array("d", latencies)
    made.lags.extend([0.001] * outcomes.get("sent", 0))
    made.arrived = len(hits) + len(misses)
    return made


def second(
    latencies: tuple[float, ...] = (),
    in_flight: int = 0,
    waiting: tuple[float, ...] = (),
    **outcomes: int,
) -> Second:
    counts = {Outcome(name.replace("_", "-")): number for name, number in outcomes.items()}
    taken = array("d", sorted(latencies))
    return Second(Counter(counts), taken, in_flight, waiting=array("d", waiting))


def tally() -> Tally:
    made = Tally(window=2)
    made.add(batch(0, hits=(0.001, 0.002), misses=(0.5,), sent=4, answered=3, no_reply=1))
    made.add(batch(1, "distributor", "4.6.1", sent=2, refused=2))
    made.add(batch(1, "distributor", hits=(0.004,), sent=1, answered=1, not_sent=3))
    return made


def test_counts_of_workers_are_summed() -> None:
    summed = tally()
    assert summed.total(Outcome.SENT) == 7
    assert summed.total(Outcome.SENT, party="distributor") == 3
    assert summed.total(Outcome.SENT, srv="4.8.1") == 5
    assert summed.failed() == 6
    assert summed.latency().quantiles().count == 4
    assert summed.latency(origin=Origin.HIT).quantiles().max == pytest.approx(4.0, rel=0.001)
    assert summed.latency(party="import-supplier", srv="4.8.1").quantiles().count == 3
    assert summed.cpu == {0: 0.25, 1: 0.5}
    assert len(summed.lags) == 7


def test_a_later_batch_can_correct_an_earlier_one() -> None:
    summed = tally()
    summed.add(batch(0, sent=-1, not_sent=1))
    assert summed.total(Outcome.SENT) == 6


def test_a_second_has_the_counts_since_the_last_one() -> None:
    summed = tally()
    first = summed.close_second()
    assert first.latencies.tolist() == [0.001, 0.002, 0.004, 0.5]
    assert first.outcomes[Outcome.NOT_SENT] == 3
    assert (first.made, first.in_flight) == (7, 3)
    summed.close_second()
    assert summed.close_second().outcomes == Counter()
    assert first not in summed.recent
    assert len(summed.recent) == 2


def test_a_second_has_the_most_in_flight_and_the_ages_at_its_end() -> None:
    summed = Tally()
    for in_flight, waiting in ((5, (0.1, 0.2)), (1, (0.3,))):
        summed.add(Batch(in_flight=in_flight, waiting=array("d", waiting)))
        summed.add(Batch(worker=1, in_flight=2, waiting=array("d", [0.4])))
    closed = summed.close_second()
    assert (closed.in_flight, closed.waiting.tolist()) == (7, [0.3, 0.4])
    closed = summed.close_second()
    assert (closed.in_flight, closed.waiting.tolist()) == (3, [0.3, 0.4])


def test_a_second_knows_whether_all_workers_are_connected() -> None:
    summed = tally()
    assert summed.close_second().is_up
    summed.add(Batch(worker=1, connection=ConnectionState(is_up=False)))
    summed.add(Batch(worker=0))
    assert not summed.close_second().is_up
    summed.add(Batch(worker=1, connection=ConnectionState(reconnections=1)))
    assert summed.close_second().is_up
    assert summed.reconnections == 1


def test_only_a_long_outage_ends_a_load() -> None:
    outage = Outage()
    said = [outage.exceeded(up, at) for at, up in enumerate([True, False, False, True], 1)]
    assert said == [None] * 4
    said = [outage.exceeded(False, 5.0 + number) for number in range(GONE)]
    assert said[:-1] == [None] * (GONE - 1)
    assert str(said[-1]).startswith("the connection to the broker was lost 4 s after the start")


def test_live_figures_are_of_the_last_second() -> None:
    summed = tally()
    summed.close_second()
    shown = live(summed, elapsed=1.0, warm_up=2.0)
    assert (shown.sent_rate, shown.answered_rate, shown.in_flight) == (7, 4, 3)
    assert shown.p99 == 500.0
    assert shown.failed == 6
    assert shown.warming_up


def test_percentile_is_the_nearest_rank() -> None:
    values = array("d", [1.0, 2.0, 3.0, 4.0])
    assert [percentile(values, part) for part in (0.0, 0.5, 0.51, 0.99, 1.0)] == [1, 2, 3, 4, 4]
    assert percentile(array("d"), 0.5) is None


@pytest.mark.parametrize(
    ("text", "figure", "limit"),
    [
        ("failed > 5%", "failed", 0.05),
        (" no-reply>0.5% ", "no-reply", 0.005),
        ("not-sent > 0%", "not-sent", 0.0),
        ("p99 > 500ms", "p99", 0.5),
        ("p99.9 > 1.5s", "p99.9", 1.5),
        ("max > 2 s", "max", 2.0),
        ("in-flight > 100", "in-flight", 100.0),
    ],
)
def test_rules_are_parsed(text: str, figure: str, limit: float) -> None:
    assert parse_rule(text) == AbortRule(text.strip(), figure, limit)


@pytest.mark.parametrize(
    "text",
    ["", "failed", "failed > 5", "failed > 500%", "failed < 5%", "p99 > 500", "p99 > 5%",
     "p98 > 5ms", "p99 > -5ms", "p99 > nans", "in-flight > 5%"],
)  # fmt: skip
def test_invalid_rules_are_errors(text: str) -> None:
    with pytest.raises(LoadError, match=r'^.*: write it as "failed > 5%"'):
        parse_rule(text)


@pytest.mark.parametrize(
    ("rule", "seconds", "said"),
    [
        ("failed > 5%", [second(answered=95, refused=5)], None),
        ("failed > 5%", [second(answered=94, refused=3, not_sent=3)], "failed > 5%: 6.0%"),
        ("failed > 5%", [second(answered=90, invalid=10), second(answered=110)], None),
        ("no-reply > 0%", [second(answered=9, no_reply=1)], "no-reply > 0%: 10.0%"),
        ("no-reply > 0%", [second(sent=9)], None),
        ("p99 > 500ms", [second((0.1, 0.5))], None),
        (
            "p99 > 500ms",
            [second((0.1,)), second((0.6,))],
            "p99 > 500ms: 600.0 ms over the last 2 s",
        ),
        ("p50 > 500ms", [second((0.1, 0.1)), second((0.6,))], None),
        ("max > 500ms", [second()], None),
        ("p99 > 500ms", [second((0.1,) * 99, no_reply=1)], None),
        ("p99 > 500ms", [second((0.1,) * 98, no_reply=2)], "p99 > 500ms: no answer in time over"),
        ("max > 500ms", [second(not_sent=1)], "max > 500ms: no answer in time over the last 1 s"),
        ("max > 500ms", [second(invalid=1), second((0.1,))], "max > 500ms: no answer in time"),
        ("max > 500ms", [second(refused=1)], None),
        ("max > 500ms", [second(waiting=(0.1, 0.5))], None),
        ("max > 500ms", [second((0.1,), waiting=(0.1, 0.6))], "max > 500ms: no answer in time"),
        ("p50 > 500ms", [second((0.1, 0.1), waiting=(0.6, 0.6, 0.1))], None),
        ("max > 500ms", [second(waiting=(0.6,)), second((0.1,))], None),
        ("in-flight > 10", [second(in_flight=11), second(in_flight=10)], None),
        ("in-flight > 10", [second(in_flight=11)], "in-flight > 10: 11 over the last 1 s"),
        ("in-flight > 10", [], None),
    ],
)
def test_rules_are_checked_over_the_window(
    rule: str, seconds: list[Second], said: str | None
) -> None:
    found = parse_rule(rule).exceeded(seconds)
    assert (found or "").startswith(said or "")
    assert (found is None) == (said is None)


def test_the_first_exceeded_rule_is_reported() -> None:
    rules = [parse_rule("p99 > 1s"), parse_rule("failed > 1%"), parse_rule("refused > 1%")]
    said = first_exceeded(rules, [second((0.1,), answered=1, refused=1)])
    assert said == "failed > 1%: 50.0% over the last 1 s"


def result_of(summed: Tally, ended: str | None = None, shared: bool = False, **changes: Any) -> Any:
    made = make_result(
        "quickstart", plan(**changes), summed, ended=ended, elapsed=12.0, shared=shared
    )
    return json.loads(json.dumps(made.as_dict()))


def test_the_result_adds_up() -> None:
    form = result_of(tally())
    assert form["requests"] == {
        "planned": 10, "sent": 7, "answered": 4, "refused": 2, "invalid": 0, "no_reply": 1,
        "not_sent": 3, "unfinished": 0, "failed": 6,
    }  # fmt: skip
    assert form["complete"] is True
    assert form["measured_seconds"] == 10.0
    assert (form["target_rate"], form["sent_rate"], form["achieved_rate"]) == (1.0, 0.7, 0.4)
    assert set(form["latency"]) == {"all", "hit", "miss", "collapsed", "bypass", "untold"}
    assert form["latency"]["miss"]["p99_9"] == pytest.approx(500.0, rel=0.001)
    assert [part["name"] for part in form["by_srv"]] == ["4.6.1", "4.8.1"]
    assert sum(part["requests"]["sent"] for part in form["by_party"]) == 7
    assert form["generator"]["cpu_microseconds_per_request"] == pytest.approx(0.75 / 7 * 1e6, 0.01)
    assert form["generator"]["busiest_worker"] == 0.05


def notes(form: Mapping[str, Any]) -> str:
    return "\n".join(form["notes"])


def test_the_result_has_notes_about_its_figures() -> None:
    assert notes(result_of(tally())) == ""
    assert "for real figures give --broker" in notes(result_of(tally(), shared=True))
    assert result_of(tally(), shared=True)["generator"]["cpu_seconds"] is None
    unanswered = Tally()
    unanswered.add(batch(sent=1, no_reply=1))
    assert "nothing was answered" in notes(result_of(unanswered))
    assert notes(result_of(Tally())) == ""
    for other in (batch(sent=1, unfinished=1), batch(sent=2, refused=1, no_reply=1)):
        heard = Tally()
        heard.add(other)
        assert notes(result_of(heard)) == ""
    closed = result_of(tally(), arrivals=Arrivals.CLOSED, closed=5)
    assert "closed loop" in notes(closed)
    assert closed["target_rate"] is None
    untold = Tally()
    untold.add(batch(sent=1, answered=1))
    untold.histograms["import-supplier", "4.8.1", Origin.UNTOLD].record([0.1])
    assert "1 answers are counted neither as hits nor as misses: the cache on s1sp/ sent" in notes(
        result_of(untold)
    )
    assert notes(result_of(untold, via="direct")) == ""
    untold.add(Batch(connection=ConnectionState(carries_properties=False)))
    assert "nor as misses: the broker speaks only MQTT 3.1.1" in notes(result_of(untold))
    assert notes(result_of(untold, via="direct")) == ""
    back = tally()
    back.add(Batch(connection=ConnectionState(reconnections=2)))
    assert "lost and restored: 2;" in notes(result_of(back))
    late = tally()
    late.lags.record([0.1] * 100)
    assert "sent 100 ms or more after its time" in notes(result_of(late))
    busy = tally()
    busy.cpu[0] = 9.0
    assert "busy 90% of the time" in notes(result_of(busy))


def test_an_interrupted_load_is_incomplete() -> None:
    form = result_of(tally(), ended="interrupted")
    assert form["complete"] is False
    assert form["ended"] == "interrupted"


def test_an_empty_load_has_zero_rates() -> None:
    made = make_result(
        "x", plan(warm_up=5.0), Tally(), ended="interrupted", elapsed=1.0, shared=False
    )
    assert (made.measured_seconds, made.sent_rate, made.achieved_rate) == (0.0, 0.0, 0.0)


def test_hdrhistogram_can_read_the_report(tmp_path: Path) -> None:
    summed = tally()
    made = make_result("x", plan(), summed, ended=None, elapsed=10.0, shared=False)
    folder = report_folder(tmp_path / "a" / "b")
    folder.clear()
    files = write_report(folder, made, summed)
    assert {file.name for file in files} == {
        "load.json", "load.html", "load.junit.xml", "load.md", "load.hlog",
        "latency-all.hgrm", "latency-hit.hgrm", "latency-miss.hgrm"
    }  # fmt: skip
    assert json.loads(files[0].read_text())["requests"]["sent"] == 7
    [log] = [file for file in files if file.name == "load.hlog"]
    reader = HistogramLogReader(str(log), HdrHistogram(1, 7_200_000_000, 3))
    histogram = reader.get_next_interval_histogram()
    assert histogram.get_total_count() == 4
    assert histogram.get_max_value() == pytest.approx(500_000, rel=0.001)
    reader.close()


def test_an_impossible_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportFolderError, match=r"^report folder .*/file"):
        report_folder(tmp_path / "file").clear()
