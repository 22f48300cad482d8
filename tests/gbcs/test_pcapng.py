"""pcapng files built by hand: byte orders, kinds of blocks, times, and damage."""

import struct
from io import BytesIO
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbcs import DecodeError
from gbcs.pcap import MAX_PACKET, Packet, is_capture, read_packets
from tests.support.effort import within

ORDERS = ("<", ">")
TIME = 1_700_000_000_123_456_000
STATISTICS, CUSTOM, NAMES = 5, 0xBAD, 4


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + size + body + size


def section(order: str, options: bytes = b"", major: int = 1) -> bytes:
    body = struct.pack(f"{order}IHHq", 0x1A2B3C4D, major, 0, -1) + options
    return block(order, 0x0A0D0D0A, body)


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(order: str, options: bytes = b"", link_type: int = 147, longest: int = 0) -> bytes:
    return block(order, 1, struct.pack(f"{order}HHI", link_type, 0, longest) + options)


def enhanced(order: str, octets: bytes, units: int = 0, number: int = 0, more: int = 0) -> bytes:
    size = len(octets)
    head = struct.pack(f"{order}IIIII", number, units >> 32, units % 2**32, size, size + more)
    return block(order, 6, head + octets + bytes(-size % 4) + option(order, 1, b"a comment"))


def simple(order: str, octets: bytes) -> bytes:
    return block(order, 3, struct.pack(f"{order}I", len(octets)) + octets)


def obsolete(order: str, octets: bytes, units: int) -> bytes:
    head = struct.pack(f"{order}HHIIII", 0, 9, units >> 32, units % 2**32, len(octets), len(octets))
    return block(order, 2, head + octets)


def read(content: bytes) -> list[Packet]:
    assert is_capture(content[:4])
    return list(read_packets(BytesIO(content)))


@pytest.mark.parametrize("order", ORDERS)
def test_packets_of_every_kind_in_either_byte_order(order: str) -> None:
    content = b"".join(
        (
            section(order, option(order, 4, b"an application")),
            block(order, CUSTOM, b"anything"),
            interface(order),
            enhanced(order, b"\xdd\x00\x01", TIME // 1000),
            block(order, NAMES, bytes(8)),
            simple(order, b"\xdf\x09"),
            obsolete(order, b"\xe0", 5),
            block(order, STATISTICS, bytes(12)),
            enhanced(order, b""),
        )
    )
    assert read(content) == [
        Packet(b"\xdd\x00\x01", TIME),
        Packet(b"\xdf\x09"),
        Packet(b"\xe0", 5000),
        Packet(b""),
    ]


@pytest.mark.parametrize(
    ("resolution", "offset", "units", "time"),
    [
        (None, 0, 7, 7000),
        (9, 0, TIME, TIME),
        (0, 0, 3, 3 * 10**9),
        (12, 0, 7_999, 7),
        (0x80 | 1, 0, 3, 1_500_000_000),
        (6, 1_700_000_000, 123_456, TIME),
        (6, -1, 2_000_000, 10**9),
    ],
)
def test_times(resolution: int | None, offset: int, units: int, time: int) -> None:
    for order in ORDERS:
        options = b"" if resolution is None else option(order, 9, bytes((resolution,)))
        options += option(order, 14, struct.pack(f"{order}q", offset)) + option(order, 0, b"")
        content = section(order) + interface(order, options) + enhanced(order, b"\xdd", units)
        assert read(content) == [Packet(b"\xdd", time)]


def test_each_section_has_its_own_order_and_interfaces() -> None:
    parts = [section(order) + interface(order) + enhanced(order, b"\xdd", 1) for order in ORDERS]
    assert read(b"".join(parts)) == [Packet(b"\xdd", 1000)] * 2
    with pytest.raises(DecodeError, match="interface 0, which is not described"):
        read(parts[0] + section("<") + enhanced("<", b"\xdd"))


def test_an_interface_of_another_link_type_matters_only_with_packets() -> None:
    head = section("<") + interface("<") + interface("<", link_type=1)
    assert read(head + enhanced("<", b"\xdd")) == [Packet(b"\xdd")]
    with pytest.raises(DecodeError, match="link type 1; GBCS messages need USER0"):
        read(head + enhanced("<", b"\xdd", number=1))


WHOLE = section("<") + interface("<") + enhanced("<", b"\xdd\x01", 5) + simple("<", b"\xdf")


def test_every_truncation_is_one_clear_error() -> None:
    ends = [28, 48, 48 + len(enhanced("<", b"\xdd\x01")), len(WHOLE)]
    for size in range(4, len(WHOLE) + 1):
        if size in ends:
            assert len(read(WHOLE[:size])) == max(0, ends.index(size) - 1)
        else:
            with pytest.raises(DecodeError, match="the file ends inside it"):
                read(WHOLE[:size])


LONG = struct.pack("<II", 6, 0xFFFFFFFC)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bytes.fromhex("0A0D0D0A") + bytes(40), "00000000 is not a byte order"),
        (section("<", major=2), "version 2.0"),
        (section("<")[:-4] + b"\x1d\0\0\0", "two lengths differ"),
        (section("<") + struct.pack("<III", 5, 13, 13) + b"\0", "13 is not the length"),
        (section("<") + struct.pack("<III", 5, 8, 8), "8 is not the length"),
        (section("<") + block("<", 1, b""), "shorter than what it holds"),
        (section("<") + interface("<", b"\x09\0\xff\0"), "shorter than what it holds"),
        (section("<") + interface("<") + block("<", 6, bytes(12)), "shorter"),
        (section("<") + interface("<") + enhanced("<", b"\xdd", more=1), "1 octets of 2"),
        (section("<") + interface("<", longest=1) + simple("<", b"\xdd\0"), "1 octets of 2"),
        (
            section("<") + interface("<") + enhanced("<", bytes(MAX_PACKET + 1)),
            f"{MAX_PACKET} are the limit",
        ),
        (section("<") + simple("<", b"\xdd"), "interface 0, which is not described"),
        (section("<") + interface("<") * 5000, "more than 4096 interfaces"),
        (section("<") + LONG, "the file ends inside it"),
    ],
)
def test_a_damaged_file_is_one_clear_error(content: bytes, reason: str) -> None:
    with within(1 << 22), pytest.raises(DecodeError, match=reason) as caught:
        read(content)
    assert "\n" not in str(caught.value)
    assert caught.value.path.startswith("pcapng")


class _Endless:
    """A stream that begins a block of gigabytes, and counts what is read at once."""

    def __init__(self, begun: bytes) -> None:
        self._begun, self.most = BytesIO(begun), 0

    def read(self, size: int) -> bytes:
        self.most = max(self.most, size)
        return self._begun.read(size)


def test_a_long_block_is_skipped_piece_by_piece() -> None:
    stream = _Endless(section("<") + struct.pack("<II", CUSTOM, 0xFFFFFFFC) + bytes(1 << 18))
    with pytest.raises(DecodeError, match="the file ends inside it"):
        list(read_packets(cast(BinaryIO, stream)))
    assert stream.most <= 1 << 16


PIECES = st.sampled_from(
    [
        piece
        for order in ORDERS
        for whole in (section(order), interface(order))
        for piece in (whole, whole[:-1])
    ]
    + [enhanced("<", b"\xdd"), simple(">", b"\xdf\x09"), block("<", STATISTICS, b"")]
)


@given(st.lists(PIECES | st.binary(max_size=40), max_size=6))
def test_any_file_is_packets_or_one_error(pieces: list[bytes]) -> None:
    try:
        packets = read(section("<") + b"".join(pieces))
    except DecodeError as error:
        assert "\n" not in str(error)  # noqa: PT017 - most files are of this kind
    else:
        assert all(len(packet.octets) <= 2 for packet in packets)


@given(st.integers(4, len(WHOLE) - 1), st.integers(0, 255))
def test_any_changed_octet_gives_packets_or_one_error(at: int, octet: int) -> None:
    content = bytearray(WHOLE)
    content[at] = octet
    try:
        packets = read(bytes(content))
    except DecodeError as error:
        assert "\n" not in str(error)  # noqa: PT017 - most changes are of this kind
    else:
        assert len(packets) <= 2
