"""Valid plans of loads, and errors of invalid ones."""

from math import inf, nan
from typing import Any

import pytest

from esme_emulator.load.plan import Arrivals, LoadError, Plan
from esme_emulator.scenario.scenario import Mix, TraceLine

MIX = (Mix(1, "import-supplier", "4.8.1"),)


def plan(arrivals: Arrivals = Arrivals.CONSTANT, **changes: Any) -> Plan:
    settings: dict[str, Any] = {"mix": MIX, "seed": "1", "meters": 10, "rate": 10.0}
    return Plan(arrivals, **{**settings, **changes})


@pytest.mark.parametrize("rate", [0.0, -1.0, nan, inf, 1_000_001.0])
def test_impossible_rates_are_errors(rate: float) -> None:
    with pytest.raises(
        LoadError, match=r"^rate .*: give requests a second above 0 and up to 1000000"
    ):
        plan(rate=rate)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seconds": 0.0}, "seconds 0: give more than 0"),
        ({"seconds": nan}, "seconds nan"),
        ({"seconds": inf}, "seconds inf"),
        ({"warm_up": -1.0}, "warm-up -1: give seconds from 0"),
        ({"warm_up": nan}, "warm-up nan"),
        ({"in_flight": 0}, "in-flight 0: give requests from 1"),
        ({"timeout": 0.0}, "timeout 0"),
        ({"timeout": nan}, "timeout nan"),
        ({"check": 1.1}, "check 1.1: give a fraction from 0 to 1"),
        ({"workers": 0}, "workers 0: give processes from 1 to 64"),
        ({"workers": 11}, "workers 11: .* no more than meters, 10"),
    ],
)
def test_other_impossible_numbers_are_errors(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(LoadError, match=f"^{said}"):
        plan(**changes)


def test_a_closed_loop_needs_a_request_in_flight_for_each_worker() -> None:
    with pytest.raises(LoadError, match="closed 0: give requests in flight from 1 to 10000"):
        plan(Arrivals.CLOSED, closed=0)
    with pytest.raises(LoadError, match="closed 1: give at least one for each worker"):
        plan(Arrivals.CLOSED, closed=1, workers=2)
    assert plan(Arrivals.CLOSED, closed=2, workers=2, rate=0.0).closed == 2


def test_a_trace_needs_requests_and_no_rate() -> None:
    with pytest.raises(LoadError, match="the trace has no requests"):
        plan(Arrivals.TRACE)
    assert plan(Arrivals.TRACE, trace=(TraceLine(0.0),), rate=0.0).total == 10.0


def test_the_shares_of_workers_add_up() -> None:
    shared = plan(workers=3)
    assert [shared.share(10, worker) for worker in range(3)] == [4, 3, 3]
