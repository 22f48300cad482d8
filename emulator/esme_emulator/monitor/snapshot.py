"""What the live view shows: one look at the parts that run, and what happened between two looks.

Knows the parts by what they count; knows no terminal.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest

from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.fleet.counters import Counters, Stage
from esme_emulator.monitor.parts import RunningParts, avoided_ratio, fired_lately
from esme_emulator.runtime.clock import Clock
from gbcs import EUI

BUSIEST = 5
"""Meters that are shown."""
LATELY = 5
"""Faults that are shown."""

MAX_ROWS = 20_000
"""Where more meters than these were asked, the busiest are not looked for: it takes too long."""

_BUSIEST_SECONDS = 5.0
"""How often busy meters are looked for, since every meter that was asked has to be looked at."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What runs, at one moment. Counts are since the start."""

    at: float
    """Real time in seconds; only differences matter."""
    now: float
    """Unix time that the clock shows."""
    clock: str
    broker: str
    connected: bool
    meters: int | None = None
    """None where no meters run here."""
    received: int = 0
    replied: int = 0
    table: Sequence[tuple[str, str, int, int]] = ()
    """SRV, outcome, commands received and replies sent."""
    busiest: Sequence[tuple[EUI, int]] = ()
    """Meters and commands received, most first."""
    fired: int = 0
    """Times that a fault changed something."""
    lately: Sequence[str] = ()
    """The latest of them, newest first."""
    requests: int | None = None
    """To the cache; None where none runs here."""
    decisions: Mapping[Decision, int] | None = None
    avoided_ratio: float | None = None

    def rate(self, before: "Snapshot | None") -> tuple[float, float]:
        """Return commands received and replies sent a second since `before`."""
        if before is None or self.at <= before.at:
            return 0.0, 0.0
        passed = self.at - before.at
        received, replied = self.received - before.received, self.replied - before.replied
        return max(received, 0) / passed, max(replied, 0) / passed


class Sampler:
    """Takes snapshots of `parts`; `machine` tells the real time between them."""

    def __init__(self, parts: RunningParts, machine: Clock) -> None:
        self._parts = parts
        self._machine = machine
        self._busiest: Sequence[tuple[EUI, int]] = ()
        self._busiest_until = float("-inf")

    def __call__(self) -> Snapshot:
        """Return what runs, as it is now."""
        parts, at = self._parts, self._machine.now()
        fleet, ledger = parts.fleet, parts.ledger
        counters = Counters() if fleet is None else fleet.counters
        if at >= self._busiest_until:
            self._busiest = busiest(counters)
            self._busiest_until = at + _BUSIEST_SECONDS
        fired, lately = (0, []) if fleet is None else fired_lately(fleet.faults, LATELY)
        return Snapshot(
            at=at,
            now=parts.clock.now(),
            clock=parts.clock.describe(),
            broker=parts.broker,
            connected=parts.is_connected(),
            meters=None if fleet is None else len(fleet.meters),
            received=counters.total(Stage.RECEIVED),
            replied=counters.total(Stage.REPLIED),
            table=counters.as_table(),
            busiest=self._busiest,
            fired=fired,
            lately=lately,
            requests=None if ledger is None else ledger.requests,
            decisions=None if ledger is None else {kind: ledger.total(kind) for kind in Decision},
            avoided_ratio=None if ledger is None else avoided_ratio(ledger),
        )


def busiest(counters: Counters, number: int = BUSIEST) -> list[tuple[EUI, int]]:
    """Return the meters that received most commands; of equals the lowest EUI first.

    Returns none where there are more than `MAX_ROWS` counts of meters.
    """
    sums: Counter[EUI] = Counter()
    for place, row in enumerate(counters.rows(Stage.RECEIVED, limit=MAX_ROWS + 1)):
        if place == MAX_ROWS:
            return []
        sums[row.device] += row.number
    return nlargest(number, sums.items(), key=lambda item: (item[1], -int(item[0])))
