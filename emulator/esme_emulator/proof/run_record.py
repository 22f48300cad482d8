"""The record of one run of a proof: the accounts of its parties, its cache and its fleet.

The fleet's account has every command that it received, and its cost to the meter.

Pure: the fleet's account subscribes to its events.
"""

from dataclasses import dataclass, field

from esme_emulator.cache.policy.ledger import Decided, Ledger
from esme_emulator.faults.engine import FaultFired, Faults
from esme_emulator.fleet.counters import Counters
from esme_emulator.fleet.fleet import CommandReceived, Fleet
from esme_emulator.profiles.latency import NONE
from esme_emulator.proof.accounts import Request, Seen
from esme_emulator.proof.driver import Exchange, request_of
from esme_emulator.proof.judge import Check
from esme_emulator.proof.result import Spent
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.scenario.scenario import Costs
from esme_emulator.scenario.workload import PlannedRequest
from gbcs import EUI, GbcsError, decode


class FleetObserver:
    """Collects the evidence of `fleet`, and of its `engine`, from the events they publish."""

    def __init__(self, fleet: Fleet, engine: Faults) -> None:
        self.fleet = fleet
        self.engine = engine
        self.received: list[Seen] = []
        """Every command, when it was received."""
        self.replied: list[Seen] = []
        """Every reply, when it left its meter."""
        self.faulty: set[Request] = set()
        """The commands to which a fault fired."""
        self._octets = 0
        self._fired = False
        fleet.events.subscribe(FaultFired, self._note_fault)
        fleet.events.subscribe(CommandReceived, self.note)

    @property
    def counters(self) -> Counters:
        """The fleet's counters."""
        return self.fleet.counters

    def note(self, event: CommandReceived) -> None:
        """Collect a command and its replies."""
        request = Request(event.device, event.srv, *_asked_by(event.octets))
        self.received.append(Seen(event.time, request, event.outcome))
        self.replied += [Seen(reply.due, request) for reply in event.replies]
        self._octets += len(event.octets) + sum(len(reply.octets) for reply in event.replies)
        if self._fired:
            self.faulty.add(request)
        self._fired = False

    def _note_fault(self, _: FaultFired) -> None:
        # A fleet handles one command at a time and publishes it once its faults have fired.
        self._fired = True

    def spent(self, costs: Costs) -> Spent:
        """Return what the commands so far cost the meters and their network."""
        fleet = self.fleet
        messages = len(self.received) + sum(
            total for series, total in self.counters.totals().items() if series.stage == "replied"
        )
        radio = messages * costs.radio_seconds_per_message
        radio += self._octets / costs.octets_per_radio_second
        sms = 0
        if fleet.wan is not None:
            tally, each = fleet.wan.tally, costs.sms_per_wake
            sms = tally.sms if each is None else tally.wakes * each
        return Spent(
            device_hits=self.counters.device_hits,
            octets=self._octets,
            radio_seconds=round(radio, 3),
            busy_seconds=None if fleet.latency == NONE else round(fleet.busy_seconds, 3),
            sms=sms,
            pounds=round(sms * costs.sms_pounds, 6),
        )


def _asked_by(octets: bytes) -> tuple[EUI | None, int | None]:
    """Return the party and the originator counter of a command, None if it cannot be decoded."""
    try:
        message = decode(octets)
    except GbcsError:
        return None, None
    return message.remote_party, message.originator_counter


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
