"""Captures: classic pcap files of link type USER0, one GBCS message a packet.

Knows the file format; whether a packet is a message is for `decode` to say. Both byte orders and
both precisions are read; what is written is little-endian, with microseconds.

Wireshark opens such a file as it is, and dissects it once its preference file `user_dlts` has

    "User 0 (DLT=147)","gbcs_message","0","","0",""

Source: draft-ietf-opsawg-pcap (file format, link types); Wireshark 4.0 reads what this writes, and
this what Wireshark writes.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gbcs.errors import DecodeError, EncodeError

USER0 = 147
"""The link type that is reserved for private use, of which Wireshark is told that it is GBCS."""

MAX_PACKET = 262_144
"""Wireshark refuses packets longer than this."""

MAGIC_OCTETS = 4
_MAGIC = {b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\xa1\xb2\xc3\xd4": (">", 1000)} | {
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""First octets: byte order, and nanoseconds in the unit of the fraction of a second."""
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_WRITTEN = b"\xd4\xc3\xb2\xa1"
_VERSION = 2, 4
_HEADER, _PACKET = "HHiIII", "IIII"
_LINK_TYPE = 0xFFFF  # above it are bits about frame check sequences
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet, and when it was captured: Unix time in nanoseconds, 0 where nobody knows."""

    octets: bytes
    time: int = 0


def is_capture(magic: bytes) -> bool:
    """Return whether a file that begins with these octets is a capture, be it one that is read."""
    return magic[:MAGIC_OCTETS] in _MAGIC or magic[:MAGIC_OCTETS] == _PCAPNG


def read_packets(stream: BinaryIO, begun: bytes = b"") -> Iterator[Packet]:
    """Yield the packets of a capture one by one, never holding more than one.

    `begun` is what was read of `stream` before. Raises `DecodeError` where it is no capture of
    USER0, where it ends inside a packet, and where a packet was not captured whole.
    """
    magic = begun + stream.read(MAGIC_OCTETS - len(begun))
    if magic == _PCAPNG:
        raise DecodeError("pcapng is not read; write it as pcap: tshark -F pcap -r … -w …", "pcap")
    if magic not in _MAGIC:
        raise DecodeError("not a pcap file", "pcap")
    order, unit = _MAGIC[magic]
    header, packet = struct.Struct(order + _HEADER), struct.Struct(order + _PACKET)
    major, minor, _, _, _, link_type = header.unpack(_take(stream, header.size, "pcap"))
    if (major, minor) != _VERSION:
        raise DecodeError(f"version {major}.{minor}; 2.4 is read", "pcap")
    if link_type & _LINK_TYPE != USER0:
        link_type &= _LINK_TYPE
        raise DecodeError(f"link type {link_type}; messages have USER0, {USER0}", "pcap")
    number = 0
    while head := stream.read(packet.size):
        number += 1
        path = f"pcap.packets[{number}]"
        if len(head) < packet.size:
            raise DecodeError("the file ends inside it", path)
        seconds, fraction, size, whole = packet.unpack(head)
        if size > MAX_PACKET or size != whole:
            raise DecodeError(f"{size} octets of {whole}; {MAX_PACKET} are the limit", path)
        yield Packet(_take(stream, size, path), seconds * _SECOND + fraction * unit)


def _take(stream: BinaryIO, size: int, path: str) -> bytes:
    octets = stream.read(size)
    if len(octets) < size:
        raise DecodeError("the file ends inside it", path)
    return octets


class PcapWriter:
    """Writes packets to `stream`, which it neither opens nor closes; times to the microsecond."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        stream.write(_WRITTEN + struct.pack(f"<{_HEADER}", *_VERSION, 0, 0, MAX_PACKET, USER0))

    def write(self, packet: Packet) -> None:
        """Write one packet. Raises `EncodeError` where it is too long or its time has no octets."""
        size = len(packet.octets)
        if size > MAX_PACKET:
            raise EncodeError(f"{size} octets; {MAX_PACKET} are the limit", "pcap")
        seconds, rest = divmod(packet.time, _SECOND)
        try:
            head = struct.pack(f"<{_PACKET}", seconds, rest // _MAGIC[_WRITTEN][1], size, size)
        except struct.error:
            raise EncodeError(f"{packet.time} ns are outside 1970 to 2106", "pcap") from None
        self._stream.write(head + packet.octets)
