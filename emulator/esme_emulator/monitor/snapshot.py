"""Snapshots of the running parts for the live view, and rates between two snapshots."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice

from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.fleet.counters import Counters, Stage
from esme_emulator.monitor.journal import Record
from esme_emulator.monitor.parts import RunningParts, avoided_ratio, fired_lately
from esme_emulator.runtime.clock import Clock
from gbcs import EUI

BUSIEST = 5
"""Number of busiest meters in a snapshot."""
LATELY = 5
"""Number of latest faults in a snapshot."""

LATEST = 15
"""Number of latest requests in a snapshot."""

MAX_ROWS = 20_000
"""Most counts that are searched for the busiest meters; more would take too long."""

_BUSIEST_SECONDS = 5.0
"""Interval between searches, in seconds: each visits every meter that received a command."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The running parts at one moment. Counts are since the start."""

    at: float
    """Real time in seconds, from an arbitrary origin."""
    now: float
    """Unix time of the clock, in seconds."""
    clock: str
    broker: str
    connected: bool
    meters: int | None = None
    """Number of meters; None if no fleet runs in this process."""
    received: int = 0
    replied: int = 0
    table: Sequence[tuple[str, str, int, int]] = ()
    """SRV, outcome, commands received and replies sent."""
    busiest: Sequence[tuple[EUI, int]] = ()
    """Meters and commands received, busiest first."""
    fired: int = 0
    """Number of faults that fired."""
    lately: Sequence[str] = ()
    """The latest faults, newest first."""
    requests: int | None = None
    """Requests to the cache; None if no cache runs in this process."""
    decisions: Mapping[Decision, int] | None = None
    avoided_ratio: float | None = None
    latest: Sequence[Record] = ()
    """The latest requests, newest first."""

    def rate(self, before: "Snapshot | None") -> tuple[float, float]:
        """Return commands received and replies sent per second since `before`."""
        if before is None or self.at <= before.at:
            return 0.0, 0.0
        passed = self.at - before.at
        received, replied = self.received - before.received, self.replied - before.replied
        return max(received, 0) / passed, max(replied, 0) / passed


class Sampler:
    """Takes snapshots of `parts`; `machine` is the clock of real time."""

    def __init__(self, parts: RunningParts, machine: Clock) -> None:
        self._parts = parts
        self._machine = machine
        self._busiest: Sequence[tuple[EUI, int]] = ()
        self._busiest_until = float("-inf")

    def __call__(self) -> Snapshot:
        """Return a snapshot."""
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
            latest=tuple(islice(parts.journal.newest(), LATEST)),
        )


def busiest(counters: Counters, number: int = BUSIEST) -> list[tuple[EUI, int]]:
    """Return the meters that received most commands, ties by EUI, lowest first.

    Returns an empty list if there are more than `MAX_ROWS` counts.
    """
    sums: Counter[EUI] = Counter()
    for place, row in enumerate(counters.rows(Stage.RECEIVED, limit=MAX_ROWS + 1)):
        if place == MAX_ROWS:
            return []
        sums[row.device] += row.number
    return nlargest(number, sums.items(), key=lambda item: (item[1], -int(item[0])))
