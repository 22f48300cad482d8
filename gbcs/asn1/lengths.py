"""Lengths of two octets where DER has one: how the RTDS writes 128 to 255.

DER writes such a length as 81 nn. The messages of RTDS 4.5.0 write it as 82 00 nn outside
certificates; lengths from 256 are the same in both.
Vectors: CS02fMAC_6.24.1_SUCCESS_RESPONSE, CS02bSupplierByTransCoS_6.23_IMMEDIATE_SUCCESS_RESPONSE.
"""

from collections.abc import Iterator, Set
from typing import Any

CONSTRUCTED = 0x20
"""Bit of a tag: the contents are elements."""


def verbatim(plain: Any) -> Iterator[bytes]:
    """Yield the parts of certificates and requests in `plain`, a value of asn1tools.

    `widen` must leave them as they are: a signature covers them.
    """
    if isinstance(plain, dict):
        if "toBeSigned" in plain:
            yield bytes(plain["toBeSigned"])
            yield bytes(plain["algorithmIdentifier"])
        for value in plain.values():
            yield from verbatim(value)
    elif isinstance(plain, list | tuple):
        for value in plain:
            yield from verbatim(value)


def widen(der: bytes, verbatim: Set[bytes]) -> bytes:
    """Return `der` with every length 81 nn as 82 00 nn; elements in `verbatim` stay as they are.

    `der` is one or several well-formed elements with tags of one octet.
    """
    widened = bytearray()
    position = 0
    while position < len(der):
        start, end = contents_of(der, position)
        if der[position:end] in verbatim:
            widened += der[position:end]
        else:
            # Contents first: their own size may grow, and with it the length before them.
            contents = der[start:end]
            if der[position] & CONSTRUCTED:
                contents = widen(contents, verbatim)
            widened.append(der[position])
            widened += _length(len(contents)) + contents
        position = end
    return bytes(widened)


def contents_of(der: bytes, position: int) -> tuple[int, int]:
    """Return where the contents of the element at `position` start and end.

    Its length must be definite. Raises `IndexError` if the octets end before it.
    """
    first, start = der[position + 1], position + 2
    if first < 0x80:
        return start, start + first
    size = first & 0x7F
    return start + size, start + size + int.from_bytes(der[start : start + size], "big")


def _length(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    size = max(2, (length.bit_length() + 7) // 8)
    return bytes((0x80 | size,)) + length.to_bytes(size, "big")
