"""Our own vectors, from independent code: twin element rows, and parties behind the ACB.

No message of the RTDS is needed. Keys are derived from a seed; the octets are put together here.
"""

import struct
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from esme_emulator.estate.keys import DerivedKeystore, make_certificate
from esme_emulator.estate.parties import OTHER_USER, SUPPLIER, RemoteParty
from gbcs import EUI, Command, Keystore, KeyUsage, Status, decode, encode
from gbcs.dlms.access import AccessResponse
from gbcs.instants import parse_iso
from gbcs.json_form import from_json, to_json
from gbcs.tables.profile_logs import BY_SRV
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import (
    ProfileRead,
    Window,
    answer_profile_read,
    buffer_of,
    profile_read_of,
    rows_of,
    takes_own_counter,
)
from gbcs.usecases.responding import refuse
from tests.support.codec_check import check_truncations
from tests.support.second_hand import (
    COMMAND,
    ENCRYPTION,
    RESPONSE,
    agreed,
    encrypt,
    grouping,
    lv,
    message_key,
    seal,
)

METER = EUI.parse("00DBE50000000007")
KEYS = DerivedKeystore("own vectors")
ACB = KEYS.access_control_broker

COUNTER, OWN_COUNTER = 0x0102030405060708, 0x1112131415161718
START, END = "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"
START_OCTETS, END_OCTETS = "07EA0301FF000000008000FF", "07EA0302FF000000008000FF"
START_SECONDS = 0x31363E00
OTHER_REASON = 250
U32 = "06"


@dataclass(frozen=True)
class Table:
    """A log's buffer: the type of its rows, the rows, and the first row as users see it."""

    srv: str
    code: str
    log: str
    protection: str
    description: str
    numbers: tuple[tuple[int, ...], ...]
    first: dict[str, object]

    @property
    def buffer(self) -> bytes:
        contents = b"".join(struct.pack(f">{len(row)}I", *row) for row in self.numbers)
        return bytes.fromhex("13" + self.description) + lv(contents)


TWIN_PROFILE = Table(
    "4.8.1",
    "0037",
    "0000630100FF",
    "00002B0207FF",
    "0203" + 3 * U32,
    tuple((START_SECONDS + 1800 * index, 100 + index, 7 * index) for index in range(49)),
    {"time": START_SECONDS, "primary": 100, "secondary": 0},
)
SINGLE_PROFILE = Table(
    "4.8.1",
    "0037",
    "0000630100FF",
    "00002B0207FF",
    "0202" + 2 * U32,
    tuple((START_SECONDS + 1800 * index, 100 + index) for index in range(49)),
    {"time": START_SECONDS, "primary": 100},
)
TWIN_DAILY = Table(
    "4.6.1",
    "0033",
    "0000620109FF",
    "00002B0205FF",
    "0209" + 3 * U32 + "01003006" + "01000406" + 4 * "01000806",
    tuple(
        (START_SECONDS + 86_400 * day, 5000 + day, 900 + day, *range(1000 * day, 1000 * day + 84))
        for day in range(2)
    ),
    {
        "time": START_SECONDS,
        "import": 5000,
        "secondary_import": 900,
        "tou": tuple(range(48)),
        "secondary_tou": (48, 49, 50, 51),
        "blocks": (
            tuple(range(52, 60)),
            tuple(range(60, 68)),
            tuple(range(68, 76)),
            tuple(range(76, 84)),
        ),
    },
)
TABLES = (TWIN_PROFILE, SINGLE_PROFILE, TWIN_DAILY)
each_table = pytest.mark.parametrize("table", TABLES, ids=("twin 4.8.1", "4.8.1", "twin 4.6.1"))
each_party = pytest.mark.parametrize("behind", [False, True], ids=("known", "behind the ACB"))


def _secret(one: EUI, other: EUI) -> bytes:
    usage = KeyUsage.KEY_AGREEMENT
    return agreed(KEYS.private_key(one, usage), KEYS.public_key(other, usage))


def _eight(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _invoke_id() -> bytes:
    return b"\x20" + _eight(COUNTER)[-3:]


def _protection(originator: EUI, recipient: EUI) -> bytes:
    return b"".join(
        (
            bytes.fromhex("0101 0202 1602 0205 0909 04"),
            _eight(COUNTER),
            b"\x09\x08" + originator,
            b"\x09\x08" + recipient,
            bytes.fromhex("0900 0202 1602 0202 0901 02 0900"),
        )
    )


def _command(table: Table, behind: bool) -> bytes:
    """Return the command for `table`: from the supplier, or from the other user behind the ACB."""
    originator, party = (ACB, OTHER_USER) if behind else (SUPPLIER, SUPPLIER)
    information = bytes.fromhex(table.code)
    if behind:
        information += OTHER_USER + _eight(COUNTER) + make_certificate(OTHER_USER, KEYS)
    content = b"".join(
        (
            b"\xd9" + _invoke_id() + b"\x00",
            bytes.fromhex("01 03 001E" + table.protection + "01 01 0202 0101 0205 120007"),
            bytes.fromhex("0906" + table.log + "0F02 120000 0202 1601 0202"),
            bytes.fromhex("090C" + START_OCTETS + "090C" + END_OCTETS),
            _protection(party, METER),
        )
    )
    pre_command = grouping(COMMAND, COUNTER, originator, METER, information, content)
    secret = _secret(ACB, METER)
    key = message_key(secret, originator, COMMAND, COUNTER, METER)
    return seal(key, originator, pre_command + b"\x00")


def _response(table: Table, behind: bool) -> bytes:
    """Return the meter's answer to `_command`, with the rows of `table`."""
    recipient, party = (ACB, OTHER_USER) if behind else (SUPPLIER, SUPPLIER)
    information = bytes.fromhex(table.code)
    if behind:
        information += OTHER_USER + _eight(COUNTER) + _eight(OWN_COUNTER)
    secret = _secret(METER, party)
    counter = OWN_COUNTER if behind else COUNTER
    key = message_key(secret, METER, ENCRYPTION, counter, party)
    blob = encrypt(key, METER, b"\x02\x01" + table.buffer)
    content = b"".join(
        (
            b"\xda" + _invoke_id() + bytes.fromhex("00 00 01 0202"),
            _protection(METER, recipient),
            b"\x09" + lv(blob),
            bytes.fromhex("01 03 00"),
        )
    )
    return _sealed_response(information, content, recipient)


def _sealed_response(information: bytes, content: bytes, recipient: EUI) -> bytes:
    sealed = grouping(RESPONSE, COUNTER, METER, recipient, information, content) + b"\x00"
    secret = _secret(METER, recipient)
    return seal(message_key(secret, METER, RESPONSE, COUNTER, recipient), METER, sealed)


def _party(behind: bool) -> RemoteParty:
    eui, role = (OTHER_USER, Role.OU) if behind else (SUPPLIER, Role.IS)
    return RemoteParty(eui, frozenset({role}), KEYS, COUNTER, behind)


@each_party
@each_table
def test_command(table: Table, behind: bool) -> None:
    window = Window(parse_iso(START), parse_iso(END))
    _, octets = _party(behind).command(METER, table.srv, window)
    assert octets.hex() == _command(table, behind).hex()
    command = decode(octets, KEYS)
    assert command.mac_status is Status.VALID
    assert profile_read_of(command) == ProfileRead(BY_SRV[table.srv], window)
    assert takes_own_counter(command, BY_SRV[table.srv]) is behind
    assert command.remote_party == (OTHER_USER if behind else SUPPLIER)
    assert command.device == METER


@each_party
@each_table
def test_response(table: Table, behind: bool) -> None:
    log = BY_SRV[table.srv]
    command = decode(_command(table, behind), KEYS)
    assert isinstance(command, Command)
    own_counter = OWN_COUNTER if behind else None
    octets = answer_profile_read(command, log, table.buffer, KEYS, own_counter)
    assert octets.hex() == _response(table, behind).hex()


@each_party
@each_table
def test_readings(table: Table, behind: bool) -> None:
    log = BY_SRV[table.srv]
    octets = _response(table, behind)
    response = decode(octets, KEYS)
    assert response.mac_status is Status.VALID
    assert [item.status for item in response.protected] == [Status.VALID]
    assert response.remote_party == (OTHER_USER if behind else SUPPLIER)
    assert buffer_of(response, log) == table.buffer
    rows = rows_of(log, table.buffer)
    assert rows[0] == table.first
    assert len(rows) == len(table.numbers)
    assert encode(response) == octets
    assert encode(from_json(to_json(response))) == octets
    check_truncations(lambda part: decode(part, KEYS), octets)


@each_party
def test_refusal(behind: bool) -> None:
    recipient = ACB if behind else SUPPLIER
    information = bytes.fromhex("0037") + (OTHER_USER + _eight(COUNTER) if behind else b"")
    content = b"\xda" + _invoke_id() + bytes((0, 0, 1, 0, 1, 3, OTHER_REASON))
    command = decode(_command(SINGLE_PROFILE, behind), KEYS)
    assert isinstance(command, Command)
    refusal = refuse(command, OTHER_REASON, KEYS)
    assert refusal.hex() == _sealed_response(information, content, recipient).hex()
    response = decode(refusal, KEYS)
    assert response.mac_status is Status.VALID
    assert isinstance(response.payload, AccessResponse)
    assert buffer_of(response, BY_SRV["4.8.1"]) == OTHER_REASON


class WithoutTheParty(Keystore):
    """The keys of a meter: all but those of a party behind the ACB."""

    def private_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePrivateKey | None:
        return None if eui == OTHER_USER else KEYS.private_key(eui, usage)

    def public_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePublicKey | None:
        return None if eui == OTHER_USER else KEYS.public_key(eui, usage)


def test_a_meter_takes_the_key_of_the_party_from_its_certificate() -> None:
    command = decode(_command(TWIN_PROFILE, True), WithoutTheParty())
    assert isinstance(command, Command)
    log = BY_SRV["4.8.1"]
    octets = answer_profile_read(command, log, TWIN_PROFILE.buffer, WithoutTheParty(), OWN_COUNTER)
    assert octets.hex() == _response(TWIN_PROFILE, True).hex()


def test_readings_do_not_open_without_the_key_of_the_party() -> None:
    response = decode(_response(TWIN_PROFILE, True), WithoutTheParty())
    assert response.mac_status is Status.VALID
    assert [item.status for item in response.protected] == [Status.UNVERIFIED]
    assert response.protected[0].plaintext is None
