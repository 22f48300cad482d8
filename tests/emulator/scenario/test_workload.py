from dataclasses import replace

import pytest

from esme_emulator.estate.estate import derived_estate
from esme_emulator.scenario.scenario import (
    ArrivalSettings,
    FleetSettings,
    Mix,
    Process,
    Scenario,
    TraceLine,
    window_of,
)
from esme_emulator.scenario.workload import (
    PlannedRequest,
    Planner,
    WorkloadError,
    arrivals_of,
)
from gbcs.instants import DAY, EPOCH_UNIX, HALF_HOUR, parse_iso
from gbcs.usecases.read_request import Window

START = parse_iso("2026-01-15T06:00:00Z")
SCENARIO = Scenario(
    name="mine",
    title="Mine",
    seed="w",
    start=START,
    fleet=FleetSettings(5),
    arrivals=ArrivalSettings(Process.POISSON, 600, 40),
    mix=(Mix(1, "import-supplier", "4.8.1"), Mix(3, "other-user", "4.8.1", days=2, ends="hour")),
)


def workload(scenario: Scenario) -> list[PlannedRequest]:
    estate = derived_estate(scenario.seed, scenario.fleet.meters)
    planner = Planner(scenario, estate)
    return [planner.request(arrival) for arrival in arrivals_of(scenario)]


@pytest.mark.parametrize("process", [Process.POISSON, Process.CONSTANT, Process.RAMP])
def test_requests_are_in_order_within_the_time(process: Process) -> None:
    requests = workload(replace(SCENARIO, arrivals=ArrivalSettings(process, 600, 40)))
    times = [request.time - EPOCH_UNIX - START for request in requests]
    assert len(times) == 40
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= 600
    halves = sum(time < 300 for time in times), sum(time >= 300 for time in times)
    if process is Process.CONSTANT:
        assert halves == (20, 20)
    if process is Process.RAMP:
        assert halves == (10, 30)


def test_octets_follow_from_scenario_and_seed() -> None:
    first, second = workload(SCENARIO), workload(SCENARIO)
    assert first == second
    others = workload(replace(SCENARIO, seed="x"))
    assert [request.octets for request in others] != [request.octets for request in first]


def test_originator_counters_are_unique() -> None:
    requests = workload(replace(SCENARIO, mix=(replace(SCENARIO.mix[0], repeats=3),)))
    assert len(requests) == 160
    used = {
        (request.command.remote_party, request.command.originator_counter) for request in requests
    }
    assert len(used) == 160


def test_shares_and_windows_follow_the_mix() -> None:
    requests = workload(replace(SCENARIO, arrivals=ArrivalSettings(Process.POISSON, 600, 400)))
    by_party = [request.party for request in requests]
    assert 60 < by_party.count("import-supplier") < 140
    for request in requests:
        now = int(request.time) - EPOCH_UNIX
        if request.party == "import-supplier":
            assert (request.key.start, request.key.end) == (
                now // DAY * DAY - DAY,
                now // DAY * DAY,
            )
        else:
            assert request.key.end == now // 3600 * 3600
            assert request.key.end - request.key.start == 2 * DAY


def test_a_window_that_ends_now_ends_in_the_future() -> None:
    for request in workload(replace(SCENARIO, mix=(Mix(1, "distributor", "4.8.1", ends="now"),))):
        now = int(request.time) - EPOCH_UNIX
        assert now < request.key.end <= now + HALF_HOUR


def test_repeats_come_later_with_the_same_window() -> None:
    mix = Mix(1, "import-supplier", "4.8.1", repeats=1, again=120)
    requests = workload(
        replace(SCENARIO, mix=(mix,), arrivals=ArrivalSettings(Process.CONSTANT, 60, 1))
    )
    assert [request.time - EPOCH_UNIX - START for request in requests] == [0, 120]
    assert requests[0].key == requests[1].key
    assert requests[0].octets != requests[1].octets


def test_a_repeat_in_a_later_half_hour_keeps_its_window() -> None:
    mix = Mix(1, "import-supplier", "4.8.1", ends="now", repeats=2, again=3600)
    requests = workload(
        replace(SCENARIO, mix=(mix,), arrivals=ArrivalSettings(Process.CONSTANT, 60, 1))
    )
    assert len({request.key for request in requests}) == 1
    ended = [request.key.end <= request.time - EPOCH_UNIX for request in requests]
    assert ended == [False, True, True]


def test_requests_of_one_time_are_in_the_order_of_euis() -> None:
    mix = tuple(replace(kind, repeats=2, again=30) for kind in SCENARIO.mix)
    arrivals = ArrivalSettings(Process.CONSTANT, 600, 60)
    requests = workload(replace(SCENARIO, mix=mix, arrivals=arrivals))
    order = [(request.time, request.key.device) for request in requests]
    assert order == sorted(order)
    assert len({time for time, _ in order}) < len(order)
    assert [request.number for request in requests] == list(range(1, 181))


def test_many_times_are_sorted_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = workload(SCENARIO)
    monkeypatch.setattr("esme_emulator.scenario.workload._CHUNK", 7)
    assert workload(SCENARIO) == whole


TRACED = replace(
    SCENARIO,
    arrivals=ArrivalSettings(Process.TRACE, 600, 2, "mine.csv"),
    trace=(TraceLine(9, 4, 1), TraceLine(2.5, 0, 0)),
)


def test_a_trace_gives_times_meters_and_parties() -> None:
    requests = workload(TRACED)
    assert [(request.time - EPOCH_UNIX - START, request.party) for request in requests] == [
        (2.5, "import-supplier"),
        (9, "other-user"),
    ]
    assert [str(request.key.device)[-1] for request in requests] == ["0", "4"]


def test_meters_and_parties_missing_in_a_trace_are_drawn() -> None:
    times = replace(TRACED, trace=tuple(TraceLine(second) for second in range(400)))
    requests = workload(times)
    assert [request.time - EPOCH_UNIX - START for request in requests] == list(range(400))
    assert 60 < [request.party for request in requests].count("import-supplier") < 140
    assert len({request.key.device for request in requests}) == 5
    assert workload(times) == requests


def test_an_unknown_meter_in_a_trace_is_an_error() -> None:
    fewer = replace(TRACED, fleet=FleetSettings(4))
    with pytest.raises(WorkloadError, match=r"mine\.csv asks meter 4, and there are 0 to 3"):
        workload(fewer)


def test_an_unknown_party_is_an_error() -> None:
    with pytest.raises(WorkloadError, match="there is no party nobody"):
        workload(replace(SCENARIO, mix=(Mix(1, "nobody", "4.8.1"),)))


def test_a_window_of_the_trace_comes_before_that_of_the_mix() -> None:
    own = Window(parse_iso("2026-01-02"), parse_iso("2026-01-03"))
    traced = replace(TRACED, trace=(TraceLine(1.0, 0, 0, own), TraceLine(2.0, 0, 0)))
    estate = derived_estate(traced.seed, traced.fleet.meters)
    planner = Planner(traced, estate)
    first, second = map(planner.request, arrivals_of(traced))
    assert (first.key.start, first.key.end) == (own.start, own.end)
    assert (second.key.start, second.key.end) != (own.start, own.end)


def test_a_window_may_lie_days_back() -> None:
    now = parse_iso("2026-01-15T06:00:00Z")
    kind = Mix(1, "distributor", "4.8.1")
    yesterday, before = window_of(kind, now), window_of(replace(kind, back=1), now)
    assert (before.start, before.end) == (yesterday.start - DAY, yesterday.end - DAY)
    assert before.end == parse_iso("2026-01-14")
