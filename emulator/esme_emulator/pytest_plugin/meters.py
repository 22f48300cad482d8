"""The meters of a test: what they truly hold, and how often they were asked."""

from collections.abc import Iterator, Sequence
from typing import overload

from esme_emulator.device.logs import buffer
from esme_emulator.device.model import meter_of
from esme_emulator.fleet.counters import Counters
from esme_emulator.profiles import MeterProfile
from esme_emulator.pytest_plugin.journal import Hits, Journal
from esme_emulator.pytest_plugin.srvs import counted
from esme_emulator.pytest_plugin.windows import WindowLike, window_of
from esme_emulator.runtime.clock import Clock
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX
from gbcs.tables.profile_logs import BY_SRV, ProfileLog
from gbcs.usecases.profile_read import Row, rows_of


def log_of(srv: str) -> ProfileLog:
    """Return the log that `srv` reads. Raises `ValueError` where it reads none by window."""
    if srv not in BY_SRV:
        raise ValueError(f"SRV {srv!r} does not read a log by window: {', '.join(BY_SRV)} do")
    return BY_SRV[srv]


class Estate:
    """What the meters of one fleet have in common."""

    def __init__(
        self,
        seed: str,
        profiles: tuple[MeterProfile, ...] | None,
        counters: Counters,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self.seed = seed
        self.profiles = profiles
        self.counters = counters
        self.journal = journal
        self.clock = clock


class EsmeMeter:
    """One meter. Equal to another with its EUI; `str` gives the EUI as topics have it."""

    def __init__(self, eui: EUI, estate: Estate) -> None:
        self.eui = eui
        self._estate = estate

    @property
    def profile(self) -> MeterProfile:
        """What kind of meter it is."""
        return meter_of(self._estate.seed, self.eui, self._estate.profiles).profile

    def hits(self, srv: str | None = None) -> Hits:
        """Return how many commands it received, of `srv` or in all.

        Raises `ValueError` for an SRV that there is not.
        """
        counters, journal = self._estate.counters, self._estate.journal
        srv = counted(srv)
        number = counters.hits(srv, device=self.eui)
        subject = f"device hits of {self.eui}{f', SRV {srv}' if srv else ''}"
        return Hits(number, subject, lambda shown: journal.lines((self.eui,), srv, shown))

    def rows(self, srv: str, window: WindowLike = None) -> list[Row]:
        """Return what its log holds now, without asking it: the truth to compare readings with.

        Rows are as `EsmeParty.read` gives them. Raises `ValueError` for an SRV that reads no log.
        """
        estate, log = self._estate, log_of(srv)
        now = estate.clock.now()
        meter = meter_of(estate.seed, self.eui, estate.profiles)
        held = buffer(meter, log, window_of(window, now), int(now) - EPOCH_UNIX)
        return rows_of(log, held)

    def __str__(self) -> str:
        return str(self.eui)

    def __repr__(self) -> str:
        return f"<meter {self.eui}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EsmeMeter) and other.eui == self.eui

    def __hash__(self) -> int:
        return hash(self.eui)


class Meters(Sequence[EsmeMeter]):
    """Meters by number, from 0; one is made when it is asked for."""

    def __init__(self, euis: Sequence[EUI], estate: Estate) -> None:
        self.euis = euis
        self._estate = estate

    def __len__(self) -> int:
        return len(self.euis)

    @overload
    def __getitem__(self, index: int) -> EsmeMeter: ...
    @overload
    def __getitem__(self, index: slice) -> "Meters": ...

    def __getitem__(self, index: "int | slice") -> "EsmeMeter | Meters":
        if isinstance(index, slice):
            return Meters(self.euis[index], self._estate)
        return EsmeMeter(self.euis[index], self._estate)

    def __iter__(self) -> Iterator[EsmeMeter]:
        return (EsmeMeter(eui, self._estate) for eui in self.euis)

    def __repr__(self) -> str:
        return f"<{len(self.euis)} meters, {self.euis[0]} to {self.euis[-1]}>"
