"""compact-array: many rows of one shape behind one type description.

Knows type descriptions and rows. Keeps both as octets, so nothing is lost, and reads rows on
demand. Rows of fixed width are read with one `struct`, cached by type description; rows with
strings (ECS35a, ECS35c, DBCH02) are read column by column.

Source: DLMS UA 1000-2 clause 9.5, TypeDescription; the count of an array is 16 bits unsigned.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import starmap
from operator import itemgetter
from typing import Any

from gbcs.axdr import read_length, write_length
from gbcs.errors import DecodeError, EncodeError

MAX_DEPTH = 8
MAX_PARTS = 1024
"""Limits of a type description: its depth, and the columns and groups of a row. The vectors stay
below 3 and 200. Without limits, nested arrays could describe a row of any size in a few octets."""

# tag of a DLMS type of fixed width: its struct format
FIXED_FORMATS = {
    0: "",  # null-data
    3: "B",  # boolean, kept as its octet
    5: "i",  # double-long
    6: "I",  # double-long-unsigned
    15: "b",  # integer
    16: "h",  # long
    17: "B",  # unsigned
    18: "H",  # long-unsigned
    20: "q",  # long64
    21: "Q",  # long64-unsigned
    22: "B",  # enum
    25: "12s",  # date-time
    26: "5s",  # date
    27: "4s",  # time
}
_ARRAY, _STRUCTURE = 1, 2
_STRINGS = (9, 10, 12)  # octet-string, visible-string, utf8-string
_COLUMNS = frozenset((*FIXED_FORMATS, *_STRINGS)) - {0}  # null-data: a row could have no octets
_PACKED = _COLUMNS - {*_STRINGS, 25, 26, 27}  # `struct` would pad a date that is too short

Shape = int | tuple["Shape", ...]
"""A tag for a column, a tuple for an array or a structure of them."""


@dataclass(frozen=True, slots=True)
class CompactArray:
    """Rows of one shape: `description` is the DLMS type description, `contents` the rows.

    >>> array = CompactArray(bytes.fromhex("02020606"), bytes.fromhex("0000000100000002"))
    >>> array.rows()
    [(1, 2)]

    Raises `DecodeError` if the description is not valid, or the contents are not whole rows.
    """

    description: bytes
    contents: bytes

    def __post_init__(self) -> None:
        layout = _layout(self.description)
        if layout.width is None:
            for _ in layout.read(self.contents):  # only reading finds where such rows end
                pass
        elif len(self.contents) % layout.width:
            raise DecodeError(
                f"compact-array: {len(self.contents)} octets are not whole rows "
                f"of {layout.width} octets"
            )

    @property
    def rows_have_one_length(self) -> bool:
        """Whether all rows have the same number of octets, as they have without strings."""
        return _layout(self.description).width is not None

    def rows(self) -> list[Any]:
        """Return the rows: a tuple for each structure or array, an int or bytes for a column."""
        return list(_layout(self.description).read(self.contents))

    @classmethod
    def of(cls, description: bytes, rows: Iterable[Any]) -> "CompactArray":
        """Return the compact-array of `rows`, in the form of `rows()`. Raises `EncodeError`."""
        try:
            return cls(description, b"".join(_layout(description).write(rows)))
        except (struct.error, TypeError, ValueError) as error:
            raise EncodeError(f"compact-array: a row does not fit its type: {error}") from None


def description_length(octets: bytes, position: int) -> int:
    """Return the length in octets of the type description at `position`.

    Raises `DecodeError` if octets end inside it. Types are not checked until rows are read.
    """
    start = position
    types = 1
    try:
        while types:
            tag = octets[position]
            position += 1
            types -= 1
            if tag == _STRUCTURE:
                count, position = read_length(octets, position)
                types += count
            elif tag == _ARRAY:
                position += 2
                types += 1
    except IndexError:
        raise DecodeError("type description: octets end inside it") from None
    return position - start


@dataclass(frozen=True, slots=True)
class _Layout:
    """How rows are read and written. `width` is that of a row in octets, None if it varies."""

    width: int | None
    read: Callable[[bytes], Iterator[Any]]
    write: Callable[[Iterable[Any]], Iterator[bytes]]


@lru_cache(maxsize=256)
def _layout(description: bytes) -> _Layout:
    shape, end, _ = _read_type(description, 0, 0)
    columns = tuple(_columns(shape))
    if end != len(description):
        raise DecodeError("compact-array: octets are left over behind the type description")
    if not _PACKED.issuperset(columns):
        return _Layout(
            None,
            lambda octets: _walk(shape, octets),
            lambda rows: (_write(shape, row) for row in rows),
        )
    row = struct.Struct(">" + "".join([FIXED_FORMATS[tag] for tag in columns]))
    if shape == columns:  # a flat row, as in every log: no nesting to restore
        return _Layout(row.size, row.iter_unpack, lambda rows: starmap(row.pack, rows))
    nest, depth = _nester(shape, 0), _depth(shape)
    return _Layout(
        row.size,
        lambda octets: map(nest, row.iter_unpack(octets)),
        lambda rows: (row.pack(*_flatten(values, depth)) for values in rows),
    )


def _read_type(octets: bytes, position: int, depth: int) -> tuple[Shape, int, int]:
    """Return the shape at `position`, the position after it, and its number of parts."""
    if depth > MAX_DEPTH:
        raise DecodeError("type description: nested too deeply")
    tag, position = _take(octets, position, 1)
    if tag in _COLUMNS:
        return tag, position, 1
    if tag == _ARRAY:
        count, position = _take(octets, position, 2)
        if not count:
            raise DecodeError("type description: an array without elements")
        shape, position, parts = _read_type(octets, position, depth + 1)
        # Bounded at each level: three nested arrays could announce 2^48 parts.
        return (shape,) * count, position, _bound(1 + count * parts)
    if tag == _STRUCTURE:
        count, position = read_length(octets, position)
        if not count:
            raise DecodeError("type description: a structure without elements")
        shapes = []
        total = 1
        for _ in range(count):
            shape, position, parts = _read_type(octets, position, depth + 1)
            shapes.append(shape)
            total = _bound(total + parts)
        return tuple(shapes), position, total
    raise DecodeError(f"type description: unknown data type {tag}")


def _columns(shape: Shape) -> Iterator[int]:
    """Yield the tags of the columns in their order."""
    if isinstance(shape, int):
        yield shape
    else:
        for part in shape:
            yield from _columns(part)


def _take(octets: bytes, position: int, size: int) -> tuple[int, int]:
    raw = octets[position : position + size]
    if len(raw) != size:
        raise DecodeError("type description: octets end inside it")
    return int.from_bytes(raw, "big"), position + size


def _bound(parts: int) -> int:
    if parts > MAX_PARTS:
        raise DecodeError(f"type description: more than {MAX_PARTS} parts in a row")
    return parts


def _nester(shape: Shape, start: int) -> Callable[[tuple[Any, ...]], Any]:
    """Return a function that nests flat values, of which the first is at `start`, as `shape` says.

    A row of columns and arrays of columns, as in every log, is nested by one `itemgetter`.
    """
    if isinstance(shape, int):
        return itemgetter(start)
    nesters: list[Callable[[tuple[Any, ...]], Any]] = []
    places: list[int | slice] = []
    end = start
    for part in shape:
        begin, end = end, end + len(tuple(_columns(part)))
        nesters.append(_nester(part, begin))
        if isinstance(part, int):
            places.append(begin)
        elif all(isinstance(column, int) for column in part):
            places.append(slice(begin, end))
    if all(isinstance(place, int) for place in places) and len(places) == len(shape):
        return itemgetter(slice(start, end))
    if len(places) == len(shape) > 1:
        return itemgetter(*places)
    return lambda values: tuple([nest(values) for nest in nesters])


def _depth(shape: Shape) -> int:
    """Return how many tuples a value of `shape` may be nested in."""
    return 0 if isinstance(shape, int) else 1 + max(map(_depth, shape))


def _flatten(row: Any, depth: int) -> Sequence[Any]:
    """Return the values of a row of that depth; tuples that are nested deeper remain."""
    values: Sequence[Any] = (row,)
    for _ in range(depth):
        flat: list[Any] = []
        for value in values:
            if isinstance(value, tuple):
                flat += value
            else:
                flat.append(value)
        values = flat
    return values


def _walk(shape: Shape, contents: bytes) -> Iterator[Any]:
    position = 0
    while position < len(contents):
        value, position = _read(shape, contents, position)
        yield value


def _read(shape: Shape, octets: bytes, position: int) -> tuple[Any, int]:
    if isinstance(shape, tuple):
        values = []
        for part in shape:
            value, position = _read(part, octets, position)
            values.append(value)
        return tuple(values), position
    if shape in _STRINGS:
        length, position = read_length(octets, position)
    else:
        length = struct.calcsize(">" + FIXED_FORMATS[shape])
    raw = octets[position : position + length]
    if len(raw) != length:
        raise DecodeError("compact-array: octets end inside a row")
    if shape in _STRINGS:
        return raw, position + length
    return struct.unpack(">" + FIXED_FORMATS[shape], raw)[0], position + length


def _write(shape: Shape, value: Any) -> bytes:
    if isinstance(shape, tuple):
        return b"".join([_write(part, item) for part, item in zip(shape, value, strict=True)])
    if shape in _STRINGS:
        return write_length(len(value)) + bytes(value)
    size = struct.calcsize(">" + FIXED_FORMATS[shape])
    if isinstance(value, bytes) and len(value) != size:
        raise ValueError(f"{len(value)} octets instead of {size}")
    return struct.pack(">" + FIXED_FORMATS[shape], value)
