"""Any history of requests, replies, losses, clocks and restarts keeps the promises of the cache."""

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gbcs import EUI, Command, decode
from gbcs.instants import DAY
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.emulator.cache.bench import PATIENCE, RETENTION, Bench
from tests.support.estate import (
    ESTATE,
    MIDNIGHT,
    command,
    meter_octets,
    own_counter_in,
)

ROLES = [Role.IS, Role.ED, Role.OU]
SRVS = ["4.6.1", "4.8.1", "4.8.3", "4.8.2"]
WINDOWS = [Window(MIDNIGHT - DAY, MIDNIGHT), Window(MIDNIGHT, MIDNIGHT + DAY)]
"""One that is closed, and one that is open at first."""


class Histories(RuleBasedStateMachine):
    """A bench, every command that was ever made, and every reply that a party was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.sent: list[tuple[bytes, Command]] = []
        self.checked = 0
        self.by_own_counter: dict[tuple[EUI, int], bytes] = {}

    @rule(
        role=st.sampled_from(ROLES),
        srv=st.sampled_from(SRVS),
        window=st.sampled_from(WINDOWS),
        meter=st.integers(0, 1),
    )
    def ask(self, role: Role, srv: str, window: Window, meter: int) -> None:
        device = ESTATE.meters[meter]
        asked, octets = command(srv, role, len(self.sent), window, device)
        self.sent.append((octets, asked))
        self.bench.receive(octets, device)

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(1, 4))
    def ask_again(self, back: int) -> None:
        octets, asked = self.sent[-min(back, len(self.sent))]
        self.bench.receive(octets, asked.recipient)

    @precondition(lambda self: self.bench.forwards)
    @rule()
    def reply_comes(self) -> None:
        self.bench.deliver()

    @precondition(lambda self: self.bench.forwards)
    @rule()
    def reply_comes_twice(self) -> None:
        octets = self.bench.meter_reply()
        self.bench.deliver(octets)
        self.bench.deliver(octets)

    @precondition(lambda self: self.bench.forwards)
    @rule()
    def reply_is_lost(self) -> None:
        self.bench.forwards.pop(0)

    @precondition(lambda self: self.bench.forwards)
    @rule(position=st.integers(-12, -1))
    def reply_has_another_mac(self, position: int) -> None:
        octets = bytearray(self.bench.meter_reply())
        octets[position] ^= 1
        assert self.bench.deliver(bytes(octets)) == []

    @rule(seconds=st.sampled_from([1.0, PATIENCE, 3600.0, RETENTION - 1, RETENTION + 1]))
    def time_passes(self, seconds: float) -> None:
        self.bench.expire(seconds)

    @rule()
    def clock_is_stepped_back(self) -> None:
        self.bench.expire(-3600.0)

    @rule()
    def store_loses_everything(self) -> None:
        self.bench.store.clear()

    @rule()
    def cache_restarts(self) -> None:
        self.bench.restart()

    @invariant()
    def every_reply_is_what_the_meter_says(self) -> None:
        replies, self.checked = self.bench.replies[self.checked :], len(self.bench.replies)
        for reply in replies:
            _, asked = self.sent[decode(reply.octets).originator_counter]
            assert (reply.device, reply.recipient) == (asked.recipient, asked.originator)
            own_counter = own_counter_in(reply.octets)
            assert reply.octets == meter_octets(asked, self.bench.now, own_counter or 0)
            if own_counter is not None:
                taken = self.by_own_counter.setdefault((reply.device, own_counter), reply.octets)
                assert taken == reply.octets, "a device counter for two different replies"

    @invariant()
    def decisions_are_never_more_than_requests(self) -> None:
        assert self.bench.policy.ledger.undecided() >= 0

    def teardown(self) -> None:
        self.bench.expire(RETENTION)
        self.bench.assert_settled()


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, phases=[Phase.generate]
)
