"""The fleet of a test, and what its meters received."""

from collections.abc import Sequence

from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.fleet.counters import Counters
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.profiles import MeterProfile
from esme_emulator.pytest_plugin.journal import Hits, Journal
from esme_emulator.pytest_plugin.meters import EsmeMeter, Estate, Meters
from esme_emulator.pytest_plugin.srvs import counted
from esme_emulator.runtime.clock import Clock
from gbcs import EUI


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
