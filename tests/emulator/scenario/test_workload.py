from dataclasses import replace

import pytest

from esme_emulator.estate.estate import derived_estate
from esme_emulator.estate.parties import PARTY_NAMES
from esme_emulator.scenario.scenario import (
    Arrivals,
    FleetSettings,
    Mix,
    Process,
    Scenario,
    TraceLine,
)
from esme_emulator.scenario.workload import Ask, WorkloadError, make_workload
from gbcs.instants import DAY, EPOCH_UNIX, HALF_HOUR, parse_iso

START = parse_iso("2026-01-15T06:00:00Z")
SCENARIO = Scenario(
    name="mine",
    title="Mine",
    seed="w",
    start=START,
    fleet=FleetSettings(5),
    arrivals=Arrivals(Process.POISSON, 600, 40),
    mix=(Mix(1, "import-supplier", "4.8.1"), Mix(3, "other-user", "4.8.1", days=2, ends="hour")),
)


def workload(scenario: Scenario) -> list[Ask]:
    estate = derived_estate(scenario.seed, scenario.fleet.meters)
    parties = {PARTY_NAMES[party.eui]: party for party in estate.parties(counter=1)}
    return make_workload(scenario, estate.meters, parties)


@pytest.mark.parametrize("process", [Process.POISSON, Process.CONSTANT, Process.RAMP])
def test_so_many_requests_within_the_time_in_order(process: Process) -> None:
    asks = workload(replace(SCENARIO, arrivals=Arrivals(process, 600, 40)))
    times = [ask.time - EPOCH_UNIX - START for ask in asks]
    assert len(times) == 40
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= 600
    halves = sum(time < 300 for time in times), sum(time >= 300 for time in times)
    if process is Process.CONSTANT:
        assert halves == (20, 20)
    if process is Process.RAMP:
        assert halves == (10, 30)


def test_the_same_scenario_gives_the_same_octets_and_another_seed_others() -> None:
    first, second = workload(SCENARIO), workload(SCENARIO)
    assert first == second
    others = workload(replace(SCENARIO, seed="x"))
    assert [ask.octets for ask in others] != [ask.octets for ask in first]


def test_no_originator_counter_comes_twice() -> None:
    asks = workload(replace(SCENARIO, mix=(replace(SCENARIO.mix[0], repeats=3),)))
    assert len(asks) == 160
    used = {(ask.command.remote_party, ask.command.originator_counter) for ask in asks}
    assert len(used) == 160


def test_shares_and_windows_are_those_of_the_mix() -> None:
    asks = workload(replace(SCENARIO, arrivals=Arrivals(Process.POISSON, 600, 400)))
    by_party = [ask.party for ask in asks]
    assert 60 < by_party.count("import-supplier") < 140
    for ask in asks:
        now = int(ask.time) - EPOCH_UNIX
        if ask.party == "import-supplier":
            assert (ask.key.start, ask.key.end) == (now // DAY * DAY - DAY, now // DAY * DAY)
        else:
            assert ask.key.end == now // 3600 * 3600
            assert ask.key.end - ask.key.start == 2 * DAY


def test_a_window_that_ends_now_is_not_over() -> None:
    for ask in workload(replace(SCENARIO, mix=(Mix(1, "distributor", "4.8.1", ends="now"),))):
        now = int(ask.time) - EPOCH_UNIX
        assert now < ask.key.end <= now + HALF_HOUR


def test_repeats_come_later_and_ask_the_same() -> None:
    mix = Mix(1, "import-supplier", "4.8.1", repeats=1, again=120)
    asks = workload(replace(SCENARIO, mix=(mix,), arrivals=Arrivals(Process.CONSTANT, 60, 1)))
    assert [ask.time - EPOCH_UNIX - START for ask in asks] == [0, 120]
    assert asks[0].key == asks[1].key
    assert asks[0].octets != asks[1].octets


def test_what_is_asked_again_is_the_same_window_though_another_half_hour_ended() -> None:
    mix = Mix(1, "import-supplier", "4.8.1", ends="now", repeats=2, again=3600)
    asks = workload(replace(SCENARIO, mix=(mix,), arrivals=Arrivals(Process.CONSTANT, 60, 1)))
    assert len({ask.key for ask in asks}) == 1
    ended = [ask.key.end <= ask.time - EPOCH_UNIX for ask in asks]
    assert ended == [False, True, True]


def test_more_requests_than_fit_into_memory_are_not_made() -> None:
    most = replace(SCENARIO.mix[0], repeats=99)
    greedy = replace(SCENARIO, mix=(most,), arrivals=Arrivals(Process.POISSON, 1, 10_001))
    with pytest.raises(WorkloadError, match="up to 1,000,100 requests; at most 1,000,000"):
        workload(greedy)


TRACED = replace(
    SCENARIO,
    arrivals=Arrivals(Process.TRACE, 600, 2, "mine.csv"),
    trace=(TraceLine(9, 4, 1), TraceLine(2.5, 0, 0)),
)


def test_a_trace_says_when_which_meter_is_asked_by_whom() -> None:
    asks = workload(TRACED)
    assert [(ask.time - EPOCH_UNIX - START, ask.party) for ask in asks] == [
        (2.5, "import-supplier"),
        (9, "other-user"),
    ]
    assert [str(ask.key.device)[-1] for ask in asks] == ["0", "4"]


def test_what_a_trace_leaves_out_is_drawn() -> None:
    times = replace(TRACED, trace=tuple(TraceLine(second) for second in range(400)))
    asks = workload(times)
    assert [ask.time - EPOCH_UNIX - START for ask in asks] == list(range(400))
    assert 60 < [ask.party for ask in asks].count("import-supplier") < 140
    assert len({ask.key.device for ask in asks}) == 5
    assert workload(times) == asks


def test_a_meter_of_a_trace_that_there_is_not_is_named() -> None:
    fewer = replace(TRACED, fleet=FleetSettings(4))
    with pytest.raises(WorkloadError, match=r"mine\.csv asks meter 4, and there are 0 to 3"):
        workload(fewer)


def test_an_unknown_party_is_named() -> None:
    with pytest.raises(WorkloadError, match="there is no party nobody"):
        workload(replace(SCENARIO, mix=(Mix(1, "nobody", "4.8.1"),)))
