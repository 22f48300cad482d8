"""Traces in CSV, for scenarios and loads: the times of requests, one request per line.

Pure: takes text, returns requests, and opens no file.
"""

import csv
from collections.abc import Sequence
from math import inf

from esme_emulator.scenario.scenario import Mix, TraceLine


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
