"""Records and rows: compiled and interpreted results are equal, and short octets are refused."""

from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest
from construct import Const, Int8ub, Int16ub, Int16ul, Int32ub

from gbcs.axdr import Length, LengthValue
from gbcs.errors import DecodeError, EncodeError
from gbcs.frozen import maker
from gbcs.records import Record, Rows
from gbcs.wire import Schema
from tests.support.codec_check import check_codec

PAIR = Record("one" / Int8ub, "two" / Int16ub)
CASES: dict[str, tuple[Any, dict[str, Any], str]] = {
    "fixed": (PAIR, {"one": 1, "two": 2}, "010002"),
    "byte orders": (
        Record("big" / Int16ub, "little" / Int16ul, "tail" / Int32ub),
        {"big": 1, "little": 1, "tail": 1},
        "0001010000000001",
    ),
    "variable between": (
        Record("one" / Int8ub, "text" / LengthValue(), "two" / Int16ub),
        {"one": 1, "text": b"abc", "two": 2},
        "01036162630002",
    ),
    "counted rows of fixed width": (
        Record("rows" / Rows(PAIR, Length()), "tail" / Int8ub),
        {"rows": ({"one": 1, "two": 2}, {"one": 3, "two": 4}), "tail": 9},
        "0201000203000409",
    ),
    "counted rows of variable width": (
        Record("rows" / Rows(LengthValue(), Length())),
        {"rows": (b"a", b"", b"bc")},
        "03016100026263",
    ),
    "no rows": (Record("rows" / Rows(PAIR, Length())), {"rows": ()}, "00"),
}


def plain(value: Any) -> Any:
    """Return a value of construct without construct's private keys."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if not name.startswith("_")}
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


@pytest.mark.parametrize(("construct", "value", "digits"), CASES.values(), ids=CASES)
def test_compiled_and_interpreted_agree(construct: Any, value: dict[str, Any], digits: str) -> None:
    octets = bytes.fromhex(digits)
    schema = Schema("record", construct)
    assert schema.parse(octets) == value
    assert plain(construct.parse(octets)) == value
    assert schema.build(value) == construct.build(value) == octets
    check_codec(schema.parse, schema.build, value, octets)


def test_rows_without_a_count_take_all_there_is() -> None:
    schema = Schema("record", Record("head" / Int8ub, "rows" / Rows(PAIR)))
    octets = bytes.fromhex("09010002030004")
    value = {"head": 9, "rows": ({"one": 1, "two": 2}, {"one": 3, "two": 4})}
    assert schema.parse(octets) == value
    assert schema.build(value) == octets
    with pytest.raises(DecodeError, match=r"record\.rows\[1\]"):
        schema.parse(octets[:-1])


def test_a_constant_that_is_another_is_refused() -> None:
    schema = Schema("record", Record("one" / Int8ub, "mark" / Const(b"\x07"), "two" / Int8ub))
    assert schema.build({"one": 1, "two": 2}) == b"\x01\x07\x02"
    with pytest.raises(DecodeError, match=r"record\.mark"):
        schema.parse(b"\x01\x08\x02")


def test_a_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(EncodeError):
        Schema("record", PAIR).build({"one": 256, "two": 0})


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 5


def test_a_maker_returns_instances_of_the_frozen_class() -> None:
    made = maker(Point)(1)
    assert type(made) is Point
    assert made == Point(1, 5)
    assert hash(made) == hash(Point(1, 5))
    with pytest.raises(FrozenInstanceError):
        made.x = 2  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class Checked:
    x: int

    def __post_init__(self) -> None:
        raise ValueError


def test_a_class_that_checks_itself_has_no_maker() -> None:
    with pytest.raises(TypeError, match="Checked"):
        maker(Checked)
