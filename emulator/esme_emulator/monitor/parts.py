"""The parts that run in this process, for the control interface and the live view.

Besides the parts: the latest replies of the cache, and a histogram of the ages of its hits.

Asking for an SRV by which device hits are not counted is refused, not answered 0.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from esme_emulator.cache.policy.ledger import Decided, Decision, Ledger, Replied
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.reads import in_order
from esme_emulator.cache.service import CacheService
from esme_emulator.cache.store.base import Store
from esme_emulator.device.model import Meter, meter_of, owning, profile_of
from esme_emulator.faults.engine import Faults
from esme_emulator.fleet.counters import Counters
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.messaging.validation import UNKNOWN_SRV
from esme_emulator.monitor.journal import Journal
from esme_emulator.profiles import MeterMix, MeterProfile, MeterTable, own_data
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.errors import UserError
from esme_emulator.runtime.events import Events
from esme_emulator.transport import Transport
from gbcs import EUI, Keystore
from gbcs.tables.use_cases import USE_CASES, for_srv

if TYPE_CHECKING:  # its packages are in an extra of their own
    from esme_emulator.gateway.service import Dsp

HOURS = (1, 6, 12, 24, 36, 48, 60, 72)
"""Upper bounds of the buckets, in hours; the last is the longest retention."""

_HOUR = 3600


class HitAges:
    """Hits by age."""

    def __init__(self) -> None:
        self.seconds = 0
        """Sum of the ages of all hits, in seconds."""
        self._numbers = [0] * (len(HOURS) + 1)

    def listen(self, events: Events) -> None:
        """Count the decisions published on `events`."""
        events.subscribe(Decided, self.count)

    def count(self, decided: Decided) -> None:
        """Count a decision, if it has an age."""
        if decided.age is not None:
            self.seconds += decided.age
            self._numbers[bisect_left(HOURS, decided.age / _HOUR)] += 1

    def reset(self) -> None:
        """Count from 0 again."""
        self.seconds = 0
        self._numbers = [0] * len(self._numbers)

    def numbers(self) -> dict[int | None, int]:
        """Return the number of hits in each bucket, by upper bound in hours; None is unbounded."""
        return dict(zip((*HOURS, None), self._numbers, strict=True))


MOST = 1000
"""Most replies that are kept."""


class LatestReplies:
    """The latest replies, and the number of all."""

    def __init__(self) -> None:
        self.total = 0
        self._replies: deque[Replied] = deque(maxlen=MOST)

    def listen(self, events: Events) -> None:
        """Remember the replies published on `events`."""
        events.subscribe(Replied, self.remember)

    def remember(self, replied: Replied) -> None:
        """Add a reply."""
        self.total += 1
        self._replies.append(replied)

    def reset(self) -> None:
        """Forget all replies, and count from 0 again."""
        self.total = 0
        self._replies.clear()

    def newest(self, device: EUI | None, srv: str | None) -> Iterator[Replied]:
        """Yield the replies of a device and an SRV, newest first; None matches all."""
        for replied in reversed(self._replies):
            if device in (None, replied.device) and srv in (None, replied.srv):
                yield replied


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
    """A control interface that cannot be used. The text is one line for the user."""


class AbsentError(Exception):
    """A part that does not run in this process. The text names it."""


@dataclass(frozen=True, slots=True)
class RunningFleet:
    """The meters of this process, drawn from `seed`."""

    seed: str
    meters: Sequence[EUI]
    fleet: Fleet
    profiles: MeterMix
    """Profiles that meters are drawn from, by their shares; and what meters have of their own."""
    faults: Faults
    change: Callable[[Callable[[], None]], Awaitable[None]]
    """Makes a change of readings, so that no cache serves those of before."""
    strict: bool = False
    """Whether meters drop commands whose counters are not above those of earlier ones."""
    is_shared: bool = False
    """Whether other processes have the same meters."""

    @property
    def counters(self) -> Counters:
        """Counts of commands and replies."""
        return self.fleet.counters

    def meter_of(self, device: EUI) -> Meter:
        """Return a meter. Raises `ProfileError` if its own data cannot be used."""
        return meter_of(self.seed, device, self.profiles)

    def profile_of(self, device: EUI) -> MeterProfile:
        """Return the profile of a meter, without reading its half hours."""
        return profile_of(self.seed, device, self.profiles)

    async def replace(self, device: EUI, table: MeterTable) -> None:
        """Replace what a meter has of its own.

        Raises `ProfileError` if it cannot be used; then nothing has changed.
        """
        own = own_data(table, device)
        owning(self.seed, device, self.profiles, own)
        await self.change(partial(self.profiles.put, device, own))

    async def reset(self) -> None:
        """Give all meters back what they had at first, and count from 0 again."""
        self.fleet.reset()
        if self.profiles.is_changed:
            await self.change(self.profiles.undo)


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

    def reset(self) -> None:
        """Count from 0 again. Entries of the store stay."""
        self.policy.reset()
        self.hit_ages.reset()
        self.latest_replies.reset()

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
    """The parts of this process; `fleet`, `cache` or `dsp` is None if it does not run.

    `broker` is shown to users, so it must not contain a password. `transports` are the connections
    of each part.
    """

    clock: Clock
    broker: str
    transports: Mapping[str, Sequence[Transport]]
    fleet: RunningFleet | None = None
    cache: RunningCache | None = None
    dsp: "Dsp | None" = None
    keystore: Keystore | None = None
    """The keys of the estate, to show what messages say."""
    journal: Journal = field(default_factory=Journal)
    """The latest requests, once `keep_journal` was called."""

    def keep_journal(self) -> None:
        """Keep the requests to cache and meters in the journal, from now on."""
        if self.cache is not None:
            self.journal.listen(self.cache.policy.events)
        if self.fleet is not None:
            self.journal.listen(self.fleet.fleet.events)

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


def dsp_of(parts: RunningParts) -> "Dsp":
    """Return the front door for DUIS. Raises `AbsentError`."""
    if parts.dsp is None:
        raise AbsentError("no front door for DUIS runs in this process")
    return parts.dsp


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
