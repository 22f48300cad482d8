"""The parts of a proof: meters and their requests, one part after another.

Meters do not depend on each other, so a proof may run them in parts, each with a fleet and a cache
of its own, and add the figures up. A part has so many requests that its size does not grow with the
proof. The parts follow from the scenario alone, so any number of processes gives the same figures.

A cache that resends reads has one budget for all meters. Such a scenario is one part.
"""

import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from esme_emulator.scenario.scenario import Scenario
from esme_emulator.scenario.workload import Arrival, arrivals_of, most_requests

REQUESTS = 5_000
"""Requests of one part, about."""

_ARRIVAL = struct.Struct("<QdIQdQqq")
"""The fields of `Arrival`."""
_BUFFER = 16_384
"""Octets of one part that are kept in memory before they are written."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some meters of a proof."""

    number: int
    meters: range
    """Indices into the meters of the estate."""
    requests: int
    file: Path

    def arrivals(self) -> Iterator[Arrival]:
        """Yield the requests, in order. Raises `OSError`."""
        if self.requests:
            yield from map(Arrival._make, _ARRIVAL.iter_unpack(self.file.read_bytes()))


def split(scenario: Scenario, folder: Path) -> list[Part]:
    """Write the requests of each part into a file of `folder`, and return the parts.

    There is one part at least. Raises `WorkloadError` if the requests cannot be made, and `OSError`
    if they cannot be written.
    """
    meters, requests = scenario.fleet.meters, max(most_requests(scenario), 1)
    each = meters if scenario.cache.retries else min(max(REQUESTS * meters // requests, 1), meters)
    buffers: defaultdict[int, bytearray] = defaultdict(bytearray)
    numbers: Counter[int] = Counter()

    def file(number: int) -> Path:
        return folder / f"part-{number}"

    def write(number: int) -> None:
        with file(number).open("ab") as opened:
            opened.write(buffers.pop(number))

    for arrival in arrivals_of(scenario):
        number = arrival.meter // each
        numbers[number] += 1
        buffer = buffers[number]
        buffer += _ARRIVAL.pack(*arrival)
        if len(buffer) > _BUFFER:
            write(number)
    for number in list(buffers):
        write(number)
    return [
        Part(number, range(number * each, min((number + 1) * each, meters)), found, file(number))
        for number, found in sorted(numbers.items())
    ] or [Part(0, range(meters), 0, file(0))]
