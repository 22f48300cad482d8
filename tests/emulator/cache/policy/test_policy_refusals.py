"""Commands that a meter would discard and unsolicited replies are refused.

Also: what becomes of waiting requests if no good reply comes.
"""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from esme_emulator.cache.entry import Key
from esme_emulator.cache.policy.effects import Reply
from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.estate.parties import RemoteParty
from esme_emulator.messaging.validation import Discard
from gbcs import (
    EUI,
    Alert,
    FileKeystore,
    Opaque,
    Response,
    Status,
    Supplementary,
    decode,
    encode,
    sign,
)
from gbcs.crypto.keystore import Keystore
from gbcs.dlms.access import AccessRequest, AccessResponse, AccessResult, Choice
from gbcs.dlms.data import NULL
from gbcs.instants import HALF_HOUR
from gbcs.tables.reading_services import service_of
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.emulator.cache.bench import PATIENCE, Bench, anything_for_anybody
from tests.support.brought import (
    BROUGHT,
    OTHER,
    STRANGER,
    bringing,
    of_an_unknown_type,
    too_long,
    with_content,
)
from tests.support.certificates import certificate
from tests.support.critical import critical_command, unsigned, with_an_invalid_signature
from tests.support.effort import at_most, within
from tests.support.estate import (
    KEYS,
    METER,
    OTHER_METER,
    YESTERDAY,
    command,
    meter_octets,
    own_counter_in,
    party,
    readings_in,
)

DAY_BEFORE = Window(YESTERDAY.start - 86_400, YESTERDAY.start)
KEY = Key(METER, "4.8.3", YESTERDAY.start, YESTERDAY.end)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def flipped(octets: bytes, position: int = -1) -> bytes:
    spoilt = bytearray(octets)
    spoilt[position] ^= 1
    return bytes(spoilt)


def without_mac(octets: bytes) -> bytes:
    return encode(replace(decode(octets), mac=None))


def as_pre_command(octets: bytes) -> bytes:
    return encode(replace(decode(octets), mac=None, signature=None))


REFUSED: list[tuple[Discard, Callable[[bytes], bytes]]] = [
    (Discard.MALFORMED, lambda octets: octets[:-1]),
    (Discard.MALFORMED, lambda octets: b""),
    (Discard.MALFORMED, of_an_unknown_type),
    (Discard.TOO_LONG, too_long),
    (Discard.NOT_A_COMMAND, as_pre_command),
    (Discard.NOT_A_COMMAND, lambda octets: meter_octets(command("4.8.1")[0])),
    (Discard.FOREIGN_RECIPIENT, lambda octets: command("4.8.1", device=OTHER_METER)[1]),
    (Discard.MAC_ABSENT, without_mac),
    (Discard.MAC_INVALID, flipped),
    (Discard.SIGNATURE_ABSENT, lambda _: unsigned(critical_command())),
    (Discard.SIGNATURE_INVALID, lambda _: with_an_invalid_signature(critical_command())),
    *((reason, lambda _, der=der: bringing(der)) for _, reason, der in BROUGHT),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "spoil"), REFUSED)
@pytest.mark.parametrize("in_store", [True, False])
def test_a_command_that_the_meter_would_discard_is_refused_with_the_reason(
    reason: Discard, spoil: Callable[[bytes], bytes], in_store: bool, bench: Bench
) -> None:
    if in_store:
        bench.read_through("4.8.1")
    assert bench.receive(spoil(command("4.8.1", counter=5)[1])) == []
    assert bench.forwards == []
    assert bench.policy.ledger.reasons == {reason: 1}
    assert bench.policy.ledger.total(Decision.REFUSED) == 1
    bench.assert_settled()


def test_every_reason_but_a_missing_key_is_shown_above() -> None:
    assert {reason for reason, _ in REFUSED} == set(Discard) - {Discard.NO_KEY}


NULLS = b"\xd9\x20\x00\x00\x01\x00\x82\x70\x00" + bytes(0x7000)
"""A content that takes a call and more for each octet to read."""


def test_the_content_of_unauthentic_messages_is_never_read(bench: Bench) -> None:
    """A message without a MAC costs no more than its header, however long it is."""
    octets = flipped(with_content(NULLS))
    bench.receive(octets)
    with at_most(400):
        bench.receive(octets)
    assert bench.policy.ledger.reasons == {Discard.MAC_INVALID: 2}


@pytest.mark.parametrize("verified", [True, False])
def test_an_unsolicited_reply_is_neither_verified_nor_read(verified: bool, bench: Bench) -> None:
    bench.receive(command("4.8.3", Role.ED)[1])
    asked, _ = command("4.8.3", Role.ED, counter=99)
    said = decode(meter_octets(asked), KEYS)
    octets = encode(replace(said, payload=Opaque(b"\xda" + NULLS[1:]), mac=b""), KEYS)
    octets = octets if verified else flipped(octets)
    bench.policy.response(octets, bench.now)
    with at_most(120):
        assert bench.policy.response(octets, bench.now) == []
    assert bench.policy.ledger.reasons == {"reply-unsolicited": 2}


def test_a_reply_that_cannot_be_read_is_passed_on_and_not_kept(bench: Bench) -> None:
    """It is the meter's own, so its requester gets it; others that wait get none."""
    asked, octets = command("4.8.3", Role.ED)
    bench.receive(octets)
    said = decode(meter_octets(asked), KEYS)
    unreadable = encode(replace(said, payload=Opaque(b"\xda\x07"), mac=b""), KEYS)
    [reply] = bench.deliver(unreadable)
    assert reply.octets == unreadable
    assert bench.policy.ledger.reasons == {"reply-unreadable": 1}
    assert not bench.store
    bench.assert_settled()


def test_certificates_of_refused_parties_leave_nothing_behind() -> None:
    """They are long, and there may be any number of them."""
    bench = Bench(
        keystore=FileKeystore(json.loads(KEYS.export([METER, KEYS.access_control_broker])))
    )
    asked, _ = command("4.8.1", Role.OU)
    requests = []
    for number in range(1, 301):
        der = certificate(STRANGER, OTHER, padding=3_000, serial=number)
        behind = Supplementary(STRANGER, number, None, der)
        requests.append(
            encode(replace(asked, originator_counter=number, supplementary=behind, mac=b""), KEYS)
        )
    bench.receive(requests[0])
    with within(3 << 20):
        for octets in requests:
            assert bench.receive(octets) == []
    assert bench.policy.ledger.reasons == {"unknown-party": 301}
    assert bench.forwards == []


def test_a_counter_under_every_message_code_costs_each_time_the_same(bench: Bench) -> None:
    asked, _ = command("4.8.3", Role.ED)
    octets = [encode(replace(asked, message_code=code, mac=b""), KEYS) for code in range(2_000)]
    for one in octets:
        bench.receive(one)
    with at_most(3_000):
        bench.receive(octets[7])
        bench.receive(encode(replace(asked, message_code=2_001, mac=b""), KEYS))


def test_an_octet_flipped_anywhere_is_never_answered_nor_forwarded(bench: Bench) -> None:
    bench.read_through("4.8.1")
    octets = command("4.8.1", counter=2)[1]
    for position in range(len(octets)):
        assert bench.receive(flipped(octets, position)) == [], f"octet {position}"
    assert bench.forwards == []
    assert bench.policy.ledger.total(Decision.REFUSED) == len(octets)
    bench.assert_settled()


def of_another_transaction(octets: bytes) -> bytes:
    return meter_octets(command("4.8.3", Role.ED, counter=99)[0])


def of_another_device(octets: bytes) -> bytes:
    return meter_octets(command("4.8.3", Role.ED, device=OTHER_METER)[0])


def for_another_party(octets: bytes) -> bytes:
    return meter_octets(command("4.8.3", Role.ES)[0])


def the_command_itself(octets: bytes) -> bytes:
    return command("4.8.3", Role.ED)[1]


def altered_without_mac(octets: bytes) -> bytes:
    asked, _ = command("4.8.3", Role.ED)
    return without_mac(
        meter_octets(replace(asked, payload=command("4.8.3", window=DAY_BEFORE)[0].payload))
    )


BAD_REPLIES = [
    pytest.param("reply-malformed", lambda octets: octets[:-1], id="truncated"),
    pytest.param("reply-malformed", lambda octets: b"", id="empty"),
    pytest.param("reply-mac-invalid", flipped, id="mac"),
    pytest.param("reply-mac-invalid", lambda octets: flipped(octets, 120), id="readings"),
    pytest.param("reply-unsolicited", of_another_transaction, id="transaction"),
    pytest.param("reply-unsolicited", of_another_device, id="device"),
    pytest.param("reply-unsolicited", for_another_party, id="party"),
    pytest.param("reply-unsolicited", the_command_itself, id="command"),
    pytest.param("reply-mac-absent", without_mac, id="no-mac"),
    pytest.param("reply-mac-absent", altered_without_mac, id="forged"),
]


@pytest.mark.parametrize(("reason", "spoil"), BAD_REPLIES)
def test_a_bad_reply_is_counted_and_not_delivered_and_the_good_one_still_is(
    reason: str, spoil: Callable[[bytes], bytes], bench: Bench
) -> None:
    bench.ask("4.8.3", Role.ED, counter=1)
    bench.ask("4.8.3", Role.OU, counter=2)
    good = bench.meter_reply()
    assert bench.deliver(spoil(good)) == []
    assert bench.store == {}
    assert bench.policy.ledger.reasons == {reason: 1}
    replies = bench.deliver(good)
    assert replies[0].octets == good
    assert len(replies) == 2
    assert len(bench.store) == 1
    bench.assert_settled()


@pytest.mark.parametrize("srv", ["4.8.2", "4.1.1"])
def test_a_reply_without_mac_to_what_is_not_cached_is_not_relayed_and_the_good_one_is(
    srv: str, bench: Bench
) -> None:
    service = service_of(srv)
    window = YESTERDAY if service.windowed else None
    bench.receive(party(Role.IS).ask(METER, service, window)[1])
    good = bench.meter_reply()
    assert bench.deliver(without_mac(good)) == []
    assert bench.policy.ledger.reasons == {"reply-mac-absent": 1}
    assert [reply.octets for reply in bench.deliver(good)] == [good]
    bench.assert_settled()


@pytest.mark.parametrize("good", [True, False])
def test_the_response_to_a_critical_command_is_relayed_for_its_signature(
    good: bool, bench: Bench
) -> None:
    bench.receive(encode(critical_command(), KEYS))
    reply = bench.meter_reply()
    assert decode(reply, KEYS).mac_status is Status.ABSENT
    assert len(bench.deliver(reply if good else flipped(reply))) == good
    assert bench.policy.ledger.reasons == ({} if good else {"reply-signature-invalid": 1})


def test_an_octet_flipped_anywhere_in_a_reply_is_never_delivered(bench: Bench) -> None:
    bench.ask("4.8.3", Role.ED, window=Window(YESTERDAY.end - HALF_HOUR, YESTERDAY.end))
    good = bench.meter_reply()
    for position in range(len(good)):
        assert bench.deliver(flipped(good, position)) == [], f"octet {position}"
    assert bench.store == {}
    assert bench.policy.ledger.reasons.total() == len(good)
    assert len(bench.deliver(good)) == 1


def test_unsolicited_and_duplicate_replies_are_counted_and_not_delivered(bench: Bench) -> None:
    assert bench.deliver(meter_octets(command("4.8.1")[0])) == []
    bench.ask("4.8.1", counter=2)
    good = bench.meter_reply()
    assert len(bench.deliver(good)) == 1
    assert bench.deliver(good) == []
    assert bench.deliver(good) == []
    assert bench.policy.ledger.reasons == {"reply-unsolicited": 1, "duplicate-reply": 2}
    bench.assert_settled()


@pytest.mark.parametrize("srv", ["4.8.1", "4.8.3"])
def test_a_reply_that_cannot_be_verified_is_relayed_and_never_kept(srv: str) -> None:
    """Without the key of a party a cache cannot verify the readings."""
    acb, supplier = KEYS.access_control_broker, party(Role.IS).eui
    private = dict.fromkeys(map(str, (acb, supplier)), "private")
    bench = Bench(keystore=only(private | {str(METER): "public"}))
    bench.ask(srv, Role.ED)
    from_meter = bench.meter_reply()
    (reply,) = bench.deliver(from_meter)
    assert reply.octets == from_meter
    assert reply.recipient == party(Role.ED).eui
    assert bench.store == {}
    assert bench.decisions() == {Decision.FORWARDED: 1}
    bench.assert_settled()


def only(entries: dict[str, str]) -> Keystore:
    """The keys of the estate, but only those named."""
    assert isinstance(KEYS, DerivedKeystore)
    exported = json.loads(KEYS.export(EUI.parse(eui) for eui in entries))
    return FileKeystore(
        {
            eui: {usage: {kind: keys[kind]} for usage, keys in exported[eui].items()}
            for eui, kind in entries.items()
        }
    )


def test_a_party_without_a_key_is_passed_on_and_the_others_are_answered() -> None:
    acb, supplier = KEYS.access_control_broker, party(Role.IS).eui
    entries = dict.fromkeys(map(str, (METER, acb, supplier)), "private")
    stranger = RemoteParty(EUI(b"\x22" * 8), frozenset({Role.ED}), KEYS, 2)
    bench = Bench(keystore=only(entries), registry=anything_for_anybody(stranger.eui))
    bench.ask("4.8.1", counter=1)
    bench.receive(stranger.command(METER, "4.8.1", YESTERDAY)[1])
    bench.ask("4.8.1", counter=3)
    replies = bench.deliver()
    assert [decode(reply.octets).originator_counter for reply in replies] == [1, 3]
    [reply] = bench.deliver()
    assert decode(reply.octets).recipient == stranger.eui
    assert bench.policy.ledger.reasons == {}
    assert bench.decisions() == {Decision.FORWARDED: 2, Decision.COLLAPSED: 1}
    bench.assert_settled()


def sealed_response(payload: AccessResponse | Opaque) -> bytes:
    asked, _ = command("4.8.3", Role.ED)
    response = Response(
        originator=METER,
        recipient=asked.originator,
        originator_counter=asked.originator_counter,
        message_code=asked.message_code,
        payload=payload,
    )
    return encode(response, KEYS)


@pytest.mark.parametrize(
    "payload",
    [
        Opaque(b"\x01\x09"),
        AccessResponse(0x20000001, ()),
        AccessResponse(0x20000001, (AccessResult(Choice.GET, 0, NULL),)),
        AccessResponse(0x20000001, (AccessResult(Choice.GET, 0, NULL),) * 2),
    ],
)
def test_an_authentic_reply_without_readings_is_relayed_and_fails_waiting_requests(
    payload: AccessResponse | Opaque, bench: Bench
) -> None:
    bench.ask("4.8.3", Role.ED, counter=1)
    bench.ask("4.8.3", Role.OU, counter=2)
    odd = sealed_response(payload)
    assert [reply.octets for reply in bench.deliver(odd)] == [odd]
    assert bench.store == {}
    assert bench.policy.ledger.reasons == {"reply-unreadable": 1}
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.FAILED: 1}
    bench.assert_settled()


def test_an_alert_is_passed_to_its_recipient_unchanged(bench: Bench) -> None:
    supplier = party(Role.IS).eui
    alert = encode(
        Alert(
            originator=METER,
            recipient=supplier,
            originator_counter=7,
            message_code=0x1000,
            payload=Opaque(b"\x01\x02"),
        ),
        KEYS,
    )
    (passed,) = bench.deliver(alert)
    assert (passed.device, passed.recipient, passed.octets) == (METER, supplier, alert)
    assert bench.policy.ledger.requests == 0


def alert(**changes: object) -> bytes:
    """An alert of the meter to the supplier, with a MAC unless `changes` say otherwise."""
    made = Alert(
        originator=METER,
        recipient=party(Role.IS).eui,
        originator_counter=7,
        message_code=0x1000,
        payload=Opaque(b"\x01\x02"),
    )
    return encode(replace(made, **changes), KEYS)  # type: ignore[arg-type]


def signed(octets: bytes) -> bytes:
    return encode(sign(replace(decode(octets), mac=None), KEYS), KEYS)


SPOILT_ALERTS = {
    "alert-unproven": alert(mac=None),
    "alert-mac-invalid": flipped(alert()),
    "alert-signature-invalid": flipped(signed(alert())),
    "alert-of-another-topic": alert(originator=OTHER_METER),
    "alert-malformed": alert()[:-1],
}


@pytest.mark.parametrize("reason", SPOILT_ALERTS)
def test_an_unproven_alert_is_not_passed_on(reason: str, bench: Bench) -> None:
    assert bench.policy.alert(SPOILT_ALERTS[reason], METER) == []
    assert bench.policy.ledger.reasons == {reason: 1}


def test_a_response_on_the_topic_of_alerts_is_dropped(bench: Bench) -> None:
    bench.ask("4.8.1")
    assert bench.policy.alert(bench.meter_reply(), METER) == []
    assert bench.policy.ledger.reasons == {"alert-malformed": 1}


@pytest.mark.parametrize("shared", [False, True])
def test_an_alert_on_the_topic_of_responses_is_passed_on_by_a_cache_that_is_alone(
    shared: bool,
) -> None:
    bench = Bench(shared=shared)
    assert [reply.octets for reply in bench.deliver(alert())] == [alert()] * (not shared)
    assert bench.policy.ledger.reasons == {}


@pytest.mark.parametrize("octets", [alert(), signed(alert())], ids=["mac", "signature"])
@pytest.mark.parametrize("keys", [KEYS, FileKeystore({})], ids=["verified", "unverified"])
def test_an_alert_with_a_mac_or_a_signature_is_passed_on(octets: bytes, keys: Keystore) -> None:
    bench = Bench(keystore=keys)
    [reply] = bench.policy.alert(octets, METER)
    assert isinstance(reply, Reply)
    assert reply.octets == octets
    assert bench.policy.ledger.reasons == {}


def test_an_invalid_command_is_refused_even_if_another_key_is_missing() -> None:
    """The cache has the key of the signature, and none for the MAC."""
    supplier = party(Role.IS).eui
    exported = json.loads(KEYS.export([supplier]))
    bench = Bench(keystore=FileKeystore({str(supplier): {"ds": exported[str(supplier)]["ds"]}}))
    good = critical_command()
    for octets in (unsigned(good), with_an_invalid_signature(good)):
        assert bench.receive(octets) == []
    assert bench.policy.ledger.reasons == {"signature-absent": 1, "signature-invalid": 1}
    assert bench.forwards == []
    bench.receive(encode(good, KEYS))
    assert len(bench.forwards) == 1, "what may be right is passed on"


def test_a_repeated_command_in_flight_is_one_device_hit_and_each_is_answered(bench: Bench) -> None:
    octets = command("4.8.1")[1]
    for _ in range(3):
        assert bench.receive(octets) == []
    assert len(bench.forwards) == 1
    good = bench.meter_reply()
    assert [reply.octets for reply in bench.deliver(good)] == [good] * 3
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.COLLAPSED: 2}
    bench.assert_settled()


def test_a_repeated_command_of_an_other_user_gets_the_same_octets_each_time(bench: Bench) -> None:
    """Another device counter would be another text under one MAC key."""
    octets = command("4.8.1", Role.OU)[1]
    for _ in range(3):
        bench.receive(octets)
    good = bench.meter_reply()
    assert own_counter_in(good) is not None
    assert [reply.octets for reply in bench.deliver(good)] == [good] * 3
    assert [reply.octets for reply in bench.receive(octets)] == [good]
    bench.assert_settled()


def test_a_repeated_command_that_is_not_cached_is_forwarded_and_answered_each_time(
    bench: Bench,
) -> None:
    octets = command("4.8.2", Role.ED)[1]
    for _ in range(3):
        assert bench.receive(octets) == []
    assert [forward.octets for forward in bench.forwards] == [octets] * 3
    for _ in range(3):
        assert len(bench.deliver()) == 1
    bench.assert_settled()


def reuse_a_counter(bench: Bench) -> list[bytes]:
    """Two different reads of one party under one counter, and what the meter says to each."""
    bench.ask("4.8.3", Role.ED, counter=5, window=YESTERDAY)
    bench.ask("4.8.3", Role.OU, counter=6, window=YESTERDAY)
    bench.ask("4.8.3", Role.ED, counter=5, window=DAY_BEFORE)
    bench.ask("4.8.3", Role.OU, counter=7, window=DAY_BEFORE)
    return [
        meter_octets(command("4.8.3", Role.ED, 5, window)[0]) for window in (YESTERDAY, DAY_BEFORE)
    ]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_counter_used_for_two_reads_mixes_up_neither_readings_nor_requests(
    order: tuple[int, int], bench: Bench
) -> None:
    """The two replies cannot be told apart but by their readings."""
    said = reuse_a_counter(bench)
    for place in order:
        bench.deliver(said[place])
    bench.expire()
    bench.assert_settled()
    for number, window in enumerate((YESTERDAY, DAY_BEFORE)):
        asked = command("4.8.3", Role.ED, 20 + number, window)[0]
        truth = meter_octets(asked)
        replies = bench.ask("4.8.3", Role.ED, 20 + number, window)
        assert [reply.octets for reply in replies] in ([], [truth])
    for reply in bench.replies:
        message = decode(reply.octets, KEYS)
        times = [row["time"] for row in readings_in(message, "4.8.3")]
        if message.originator_counter in (6, 7):
            window = YESTERDAY if message.originator_counter == 6 else DAY_BEFORE
            assert (times[0], times[-1]) == (window.start, window.end)


def test_a_counter_used_again_for_an_improper_read_leaves_no_request_waiting(bench: Bench) -> None:
    asked, octets = command("4.8.3", Role.ED)
    bench.receive(octets)
    assert isinstance(asked.payload, AccessRequest)
    doubled = replace(asked.payload, accesses=asked.payload.accesses * 2)
    bench.receive(encode(replace(asked, payload=doubled), KEYS))
    while bench.forwards:
        bench.deliver()
    bench.expire()
    bench.assert_settled()
    bench.store.clear()
    assert bench.ask("4.8.3", Role.ED, counter=2) == []
    assert len(bench.forwards) == 1


def test_a_command_without_a_reply_fails_waiting_requests_and_is_forgotten(bench: Bench) -> None:
    for counter in (1, 2, 3):
        bench.ask("4.8.1", counter=counter)
    assert bench.policy.next_deadline() == bench.now + PATIENCE
    late = bench.meter_reply()
    bench.expire(PATIENCE - 1)
    assert bench.policy.ledger.undecided() == 2
    bench.expire(1)
    assert bench.decisions() == {Decision.FORWARDED: 1, Decision.FAILED: 2}
    assert bench.policy.ledger.reasons == {"no-reply": 1}
    bench.assert_settled()
    assert bench.deliver(late) == []
    assert bench.policy.ledger.reasons == {"no-reply": 1, "late-reply": 1}
    assert len(bench.ask("4.8.1", counter=4)) == 1
    assert bench.deliver(late) == []
    assert bench.policy.ledger.reasons == {"no-reply": 1, "late-reply": 1, "duplicate-reply": 1}
    assert bench.forwards == []
    bench.assert_settled()


def test_commands_are_given_up_each_at_its_time(bench: Bench) -> None:
    start = bench.now
    for number, (srv, role) in enumerate([("4.8.1", Role.IS), ("4.8.2", Role.ED)]):
        bench.now = start + number
        bench.ask(srv, role)
    assert bench.policy.next_deadline() == start + PATIENCE
    bench.expire(PATIENCE - 1)
    assert bench.policy.next_deadline() == start + 1 + PATIENCE
    bench.expire(1)
    assert bench.policy.ledger.reasons == {"no-reply": 2}
    bench.assert_settled()


def test_a_clock_that_was_set_back_delays_no_timeout(bench: Bench) -> None:
    bench.ask("4.8.1")
    bench.now -= 3600
    bench.ask("4.8.2", Role.ED)
    assert bench.policy.next_deadline() == bench.now + PATIENCE
    bench.expire(PATIENCE)
    assert bench.policy.ledger.reasons == {"no-reply": 2}
    bench.assert_settled()


def test_every_copy_of_a_repeated_command_is_given_up(bench: Bench) -> None:
    octets = command("4.8.2", Role.ED)[1]
    for _ in range(3):
        bench.receive(octets)
    bench.deliver()
    bench.expire()
    assert bench.policy.ledger.reasons == {"no-reply": 2}
    bench.assert_settled()
