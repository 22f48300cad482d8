"""Cost of the journal of requests for a hit: the cache's policy with and without it, in turns.

The policy runs without a broker; a hit of 24 hours of 4.8.1 is timed from receipt to reply. The
other subscribers of a running cache take part in both cases. The garbage collector is set as in a
service.
"""

from statistics import median
from time import process_time

from esme_emulator.app.services import settle
from esme_emulator.monitor.journal import Journal
from esme_emulator.monitor.parts import HitAges, LatestReplies
from gbcs.tables.roles import Role
from tests.emulator.cache.bench import Bench
from tests.support.estate import METER, YESTERDAY, party

HITS, ROUNDS = 4000, 11


def main() -> None:
    supplier = party(Role.IS, 100)
    commands = [supplier.command(METER, "4.8.1", YESTERDAY)[1] for _ in range(HITS)]
    settle()
    without, with_it = [], []
    for number in range(ROUNDS):
        for journal in (True, False) if number % 2 else (False, True):
            (with_it if journal else without).append(_microseconds(commands, journal=journal))
    cost = median(ours - others for ours, others in zip(with_it, without, strict=True))
    print(f"a hit in the policy: {median(without):.1f} µs", end="")
    print(f", with the journal {median(with_it):.1f} µs: {cost:.1f} µs more")


def _microseconds(commands: list[bytes], *, journal: bool) -> float:
    """Return the processor time of a hit."""
    bench = Bench()
    events = bench.policy.events
    HitAges().listen(events)
    LatestReplies().listen(events)
    if journal:
        Journal().listen(events)
    bench.ask("4.8.1", Role.IS, 1)
    bench.deliver()
    start = process_time()
    for octets in commands:
        bench.receive(octets)
    return (process_time() - start) / len(commands) * 1e6
