"""Sources of messages: files, folders, stdin and arguments, with text, binary or captures.

All are recognised by content, never by name. Whether octets are a message, `decode` decides.
"""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from gbcs.errors import DecodeError
from gbcs.pcap import MAGIC_OCTETS, is_capture, read_packets
from gbcs.text_messages import Found, SourceError, found_in

__all__ = ["Found", "Input", "SourceError", "files_under", "inputs_in", "messages_in"]

_LONGEST_NAME = 40


def messages_in(content: bytes) -> list[bytes]:
    """Return the octets of each message in `content`.

    A message is a packet of a capture, a GBCSPayload of an XML file, a string of JSON, a dump, a
    line, the hex in a line of a log, or else all of `content`.

    Raises `SourceError` if there is no message or a broken one, and `DecodeError` if a capture is
    broken.
    """
    found = list(_found_in(BytesIO(content), live=False))
    for one in found:
        if one.error is not None:
            raise one.error
    return [one.octets for one in found]


def _found_in(stream: BinaryIO, *, live: bool) -> Iterator[Found]:
    # A capture may be longer than the memory, so only its first octets are read here.
    begun = stream.read(MAGIC_OCTETS)
    if not is_capture(begun):
        yield from found_in(stream, begun, live=live)
        return
    for number, packet in enumerate(read_packets(stream, begun), start=1):
        yield Found(f":{number}", packet.octets, packet.time)


def files_under(path: Path) -> Iterator[Path]:
    """Yield `path`, or if it is a folder, all files below it in order of their names."""
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    else:
        yield path


@dataclass(frozen=True, slots=True)
class Input:
    """A source of messages; a file is opened by `messages`."""

    name: str
    place: Path | BinaryIO
    otherwise: str = ""
    """Text before the reason if the source holds no message."""

    def messages(self) -> Iterator[Found]:
        """Yield the messages or errors found, as they are read: packets, or lines of a pipe."""
        place = self.place
        live = not isinstance(place, Path | BytesIO)
        try:
            with place.open("rb") if isinstance(place, Path) else nullcontext(place) as stream:
                for found in _found_in(stream, live=live):
                    yield replace(found, source=self.name + found.source)
        except DecodeError as error:
            yield Found(self.name, error=error)
        except SourceError as error:
            yield Found(self.name, error=SourceError(f"{self.otherwise}{error}"))
        except OSError as error:
            yield Found(self.name, error=SourceError(error.strerror or "cannot be read"))


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
