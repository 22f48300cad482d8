"""SRV 4.10 reads its log and other values: its response is stored whole, if it is added."""

import pytest

from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.reads import build_reply, cut, read_of, readings_of
from esme_emulator.device.model import meter_of
from esme_emulator.estate.estate import derived_estate
from gbcs import Command, DecodeError, decode, encode, open_message
from gbcs.instants import DAY
from gbcs.tables.reading_services import POLYPHASE, SINGLE, service_of
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from gbcs.usecases.read_request import read_requests_of
from tests.emulator.cache.bench import Bench
from tests.support.estate import KEYS, MIDNIGHT, SEED, YESTERDAY, command, meter_octets, party

SRV = "4.10"
KINDS = {
    variant: next(
        eui
        for eui in derived_estate(SEED, 2000).meters
        if meter_of(SEED, eui).profile.variant == variant
    )
    for variant in (SINGLE, POLYPHASE)
}


def asked(variant: str, role: Role = Role.IS, counter: int = 1) -> Command:
    made, octets = party(role, counter).ask(KINDS[variant], service_of(SRV, variant), YESTERDAY)
    found = decode(octets, KEYS)
    assert isinstance(found, Command)
    assert found.recipient == made.recipient
    return found


def test_srv_4_10_is_not_cached_unless_it_is_added() -> None:
    bench = Bench()
    bench.read_through(SRV)
    assert bench.ask(SRV, Role.ED, 2) == []
    assert bench.decisions() == {Decision.FORWARDED: 2}


def test_a_hit_is_the_meters_earlier_reply() -> None:
    bench = Bench(srvs=[SRV])
    bench.read_through(SRV)
    read_at = bench.now
    bench.now += 7200
    (hit,) = bench.ask(SRV, Role.ED, 2)
    assert hit.octets == meter_octets(command(SRV, Role.ED, 2)[0], read_at)
    assert decode(hit.octets).transaction_time == decode(bench.replies[0].octets).transaction_time
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.HIT: 1}


def test_requests_in_flight_are_one_device_hit() -> None:
    bench = Bench(srvs=[SRV])
    for counter, role in enumerate((Role.IS, Role.ED, Role.IS), 1):
        bench.ask(SRV, role, counter)
    assert len(bench.forwards) == 1
    replies = bench.deliver()
    assert {reply.octets for reply in replies} == {
        meter_octets(command(SRV, role, counter)[0])
        for counter, role in enumerate((Role.IS, Role.ED, Role.IS), 1)
    }


@pytest.mark.parametrize("variant", [SINGLE, POLYPHASE])
def test_a_built_reply_equals_the_meters_octet_for_octet(variant: str) -> None:
    first, second = asked(variant), asked(variant, Role.ED, 7)
    octets = meter_octets(first)
    read = read_of(first, read_requests_of(first))
    assert read is not None
    readings = readings_of(open_message(octets, KEYS), first, read, KEYS)
    assert build_reply(second, read, readings, KEYS) == meter_octets(second)
    assert isinstance(readings, bytes)
    assert cut(readings, YESTERDAY) == readings
    assert len(cut(readings, Window(MIDNIGHT - DAY, MIDNIGHT - DAY + 7200))) < len(readings)


def test_one_phase_and_three_are_kept_apart() -> None:
    reads = [read_of(asked(variant), read_requests_of(asked(variant))) for variant in KINDS]
    assert [read and read.kept_as for read in reads] == ["ECS23", "ECS23b"]


def test_a_failure_is_for_its_requester_alone() -> None:
    wrong, octets = party(Role.IS, 1).ask(KINDS[SINGLE], service_of(SRV, POLYPHASE), YESTERDAY)
    read = read_of(wrong, read_requests_of(wrong))
    assert read is not None
    refused = meter_octets(wrong)
    with pytest.raises(DecodeError, match=r"a part of SRV 4\.10 failed"):
        readings_of(open_message(refused, KEYS), wrong, read, KEYS)
    assert encode(wrong, KEYS) == octets


def test_the_shadow_audit_compares_the_log_and_not_the_time_of_reading() -> None:
    bench = Bench(srvs=[SRV], shadow=1.0, seed="audit")
    bench.read_through(SRV)
    bench.now += 7200
    bench.ask(SRV, Role.ED, 2)
    assert bench.deliver() == []
    assert bench.policy.ledger.reasons["shadow-equal"] == 1
    assert bench.policy.ledger.reasons["shadow-different"] == 0
