"""The fleet of a test: meters that note every command they receive."""

from collections.abc import Sequence
from typing import Any

from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.fleet.counters import Counters
from esme_emulator.fleet.fleet import Fleet, Receipt
from esme_emulator.messaging.validation import UNKNOWN_SRV
from esme_emulator.profiles import MeterProfile
from esme_emulator.pytest_plugin.journal import Hits, Journal, Received
from esme_emulator.pytest_plugin.meters import EsmeMeter, Estate, Meters
from esme_emulator.pytest_plugin.srvs import counted
from esme_emulator.runtime.clock import Clock
from gbcs import EUI

NOT_OURS = "not-ours"


class WatchedFleet(Fleet):
    """A fleet that writes into a journal what its meters receive.

    It neither counts nor answers what is for meters that are not its own: others may host these.
    """

    def __init__(self, journal: Journal, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._journal = journal

    def receive(self, device: EUI, octets: bytes, now: float) -> Receipt:
        """Return what becomes of a command for `device` at `now`, Unix time in seconds."""
        if device not in self.hosted:
            return Receipt(UNKNOWN_SRV, NOT_OURS)
        receipt = super().receive(device, octets, now)
        self._journal.add(Received(now, device, receipt.srv, str(receipt.outcome), octets))
        return receipt


class EsmeFleet:
    """The meters that run on the broker of a test."""

    def __init__(
        self,
        fleet: Fleet,
        euis: Sequence[EUI],
        keystore: DerivedKeystore,
        seed: str,
        profiles: tuple[MeterProfile, ...] | None,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self.fleet = fleet
        """The fleet itself, without I/O."""
        self.keystore = keystore
        """Keys of the meters and the parties, both halves."""
        self.seed = seed
        self.meters = Meters(euis, Estate(seed, profiles, fleet.counters, journal, clock))
        self._journal = journal

    @property
    def counters(self) -> Counters:
        """What was received and sent, by meter, SRV and outcome."""
        return self.fleet.counters

    def hits(self, srv: str | None = None) -> Hits:
        """Return how many commands its meters received, of `srv` or in all.

        Raises `ValueError` for an SRV that there is not.
        """
        number = self.counters.hits(counted(srv))
        subject = f"device hits of {self.meters!r}{f', SRV {srv}' if srv else ''}"
        euis = self.meters.euis
        return Hits(number, subject, lambda shown: self._journal.lines(euis, srv, shown))

    def meter(self, eui: EUI | str) -> EsmeMeter:
        """Return the meter with an EUI. Raises `ValueError` where it is none of this fleet."""
        wanted = eui if isinstance(eui, EUI) else EUI.parse(eui)
        if wanted not in self.meters.euis:
            raise ValueError(f"{wanted} is none of {self.meters!r}")
        return self.meters[self.meters.euis.index(wanted)]

    def __repr__(self) -> str:
        return f"<fleet of {self.meters!r}>"
