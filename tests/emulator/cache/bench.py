"""A bench for the cache's policy: meters on one side, parties on the other, and no event loop.

Effects are performed at once, in their order; commands for meters are collected, so
that a test says which replies come back, when, how often and how they were changed. Several
benches on one store are several processes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from esme_emulator.cache.entry import Entry, Key, Settled
from esme_emulator.cache.policy.effects import (
    Abandon,
    Alarm,
    Claim,
    Claimed,
    Cover,
    Effect,
    Flush,
    Forward,
    Put,
    Question,
    Reply,
    Reserve,
    Settle,
    Wait,
)
from esme_emulator.cache.policy.ledger import Decided, Decision
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.registry.registration import Registration
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.estate.parties import PARTIES
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.profiles.latency import NONE
from esme_emulator.runtime.events import Events
from gbcs import EUI, Keystore
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.support.estate import (
    ESTATE,
    KEYS,
    METER,
    SEED,
    UNIX_NOW,
    YESTERDAY,
    command,
    own_counter_in,
)

RETENTION = 25 * 3600.0
PATIENCE = 60.0
"""Seconds after which the policy gives a command up."""


def anything_for_anybody(*others: EUI) -> Registry:
    """Return a registry in which every party has every role, for tests of everything else."""
    parties = [*(party.eui for party in PARTIES), *others]
    return Registry([(eui, Role) for eui in parties], [Registration(eui) for eui in parties])


@dataclass
class BenchStore:
    """Entries, leases by key with their holders, and the processes that wait for them."""

    entries: dict[Key, Entry] = field(default_factory=dict)
    leases: dict[Key, tuple["Bench", int]] = field(default_factory=dict)
    waiting: dict[Key, list[tuple["Bench", Wait]]] = field(default_factory=dict)
    own_counters: int = 0
    failing: bool = False

    def expire_leases(self, *holder: object) -> list[Reply]:
        """Expire all leases, or those of one holder; waiting processes claim again."""
        gone = [key for key, lease in self.leases.items() if not holder or lease == holder]
        replies: list[Reply] = []
        for key in gone:
            del self.leases[key]
        for key in gone:
            for bench, wait in self.waiting.pop(key, []):
                replies += bench.answer(wait, Settled(None, came=False))
        return replies


class Bench:
    """A policy, its store, and a fleet; `now` stands still until a test moves it."""

    def __init__(
        self,
        keystore: Keystore = KEYS,
        retention: float = RETENTION,
        registry: Registry | None = None,
        shared_store: BenchStore | None = None,
        **options: Any,
    ) -> None:
        self.now = UNIX_NOW
        self.skew = 0.0
        """Seconds that the meters' clocks are ahead of the cache's; below 0 behind."""
        self.keystore = keystore
        self.registry = registry or anything_for_anybody()
        self.settings = CacheSettings(
            retention_hours=retention / 3600,
            reply_timeout=PATIENCE,
            **{"device_limit": 100, **options},
        )
        self.fleet = Fleet(ESTATE.meters, KEYS, SEED, NONE)
        self.shared = shared_store or BenchStore()
        self.looks_up = True
        self.pending_looks: list[Key] = []
        self._claims: list[Claim] = []
        self._held: dict[int, Key] = {}
        self._leased: set[int] = set()
        self.forwards: list[Forward] = []
        self.replies: list[Reply] = []
        self.alarms: list[Alarm] = []
        self.decided: list[Decided] = []
        self.policy = self._policy()

    def _policy(self) -> CachePolicy:
        events = Events()
        events.subscribe(Decided, self.decided.append)
        return CachePolicy(self.keystore, self.settings, self.registry, events)

    @property
    def store(self) -> dict[Key, Entry]:
        """The entries of the store."""
        return self.shared.entries

    @property
    def reserved(self) -> int:
        """The device counter below which all are given."""
        return self.shared.own_counters

    def restart(self) -> None:
        """Start a new process on the same store; the leases of the old one expire."""
        self.policy = self._policy()
        self.forwards.clear()
        self.pending_looks.clear()
        self._claims.clear()
        self._leased.clear()
        self.shared.expire_leases()

    def receive(self, octets: bytes, device: EUI = METER) -> list[Reply]:
        """Give the policy a command, and return the replies that it sends at once."""
        return self._perform(self.policy.command(device, octets, self.now))

    def ask(
        self,
        srv: str,
        role: Role = Role.IS,
        counter: int = 1,
        window: Window = YESTERDAY,
        device: EUI = METER,
    ) -> list[Reply]:
        """Ask as a party does, and return the replies that come at once."""
        return self.receive(command(srv, role, counter, window, device)[1], device)

    def look_up(self) -> list[Reply]:
        """Answer the claims that were collected while `looks_up` was off."""
        claims, self._claims = self._claims, []
        self.pending_looks.clear()
        replies: list[Reply] = []
        for claim in claims:
            found = self._find(claim)
            replies += self.answer(claim, found)
        return replies

    def meter_reply(self) -> bytes:
        """The reply of the meter to the oldest command that was sent on to it."""
        forward = self.forwards.pop(0)
        now = self.now + self.skew
        [reply] = self.fleet.receive(forward.device, forward.octets, now).replies
        return reply.octets

    def deliver(self, octets: bytes | None = None) -> list[Reply]:
        """Give the policy `octets`, or the meter's oldest reply, as if a meter had sent them."""
        came = self.meter_reply() if octets is None else octets
        return self._perform(self.policy.response(came, self.now))

    def read_through(
        self, srv: str, role: Role = Role.IS, counter: int = 1, window: Window = YESTERDAY
    ) -> Reply:
        """Read something that is not in the store, and return the reply."""
        assert self.ask(srv, role, counter, window) == []
        (reply,) = self.deliver()
        return reply

    def expire(self, seconds: float = PATIENCE) -> list[Reply]:
        """Let this time pass, and let the policy give up overdue commands."""
        self.now += seconds
        replies = self._perform(self.policy.check_clock(self.now))
        return [*replies, *self._perform(self.policy.expire(self.now))]

    def change(self, effects: list[Effect]) -> None:
        """Perform the effects of a change of the registry."""
        self._perform(effects)

    def decisions(self) -> dict[Decision, int]:
        """The ledger's decisions that are not 0."""
        ledger = self.policy.ledger
        return {kind: ledger.total(kind) for kind in Decision if ledger.total(kind)}

    def assert_settled(self) -> None:
        """Check that nothing is pending, and that the ledger adds up."""
        assert self.policy.next_deadline() is None
        assert self.policy.ledger.undecided() == 0
        assert self.policy.ledger.requests == self.policy.ledger.decisions.total()

    def answer(self, question: Question, answer: object) -> list[Reply]:
        """Give the policy an answer of the store, and return the replies that it sends at once."""
        return self._perform(self.policy.answer(question, answer, self.now))

    def _perform(self, effects: Iterable[Effect]) -> list[Reply]:
        replies: list[Reply] = []
        for effect in effects:
            match effect:
                case Claim(_, key):
                    self._claims.append(effect)
                    self.pending_looks.append(key)
                    if self.looks_up:
                        replies += self.look_up()
                case Cover(_, key, received_after):
                    wider = None if self.shared.failing else self._cover(key, received_after)
                    replies += self.answer(effect, wider)
                case Settle():
                    replies += self._settle(effect)
                case Put(_, key, entry):
                    if not self.shared.failing:
                        self.store[key] = entry
                    replies += self.answer(effect, None)
                case Flush():
                    self._flush(effect)
                case Wait(flight):
                    key = self._held.pop(flight)
                    self.shared.waiting.setdefault(key, []).append((self, effect))
                case Abandon(flight):
                    replies += self.shared.expire_leases(self, flight)
                case Reserve(earliest, size):
                    first = None if self.shared.failing else max(earliest, self.reserved)
                    if first is not None:
                        self.shared.own_counters = first + size
                    replies += self.answer(effect, first)
                case Forward():
                    self.forwards.append(effect)
                case Alarm():
                    self.alarms.append(effect)
                case Reply():
                    own = own_counter_in(effect.octets) or 0
                    assert own % 2 == 0 or own < self.reserved, "reserved before it is used"
                    self.replies.append(effect)
                    replies.append(effect)
        return replies

    def _find(self, claim: Claim) -> Entry | Claimed:
        if self.shared.failing:
            return Claimed.FAILED
        entry = self.store.get(claim.key)
        if entry is not None and entry.received > claim.received_after:
            return entry
        if not claim.lease:
            return Claimed.ABSENT
        if claim.key in self.shared.leases:
            self._held[claim.flight] = claim.key
            return Claimed.HELD
        self.shared.leases[claim.key] = self, claim.flight
        self._leased.add(claim.flight)
        return Claimed.LEASED

    def _cover(self, key: Key, received_after: float) -> tuple[Key, Entry] | None:
        for other, entry in self.store.items():
            alike = other[:2] == key[:2] and other.start <= key.start and key.end <= other.end
            if alike and entry.received > received_after:
                return other, entry
        return None

    def _settle(self, settle: Settle) -> list[Reply]:
        if self.shared.failing:
            return self.answer(settle, None)
        ours = self.shared.leases.get(settle.key) == (self, settle.flight)
        kept = ours or settle.flight not in self._leased
        if settle.entry is not None and kept:
            self.store[settle.key] = settle.entry
        waiting: list[tuple[Bench, Wait]] = []
        if ours:
            del self.shared.leases[settle.key]
            waiting = self.shared.waiting.pop(settle.key, [])
        replies = self.answer(settle, kept)
        for bench, wait in waiting:
            replies += bench.answer(wait, Settled(settle.readings, came=True))
        return replies

    def _flush(self, flush: Flush) -> None:
        if self.shared.failing:
            return
        for key, entry in list(self.store.items()):
            if flush.device in (None, key.device) and entry.received > flush.received_after:
                del self.store[key]
        self.policy.answer(flush, True, self.now)
