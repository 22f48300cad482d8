"""Reads of logs: command, answer, refusal and readings, compared with the RTDS."""

import struct
from dataclasses import dataclass
from typing import Any

import pytest

from gbcs import (
    EUI,
    Command,
    FileKeystore,
    Supplementary,
    decode,
    encode,
)
from gbcs.instants import parse_iso, to_iso
from gbcs.obis import parse_dotted
from gbcs.tables.profile_logs import BY_SRV, ProfileLog
from gbcs.usecases.profile_read import (
    ProfileRead,
    Window,
    answer_profile_read,
    buffer_of,
    profile_read_command,
    profile_read_of,
    rows_of,
    takes_own_counter,
)
from gbcs.usecases.responding import refuse
from tests.support.rtds import each, named, raw_keys
from tests.support.second_hand import blobs, fields, opened

METER = EUI.parse("00DB1234567890A0")
ACB = EUI.parse("90B3D51F30000002")
SUPPLIER = EUI.parse("90B3D51F30010000")
NETWORK_OPERATOR = EUI.parse("90B3D51F30020000")

HARDWARE_FAULT = 1


@dataclass(frozen=True)
class Read:
    """A read in the RTDS, with its values as a person reads them from the octets."""

    name: str
    srv: str
    originator: EUI
    counter: int
    start: str
    end: str
    first: dict[str, Any]
    last: dict[str, Any]
    number: int
    supplementary: Supplementary | None = None


READS = (
    Read(
        "ECS21c_4.6.2_SUCCESS",
        "4.6.2",
        ACB,
        1302,
        "2014-11-30T09:00:00Z",
        "2015-01-01T00:00:00Z",
        {"time": "2014-12-01T00:00:00Z", "export": 10},
        {"time": "2014-12-31T00:00:00Z", "export": 3477},
        31,
        Supplementary(SUPPLIER, 1002),
    ),
    Read(
        "ECS22b_4.8.1_SINGLE_SUCCESS",
        "4.8.1",
        SUPPLIER,
        1002,
        "2014-12-31T00:00:00Z",
        "2015-01-01T00:00:00Z",
        {"time": "2014-12-31T00:00:00Z", "primary": 95},
        {"time": "2015-01-01T00:00:00Z", "primary": 139},
        49,
    ),
    Read(
        "ECS22c_4.8.2_SUCCESS",
        "4.8.2",
        SUPPLIER,
        1002,
        "2014-10-01T09:00:00Z",
        "2014-10-02T09:00:00Z",
        {"time": "2014-10-01T09:00:00Z", "reactive_import": 95},
        {"time": "2014-10-02T09:00:00Z", "reactive_import": 116},
        49,
    ),
    Read(
        "ECS22a_4.8.3_SUCCESS",
        "4.8.3",
        NETWORK_OPERATOR,
        1201,
        "2014-10-01T09:30:00Z",
        "2014-10-02T09:30:00Z",
        {"time": "2014-10-01T09:30:00Z", "active_export": 81, "reactive_export": 56},
        {"time": "2014-10-02T09:30:00Z", "active_export": 220, "reactive_export": 154},
        49,
    ),
)
DAILY = Read(
    "ECS21a_4.6.1_SINGLE_SUCCESS",
    "4.6.1",
    SUPPLIER,
    1003,
    "2014-03-09T00:00:00Z",
    "2014-03-11T00:00:00Z",
    {"time": "2014-03-09T00:00:00Z", "import": 10_435_000},
    {"time": "2014-03-11T00:00:00Z", "import": 9_910_000},
    3,
)
each_read = pytest.mark.parametrize("read", [*READS, DAILY], ids=lambda read: read.name)


def _command(read: Read) -> bytes:
    return named(f"{read.name}_COMMAND").octets


def _response(read: Read) -> bytes:
    return named(f"{read.name}_RESPONSE").octets


def _asked(read: Read) -> ProfileRead:
    return ProfileRead(BY_SRV[read.srv], Window(parse_iso(read.start), parse_iso(read.end)))


def _buffer_by_hand(response: bytes) -> bytes:
    """Return the compact-array in a response: its content from tag 13 on, or a decrypted one."""
    by_hand = fields(response)
    found = blobs(by_hand.content)
    if not found:
        begin = by_hand.content.index(b"\x13\x02")
        return by_hand.content[begin : by_hand.content.rindex(b"\x01", begin, -2)]
    plaintext = opened(raw_keys(), by_hand, found[0])
    assert plaintext is not None
    assert plaintext[:2] == b"\x02\x01"
    return plaintext[2:]


@each_read
def test_command_is_that_of_the_vector(read: Read, rtds_keystore: FileKeystore) -> None:
    command = profile_read_command(
        _asked(read),
        device=METER,
        originator=read.originator,
        counter=read.counter,
        supplementary=read.supplementary,
    )
    assert encode(command, rtds_keystore).hex() == _command(read).hex()


@each_read
def test_command_of_the_vector_is_recognised(read: Read, rtds_keystore: FileKeystore) -> None:
    command = decode(_command(read), rtds_keystore)
    assert profile_read_of(command) == _asked(read)
    assert not takes_own_counter(command, BY_SRV[read.srv])


@each_read
def test_answer_is_that_of_the_vector(read: Read, rtds_keystore: FileKeystore) -> None:
    command = decode(_command(read), rtds_keystore)
    assert isinstance(command, Command)
    buffer = _buffer_by_hand(_response(read))
    answer = answer_profile_read(command, BY_SRV[read.srv], buffer, rtds_keystore)
    assert answer.hex() == _response(read).hex()


@each_read
def test_readings_are_those_of_the_vector(read: Read, rtds_keystore: FileKeystore) -> None:
    log = BY_SRV[read.srv]
    buffer = buffer_of(decode(_response(read), rtds_keystore), log)
    assert buffer == _buffer_by_hand(_response(read))
    assert isinstance(buffer, bytes)
    rows = [{**row, "time": to_iso(row["time"])} for row in rows_of(log, buffer)]
    assert len(rows) == read.number
    assert read.first.items() <= rows[0].items()
    assert read.last.items() <= rows[-1].items()


@pytest.mark.parametrize("read", READS, ids=lambda read: read.name)
def test_every_reading_is_that_of_the_octets(read: Read, rtds_keystore: FileKeystore) -> None:
    log = BY_SRV[read.srv]
    buffer = _buffer_by_hand(_response(read))
    width = len(read.first)
    begin = len(buffer) - read.number * width * 4
    expected = [
        dict(zip(read.first, row, strict=True))
        for row in struct.iter_unpack(f">{width}I", buffer[begin:])
    ]
    rows = rows_of(log, buffer)
    assert rows == expected
    assert [row["time"] for row in rows] == [
        rows[0]["time"] + index * log.period for index in range(read.number)
    ]


def test_daily_read_log_has_its_registers_in_their_places(rtds_keystore: FileKeystore) -> None:
    buffer = _buffer_by_hand(_response(DAILY))
    rows = rows_of(BY_SRV["4.6.1"], buffer)
    numbers = struct.iter_unpack(">82I", buffer[-3 * 82 * 4 :])
    for row, number in zip(rows, numbers, strict=True):
        assert list(row) == ["time", "import", "tou", "blocks"]
        blocks = [register for block in row["blocks"] for register in block]
        assert (row["time"], row["import"], *row["tou"], *blocks) == number
        assert [len(block) for block in row["blocks"]] == [8, 8, 8, 8]
        assert len(row["tou"]) == 48


def test_refusal_is_that_of_the_vector(rtds_keystore: FileKeystore) -> None:
    command = decode(named("ECS22a_4.8.3_ERROR_COMMAND").octets, rtds_keystore)
    response = named("ECS22a_4.8.3_ERROR_RESPONSE").octets
    assert isinstance(command, Command)
    assert refuse(command, HARDWARE_FAULT, rtds_keystore).hex() == response.hex()
    assert buffer_of(decode(response, rtds_keystore), BY_SRV["4.8.3"]) == HARDWARE_FAULT


def test_answer_to_a_party_behind_the_acb_is_that_of_the_vector(
    rtds_keystore: FileKeystore,
) -> None:
    """A read of the prepayment daily read log (SRV 4.14) for an unknown party."""
    log = ProfileLog(
        "4.14",
        "ECS21b",
        0x0034,
        parse_dotted("0.0.98.1.8.255"),
        parse_dotted("0.0.43.2.6.255"),
        86_400,
        31,
        {},
    )
    octets = named("ECS21b_4.14_URP_SUCCESS_COMMAND").octets
    response = named("ECS21b_4.14_URP_SUCCESS_RESPONSE").octets
    command = decode(octets, rtds_keystore)
    assert isinstance(command, Command)
    assert takes_own_counter(command, log)
    own_counter = int.from_bytes(fields(response).other_information[18:], "big")
    answer = answer_profile_read(
        command, log, _buffer_by_hand(response), rtds_keystore, own_counter
    )
    assert answer.hex() == response.hex()
    window = Window(parse_iso("2014-12-25T23:30:00Z"), parse_iso("2015-01-01T00:00:00Z"))
    again = profile_read_command(
        ProfileRead(log, window),
        device=METER,
        originator=ACB,
        counter=1302,
        supplementary=command.supplementary,
    )
    assert encode(again, rtds_keystore)[:-12].hex() == octets[:-12].hex()


@each(lambda vector: vector.direction == "COMMAND" and not vector.reads_a_log)
def test_other_commands_are_not_reads_of_a_log(vector: Any) -> None:
    assert profile_read_of(decode(vector.octets)) is None
