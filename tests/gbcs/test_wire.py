"""The door to construct: all octets or none, and every failure with a path."""

from typing import Any

import construct
import pytest
from construct import Const, Int8ub, Int16ub, PrefixedArray, Struct

from gbcs.errors import DecodeError, EncodeError
from gbcs.wire import Schema
from tests.support.codec_check import check_codec

POINTS = Schema(
    "points",
    Struct(
        Const(b"\x2a"),
        "items" / PrefixedArray(Int8ub, Struct("x" / Int16ub, "y" / Int8ub)),
    ),
)
OCTETS = bytes.fromhex("2A 02 0001 02 0003 04")


class Raises(construct.Construct):  # type: ignore[misc]
    """A construct whose parser and builder raise `error`."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def _parse(self, stream: Any, context: Any, path: str) -> None:
        raise self.error

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> None:
        raise self.error


def _read(octets: bytes) -> list[tuple[int, int]]:
    return [(item["x"], item["y"]) for item in POINTS.parse(octets)["items"]]


def _write(points: list[tuple[int, int]]) -> bytes:
    return POINTS.build({"items": [{"x": x, "y": y} for x, y in points]})


def test_all_octets_or_none() -> None:
    check_codec(_read, _write, [(1, 2), (3, 4)], OCTETS)


def test_octets_left_over_are_counted() -> None:
    with pytest.raises(DecodeError) as caught:
        POINTS.parse(OCTETS + b"abc")
    assert str(caught.value) == "points: 3 octets are left over at the end"


def test_path_names_the_field() -> None:
    with pytest.raises(DecodeError) as caught:
        POINTS.parse(OCTETS[:-1])
    assert caught.value.path.startswith("points.items")
    assert caught.value.path.endswith("y")
    with pytest.raises(DecodeError) as caught:
        POINTS.parse(b"\x2b" + OCTETS[1:])
    assert caught.value.path == "points"


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        {},
        {"items": None},
        {"items": [5]},
        {"items": [{}]},
        {"items": [{"x": 1, "y": 256}]},
        {"items": [{"x": -1, "y": 0}]},
        {"items": [{"x": "1", "y": 0}]},
        {"items": [{"x": 1, "y": 0}] * 256},
    ],
)
def test_a_value_without_octets_is_an_encode_error(value: Any) -> None:
    with pytest.raises(EncodeError) as caught:
        POINTS.build(value)
    assert caught.value.path.startswith("points")
    assert caught.value.reason
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        construct.ConstructError("of construct"),
        ValueError("two\n\nlines\n"),
        ValueError(),
        TypeError("wrong type"),
        KeyError("name"),
        IndexError("index"),
        AttributeError("attribute"),
        OverflowError("too much"),
        ZeroDivisionError("nothing"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no text"),
        RecursionError("maximum recursion depth exceeded"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_failure_is_a_gbcs_error(error: Exception) -> None:
    schema = Schema("schema", Struct("field" / Raises(error)))
    with pytest.raises(DecodeError) as parsing:
        schema.parse(b"")
    with pytest.raises(EncodeError) as building:
        schema.build({"field": None})
    for caught in (parsing.value, building.value):
        assert caught.path.startswith("schema")
        assert caught.reason
        assert "\n" not in str(caught)


def test_exceptions_that_are_not_about_data_pass() -> None:
    schema = Schema("schema", Raises(KeyboardInterrupt()))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        schema.parse(b"")
