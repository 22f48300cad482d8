"""Captures: pcap and pcapng files of link type USER0, one GBCS message a packet.

Knows the file formats. Does not know whether a packet is a message. Reads both byte orders and any
precision; writes classic pcap, little-endian with microseconds.

Wireshark opens such a file, and dissects it if its preference file `user_dlts` contains

    "User 0 (DLT=147)","gbcs_message","0","","0",""

Source: draft-ietf-opsawg-pcap (file format, link types), draft-ietf-opsawg-pcapng. Wireshark 4.0
reads the files written here, and its files are read here.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gbcs.errors import DecodeError, EncodeError

USER0 = 147
"""A link type for private use; Wireshark's preferences map it to GBCS."""

MAX_PACKET = 262_144
"""Longest packet, in octets: Wireshark refuses longer ones."""

MAGIC_OCTETS = 4
_MAGIC = {b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\xa1\xb2\xc3\xd4": (">", 1000)} | {
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""First octets of a file: byte order, and nanoseconds in a unit of the fraction of a second."""
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_WRITTEN = b"\xd4\xc3\xb2\xa1"
_VERSION = 2, 4
_HEADER, _PACKET = "HHiIII", "IIII"
_LINK_TYPE = 0xFFFF  # the bits above are about frame check sequences
_SECOND = 1_000_000_000

_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_SECTION, _INTERFACE, _SIMPLE = 0x0A0D0D0A, 1, 3
_FIELDS = {6: "IIIII", 2: "HHIIII"}
"""Fields of packet blocks, enhanced and obsolete: interface, drops, time (two), size, whole."""
_MICROSECONDS = 1_000_000
_END, _RESOLUTION, _OFFSET = 0, 9, 14
"""Options of an interface."""
_AT_ONCE = 1 << 16
"""Octets read at once of what is skipped."""
_MOST_INTERFACES = 4096
"""Interfaces of a section, so that a broken file cannot fill the memory."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet and its capture time: Unix time in nanoseconds, 0 if unknown."""

    octets: bytes
    time: int = 0


def is_capture(magic: bytes) -> bool:
    """Return whether `magic` begins a pcap or pcapng file, even one that cannot be read."""
    return magic[:MAGIC_OCTETS] in _MAGIC or magic[:MAGIC_OCTETS] == _PCAPNG


def read_packets(stream: BinaryIO, begun: bytes = b"") -> Iterator[Packet]:
    """Yield the packets of a capture one by one, and hold only one at a time.

    `begun` are the octets already read from `stream`. Raises `DecodeError` if the file is not a
    capture of USER0, if it ends inside a packet, or if a packet was not captured whole.
    """
    magic = begun + stream.read(MAGIC_OCTETS - len(begun))
    if magic == _PCAPNG:
        yield from _pcapng_packets(stream)
        return
    if magic not in _MAGIC:
        raise DecodeError("not a pcap file", "pcap")
    order, unit = _MAGIC[magic]
    header, packet = struct.Struct(order + _HEADER), struct.Struct(order + _PACKET)
    major, minor, _, _, _, link_type = header.unpack(_take(stream, header.size, "pcap"))
    if (major, minor) != _VERSION:
        raise DecodeError(f"version {major}.{minor}; only 2.4 is supported", "pcap")
    _check_link_type(link_type & _LINK_TYPE, "pcap")
    number = 0
    while head := stream.read(packet.size):
        number += 1
        path = f"pcap.packets[{number}]"
        if len(head) < packet.size:
            raise DecodeError("the file ends inside it", path)
        seconds, fraction, size, whole = packet.unpack(head)
        _check_size(size, whole, path)
        yield Packet(_take(stream, size, path), seconds * _SECOND + fraction * unit)


def _check_link_type(link_type: int, path: str) -> None:
    if link_type != USER0:
        raise DecodeError(f"link type {link_type}; GBCS messages need USER0 ({USER0})", path)


def _check_size(size: int, whole: int, path: str) -> None:
    """Raise `DecodeError` before a packet is read: a broken file could announce gigabytes."""
    if size > MAX_PACKET or size != whole:
        raise DecodeError(f"{size} octets of {whole}; {MAX_PACKET} are the limit", path)


def _take(stream: BinaryIO, size: int, path: str) -> bytes:
    octets = stream.read(size)
    if len(octets) < size:
        raise DecodeError("the file ends inside it", path)
    return octets


@dataclass(slots=True)
class _Block:
    """A block of a pcapng file, read field by field."""

    kind: int
    order: str
    path: str
    _stream: BinaryIO
    _left: int
    """Octets not yet read, without the length that ends the block."""

    def take(self, size: int) -> bytes:
        """Return the next `size` octets. Raises `DecodeError` if the block has fewer."""
        if size > self._left:
            raise DecodeError("it is shorter than what it holds", self.path)
        self._left -= size
        return _take(self._stream, size, self.path)

    def unpack(self, fields: str) -> tuple[int, ...]:
        """Return the next fields as numbers."""
        return struct.unpack(self.order + fields, self.take(struct.calcsize(f"={fields}")))

    def options(self) -> Iterator[tuple[int, bytes]]:
        """Yield the code and value of each option."""
        while self._left:
            code, size = self.unpack("HH")
            if code == _END:
                return
            yield code, self.take(size + -size % 4)[:size]

    def skip(self) -> None:
        """Read over the rest, which may be long."""
        while self._left:
            self.take(min(self._left, _AT_ONCE))


@dataclass(frozen=True, slots=True)
class _Interface:
    link_type: int
    longest: int
    """Octets captured of a packet, 0 for all."""
    resolution: int
    """Units of time in a second."""
    offset: int
    """Seconds added to each time."""

    @classmethod
    def of(cls, block: _Block) -> "_Interface":
        link_type, _, longest = block.unpack("HHI")
        resolution, offset = _MICROSECONDS, 0
        for code, value in block.options():
            if code == _RESOLUTION and len(value) == 1:
                resolution = (2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F)
            elif code == _OFFSET and len(value) == struct.calcsize("=q"):
                (offset,) = struct.unpack(f"{block.order}q", value)
        return cls(link_type, longest, resolution, offset)

    def time(self, units: int) -> int:
        """Return Unix time in nanoseconds."""
        return self.offset * _SECOND + units * _SECOND // self.resolution


def _pcapng_packets(stream: BinaryIO) -> Iterator[Packet]:
    """Yield the packets of a pcapng file whose first four octets were read."""
    interfaces: list[_Interface] = []
    for block in _blocks(stream):
        if block.kind == _SECTION:
            interfaces = []
            major, minor = block.unpack("HH")
            if major != 1:
                raise DecodeError(f"version {major}.{minor}; only 1 is supported", "pcapng")
        elif block.kind == _INTERFACE:
            if len(interfaces) == _MOST_INTERFACES:
                raise DecodeError(f"more than {_MOST_INTERFACES} interfaces", block.path)
            interfaces.append(_Interface.of(block))
        elif block.kind == _SIMPLE:
            (whole,) = block.unpack("I")
            interface = _interface(interfaces, 0, block)
            size = min(whole, interface.longest or whole)
            _check_size(size, whole, block.path)
            yield Packet(block.take(size))
        elif block.kind in _FIELDS:
            number, *_, high, low, size, whole = block.unpack(_FIELDS[block.kind])
            interface = _interface(interfaces, number, block)
            _check_size(size, whole, block.path)
            yield Packet(block.take(size), interface.time(high << 32 | low))


def _interface(interfaces: list[_Interface], number: int, block: _Block) -> _Interface:
    if number >= len(interfaces):
        raise DecodeError(f"a packet of interface {number}, which is not described", block.path)
    _check_link_type(interfaces[number].link_type, block.path)
    return interfaces[number]


def _blocks(stream: BinaryIO) -> Iterator[_Block]:
    """Yield each block, and skip what was not read of it. Raises `DecodeError`."""
    kind, order, number = _PCAPNG, "", 0
    while kind:
        number += 1
        path = f"pcapng.blocks[{number}]"
        if len(kind) < MAGIC_OCTETS:
            raise DecodeError("the file ends inside it", path)
        length, head = _take(stream, 4, path), 8
        if kind == _PCAPNG:
            magic = _take(stream, MAGIC_OCTETS, path)
            if magic not in _ORDERS:
                raise DecodeError(f"{magic.hex().upper()} is not a byte order", path)
            order, head = _ORDERS[magic], head + MAGIC_OCTETS
        (code,), (size,) = struct.unpack(f"{order}I", kind), struct.unpack(f"{order}I", length)
        left = size - head - len(length)
        if left < 0 or size % 4:
            raise DecodeError(f"{size} is not the length of a block", path)
        block = _Block(code, order, path, stream, left)
        yield block
        block.skip()
        if _take(stream, len(length), path) != length:
            raise DecodeError("its two lengths differ: the file is damaged", path)
        kind = stream.read(MAGIC_OCTETS)


class PcapWriter:
    """Writes packets to `stream`, with times to the microsecond. The caller closes the stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        stream.write(_WRITTEN + struct.pack(f"<{_HEADER}", *_VERSION, 0, 0, MAX_PACKET, USER0))

    def write(self, packet: Packet) -> None:
        """Write one packet. Raises `EncodeError` if it is too long or its time out of range."""
        size = len(packet.octets)
        if size > MAX_PACKET:
            raise EncodeError(f"{size} octets; {MAX_PACKET} are the limit", "pcap")
        seconds, rest = divmod(packet.time, _SECOND)
        try:
            head = struct.pack(f"<{_PACKET}", seconds, rest // _MAGIC[_WRITTEN][1], size, size)
        except struct.error:
            raise EncodeError(f"{packet.time} ns; a time is in 1970 to 2106", "pcap") from None
        self._stream.write(head + packet.octets)
