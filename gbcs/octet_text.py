"""Octets written as text: hex with the usual separators, base64, and output of hexdump tools.

Knows the ways of writing octets, in any encoding that editors and shells use. Does not know whether
the octets are a message. Work is linear in the length of the text.
"""

import base64
import binascii
import codecs
import re
from collections.abc import Iterable
from itertools import pairwise

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

_SPACE = re.compile(r"\s+")
# One octet at a time: there is only one way to match, so the expression cannot backtrack.
_HEX = re.compile(r"(?:(?:0[xX]|\\x)?[0-9A-Fa-f]{2}[:;,._-]?)+")
_NO_DIGIT = re.compile(r"0[xX]|\\x|[^0-9A-Fa-f]")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+=*")
_STANDARD = str.maketrans("-_", "+/")  # from the URL-safe alphabet

_ROW = re.compile(r"\s*(?:0[xX])?([0-9A-Fa-f]{4,16}):?(?:\s(.*))?")
_REPEATED = "*"
_PAIRS = re.compile(r"\s*((?:[0-9A-Fa-f]{2})+)")
_END = re.compile(r"\s*$|\s{2}|\s*[|>]")
_BESIDE = re.compile(r"\s{2,}|[|>]")
_MOST_REPEATED = 1 << 24
"""Limit, in octets, of all that the lines `*` stand for: a short dump cannot exhaust memory."""
_BASES = (16, 8, 10)  # of the offsets that tools write: xxd and hexdump, od, od -A d


def text_of(content: bytes) -> str | None:
    """Return the text in `content`: UTF-8, or UTF-16 and UTF-32 with a byte order mark.

    UTF-16 without a mark is recognised by its zero octets. None if `content` is not text.
    """
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    # Without a mark, text of ASCII in UTF-16 has a zero in every second octet.
    if encoding == "utf-8" and content and len(content) % 2 == 0:
        if not any(content[1::2]):
            encoding = "utf-16-le"
        elif not any(content[::2]):
            encoding = "utf-16-be"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def hex_in(text: str) -> bytes | None:
    """Return the octets that `text` writes as hex, None if it is not hex.

    >>> hex_in("DF:09, 0x01").hex()
    'df0901'
    """
    packed = _SPACE.sub("", text)
    return bytes.fromhex(hex_digits_of(packed)) if _HEX.fullmatch(packed) else None


def hex_digits_of(text: str) -> str:
    """Return the hex digits of `text`, without prefixes and separators."""
    return _NO_DIGIT.sub("", text)


def base64_in(text: str) -> bytes | None:
    """Return the octets that `text` writes as base64, padded or not, None if it is not base64.

    >>> base64_in("3wkB").hex() == base64_in("3w kB").hex() == "df0901"
    True
    """
    packed = _SPACE.sub("", text)
    if not _BASE64.fullmatch(packed):
        return None
    digits = packed.rstrip("=").translate(_STANDARD)
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except binascii.Error:
        return None


def dumps_in(lines: Iterable[str]) -> list[bytes]:
    """Return the octets of each dump in `lines`, an empty list if they are not dumps.

    A row has an offset, octets in hex, and perhaps their characters, as xxd, hexdump -C, od -t x1,
    tcpdump -X and Wireshark write them. Every dump begins at offset 0. Row lengths follow from the
    offsets, so characters are never read as digits.

    >>> dumps_in(["00000000: df09 0100  ....", "00000004: ab         ."])[0].hex()
    'df090100ab'
    """
    rows: list[tuple[str, str]] = []
    for line in lines:
        found = _ROW.fullmatch(line)
        if found:
            rows.append((found[1], found[2] or ""))
        elif line.strip() == _REPEATED and rows:
            rows.append((_REPEATED, ""))
        else:
            return []
    if not rows or rows[0][0].strip("0"):  # a dump begins at offset 0
        return []
    for base in _BASES:
        dumps = _dumps(rows, base)
        if dumps:
            return dumps
    return []


def _dumps(rows: list[tuple[str, str]], base: int) -> list[bytes]:
    """Return the dumps in `rows` if their offsets are numbers of `base`, else an empty list."""
    dumps: list[bytearray] = []
    width = column = 0  # octets of the last row, and the column where its digits ended
    repeats, repeated = False, 0
    for (offset, body), (following, _) in pairwise([*rows, ("0", "")]):
        if offset == _REPEATED:
            repeats = True
            continue
        try:
            at = int(offset, base)
            after = at + width if following == _REPEATED else int(following, base)
        except ValueError:
            return []
        if at == 0:
            dumps.append(bytearray())
        dump = dumps[-1]
        if repeats:
            missing, repeats = at - len(dump), False
            repeated += missing
            if not width or missing < 0 or missing % width or repeated > _MOST_REPEATED:
                return []
            dump += dump[-width:] * (missing // width)
        if len(dump) != at:  # a gap, or the wrong base
            return []
        # The length of a row that ends its dump, or is followed by `*`, is not in the next offset.
        octets, end = _row(body, after - at if after > at else None, column)
        if octets is None:
            return []
        dump += octets
        width, column = len(octets), max(column, end)
    return [bytes(dump) for dump in dumps]


def _row(body: str, count: int | None, column: int) -> tuple[bytes | None, int]:
    """Return the `count` octets of a row, and the column where their digits end.

    If `count` is None, digits end where they ended in the rows before, or else before a gap.
    """
    body = body.lstrip()
    if count is None:
        beside = None if column else _BESIDE.search(body)
        body = body[: column or (beside.start() if beside else len(body))].rstrip()
    octets, end = bytearray(), 0
    while end < len(body) and (count is None or len(octets) < count):
        found = _PAIRS.match(body, end)
        if not found:
            return None, 0
        octets += bytes.fromhex(found[1])
        end = found.end()
    if count is not None and (len(octets) != count or not _END.match(body, end)):
        return None, 0
    return bytes(octets), end
