"""The commands that a fleet counts, answers, refuses and discards."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from statistics import quantiles

import pytest

from esme_emulator.estate.estate import derived_estate
from esme_emulator.estate.parties import OTHER_USER, SUPPLIER
from esme_emulator.fleet.counters import NOT_HOSTED, Stage
from esme_emulator.fleet.fleet import CommandReceived, Fleet
from esme_emulator.messaging.validation import Discard
from esme_emulator.profiles.latency import NONE, Fixed, Latency, LogNormal
from gbcs import (
    EUI,
    Command,
    FileKeystore,
    KeyUsage,
    Opaque,
    Response,
    Status,
    decode,
    encode,
    sign,
)
from gbcs.crypto.certificate import point
from gbcs.crypto.keystore import Keystore
from gbcs.dlms.access import Access, AccessRequest, AccessResponse, Choice
from gbcs.dlms.data import NULL
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from gbcs.usecases.responding import invoke_id
from tests.support.brought import (
    BROUGHT,
    LAPSED,
    OTHER,
    OWN,
    bringing,
    of_an_unknown_type,
    too_long,
    with_content,
)
from tests.support.certificates import certificate
from tests.support.critical import critical_command, unsigned, with_an_invalid_signature
from tests.support.effort import at_most
from tests.support.estate import (
    ESTATE,
    KEYS,
    METER,
    NOW,
    OTHER_METER,
    SEED,
    STRANGER,
    UNIX_NOW,
    YESTERDAY,
    command,
    meter_octets,
    meter_says,
    party,
    readings_in,
)

MAC_OCTETS = 12
ASKED = [
    ("4.6.1", Role.IS),
    ("4.6.2", Role.ES),
    ("4.8.1", Role.IS),
    ("4.8.1", Role.ED),
    ("4.8.1", Role.OU),
    ("4.8.2", Role.ED),
    ("4.8.2", Role.OU),
    ("4.8.3", Role.ED),
    ("4.8.3", Role.OU),
]


def make_fleet(latency: Latency = NONE, keystore: Keystore = KEYS, seed: str = SEED) -> Fleet:
    return Fleet(ESTATE.meters, keystore, seed, latency)


@pytest.mark.parametrize(
    ("device", "outcome"), [(METER, "answered"), (STRANGER, NOT_HOSTED)], ids=str
)
def test_each_command_is_published_when_it_is_received(device: EUI, outcome: str) -> None:
    fleet, events = make_fleet(), []
    fleet.events.subscribe(CommandReceived, events.append)
    _, octets = command("4.8.1", device=device)
    receipt = fleet.receive(device, octets, UNIX_NOW)
    [event] = events
    asked = octets, receipt.replies, None if outcome == NOT_HOSTED else SUPPLIER
    assert event == CommandReceived(UNIX_NOW, device, receipt.srv, outcome, *asked)
    assert [reply.due for reply in event.replies] == [UNIX_NOW] * len(receipt.replies)


def sealed(message: Command) -> bytes:
    return encode(replace(message, mac=b""), KEYS)


@pytest.mark.parametrize(("srv", "role"), ASKED)
def test_a_read_gets_an_authentic_answer_with_readings(srv: str, role: Role) -> None:
    fleet = make_fleet()
    asked, octets = command(srv, role)
    receipt = fleet.receive(METER, octets, UNIX_NOW)
    assert (receipt.srv, receipt.outcome) == (srv, "answered")
    assert receipt.reply is not None
    assert [sent.recipient for sent in receipt.replies] == [asked.originator]
    reply = decode(receipt.reply, KEYS)
    assert isinstance(reply, Response)
    assert reply.mac_status is Status.VALID
    assert (reply.originator, reply.recipient) == (METER, asked.originator)
    assert reply.originator_counter == asked.originator_counter
    assert reply.message_code == asked.message_code
    assert reply.remote_party == asked.remote_party
    rows = readings_in(reply, srv)
    half_hourly = srv.startswith("4.8")
    assert len(rows) == (49 if half_hourly else 2)
    assert rows[0]["time"] == YESTERDAY.start
    assert rows[-1]["time"] == YESTERDAY.end


def test_an_encrypted_reply_to_a_party_behind_the_acb_has_a_counter_of_the_meters_own() -> None:
    fleet = make_fleet()
    seen = []
    for counter in range(1, 6):
        receipt = fleet.receive(METER, command("4.8.1", Role.OU, counter)[1], UNIX_NOW)
        supplementary = decode(receipt.reply or b"").supplementary
        assert supplementary is not None
        assert supplementary.party_counter == counter
        assert supplementary.originator_counter is not None
        seen.append(supplementary.originator_counter)
    assert seen == sorted(set(seen))
    clear = fleet.receive(METER, command("4.8.3", Role.OU, 9)[1], UNIX_NOW)
    supplementary = decode(clear.reply or b"").supplementary
    assert supplementary is not None
    assert supplementary.originator_counter is None


def test_every_command_is_counted_at_its_meter_when_it_is_received() -> None:
    fleet = make_fleet(Fixed(60.0))
    for counter in range(1, 4):
        fleet.receive(METER, command("4.8.1", counter=counter)[1], UNIX_NOW)
    repeated = command("4.6.1", counter=9)[1]
    fleet.receive(METER, repeated, UNIX_NOW)
    fleet.receive(METER, repeated, UNIX_NOW)
    fleet.receive(OTHER_METER, command("4.8.3", Role.ED, device=OTHER_METER)[1], UNIX_NOW)
    fleet.receive(OTHER_METER, b"nonsense", UNIX_NOW)
    assert fleet.counters.received_by_meter() == {
        (METER, "4.8.1"): 3,
        (METER, "4.6.1"): 2,
        (OTHER_METER, "4.8.3"): 1,
        (OTHER_METER, "unknown"): 1,
    }
    assert fleet.counters.outcomes() == {
        ("4.8.1", "answered"): 3,
        ("4.6.1", "answered"): 2,
        ("4.8.3", "answered"): 1,
        ("unknown", "malformed"): 1,
    }


def test_a_repeated_command_is_answered_again() -> None:
    fleet = make_fleet()
    octets = command("4.8.3", Role.ED)[1]
    first, second = (fleet.receive(METER, octets, UNIX_NOW).reply for _ in range(2))
    assert first is not None
    assert first == second


def test_a_command_for_a_device_that_is_not_hosted_is_counted_apart() -> None:
    fleet = make_fleet()
    receipt = fleet.receive(STRANGER, command("4.8.1", device=STRANGER)[1], UNIX_NOW)
    assert (receipt.outcome, receipt.reply) == (NOT_HOSTED, None)
    assert not fleet.counters.device_hits
    assert fleet.counters.total(Stage.RECEIVED) == 1


def without_mac(octets: bytes) -> bytes:
    return encode(replace(decode(octets), mac=None))


def response_in_place_of_a_command(octets: bytes) -> bytes:
    return meter_octets(command("4.8.1")[0])


def pre_command(octets: bytes) -> bytes:
    return encode(replace(decode(octets), mac=None, signature=None))


def last_octet_flipped(octets: bytes) -> bytes:
    return octets[:-1] + bytes((octets[-1] ^ 1,))


DISCARDED: list[tuple[Discard, str, Callable[[bytes], bytes]]] = [
    (Discard.MALFORMED, "unknown", lambda octets: octets[:-1]),
    (Discard.MALFORMED, "unknown", lambda octets: octets + b"\x00"),
    (Discard.MALFORMED, "unknown", lambda octets: b""),
    (Discard.MALFORMED, "unknown", lambda octets: octets.hex().encode()),
    (Discard.MALFORMED, "4.8.1", of_an_unknown_type),
    (Discard.TOO_LONG, "unknown", too_long),
    (Discard.NOT_A_COMMAND, "4.8.1", response_in_place_of_a_command),
    (Discard.NOT_A_COMMAND, "4.8.1", pre_command),
    (
        Discard.FOREIGN_RECIPIENT,
        "4.8.1",
        lambda octets: command("4.8.1", device=OTHER_METER)[1],
    ),
    (Discard.MAC_ABSENT, "4.8.1", without_mac),
    (Discard.MAC_INVALID, "4.8.1", last_octet_flipped),
    (
        Discard.MAC_INVALID,
        "4.8.1",
        lambda octets: command("4.8.1", keystore=derived_estate("another", 1).keystore)[1],
    ),
    (Discard.SIGNATURE_ABSENT, "7.1", lambda _: unsigned(critical_command())),
    (Discard.SIGNATURE_INVALID, "7.1", lambda _: with_an_invalid_signature(critical_command())),
    (Discard.SIGNATURE_INVALID, "4.8.1", lambda _: with_an_invalid_signature(command("4.8.1")[0])),
]


@pytest.mark.parametrize(("reason", "srv", "spoil"), DISCARDED)
def test_a_command_that_fails_verification_is_counted_and_gets_no_reply(
    reason: Discard, srv: str, spoil: Callable[[bytes], bytes]
) -> None:
    fleet = make_fleet()
    receipt = fleet.receive(METER, spoil(command("4.8.1")[1]), UNIX_NOW)
    assert (receipt.srv, receipt.outcome, receipt.reply) == (srv, reason, None)
    assert fleet.counters.outcomes() == {(srv, reason): 1}
    assert fleet.counters.received_by_meter() == {(METER, srv): 1}


def test_without_a_key_for_the_device_a_command_is_discarded() -> None:
    fleet = make_fleet(keystore=FileKeystore({}))
    receipt = fleet.receive(METER, command("4.8.1")[1], UNIX_NOW)
    assert (receipt.outcome, receipt.reply) == (Discard.NO_KEY, None)
    assert fleet.counters.received_by_meter() == {(METER, "4.8.1"): 1}


def test_without_a_key_for_the_party_an_encrypted_read_is_counted_and_unanswered() -> None:
    supplier = party(Role.IS).eui
    devices_and_acb = [METER, KEYS.access_control_broker]
    usage = KeyUsage.KEY_AGREEMENT
    acb = KEYS.private_key(KEYS.access_control_broker, usage)
    assert acb is not None
    publics = {str(eui): {"ka": {"public": ""}} for eui in devices_and_acb}
    for eui in devices_and_acb:
        key = KEYS.public_key(eui, usage)
        assert key is not None
        publics[str(eui)]["ka"]["public"] = point(key).hex()
    scalar = acb.private_numbers().private_value
    publics[str(KEYS.access_control_broker)]["ka"]["private"] = f"{scalar:064x}"
    fleet = make_fleet(keystore=FileKeystore(publics))
    assert str(supplier) not in publics
    receipt = fleet.receive(METER, command("4.8.1")[1], UNIX_NOW)
    assert (receipt.outcome, receipt.reply) == ("unanswered", None)
    assert str(supplier) in receipt.reason
    assert fleet.counters.received_by_meter() == {(METER, "4.8.1"): 1}


def test_every_reason_to_discard_is_tested() -> None:
    shown = {reason for reason, _, _ in DISCARDED} | {reason for _, reason, _ in BROUGHT}
    assert shown == set(Discard) - {Discard.NO_KEY}


@pytest.mark.parametrize(
    ("reason", "brought"), [row[1:] for row in BROUGHT], ids=[row[0] for row in BROUGHT]
)
def test_an_invalid_certificate_is_discarded(reason: Discard, brought: bytes) -> None:
    fleet = make_fleet()
    receipt = fleet.receive(METER, bringing(brought), UNIX_NOW)
    assert (receipt.srv, receipt.outcome, receipt.reply) == ("4.8.1", reason, None)
    assert fleet.counters.outcomes() == {("4.8.1", reason): 1}


def test_another_certificate_of_the_same_key_is_accepted() -> None:
    renewed = certificate(OTHER_USER, OWN, serial=2)
    receipt = make_fleet().receive(METER, bringing(renewed), UNIX_NOW)
    assert receipt.outcome == "answered"
    assert decode(receipt.reply or b"", KEYS, renewed).protected[0].status is Status.VALID


def test_a_certificate_introduces_a_party_whose_key_is_unknown() -> None:
    held = FileKeystore(json.loads(KEYS.export([METER, KEYS.access_control_broker])))
    brought = certificate(OTHER_USER, OTHER)
    receipt = make_fleet(keystore=held).receive(METER, bringing(brought), UNIX_NOW)
    assert receipt.outcome == "answered"
    assert decode(receipt.reply or b"", held, brought).protected[0].status is Status.VALID


@pytest.mark.parametrize("takes", [False, True])
def test_dates_of_certificates_are_checked_unless_expired_ones_are_accepted(takes: bool) -> None:
    keystore = derived_estate(SEED, 1).keystore
    keystore.takes_expired = takes
    fleet = make_fleet(keystore=keystore)
    octets, day = bringing(LAPSED), 86_400.0
    end = datetime(2025, 10, 29, tzinfo=UTC).timestamp()
    expected = "answered" if takes else Discard.CERTIFICATE_EXPIRED
    assert fleet.receive(METER, octets, end + 1).outcome == expected
    assert fleet.receive(METER, octets, end + day).outcome == expected
    assert fleet.receive(METER, octets, end).outcome == "answered"
    assert fleet.receive(METER, octets, end - day).outcome == "answered"


def test_content_that_is_not_authentic_is_never_read() -> None:
    """Without a MAC, content of any length costs no more than its header."""
    fleet = make_fleet()
    nulls = b"\xd9\x20\x00\x00\x01\x00\x82\x70\x00" + bytes(0x7000)
    octets = last_octet_flipped(with_content(nulls))
    fleet.receive(METER, octets, UNIX_NOW)
    with at_most(200):
        assert fleet.receive(METER, octets, UNIX_NOW).outcome == Discard.MAC_INVALID


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
@pytest.mark.parametrize("role", [Role.IS, Role.OU])
def test_an_octet_flipped_anywhere_never_gets_a_reply(mask: int, role: Role) -> None:
    fleet = make_fleet()
    octets = command("4.8.1", role)[1]
    for position in range(len(octets)):
        spoilt = bytearray(octets)
        spoilt[position] ^= mask
        receipt = fleet.receive(METER, bytes(spoilt), UNIX_NOW)
        assert receipt.reply is None, f"octet {position}"
    assert fleet.counters.device_hits == len(octets)
    assert fleet.counters.total(Stage.RECEIVED) == len(octets)
    assert not any(outcome == "answered" for _, outcome in fleet.counters.outcomes())
    assert fleet.receive(METER, octets, UNIX_NOW).reply is not None


def test_every_truncation_is_malformed() -> None:
    fleet = make_fleet()
    octets = command("4.8.1")[1]
    for length in range(len(octets)):
        assert fleet.receive(METER, octets[:length], UNIX_NOW).reply is None
    assert fleet.counters.outcomes() == {("unknown", Discard.MALFORMED): len(octets)}


def reading(number: int, choice: Choice = Choice.GET) -> Access:
    return Access(choice, 3, bytes((1, 0, number, 8, 0, 255)), 2, NULL)


def of_several(*accesses: Access) -> Command:
    asked, _ = command("4.8.1")
    return replace(asked, payload=AccessRequest(invoke_id(1), accesses), message_code=0x0026)


def results_of(message: Command) -> list[tuple[Choice, int]]:
    fleet = make_fleet()
    receipt = fleet.receive(METER, sealed(message), UNIX_NOW)
    assert receipt.outcome == "refused"
    reply = decode(receipt.reply or b"", KEYS)
    assert reply.mac_status is Status.VALID
    assert reply.message_code == message.message_code
    assert reply.recipient == message.originator
    assert isinstance(reply.payload, AccessResponse)
    assert all(result.data == NULL for result in reply.payload.results)
    return [(result.choice, result.code) for result in reply.payload.results]


def test_unsupported_commands_are_refused_with_object_undefined_then_other_reason() -> None:
    assert results_of(of_several(reading(1))) == [(Choice.GET, 4)]
    asked = of_several(reading(1), reading(2, Choice.SET), reading(3, Choice.ACTION), reading(4))
    assert results_of(asked) == [
        (Choice.GET, 4),
        (Choice.SET, 250),
        (Choice.ACTION, 250),
        (Choice.GET, 250),
    ]


def test_a_read_that_ends_before_it_begins_is_refused() -> None:
    backwards = command("4.8.3", Role.ED, window=Window(NOW, NOW - 1))[0]
    assert results_of(backwards) == [(Choice.GET, 4)]


@pytest.mark.parametrize("srv", ["4.6.1", "4.8.1"])
def test_a_protected_read_for_another_transaction_is_refused(srv: str) -> None:
    """Its parameters name a counter under which the reply would be encrypted."""
    asked = replace(command(srv)[0], originator_counter=2)
    assert results_of(asked) == [(Choice.ACTION, 4)]


def test_content_that_is_not_dlms_is_accepted_and_unanswered() -> None:
    fleet = make_fleet()
    asked = replace(command("4.8.1")[0], payload=Opaque(b"\x01\x09\x00"), message_code=0x0010)
    receipt = fleet.receive(METER, sealed(asked), UNIX_NOW)
    assert (receipt.outcome, receipt.reply) == ("unanswered", None)
    assert fleet.counters.device_hits == 1


def test_a_signed_command_that_is_not_supported_is_refused() -> None:
    asked = sign(of_several(reading(1), reading(2)), KEYS)
    assert asked.signature
    assert isinstance(asked, Command)
    assert results_of(asked) == [(Choice.GET, 4), (Choice.GET, 250)]


def delays(fleet: Fleet, number: int) -> list[float]:
    """Return the delays of replies to commands that are sent one after the other."""
    octets = command("4.8.3", Role.ED, window=Window(NOW - 1800, NOW))[1]
    now, found = UNIX_NOW, []
    for _ in range(number):
        (reply,) = fleet.receive(METER, octets, now).replies
        found.append(round(reply.due - now, 6))
        now = reply.due
    return found


def test_a_fixed_latency_is_the_delay_of_every_reply() -> None:
    assert set(delays(make_fleet(), 20)) == {0.0}
    assert set(delays(make_fleet(Fixed(0.15)), 20)) == {0.15}


def test_a_log_normal_latency_is_drawn_from_the_seed_with_its_quantiles() -> None:
    latency = LogNormal(2.0, 15.0)
    drawn = delays(make_fleet(latency), 3000)
    assert drawn == delays(make_fleet(latency), 3000)
    assert drawn[:50] != delays(make_fleet(latency, seed="another"), 50)
    assert len(set(drawn)) > 2990
    percent = quantiles(drawn, n=100)
    assert 1.8 < percent[49] < 2.2
    assert 11.5 < percent[98] < 20
    assert 0.15 < percent[0] < 0.5


def test_each_meter_draws_its_own_latencies() -> None:
    fleet = make_fleet(LogNormal(2.0, 15.0))
    drawn = {
        fleet.receive(meter, command("4.8.1", device=meter)[1], UNIX_NOW).replies[0].due
        for meter in ESTATE.meters
    }
    assert len(drawn) == len(ESTATE.meters)


def test_latency_does_not_change_replies() -> None:
    asked, octets = command("4.8.1")
    receipt = make_fleet(LogNormal(2.0, 15.0)).receive(METER, octets, UNIX_NOW)
    assert receipt.reply == meter_says(asked).octets
