"""A fleet that is observed: every command as it is received, and what it took of the meter.

Pure. What it notes is the fleet's own account; the cache's is elsewhere.
"""

from collections.abc import Sequence
from typing import Any

from esme_emulator.faults.engine import Faults
from esme_emulator.faults.log import Fired
from esme_emulator.faults.rule import FaultRule
from esme_emulator.fleet.fleet import Fleet, Receipt
from esme_emulator.fleet.latency import NONE
from esme_emulator.proof.accounts import Request, Seen
from esme_emulator.proof.result import Spent
from esme_emulator.scenario.scenario import Costs
from gbcs import EUI, GbcsError, Keystore, decode


class ObservedFleet(Fleet):
    """A fleet with `rules` for its faults, which takes note of what it receives."""

    def __init__(
        self,
        hosted: Sequence[EUI],
        keystore: Keystore,
        seed: str,
        rules: Sequence[FaultRule],
        **options: Any,
    ) -> None:
        self.engine = Faults(seed, rules, on_fired=self._fired)
        super().__init__(hosted, keystore, seed, faults=self.engine if rules else None, **options)
        self.received: list[Seen] = []
        """Every command, when it was received."""
        self.replied: list[Seen] = []
        """Every reply, when it left its meter."""
        self.faulty: set[Request] = set()
        """The commands to which a fault fired."""
        self._octets = 0
        self._current: Request | None = None

    def receive(self, device: EUI, octets: bytes, now: float) -> Receipt:
        """Return what becomes of a command for `device` at `now`, Unix time in seconds."""
        self._current = None
        party, counter = _asked_by(octets)
        self._current = Request(device, "", party, counter)
        receipt = super().receive(device, octets, now)
        request = self._current._replace(srv=receipt.srv)
        self.received.append(Seen(now, request, receipt.outcome))
        self.replied += [Seen(reply.due, request) for reply in receipt.replies]
        self._octets += len(octets) + sum(len(reply.octets) for reply in receipt.replies)
        return receipt

    def _fired(self, fired: Fired) -> None:
        if self._current is not None:
            self.faulty.add(self._current._replace(srv=fired.srv))

    def spent(self, costs: Costs) -> Spent:
        """Return what was asked of meters and their network so far."""
        messages = len(self.received) + sum(
            total for series, total in self.counters.totals().items() if series.stage == "replied"
        )
        radio = messages * costs.radio_seconds_per_message
        radio += self._octets / costs.octets_per_radio_second
        sms = 0
        if self.wan is not None:
            tally, each = self.wan.tally, costs.sms_per_wake
            sms = tally.sms if each is None else tally.wakes * each
        return Spent(
            device_hits=self.counters.device_hits,
            octets=self._octets,
            radio_seconds=round(radio, 3),
            busy_seconds=None if self._latency == NONE else round(self.busy_seconds, 3),
            sms=sms,
            pounds=round(sms * costs.sms_pounds, 6),
        )


def _asked_by(octets: bytes) -> tuple[EUI | None, int | None]:
    """Return the party and the originator counter of a command, None where it is none."""
    try:
        message = decode(octets)
    except GbcsError:
        return None, None
    return message.remote_party, message.originator_counter
