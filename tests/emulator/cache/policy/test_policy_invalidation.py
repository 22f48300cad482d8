"""Readings in the store or in flight that must not be served.

Those of open windows, from before a flush, and from a clock that was ahead.
"""

from datetime import date

import pytest

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy.effects import Claim, Cover, Flush, Put, Reserve, Settle
from esme_emulator.cache.policy.ledger import Decision
from gbcs.instants import EPOCH_UNIX, HALF_HOUR
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.emulator.cache.bench import PATIENCE, RETENTION, Bench
from tests.support.estate import METER, MIDNIGHT, NOW, OTHER_METER, YESTERDAY, command, meter_octets

OPEN = Window(MIDNIGHT, NOW + HALF_HOUR)
NEVER = date(2000, 1, 1)


def at_its_end(bench: Bench) -> float:
    """Set the clock to a little before the end of the open window."""
    bench.now = float(EPOCH_UNIX + OPEN.end - 30)
    return bench.now


def is_what_the_meter_says(bench: Bench, counter: int, window: Window = OPEN) -> bool:
    """Ask, let the meter reply if it is asked, and compare."""
    replies = bench.ask("4.8.1", counter=counter, window=window)
    while bench.forwards:
        replies += bench.deliver()
    asked, _ = command("4.8.1", counter=counter, window=window)
    return [reply.octets for reply in replies] == [meter_octets(asked, bench.now)]


def test_entries_of_a_literal_cache_are_not_served_by_a_strict_one_on_its_store() -> None:
    literal = Bench(literal=True)
    literal.read_through("4.8.1", window=OPEN)
    strict = Bench(shared_store=literal.shared)
    strict.now = literal.now + 3600
    assert is_what_the_meter_says(strict, 2)
    literal.now = strict.now
    (hit,) = literal.ask("4.8.1", counter=3, window=OPEN)
    assert hit.status.startswith("s1sp; hit")


def test_a_late_reply_to_a_repeated_command_counts_as_one_to_the_first() -> None:
    """The meter answered the first of the two, half a minute before the window was over."""
    bench = Bench()
    at_its_end(bench)
    bench.ask("4.8.1", counter=5, window=OPEN)
    late = bench.meter_reply()
    bench.expire(PATIENCE)
    bench.ask("4.8.1", counter=5, window=OPEN)
    (reply,) = bench.deliver(late)
    assert reply.status == "s1sp; fwd=miss; detail=open-window"
    assert bench.store == {}
    bench.forwards.clear()
    assert is_what_the_meter_says(bench, 6)


def test_a_duplicate_reply_counts_as_one_to_the_first_command_too() -> None:
    bench = Bench()
    at_its_end(bench)
    bench.ask("4.8.1", counter=5, window=OPEN)
    first = bench.meter_reply()
    bench.deliver(first)
    bench.now += PATIENCE
    bench.ask("4.8.1", counter=5, window=OPEN)
    bench.deliver(first)
    bench.forwards.clear()
    assert bench.store == {}
    assert is_what_the_meter_says(bench, 6)


def test_a_reply_to_a_command_from_before_the_clock_was_set_back_is_not_kept() -> None:
    """The clock was a day ahead, so the window seemed to be over when the meter was asked."""
    bench = Bench()
    bench.now += 86_400
    bench.ask("4.8.1", window=OPEN)
    bench.now -= 86_400
    assert [reply.status for reply in bench.deliver()] == ["s1sp; fwd=miss; detail=open-window"]
    assert bench.store == {}


def test_a_reply_to_a_command_from_before_a_flush_is_never_kept() -> None:
    bench = Bench()
    bench.ask("4.8.1")
    late = bench.meter_reply()
    bench.change(bench.policy.change_of_tenancy(METER, NEVER, bench.now))
    bench.expire(PATIENCE)
    bench.deliver(late)
    assert bench.policy.ledger.reasons == {"no-reply": 1, "late-reply": 1}
    assert bench.store == {}


def test_a_late_reply_that_is_stored_after_a_flush_is_dropped_again() -> None:
    bench = Bench()
    bench.ask("4.8.1")
    late = bench.meter_reply()
    bench.expire(PATIENCE)
    [put] = bench.policy.response(late, bench.now)
    assert isinstance(put, Put)
    bench.change(bench.policy.change_of_tenancy(METER, NEVER, bench.now))
    bench.change([put])
    assert bench.store == {}
    assert bench.policy.pending_flushes() == []


def test_a_part_cut_from_a_flushed_entry_is_read_from_the_meter() -> None:
    """The narrower readings were being kept, and the request was not answered yet."""
    bench = Bench(sub_window=True)
    bench.read_through("4.8.1", window=Window(YESTERDAY.start - 86_400, YESTERDAY.end))
    bench.now += 100
    [claim] = bench.policy.command(METER, command("4.8.1", counter=2)[1], bench.now)
    assert isinstance(claim, Claim)
    [cover] = bench.policy.answer(claim, bench._find(claim), bench.now)
    assert isinstance(cover, Cover)
    wider = bench._cover(cover.key, cover.received_after)
    [settle] = bench.policy.answer(cover, wider, bench.now)
    assert isinstance(settle, Settle)
    bench.change(bench.policy.change_of_tenancy(METER, NEVER, bench.now))
    bench.change([settle])
    assert [reply.age for reply in bench.replies] == [None]
    [reply] = bench.deliver()
    assert (reply.status, reply.age) == ("s1sp; fwd=miss; stored", None)
    assert bench.shared.leases == {}
    bench.assert_settled()


def test_an_entry_that_a_failing_store_may_have_kept_after_a_flush_is_dropped_again() -> None:
    """The store's answer was lost, but it had kept the entry."""
    bench = Bench()
    bench.ask("4.8.1")
    [settle] = bench.policy.response(bench.meter_reply(), bench.now)
    assert isinstance(settle, Settle)
    assert settle.entry is not None
    bench.change(bench.policy.change_of_tenancy(METER, NEVER, bench.now))
    bench.store[settle.key] = settle.entry
    bench.answer(settle, None)
    assert bench.store == {}
    assert bench.policy.pending_flushes() == []


@pytest.mark.parametrize("set_back", [False, True])
def test_a_hit_that_waits_for_a_device_counter_is_read_again_after_a_flush(
    set_back: bool,
) -> None:
    """All requesters get the meter's new readings."""
    bench = Bench()
    bench.read_through("4.8.1")
    bench.now += 100
    hits = []
    for counter, device in ((2, METER), (3, METER), (4, OTHER_METER)):
        if device != METER:
            bench.ask("4.8.1", Role.IS, 9, YESTERDAY, device)
            bench.deliver()
        asked = command("4.8.1", Role.OU, counter, YESTERDAY, device)[1]
        [claim] = bench.policy.command(device, asked, bench.now)
        assert isinstance(claim, Claim)
        hits += bench.policy.answer(claim, bench._find(claim), bench.now)
    [reserve] = hits
    assert isinstance(reserve, Reserve)
    before = len(bench.replies)
    if set_back:
        bench.expire(-1)
    else:
        bench.change(bench.policy.change_of_tenancy(METER, NEVER, bench.now))
    bench.change([reserve])
    hits = bench.replies[before:]
    assert [(hit.device, hit.age) for hit in hits] == [(OTHER_METER, 0)] * (not set_back)
    replies = [reply for _ in range(3 if set_back else 2) for reply in bench.deliver()]
    assert {(reply.status, reply.age) for reply in replies} == {
        ("s1sp; fwd=bypass; detail=flushed-not-kept", None)
    }
    assert {reply.device for reply in replies} == ({METER, OTHER_METER} if set_back else {METER})
    bench.assert_settled()


def test_a_reply_that_a_flush_drops_at_once_is_not_called_stored() -> None:
    bench = Bench()
    bench.ask("4.8.1")
    [settle] = bench.policy.response(bench.meter_reply(), bench.now)
    bench.change(bench.policy.change_of_tenancy(METER, NEVER, bench.now))
    bench.change([settle])
    assert [reply.status for reply in bench.replies] == ["s1sp; fwd=miss; detail=flushed-not-kept"]
    assert bench.policy.ledger.reasons == {"flushed-not-kept": 1}
    assert bench.store == {}


@pytest.mark.parametrize("first", ["done", "failed", "under way"])
def test_an_entry_settled_after_a_flush_is_not_served_before_it_is_dropped(
    first: str,
) -> None:
    """The store keeps the entry, and then fails before the flush after it."""
    bench = Bench()
    bench.ask("4.8.1")
    [settle] = bench.policy.response(bench.meter_reply(), bench.now)
    assert isinstance(settle, Settle)
    assert settle.entry is not None
    [flush] = bench.policy.change_of_tenancy(METER, NEVER, bench.now)
    assert isinstance(flush, Flush)
    bench.shared.failing = first == "failed"
    if first != "under way":
        bench.change([flush])
    bench.store[settle.key] = settle.entry
    bench.shared.failing = True
    bench.answer(settle, True)
    if first == "under way":
        bench.answer(flush, True)
    bench.shared.failing = False
    bench.now += 1
    [again] = bench.policy.pending_flushes()
    assert again.device == METER
    assert bench.ask("4.8.1", counter=2) == []
    bench.change([again])
    assert bench.store == {}
    assert bench.policy.pending_flushes() == []


def entry_of_the_future(bench: Bench, ahead: float) -> Key:
    bench.now += ahead
    bench.read_through("4.8.1", window=OPEN)
    [key] = bench.store
    bench.now -= ahead
    return key


@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize("later", [(3600, 82_799, 2), (86_401, 2)])
def test_entries_from_before_the_clock_was_set_back_are_never_served(
    looks: bool, later: tuple[int, ...]
) -> None:
    """Not before that time, not at it, and not at the end of the retention."""
    bench = Bench()
    entry_of_the_future(bench, 86_400)
    bench.shared.failing = True
    if looks:
        bench.expire(0)
    assert bench.policy.ledger.total(Decision.FORWARDED) == 1
    assert is_what_the_meter_says(bench, 2)
    bench.shared.failing = False
    for counter, seconds in enumerate((*later, RETENTION - 2), 10):
        bench.now += seconds
        assert is_what_the_meter_says(bench, counter)
        assert "hit" not in bench.replies[-1].status or counter > 10
    bench.expire(0)
    assert bench.policy.pending_flushes() == []


def test_a_flush_for_a_clock_set_back_twice_is_one_from_the_earliest_on() -> None:
    bench = Bench()
    start = bench.now
    key = entry_of_the_future(bench, 7200)
    bench.shared.failing = True
    bench.expire(0)
    bench.expire(600)
    bench.expire(-300)
    [flush] = bench.policy.pending_flushes()
    assert (flush.device, flush.received_after) == (None, start)
    bench.shared.failing = False
    old = key._replace(start=YESTERDAY.start)
    bench.store[old] = Entry(b"", start)
    bench.expire(0)
    assert list(bench.store) == [old]


def test_an_entry_being_stored_while_the_clock_is_set_back_is_dropped_again() -> None:
    bench = Bench()
    bench.now += 3600
    bench.ask("4.8.1")
    settling = bench.policy.response(bench.meter_reply(), bench.now)
    bench.now -= 3600
    bench.expire(0)
    bench.change(settling)
    assert bench.store == {}
    assert bench.decisions() == {Decision.FORWARDED: 1}
    assert len(bench.replies) == 1


@pytest.mark.parametrize("role", [Role.IS, Role.OU])
@pytest.mark.parametrize("waits", [False, True])
def test_a_counter_is_for_one_use_case_and_no_two_replies_go_out_under_it(
    role: Role, waits: bool
) -> None:
    """Two would have one key and one initialization vector, with different text."""
    srvs = ("4.6.1", "4.8.1") if role is Role.IS else ("4.8.3", "4.8.1")
    bench = Bench()
    for number, srv in enumerate(srvs):
        bench.read_through(srv, role, number)
    bench.replies.clear()
    bench.looks_up = not waits
    first = bench.ask(srvs[0], role, 77)
    assert len(first) == (not waits)
    assert bench.ask(srvs[1], role, 77) == []
    bench.looks_up = True
    bench.look_up()
    assert bench.policy.ledger.reasons["counter-reused"] == 1
    assert len(bench.forwards) == (2 if waits else 1)
    relayed = [reply for _ in range(len(bench.forwards)) for reply in bench.deliver()]
    assert len(first) + len(relayed) == 1
    assert all(one.status == "s1sp; fwd=bypass; detail=counter-reused" for one in relayed)
    assert bench.policy.ledger.reasons["withheld-counter-reused"] == 1
    bench.assert_settled()
