"""Making the commands of a load, ahead of their time.

Knows parties and keys; the time and the planned requests are the caller's.
"""

from collections.abc import Sequence

from esme_emulator.estate.estate import Estate
from esme_emulator.estate.parties import PARTY_NAMES, RemoteParty
from esme_emulator.load.in_flight import Request
from esme_emulator.load.plan import LoadError, Plan
from esme_emulator.load.schedule import Slot
from esme_emulator.messaging.topics import command_topic
from esme_emulator.messaging.transaction import transaction_of
from esme_emulator.scenario.workload import window_of
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX


class Asking:
    """Commands of the parties that a plan names, to the meters of `estate`.

    A request has the originator counter `first_counter` plus its place in the schedule, so no two
    of any worker have the same; with microseconds of the clock for the first, none of an earlier
    run has it either. Raises `LoadError` where a party or its keys are not there.
    """

    def __init__(self, plan: Plan, estate: Estate, first_counter: int) -> None:
        self._plan = plan
        self._meters: Sequence[EUI] = estate.meters
        self._first_counter = first_counter
        there = {PARTY_NAMES[party.eui]: party for party in estate.parties(first_counter)}
        self._parties: dict[str, RemoteParty] = {}
        for kind in plan.mix:
            if kind.party not in there:
                raise LoadError(
                    f"there are no keys of a party {kind.party}; known are {', '.join(there)}"
                )
            self._parties[kind.party] = there[kind.party]

    @property
    def recipients(self) -> set[EUI]:
        """Whom replies are addressed to."""
        return {party.recipient for party in self._parties.values()}

    def request(self, slot: Slot, now: float) -> Request:
        """Return the request of `slot`, made at `now`, Unix time in seconds."""
        kind = self._plan.mix[slot.kind]
        device = self._meters[slot.meter]
        party = self._parties[kind.party]
        party.counter = self._first_counter + slot.place
        command, octets = party.command(device, kind.srv, window_of(kind, int(now) - EPOCH_UNIX))
        return Request(
            seconds=slot.seconds,
            party=kind.party,
            srv=kind.srv,
            device=str(device),
            transaction=transaction_of(command),
            topic=command_topic(self._plan.prefix, device),
            octets=octets,
        )
