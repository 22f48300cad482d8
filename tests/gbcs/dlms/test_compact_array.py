"""Compact arrays: rows of any shape, and descriptions and contents that are refused."""

import struct
from typing import Any

import pytest
from hypothesis import example, given

from gbcs import DecodeError, EncodeError
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import Data, DataType
from tests.support.second_hand import lv
from tests.support.strategies import Rows, tables

SHAPES: dict[str, tuple[str, str, list[Any]]] = {
    "a number": ("06", "00000001 00000002", [1, 2]),
    "a structure of numbers": ("0202 06 06", "00000001 00000002", [(1, 2)]),
    "a structure of one": ("0201 11", "05 06", [(5,), (6,)]),
    "an array": ("01 0003 12", "0001 0002 0003", [(1, 2, 3)]),
    "an array in a structure": ("0202 06 01 0002 11", "00000009 05 06", [(9, (5, 6))]),
    "structures in an array": ("01 0002 0202 11 0F", "05 FF 06 FE", [((5, -1), (6, -2))]),
    "signed numbers": ("0204 05 0F 10 14", "FFFFFFFF FF FFFF" + "FF" * 8, [(-1, -1, -1, -1)]),
    "other numbers": ("0204 03 11 15 16", "FF FF" + "FF" * 8 + "FF", [(255, 255, 2**64 - 1, 255)]),
    "dates": (
        "0203 19 1A 1B",
        "07DE0C1FFF000000008000FF 07DE0C1FFF 00000000",
        [(bytes.fromhex("07DE0C1FFF000000008000FF"), bytes.fromhex("07DE0C1FFF"), bytes(4))],
    ),
    "strings": ("0202 09 0C", "00 00 02 4142 01 43", [(b"", b""), (b"AB", b"C")]),
    "a string": ("0A", "03 414243 00", [b"ABC", b""]),
    "strings in an array": ("01 0002 0202 11 09", "05 01AA 06 00", [((5, b"\xaa"), (6, b""))]),
    "a long string": ("09", "8180" + "00" * 128, [bytes(128)]),
    "no rows": ("0202 06 06", "", []),
    "no rows of strings": ("0202 06 09", "", []),
}
each_shape = pytest.mark.parametrize(
    ("description", "contents", "rows"), SHAPES.values(), ids=SHAPES
)


@each_shape
def test_rows_of_every_shape(description: str, contents: str, rows: list[Any]) -> None:
    array = CompactArray(bytes.fromhex(description), bytes.fromhex(contents))
    assert array.rows() == rows
    assert CompactArray.of(array.description, rows) == array


@each_shape
def test_part_of_a_row_is_refused(description: str, contents: str, rows: list[Any]) -> None:
    octets = bytes.fromhex(contents)
    whole = {len(CompactArray.of(bytes.fromhex(description), rows[:n]).contents) for n in range(9)}
    for size in range(len(octets)):
        if size not in whole:
            with pytest.raises(DecodeError):
                CompactArray(bytes.fromhex(description), octets[:size])


@given(tables())
@example(Rows(bytes.fromhex("0202010002110100010f"), b"\x01\x02\xff", [((1, 2), (-1,))]))
def test_any_rows(table: Rows) -> None:
    array = CompactArray(table.description, table.contents)
    assert array.rows() == table.rows
    assert CompactArray.of(table.description, table.rows) == array
    octets = b"\x13" + table.description + lv(table.contents)
    assert Data(DataType.COMPACT_ARRAY, array).octets() == octets
    assert Data.parse(octets) == Data(DataType.COMPACT_ARRAY, array)


@pytest.mark.parametrize(
    "description",
    [
        "",
        "01",
        "0100",
        "010002",
        "02",
        "0201",
        "020206",
        "0281",
        "028101 06",
        "07",
        "13",
        "FF",
        "0606",
        "0202060606",
        "01 0001" * 9 + "06",
        "0201" * 9 + "06",
        "01FFFF 01FFFF 06",
        "02 84FFFFFFFF",
    ],
)
def test_bad_descriptions_are_refused(description: str) -> None:
    octets = bytes.fromhex(description)
    with pytest.raises(DecodeError) as caught:
        CompactArray(octets, b"")
    assert caught.value.reason
    with pytest.raises(DecodeError):
        CompactArray.of(octets, [])


@pytest.mark.parametrize(
    ("description", "row"),
    [
        ("06", None),
        ("06", -1),
        ("06", 2**32),
        ("06", "1"),
        ("06", (1, 2)),
        ("020206 06", (1,)),
        ("020206 06", (1, 2, 3)),
        ("020206 06", 1),
        ("020206 06", None),
        ("0100020202 06 06", ((1, 2),)),
        ("0202 06 09", (1,)),
        ("0202 06 09", (1, None)),
        ("0202 06 09", (1, 5)),
        ("0202 06 09", (1, "text")),
        ("0202 06 09", 1),
        ("1A", b"1234"),
        ("1A", b"123456"),
        ("0202 19 09", (bytes(11), b"")),
    ],
)
def test_rows_that_do_not_fit_are_refused(description: str, row: Any) -> None:
    with pytest.raises(EncodeError) as caught:
        CompactArray.of(bytes.fromhex(description), [row])
    assert "\n" not in str(caught.value)


def test_thirteen_months_of_half_hours() -> None:
    numbers = [(1800 * index, index) for index in range(19_056)]
    contents = b"".join(struct.pack(">2I", *row) for row in numbers)
    array = CompactArray(bytes.fromhex("02020606"), contents)
    assert array.rows() == numbers
    assert CompactArray.of(array.description, numbers) == array
