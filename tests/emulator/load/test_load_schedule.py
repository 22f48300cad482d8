"""Planned times of requests: arrival processes, the shares of workers, and traces."""

from collections import Counter
from itertools import islice, pairwise
from typing import Any

import pytest

from esme_emulator.load.generator import schedule
from esme_emulator.load.plan import Arrivals, Plan
from esme_emulator.scenario.scenario import Mix, TraceLine
from esme_emulator.scenario.workload import parse_trace, whole_seconds

MIX = (Mix(3, "import-supplier", "4.8.1"), Mix(1, "distributor", "4.8.3"))


def plan(arrivals: Arrivals, **changes: Any) -> Plan:
    settings: dict[str, Any] = {"mix": MIX, "seed": "1", "meters": 50, "rate": 100.0}
    return Plan(arrivals, **{"seconds": 9.0, "warm_up": 1.0, **settings, **changes})


def test_constant_arrivals_are_evenly_spaced() -> None:
    slots = list(schedule(plan(Arrivals.CONSTANT)))
    assert [slot.seconds for slot in slots] == [place / 100 for place in range(1000)]
    assert [slot.place for slot in slots] == list(range(1000))


def test_a_ramp_grows_evenly_to_the_rate() -> None:
    slots = list(schedule(plan(Arrivals.RAMP)))
    by_second = Counter(int(slot.seconds) for slot in slots)
    assert len(slots) == 500
    assert [by_second[second] for second in range(10)] == [5, 15, 25, 35, 45, 55, 65, 75, 85, 95]


def test_poisson_arrivals_have_the_mean_and_the_variance_of_the_rate() -> None:
    slots = list(schedule(plan(Arrivals.POISSON, seconds=199.0)))
    by_second = Counter(int(slot.seconds) for slot in slots)
    counts = [by_second[second] for second in range(200)]
    mean = sum(counts) / 200
    variance = sum((count - mean) ** 2 for count in counts) / 200
    assert 97 < mean < 103
    assert 70 < variance < 140
    assert all(a.seconds <= b.seconds for a, b in pairwise(slots))


def test_a_closed_loop_never_ends() -> None:
    closed = plan(Arrivals.CLOSED, closed=5, rate=0.0)
    slots = list(islice(schedule(closed), 5000))
    assert {slot.seconds for slot in slots} == {0.0}
    assert slots[-1].place == 4999


def test_kinds_and_meters_are_drawn_by_their_shares() -> None:
    slots = list(schedule(plan(Arrivals.CONSTANT, seconds=99.0)))
    kinds = Counter(slot.kind for slot in slots)
    assert 0.72 < kinds[0] / len(slots) < 0.78
    assert {slot.meter for slot in slots} == set(range(50))


@pytest.mark.parametrize("arrivals", [Arrivals.CONSTANT, Arrivals.RAMP, Arrivals.POISSON])
@pytest.mark.parametrize("workers", [2, 3, 7])
def test_workers_share_the_schedule_of_one(arrivals: Arrivals, workers: int) -> None:
    shared = plan(arrivals, workers=workers)
    parts = [list(schedule(shared, worker)) for worker in range(workers)]
    assert sorted(slot for part in parts for slot in part) == list(schedule(plan(arrivals)))
    for worker, part in enumerate(parts):
        assert part
        assert {slot.meter % workers for slot in part} == {worker}


def test_a_schedule_follows_from_the_seed() -> None:
    once, again, other = (
        list(schedule(plan(Arrivals.POISSON, seed=seed))) for seed in ("1", "1", "2")
    )
    assert once == again != other


def test_a_trace_is_sorted() -> None:
    lines = parse_trace("trace.csv", "2.5\n0.5, 7, distributor, 4.8.3\n", MIX, 50)
    slots = list(schedule(plan(Arrivals.TRACE, trace=lines)))
    assert [slot.seconds for slot in slots] == [0.5, 2.5]
    assert (slots[0].meter, slots[0].kind) == (7, 1)
    assert whole_seconds(lines) == 3.0
    assert whole_seconds([TraceLine(3.0)]) == 4.0


def test_a_trace_is_cut_at_the_end_of_the_plan() -> None:
    lines = tuple(TraceLine(float(second)) for second in range(20))
    assert len(list(schedule(plan(Arrivals.TRACE, trace=lines)))) == 10
