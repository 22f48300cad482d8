"""A fleet with the keys of the RTDS: it takes the commands there, and answers them authentically.

The windows of those commands may lie before any emulated meter was fitted, so that the logs have
no entries; that readings are there too is shown with commands of our own under the same keys.
"""

from datetime import UTC, datetime

import pytest

from esme_emulator.device.logs import buffer
from esme_emulator.device.model import meter_of
from esme_emulator.estate.estate import DEFAULT_BASE, Estate, EstateSource, keystore_estate
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.messaging.validation import Discard
from esme_emulator.profiles.latency import NONE
from gbcs import EUI, Keystore, Response, Status, decode
from gbcs.tables.profile_logs import BY_CODE, BY_SRV
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import ProfileRead, profile_read_of, rows_of
from tests.support.estate import NOW, UNIX_NOW, YESTERDAY, readings_in
from tests.support.rtds import ABSENT, KEYSTORE, Vector, each, named, needs_rtds

METER = EUI.parse("00DB1234567890A0")

pytestmark = needs_rtds
reads = each(lambda vector: vector.reads_a_log and vector.direction == "COMMAND")


@pytest.fixture(scope="module")
def estate() -> Estate:
    if not KEYSTORE.is_file():
        pytest.skip(ABSENT)
    return keystore_estate(KEYSTORE, "1")


@pytest.fixture
def fleet(estate: Estate) -> Fleet:
    return Fleet(estate.meters, estate.keystore, estate.seed, NONE)


def test_the_devices_of_the_keystore_are_hosted_and_its_parties_are_not(estate: Estate) -> None:
    assert METER in estate.meters
    assert estate.keystore.access_control_broker not in estate.meters
    assert all(str(eui).startswith("00DB") for eui in estate.meters)
    assert {role for party in estate.parties(1) for role in party.roles} == {
        Role.IS,
        Role.ES,
        Role.ED,
    }


@reads
def test_a_read_of_the_rtds_is_answered(
    vector: Vector, fleet: Fleet, estate: Estate, rtds_keystore: Keystore
) -> None:
    asked = decode(vector.octets, rtds_keystore)
    read = profile_read_of(asked)
    assert read is not None
    receipt = fleet.receive(asked.recipient, vector.octets, UNIX_NOW)
    assert (receipt.srv, receipt.outcome) == (vector.srv, "answered")
    assert fleet.counters.received_by_meter() == {(asked.recipient, vector.srv): 1}
    assert [reply.recipient for reply in receipt.replies] == [asked.originator]
    reply = decode(receipt.reply or b"", rtds_keystore)
    assert isinstance(reply, Response)
    assert reply.mac_status is Status.VALID
    assert reply.originator_counter == asked.originator_counter
    assert reply.remote_party == asked.remote_party
    assert all(item.status is Status.VALID for item in reply.protected)
    log = BY_SRV[vector.srv]
    in_the_log = buffer(meter_of(estate.seed, asked.recipient), log, read.window, NOW)
    assert readings_in(reply, vector.srv) == rows_of(log, in_the_log)


def test_the_export_read_of_a_party_behind_the_acb_names_that_party_in_the_reply(
    fleet: Fleet, rtds_keystore: Keystore
) -> None:
    vector = named("ECS21c_4.6.2_SUCCESS_COMMAND")
    asked = decode(vector.octets, rtds_keystore)
    assert asked.supplementary is not None
    receipt = fleet.receive(METER, vector.octets, UNIX_NOW)
    reply = decode(receipt.reply or b"", rtds_keystore)
    assert reply.recipient == rtds_keystore.access_control_broker
    assert reply.supplementary == asked.supplementary
    assert reply.mac_status is Status.VALID


@reads
def test_the_same_read_of_a_recent_day_has_readings(
    vector: Vector, fleet: Fleet, estate: Estate, rtds_keystore: Keystore
) -> None:
    party = next(party for party in estate.parties(1) if party.may_ask(vector.srv))
    _, octets = party.command(METER, vector.srv, YESTERDAY)
    receipt = fleet.receive(METER, octets, UNIX_NOW)
    reply = decode(receipt.reply or b"", rtds_keystore)
    assert reply.mac_status is Status.VALID
    rows = readings_in(reply, vector.srv)
    period = BY_CODE[reply.message_code].period
    assert len(rows) == (YESTERDAY.end - YESTERDAY.start) // period + 1
    assert profile_read_of(decode(octets)) == ProfileRead(BY_CODE[reply.message_code], YESTERDAY)


@reads
def test_an_octet_flipped_in_a_read_of_the_rtds_is_never_answered(
    vector: Vector, fleet: Fleet
) -> None:
    device = decode(vector.octets).recipient
    for position in range(len(vector.octets)):
        spoilt = bytearray(vector.octets)
        spoilt[position] ^= 0x10
        assert fleet.receive(device, bytes(spoilt), UNIX_NOW).reply is None, f"octet {position}"


@reads
def test_a_read_of_another_device_is_discarded(vector: Vector, fleet: Fleet) -> None:
    device = decode(vector.octets).recipient
    other = next(eui for eui in (METER, EUI.parse("00DB123456789001")) if eui != device)
    receipt = fleet.receive(other, vector.octets, UNIX_NOW)
    assert (receipt.outcome, receipt.reply) == (Discard.FOREIGN_RECIPIENT, None)


@each(lambda vector: vector.direction in {"COMMAND", "PRECOMMAND"} and not vector.reads_a_log)
def test_any_other_command_of_the_rtds_is_replied_to_or_unanswered_or_discarded(
    vector: Vector, fleet: Fleet
) -> None:
    device = decode(vector.octets).recipient
    receipt = fleet.receive(device, vector.octets, UNIX_NOW)
    replied = {"answered", "refused"}
    assert receipt.outcome in {*replied, "unanswered", "not-hosted", *Discard}
    assert receipt.outcome != Discard.MALFORMED
    assert (receipt.reply is not None) is (receipt.outcome in replied)
    if vector.direction == "PRECOMMAND":
        assert receipt.outcome in {Discard.NOT_A_COMMAND, "not-hosted"}


@pytest.mark.parametrize("takes", [False, True])
def test_the_expired_certificate_of_the_rtds_is_accepted_only_on_request(
    takes: bool,
) -> None:
    source = EstateSource("1", 1, DEFAULT_BASE, KEYSTORE, takes_expired=takes)
    estate = source.estate()
    octets = named("ECS21b_4.14_URP_SUCCESS_COMMAND").octets
    device = decode(octets).recipient
    fleet = Fleet(estate.meters, estate.keystore, estate.seed, NONE)
    before = datetime(2025, 10, 29, tzinfo=UTC).timestamp()
    assert fleet.receive(device, octets, before).outcome == "answered"
    expected = "answered" if takes else Discard.CERTIFICATE_EXPIRED
    assert fleet.receive(device, octets, UNIX_NOW).outcome == expected
