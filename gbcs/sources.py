"""Sources of messages: hex, base64, dumps, binary, DUIS or pcap, in files, folders and stdin.

Knows where to look for messages. Whether octets are a message, `decode` decides.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from gbcs.block import Block
from gbcs.errors import DecodeError
from gbcs.header import open_envelope
from gbcs.octet_text import base64_in, dumps_in, hex_digits_of, hex_in, text_of
from gbcs.pcap import MAGIC_OCTETS, is_capture, read_packets

_LIKE_HEX = re.compile(r"(?:0[xX]|\\x|[\s:;,._-]|[0-9A-Fa-f])+")
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")
_FIRST_OCTETS = (0xDD, 0xDF, 0xE0)
"""First octet of a message: general-ciphering, general-signing, general-block-transfer."""
_LONGEST_NAME = 40
_NEITHER = "neither hex nor base64 nor the octets of a message"


class SourceError(Exception):
    """Something that holds no octets to decode; the text is one line for the user."""


def octets_in(content: bytes) -> bytes:
    """Return the octets in `content`: hex, base64, a dump, or the octets themselves.

    >>> octets_in(b"DF:09").hex()
    'df09'

    Raises `SourceError` if `content` is none of these.
    """
    if _is_message(content):
        return content
    return _octets_of(_text(content))


def messages_in(content: bytes) -> list[bytes]:
    """Return the octets of each message in `content`.

    A message is a packet of a pcap file, a GBCSPayload of an XML file, a dump, a line if every line
    is a message, or else all of `content`.

    Raises `SourceError` if there is no message, and `DecodeError` if a pcap file is broken.
    """
    if is_capture(content):
        return [packet.octets for packet in read_packets(BytesIO(content))]
    if _is_message(content):
        return [content]
    text = text_of(content)
    if _XML.match(content) or (text is not None and text.lstrip().startswith("<")):
        return _of_xml(content, text)
    text = _text(content)
    lines = [line for line in text.splitlines() if line.strip()]
    dumps = dumps_in(lines)
    # Dumps before lines: each row of a dump could be read as a line of hex.
    if dumps and all(map(_is_message, dumps)):
        return dumps
    if len(lines) > 1:
        octets = [hex_in(line) or base64_in(line) or b"" for line in lines]
        if all(map(_is_message, octets)) and not _is_whole(text):
            return octets
    return [_octets_of(text)]


def _text(content: bytes) -> str:
    text = text_of(content)
    if text is None:
        raise SourceError(_NEITHER)
    return text


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
    digits = len(hex_digits_of(text))
    if digits % 2 and _LIKE_HEX.fullmatch(text):
        raise SourceError(f"{digits:,} hex digits: one is missing, or one is too many")
    raise SourceError(_NEITHER)


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


def _is_whole(text: str) -> bool:
    """Return whether all lines together are one message or block.

    A line of a wrapped message may happen to begin as a message does. The reverse cannot happen:
    several messages are never one, since the lengths in the first of them set its end.
    """
    octets = hex_in(text) or base64_in(text)
    if octets is None:
        return False
    try:
        if Block.begins(octets):
            Block.parse(octets)
        else:
            open_envelope(octets)
    except DecodeError:
        return False
    return True


def files_under(path: Path) -> Iterator[Path]:
    """Yield `path`, or if it is a folder, all files below it in order of their names."""
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    else:
        yield path


@dataclass(frozen=True, slots=True)
class Found:
    """The octets of one message and their source, or an error in place of the octets."""

    source: str
    octets: bytes = b""
    time: int = 0
    """Capture time of a packet: Unix time in nanoseconds, 0 if unknown."""
    error: SourceError | DecodeError | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """A source of messages; a file is opened by `messages`."""

    name: str
    place: Path | BinaryIO
    otherwise: str = ""
    """Text before the reason if the source holds no message."""

    def messages(self) -> Iterator[Found]:
        """Yield the messages or errors found; packets of a capture one by one, as they are read."""
        place = self.place
        try:
            with place.open("rb") if isinstance(place, Path) else nullcontext(place) as stream:
                # A capture may be longer than the memory, so only its first octets are read here.
                begun = stream.read(MAGIC_OCTETS)
                if is_capture(begun):
                    for number, packet in enumerate(read_packets(stream, begun), start=1):
                        yield Found(f"{self.name}:{number}", packet.octets, packet.time)
                    return
                octets = messages_in(begun + stream.read())
        except DecodeError as error:
            yield Found(self.name, error=error)
            return
        except SourceError as error:
            yield Found(self.name, error=SourceError(f"{self.otherwise}{error}"))
            return
        except OSError as error:
            yield Found(self.name, error=SourceError(error.strerror or "cannot be read"))
            return
        for number, message in enumerate(octets, start=1):
            yield Found(self.name if len(octets) == 1 else f"{self.name}:{number}", message)


def inputs_in(sources: Iterable[str], stdin: BinaryIO) -> Iterator[Input]:
    """Yield the inputs of each source: a file, a folder, - for `stdin`, or the text itself."""
    for source in sources:
        if source == "-":
            yield Input(source, stdin)
        elif _exists(source):
            for path in files_under(Path(source)):
                yield Input(str(path), path)
        else:
            short = source if len(source) <= _LONGEST_NAME else f"{source[: _LONGEST_NAME - 3]}..."
            content = BytesIO(source.encode(errors="replace"))
            yield Input(short, content, "no such file, and ")


def _exists(source: str) -> bool:
    try:
        return bool(source) and Path(source).exists()
    except (OSError, ValueError):  # not a file name: too long, or with a zero octet
        return False
