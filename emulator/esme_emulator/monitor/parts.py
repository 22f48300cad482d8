"""The parts that run in this process, for the control interface and the live view.

Asking for an SRV by which device hits are not counted is refused, not answered 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice

from esme_emulator.cache.policy.ledger import Decision, Ledger
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.reads import in_order
from esme_emulator.cache.service import CacheService
from esme_emulator.cache.store.base import Store
from esme_emulator.device.model import Meter
from esme_emulator.faults.engine import Faults
from esme_emulator.fleet.counters import Counters
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.messaging.validation import UNKNOWN_SRV
from esme_emulator.monitor.replies import HitAges, LatestReplies
from esme_emulator.profiles import MeterProfile
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.errors import UserError
from esme_emulator.transport import Transport
from gbcs import EUI
from gbcs.tables.use_cases import USE_CASES, for_srv

_SRVS = tuple(in_order({row.srvs[0] for row in USE_CASES if row.srvs}))
_COUNTED = frozenset({UNKNOWN_SRV, *_SRVS})


def counted(srv: str | None) -> str | None:
    """Return `srv` if hits are counted by it; None stands for all.

    Raises `ValueError`, with the SRVs on a second line, for any other SRV.
    """
    if srv is None or srv in _COUNTED:
        return srv
    others = for_srv(srv)
    if others:
        hint = f"its commands are counted as {others[0].srvs[0]}"
    else:
        close = get_close_matches(str(srv), sorted(_COUNTED), 1)
        meant = f"did you mean {close[0]}?" if close else "write one such as 4.8.1"
        hint = f"{meant}\ncounted are {', '.join(_SRVS)} and {UNKNOWN_SRV}"
    raise ValueError(f"no device hit is counted as SRV {srv!r:.30}: {hint}")


class ControlError(UserError):
    """A control interface that cannot start. The text is one line for the user."""


class AbsentError(Exception):
    """A part that does not run in this process. The text names it."""


@dataclass(frozen=True, slots=True)
class RunningFleet:
    """The meters of this process, drawn from `seed`."""

    seed: str
    meters: Sequence[EUI]
    fleet: Fleet
    meter_of: Callable[[EUI], Meter]
    profiles: Sequence[MeterProfile]
    """Profiles that meters are drawn from, by their shares."""
    faults: Faults
    strict: bool = False
    """Whether meters drop commands whose counters are not above those of earlier ones."""

    @property
    def counters(self) -> Counters:
        """Counts of commands and replies."""
        return self.fleet.counters


@dataclass(frozen=True, slots=True)
class RunningCache:
    """The cache of this process and its store."""

    service: CacheService
    store: Store
    hit_ages: HitAges = field(default_factory=HitAges)
    latest_replies: LatestReplies = field(default_factory=LatestReplies)

    @classmethod
    def watched(cls, service: CacheService, store: Store) -> "RunningCache":
        """Return a cache whose hits and replies are recorded from now on."""
        cache = cls(service, store)
        cache.hit_ages.listen(service.policy.events)
        cache.latest_replies.listen(service.policy.events)
        return cache

    @property
    def policy(self) -> CachePolicy:
        """The policy, with settings, registry and ledger."""
        return self.service.policy

    @property
    def ledger(self) -> Ledger:
        """The decisions of the cache."""
        return self.policy.ledger


@dataclass(frozen=True, slots=True)
class RunningParts:
    """The parts of this process; `fleet` or `cache` is None if it does not run.

    `broker` is shown to users, so it must not contain a password. `transports` are the connections
    of each part.
    """

    clock: Clock
    broker: str
    transports: Mapping[str, Sequence[Transport]]
    fleet: RunningFleet | None = None
    cache: RunningCache | None = None

    def lost(self) -> list[str]:
        """Return a text for each part that lost connections: how many, of how many."""
        counted = (
            (part, sum(not one.is_connected for one in transports), len(transports))
            for part, transports in self.transports.items()
        )
        return [f"{part}: {lost} of {number}" for part, lost, number in counted if lost]

    def is_connected(self) -> bool:
        """Return whether all connections of fleet and cache are up."""
        return not self.lost()

    @property
    def ledger(self) -> Ledger | None:
        """The ledger of the cache, or None if no cache runs."""
        return None if self.cache is None else self.cache.ledger


def fleet_of(parts: RunningParts) -> RunningFleet:
    """Return the fleet. Raises `AbsentError`."""
    if parts.fleet is None:
        raise AbsentError("no meters run in this process")
    return parts.fleet


def cache_of(parts: RunningParts) -> RunningCache:
    """Return the cache. Raises `AbsentError`."""
    if parts.cache is None:
        raise AbsentError("no cache runs in this process")
    return parts.cache


def avoided_ratio(ledger: Ledger) -> float | None:
    """Return the share of accepted requests that caused no command; None without any request.

    Negative if the cache sent more commands than it got requests, because of retries.
    """
    taken = sum(map(ledger.total, (Decision.HIT, Decision.COLLAPSED, Decision.FORWARDED)))
    return 1 - ledger.sent() / taken if taken else None


def fired_lately(faults: Faults, number: int) -> tuple[int, list[str]]:
    """Return how many faults fired since the start, and the last `number`, newest first."""
    log = faults.log
    newest = islice(log, max(len(log) - number, 0), None)
    return len(log) + log.dropped, [str(fired) for fired in newest][::-1]
