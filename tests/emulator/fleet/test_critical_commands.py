"""Critical commands need a valid signature; answers are signed and have no MAC."""

from dataclasses import replace

import pytest

from esme_emulator.messaging.validation import Discard
from gbcs import EUI, FileKeystore, KeyUsage, Response, Status, decode, encode
from gbcs.crypto.keystore import point
from gbcs.dlms.access import AccessResponse
from gbcs.instants import to_date_time
from gbcs.tables.dated_responses import DATED
from gbcs.tables.reading_services import BY_CODE
from gbcs.tables.roles import Role
from gbcs.tables.use_cases import use_case
from tests.emulator.cache.bench import Bench
from tests.emulator.fleet.test_fleet_receipts import make_fleet
from tests.support.critical import ECS01A, ECS01C, ECS42, critical_command
from tests.support.estate import KEYS, METER, NOW, UNIX_NOW, party
from tests.support.rtds import Vector, each
from tests.support.second_hand import fields

CS01A = 0x0007


def reply_to(octets: bytes) -> Response:
    receipt = make_fleet().receive(METER, octets, UNIX_NOW)
    assert receipt.outcome == "refused"
    reply = decode(receipt.reply or b"", KEYS)
    assert isinstance(reply, Response)
    return reply


@pytest.mark.parametrize(("code", "dated"), [(ECS42, False), (ECS01A, True), (ECS01C, True)])
def test_the_answer_is_signed_without_mac_and_with_time_if_the_use_case_has_it(
    code: int, dated: bool
) -> None:
    asked = critical_command(code)
    reply = reply_to(encode(asked, KEYS))
    assert (reply.signature_status, reply.mac_status) == (Status.VALID, Status.ABSENT)
    assert (reply.recipient, reply.originator_counter) == (asked.originator, 7)
    assert reply.transaction_time == (to_date_time(NOW) if dated else b"")
    assert isinstance(reply.payload, AccessResponse)
    assert [result.code for result in reply.payload.results] == [4, 250]


def test_the_same_command_gives_the_same_octets() -> None:
    octets = encode(critical_command(), KEYS)
    first, second = (make_fleet().receive(METER, octets, UNIX_NOW).reply for _ in range(2))
    assert first == second is not None


def without_signing_keys(*owners: EUI) -> FileKeystore:
    """Return a keystore with only the MAC keys of these EUIs."""
    rows = {}
    for eui in owners:
        private = KEYS.private_key(eui, KeyUsage.KEY_AGREEMENT)
        public = KEYS.public_key(eui, KeyUsage.KEY_AGREEMENT)
        assert private is not None
        assert public is not None
        scalar = f"{private.private_numbers().private_value:064x}"
        rows[str(eui)] = {"ka": {"private": scalar, "public": point(public).hex()}}
    return FileKeystore(rows)


def test_a_signature_of_an_unknown_key_is_discarded() -> None:
    keys = without_signing_keys(METER, KEYS.access_control_broker, party(Role.IS).eui)
    octets = encode(critical_command(), KEYS)
    receipt = make_fleet(keystore=keys).receive(METER, octets, UNIX_NOW)
    assert (receipt.outcome, receipt.reply) == (Discard.NO_KEY, None)


def test_the_cache_forwards_a_signed_answer_but_no_forged_one() -> None:
    bench = Bench()
    assert bench.receive(encode(critical_command(), KEYS)) == []
    octets = bench.meter_reply()
    forged = encode(replace(decode(octets), signature=bytes([1]) * 64))
    assert bench.deliver(forged) == []
    assert bench.policy.ledger.reasons == {"reply-signature-invalid": 1}
    (reply,) = bench.deliver(octets)
    assert (reply.octets, reply.recipient) == (octets, party(Role.IS).eui)
    bench.assert_settled()


def test_the_answer_to_a_top_up_carries_the_time_and_has_a_mac() -> None:
    asked = replace(critical_command(), message_code=CS01A, signature=b"", mac=b"")
    reply = reply_to(encode(asked, KEYS))
    assert (reply.signature_status, reply.mac_status) == (Status.ABSENT, Status.VALID)
    assert reply.transaction_time == to_date_time(NOW)


def _is_of_no_read(vector: Vector) -> bool:
    code = fields(vector.octets).message_code
    return vector.direction == "RESPONSE" and code not in BY_CODE


@each(_is_of_no_read)
def test_a_response_of_the_rtds_has_a_time_if_the_table_says_so(vector: Vector) -> None:
    response = decode(vector.octets)
    if not isinstance(response.payload, AccessResponse):
        return
    assert (response.message_code in DATED) is bool(response.transaction_time)
    found = use_case(response.message_code)
    if found is not None and found.critical:
        assert len(response.signature or b"") == 64
        assert response.mac is None
