"""Faults as a remote party sees them, in the replies of a fleet."""

from typing import Any

import pytest

from esme_emulator.device.model import meter_of
from esme_emulator.faults.engine import Faults
from esme_emulator.faults.kind import FAULTS
from esme_emulator.fleet.fleet import Fleet, Receipt
from esme_emulator.profiles import meter_profile
from esme_emulator.profiles.latency import NONE
from gbcs import decode
from gbcs.instants import DAY
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import buffer_of
from tests.emulator.faults.faulty_calls import faults
from tests.support.estate import ESTATE, KEYS, METER, SEED, UNIX_NOW, command, readings_in

SRV = "4.8.1"
PLAINLY: dict[str, dict[str, Any]] = {
    "clock-drift": {"seconds": -30 * DAY},
    "missing-half-hours": {"share": 0.5},
}
"""Parameters with which a fault surely changes a reply."""


def receive(engine: Faults | None) -> Receipt:
    fleet = Fleet(ESTATE.meters, KEYS, SEED, NONE, faults=engine)
    return fleet.receive(METER, command(SRV)[1], UNIX_NOW)


def sent(receipt: Receipt) -> list[tuple[bytes, float, bool]]:
    return [(reply.octets, reply.due, reply.overtaken) for reply in receipt.replies]


@pytest.mark.parametrize("kind", FAULTS)
def test_every_kind_has_an_effect(kind: str) -> None:
    engine = faults({"kind": kind, **PLAINLY.get(kind, {})})
    suffered = sent(receive(engine))
    assert suffered != sent(receive(None))
    assert engine.fired == {f"{kind}-1": 1}
    assert suffered == sent(receive(faults({"kind": kind, **PLAINLY.get(kind, {})})))


def test_a_rule_for_other_meters_has_no_effect() -> None:
    engine = faults({"kind": "no-reply", "srvs": "4.8.3"}, {"kind": "truncated", "calls": "2-"})
    assert sent(receive(engine)) == sent(receive(None))
    assert not list(engine.log)


def test_a_rule_selects_the_meters_of_a_profile() -> None:
    kinds = meter_profile("twin"), meter_profile("single-solar")
    engine = faults({"kind": "no-reply", "profile": "twin"})
    fleet = Fleet(ESTATE.meters, KEYS, SEED, NONE, faults=engine, profiles=kinds)
    for meter in ESTATE.meters:
        fleet.receive(meter, command(SRV, device=meter)[1], UNIX_NOW)
    twins = [meter for meter in ESTATE.meters if meter_of(SEED, meter, kinds).profile is kinds[0]]
    assert 0 < len(twins) < len(ESTATE.meters)
    assert [fired.device for fired in engine.log] == twins


@pytest.mark.parametrize("kind", ["empty-log", "missing-half-hours", "clock-drift"])
def test_logs_of_a_fault_are_well_formed(kind: str) -> None:
    [reply] = receive(faults({"kind": kind, **PLAINLY.get(kind, {})})).replies
    rows = readings_in(decode(reply.octets, KEYS), SRV)
    assert len(rows) < 49
    assert (rows == []) is (kind != "missing-half-hours")
    [whole] = receive(None).replies
    every = readings_in(decode(whole.octets, KEYS), SRV)
    assert len(every) == 49
    assert [row for row in every if row in rows] == rows


def test_a_result_code_arrives() -> None:
    [reply] = receive(faults({"kind": "result-code", "code": "hardware-fault"})).replies
    assert buffer_of(decode(reply.octets, KEYS), BY_SRV[SRV]) == 1
