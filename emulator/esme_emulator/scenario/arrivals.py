"""Arrival times of requests, for scenarios and loads.

Pure: the random generator is an argument. A load has a rate and no fixed number of requests, so it
takes its times one by one; a scenario has a fixed number of them.

Traces in CSV, for scenarios and loads: the times of requests, one request per line.

Pure: takes text, returns requests, and opens no file.
"""

import csv
from collections.abc import Iterator, Sequence
from itertools import accumulate, count, islice
from math import floor, inf, sqrt
from random import Random

from esme_emulator.scenario.scenario import Mix, Process, TraceLine


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


class TraceError(ValueError):
    """A trace that is not valid; the text is one line that names file, line and reason."""


def parse_trace(
    name: str, text: str, mix: Sequence[Mix], meters: int, last: float = inf
) -> tuple[TraceLine, ...]:
    """Return the requests of the trace `text`; `name` appears in error messages.

    A line has the seconds after the start, up to `last`. It may go on with the number of the meter,
    the party and the SRV; without them, they are drawn later. Empty lines and lines that begin with
    # are ignored. Raises `TraceError`.
    """
    kinds = {(kind.party, kind.srv): place for place, kind in enumerate(mix)}
    lines = []
    rows = csv.reader(text.splitlines())
    try:
        for row in rows:
            if row and not row[0].startswith("#"):
                columns = [column.strip() for column in row]
                lines.append(_trace_line(columns, kinds, meters, last))
    except (ValueError, csv.Error) as error:
        raise TraceError(f"{name}, line {rows.line_num}: {error}") from None
    if not lines:
        raise TraceError(f"{name}: there is no request in it; write lines of seconds")
    return tuple(lines)


def _trace_line(
    row: list[str], kinds: dict[tuple[str, str], int], meters: int, last: float
) -> TraceLine:
    if len(row) not in (1, 4):
        raise ValueError("give seconds, or seconds, number of the meter, party, SRV")
    try:
        seconds = float(row[0])
    except ValueError:
        seconds = -1.0
    if not (0 <= seconds <= last and seconds < inf):
        wanted = "of 0 or more" if last == inf else f"from 0 to {last:g}"
        raise ValueError(f"{row[0]!r}: give seconds {wanted}")
    if len(row) == 1:
        return TraceLine(seconds)
    if not (row[1].isascii() and row[1].isdecimal() and int(row[1]) < meters):
        raise ValueError(f"{row[1]!r}: give the number of a meter, 0 to {meters - 1}")
    kind = kinds.get((row[2], row[3]))
    if kind is None:
        known = ", ".join(f"{party} {srv}" for party, srv in kinds)
        raise ValueError(f"the scenario's mix has no {row[2]} {row[3]}; it has {known}")
    return TraceLine(seconds, int(row[1]), kind)
