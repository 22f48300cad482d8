"""No party gets another's data: every attempt is refused, with the readings in the cache.

Refused requests get no reply and reach no meter, hit or not.
"""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.reads import touched
from esme_emulator.cache.registry.registration import Devices, Registration
from esme_emulator.cache.registry.registry import Reason, Registry, default_registry
from esme_emulator.estate.parties import DISTRIBUTOR, OTHER_USER, SUPPLIER, RemoteParty
from esme_emulator.messaging.validation import Discard
from gbcs import EUI, Command, Supplementary, decode, encode
from gbcs.dlms.access import Access, AccessRequest, Choice
from gbcs.dlms.data import NULL
from gbcs.instants import DAY, EPOCH_UNIX, MAX_INSTANT, parse_iso
from gbcs.obis import parse_dotted
from gbcs.tables.reading_services import BY_USE_CASE, READING_SERVICES, service_of
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from gbcs.usecases.read_request import read_requests_of
from tests.emulator.cache.bench import Bench, BenchStore
from tests.support.estate import (
    KEYS,
    METER,
    MIDNIGHT,
    OTHER_METER,
    UNIX_NOW,
    YESTERDAY,
    command,
    party,
    readings_in,
)
from tests.support.rtds import Vector, each

RIVAL = EUI.parse("90B3D51F30010010")
ACB = KEYS.access_control_broker
CHANGE = date(2000, 1, 1) + timedelta(days=YESTERDAY.start // DAY)
"""The first day of `YESTERDAY`, which is over at the bench's time."""
TOMORROW = date(2000, 1, 1) + timedelta(days=MIDNIGHT // DAY + 1)
NEXT_MIDNIGHT = MIDNIGHT + DAY
UNTIL_TOMORROW = NEXT_MIDNIGHT + EPOCH_UNIX - UNIX_NOW
"""Seconds from the time at which a bench begins."""


def two_suppliers() -> Registry:
    """One supplies `METER`, its rival the other meter; a distributor and another user have all."""
    return Registry(
        [
            (SUPPLIER, [Role.IS]),
            (RIVAL, [Role.IS]),
            (DISTRIBUTOR, [Role.ED]),
            (OTHER_USER, [Role.OU]),
        ],
        [
            Registration(SUPPLIER, Devices(METER, METER)),
            Registration(RIVAL, Devices(OTHER_METER, OTHER_METER)),
        ],
    )


@pytest.fixture(params=[True, False], ids=["in-store", "not-in-store"])
def bench(request: pytest.FixtureRequest) -> Bench:
    bench = Bench(registry=two_suppliers())
    if request.param:
        bench.read_through("4.8.1", Role.IS, 900)
        bench.replies.clear()
    bench.policy.ledger.reasons.clear()
    return bench


def rival(counter: int = 1) -> RemoteParty:
    return RemoteParty(RIVAL, frozenset({Role.IS}), KEYS, counter)


def assert_refused(bench: Bench, octets: bytes, reason: str, device: EUI = METER) -> None:
    assert bench.receive(octets, device) == []
    assert bench.forwards == []
    assert bench.policy.ledger.reasons == {reason: 1}
    assert bench.decided[-1].decision is Decision.REFUSED
    assert bench.decided[-1].reason == reason
    bench.assert_settled()


def test_the_rival_asks_in_its_own_name(bench: Bench) -> None:
    assert_refused(bench, rival().command(METER, "4.8.1", YESTERDAY)[1], Reason.NOT_REGISTERED)


def test_a_party_asks_for_what_its_role_may_not(bench: Bench) -> None:
    assert_refused(bench, command("4.6.1", Role.ED)[1], Reason.ROLE_NOT_ENTITLED)
    bench.policy.ledger.reasons.clear()
    assert_refused(bench, command("4.6.1", Role.OU)[1], Reason.ROLE_NOT_ENTITLED)


def test_an_unknown_party_asks(bench: Bench) -> None:
    stranger = RemoteParty(EUI(b"\x22" * 8), frozenset({Role.IS}), KEYS, 1)
    octets = stranger.command(METER, "4.8.1", YESTERDAY)[1]
    assert_refused(bench, octets, Reason.UNKNOWN_PARTY)
    assert bench.policy.ledger.by_party[None, "4.8.1", Decision.REFUSED] == 1


def test_the_rival_writes_the_suppliers_eui_on_its_command(bench: Bench) -> None:
    """The MAC is the ACB's, over the whole command; no other party can make it."""
    octets = rival().command(METER, "4.8.1", YESTERDAY)[1]
    forged = octets.replace(bytes(RIVAL), bytes(SUPPLIER))
    assert decode(forged).originator == SUPPLIER
    assert_refused(bench, forged, Discard.MAC_INVALID)


@pytest.mark.parametrize("mac", [None, bytes(12)])
def test_the_rival_writes_the_suppliers_eui_and_another_mac(
    mac: bytes | None, bench: Bench
) -> None:
    forged = encode(replace(decode(command("4.8.1")[1]), mac=mac))
    reason = Discard.MAC_ABSENT if mac is None else Discard.MAC_INVALID
    assert_refused(bench, forged, reason)


def test_the_rival_sends_a_command_for_its_own_meter_to_anothers_topic(bench: Bench) -> None:
    octets = rival().command(OTHER_METER, "4.8.1", YESTERDAY)[1]
    assert_refused(bench, octets, Discard.FOREIGN_RECIPIENT)


def test_the_rival_changes_the_device_in_a_command_for_its_own_meter(bench: Bench) -> None:
    octets = rival().command(OTHER_METER, "4.8.1", YESTERDAY)[1]
    assert_refused(bench, octets.replace(bytes(OTHER_METER), bytes(METER)), Discard.MAC_INVALID)


def behind(eui: EUI, certificate: bytes) -> bytes:
    """Return a command of the ACB with this party behind it, and any party's certificate."""
    asked, _ = command("4.8.1", Role.OU)
    return encode(replace(asked, supplementary=Supplementary(eui, 1, None, certificate)), KEYS)


def test_the_rival_stands_behind_the_acb(bench: Bench) -> None:
    asked, _ = command("4.8.3", Role.OU)
    octets = encode(replace(asked, supplementary=Supplementary(RIVAL, 1)), KEYS)
    assert_refused(bench, octets, Reason.ROLE_NOT_ENTITLED)


def test_the_rival_originates_with_the_supplier_behind_it(bench: Bench) -> None:
    """The reply is addressed to the originator, so it must be entitled too."""
    asked, _ = command("4.8.3", Role.OU)
    octets = encode(replace(asked, originator=RIVAL), KEYS)
    assert_refused(bench, octets, Reason.ROLE_NOT_ENTITLED)
    for role in (Role.ED, Role.OU):
        bench.policy.ledger.reasons.clear()
        asked, _ = command("4.8.1", role)
        behind_it = Supplementary(party(role).eui, 1, None, party(role).certificate)
        octets = encode(replace(asked, originator=RIVAL, supplementary=behind_it), KEYS)
        assert_refused(bench, octets, Reason.NOT_REGISTERED)


def test_the_supplier_originates_with_the_rival_behind_it(bench: Bench) -> None:
    """The reply is encrypted for the party behind, whichever party originates the command."""
    refused: list[tuple[bytes, Reason | Discard]] = [
        (b"", Reason.NOT_REGISTERED),
        (rival().certificate, Reason.NOT_REGISTERED),
        (party(Role.OU).certificate, Discard.CERTIFICATE_FOREIGN),
    ]
    for certificate, reason in refused:
        bench.policy.ledger.reasons.clear()
        asked, _ = command("4.8.1")
        behind_it = Supplementary(RIVAL, 1, None, certificate)
        octets = encode(replace(asked, supplementary=behind_it), KEYS)
        assert_refused(bench, octets, reason)


def test_the_rival_sends_what_the_supplier_sent_once_more() -> None:
    """The reply is the supplier's alone, and there is none once it supplies no more."""
    bench = Bench(registry=two_suppliers())
    octets = command("4.8.1")[1]
    bench.receive(octets)
    bench.deliver()
    [again] = bench.receive(octets)
    assert again.recipient == SUPPLIER
    bench.change(bench.policy.change_of_supplier(METER, SUPPLIER, RIVAL, CHANGE, bench.now))
    bench.policy.ledger.reasons.clear()
    assert_refused(bench, octets, Reason.NOT_REGISTERED)


def test_the_acb_asks_for_itself(bench: Bench) -> None:
    asked, _ = command("4.8.1")
    octets = encode(replace(asked, originator=ACB), KEYS)
    assert_refused(bench, octets, Reason.UNKNOWN_PARTY)


def test_a_certificate_of_another_party_is_not_encrypted_for(bench: Bench) -> None:
    """The reply would be for the key in the certificate, and the entitlement another's."""
    strange = RemoteParty(EUI(b"\x22" * 8), frozenset({Role.OU}), KEYS, 1, behind_acb=True)
    octets = behind(OTHER_USER, strange.certificate)
    assert_refused(bench, octets, Discard.CERTIFICATE_FOREIGN)


def test_a_use_case_that_it_may_send_carries_the_read_of_another(bench: Bench) -> None:
    """ES may not read 4.8.1; the message code says 4.8.3, the payload 4.8.1."""
    bench.registry = default_registry()
    bench.restart()
    asked, _ = command("4.8.1", Role.ES)
    assert isinstance(asked.payload, AccessRequest)
    octets = encode(replace(asked, message_code=command("4.8.3")[0].message_code), KEYS)
    assert_refused(bench, octets, Reason.ROLE_NOT_ENTITLED)


@pytest.mark.parametrize("srv", ["4.1.1", "4.2", "4.3", "4.12.1", "4.13", "4.16", "4.18"])
def test_a_use_case_that_it_may_send_carries_what_another_reads_as_it_stands(srv: str) -> None:
    """Registers, debts and prices are no log, and not for other users all the same."""
    bench = Bench(registry=default_registry())
    asked, _ = party(Role.OU).ask(METER, service_of(srv))
    code = command("4.8.1")[0].message_code
    octets = encode(replace(asked, message_code=code), KEYS)
    assert_refused(bench, octets, Reason.ROLE_NOT_ENTITLED)


def test_reads_through_an_unknown_object_need_entitlement_too() -> None:
    """The meter refuses it; another one might not."""
    bench = Bench(registry=default_registry())
    backwards = Window(YESTERDAY.end, YESTERDAY.start)
    asked, _ = party(Role.OU).command(METER, "4.6.1", backwards)
    carrier, _ = command("4.8.1", Role.OU)
    assert isinstance(asked.payload, AccessRequest)
    assert isinstance(carrier.payload, AccessRequest)
    [daily], [half_hours] = asked.payload.accesses, carrier.payload.accesses
    hidden = replace(asked.payload, accesses=(replace(daily, obis=half_hours.obis),))
    octets = encode(replace(carrier, payload=hidden), KEYS)
    assert_refused(bench, octets, Reason.ROLE_NOT_ENTITLED)


@each(lambda vector: "_COMMAND" in vector.name)
def test_a_command_of_the_reference_test_data_needs_entitlement_to_its_own_srv(
    vector: Vector,
) -> None:
    """Those that write to an object, or reset it, do not read it.

    A command that is not of the reading service may read an object of it, such as the payment mode
    of the account (6.2.9), and takes the right to that too.
    """
    asked = decode(vector.octets)
    first, *others = [srv for srv, _ in touched(asked, vector.srv, read_requests_of(asked))]
    assert first == vector.srv
    got = set()
    if vector.use_case not in BY_USE_CASE and isinstance(asked.payload, AccessRequest):
        got = {item.obis for item in asked.payload.accesses if item.choice is Choice.GET}
    for srv in others:
        assert got & objects_of(srv), srv


def objects_of(srv: str) -> set[bytes]:
    return {
        item.obis
        for service in READING_SERVICES
        if service.srv == srv
        for access in service.accesses
        for item in access.attributes
    }


def test_reading_the_payment_mode_needs_entitlement_to_prepayment_configuration() -> None:
    asked, _ = command("4.8.3")
    account = Access(Choice.GET, 111, parse_dotted("0.0.19.0.0.255"), 2, NULL)
    assert isinstance(asked.payload, AccessRequest)
    payload = replace(asked.payload, accesses=(account,))
    mode = replace(asked, message_code=0x00BE, payload=payload)
    assert [srv for srv, _ in touched(mode, "6.2.9", read_requests_of(mode))] == ["6.2.9", "4.13"]


def test_a_read_with_a_limit_left_open_requires_all_dates() -> None:
    bench = Bench(registry=registered_from(CHANGE))
    asked, octets = command("4.8.3", Role.ED)
    assert bench.receive(octets) == []
    assert len(bench.forwards) == 1
    bench.deliver()
    assert isinstance(asked.payload, AccessRequest)
    access = asked.payload.accesses[0]
    whole = replace(access, selector=None, selection=None, choice=Choice.GET)
    for accesses in ((whole,), (access, whole), (whole, access)):
        bench.policy.ledger.reasons.clear()
        payload = replace(asked.payload, accesses=accesses)
        doubled = encode(replace(asked, originator_counter=9, payload=payload), KEYS)
        assert_refused(bench, doubled, Reason.NOT_REGISTERED)


@pytest.mark.parametrize("first", [0, 1])
def test_several_windows_in_one_command_are_required_all(first: int) -> None:
    bench = Bench(registry=registered_from(CHANGE))
    before = Window(YESTERDAY.start - DAY, YESTERDAY.start - 1)
    asked = [command("4.8.3", Role.ED, 1, window)[0] for window in (YESTERDAY, before)]
    payload = asked[0].payload
    assert isinstance(payload, AccessRequest)
    accesses = [one.payload.accesses[0] for one in asked if isinstance(one.payload, AccessRequest)]
    both = replace(payload, accesses=(accesses[first], accesses[not first]))
    octets = encode(replace(asked[0], payload=both), KEYS)
    assert_refused(bench, octets, Reason.NOT_REGISTERED)


@pytest.mark.parametrize(
    ("first_day", "local_midnight", "entitled"),
    [
        (date(2026, 1, 14), "2026-01-14T00:00:00Z", True),
        (date(2025, 7, 1), "2025-06-30T23:00:00Z", False),
        (date(2025, 7, 1), "2025-07-01T00:00:00Z", True),
        (date(2025, 10, 26), "2025-10-25T23:00:00Z", False),
        (date(2025, 3, 30), "2025-03-30T00:00:00Z", True),
    ],
)
def test_days_are_utc_even_in_british_summer_time(
    first_day: date, local_midnight: str, entitled: bool
) -> None:
    """The hour before a day of UTC is the old supplier's, though Britain has that day already."""
    registry = Registry(
        [(SUPPLIER, [Role.IS]), (RIVAL, [Role.IS])],
        [Registration(SUPPLIER, end=first_day), Registration(RIVAL, start=first_day)],
    )
    bench = Bench(registry=registry)
    start = parse_iso(local_midnight)
    octets = rival().command(METER, "4.8.1", Window(start, start + DAY))[1]
    bench.receive(octets)
    assert bool(bench.forwards) is entitled
    bench.forwards.clear()
    last = (first_day - date(2000, 1, 1)).days * DAY + DAY - 1
    for number, (end, has) in enumerate(((last, True), (last + 1, False)), 2):
        bench.receive(party(Role.IS, number).command(METER, "4.8.1", Window(start - DAY, end))[1])
        assert bool(bench.forwards) is has
        bench.forwards.clear()


@pytest.mark.parametrize("end", [YESTERDAY.end, MAX_INSTANT])
def test_a_window_without_end_needs_a_registration_without_end(end: int) -> None:
    bench = Bench(registry=two_suppliers())
    bench.change(bench.policy.change_of_supplier(METER, SUPPLIER, RIVAL, TOMORROW, bench.now))
    for who, entitled in ((SUPPLIER, end == YESTERDAY.end), (RIVAL, False)):
        one = RemoteParty(who, frozenset({Role.IS}), KEYS, 10)
        bench.receive(one.command(METER, "4.8.1", Window(YESTERDAY.start, end))[1])
        assert bool(bench.forwards) is entitled
        bench.forwards.clear()
    for start, entitled in ((NEXT_MIDNIGHT, True), (NEXT_MIDNIGHT - 1, False)):
        bench.receive(rival(start).command(METER, "4.8.1", Window(start, MAX_INSTANT))[1])
        assert bool(bench.forwards) is entitled
        bench.forwards.clear()


def test_the_consent_of_one_consumer_is_not_that_of_the_next() -> None:
    """Parties that the new consumer allows are entitled from that day on."""
    registry = two_suppliers()
    bench = Bench(registry=registry)
    bench.change(bench.policy.change_of_tenancy(METER, CHANGE, bench.now))
    whole = Window(YESTERDAY.start - DAY, YESTERDAY.end)
    for number, window in enumerate((YESTERDAY, whole)):
        assert bench.ask("4.8.1", Role.OU, 10 + number, window) == []
    assert bench.forwards == []
    bench.policy.register(Registration(OTHER_USER, Devices(METER, METER), start=CHANGE), bench.now)
    bench.ask("4.8.1", Role.OU, 20, YESTERDAY)
    assert len(bench.forwards) == 1


def registered_from(day: date, role: Role = Role.ED) -> Registry:
    eui = party(role).eui
    return Registry([(eui, [role])], [Registration(eui, start=day)])


@pytest.mark.parametrize("second", [-1, 0, 1])
def test_windows_that_straddle_the_change_by_a_second(second: int) -> None:
    """The old supplier to the end of the day of the change, the new one from its beginning."""
    day, midnight = CHANGE, YESTERDAY.start
    bench = Bench(registry=two_suppliers())
    bench.change(bench.policy.change_of_supplier(METER, SUPPLIER, RIVAL, day, bench.now))
    for number, (who, window, entitled) in enumerate(
        [
            (SUPPLIER, Window(midnight - DAY, midnight + DAY - 1 + second), second <= 0),
            (SUPPLIER, Window(midnight - DAY, midnight + second), True),
            (RIVAL, Window(midnight + second, midnight + DAY), second >= 0),
            (RIVAL, Window(midnight - DAY, midnight + second), False),
        ]
    ):
        before = len(bench.replies)
        one = RemoteParty(who, frozenset({Role.IS}), KEYS, 10 + number)
        bench.receive(one.command(METER, "4.8.1", window)[1])
        if bench.forwards:
            bench.deliver()
        assert (len(bench.replies) > before) is entitled, (number, window)
    bench.assert_settled()


def test_readings_are_not_given_to_another_party_for_a_wider_or_narrower_window() -> None:
    bench = Bench(registry=two_suppliers(), sub_window=True)
    bench.read_through("4.8.1", window=Window(YESTERDAY.start - 7 * DAY, YESTERDAY.end))
    for window in (YESTERDAY, Window(YESTERDAY.start, YESTERDAY.start)):
        assert bench.receive(rival().command(METER, "4.8.1", window)[1]) == []
    assert bench.policy.ledger.reasons == {Reason.NOT_REGISTERED: 2}


def test_a_counter_of_the_supplier_used_by_the_rival_mixes_up_nothing() -> None:
    """The counter is not secret; the transaction has the originator in it."""
    registry = two_suppliers()
    bench = Bench(registry=registry)
    bench.ask("4.8.1", Role.IS, counter=5)
    own = rival(5).command(OTHER_METER, "4.8.1", YESTERDAY)
    assert bench.receive(own[1], OTHER_METER) == []
    assert bench.receive(rival(5).command(METER, "4.8.1", YESTERDAY)[1]) == []
    replies = [*bench.deliver(), *bench.deliver()]
    assert [(reply.device, reply.recipient) for reply in replies] == [
        (METER, SUPPLIER),
        (OTHER_METER, RIVAL),
    ]
    bench.assert_settled()


@pytest.mark.parametrize("given_up", [False, True])
def test_a_counter_used_twice_brings_no_reply_after_entitlement_is_lost(given_up: bool) -> None:
    """The reply may be to the read that the party is no longer entitled to."""
    bench = Bench(registry=two_suppliers())
    kept = Window(YESTERDAY.start - 2 * DAY, YESTERDAY.start - DAY)
    lost = Window(YESTERDAY.end, YESTERDAY.end + 3600)
    for window in (lost, kept) if given_up else (kept, lost):
        bench.now += 30
        bench.ask("4.8.1", Role.IS, 7, window)
    if not given_up:
        bench.meter_reply()
    reply = bench.meter_reply()
    bench.change(bench.policy.change_of_supplier(METER, SUPPLIER, RIVAL, CHANGE, bench.now))
    if given_up:
        bench.expire(30)
    assert bench.deliver(reply) == []
    assert bench.policy.ledger.reasons[f"withheld-{Reason.NOT_REGISTERED}"] == 1
    bench.expire()
    bench.assert_settled()


def test_a_party_that_lost_its_entitlement_while_waiting_gets_no_reply() -> None:
    bench = Bench(registry=two_suppliers())
    bench.ask("4.8.1", Role.OU, counter=1)
    bench.ask("4.8.1", Role.ED, counter=2)
    bench.ask("4.8.1", Role.OU, counter=3)
    day = date(2000, 1, 1)
    bench.change(bench.policy.change_of_tenancy(METER, day, bench.now))
    (reply,) = bench.deliver()
    assert reply.recipient == DISTRIBUTOR
    assert bench.store == {}
    reasons = bench.policy.ledger.reasons
    assert reasons == {
        f"withheld-{Reason.NOT_REGISTERED}": 1,
        Reason.NOT_REGISTERED: 1,
        "flushed-not-kept": 1,
    }
    bench.assert_settled()


@pytest.mark.parametrize(("seconds", "answers"), [(-1, 1), (0, 0)])
def test_entitlement_to_a_read_without_a_window_counts_when_the_reply_comes(
    seconds: int, answers: int
) -> None:
    """Read on the last day of a registration, answered on the next."""
    registry = Registry(
        [(SUPPLIER, [Role.IS])], [Registration(SUPPLIER, Devices(METER, METER), end=TOMORROW)]
    )
    bench = Bench(registry=registry)
    bench.now = UNIX_NOW + UNTIL_TOMORROW - 2
    bench.receive(party(Role.IS).ask(METER, service_of("4.1.1"))[1])
    bench.now = UNIX_NOW + UNTIL_TOMORROW + seconds
    assert len(bench.deliver()) == answers
    withheld = {f"withheld-{Reason.NOT_REGISTERED}": 1} if not answers else {}
    assert bench.policy.ledger.reasons == withheld


def test_a_command_that_cannot_be_verified_is_refused_by_the_parties_it_names() -> None:
    from gbcs import FileKeystore

    bench = Bench(keystore=FileKeystore({}), registry=two_suppliers())
    assert_refused(bench, rival().command(METER, "4.8.1", YESTERDAY)[1], Reason.NOT_REGISTERED)


def test_a_change_flushes_the_device_and_replies_in_flight_are_not_kept() -> None:
    bench = Bench(registry=two_suppliers())
    bench.read_through("4.8.1", Role.IS, 1)
    bench.read_through("4.8.3", Role.ED, 2)
    bench.receive(rival(3).command(OTHER_METER, "4.8.1", YESTERDAY)[1], OTHER_METER)
    bench.deliver()
    earlier = Window(YESTERDAY.start - DAY, YESTERDAY.start)
    bench.ask("4.8.1", Role.IS, 4, earlier)
    lost = bench.meter_reply()
    bench.change(
        bench.policy.change_of_supplier(METER, SUPPLIER, RIVAL, date(2026, 1, 15), bench.now)
    )
    assert {key.device for key in bench.store} == {OTHER_METER}
    (relayed,) = bench.deliver(lost)
    assert relayed.status == "s1sp; fwd=miss; detail=flushed-not-kept"
    assert {key.device for key in bench.store} == {OTHER_METER}
    bench.now += 1
    bench.read_through("4.8.1", Role.IS, 5)
    assert len(bench.ask("4.8.1", Role.ED, 6)) == 1


@pytest.mark.parametrize("given_up", ["before", "after"])
def test_a_late_reply_to_a_command_sent_before_a_change_is_not_kept(given_up: str) -> None:
    bench = Bench(registry=two_suppliers())
    bench.ask("4.8.1")
    late = bench.meter_reply()
    if given_up == "before":
        bench.expire()
    bench.change(bench.policy.change_of_tenancy(METER, CHANGE, bench.now))
    if given_up == "after":
        bench.expire()
    assert bench.deliver(late) == []
    assert bench.store == {}
    assert bench.policy.ledger.reasons["late-reply"] == 1


def test_an_entry_looked_up_while_the_device_is_flushed_is_not_served() -> None:
    bench = Bench(registry=two_suppliers())
    bench.read_through("4.8.1")
    bench.looks_up = False
    bench.ask("4.8.1", Role.ED, 2)
    [claim] = bench._claims
    entry = bench.store[claim.key]
    bench.change(bench.policy.change_of_tenancy(METER, CHANGE, bench.now))
    bench._claims.clear()
    bench.looks_up = True
    assert bench.answer(claim, entry) == []
    assert len(bench.forwards) == 1


def test_a_store_that_could_not_be_flushed_serves_nothing_and_is_flushed_later() -> None:
    store = BenchStore()
    bench = Bench(registry=two_suppliers(), shared_store=store)
    bench.read_through("4.8.1")
    store.failing = True
    bench.change(bench.policy.change_of_tenancy(METER, CHANGE, bench.now))
    store.failing = False
    assert len(bench.store) == 1
    bench.now += 1
    assert bench.ask("4.8.1", Role.ED, 2) == []
    assert len(bench.deliver()) == 1
    bench.change(bench.policy.pending_flushes())
    assert bench.store == {}
    assert bench.policy.pending_flushes() == []


def supplied(old_until: date, new_from: date) -> Registry:
    """Return a registry with a change of supplier in the future."""
    return Registry(
        [(SUPPLIER, [Role.IS]), (RIVAL, [Role.IS]), (DISTRIBUTOR, [Role.ED])],
        [Registration(SUPPLIER, end=old_until), Registration(RIVAL, start=new_from)],
    )


def foretold(how: str) -> Bench:
    """Return a bench with a change that holds from tomorrow on."""
    if how == "file":
        return Bench(registry=supplied(TOMORROW, TOMORROW))
    bench = Bench(registry=two_suppliers())
    if how == "supplier":
        change = bench.policy.change_of_supplier(METER, SUPPLIER, RIVAL, TOMORROW, bench.now)
    else:
        change = bench.policy.change_of_tenancy(METER, TOMORROW, bench.now)
    bench.change(change)
    bench.now += 1
    return bench


FORETOLD = pytest.mark.parametrize("how", ["file", "supplier", "tenancy"])


@FORETOLD
def test_entries_from_before_the_day_of_a_change_are_not_served_from_that_day_on(how: str) -> None:
    bench = foretold(how)
    bench.read_through("4.8.1", Role.ED, 1)
    bench.now = UNIX_NOW + UNTIL_TOMORROW - 0.001
    assert len(bench.ask("4.8.1", Role.ED, 2)) == 1
    bench.now = UNIX_NOW + UNTIL_TOMORROW
    assert bench.ask("4.8.1", Role.ED, 3) == []
    bench.now += 1
    assert len(bench.deliver()) == 1
    [reply] = bench.ask("4.8.1", Role.ED, 4)
    assert reply.age == 0
    bench.assert_settled()


@FORETOLD
def test_replies_to_commands_from_before_the_day_of_a_change_are_not_kept_on_it(how: str) -> None:
    bench = foretold(how)
    bench.now = UNIX_NOW + UNTIL_TOMORROW - 1
    bench.ask("4.8.1", Role.ED, 1)
    bench.ask("4.8.3", Role.ED, 2)
    late = bench.meter_reply()
    bench.now += 2
    [reply] = bench.deliver()
    assert reply.status == "s1sp; fwd=miss; detail=flushed-not-kept"
    bench.expire()
    assert bench.deliver(late) == []
    assert bench.store == {}
    assert bench.policy.ledger.reasons["late-reply"] == 1


@FORETOLD
def test_an_entry_looked_up_as_the_day_of_a_change_begins_is_not_served(how: str) -> None:
    bench = foretold(how)
    bench.read_through("4.8.1", Role.ED, 1)
    bench.now = UNIX_NOW + UNTIL_TOMORROW - 0.001
    bench.looks_up = False
    bench.ask("4.8.1", Role.ED, 2)
    [claim] = bench._claims
    bench._claims.clear()
    entry = bench.store[claim.key]
    bench.looks_up = True
    bench.now += 1
    assert bench.answer(claim, entry) == []
    assert len(bench.forwards) == 1


@FORETOLD
def test_a_wider_entry_from_before_the_day_of_a_change_is_not_cut(how: str) -> None:
    bench = foretold(how)
    bench.settings = replace(bench.settings, sub_window=True)
    bench.restart()
    bench.read_through("4.8.1", Role.ED, 1, Window(YESTERDAY.start - DAY, YESTERDAY.end))
    assert len(bench.ask("4.8.1", Role.ED, 2)) == 1
    bench.now = UNIX_NOW + UNTIL_TOMORROW
    assert bench.ask("4.8.1", Role.ED, 3, Window(YESTERDAY.start - DAY, YESTERDAY.start)) == []
    assert len(bench.forwards) == 1


def test_the_day_of_a_change_affects_its_device_alone() -> None:
    bench = foretold("supplier")
    bench.receive(rival(1).command(OTHER_METER, "4.8.1", YESTERDAY)[1], OTHER_METER)
    bench.deliver()
    bench.now = UNIX_NOW + UNTIL_TOMORROW
    octets = rival(2).command(OTHER_METER, "4.8.1", YESTERDAY)[1]
    assert len(bench.receive(octets, OTHER_METER)) == 1


def test_an_entitled_party_gets_its_readings_all_the_same(bench: Bench) -> None:
    bench.ask("4.8.1", Role.ED, 3)
    while bench.forwards:
        bench.deliver()
    (reply,) = bench.replies
    rows = readings_in(decode(reply.octets, KEYS), "4.8.1")
    assert (rows[0]["time"], rows[-1]["time"]) == (MIDNIGHT - DAY, MIDNIGHT)
    assert isinstance(decode(command("4.8.1")[1]), Command)
