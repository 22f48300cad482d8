"""Lengths in A-XDR, and the octets behind them."""

import pytest

from gbcs.axdr import MAX_LENGTH, Length, LengthValue, Octets, read_length, write_length
from gbcs.errors import DecodeError, EncodeError
from gbcs.wire import Schema
from tests.support.codec_check import check_codec

FORMS = {
    0: "00",
    1: "01",
    0x7F: "7F",
    0x80: "8180",
    0xFF: "81FF",
    0x100: "820100",
    0x1E8: "8201E8",
    0xFFFF: "82FFFF",
    0x10000: "83010000",
    0xFFFFFF: "83FFFFFF",
    0x1000000: "8401000000",
    MAX_LENGTH: "84FFFFFFFF",
}
each_form = pytest.mark.parametrize(("length", "octets"), FORMS.items())

LENGTH = Schema("length", Length())
LENGTH_VALUE = Schema("value", LengthValue())
FOUR = Schema("four", Octets(4))


@each_form
def test_lengths(length: int, octets: str) -> None:
    expected = bytes.fromhex(octets)
    assert write_length(length) == expected
    assert read_length(expected, 0) == (length, len(expected))
    assert read_length(b"\xff" + expected + b"\xff", 1) == (length, len(expected) + 1)
    check_codec(LENGTH.parse, LENGTH.build, length, expected)


@pytest.mark.parametrize("octets", ["", "81", "82", "8201", "83FFFF", "84FFFFFF"])
def test_a_length_that_ends_early_is_refused(octets: str) -> None:
    with pytest.raises(DecodeError, match="end"):
        read_length(bytes.fromhex(octets), 0)


@pytest.mark.parametrize(
    "octets",
    ["8100", "817F", "820000", "8200FF", "83000000", "8300FFFF", "8400000000", "8400FFFFFF"],
)
def test_a_length_that_is_not_in_its_shortest_form_is_refused(octets: str) -> None:
    with pytest.raises(DecodeError, match="shortest form"):
        read_length(bytes.fromhex(octets), 0)
    with pytest.raises(DecodeError) as caught:
        LENGTH_VALUE.parse(bytes.fromhex(octets) + bytes(300))
    assert caught.value.path == "value"


@pytest.mark.parametrize("first", [0x80, 0x85, 0xFF])
def test_a_length_has_at_most_four_octets(first: int) -> None:
    with pytest.raises(DecodeError, match="1 to 4"):
        read_length(bytes((first,)) + bytes(range(1, 128)), 0)


@pytest.mark.parametrize("length", [-1, MAX_LENGTH + 1, 1 << 64])
def test_a_length_out_of_range_has_no_form(length: int) -> None:
    with pytest.raises(ValueError, match=str(length)):
        write_length(length)
    with pytest.raises(EncodeError, match=str(length)):
        LENGTH.build(length)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 300])
def test_octets_behind_their_length(size: int) -> None:
    octets = bytes(index & 0xFF for index in range(size))
    check_codec(LENGTH_VALUE.parse, LENGTH_VALUE.build, octets, write_length(size) + octets)


def test_fixed_octets_refuse_any_other_length() -> None:
    check_codec(FOUR.parse, FOUR.build, b"\x01\x02\x03\x04", b"\x01\x02\x03\x04")
    for octets in (b"", b"123", b"12345"):
        with pytest.raises(EncodeError):
            FOUR.build(octets)
