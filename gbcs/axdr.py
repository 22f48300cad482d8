"""Atoms of the wire: A-XDR lengths and length-prefixed octets, as construct schemas.

construct's own `Bytes` and `VarInt` are not used: compiled, they accept short reads, and they
accept lengths that are not minimal. These schemas refuse both, so a value has exactly one encoding.

Source: IEC 61334-6 (A-XDR), as GBCS v4.1 clause 7.2.7 uses it; checked on all vectors.
"""

from typing import Any

import construct

from gbcs.errors import DecodeError
from gbcs.records import Fixed, Part, take

MAX_LENGTH = 0xFFFFFFFF
"""The greatest length, in octets: its form takes 4 octets behind the first."""

_LONG_FORM = 0x80


def read_length(octets: bytes, position: int) -> tuple[int, int]:
    """Return the A-XDR length at `position` and the position after it.

    Raises `DecodeError` if the octets end, or if the length is not in its shortest form.
    """
    try:
        first = octets[position]
    except IndexError:
        raise DecodeError(f"octets end at {position}, before a length") from None
    position += 1
    if first < _LONG_FORM:
        return first, position
    size = first & 0x7F
    if not 1 <= size <= 4:
        raise DecodeError(f"a length of {size} octets at {position - 1}; 1 to 4 are allowed")
    raw = octets[position : position + size]
    if len(raw) != size:
        raise DecodeError(f"octets end at {position + len(raw)}, inside a length")
    length = int.from_bytes(raw, "big")
    # Only the shortest form: two encodings of one message would break decode-encode identity.
    if length < _LONG_FORM or (size > 1 and length < 1 << (8 * (size - 1))):
        raise DecodeError(f"the length at {position - 1} is not in its shortest form")
    return length, position + size


def write_length(length: int) -> bytes:
    """Return `length` in the fewest octets. Raises `ValueError` unless it is 0 to `MAX_LENGTH`."""
    if 0 <= length < _LONG_FORM:
        return bytes((length,))
    if not 0 <= length <= MAX_LENGTH:
        raise ValueError(f"length {length} has no A-XDR form")
    size = (length.bit_length() + 7) // 8
    return bytes((_LONG_FORM | size,)) + length.to_bytes(size, "big")


class Length(construct.Construct):  # type: ignore[misc]
    """An A-XDR length or count, as a construct schema."""

    def _parse(self, stream: Any, context: Any, path: str) -> int:
        # Most lengths are one octet; only the others pay for a call of `read_length`.
        first = stream.read(1)
        return first[0] if first and first[0] < _LONG_FORM else _read_long(stream, first, path)

    def _build(self, obj: int, stream: Any, context: Any, path: str) -> int:
        stream.write(write_length(obj))
        return obj


def _read_long(stream: Any, first: bytes, path: str) -> int:
    """Return the length whose first octet is `first`, which needs more octets or is missing."""
    try:
        return read_length(first + stream.read(first[0] & 0x7F if first else 0), 0)[0]
    except DecodeError as error:
        raise construct.StreamError(error.reason, path=path) from None


class Octets(Fixed):
    """Exactly `size` octets. A short read fails, compiled or not."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def part(self) -> Part:
        """Return how the octets are read."""
        return Part("", (f"{self.size}s",), lambda _, values: next(values))

    def _parse(self, stream: Any, context: Any, path: str) -> bytes:
        return take(stream, self.size, path)

    def _build(self, obj: bytes, stream: Any, context: Any, path: str) -> bytes:
        if len(obj) != self.size:
            raise construct.StreamError(f"{self.size} octets are needed, not {len(obj)}", path=path)
        stream.write(obj)
        return obj


class LengthValue(construct.Construct):  # type: ignore[misc]
    """Octets behind their A-XDR length."""

    def _parse(self, stream: Any, context: Any, path: str) -> bytes:
        first = stream.read(1)
        length = first[0] if first and first[0] < _LONG_FORM else _read_long(stream, first, path)
        value: bytes = stream.read(length)
        if len(value) != length:
            raise construct.StreamError(
                f"{length} octets are announced and {len(value)} are left", path=path
            )
        return value

    def _build(self, obj: bytes, stream: Any, context: Any, path: str) -> bytes:
        stream.write(write_length(len(obj)) + obj)
        return obj
