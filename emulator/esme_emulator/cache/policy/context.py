"""What all parts of a policy share: keys, settings, counts, memory, and the time of an event.

Pure. Also asks the registry whether the parties of a request are entitled.
"""

from collections.abc import Callable

from esme_emulator.cache.policy.ledger import Ledger
from esme_emulator.cache.policy.requests import (
    AsOf,
    Request,
    Subject,
    TransactionRecord,
    Transactions,
)
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.registry.registration import day_at
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.runtime.events import Events
from esme_emulator.runtime.timers import Timer, Timers
from gbcs import Keystore
from gbcs.instants import DAY


class Context:
    """The shared parts of one policy. Times are Unix times in seconds."""

    def __init__(
        self, keystore: Keystore, settings: CacheSettings, registry: Registry, events: Events
    ) -> None:
        self.keystore = keystore
        self.settings = settings
        self.registry = registry
        self.ledger = Ledger(events, registry.knows)
        self.transactions = Transactions()
        self.timers: Timers[Subject] = Timers()
        self.now = 0.0
        """The time of the event being handled."""
        self.as_of: AsOf = registry.version, day_at(0.0)
        """An answer of the registry holds as long as this."""
        self.on_set_back: Callable[[float, float], None] = lambda before, now: None
        """Is called if the clock was set back, with the time before and the time now."""

    def tick(self, now: float) -> None:
        """Begin to handle an event at `now`.

        If the clock was set back, all deadlines move back with it, so that nothing waits for
        longer than it would have.
        """
        before, self.now = self.now, now
        day = self.as_of[1] if now // DAY == before // DAY else day_at(now)
        self.as_of = self.registry.version, day
        if now < before:
            self.timers.move(now - before)
            self.on_set_back(before, now)

    def start_timer(self, subject: Subject) -> Timer[Subject]:
        """Return a timer that falls due after the reply timeout."""
        return self.timers.start(self.now + self.settings.reply_timeout, subject)

    def note(self, request: Request) -> TransactionRecord:
        """Return what is remembered of the transaction of a request, which is used now."""
        return self.transactions.note(request.transaction, request.key, self.now)

    def refusal(self, request: Request) -> str:
        """Return why a party is not entitled to what a request reads; empty if all are.

        The registry is asked once for each of its versions and each day.
        """
        if request.entitled == self.as_of:
            return ""
        for party in request.parties:
            for srv, window in request.touched:
                reason = self.registry.check(party, request.device, srv, window, self.now)
                if reason is not None:
                    return reason
        request.entitled = self.as_of
        return ""
