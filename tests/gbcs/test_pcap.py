"""Captures, read and written, compared with tshark and editcap."""

import shutil
import struct
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbcs import DecodeError, EncodeError
from gbcs.pcap import MAX_PACKET, Packet, PcapWriter, is_capture, read_packets
from tests.support.estate import command, meter_octets
from tests.support.rtds import needs_rtds, vectors

TSHARK, EDITCAP = shutil.which("tshark"), shutil.which("editcap")
needs_wireshark = pytest.mark.skipif(
    TSHARK is None or EDITCAP is None, reason="tshark is absent (apt-get install tshark)"
)
TWO = [Packet(b"\xdd\x00\x01", 1_700_000_000_123_456_000), Packet(b"", 5000)]
FINE = [Packet(b"\xdd\x00\x01", 1_700_000_000_123_456_789), Packet(b"", 5)]


def written(packets: list[Packet]) -> bytes:
    stream = BytesIO()
    writer = PcapWriter(stream)
    for packet in packets:
        writer.write(packet)
    return stream.getvalue()


def read(content: bytes) -> list[Packet]:
    return list(read_packets(BytesIO(content)))


def by_hand(
    packets: list[Packet], order: str, magic: int, unit: int, link_type: int = 147
) -> bytes:
    """Return a capture that is built only with struct."""
    content = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)
    for packet in packets:
        seconds, rest = divmod(packet.time, 10**9)
        size = len(packet.octets)
        content += struct.pack(f"{order}IIII", seconds, rest // unit, size, size) + packet.octets
    return content


NANOSECONDS, MICROSECONDS = (0xA1B23C4D, 1), (0xA1B2C3D4, 1000)


def test_it_writes_the_format() -> None:
    content = bytearray(written(TWO))
    content[16:20] = (65535).to_bytes(4, "little")  # no reader uses the snapshot length
    assert content.hex() == by_hand(TWO, "<", *MICROSECONDS).hex()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [NANOSECONDS, MICROSECONDS])
def test_it_reads_both_byte_orders_and_precisions(order: str, magic: int, unit: int) -> None:
    content = by_hand(FINE, order, magic, unit)
    assert is_capture(content[:4])
    assert read(content) == [Packet(one.octets, one.time // unit * unit) for one in FINE]


times = st.integers(0, 2**32 * 10**6 - 1).map(lambda microseconds: microseconds * 1000)


@given(st.lists(st.builds(Packet, st.binary(max_size=40), times)))
def test_written_octets_are_read(packets: list[Packet]) -> None:
    assert read(written(packets)) == packets


def test_octets_already_read_are_used() -> None:
    stream = BytesIO(written(TWO))
    assert list(read_packets(stream, stream.read(4))) == TWO


def test_packets_come_one_by_one() -> None:
    content = written(TWO)
    packets = read_packets(BytesIO(content[:-1]))
    assert next(packets) == TWO[0]
    with pytest.raises(DecodeError) as caught:
        next(packets)
    assert caught.value.path == "pcap.packets[2]"


def test_every_truncation_is_one_clear_error() -> None:
    content = written(TWO)
    whole = {24: [], 24 + 16 + 3: TWO[:1], len(content): TWO}
    for size in range(len(content) + 1):
        if size in whole:
            assert read(content[:size]) == whole[size]
        else:
            with pytest.raises(DecodeError, match=r"the file ends inside it|not a pcap file"):
                read(content[:size])


SNAPPED = struct.pack("<IIII", 0, 0, 1, 2) + b"\xdd"
HUGE = struct.pack("<IIII", 0, 0, 2**32 - 1, 2**32 - 1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a pcap file"),
        (b"\xdd\x00\x00\x00" + bytes(40), "not a pcap file"),
        (by_hand([], "<", *NANOSECONDS).replace(b"\x02\x00\x04", b"\x02\x00\x03"), "version 2.3"),
        (by_hand(TWO, "<", *MICROSECONDS, link_type=1), "link type 1; GBCS messages need USER0"),
        (by_hand(TWO, ">", *MICROSECONDS, link_type=0x10000093 - 1), "link type 146"),
        (by_hand([], "<", *NANOSECONDS) + SNAPPED, "1 octets of 2"),
        (by_hand([], "<", *NANOSECONDS) + HUGE, "4294967295 octets"),
    ],
)
def test_foreign_files_are_one_clear_error(content: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason) as caught:
        read(content)
    assert "\n" not in str(caught.value)
    assert caught.value.path.startswith("pcap")


def test_bits_above_the_link_type_do_not_matter() -> None:
    assert read(by_hand(TWO, "<", *NANOSECONDS, link_type=0x14000093)) == TWO


@given(st.binary(max_size=80), st.sampled_from((b"", by_hand(TWO, ">", *NANOSECONDS)[:24])))
def test_any_octets_are_packets_or_an_error(octets: bytes, head: bytes) -> None:
    try:
        packets = read(head + octets)
    except DecodeError as error:
        path = error.path
        assert path.startswith("pcap")
    else:
        assert len(head + octets) == 24 + sum(16 + len(packet.octets) for packet in packets)


@pytest.mark.parametrize(
    "packet", [Packet(bytes(MAX_PACKET + 1)), Packet(b"", -1), Packet(b"", 2**63)]
)
def test_messages_that_fit_no_packet_are_not_written(packet: Packet) -> None:
    stream = BytesIO()
    writer = PcapWriter(stream)
    before = stream.getvalue()
    with pytest.raises(EncodeError):
        writer.write(packet)
    assert stream.getvalue() == before


def wireshark(*args: object) -> str:
    done = subprocess.run(
        [str(arg) for arg in args], capture_output=True, check=True, text=True, timeout=120
    )
    return done.stdout


def fields(path: Path, *names: str) -> list[list[str]]:
    options = ("-o", 'uat:user_dlts:"User 0 (DLT=147)","gbcs_message","0","","0",""')
    wanted = [part for name in names for part in ("-e", name)]
    said = wireshark(TSHARK, "-r", path, *options, "-T", "fields", *wanted)
    return [line.split("\t") for line in said.splitlines()]


@pytest.mark.processes
@needs_wireshark
def test_wireshark_dissects_written_captures(tmp_path: Path) -> None:
    asked, octets = command("4.8.1")
    packets = [Packet(octets, 1_700_000_000_123_456_789), Packet(meter_octets(asked))]
    (tmp_path / "a.pcap").write_bytes(written(packets))
    info, time = "gbcs_message.grouping_header.message_code", "frame.time_epoch"
    assert fields(tmp_path / "a.pcap", info, time) == [
        ["0x0037", "1700000000.123456000"],
        ["0x0037", "0.000000000"],
    ]


@pytest.mark.processes
@needs_wireshark
def test_wireshark_needs_only_one_line_of_preferences(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(written([Packet(command("4.8.1")[1])]))
    (tmp_path / "wireshark").mkdir()
    line = '"User 0 (DLT=147)","gbcs_message","0","","0",""\n'
    (tmp_path / "wireshark" / "user_dlts").write_text(line)
    said = subprocess.run(
        [str(TSHARK), "-r", str(tmp_path / "a.pcap"), "-T", "fields", "-e", "frame.protocols"],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
        env={"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)},
    )
    assert said.stdout.strip() == "user_dlt:gbcs_message:data"


@pytest.mark.processes
@needs_wireshark
@pytest.mark.parametrize("form", ["pcap", "nsecpcap", "pcapng", "modpcap"])
def test_captures_of_wireshark_are_read(form: str, tmp_path: Path) -> None:
    packets = [Packet(b"\xdd" * 9, 1_700_000_000_123_456_000), Packet(b"\xdf", 7_000_000_000)]
    (tmp_path / "a.pcap").write_bytes(written(packets))
    wireshark(EDITCAP, "-F", form, tmp_path / "a.pcap", tmp_path / "b.pcap")
    content = (tmp_path / "b.pcap").read_bytes()
    if form == "modpcap":
        with pytest.raises(DecodeError, match="not a pcap file"):
            read(content)
    else:
        assert read(content) == packets


@pytest.mark.processes
@needs_rtds
@needs_wireshark
def test_wireshark_opens_the_whole_rtds(tmp_path: Path) -> None:
    octets = [vector.octets for vector in vectors()]
    (tmp_path / "rtds.pcap").write_bytes(written([Packet(one) for one in octets]))
    lengths = fields(tmp_path / "rtds.pcap", "frame.len", "frame.protocols")
    assert [int(line[0]) for line in lengths] == list(map(len, octets))
    assert all("gbcs_message" in line[1] for line in lengths)
