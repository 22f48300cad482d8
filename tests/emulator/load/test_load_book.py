"""What became of requests: by their time, their replies, and the lack of them."""

from typing import Any

import pytest

from esme_emulator.load.commands import Asking
from esme_emulator.load.in_flight import Batch, Book, Fate, Origin, Request, origin_of
from esme_emulator.load.plan import Arrivals, LoadError, Plan
from esme_emulator.load.schedule import Slot
from esme_emulator.scenario.scenario import Mix
from gbcs import Command, decode
from gbcs.crypto.keystore import Keystore
from gbcs.tables.result_codes import ResultCode
from gbcs.usecases.profile_read import profile_read_of
from gbcs.usecases.responding import refuse
from tests.support.estate import ESTATE, KEYS, UNIX_NOW, YESTERDAY, meter_octets

MIX = (
    Mix(1, "import-supplier", "4.8.1"),
    Mix(1, "other-user", "4.8.1"),
)
READ, BEHIND_ACB = range(2)


def plan(**changes: Any) -> Plan:
    settings: dict[str, Any] = {"mix": MIX, "seed": "1", "meters": 5, "rate": 1.0}
    return Plan(Arrivals.CONSTANT, **{**settings, "timeout": 10.0, **changes})


def book(keystore: Keystore = KEYS, draw: float = 0.0, **changes: Any) -> Book:
    return Book(plan(**changes), 0, keystore, lambda: draw)


def request(seconds: float = 0.0, kind: int = READ, place: int = 0, meter: int = 0) -> Request:
    return Asking(plan(), ESTATE, 1000).request(Slot(place, seconds, kind, meter), UNIX_NOW)


def reply(to: Request) -> bytes:
    asked = decode(to.octets, KEYS)
    assert isinstance(asked, Command)
    return meter_octets(asked)


def fates(batch: Batch) -> dict[Fate, int]:
    found: dict[Fate, int] = {}
    for (_, _, fate), number in batch.counts.items():
        found[fate] = found.get(fate, 0) + number
    return {fate: number for fate, number in found.items() if number}


def test_latency_is_from_the_planned_time_however_late_it_was_sent() -> None:
    kept = book()
    late = request(1.0)
    assert kept.send(late, 1.0, 3.0)
    assert kept.in_flight == 1
    assert kept.receive(late.device, reply(late), None, 3.5)
    batch = kept.take()
    assert batch.latencies["import-supplier", "4.8.1", Origin.UNTOLD].tolist() == [2.5]
    assert batch.lags.tolist() == [2.0]
    assert fates(batch) == {Fate.SENT: 1, Fate.ANSWERED: 1}
    assert (batch.checked, batch.arrived, batch.made, batch.in_flight) == (1, 1, 1, 0)


def test_an_encrypted_reply_behind_the_acb_is_read() -> None:
    kept = book()
    asked = request(kind=BEHIND_ACB)
    kept.send(asked, 0.0, 0.0)
    assert kept.receive(asked.device, reply(asked), "s1sp; hit; ttl=9", 0.5)
    assert ("other-user", "4.8.1", Origin.HIT) in kept.take().latencies


def test_what_the_meter_refuses_is_refused_and_in_no_latency() -> None:
    kept = book()
    asked = request()
    kept.send(asked, 0.0, 0.0)
    command = decode(asked.octets, KEYS)
    assert isinstance(command, Command)
    refusal = refuse(command, ResultCode.READ_WRITE_DENIED, KEYS)
    kept.receive(asked.device, refusal, None, 0.5)
    batch = kept.take()
    assert fates(batch) == {Fate.SENT: 1, Fate.REFUSED: 1}
    assert not batch.latencies


def test_a_wrong_mac_is_invalid() -> None:
    kept = book()
    asked = request()
    kept.send(asked, 0.0, 0.0)
    octets = reply(asked)
    kept.receive(asked.device, octets[:-1] + bytes([octets[-1] ^ 1]), None, 0.5)
    assert fates(kept.take()) == {Fate.SENT: 1, Fate.INVALID: 1}


def test_a_command_for_a_reply_is_invalid() -> None:
    for check in (0.0, 1.0):
        kept = book(check=check)
        asked = request()
        kept.send(asked, 0.0, 0.0)
        kept.receive(asked.device, asked.octets, None, 0.5)
        assert fates(kept.take()) == {Fate.SENT: 1, Fate.INVALID: 1}


@pytest.mark.parametrize(("draw", "checked"), [(0.29, 1), (0.3, 0)])
def test_a_fraction_is_checked(draw: float, checked: int) -> None:
    kept = book(draw=draw, check=0.3)
    asked = request()
    kept.send(asked, 0.0, 0.0)
    kept.receive(asked.device, reply(asked), None, 0.5)
    batch = kept.take()
    assert fates(batch) == {Fate.SENT: 1, Fate.ANSWERED: 1}
    assert batch.checked == checked


def test_too_many_in_flight_are_not_sent_and_counted() -> None:
    kept = book(in_flight=2)
    assert [kept.send(request(place=place), 0.0, 0.0) for place in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    assert fates(kept.take()) == {Fate.SENT: 2, Fate.NOT_SENT: 2}


def test_each_worker_has_its_share_of_what_may_be_in_flight() -> None:
    kept = Book(plan(in_flight=3, workers=2), 1, KEYS, lambda: 0.0)
    assert [kept.send(request(place=place), 0.0, 0.0) for place in range(2)] == [True, False]


def test_what_the_broker_does_not_take_was_not_sent() -> None:
    kept = book()
    asked = request()
    kept.send(asked, 0.0, 0.0)
    kept.unsent(asked)
    kept.unsent(asked)
    assert fates(kept.take()) == {Fate.NOT_SENT: 1}
    assert kept.in_flight == 0


def test_no_reply_is_after_the_timeout_from_sending() -> None:
    kept = book()
    first, second = request(place=0), request(place=1)
    kept.send(first, 0.0, 5.0)
    kept.send(second, 0.0, 6.0)
    kept.expire(14.9)
    assert kept.in_flight == 2
    kept.expire(15.0)
    assert kept.in_flight == 1
    assert fates(kept.take()) == {Fate.SENT: 2, Fate.NO_REPLY: 1}
    assert not kept.receive(first.device, reply(first), None, 15.5)
    assert kept.take().unexpected == 1


def test_the_warm_up_is_made_and_not_counted() -> None:
    kept = book(warm_up=2.0, seconds=8.0)
    early, later = request(place=0), request(place=1)
    kept.send(early, 1.9, 1.9)
    kept.send(later, 2.0, 2.0)
    kept.receive(early.device, reply(early), None, 2.5)
    kept.receive(later.device, reply(later), None, 2.6)
    batch = kept.take()
    assert fates(batch) == {Fate.SENT: 1, Fate.ANSWERED: 1}
    assert (batch.made, len(batch.lags), batch.checked) == (2, 1, 1)
    assert batch.arrived == 2


def test_answers_after_the_end_are_counted_but_not_in_the_rate() -> None:
    kept = book(seconds=5.0)
    asked = request()
    kept.send(asked, 4.9, 4.9)
    kept.receive(asked.device, reply(asked), None, 5.0)
    batch = kept.take()
    assert fates(batch)[Fate.ANSWERED] == 1
    assert batch.arrived == 0


def test_what_nobody_waits_for_is_passed_over() -> None:
    kept = book()
    asked, other = request(meter=0), request(meter=1, place=1)
    kept.send(asked, 0.0, 0.0)
    assert not kept.receive(other.device, reply(other), None, 0.1)
    assert kept.take().unexpected == 0
    assert not kept.receive(asked.device, b"\xdd\0", None, 0.1)
    assert not kept.receive(asked.device, reply(request(place=7)), None, 0.1)
    assert kept.take().unexpected == 2
    assert kept.receive(asked.device, reply(asked), None, 0.2)
    assert not kept.receive(asked.device, reply(asked), None, 0.3)


def test_broken_off_is_unfinished() -> None:
    kept = book()
    kept.send(request(), 0.0, 0.0)
    kept.break_off()
    assert fates(kept.take()) == {Fate.SENT: 1, Fate.UNFINISHED: 1}
    assert kept.in_flight == 0


@pytest.mark.parametrize(
    ("status", "origin"),
    [
        ("s1sp; hit; ttl=89990", Origin.HIT),
        ("s1sp; fwd=miss; stored", Origin.MISS),
        ("s1sp; fwd=miss; collapsed; stored", Origin.COLLAPSED),
        ("s1sp; fwd=stale; stored", Origin.MISS),
        ("other; fwd=uri-miss", Origin.MISS),
        ("s1sp; fwd=bypass", Origin.BYPASS),
        ("s1sp", Origin.UNTOLD),
        ("hit", Origin.UNTOLD),
        ("", Origin.UNTOLD),
        (None, Origin.UNTOLD),
    ],
)
def test_the_words_of_a_cache_status(status: str | None, origin: Origin) -> None:
    assert origin_of(status) is origin


def test_counters_follow_from_the_place_and_never_come_again() -> None:
    asking = Asking(plan(), ESTATE, 1000)
    made = [asking.request(Slot(place, 0.0, READ, 0), UNIX_NOW) for place in (0, 5, 9)]
    assert [each.transaction.counter for each in made] == [1000, 1005, 1009]
    asked = decode(made[0].octets, KEYS)
    assert asked.mac_status.value == "valid"
    assert made[0].topic == f"s1sp/{ESTATE.meters[0]}/command"


def test_windows_are_those_of_the_scenario() -> None:
    found = profile_read_of(decode(request().octets, KEYS))
    assert found is not None
    assert found.window == YESTERDAY


def test_a_party_that_is_not_there_is_named() -> None:
    nobody = plan(mix=(Mix(1, "nobody", "4.8.1"),))
    with pytest.raises(LoadError, match="no keys of a party nobody; known are import-supplier"):
        Asking(nobody, ESTATE, 1)


def test_what_is_in_flight_waits_since_its_planned_time() -> None:
    kept = book(warm_up=1.0)
    for place, planned in enumerate((0.5, 1.0, 2.0)):
        assert kept.send(request(planned, place=place), planned, 2.5)
    assert kept.waiting(4.0).tolist() == [3.0, 2.0]
    kept.break_off()
    assert kept.waiting(4.0).tolist() == []
