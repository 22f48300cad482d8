"""EUI-64 identifiers and their text."""

import pytest

from gbcs import EUI

METER = EUI.parse("00DB1234567890A0")


@pytest.mark.parametrize(
    "text",
    [
        "00DB1234567890A0",
        "00db1234567890a0",
        " 00dB1234567890a0\n",
        "00-DB-12-34-56-78-90-A0",
        "00:db:12:34:56:78:90:a0",
        "00DB-1234-5678-90A0",
    ],
)
def test_ways_to_write_it(text: str) -> None:
    assert EUI.parse(text) == bytes.fromhex("00DB1234567890A0")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00DB1234567890A",
        "00DB1234567890A00",
        "0x00DB1234567890",
        "00DB1234567890AG",
        "00DB 1234567890A0",
        "٠٠DB1234567890A0",
        "1302",
    ],
)
def test_texts_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="16 hexadecimal digits"):
        EUI.parse(text)


def test_it_is_shown_in_upper_case() -> None:
    assert str(METER) == f"{METER}" == "00DB1234567890A0"
    assert f"{METER:>20}" == "    00DB1234567890A0"
    assert repr(METER) == "EUI('00DB1234567890A0')"


def test_it_is_a_number_and_octets() -> None:
    assert int(METER) == 0x00DB1234567890A0
    assert EUI.from_int(int(METER)) == METER == bytes(METER)
    assert EUI.from_int(0) == bytes(8)
    assert EUI.from_int(2**64 - 1) == b"\xff" * 8
    assert {METER: 1}[EUI.from_int(0x00DB1234567890A0)] == 1


@pytest.mark.parametrize("number", [-1, 2**64])
def test_numbers_out_of_range(number: int) -> None:
    with pytest.raises(ValueError, match=str(number)):
        EUI.from_int(number)
