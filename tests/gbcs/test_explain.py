"""Annotated octets: the lines of known messages."""

from typing import Any

import pytest

from gbcs import EUI, Alert, FileKeystore, Message, Opaque, Response, Supplementary, decode
from gbcs.dlms.access import DataNotification
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import BitString, Data, DataType, octet_string, structure
from gbcs.explain import Line, explain
from tests.support.rtds import named
from tests.support.second_hand import blobs, fields

METER, PARTY = EUI.parse("00DB1234567890A0"), EUI.parse("90B3D51F30010000")


def _alert(body: Data, **changes: Any) -> Message:
    arguments: dict[str, Any] = {
        "originator": METER,
        "recipient": PARTY,
        "originator_counter": 42,
        "message_code": 0xFFFF,
        "payload": DataNotification(0x2000002A, body),
        "mac": None,
        **changes,
    }
    return Alert(**arguments)


def _table(description: str, contents: str) -> Data:
    table = CompactArray(bytes.fromhex(description), bytes.fromhex(contents))
    return Data(DataType.COMPACT_ARRAY, table)


def _about(message: Message, field: str) -> list[Line]:
    return [line for line in explain(message) if line.field == field]


def test_a_command_of_the_rtds(rtds_keystore: FileKeystore) -> None:
    octets = named("ECS22b_4.8.1_SINGLE_SUCCESS_COMMAND").octets
    lines = explain(decode(octets, rtds_keystore))
    said = [(line.offset, line.octets.hex().upper(), line.field, line.meaning) for line in lines]
    for expected in (
        (7, "81B2", "length", "178 octets follow"),
        (16, "01", "CRA flag", "command"),
        (17, "00000000000003EA", "originator counter", "1002"),
        (25, "0890B3D51F30010000", "originator", "90B3D51F30010000"),
        (34, "0800DB1234567890A0", "recipient", "00DB1234567890A0"),
        (43, "00", "date-time", "none"),
    ):
        assert expected in said
    [code] = [line for line in lines if line.field == "message code"]
    assert code.octets.hex() == "0037"
    assert code.meaning.startswith("ECS22b ")
    dates = [line.meaning for line in lines if len(line.octets) == 12 and line.field == "octets"]
    assert dates == ["2014-12-31T00:00:00Z", "2015-01-01T00:00:00Z"]
    [mac] = [line for line in lines if line.field == "MAC"]
    assert (mac.octets, mac.meaning) == (octets[-12:], "valid")
    [signature] = [line for line in lines if "signature" in line.meaning]
    assert signature.octets == b"\x00"


def test_a_protected_response_is_opened(rtds_keystore: FileKeystore) -> None:
    octets = named("ECS22b_4.8.1_SINGLE_SUCCESS_RESPONSE").octets
    lines = explain(decode(octets, rtds_keystore))
    [at] = [index for index, line in enumerate(lines) if line.meaning == "encrypted"]
    assert lines[at].octets == blobs(fields(octets).content)[0]
    opened = [line for line in lines if line.decrypted]
    assert lines[at + 1 : at + 1 + len(opened)] == opened
    assert opened[0].offset == 0
    assert min(line.depth for line in opened) > lines[at].depth
    rows = [line for line in opened if line.field == "row"]
    assert len(rows) == 49
    assert rows[0].meaning == "2014-12-31T00:00:00Z 95"
    assert rows[0].octets.hex() == "1c35f9000000005f"
    assert rows[-1].meaning == "2015-01-01T00:00:00Z 139"
    without = explain(decode(octets))
    [said] = [line for line in without if line.decrypted]
    assert (said.octets, said.meaning) == (b"", "unverified")


def test_signatures_and_parties(rtds_keystore: FileKeystore) -> None:
    octets = named("ECS21b_4.14_URP_SUCCESS_RESPONSE").octets
    message = decode(octets, rtds_keystore)
    assert isinstance(message.supplementary, Supplementary)
    information = fields(octets).other_information
    for field, octets_of in (
        ("supplementary remote party", information[2:10]),
        ("supplementary remote party counter", information[10:18]),
        ("supplementary originator counter", information[18:26]),
    ):
        [line] = _about(message, field)
        assert line.octets == octets_of
    command = decode(named("ECS21b_4.14_URP_SUCCESS_COMMAND").octets)
    assert command.supplementary is not None
    [certificate] = _about(command, "key-agreement certificate")
    assert certificate.octets == command.supplementary.certificate


def test_rows_of_strings_are_lines_of_their_own() -> None:
    """The total length suggests rows of equal length, but these rows differ."""
    rows = _about(_alert(_table("020109", "0141 00 024142")), "row")
    assert [line.octets.hex() for line in rows] == ["0141", "00", "024142"]


@pytest.mark.parametrize(
    ("description", "contents", "meanings"),
    [
        ("020115", "FFFFFFFFFFFFFFFF", ["18446744073709551615"]),
        ("020114", "FFFFFFFFFFFFFFFF", ["-1"]),
        ("06", "0000000500000006", ["5", "6"]),
    ],
)
def test_numbers_that_are_not_times(description: str, contents: str, meanings: list[str]) -> None:
    rows = _about(_alert(_table(description, contents)), "row")
    assert [line.meaning for line in rows] == meanings


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        (Data(DataType.NULL_DATA, None), ""),
        (Data(DataType.UNSIGNED, 7), "7"),
        (Data(DataType.INTEGER, -7), "-7"),
        (Data(DataType.BIT_STRING, BitString(3, b"\xa0")), "3 bits"),
        (Data(DataType.UTF8_STRING, "£".encode()), "£"),
        (Data(DataType.VISIBLE_STRING, b"m3"), "m3"),
        (octet_string(b""), "0 octets"),
        (structure(), "of 0"),
    ],
)
def test_values(value: Data, meaning: str) -> None:
    lines = explain(_alert(value))
    [line] = [line for line in lines if line.field == value.type.title]
    assert line.meaning == meaning
    assert line.octets == value.octets()[: len(line.octets)]


def test_text_that_is_not_utf8_is_explained() -> None:
    [line] = _about(_alert(Data(DataType.UTF8_STRING, b"\xff")), "utf8-string")
    assert line.octets == b"\x0c\x01\xff"


def test_times() -> None:
    octets = bytes.fromhex("07DE0C1FFF000000008000FF")
    [line] = _about(_alert(octet_string(octets)), "octets")
    assert line.meaning == "2014-12-31T00:00:00Z"
    [line] = _about(_alert(octet_string(b"\xff" * 12)), "octets")
    assert line.meaning == "date-time with parts not specified"
    [envelope, _] = _about(_alert(octet_string(b""), transaction_time=octets), "date-time")
    assert (envelope.octets, envelope.meaning) == (b"\x0c" + octets, "2014-12-31T00:00:00Z")


def test_unknown_codes_and_contents() -> None:
    response = Response(
        originator=METER,
        recipient=PARTY,
        originator_counter=42,
        message_code=0xFFFF,
        payload=Opaque(b"\x7f\x00"),
        mac=None,
    )
    [code] = _about(response, "message code")
    assert code.meaning == "unknown use case"
    [content] = _about(response, "content")
    assert content.octets == b"\x7f\x00"


@pytest.mark.parametrize("size", [0, 80, 81, 82, 83, 84, 200, 211, 212, 213, 65_400, 65_500])
def test_the_length_in_the_mac_header(size: int) -> None:
    """Lengths of one to three octets, at both sides of each step."""
    message = _alert(octet_string(bytes(size)), mac=bytes(12))
    lines = explain(message)
    assert lines[2].field == "length"
    rest = sum(len(line.octets) for line in lines[3:])
    assert lines[2].meaning == f"{rest} octets follow"
