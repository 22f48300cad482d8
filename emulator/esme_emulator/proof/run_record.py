"""The record of one run of a proof: the accounts of its parties, its cache and its fleet."""

from dataclasses import dataclass, field

from esme_emulator.cache.policy.ledger import Decided, Ledger
from esme_emulator.proof.accounts import Seen
from esme_emulator.proof.driver import Exchange, request_of
from esme_emulator.proof.judge import Check
from esme_emulator.proof.observed import FleetObserver
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.scenario.workload import PlannedRequest


@dataclass(slots=True)
class RunRecord:
    """The accounts of a run, as far as it came. Each is filled by the part that counts it."""

    fleet: FleetObserver
    clock: ManualClock
    exchanges: list[Exchange] = field(default_factory=list)
    sent: list[tuple[float, PlannedRequest]] = field(default_factory=list)
    """Every attempt of a party, with its time."""
    cache_timeout: float = 0.0
    """The cache's timeout for a meter, in seconds."""
    decided: list[Decided] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    checks: list[Check] = field(default_factory=list)
    """The check of each exchange's reply, once the replies are checked."""

    @property
    def attempts(self) -> list[Seen]:
        """Every attempt of a party, as an account."""
        return [Seen(time, request_of(planned)) for time, planned in self.sent]
