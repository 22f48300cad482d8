"""Hypothesis strategies: DLMS data of every type, APDUs of every kind, and messages with them."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from gbcs import EUI, Alert, Command, Message, Opaque, Response, Supplementary
from gbcs.dlms.access import (
    Access,
    AccessRequest,
    AccessResponse,
    AccessResult,
    Choice,
    DataNotification,
)
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import NULL, BitString, Data, DataType
from tests.support.second_hand import lv

UNTYPED_CODE = 0xFFFF
"""A message code without a use case."""

_U8, _U16, _U32, _U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))

INTEGERS = {
    DataType.BOOLEAN: _U8,
    DataType.DOUBLE_LONG: st.integers(-(2**31), 2**31 - 1),
    DataType.DOUBLE_LONG_UNSIGNED: _U32,
    DataType.INTEGER: st.integers(-128, 127),
    DataType.LONG: st.integers(-(2**15), 2**15 - 1),
    DataType.UNSIGNED: _U8,
    DataType.LONG_UNSIGNED: _U16,
    DataType.LONG64: st.integers(-(2**63), 2**63 - 1),
    DataType.LONG64_UNSIGNED: _U64,
    DataType.ENUM: _U8,
}
STRINGS = (DataType.OCTET_STRING, DataType.VISIBLE_STRING, DataType.UTF8_STRING)
SIZES = {DataType.DATE_TIME: 12, DataType.DATE: 5, DataType.TIME: 4}


def _octets(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


def _strings() -> st.SearchStrategy[bytes]:
    return st.binary(max_size=40) | st.integers(120, 300).map(bytes)


@st.composite
def bit_strings(draw: st.DrawFn) -> BitString:
    """Draw a bit-string whose unused bits are zero."""
    bits = draw(st.lists(st.booleans(), max_size=40))
    padded = bits + [False] * (-len(bits) % 8)
    number = int("".join("01"[bit] for bit in padded) or "0", 2)
    return BitString(len(bits), number.to_bytes(len(padded) // 8, "big"))


@dataclass(frozen=True)
class Column:
    """A type description, and values of that type with their octets in a compact-array."""

    description: bytes
    values: st.SearchStrategy[tuple[Any, bytes]]


_INTEGER_OCTETS = {
    DataType.BOOLEAN: (1, False),
    DataType.DOUBLE_LONG: (4, True),
    DataType.DOUBLE_LONG_UNSIGNED: (4, False),
    DataType.INTEGER: (1, True),
    DataType.LONG: (2, True),
    DataType.UNSIGNED: (1, False),
    DataType.LONG_UNSIGNED: (2, False),
    DataType.LONG64: (8, True),
    DataType.LONG64_UNSIGNED: (8, False),
    DataType.ENUM: (1, False),
}


def _integer_column(kind: DataType) -> Column:
    size, signed = _INTEGER_OCTETS[kind]
    return Column(
        bytes((kind,)),
        INTEGERS[kind].map(lambda number: (number, number.to_bytes(size, "big", signed=signed))),
    )


_COLUMNS = st.sampled_from(
    [
        *map(_integer_column, INTEGERS),
        *(
            Column(bytes((kind,)), _strings().map(lambda octets: (octets, lv(octets))))
            for kind in STRINGS
        ),
        *(
            Column(bytes((kind,)), _octets(size).map(lambda octets: (octets, octets)))
            for kind, size in SIZES.items()
        ),
    ]
)


def _joined(pairs: Any) -> tuple[tuple[Any, ...], bytes]:
    return tuple(value for value, _ in pairs), b"".join(octets for _, octets in pairs)


def _structure_type(parts: list[Column]) -> Column:
    description = bytes((DataType.STRUCTURE, len(parts)))
    return Column(
        description + b"".join(part.description for part in parts),
        st.tuples(*(part.values for part in parts)).map(_joined),
    )


def _array_type(part: Column, count: int) -> Column:
    description = bytes((DataType.ARRAY,)) + count.to_bytes(2, "big")
    return Column(
        description + part.description,
        st.lists(part.values, min_size=count, max_size=count).map(_joined),
    )


row_types: st.SearchStrategy[Column] = st.recursive(
    _COLUMNS,
    lambda types: (
        st.lists(types, min_size=1, max_size=4).map(_structure_type)
        | st.builds(_array_type, types, st.integers(1, 3))
    ),
    max_leaves=6,
)
"""Types of rows whose columns all take octets."""


@dataclass(frozen=True)
class Rows:
    """The type description, the contents and the rows of a compact-array."""

    description: bytes
    contents: bytes
    rows: list[Any]


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    """Draw rows of any shape."""
    column = draw(row_types)
    rows = draw(st.lists(column.values, max_size=4))
    return Rows(
        column.description, b"".join(octets for _, octets in rows), [value for value, _ in rows]
    )


compact_arrays = tables().map(lambda table: CompactArray(table.description, table.contents))

_leaves = st.one_of(
    st.just(NULL),
    *(st.builds(Data, st.just(kind), numbers) for kind, numbers in INTEGERS.items()),
    *(st.builds(Data, st.just(kind), _strings()) for kind in STRINGS),
    *(st.builds(Data, st.just(kind), _octets(size)) for kind, size in SIZES.items()),
    st.builds(Data, st.just(DataType.BIT_STRING), bit_strings()),
    st.builds(Data, st.just(DataType.COMPACT_ARRAY), compact_arrays),
)
data: st.SearchStrategy[Data] = st.recursive(
    _leaves,
    lambda items: st.builds(
        Data,
        st.sampled_from((DataType.ARRAY, DataType.STRUCTURE)),
        st.lists(items, max_size=4).map(tuple),
    ),
    max_leaves=8,
)
"""DLMS values of every type."""


@st.composite
def accesses(draw: st.DrawFn) -> Access:
    """Draw an access of any kind, with a selection if its kind has one."""
    choice = draw(st.sampled_from(Choice))
    return Access(
        choice,
        draw(_U16),
        draw(_octets(6)),
        draw(_U8),
        draw(data),
        draw(_U8) if choice.selects else None,
        draw(data) if choice.selects else None,
    )


_date_times = st.just(b"") | _octets(12)
_results = st.builds(AccessResult, st.sampled_from(Choice), _U8, data)
apdus = st.one_of(
    st.builds(AccessRequest, _U32, st.lists(accesses(), max_size=3).map(tuple), _date_times),
    st.builds(AccessResponse, _U32, st.lists(_results, max_size=3).map(tuple), _date_times),
    st.builds(DataNotification, _U32, data, _date_times),
)
"""APDUs of every kind."""

_opaque = st.builds(Opaque, st.binary(max_size=20).map(lambda octets: b"\x7f" + octets))
euis = _octets(8).map(EUI)
supplementaries = st.one_of(
    st.none(),
    st.builds(Supplementary, euis),
    st.builds(Supplementary, euis, _U64),
    st.builds(Supplementary, euis, _U64, _U64),
    st.builds(Supplementary, euis, _U64, st.none(), st.binary(min_size=9, max_size=400)),
)
"""Parties behind the ACB, in every length of the other information."""


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Draw a message of any kind, also pre-commands, with and without a MAC header."""
    kind = draw(st.sampled_from((Command, Response, Alert)))
    payload = draw(apdus | _opaque)
    pre_command = kind is Command and draw(st.booleans())
    return kind(
        originator=draw(euis),
        recipient=draw(euis),
        originator_counter=draw(_U64),
        message_code=UNTYPED_CODE if isinstance(payload, Opaque) else draw(_U16),
        payload=payload,
        supplementary=draw(supplementaries),
        transaction_time=draw(_date_times),
        signature=None if pre_command else draw(st.just(b"") | _octets(64)),
        mac=None if pre_command else draw(st.none() | _octets(12)),
    )
