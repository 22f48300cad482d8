"""DLMS values of every type, by hand and from Hypothesis."""

from typing import Any

import pytest
from hypothesis import given

from gbcs import DecodeError, EncodeError
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import (
    MAX_DEPTH,
    NULL,
    BitString,
    Data,
    DataType,
    array,
    double_long_unsigned,
    enum,
    integer,
    long_unsigned,
    octet_string,
    structure,
)
from tests.support.codec_check import check_codec, check_truncations
from tests.support.strategies import data

FORMS: dict[str, Data] = {
    "00": NULL,
    "0100": array(),
    "01021105 1106": array(Data(DataType.UNSIGNED, 5), Data(DataType.UNSIGNED, 6)),
    "0200": structure(),
    "0202 00 0201 00": structure(NULL, structure(NULL)),
    "0300": Data(DataType.BOOLEAN, 0),
    "0301": Data(DataType.BOOLEAN, 1),
    "03FF": Data(DataType.BOOLEAN, 255),
    "0400": Data(DataType.BIT_STRING, BitString(0, b"")),
    "040180": Data(DataType.BIT_STRING, BitString(1, b"\x80")),
    "0408A5": Data(DataType.BIT_STRING, BitString(8, b"\xa5")),
    "0409A580": Data(DataType.BIT_STRING, BitString(9, b"\xa5\x80")),
    "05FFFFFFFF": Data(DataType.DOUBLE_LONG, -1),
    "0580000000": Data(DataType.DOUBLE_LONG, -(2**31)),
    "06FFFFFFFF": double_long_unsigned(2**32 - 1),
    "0900": octet_string(b""),
    "0903 00FF13": octet_string(b"\x00\xff\x13"),
    "0A02 6D33": Data(DataType.VISIBLE_STRING, b"m3"),
    "0C02 C2A3": Data(DataType.UTF8_STRING, "£".encode()),
    "0F80": integer(-128),
    "107FFF": Data(DataType.LONG, 32767),
    "11FF": Data(DataType.UNSIGNED, 255),
    "12FFFF": long_unsigned(65535),
    "13 06 04 00000005": Data(
        DataType.COMPACT_ARRAY, CompactArray(b"\x06", bytes.fromhex("00000005"))
    ),
    "148000000000000000": Data(DataType.LONG64, -(2**63)),
    "15FFFFFFFFFFFFFFFF": Data(DataType.LONG64_UNSIGNED, 2**64 - 1),
    "16FF": enum(255),
    "19 07DE0C1FFF000000008000FF": Data(
        DataType.DATE_TIME, bytes.fromhex("07DE0C1FFF000000008000FF")
    ),
    "1A 07DE0C1FFF": Data(DataType.DATE, bytes.fromhex("07DE0C1FFF")),
    "1B 00000000": Data(DataType.TIME, bytes(4)),
}


@pytest.mark.parametrize(("octets", "value"), FORMS.items())
def test_every_type(octets: str, value: Data) -> None:
    expected = bytes.fromhex(octets)
    assert Data.parse(expected) == value
    assert value.octets() == expected
    for size in range(len(expected)):
        with pytest.raises(DecodeError):
            Data.parse(expected[:size])
    with pytest.raises(DecodeError):
        Data.parse(expected + b"\x00")


def test_every_type_has_a_form() -> None:
    assert {value.type for value in FORMS.values()} == set(DataType)


def test_errors_have_a_path() -> None:
    octets = structure(long_unsigned(5), octet_string(b"abc")).octets()
    check_truncations(Data.parse, octets)
    check_codec(Data.parse, Data.octets, long_unsigned(5), b"\x12\x00\x05")


def test_titles_are_those_of_dlms() -> None:
    assert DataType.DOUBLE_LONG_UNSIGNED.title == "double-long-unsigned"
    assert DataType.UTF8_STRING.title == "utf8-string"
    assert DataType.NULL_DATA.title == "null-data"


@pytest.mark.parametrize("tag", sorted(set(range(256)) - {int(kind) for kind in DataType}))
def test_unknown_types_are_refused(tag: int) -> None:
    with pytest.raises(DecodeError, match=f"unknown data type {tag}"):
        Data.parse(bytes((tag,)) + bytes(20))


@given(data)
def test_any_value_is_read_again(value: Data) -> None:
    assert Data.parse(value.octets()) == value


def _nested(depth: int) -> bytes:
    return b"\x02\x01" * depth + b"\x00"


def test_depth_is_bounded() -> None:
    deepest = Data.parse(_nested(MAX_DEPTH))
    assert deepest.octets() == _nested(MAX_DEPTH)
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(DecodeError, match="nested too deeply"):
            Data.parse(_nested(depth))
    value = NULL
    for depth in range(1, 5000):
        value = structure(value)
        if depth in (MAX_DEPTH + 1, 4999):
            with pytest.raises(EncodeError):
                value.octets()


@pytest.mark.parametrize("count", ["810100", "82000000", "85000000000000"])
def test_counts_are_in_their_shortest_form(count: str) -> None:
    for tag in ("01", "02", "04", "09", "0A", "0C", "1306"):
        with pytest.raises(DecodeError):
            Data.parse(bytes.fromhex(tag + count))


@pytest.mark.parametrize("octets", ["040101", "0403E1", "0409A501", "0409A57F"])
def test_bits_behind_the_end_are_refused(octets: str) -> None:
    with pytest.raises(DecodeError, match="bits behind its end"):
        Data.parse(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (DataType.UNSIGNED, 256),
        (DataType.UNSIGNED, -1),
        (DataType.INTEGER, 128),
        (DataType.LONG, -32769),
        (DataType.DOUBLE_LONG_UNSIGNED, 2**32),
        (DataType.LONG64_UNSIGNED, 2**64),
        (DataType.BOOLEAN, 256),
        (DataType.ENUM, None),
        (DataType.ENUM, b"\x01"),
        (DataType.UNSIGNED, 1.5),
        (DataType.UNSIGNED, "1"),
        (DataType.NULL_DATA, 0),
        (DataType.OCTET_STRING, None),
        (DataType.OCTET_STRING, "text"),
        (DataType.VISIBLE_STRING, 5),
        (DataType.ARRAY, None),
        (DataType.STRUCTURE, 5),
        (DataType.STRUCTURE, (1, 2)),
        (DataType.BIT_STRING, b"\x80"),
        (DataType.BIT_STRING, BitString(9, b"\x00")),
        (DataType.BIT_STRING, BitString(1, b"\xff")),
        (DataType.BIT_STRING, BitString(-1, b"")),
        (DataType.COMPACT_ARRAY, b""),
        (DataType.DATE_TIME, bytes(11)),
        (DataType.DATE_TIME, bytes(13)),
        (DataType.DATE, b""),
        (DataType.TIME, bytes(5)),
        (DataType.TIME, 5),
    ],
)
def test_a_value_that_does_not_fit_has_no_octets(kind: DataType, value: Any) -> None:
    with pytest.raises(EncodeError) as caught:
        Data(kind, value).octets()
    assert caught.value.path == "data"
    with pytest.raises(EncodeError):
        structure(NULL, Data(kind, value)).octets()
