"""The reading cache of a test: its decisions, its entries and its registry."""

from collections.abc import Callable

from esme_emulator.cache.policy.effects import Effect
from esme_emulator.cache.policy.ledger import Decided, Ledger
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.reads import CACHEABLE_SRVS
from esme_emulator.cache.service import CacheService
from esme_emulator.cache.store.base import Store, drop_entries
from esme_emulator.monitor.parts import counted
from esme_emulator.pytest_plugin.journal import Journal
from esme_emulator.pytest_plugin.meters import EsmeMeter
from gbcs import EUI, GbcsError, decode


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
