"""The fleet's own account of a run: every command that it received, and what it cost the meter.

Pure. It subscribes to the fleet's events and knows nothing of the cache's account.
"""

from esme_emulator.faults.engine import Faults
from esme_emulator.faults.log import FaultFired
from esme_emulator.fleet.counters import Counters
from esme_emulator.fleet.fleet import CommandReceived, Fleet
from esme_emulator.fleet.latency import NONE
from esme_emulator.proof.accounts import Request, Seen
from esme_emulator.proof.result import Spent
from esme_emulator.scenario.scenario import Costs
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
