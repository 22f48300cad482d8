"""Where messages come from: hex, base64, binary, DUIS or pcap, as text, in files and in folders.

Knows forms of writing octets; whether they are a message is for `decode` to say.
"""

import base64
import binascii
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
from gbcs.pcap import MAGIC_OCTETS, is_capture, read_packets

_SPACE = re.compile(rb"\s+")
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")
_GBCS_PAYLOAD = re.compile(rb"<(?:[\w.-]+:)?GBCSPayload(?:\s[^<>]*)?>([^<]*)</")
"""The element of a DUIS response or pre-command that holds a message in base64."""
_FIRST_OCTETS = (0xDD, 0xDF, 0xE0)
"""Of a message: general-ciphering, general-signing, general-block-transfer."""
_LONGEST_NAME = 40


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
    """Return the octets of each message in `content`.

    That is of every packet of a pcap file, of every GBCSPayload of an XML file, of every line where
    each line is a message, and else of all of it.

    Raises `SourceError` where there is none, and `DecodeError` where a pcap file is broken.
    """
    if is_capture(content):
        return [packet.octets for packet in read_packets(BytesIO(content))]
    if _XML.match(content):
        payloads = _GBCS_PAYLOAD.findall(content)
        if not payloads:
            raise SourceError("XML without a GBCSPayload")
        return [octets_in(payload) for payload in payloads]
    lines = [line for line in content.splitlines() if line.strip()]
    if len(lines) > 1 and not _is_message(content):
        try:
            octets = [octets_in(line) for line in lines]
        except SourceError:
            octets = [b""]
        if all(map(_is_message, octets)) and not _is_whole(content):
            return octets
    return [octets_in(content)]


def _is_message(octets: bytes) -> bool:
    return bool(octets) and octets[0] in _FIRST_OCTETS


def _is_whole(content: bytes) -> bool:
    """Return whether all lines together write one message or block.

    A line of a wrapped message may happen to begin as a message does; several messages are never
    one, since the lengths in the first of them say where it ends.
    """
    try:
        octets = octets_in(content)
        if Block.begins(octets):
            Block.parse(octets)
        else:
            open_envelope(octets)
    except (DecodeError, SourceError):
        return False
    return True


def files_under(path: Path) -> Iterator[Path]:
    """Yield `path`, or where it is a folder all files below it, in order of their names."""
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    else:
        yield path


@dataclass(frozen=True, slots=True)
class Found:
    """The octets of one message and where they were, or why there are none."""

    source: str
    octets: bytes = b""
    time: int = 0
    """When a packet was captured: Unix time in nanoseconds, 0 where nobody knows."""
    error: SourceError | DecodeError | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """Something to read messages from; a file is opened when they are asked for."""

    name: str
    place: Path | BinaryIO
    otherwise: str = ""
    """What to say before why it holds no message."""

    def messages(self) -> Iterator[Found]:
        """Yield what is found; the packets of a capture one by one, as they are read."""
        place = self.place
        try:
            with place.open("rb") if isinstance(place, Path) else nullcontext(place) as stream:
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
    """Yield what to read for each of `sources`: a file, a folder, - for `stdin`, or text itself."""
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
    except (OSError, ValueError):  # too long for the name of a file, or none
        return False
