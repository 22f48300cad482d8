"""Where messages come from: hex, base64 or binary, as text, in files and in folders.

Knows forms of writing octets; whether they are a message is for `decode` to say.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path

_SPACE = re.compile(rb"\s+")
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_FIRST_OCTETS = (0xDD, 0xDF, 0xE0)
"""Of a message: general-ciphering, general-signing, general-block-transfer."""


class SourceError(Exception):
    """Something that holds no octets to decode; the text is one line for the user."""


def octets_in(content: bytes) -> bytes:
    """Return the octets that `content` writes as hex, as base64, or as themselves.

    >>> octets_in(b"DF 09").hex()
    'df09'

    Raises `SourceError` where it is neither.
    """
    if _is_message(content):
        return content
    text = _SPACE.sub(b"", content)
    if _HEX.fullmatch(text):
        return bytes.fromhex(text.decode())
    try:
        octets = base64.b64decode(text, validate=True)
    except binascii.Error:
        octets = b""
    if not _is_message(octets):
        raise SourceError("neither hex nor base64 nor the octets of a message")
    return octets


def messages_in(content: bytes) -> list[bytes]:
    """Return the octets of each message in `content`: of every line, where each line is one.

    Raises `SourceError` where there is none.
    """
    lines = [line for line in content.splitlines() if line.strip()]
    if len(lines) > 1 and not _is_message(content):
        try:
            octets = [octets_in(line) for line in lines]
        except SourceError:
            octets = [b""]
        if all(map(_is_message, octets)):
            return octets
    return [octets_in(content)]


def _is_message(octets: bytes) -> bool:
    return bool(octets) and octets[0] in _FIRST_OCTETS


def files_under(path: Path) -> Iterator[Path]:
    """Yield `path`, or where it is a folder all files below it, in order of their names."""
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    else:
        yield path
