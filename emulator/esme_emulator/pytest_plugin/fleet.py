"""The fleet of a test, and the commands that its meters received."""

from collections.abc import Sequence

from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.fleet.counters import Counters
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.monitor.counted_srvs import counted
from esme_emulator.pytest_plugin.journal import Hits
from esme_emulator.pytest_plugin.meters import EsmeMeter, EsmeMeters, FleetContext
from gbcs import EUI


class EsmeFleet:
    """The fleet of meters on the broker of a test."""

    def __init__(
        self, fleet: Fleet, euis: Sequence[EUI], keystore: DerivedKeystore, context: FleetContext
    ) -> None:
        self.fleet = fleet
        """The fleet without I/O."""
        self.keystore = keystore
        """Private and public keys of the meters and the parties."""
        self.seed = context.seed
        self.meters = EsmeMeters(euis, context)
        self._journal = context.journal

    @property
    def counters(self) -> Counters:
        """Commands received and replies sent, by meter, SRV and outcome."""
        return self.fleet.counters

    def hits(self, srv: str | None = None) -> Hits:
        """Return the number of commands that its meters received, for one SRV or all.

        Raises `ValueError` for an unknown SRV.
        """
        number = self.counters.hits(counted(srv))
        subject = f"device hits of {self.meters!r}{f', SRV {srv}' if srv else ''}"
        euis = self.meters.euis
        return Hits(number, subject, lambda shown: self._journal.lines(euis, srv, shown))

    def meter(self, eui: EUI | str) -> EsmeMeter:
        """Return the meter with an EUI. Raises `ValueError` if this fleet has no such meter."""
        wanted = eui if isinstance(eui, EUI) else EUI.parse(eui)
        if wanted not in self.meters.euis:
            raise ValueError(f"{wanted} is not one of {self.meters!r}")
        return self.meters[self.meters.euis.index(wanted)]

    def __repr__(self) -> str:
        return f"<fleet of {self.meters!r}>"
