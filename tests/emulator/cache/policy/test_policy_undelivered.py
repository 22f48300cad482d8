"""Commands without a receiver are given up at once, and are no fault of their meter."""

from esme_emulator.cache.policy.dispatch import COMMANDS_PER_RETRY
from esme_emulator.cache.policy.ledger import Decision
from gbcs.tables.roles import Role
from tests.emulator.cache.bench import Bench
from tests.support.estate import command

NOBODY = "no-subscriber"


def tell(bench: Bench, octets: bytes) -> None:
    """Tell the policy that a command had no receiver."""
    bench._perform(bench.policy.undelivered(octets, NOBODY, bench.now))


def test_waiting_requests_fail_at_once_and_the_next_one_asks_again() -> None:
    bench = Bench(retries=2, hold_down=1)
    assert bench.ask("4.8.1", Role.IS) == bench.ask("4.8.1", Role.ED) == []
    tell(bench, bench.forwards.pop().octets)
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.FAILED: 1}
    assert bench.policy.ledger.reasons == {NOBODY: 1}
    bench.assert_settled()
    assert bench.shared.leases == {}
    assert bench.ask("4.8.1", Role.IS, counter=2) == []  # it is not held down
    [reply] = bench.deliver()
    assert "fwd=miss; stored" in reply.status


def test_the_next_command_in_the_queue_is_sent() -> None:
    bench = Bench(device_limit=1)
    bench.ask("4.8.1")
    bench.ask("4.6.1", counter=2)
    [first] = bench.forwards
    tell(bench, first.octets)
    assert [forward.octets for forward in bench.forwards[1:]] == [command("4.6.1", counter=2)[1]]


def test_a_retry_without_a_receiver_leaves_the_first_attempt_waiting() -> None:
    bench = Bench(retries=1)
    for counter in range(1, COMMANDS_PER_RETRY + 1):  # so that a retry is allowed
        bench.read_through("4.8.2", Role.ED, counter)
    bench.ask("4.8.1")
    bench.expire()
    _, retry = bench.forwards
    tell(bench, retry.octets)
    assert bench.policy.next_deadline() is not None
    [reply] = bench.deliver()
    assert "fwd=miss" in reply.status
    bench.assert_settled()


def test_a_forgotten_command_is_noted() -> None:
    bench = Bench()
    bench.ask("4.8.1")
    octets = bench.forwards[0].octets
    bench.deliver()
    tell(bench, octets)
    assert bench.policy.ledger.reasons[NOBODY] == 1
    bench.assert_settled()
