"""The system of a test: its fleet, its meters and its reading cache.

Meters tell their true readings and the commands they received, the cache its decisions.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias, overload

from esme_emulator.cache.policy.effects import Effect
from esme_emulator.cache.policy.ledger import Decided, Ledger
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.reads import CACHEABLE_SRVS
from esme_emulator.cache.service import CacheService
from esme_emulator.cache.store.base import Store, drop_entries
from esme_emulator.device.logs import buffer
from esme_emulator.device.model import meter_of, profile_of
from esme_emulator.estate.keys import DerivedKeystore, OverlaidKeystore
from esme_emulator.fleet.counters import Counters
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.monitor.parts import counted
from esme_emulator.profiles import MeterProfile
from esme_emulator.pytest_plugin.journal import Hits, Journal
from esme_emulator.runtime.clock import Clock
from gbcs import EUI, GbcsError, decode
from gbcs.instants import DAY, EPOCH_UNIX, parse_iso
from gbcs.tables.profile_logs import BY_SRV, ProfileLog
from gbcs.usecases.profile_read import Row, Window, rows_of

Instant: TypeAlias = str | date | datetime
"""A day or a time, as ISO 8601 or as an object. Without a time zone it is UTC."""

WindowLike: TypeAlias = Window | Instant | tuple[Instant, Instant] | None
"""A window, a day, two times (both inclusive), or None for the last whole day."""


def window_of(given: WindowLike, now: float) -> Window:
    """Return the window that `given` means at `now`, Unix time in seconds.

    >>> window_of("2026-01-14", 0.0)
    Window(start=821664000, end=821750400)

    A day lasts from midnight to midnight, both inclusive. Raises `ValueError`.
    """
    if isinstance(given, Window):
        return given
    if given is None:
        midnight = int(now - EPOCH_UNIX) // DAY * DAY
        return Window(midnight - DAY, midnight)
    if isinstance(given, tuple):
        start, end = (_seconds(one) for one in given)
        if start > end:
            raise ValueError(f"window from {given[0]} to {given[1]}: it ends before it begins")
        return Window(start, end)
    start = _seconds(given)
    if start % DAY:
        raise ValueError(f"{given} is a time, not a day. Give two times: ({str(given)!r}, …)")
    return Window(start, start + DAY)


def _seconds(given: Instant) -> int:
    return parse_iso(given if isinstance(given, str) else given.isoformat())


def log_of(srv: str) -> ProfileLog:
    """Return the log that `srv` reads. Raises `ValueError` if it reads no log by window."""
    if srv not in BY_SRV:
        known = ", ".join(BY_SRV)
        raise ValueError(f"SRV {srv!r} does not read a log by window. Choose one of {known}.")
    return BY_SRV[srv]


@dataclass(frozen=True, slots=True)
class FleetContext:
    """What all meters of one fleet share."""

    seed: str
    profiles: tuple[MeterProfile, ...] | None
    """Profiles that the meters are drawn from; None for the shipped mix."""
    counters: Counters
    journal: Journal
    clock: Clock


class EsmeMeter:
    """One meter. It equals another object for the same EUI; `str` returns its EUI."""

    def __init__(self, eui: EUI, fleet: FleetContext) -> None:
        self.eui = eui
        self._fleet = fleet

    @property
    def profile(self) -> MeterProfile:
        """Profile that this meter was drawn from."""
        return profile_of(self._fleet.seed, self.eui, self._fleet.profiles)

    def hits(self, srv: str | None = None) -> Hits:
        """Return the number of commands it received, for one SRV or all.

        Raises `ValueError` for an unknown SRV.
        """
        counters, journal = self._fleet.counters, self._fleet.journal
        srv = counted(srv)
        number = counters.hits(srv, device=self.eui)
        subject = f"device hits of {self.eui}{f', SRV {srv}' if srv else ''}"
        return Hits(number, subject, lambda shown: journal.lines((self.eui,), srv, shown))

    def rows(self, srv: str, window: WindowLike = None) -> list[Row]:
        """Return the log entries it holds now, without sending a command: the expected readings.

        The rows have the form of `Reading.rows`. Raises `ValueError` if `srv` reads no log.
        """
        fleet, log = self._fleet, log_of(srv)
        now = fleet.clock.now()
        meter = meter_of(fleet.seed, self.eui, fleet.profiles)
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


class EsmeMeters(Sequence[EsmeMeter]):
    """The meters of a fleet by number, from 0."""

    # An EsmeMeter is made on access, so that a fleet of a million meters costs nothing here.

    def __init__(self, euis: Sequence[EUI], fleet: FleetContext) -> None:
        self.euis = euis
        self._fleet = fleet

    def __len__(self) -> int:
        return len(self.euis)

    @overload
    def __getitem__(self, index: int) -> EsmeMeter: ...
    @overload
    def __getitem__(self, index: slice) -> "EsmeMeters": ...

    def __getitem__(self, index: "int | slice") -> "EsmeMeter | EsmeMeters":
        if isinstance(index, slice):
            return EsmeMeters(self.euis[index], self._fleet)
        return EsmeMeter(self.euis[index], self._fleet)

    def __iter__(self) -> Iterator[EsmeMeter]:
        return (EsmeMeter(eui, self._fleet) for eui in self.euis)

    def __repr__(self) -> str:
        return f"<{len(self.euis)} meters, {self.euis[0]} to {self.euis[-1]}>"


class EsmeFleet:
    """The fleet of meters on the broker of a test."""

    def __init__(
        self,
        fleet: Fleet,
        euis: Sequence[EUI],
        keystore: DerivedKeystore | OverlaidKeystore,
        context: FleetContext,
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


class EsmeCache:
    """The reading cache on the broker of a test."""

    def __init__(self, service: CacheService, store: Store, journal: Journal) -> None:
        self.service = service
        """Has `register`, `change_of_supplier` and `change_of_tenancy` to change the registry."""
        self.store = store
        self._journal = journal

    @property
    def policy(self) -> CachePolicy:
        """Decides how each request is answered."""
        return self.service.policy

    @property
    def ledger(self) -> Ledger:
        """Counts of decisions by SRV, party and meter, and of their reasons."""
        return self.policy.ledger

    @property
    def decisions(self) -> tuple[Decided, ...]:
        """Every decision that the journal still holds, oldest first."""
        return tuple(event for event in self._journal.events if isinstance(event, Decided))

    async def purge(self, meter: EsmeMeter | EUI | None = None, srv: str | None = None) -> int:
        """Remove the readings of a meter, of an SRV, or all; return the number removed.

        Raises `ValueError` for an unknown SRV.
        """
        device = meter.eui if isinstance(meter, EsmeMeter) else meter
        if counted(srv) in (None, *CACHEABLE_SRVS):
            return await drop_entries(self.store, device, srv)
        return 0

    def __repr__(self) -> str:
        ledger = self.ledger
        totals: dict[str, int] = {}
        for (_, decision), number in ledger.decisions.items():
            totals[str(decision)] = totals.get(str(decision), 0) + number
        shown = ", ".join(f"{name} {number}" for name, number in sorted(totals.items()))
        return f"<cache with {ledger.requests} requests{f': {shown}' if shown else ''}>"


class OwnDevices(CachePolicy):
    """A cache policy that ignores the meters of other tests on a shared broker."""

    is_ours: Callable[[EUI], bool]
    """Whether a meter belongs to this test."""

    def command(self, device: EUI, octets: bytes, now: float) -> list[Effect]:
        """Return what to do with a command for `device`; nothing if the meter is not ours."""
        return super().command(device, octets, now) if self.is_ours(device) else []

    def response(self, octets: bytes, now: float, sender: EUI | None = None) -> list[Effect]:
        """Return what to do with a response from a device; `sender` is the EUI in the topic."""
        try:
            device = decode(octets).originator
        except GbcsError:
            return super().response(octets, now, sender)
        return super().response(octets, now, sender) if self.is_ours(device) else []
