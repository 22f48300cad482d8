"""Reading services, with our own vectors from independent code: no message of the RTDS is needed.

Accesses are written out here in octets, from the GBCS use cases; keys are derived from a seed.
"""

from dataclasses import dataclass

import pytest

from esme_emulator.estate.keys import DerivedKeystore, make_certificate
from esme_emulator.estate.parties import OTHER_USER, SUPPLIER
from gbcs import EUI, Command, KeyUsage, Status, Supplementary, decode, encode
from gbcs.instants import parse_iso
from gbcs.tables.reading_services import BY_USE_CASE, READING_SERVICES
from gbcs.usecases.answer import answer_reading, needs_own_counter
from gbcs.usecases.read_request import Window, read_requests_of, reading_command
from gbcs.usecases.responding import refuse
from gbcs.usecases.values import values_of
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
WINDOW = Window(parse_iso("2026-03-01"), parse_iso("2026-03-02"))
FROM_TO = "1601 0202 090C 07EA0301FF000000008000FF 090C 07EA0302FF000000008000FF"
START, END = "31363E00", "31378F80"
TIME = bytes.fromhex("07EA0303FF010203008000FF")

BY_RANGE = f"01 0204 0204 120001 0906 00005E2C64FF 0F02 120000 06{START} 06{END} 0100"
U32, NULL = "06000000FF", "00"
UNIT = "02020F00161E"
DATE = "090C07EA0215FF123456008000FF"


@dataclass(frozen=True)
class Own:
    """A service: the specifications of its accesses, and one value of each attribute, in hex.

    A protected one is the object and, for each attribute it protects, class, OBIS and attribute.
    """

    use_case: str
    specifications: tuple[str, ...]
    values: tuple[str, ...]
    carries_time: bool
    protection: str = ""
    windowed: bool = False

    @property
    def code(self) -> bytes:
        return BY_USE_CASE[self.use_case].message_code.to_bytes(2, "big")


def _voltages(phase: str) -> tuple[str, ...]:
    return (
        f"01 0003 0100{phase}200004 02",
        f"01 0003 0100{phase}200004 03",
        f"01 0003 0100{phase}240004 02",
        f"01 0003 0100{phase}240004 03",
        f"04 0007 0100{phase}1800FF 02 {BY_RANGE}",
        f"01 0007 0100{phase}1800FF 04",
    )


VOLTAGE_LOG = "13 02020606 10 31363E00 000000F0 31364508 000000F1"
VOLTAGE_VALUES = (U32, "02020F0016FF", U32, "02020F0016FF", VOLTAGE_LOG, "0600000708")
SINGLE_ROW = "13 0207 06 06 010030 06" + 4 * "010008 06" + "820148 31363E00" + 81 * "00000001"
BALANCES = "13 0207 06" + 6 * "05" + "1C 31363E00" + 6 * "FFFFFFFE"

OWN = (
    Own(
        "ECS17a",
        (
            "01 0003 0100020800FF 02",
            "01 0003 0100020800FF 03",
            "01 0003 0100040800FF 02",
            "01 0003 0100040800FF 03",
        ),
        (U32, UNIT, U32, "02020F001620"),
        True,
    ),
    Own(
        "ECS17e",
        ("0001 0906 00005E2C2202 02",),
        ("0201 0140" + 64 * U32,),
        True,
        "00002B020AFF",
    ),
    Own(
        "ECS18a",
        (
            "01 0001 00005E2C0502 02",
            "01 0004 0100020600FF 02",
            "01 0004 0100020600FF 03",
            "01 0004 0100020600FF 05",
        ),
        (DATE, U32, "02020F00161B", DATE),
        True,
    ),
    Own(
        "ECS18b",
        (
            "01 0001 00005E2C0500 02",
            "01 0001 00005E2C0501 02",
            "01 0004 0100010600FF 02",
            "01 0004 0100010600FF 03",
            "01 0004 0100010600FF 05",
            "01 0004 0100010601FF 02",
            "01 0004 0100010601FF 03",
            "01 0004 0100010601FF 05",
            "01 000A 00000C0000FF 02",
        ),
        (DATE, DATE, U32, "02020F00161B", DATE, U32, "02020F00161B", DATE, "0100"),
        True,
    ),
    Own(
        "ECS20c",
        ("0007 0906 0000620100FF 02", "0007 0906 0000620101FF 02"),
        (SINGLE_ROW, BALANCES),
        False,
        "00002B0202FF",
        windowed=True,
    ),
    Own(
        "ECS23b",
        (*_voltages("20"), *_voltages("34"), *_voltages("48")),
        3 * VOLTAGE_VALUES,
        True,
        windowed=True,
    ),
    Own(
        "ECS24",
        (
            "01 0003 00005E2C0107 02",
            "01 0003 00005E2C0107 03",
            "01 0014 00000D0000FF 03",
            "01 0014 00000D0000FF 04",
            "01 0014 00000D0000FF 05",
            "01 000B 00000B0000FF 02",
            *(f"01 0015 000010 00{tou:02X}FF 02" for tou in range(11, 19)),
            "01 2328 00005E2C0200 02",
            "01 0071 0000131404FF 05",
            "01 0071 0000131400FF 05",
        ),
        (U32, "02020FFB16FE", *4 * ("0100",), *8 * ("0103" + 3 * U32,), "03FF", "0200", "0200"),
        False,
    ),
    Own(
        "ECS66",
        ("0007 0906 0000630103FF 02",),
        ("13 02020606 08 31363E00 00001000",),
        False,
        "00002B0204FF",
        windowed=True,
    ),
)
each_own = pytest.mark.parametrize("own", OWN, ids=lambda own: own.use_case)
each_party = pytest.mark.parametrize("behind", [False, True], ids=("known", "behind the ACB"))


def test_every_use_case_without_a_vector_has_one_here() -> None:
    assert [own.use_case for own in OWN] == sorted(
        service.use_case for service in READING_SERVICES if not service.vector
    )


def _eight(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _invoke_id() -> bytes:
    return b"\x20" + _eight(COUNTER)[-3:]


def _secret(one: EUI, other: EUI) -> bytes:
    usage = KeyUsage.KEY_AGREEMENT
    return agreed(KEYS.private_key(one, usage), KEYS.public_key(other, usage))


def _parameters(originator: EUI, recipient: EUI) -> bytes:
    return b"".join(
        (
            bytes.fromhex("0101 0202 1602 0205 0909 04") + _eight(COUNTER),
            b"\x09\x08" + originator + b"\x09\x08" + recipient,
            bytes.fromhex("0900 0202 1602 0202 0901 02 0900"),
        )
    )


def _protected_read(attribute: str, windowed: bool) -> bytes:
    class_id, tag, obis, index = attribute.split()
    restriction = FROM_TO if windowed else "1600 00"
    return bytes.fromhex(f"0205 12{class_id} {tag}{obis} 0F{index} 120000 0202 {restriction}")


def _content(own: Own, party: EUI) -> bytes:
    """Return the access-request."""
    head = b"\xd9" + _invoke_id() + b"\x00"
    number = bytes((len(own.specifications),))
    if not own.protection:
        asked = bytes.fromhex("".join(own.specifications))
        return head + number + asked + number + bytes(len(own.specifications))
    reads = [_protected_read(item, own.windowed) for item in own.specifications]
    action = bytes.fromhex(f"01 03 001E {own.protection} 01 01 0202 01") + number
    return head + action + b"".join(reads) + _parameters(party, METER)


def _command(own: Own, behind: bool) -> bytes:
    originator, party = (ACB, OTHER_USER) if behind else (SUPPLIER, SUPPLIER)
    information = own.code
    if behind:
        certificate = make_certificate(OTHER_USER, KEYS) if own.protection else b""
        information += OTHER_USER + _eight(COUNTER) + certificate
    content = _content(own, party)
    pre_command = grouping(COMMAND, COUNTER, originator, METER, information, content)
    key = message_key(_secret(ACB, METER), originator, COMMAND, COUNTER, METER)
    return seal(key, originator, pre_command + b"\x00")


def _response(own: Own, behind: bool) -> bytes:
    recipient, party = (ACB, OTHER_USER) if behind else (SUPPLIER, SUPPLIER)
    information = own.code + (OTHER_USER + _eight(COUNTER) if behind else b"")
    values = [bytes.fromhex(value) for value in own.values]
    if own.protection:
        information += _eight(OWN_COUNTER) if behind else b""
        counter = OWN_COUNTER if behind else COUNTER
        key = message_key(_secret(METER, party), METER, ENCRYPTION, counter, party)
        blob = encrypt(key, METER, bytes((2, len(values))) + b"".join(values))
        data = bytes.fromhex("0202") + _parameters(METER, recipient) + b"\x09" + lv(blob)
        results, number = b"\x03\x00", b"\x01"
    else:
        data, results = b"".join(values), len(values) * b"\x01\x00"
        number = bytes((len(values),))
    content = b"\xda" + _invoke_id() + b"\x00\x00" + number + data + number + results
    return _seal_response(own, recipient, information, content)


def _seal_response(own: Own, recipient: EUI, information: bytes, content: bytes) -> bytes:
    time = TIME if own.carries_time else b""
    sealed = grouping(RESPONSE, COUNTER, METER, recipient, information, content, time) + b"\x00"
    key = message_key(_secret(METER, recipient), METER, RESPONSE, COUNTER, recipient)
    return seal(key, METER, sealed)


def _decoded(own: Own, behind: bool) -> Command:
    command = decode(_command(own, behind), KEYS)
    assert isinstance(command, Command)
    return command


@each_party
@each_own
def test_command(own: Own, behind: bool) -> None:
    service = BY_USE_CASE[own.use_case]
    certificate = make_certificate(OTHER_USER, KEYS) if own.protection else b""
    command = reading_command(
        service,
        device=METER,
        originator=ACB if behind else SUPPLIER,
        counter=COUNTER,
        window=WINDOW if own.windowed else None,
        supplementary=Supplementary(OTHER_USER, COUNTER, None, certificate) if behind else None,
    )
    octets = encode(command, KEYS)
    assert octets.hex() == _command(own, behind).hex()
    assert decode(octets, KEYS).mac_status is Status.VALID
    requests = read_requests_of(decode(octets, KEYS))
    assert requests is not None
    assert len(requests) == len(service.accesses)
    windows = {item.window for request in requests for item in request.attributes} - {None}
    assert windows == ({WINDOW} if own.windowed else set())
    check_truncations(lambda part: read_requests_of(decode(part, KEYS)), octets)


@each_party
@each_own
def test_response(own: Own, behind: bool) -> None:
    command = _decoded(own, behind)
    values = tuple([bytes.fromhex(value) for value in own.values])
    results = (values,) if own.protection else [(value,) for value in values]
    assert needs_own_counter(command, results) is (behind and bool(own.protection))
    time = TIME if own.carries_time else b""
    octets = answer_reading(command, results, KEYS, OWN_COUNTER if behind else None, time)
    assert octets.hex() == _response(own, behind).hex()
    assert BY_USE_CASE[own.use_case].carries_time is own.carries_time


@each_party
@each_own
def test_values(own: Own, behind: bool) -> None:
    readings = values_of(decode(_response(own, behind), KEYS))
    assert [item.code for item in readings] == [0] * len(own.values)
    assert [item.data and item.data.octets() for item in readings] == [
        bytes.fromhex(value) for value in own.values
    ]


@each_party
@each_own
def test_refusal(own: Own, behind: bool) -> None:
    information = own.code + (OTHER_USER + _eight(COUNTER) if behind else b"")
    number = 1 if own.protection else len(own.specifications)
    kind = b"\x03" if own.protection else b"\x01"
    codes = b"".join([kind + b"\x01", *[kind + b"\xfa"] * (number - 1)])
    count = bytes((number,))
    content = b"\xda" + _invoke_id() + b"\x00\x00" + count + bytes(number) + count + codes
    recipient = ACB if behind else SUPPLIER
    expected = _seal_response(own, recipient, information, content).hex()
    command = _decoded(own, behind)
    time = TIME if own.carries_time else b""
    assert refuse(command, 1, KEYS, time).hex() == expected
    assert answer_reading(command, [1], KEYS, OWN_COUNTER, time).hex() == expected
    assert not needs_own_counter(command, [1])
    readings = values_of(decode(bytes.fromhex(expected), KEYS))
    assert [item.code for item in readings][:number] == [1, *[250] * (number - 1)]
    assert {item.data for item in readings} == {None}


def test_two_logs_in_one_structure_have_separate_rows() -> None:
    [own] = [own for own in OWN if own.use_case == "ECS20c"]
    registers, balances = values_of(decode(_response(own, True), KEYS))
    assert registers.rows == [
        {
            "time": WINDOW.start,
            "import": 1,
            "tou": (1,) * 48,
            "blocks": ((1,) * 8,) * 4,
        }
    ]
    assert balances.rows is not None
    assert balances.rows[0]["accumulated_debt"] == -2
    assert list(balances.rows[0])[1] == "emergency_credit_balance"


def test_each_phase_has_separate_rows() -> None:
    [own] = [own for own in OWN if own.use_case == "ECS23b"]
    readings = values_of(decode(_response(own, False), KEYS))
    rows = [item.rows for item in readings if item.rows is not None]
    first = {"time": WINDOW.start, "average_rms_voltage": 240}
    assert [found[0] for found in rows] == [first] * 3
    assert readings[16].name == "Average RMS voltage profile data log, phase 3: buffer"


def test_blocks_are_a_field() -> None:
    [own] = [own for own in OWN if own.use_case == "ECS17e"]
    [reading] = values_of(decode(_response(own, False), KEYS))
    assert reading.fields == {"blocks": (255,) * 64}
