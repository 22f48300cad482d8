"""The outcomes of requests, and the commands that a load makes."""

from typing import Any

import pytest

from esme_emulator.load.generator import CommandMaker, Slot
from esme_emulator.load.in_flight import (
    Batch,
    InFlight,
    Origin,
    Outcome,
    PreparedRequest,
    origin_of,
)
from esme_emulator.load.plan import Arrivals, LoadError, Plan
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


def in_flight(keystore: Keystore = KEYS, draw: float = 0.0, **changes: Any) -> InFlight:
    return InFlight(plan(**changes), 0, keystore, lambda: draw)


def request(
    seconds: float = 0.0, kind: int = READ, place: int = 0, meter: int = 0
) -> PreparedRequest:
    return CommandMaker(plan(), ESTATE, 1000).request(Slot(place, seconds, kind, meter), UNIX_NOW)


def reply(to: PreparedRequest) -> bytes:
    asked = decode(to.octets, KEYS)
    assert isinstance(asked, Command)
    return meter_octets(asked)


def outcomes(batch: Batch) -> dict[Outcome, int]:
    found: dict[Outcome, int] = {}
    for (_, _, outcome), number in batch.counts.items():
        found[outcome] = found.get(outcome, 0) + number
    return {outcome: number for outcome, number in found.items() if number}


def test_latency_is_from_the_planned_time_however_late_it_was_sent() -> None:
    kept = in_flight()
    late = request(1.0)
    assert kept.send(late, 1.0, 3.0)
    assert kept.number == 1
    assert kept.receive(late.device, reply(late), None, 3.5)
    batch = kept.take()
    assert batch.latencies["import-supplier", "4.8.1", Origin.UNTOLD].tolist() == [2.5]
    assert batch.lags.tolist() == [2.0]
    assert outcomes(batch) == {Outcome.SENT: 1, Outcome.ANSWERED: 1}
    assert (batch.checked, batch.arrived, batch.made, batch.in_flight) == (1, 1, 1, 0)


def test_an_encrypted_reply_behind_the_acb_is_read() -> None:
    kept = in_flight()
    asked = request(kind=BEHIND_ACB)
    kept.send(asked, 0.0, 0.0)
    assert kept.receive(asked.device, reply(asked), "s1sp; hit; ttl=9", 0.5)
    assert ("other-user", "4.8.1", Origin.HIT) in kept.take().latencies


def test_a_refusal_is_counted_without_a_latency() -> None:
    kept = in_flight()
    asked = request()
    kept.send(asked, 0.0, 0.0)
    command = decode(asked.octets, KEYS)
    assert isinstance(command, Command)
    refusal = refuse(command, ResultCode.READ_WRITE_DENIED, KEYS)
    kept.receive(asked.device, refusal, None, 0.5)
    batch = kept.take()
    assert outcomes(batch) == {Outcome.SENT: 1, Outcome.REFUSED: 1}
    assert not batch.latencies


def test_a_wrong_mac_is_invalid() -> None:
    kept = in_flight()
    asked = request()
    kept.send(asked, 0.0, 0.0)
    octets = reply(asked)
    kept.receive(asked.device, octets[:-1] + bytes([octets[-1] ^ 1]), None, 0.5)
    assert outcomes(kept.take()) == {Outcome.SENT: 1, Outcome.INVALID: 1}


def test_a_command_instead_of_a_reply_is_invalid() -> None:
    for check in (0.0, 1.0):
        kept = in_flight(check=check)
        asked = request()
        kept.send(asked, 0.0, 0.0)
        kept.receive(asked.device, asked.octets, None, 0.5)
        assert outcomes(kept.take()) == {Outcome.SENT: 1, Outcome.INVALID: 1}


@pytest.mark.parametrize(("draw", "checked"), [(0.29, 1), (0.3, 0)])
def test_a_fraction_of_replies_is_verified(draw: float, checked: int) -> None:
    kept = in_flight(draw=draw, check=0.3)
    asked = request()
    kept.send(asked, 0.0, 0.0)
    kept.receive(asked.device, reply(asked), None, 0.5)
    batch = kept.take()
    assert outcomes(batch) == {Outcome.SENT: 1, Outcome.ANSWERED: 1}
    assert batch.checked == checked


def test_requests_above_the_limit_count_as_not_sent() -> None:
    kept = in_flight(in_flight=2)
    assert [kept.send(request(place=place), 0.0, 0.0) for place in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    assert outcomes(kept.take()) == {Outcome.SENT: 2, Outcome.NOT_SENT: 2}


def test_each_worker_has_its_share_of_the_limit() -> None:
    kept = InFlight(plan(in_flight=3, workers=2), 1, KEYS, lambda: 0.0)
    assert [kept.send(request(place=place), 0.0, 0.0) for place in range(2)] == [True, False]


def test_a_command_that_the_broker_refuses_counts_as_not_sent() -> None:
    kept = in_flight()
    asked = request()
    kept.send(asked, 0.0, 0.0)
    kept.unsent(asked)
    kept.unsent(asked)
    assert outcomes(kept.take()) == {Outcome.NOT_SENT: 1}
    assert kept.number == 0


def test_the_timeout_runs_from_the_time_of_sending() -> None:
    kept = in_flight()
    first, second = request(place=0), request(place=1)
    kept.send(first, 0.0, 5.0)
    kept.send(second, 0.0, 6.0)
    kept.expire(14.9)
    assert kept.number == 2
    kept.expire(15.0)
    assert kept.number == 1
    assert outcomes(kept.take()) == {Outcome.SENT: 2, Outcome.NO_REPLY: 1}
    assert not kept.receive(first.device, reply(first), None, 15.5)
    assert kept.take().unexpected == 1


def test_the_warm_up_is_sent_and_not_counted() -> None:
    kept = in_flight(warm_up=2.0, seconds=8.0)
    early, later = request(place=0), request(place=1)
    kept.send(early, 1.9, 1.9)
    kept.send(later, 2.0, 2.0)
    kept.receive(early.device, reply(early), None, 2.5)
    kept.receive(later.device, reply(later), None, 2.6)
    batch = kept.take()
    assert outcomes(batch) == {Outcome.SENT: 1, Outcome.ANSWERED: 1}
    assert (batch.made, len(batch.lags), batch.checked) == (2, 1, 1)
    assert batch.arrived == 2


def test_answers_after_the_end_are_counted_but_not_in_the_rate() -> None:
    kept = in_flight(seconds=5.0)
    asked = request()
    kept.send(asked, 4.9, 4.9)
    kept.receive(asked.device, reply(asked), None, 5.0)
    batch = kept.take()
    assert outcomes(batch)[Outcome.ANSWERED] == 1
    assert batch.arrived == 0


def test_an_unexpected_message_is_counted_and_ignored() -> None:
    kept = in_flight()
    asked, other = request(meter=0), request(meter=1, place=1)
    kept.send(asked, 0.0, 0.0)
    assert not kept.receive(other.device, reply(other), None, 0.1)
    assert kept.take().unexpected == 0
    assert not kept.receive(asked.device, b"\xdd\0", None, 0.1)
    assert not kept.receive(asked.device, reply(request(place=7)), None, 0.1)
    assert kept.take().unexpected == 2
    assert kept.receive(asked.device, reply(asked), None, 0.2)
    assert not kept.receive(asked.device, reply(asked), None, 0.3)


def test_requests_in_flight_at_the_end_are_unfinished() -> None:
    kept = in_flight()
    kept.send(request(), 0.0, 0.0)
    kept.break_off()
    assert outcomes(kept.take()) == {Outcome.SENT: 1, Outcome.UNFINISHED: 1}
    assert kept.number == 0


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
def test_a_cache_status_gives_the_origin(status: str | None, origin: Origin) -> None:
    assert origin_of(status) is origin


def test_originator_counters_follow_from_the_place() -> None:
    commands = CommandMaker(plan(), ESTATE, 1000)
    made = [commands.request(Slot(place, 0.0, READ, 0), UNIX_NOW) for place in (0, 5, 9)]
    assert [each.transaction.counter for each in made] == [1000, 1005, 1009]
    asked = decode(made[0].octets, KEYS)
    assert asked.mac_status.value == "valid"
    assert made[0].topic == f"s1sp/{ESTATE.meters[0]}/command"


def test_windows_follow_the_scenario() -> None:
    found = profile_read_of(decode(request().octets, KEYS))
    assert found is not None
    assert found.window == YESTERDAY


def test_a_party_without_keys_is_an_error() -> None:
    nobody = plan(mix=(Mix(1, "nobody", "4.8.1"),))
    with pytest.raises(LoadError, match="no keys of a party nobody; known are import-supplier"):
        CommandMaker(nobody, ESTATE, 1)


def test_ages_run_from_the_planned_time() -> None:
    kept = in_flight(warm_up=1.0)
    for place, planned in enumerate((0.5, 1.0, 2.0)):
        assert kept.send(request(planned, place=place), planned, 2.5)
    assert kept.waiting(4.0).tolist() == [3.0, 2.0]
    kept.break_off()
    assert kept.waiting(4.0).tolist() == []
