"""The schedule of a load: which request is planned for when.

Pure: it follows from the plan alone and does not depend on how many workers share it. A request
falls to a worker by its meter, so that all commands to a meter take one connection, in order.
"""

from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import accumulate, count, repeat, takewhile
from math import floor, sqrt
from random import Random
from typing import NamedTuple

from esme_emulator.load.plan import Arrivals, Plan
from esme_emulator.scenario.scenario import TraceLine


class Slot(NamedTuple):
    """One planned request."""

    place: int
    """Its number among those of all workers, from 0."""
    seconds: float
    """After the start; 0 where it is due as soon as one before it is over."""
    kind: int
    """Place in the plan's mix."""
    meter: int
    """Number of the meter in the estate, from 0."""


def schedule(plan: Plan, worker: int = 0) -> Iterator[Slot]:
    """Return the requests of `worker` in the order of their times; of a closed loop, for ever."""
    draws = Random(f"{plan.seed} requests")  # noqa: S311  # an order, not a secret
    bounds = list(accumulate(kind.share for kind in plan.mix))
    for place, line in enumerate(_lines(plan)):
        drawn_kind, drawn_meter = draws.random() * bounds[-1], draws.random()
        meter = int(drawn_meter * plan.meters) if line.meter is None else line.meter
        if meter % plan.workers == worker:
            kind = min(bisect(bounds, drawn_kind), len(bounds) - 1)
            yield Slot(place, line.seconds, kind if line.kind is None else line.kind, meter)


def _lines(plan: Plan) -> Iterator[TraceLine]:
    match plan.arrivals:
        case Arrivals.CLOSED:
            return repeat(TraceLine(0.0))
        case Arrivals.TRACE:
            lines: Iterator[TraceLine] = iter(sorted(plan.trace, key=lambda line: line.seconds))
        case Arrivals.RAMP:
            each = 2 * plan.total / plan.rate
            lines = (TraceLine(sqrt(each * (place + 0.5))) for place in count())
        case Arrivals.POISSON:
            lines = map(TraceLine, accumulate(_gaps(plan)))
        case _:
            lines = (TraceLine(place / plan.rate) for place in count())
    return takewhile(lambda line: line.seconds < plan.total, lines)


def _gaps(plan: Plan) -> Iterator[float]:
    random = Random(f"{plan.seed} arrivals")  # noqa: S311
    while True:
        yield random.expovariate(plan.rate)


def whole_seconds(trace: Sequence[TraceLine]) -> float:
    """Return how long a trace is: to the end of the second of its last request."""
    return floor(max((line.seconds for line in trace), default=0.0)) + 1.0
