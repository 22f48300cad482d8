"""Messages in text: hex, base64, dumps, JSON, lines of a log, or DUIS.

Text is recognised by its content. If its lines stand alone, messages are found line by line, as the
lines arrive. Knows where to look for messages. Whether octets are a message, `decode` decides.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import chain, islice
from typing import Any, BinaryIO

from gbcs.block import Block
from gbcs.errors import DecodeError
from gbcs.header import open_envelope
from gbcs.json_payloads import JsonError, begins_json, documents_in, is_unfinished, strings_in
from gbcs.octet_text import base64_in, dumps_in, hex_digits_of, hex_in, text_of

_LIKE_HEX = re.compile(r"(?:0[xX]|\\x|[\s:;,._-]|[0-9A-Fa-f])+")
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")
_SPACE = re.compile(r"[ \t]")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FIRST_OCTETS = (0xDD, 0xDF, 0xE0)
"""First octet of a message: general-ciphering, general-signing, general-block-transfer."""
_BEGINNINGS = (b"\xdd\x00\x00\x00\x00\x00\x00", b"\xdd\x09", b"\xdf\x09")
"""First octets of a message with a MAC, of a block with a routing header, and without either."""
_SHORTEST = 35
"""Octets of the shortest message. Shorter ones are not looked for among other text."""
_RUN = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9A-Fa-f]{2}[:-])(?:0[xX])?"
    r"((?:[dD][dDfF]|[eE]0)"
    r"(?:[0-9A-Fa-f]+|([ :-])[0-9A-Fa-f]{2}(?:\2[0-9A-Fa-f]{2})*))(?![0-9A-Za-z])"
)
"""Hex among other text that may be a message: bare, or with one separator between all octets."""
_BASE64_RUN = re.compile(rf"[A-Za-z0-9+/_-]{{{-(-4 * _SHORTEST // 3)},}}={{0,2}}")
_LONG_RUN = re.compile(rf"[0-9A-Fa-f]{{{2 * _SHORTEST},}}")
_UNDECIDED = 1 << 20
"""Text longer than this, in octets, is read whole if no line has shown what it is."""
_NEITHER = "neither hex nor base64 nor the octets of a message"


class SourceError(Exception):
    """Something that holds no octets to decode; the text is one line for the user."""


class _NothingError(SourceError):
    """Text without a trace of a message, such as most lines of a log."""


@dataclass(frozen=True, slots=True)
class Found:
    """The octets of one message and their source, or an error in place of the octets."""

    source: str
    octets: bytes = b""
    time: int = 0
    """Capture time of a packet: Unix time in nanoseconds, 0 if unknown."""
    error: SourceError | DecodeError | None = None


def found_in(stream: BinaryIO, begun: bytes, *, live: bool) -> Iterator[Found]:
    """Yield the messages in a text or in binary, of which `begun` was already read.

    The source of each is its place: empty, or such as `:3`, `:message` or `:3:items[0]`. If `live`,
    no message waits for the next line, so even a single one has the number of its line.

    Raises `SourceError` if there is no message.
    """
    if _is_message(begun) or b"\0" in begun or begun.startswith(_UTF_16):
        content = begun + stream.read()
        text = None if _is_message(content) else text_of(content)
        if text is None:
            yield from _in_whole(content)
        else:
            yield from found_in(BytesIO(text.encode()), b"", live=live)
        return
    lines = chain((begun + stream.readline(),), iter(stream.readline, b""))
    head: list[bytes] = []
    size, seen = 0, False
    for line in lines:
        head.append(line)
        size += len(line)
        text = _line_of(line)
        if not text:
            continue
        first, seen = not seen, True
        binary = "\ufffd" in text or "\0" in text
        if binary or (first and _goes_on(text)) or size > _UNDECIDED:
            break
        if _stands_alone(text, first=first):
            both = chain(head, lines)
            yield from _by_line(
                (_line_of(part) for line in both for part in line.splitlines()), live=live
            )
            return
    yield from _in_whole(b"".join(head) + stream.read())


def _line_of(octets: bytes) -> str:
    return octets.decode("utf-8", "replace").strip("\ufeff \t\r\n")


def _goes_on(first: str) -> bool:
    """Return whether the first line of a text begins something that goes on in the next lines."""
    if begins_json(first):
        return is_unfinished(first)
    return first.startswith("<") or bool(dumps_in([first]))


def _stands_alone(line: str, *, first: bool) -> bool:
    """Return whether a line shows that every line of its text stands alone.

    It is a whole message, JSON or a line of a log. Any other line may be a part of a message: then
    all lines together are what the text is about.
    """
    if begins_json(line):
        return True
    octets = hex_in(line)
    if octets is None and _SPACE.search(line):
        return not _LIKE_HEX.fullmatch(line)
    octets = octets or base64_in(line)
    # A short block could also be a line in the middle of a wrapped message.
    return octets is not None and (first or len(octets) >= _SHORTEST) and _is_complete(octets)


def _by_line(lines: Iterable[str], *, live: bool) -> Iterator[Found]:
    """Yield the messages in each line. Raises `SourceError` if no line holds a message."""
    found = _in_lines(lines)
    first = list(islice(found, 1 if live else 2))
    if len(first) == 1 and not live:
        yield first[0][1]
        return
    for number, one in chain(first, found):
        yield replace(one, source=f":{number}{one.source}")


def _in_lines(lines: Iterable[str]) -> Iterator[tuple[int, Found]]:
    """Yield messages and errors with the numbers of their lines.

    Lines without a trace of a message are left out, because a log has many of them.
    """
    nothing: _NothingError | None = None
    seen = False
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            found = list(_in_line(line))
        except _NothingError as error:
            nothing = nothing or error
            continue
        except SourceError as error:
            found = [Found("", error=error)]
        seen = True
        yield from ((number, one) for one in found)
    if not seen:
        raise nothing or _NothingError(_NEITHER)


def _in_line(line: str) -> Iterator[Found]:
    """Yield the messages of a line. Raises `SourceError`."""
    if begins_json(line):
        try:
            yield from _in_json(documents_in(line))
            return
        except JsonError as error:
            if line.startswith("{"):
                raise SourceError(str(error)) from None
            # Anything else in brackets or quotes may begin a line of a log.
    if _LIKE_HEX.fullmatch(line) or not _SPACE.search(line):
        yield Found("", _octets_of(line))
    else:
        yield Found("", _in_log(line))


def _in_log(line: str) -> bytes:
    """Return the octets of the message in a line of a log. Raises `SourceError`."""
    runs = [hex_digits_of(found[1]) for found in _RUN.finditer(line)]
    written = [bytes.fromhex(run) for run in runs if len(run) % 2 == 0]
    written += [base64_in(run) or b"" for run in _BASE64_RUN.findall(line)]
    found = [octets for octets in written if _resembles(octets)]
    if len(found) > 1:
        raise SourceError(f"{len(found)} parts of the line may be the message: leave only one")
    if found:
        return found[0]
    for run in runs:
        if len(run) >= 2 * _SHORTEST:
            _check_even(run)
    if _LONG_RUN.search(line):
        raise SourceError("the long run of hex in this line does not begin as a message does")
    raise _NothingError(f"{_NEITHER}, nor text with such in it")


def _in_json(documents: Iterable[Any]) -> Iterator[Found]:
    """Yield the messages in the strings of JSON documents, each with its key.

    Raises `JsonError`, or `SourceError` if there is no message.
    """
    all_of_them, seen = list(documents), False
    for number, document in enumerate(all_of_them, start=1):
        place = f":{number}" if len(all_of_them) > 1 else ""
        for key, text in strings_in(document):
            source = f"{place}:{key}" if key else place
            try:
                octets = _octets_in_string(text)
            except SourceError as error:
                yield Found(source, error=error)
            else:
                if octets is None:
                    continue
                yield Found(source, octets)
            seen = True
    if not seen:
        raise _NothingError("JSON without a message: none of its strings is hex or base64 of one")


def _octets_in_string(text: str) -> bytes | None:
    """Return the octets of the message in a string, None if it is about something else.

    Raises `SourceError` if a digit of the message is missing.
    """
    octets = hex_in(text)
    if octets is None and _LIKE_HEX.fullmatch(text):
        digits = hex_digits_of(text)
        if _resembles(bytes.fromhex(digits[: len(digits) // 2 * 2])):
            _check_even(digits)
    octets = octets or base64_in(text)
    return octets if octets is not None and _resembles(octets) else None


def _in_whole(content: bytes) -> Iterator[Found]:
    """Yield the messages of a content that is read as a whole. Raises `SourceError`."""
    messages = [content]
    if not _is_message(content):
        text = text_of(content)
        if _XML.match(content) or (text is not None and text.lstrip().startswith("<")):
            messages = _of_xml(content, text)
        elif text is None:
            raise SourceError(_NEITHER)
        elif begins_json(text):
            try:
                yield from _in_json(documents_in(text))
            except JsonError as error:
                raise SourceError(str(error)) from None
            return
        else:
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            try:
                messages = _of_lines(text, lines)
            except SourceError:
                if not any(map(_has_message, lines)):
                    raise
                yield from _by_line(lines, live=False)
                return
    for number, octets in enumerate(messages, start=1):
        yield Found(f":{number}" if len(messages) > 1 else "", octets)


def _of_lines(text: str, lines: list[str]) -> list[bytes]:
    """Return the octets of each message in `text`, which has these `lines`."""
    dumps = dumps_in(lines)
    # Dumps before lines: each row of a dump could be read as a line of hex.
    if dumps and all(map(_is_message, dumps)):
        return dumps
    if len(lines) > 1:
        octets = [hex_in(line) or base64_in(line) or b"" for line in lines]
        if all(map(_is_message, octets)) and not _is_whole(text):
            return octets
    return [_octets_of(text)]


def _has_message(line: str) -> bool:
    try:
        return any(_is_complete(found.octets) for found in _in_line(line))
    except SourceError:
        return False


def _octets_of(text: str) -> bytes:
    """Return the octets in `text`: a dump, hex or base64. Raises `SourceError`."""
    dumps = dumps_in([line for line in text.splitlines() if line.strip()])
    if len(dumps) == 1 and _is_message(dumps[0]):
        return dumps[0]
    octets = hex_in(text)
    if octets is not None:
        return octets
    octets = base64_in(text)
    # Many words are valid base64, so it counts only if its octets begin a message.
    if octets is not None and _is_message(octets):
        return octets
    if _LIKE_HEX.fullmatch(text):
        _check_even(hex_digits_of(text))
    raise SourceError(_NEITHER)


def _check_even(digits: str) -> None:
    """Raise `SourceError` if a digit is missing."""
    if len(digits) % 2:
        raise SourceError(f"{len(digits):,} hex digits: one is missing, or one is too many")


def _of_xml(content: bytes, text: str | None) -> list[bytes]:
    """Return the octets of each payload of an XML file. Raises `SourceError`."""
    from gbcs.xml_payloads import PAYLOAD, XmlError, payloads_in  # deferred: few sources are XML

    try:
        if text is None:
            payloads = payloads_in(content.lstrip())
        else:
            payloads = payloads_in(text.lstrip("\ufeff \t\r\n").encode(), "utf-8")
    except XmlError as error:
        raise SourceError(str(error)) from None
    if not payloads:
        raise SourceError(f"XML without a {PAYLOAD}")
    messages = []
    for number, payload in enumerate(payloads, start=1):
        octets = hex_in(payload) or base64_in(payload)
        if octets is None or not _is_message(octets):
            raise SourceError(f"{PAYLOAD} {number} is neither base64 nor hex of a message")
        messages.append(octets)
    return messages


def _is_message(octets: bytes) -> bool:
    return bool(octets) and octets[0] in _FIRST_OCTETS


def _resembles(octets: bytes) -> bool:
    """Return whether `octets` begin as a message does, or are a block.

    Stricter than `_is_message`, for text that may be about anything.
    """
    if octets.startswith(_BEGINNINGS):
        return len(octets) >= _SHORTEST
    return Block.begins(octets) and _is_complete(octets)


def _is_whole(text: str) -> bool:
    """Return whether all lines together are one message or block.

    A line of a wrapped message may happen to begin as a message does. The reverse cannot happen:
    several messages are never one, since the lengths in the first of them set its end.
    """
    return _is_complete(hex_in(text) or base64_in(text) or b"")


def _is_complete(octets: bytes) -> bool:
    """Return whether `octets` are exactly one message or block."""
    try:
        if Block.begins(octets):
            Block.parse(octets)
        else:
            open_envelope(octets)
    except DecodeError:
        return False
    return True
