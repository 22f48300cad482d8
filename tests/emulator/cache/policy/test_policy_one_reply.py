"""One reply under one counter: key and initialization vector follow from it."""

from dataclasses import replace

import pytest

from esme_emulator.cache.policy.ledger import Decision
from gbcs import decode, encode
from gbcs.instants import HALF_HOUR
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from gbcs.usecases.responding import refuse
from tests.emulator.cache.bench import Bench
from tests.support.critical import critical_command
from tests.support.estate import KEYS, METER, MIDNIGHT, NOW, command, own_counter_in

OPEN = Window(MIDNIGHT, NOW + HALF_HOUR)
WITHHELD = "withheld-counter-reused"


@pytest.mark.parametrize(
    ("srv", "role"),
    [("4.8.1", Role.IS), ("4.8.1", Role.OU), ("4.8.3", Role.ED), ("4.8.2", Role.ED)],
)
def test_a_repeated_command_gets_no_second_reply_with_different_text(srv: str, role: Role) -> None:
    """The window is open, so the meter has more entries half an hour later."""
    bench = Bench()
    octets = command(srv, role, 7, OPEN)[1]
    bench.receive(octets)
    [first] = bench.deliver()
    bench.now += HALF_HOUR
    bench.receive(octets)
    second = bench.meter_reply()
    assert second != first.octets
    assert bench.deliver(second) == []
    assert bench.policy.ledger.reasons[WITHHELD] == 1
    assert bench.decisions() == {Decision.FORWARDED: 2}
    [other] = [*bench.ask(srv, role, 8, OPEN), *bench.deliver()]
    assert len(other.octets) == len(second), "another counter gets what the meter says now"
    bench.assert_settled()


@pytest.mark.parametrize("role", [Role.IS, Role.OU])
def test_a_hit_gives_no_second_reply_with_different_text_either(role: Role) -> None:
    """First the meter refuses; then the readings of another party's request are in the store."""
    bench = Bench()
    asked, octets = command("4.8.1", role, 7)
    bench.receive(octets)
    bench.forwards.clear()
    assert len(bench.deliver(refuse(asked, 1, KEYS))) == 1
    bench.read_through("4.8.1", Role.ED, 8)
    assert bench.receive(octets) == []
    assert bench.policy.ledger.reasons[WITHHELD] == 1
    assert bench.decisions() == {Decision.FORWARDED: 2, Decision.FAILED: 1}
    assert bench.decided[-1].reason == "counter-reused"
    bench.assert_settled()


@pytest.mark.parametrize("role", [Role.IS, Role.OU])
@pytest.mark.parametrize("minted_first", [False, True])
def test_the_same_octets_are_sent_again_for_each_repeated_command(
    role: Role, minted_first: bool
) -> None:
    bench = Bench()
    if minted_first:
        bench.read_through("4.8.1", Role.ED, 8)
    octets = command("4.8.1", role, 7)[1]
    replies = bench.receive(octets)
    if not minted_first:
        replies += bench.deliver()
    for _ in range(3):
        bench.now += 600
        replies += bench.receive(octets)
    assert len(replies) == 4
    assert len({reply.octets for reply in replies}) == 1
    assert (own_counter_in(replies[0].octets) is not None) is (role is Role.OU)
    assert WITHHELD not in bench.policy.ledger.reasons


def test_the_device_counter_of_a_sent_reply_is_used_for_no_other_text() -> None:
    """The readings were dropped meanwhile, and the meter has other ones."""
    bench = Bench()
    bench.read_through("4.8.1", Role.ED, 8)
    octets = command("4.8.1", Role.OU, 7)[1]
    assert len(bench.receive(octets)) == 1
    [key] = bench.store
    bench.store.clear()
    bench.ask("4.8.1", Role.ED, 9, OPEN)
    bench.deliver()
    bench.read_through("4.6.1", Role.IS, 10)
    [wrong] = [entry for one, entry in bench.store.items() if one != key]
    bench.store[key] = wrong
    assert bench.receive(octets) == []


def test_a_critical_command_that_comes_again_is_answered_again() -> None:
    """Its response is signed and in clear, and each signature may be different."""
    bench = Bench()
    octets = encode(critical_command(), KEYS)
    for _ in range(2):
        bench.receive(octets, METER)
    bench.forwards.pop()
    first = bench.meter_reply()
    said = decode(first)
    assert said.signature
    second = encode(replace(said, signature=equivalent(said.signature)), KEYS)
    assert second != first
    for reply in (first, second):
        assert [passed.octets for passed in bench.deliver(reply)] == [reply]


def equivalent(signature: bytes) -> bytes:
    """The other signature that ECDSA takes for the same message: (r, n - s) for (r, s)."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
    return signature[:32] + (order - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
