"""What one run of a proof leaves, as far as it came."""

from dataclasses import dataclass, field

from esme_emulator.cache.policy.ledger import Decided, Ledger
from esme_emulator.proof.accounts import Seen
from esme_emulator.proof.driver import Exchange, request_of
from esme_emulator.proof.judge import Check
from esme_emulator.proof.observed import FleetObserver
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.scenario.workload import Ask


@dataclass(slots=True)
class RunAccount:
    """The accounts of a run's parties, cache and fleet; each is kept by whom it is of."""

    fleet: FleetObserver
    clock: ManualClock
    exchanges: list[Exchange] = field(default_factory=list)
    sent: list[tuple[float, Ask]] = field(default_factory=list)
    """Every attempt of a party, with its time."""
    waits: float = 0.0
    """For how many seconds the cache waits for a meter."""
    decided: list[Decided] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    checks: list[Check] = field(default_factory=list)
    """What checking found of the reply of each exchange, once that was done."""

    @property
    def seen(self) -> list[Seen]:
        """Every attempt, as accounts have it."""
        return [Seen(time, request_of(ask)) for time, ask in self.sent]
