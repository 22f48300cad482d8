"""The journal of requests: what belongs to one request is joined, and memory is bounded."""

from typing import Any

from esme_emulator.cache.policy.effects import CacheStatus
from esme_emulator.cache.policy.ledger import Decided, Decision, GivenUp, Replied
from esme_emulator.fleet.fleet import CommandReceived
from esme_emulator.fleet.queueing import Reply
from esme_emulator.monitor.journal import DIRECT, MAX_RECEIPTS, Journal, Wanted
from esme_emulator.runtime.events import Events
from gbcs.tables.roles import Role
from tests.emulator.cache.bench import Bench
from tests.support.estate import METER, OTHER_METER, UNIX_NOW, YESTERDAY, party

SUPPLIER = party(Role.IS).eui


class Publishing:
    """A journal, and what publishes to it."""

    def __init__(self, *limits: int) -> None:
        self.journal, self.events = Journal(*limits), Events()
        self.journal.listen(self.events)

    def decide(self, octets: bytes = b"command", **others: Any) -> None:
        about = {
            "time": UNIX_NOW + 1,
            "device": METER,
            "srv": "4.8.1",
            "decision": Decision.FORWARDED,
            "party": SUPPLIER,
            "counter": 7,
            "window": YESTERDAY,
            "received": UNIX_NOW,
        }
        self.events.publish(Decided(**(about | others), octets=octets))

    def receive(self, octets: bytes = b"command", *replies: bytes) -> None:
        sent = [
            Reply(METER, SUPPLIER, "4.8.1", "answered", reply, UNIX_NOW + 3) for reply in replies
        ]
        about = UNIX_NOW + 2, METER, "4.8.1", "answered", octets, tuple(sent), SUPPLIER
        self.events.publish(CommandReceived(*about))

    def reply(self, octets: bytes = b"reply", command: bytes = b"command") -> None:
        about = UNIX_NOW + 4, METER, "4.8.1", SUPPLIER, 7, YESTERDAY
        self.events.publish(Replied(*about, CacheStatus("miss"), None, octets, command))

    def numbers(self, wanted: Wanted | None = None, before: int | None = None) -> list[int]:
        return [record.number for record in self.journal.newest(wanted, before)]


def test_decision_receipt_and_reply_of_a_request_are_one_record() -> None:
    some = Publishing()
    some.decide()
    some.receive(b"command", b"reply")
    some.reply()
    [record] = some.journal.newest()
    assert (record.number, record.time, record.device) == (1, UNIX_NOW, METER)
    assert (record.party, record.counter, record.window) == (SUPPLIER, 7, YESTERDAY)
    assert (record.decision, record.seconds) == (Decision.FORWARDED, 4)
    assert [receipt.outcome for receipt in record.receipts] == ["answered"]
    assert record.replies == [b"reply"]
    assert record.size == some.journal.octets == len(b"command" + b"reply"), "kept once"


def test_a_reply_that_differs_from_the_meters_is_kept_beside_it() -> None:
    some = Publishing()
    some.decide()
    some.receive(b"command", b"from the meter")
    some.reply(b"from the cache")
    [record] = some.journal.newest()
    assert record.replies == [b"from the cache", b"from the meter"]
    assert record.size == len(b"command" + b"from the meter" + b"from the cache")


def test_a_command_that_only_a_meter_received_is_a_request_of_its_own() -> None:
    some = Publishing()
    some.receive(b"command", b"reply")
    some.receive(b"command")
    newest, oldest = some.journal.newest()
    assert (oldest.decision, oldest.party, oldest.seconds) == (DIRECT, SUPPLIER, 1)
    assert (newest.number, newest.seconds, newest.replies) == (2, None, [])


def test_a_forwarded_command_without_a_reply_says_why() -> None:
    some = Publishing()
    some.decide()
    some.events.publish(GivenUp(UNIX_NOW + 60, b"command", "no-reply"))
    some.events.publish(GivenUp(UNIX_NOW + 60, b"of another", "no-reply"))
    [record] = some.journal.newest()
    assert (record.decision, record.reason, record.seconds) == (
        Decision.FORWARDED,
        "no-reply",
        None,
    )


def test_the_latest_of_equal_commands_gets_the_reply() -> None:
    some = Publishing()
    some.decide()
    some.decide(decision=Decision.HIT)
    some.reply()
    newest, oldest = some.journal.newest()
    assert (newest.reply, oldest.reply) == (b"reply", None)


def test_receipts_of_one_request_are_bounded() -> None:
    some = Publishing()
    some.decide()
    for _ in range(MAX_RECEIPTS + 1):
        some.receive()
    assert [len(record.receipts) for record in some.journal.newest()] == [1, MAX_RECEIPTS]


def test_the_number_of_requests_is_bounded() -> None:
    some = Publishing(3)
    for number in range(5):
        some.decide(b"%d" % number)
    some.reply(command=b"0")
    assert (some.numbers(), len(some.journal), some.journal.total) == ([5, 4, 3], 3, 5)
    assert some.journal.octets == 3
    assert some.journal.get(2) is None
    assert some.journal.get(6) is None
    found = some.journal.get(3)
    assert found is not None
    assert found.octets == b"2"


def test_the_octets_of_requests_are_bounded_but_the_newest_is_kept() -> None:
    some = Publishing(100, 50)
    for number in range(5):
        some.decide(b"%020d" % number)
    assert some.numbers() == [5, 4]
    some.reply(b"x" * 100, b"%020d" % 4)
    assert (some.numbers(), some.journal.octets) == ([5], 120)
    some.decide(b"next")
    assert (some.numbers(), some.journal.octets) == ([6], 4)


def test_requests_are_selected() -> None:
    some = Publishing()
    some.decide(b"1")
    some.decide(b"2", device=OTHER_METER, received=UNIX_NOW + 10)
    some.decide(b"3", srv="4.6.1", party=None, decision=Decision.REFUSED)
    some.receive(b"4")
    for wanted, numbers in (
        (Wanted(), [4, 3, 2, 1]),
        (Wanted(device=METER), [4, 3, 1]),
        (Wanted(srv="4.6.1"), [3]),
        (Wanted(party=SUPPLIER), [4, 2, 1]),
        (Wanted(decision="forwarded"), [2, 1]),
        (Wanted(decision=DIRECT), [4]),
        (Wanted(since=UNIX_NOW + 1), [4, 2]),
        (Wanted(device=METER, srv="4.8.1", decision="forwarded"), [1]),
    ):
        assert some.numbers(wanted) == numbers, wanted
    assert some.numbers(before=3) == [2, 1]
    assert some.numbers(Wanted(device=METER), before=3) == [1]
    assert some.numbers(before=1) == some.numbers(before=-5) == []
    assert some.numbers(before=9) == [4, 3, 2, 1]


def test_a_cleared_journal_counts_from_one() -> None:
    some = Publishing()
    some.decide()
    some.journal.clear()
    some.reply()
    assert (some.numbers(), some.journal.octets) == ([], 0)
    some.decide()
    assert some.numbers() == [1]


def test_the_requests_of_a_cache() -> None:
    bench, journal = Bench(), Journal()
    journal.listen(bench.policy.events)
    bench.ask("4.8.1", Role.IS, 1)
    bench.ask("4.8.1", Role.OU, 2)
    bench.now += 5
    bench.deliver()
    bench.ask("4.8.1", Role.ED, 3)
    bench.policy.command(METER, b"nonsense", bench.now)
    malformed, hit, collapsed, forwarded = journal.newest()
    assert (forwarded.decision, forwarded.seconds) == (Decision.FORWARDED, 5)
    assert (collapsed.decision, collapsed.seconds) == (Decision.COLLAPSED, 5)
    assert (hit.decision, hit.seconds, hit.age) == (Decision.HIT, 0, 0)
    assert [one.reply for one in (forwarded, collapsed, hit)] == [
        reply.octets for reply in bench.replies
    ]
    assert (malformed.decision, malformed.reason) == (Decision.REFUSED, "malformed")
    assert malformed.octets == b"nonsense"


def test_a_cache_says_why_a_forwarded_command_got_no_reply() -> None:
    bench, journal = Bench(), Journal()
    journal.listen(bench.policy.events)
    bench.ask("4.8.1")
    bench.expire()
    [record] = journal.newest()
    assert (record.decision, record.reason) == (Decision.FORWARDED, "no-reply")
