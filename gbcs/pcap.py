"""Captures: classic pcap files of link type USER0, one GBCS message a packet.

Knows the file format. Does not know whether a packet is a message. Reads both byte orders and both
precisions; writes little-endian with microseconds.

Wireshark opens such a file, and dissects it if its preference file `user_dlts` contains

    "User 0 (DLT=147)","gbcs_message","0","","0",""

Source: draft-ietf-opsawg-pcap (file format, link types). Wireshark 4.0 reads the files written
here, and its files are read here.
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
        raise DecodeError("pcapng; write it as pcap: tshark -F pcap -r IN -w OUT", "pcap")
    if magic not in _MAGIC:
        raise DecodeError("not a pcap file", "pcap")
    order, unit = _MAGIC[magic]
    header, packet = struct.Struct(order + _HEADER), struct.Struct(order + _PACKET)
    major, minor, _, _, _, link_type = header.unpack(_take(stream, header.size, "pcap"))
    if (major, minor) != _VERSION:
        raise DecodeError(f"version {major}.{minor}; only 2.4 is supported", "pcap")
    if link_type & _LINK_TYPE != USER0:
        link_type &= _LINK_TYPE
        raise DecodeError(f"link type {link_type}; GBCS messages need USER0 ({USER0})", "pcap")
    number = 0
    while head := stream.read(packet.size):
        number += 1
        path = f"pcap.packets[{number}]"
        if len(head) < packet.size:
            raise DecodeError("the file ends inside it", path)
        seconds, fraction, size, whole = packet.unpack(head)
        # The size is checked before it is read: a broken file could announce gigabytes.
        if size > MAX_PACKET or size != whole:
            raise DecodeError(f"{size} octets of {whole}; {MAX_PACKET} are the limit", path)
        yield Packet(_take(stream, size, path), seconds * _SECOND + fraction * unit)


def _take(stream: BinaryIO, size: int, path: str) -> bytes:
    octets = stream.read(size)
    if len(octets) < size:
        raise DecodeError("the file ends inside it", path)
    return octets


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
