"""Arrival times of requests, for scenarios and loads.

Pure: the random generator is an argument. A load has a rate and no fixed number of requests, so it
takes its times one by one; a scenario has a fixed number of them.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, count, islice
from math import floor, sqrt
from random import Random

from esme_emulator.scenario.scenario import Process, TraceLine


def arrival_times(
    process: Process, requests: float, seconds: float, random: Random
) -> Iterator[float]:
    """Yield arrival times without end, on average `requests` of them in `seconds`.

    A ramp has twice the mean rate at `seconds`, and goes on growing. The process is not a trace.
    """
    match process:
        case Process.CONSTANT:
            yield from (place * seconds / requests for place in count())
        case Process.RAMP:
            yield from (seconds * sqrt((place + 0.5) / requests) for place in count())
        case _:
            rate = requests / seconds
            yield from accumulate(random.expovariate(rate) for _ in count())


def fixed_arrival_times(
    process: Process, requests: int, seconds: float, random: Random
) -> Iterator[float]:
    """Yield exactly `requests` arrival times within `seconds`, in order."""
    if process is Process.POISSON:
        # Given their number, the arrivals of a Poisson process are independent and uniform.
        yield from sorted(random.random() * seconds for _ in range(requests))
    else:
        yield from islice(arrival_times(process, requests, seconds, random), requests)


def whole_seconds(trace: Sequence[TraceLine]) -> float:
    """Return the length of a trace in seconds, up to the end of the second of its last request."""
    return floor(max((line.seconds for line in trace), default=0.0)) + 1.0
