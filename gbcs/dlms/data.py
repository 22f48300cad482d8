"""DLMS Data: typed values, read and written in A-XDR.

Knows the data types of the DLMS Green Book that GBCS uses. The schemas of APDUs contain the
constructs `DataField` and `DataList`. These read and write by hand rather than as a tree of
constructs: a command holds some thirty values, and a construct costs more than a value does.

Source: DLMS UA 1000-2 (Green Book) clause 9.5; checked on the vectors.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import construct

from gbcs.axdr import read_length, write_length
from gbcs.dlms.compact_array import FIXED_FORMATS, CompactArray, description_length
from gbcs.errors import DecodeError, EncodeError
from gbcs.templates import Reader, Span

MAX_DEPTH = 24
"""Deepest nesting of values; the deepest vector has 9. Guards against exhausting the stack."""


class DataType(IntEnum):
    """Tags of DLMS Data."""

    NULL_DATA = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    COMPACT_ARRAY = 19
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    DATE_TIME = 25
    DATE = 26
    TIME = 27

    @property
    def title(self) -> str:
        """The DLMS name, such as `double-long-unsigned`."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class BitString:
    """`length` bits in `octets`; the first bit is the highest of the first octet."""

    length: int
    octets: bytes

    def __str__(self) -> str:
        """Return the bits as 0 and 1, the first bit first."""
        bits = int.from_bytes(self.octets, "big") >> (-self.length % 8)
        return f"{bits:0{self.length}b}" if self.length else ""


Value = int | bytes | tuple["Data", ...] | BitString | CompactArray | None


@dataclass(frozen=True, slots=True)
class Data:
    """One DLMS value.

    `value` is an int for numbers, enum and boolean (its octet, since meters write FF for true);
    bytes for strings and dates; a tuple of Data for array and structure; None for null-data.

    >>> Data(DataType.STRUCTURE, (Data(DataType.UNSIGNED, 1), NULL)).octets().hex()
    '0202110100'
    """

    type: DataType
    value: Value

    def octets(self) -> bytes:
        """Return the A-XDR encoding. Raises `EncodeError` if the value does not fit its type."""
        parts: list[bytes] = []
        try:
            _write(self, parts.append, 0)
        except (
            struct.error,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
            DecodeError,
        ) as error:
            raise EncodeError(f"a value does not fit its type: {error}", "data") from error
        return b"".join(parts)

    @classmethod
    def parse(cls, octets: bytes) -> "Data":
        """Return the value of `octets`. Raises `DecodeError` unless they are exactly one value."""
        return _PARSE(octets)


NULL = Data(DataType.NULL_DATA, None)


def array(*items: Data) -> Data:
    """Return an array of `items`."""
    return Data(DataType.ARRAY, items)


def structure(*items: Data) -> Data:
    """Return a structure of `items`."""
    return Data(DataType.STRUCTURE, items)


def octet_string(octets: bytes) -> Data:
    """Return an octet-string."""
    return Data(DataType.OCTET_STRING, octets)


def enum(number: int) -> Data:
    """Return an enum, 0 to 255."""
    return Data(DataType.ENUM, number)


def integer(number: int) -> Data:
    """Return an integer, 8 bits signed."""
    return Data(DataType.INTEGER, number)


def long_unsigned(number: int) -> Data:
    """Return a long-unsigned, 16 bits."""
    return Data(DataType.LONG_UNSIGNED, number)


def double_long_unsigned(number: int) -> Data:
    """Return a double-long-unsigned, 32 bits."""
    return Data(DataType.DOUBLE_LONG_UNSIGNED, number)


# By tag: type, struct and size in octets of a value of fixed width.
_FIXED = {
    tag: (DataType(tag), struct.Struct(">" + form), struct.calcsize(">" + form))
    for tag, form in FIXED_FORMATS.items()
    if form
}
_UNPACK = {tag: (fixed.unpack_from, 1 + size) for tag, (_, fixed, size) in _FIXED.items()}
# By tag: the 256 values of a type of one octet. They are frozen, so all messages share them.
_ONE_OCTET = tuple(
    tuple(Data(DataType(tag), value) for (value,) in _FIXED[tag][1].iter_unpack(bytes(range(256))))
    if tag in _FIXED and _FIXED[tag][2] == 1
    else None
    for tag in range(256)
)
_TYPES = tuple(map({int(kind): kind for kind in DataType}.get, range(256)))
_STRINGS = frozenset(
    map(int, (DataType.OCTET_STRING, DataType.VISIBLE_STRING, DataType.UTF8_STRING))
)
_GROUPS = frozenset(map(int, (DataType.ARRAY, DataType.STRUCTURE)))
_COUNTED = _STRINGS | _GROUPS
_NULL, _COMPACT_ARRAY, _BIT_STRING = map(
    int, (DataType.NULL_DATA, DataType.COMPACT_ARRAY, DataType.BIT_STRING)
)
_LONG = 0x80  # from this first octet of a length on, more octets of it follow

# The work of the frozen dataclass's constructor, inlined: takes a third of its time.
_new = object.__new__
_slots: Any = Data  # the class attributes are the descriptors of its slots
_set_type, _set_value = _slots.type.__set__, _slots.value.__set__


def read_data(octets: bytes, position: int, count: int = 1) -> tuple[tuple[Data, ...], int]:
    """Return `count` values, the first at `position`, and the position after them.

    Raises `DecodeError` if octets end inside a value, if its type is unknown, or if it is nested
    deeper than `MAX_DEPTH`.
    """
    try:
        items, position = _read_items(octets, position, count, 0)
    except (IndexError, struct.error):
        raise DecodeError(f"octets end at {len(octets)}, inside a value") from None
    return tuple(items), position


def _read_items(octets: bytes, position: int, count: int, depth: int) -> tuple[list[Data], int]:
    """Return `count` values and the position after them.

    Octets that end raise `IndexError` or `struct.error`, which `read_data` translates once, instead
    of a check before each read. The order of the branches is that of their frequency.
    """
    if depth > MAX_DEPTH:
        raise DecodeError("data is nested too deeply")
    items: list[Data] = []
    append = items.append
    value: Value
    for _ in range(count):
        tag = octets[position]
        one_octet = _ONE_OCTET[tag]
        if one_octet is not None:
            append(one_octet[octets[position + 1]])
            position += 2
            continue
        if tag in _COUNTED:
            length = octets[position + 1]
            position += 2
            if length >= _LONG:
                length, position = read_length(octets, position - 1)
            if tag in _GROUPS:
                group, position = _read_items(octets, position, length, depth + 1)
                value = tuple(group)
            else:
                end = position + length
                value = octets[position:end]
                if len(value) != length:
                    raise DecodeError(
                        f"{length} octets are announced at {position}, octets end before"
                    )
                position = end
        elif tag in _UNPACK:
            unpack, size = _UNPACK[tag]
            (value,) = unpack(octets, position + 1)
            position += size
        elif tag == _NULL:
            append(NULL)
            position += 1
            continue
        elif tag == _BIT_STRING:
            value, position = _read_bit_string(octets, position + 1)
        elif tag == _COMPACT_ARRAY:
            value, position = _read_compact_array(octets, position + 1)
        else:
            raise DecodeError(f"unknown data type {tag} at octet {position}")
        data = _new(Data)
        _set_type(data, _TYPES[tag])
        _set_value(data, value)
        append(data)
    return items, position


def _read_string(octets: bytes, position: int) -> tuple[bytes, int]:
    length, position = read_length(octets, position)
    end = position + length
    value = octets[position:end]
    if len(value) != length:
        raise DecodeError(f"{length} octets are announced at {position}, {len(value)} are left")
    return value, end


def _read_compact_array(octets: bytes, position: int) -> tuple[CompactArray, int]:
    end = position + description_length(octets, position)
    contents, after = _read_string(octets, end)
    return CompactArray(octets[position:end], contents), after


def _read_bit_string(octets: bytes, position: int) -> tuple[BitString, int]:
    length, position = read_length(octets, position)
    end = position + (length + 7) // 8
    bits = octets[position:end]
    if len(bits) != end - position:
        raise DecodeError(f"{length} bits are announced at {position}, octets end before")
    if length % 8 and bits[-1] & (0xFF >> length % 8):
        raise DecodeError(f"the bit-string at {position} has bits behind its end")
    return BitString(length, bits), end


def _parse(octets: bytes) -> Data:
    try:
        (data,), end = read_data(octets, 0)
    except DecodeError as error:
        raise DecodeError(error.reason, "data") from None
    if end != len(octets):
        raise DecodeError(f"{len(octets) - end} octets are left over at the end", "data")
    return data


_PARSE = Reader(_parse, lambda octets: data_spans((_parse(octets),), len(octets)))

_MIN_STRING = 8
"""Shorter strings are constant in a template: the longest is an OBIS code, which tells what is
read. EUIs, transaction ids, date-times and encrypted attributes are longer."""


def data_spans(values: Sequence[Data], end: int) -> list[Span]:
    """Return the gaps of values whose encodings follow each other up to `end`.

    Gaps are what differs from message to message: long strings, double-long-unsigned (times, for
    the most part), and the rows of compact-arrays if all rows have one length.
    """
    spans: list[Span] = []
    for data in reversed(values):
        value, size = data.value, 0
        # The encoding of a value ends with its own octets, so its type and length need no reading.
        if isinstance(value, tuple):
            spans += reversed(data_spans(value, end))
        elif isinstance(value, CompactArray) and value.rows_have_one_length:
            size = len(value.contents)
        elif isinstance(value, bytes) and len(value) >= _MIN_STRING:
            size = len(value)
        elif data.type is DataType.DOUBLE_LONG_UNSIGNED:
            size = len(data.octets()) - 1
        if size:
            spans.append((end - size, end))
        end -= len(data.octets())
    return spans[::-1]


def _write(data: Data, write: Callable[[bytes], Any], depth: int) -> None:
    kind, value = data.type, data.value
    fixed = _FIXED.get(kind)
    if fixed is not None:
        if isinstance(value, bytes) and len(value) != fixed[2]:
            raise ValueError(f"a {kind.title} has {fixed[2]} octets, not {len(value)}")
        write(bytes((kind,)) + fixed[1].pack(value))
    elif isinstance(value, tuple) and kind in _GROUPS:
        write(bytes((kind,)) + write_length(len(value)))
        if depth >= MAX_DEPTH:
            raise ValueError("nested too deeply")
        for item in value:
            _write(item, write, depth + 1)
    elif isinstance(value, bytes) and kind in _STRINGS:
        write(bytes((kind,)) + write_length(len(value)) + value)
    elif value is None and kind == DataType.NULL_DATA:
        write(b"\x00")
    elif isinstance(value, CompactArray) and kind == DataType.COMPACT_ARRAY:
        write(
            bytes((kind,)) + value.description + write_length(len(value.contents)) + value.contents
        )
    elif isinstance(value, BitString) and kind == DataType.BIT_STRING:
        octets = write_length(value.length) + value.octets
        if _read_bit_string(octets, 0) != (value, len(octets)):
            raise ValueError(f"{value.length} bits do not fit {len(value.octets)} octets")
        write(bytes((kind,)) + octets)
    else:
        raise TypeError(f"{kind.title} does not hold {type(value).__name__}")


class DataField(construct.Construct):  # type: ignore[misc]
    """One DLMS value inside a construct schema."""

    def _parse(self, stream: Any, context: Any, path: str) -> Data:
        (data,) = _read_from(stream, stream.tell(), 1, path)
        return data

    def _build(self, obj: Data, stream: Any, context: Any, path: str) -> Data:
        stream.write(obj.octets())
        return obj


class Encoded(NamedTuple):
    """A value that is A-XDR already; a `DataList` writes it like `Data`."""

    encoding: bytes

    def octets(self) -> bytes:
        """Return the A-XDR encoding."""
        return self.encoding


class DataList(construct.Construct):  # type: ignore[misc]
    """A count and as many DLMS values, inside a construct schema."""

    def _parse(self, stream: Any, context: Any, path: str) -> tuple[Data, ...]:
        try:
            count, position = read_length(stream.getvalue(), stream.tell())
        except DecodeError as error:
            raise construct.ConstructError(error.reason, path=path) from None
        return _read_from(stream, position, count, path)

    def _build(self, obj: Sequence[Data], stream: Any, context: Any, path: str) -> Sequence[Data]:
        stream.write(write_length(len(obj)) + b"".join([data.octets() for data in obj]))
        return obj


def _read_from(stream: Any, position: int, count: int, path: str) -> tuple[Data, ...]:
    try:
        data, end = read_data(stream.getvalue(), position, count)
    except DecodeError as error:
        raise construct.ConstructError(error.reason, path=path) from None
    stream.seek(end)
    return data
