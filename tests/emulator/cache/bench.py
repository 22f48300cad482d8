"""A bench for the cache's policy: meters on one side, parties on the other, and no event loop.

What the policy wants done is done at once, in its order; what it sends on to meters is kept, so
that a test says which replies come back, when, how often and how they were changed.
"""

from collections.abc import Iterable

from emulator.cache.effects import Effect, Forward, Keep, Look, Reply, Reserve
from emulator.cache.entry import Entry, Key, retention_seconds
from emulator.cache.ledger import Decision
from emulator.cache.policy import CachePolicy
from emulator.fleet import Fleet
from emulator.latency import NONE
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

RETENTION = retention_seconds(25)
PATIENCE = 60.0
"""Seconds after which the policy gives a command up."""


class Bench:
    """A policy, its store, and a fleet; `now` stands still until a test moves it."""

    def __init__(self, keystore: Keystore = KEYS, retention: float = RETENTION) -> None:
        self.now = UNIX_NOW
        self.keystore = keystore
        self.retention = retention
        self.fleet = Fleet(ESTATE.meters, KEYS, SEED, NONE)
        self.store: dict[Key, Entry] = {}
        self.reserved = 0
        self.looks_up = True
        self.pending_looks: list[Key] = []
        self.forwards: list[Forward] = []
        self.replies: list[Reply] = []
        self.policy = self._policy()

    def _policy(self) -> CachePolicy:
        return CachePolicy(
            self.keystore,
            retention=self.retention,
            reply_timeout=PATIENCE,
            reserved=self.reserved,
        )

    def restart(self) -> None:
        """Lose everything but what the store has."""
        self.policy = self._policy()
        self.forwards.clear()
        self.pending_looks.clear()

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
        """Let the store answer what it was asked while `looks_up` was off."""
        looks, self.pending_looks = self.pending_looks, []
        replies: list[Reply] = []
        for key in looks:
            replies += self._perform(self.policy.found(key, self.store.get(key), self.now))
        return replies

    def meter_reply(self) -> bytes:
        """The reply of the meter to the oldest command that was sent on to it."""
        forward = self.forwards.pop(0)
        reply = self.fleet.receive(forward.device, forward.octets, self.now).reply
        assert reply is not None
        return reply

    def deliver(self, octets: bytes | None = None) -> list[Reply]:
        """Give the policy `octets`, or the meter's oldest reply, as if a meter had sent them."""
        came = self.meter_reply() if octets is None else octets
        return self._perform(self.policy.response(came, self.now))

    def read_through(self, srv: str, role: Role = Role.IS, counter: int = 1) -> Reply:
        """Ask for something that is not in the store, and return the reply."""
        assert self.ask(srv, role, counter) == []
        (reply,) = self.deliver()
        return reply

    def expire(self, seconds: float = PATIENCE) -> None:
        """Let this time pass and the policy give up what is overdue."""
        self.now += seconds
        self.policy.expire(self.now)

    def decisions(self) -> dict[Decision, int]:
        """The ledger's decisions that are not 0."""
        ledger = self.policy.ledger
        return {kind: ledger.total(kind) for kind in Decision if ledger.total(kind)}

    def assert_settled(self) -> None:
        """Nothing pends, and the ledger adds up."""
        assert self.policy.next_deadline() is None
        assert self.policy.ledger.undecided() == 0
        assert self.policy.ledger.requests == self.policy.ledger.decisions.total()

    def _perform(self, effects: Iterable[Effect]) -> list[Reply]:
        replies: list[Reply] = []
        for effect in effects:
            match effect:
                case Look(key):
                    self.pending_looks.append(key)
                    if self.looks_up:
                        replies += self.look_up()
                case Keep(key, entry):
                    self.store[key] = entry
                case Reserve(counter):
                    self.reserved = counter
                case Forward():
                    self.forwards.append(effect)
                case Reply():
                    own = own_counter_in(effect.octets) or 0
                    assert own % 2 == 0 or own <= self.reserved, "reserved before it is used"
                    self.replies.append(effect)
                    replies.append(effect)
        return replies
