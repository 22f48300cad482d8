"""The reading cache of a test: what it decided, what it keeps, and who is registered."""

from collections.abc import Callable

from esme_emulator.cache import queries
from esme_emulator.cache.policy.effects import Effect
from esme_emulator.cache.policy.ledger import Decided, Ledger
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.reads import CACHEABLE_SRVS
from esme_emulator.cache.service import CacheService
from esme_emulator.cache.store.base import Store
from esme_emulator.pytest_plugin.journal import Journal
from esme_emulator.pytest_plugin.meters import EsmeMeter
from esme_emulator.pytest_plugin.srvs import counted
from gbcs import EUI, GbcsError, decode


class EsmeCache:
    """A reading cache that runs on the broker of a test."""

    def __init__(self, service: CacheService, store: Store, journal: Journal) -> None:
        self.service = service
        """Has `register`, `change_of_supplier` and `change_of_tenancy`."""
        self.store = store
        self._journal = journal

    @property
    def policy(self) -> CachePolicy:
        """What decides."""
        return self.service.policy

    @property
    def ledger(self) -> Ledger:
        """Counts by SRV, party, meter and decision, and reasons."""
        return self.policy.ledger

    @property
    def decisions(self) -> tuple[Decided, ...]:
        """Every decision so far, in order, as far back as the journal reaches."""
        return tuple(event for event in self._journal.events if isinstance(event, Decided))

    async def purge(self, meter: EsmeMeter | EUI | None = None, srv: str | None = None) -> int:
        """Drop what is kept, all of it or of a meter or an SRV; return how many readings.

        Raises `ValueError` for an SRV that there is not.
        """
        device = meter.eui if isinstance(meter, EsmeMeter) else meter
        if counted(srv) in (None, *CACHEABLE_SRVS):
            return await queries.purge(self.store, device, srv)
        return 0

    def __repr__(self) -> str:
        ledger = self.ledger
        counted: dict[str, int] = {}
        for (_, decision), number in ledger.decisions.items():
            counted[str(decision)] = counted.get(str(decision), 0) + number
        said = ", ".join(f"{name} {number}" for name, number in sorted(counted.items()))
        return f"<cache with {ledger.requests} requests{f': {said}' if said else ''}>"


class OwnDevices(CachePolicy):
    """A cache that leaves alone the meters of others on a broker that several tests share."""

    is_ours: Callable[[EUI], bool]

    def command(self, device: EUI, octets: bytes, now: float) -> list[Effect]:
        """Return what to do with a command for `device`."""
        return super().command(device, octets, now) if self.is_ours(device) else []

    def response(self, octets: bytes, now: float, sender: EUI | None = None) -> list[Effect]:
        """Return what to do with octets that a device sent; `sender` is that of its topic."""
        try:
            device = decode(octets).originator
        except GbcsError:
            return super().response(octets, now, sender)
        return super().response(octets, now, sender) if self.is_ours(device) else []
