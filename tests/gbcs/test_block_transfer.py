"""Messages in blocks: their octets; blocks in any order, lost, repeated and mixed up."""

import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gbcs import CRA, EUI, DecodeError, EncodeError, Status, decode
from gbcs.block_transfer import (
    MAX_BLOCKS,
    MAX_WINDOW,
    Block,
    Reassembler,
    Routing,
    segment,
)
from gbcs.codec import MAX_OCTETS
from gbcs.instants import HALF_HOUR
from gbcs.tables.profile_logs import BY_SRV
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.support.codec_check import check_codec
from tests.support.effort import at_most, within
from tests.support.estate import KEYS, NOW, command, meter_octets, readings_in
from tests.support.second_hand import lv

METER, SUPPLIER = EUI.parse("00DB1234567890A0"), EUI.parse("90B3D51F30010000")
ROUTING = Routing(
    cra=CRA.RESPONSE,
    originator_counter=0x0102030405060708,
    originator=METER,
    recipient=SUPPLIER,
    message_code=0x0037,
)
TSHARK = shutil.which("tshark")


def _routed(apdu: bytes) -> bytes:
    """Return `apdu` behind the routing header `ROUTING`, from independent code."""
    return b"".join(
        (
            bytes.fromhex("DD 09 02 0102030405060708"),
            lv(METER),
            lv(SUPPLIER),
            bytes.fromhex("00 02 0037 00"),
            lv(bytes.fromhex("01 00000000") + apdu),
        )
    )


BLOCKS = [
    (Block(number=1, data=b"\xdd", window=1), "E0 01 0001 0000 01 DD"),
    (Block(number=2, data=b"ab", streaming=True, window=63), "E0 7F 0002 0000 02 6162"),
    (Block(number=0xFFFF, data=b"c", last=True, window=0), "E0 80 FFFF 0000 01 63"),
    (Block(number=3, data=bytes(200), acknowledged=258), "E0 3F 0003 0102 81C8" + "00" * 200),
    (Block(number=1, last=True, window=5, acknowledged=7), "E0 85 0001 0007 00"),
]


@pytest.mark.parametrize(("block", "octets"), BLOCKS)
def test_a_block_is_its_octets(block: Block, octets: str) -> None:
    check_codec(Block.parse, Block.octets, block, bytes.fromhex(octets))


@pytest.mark.parametrize(("block", "octets"), BLOCKS)
def test_a_routed_block_is_its_octets(block: Block, octets: str) -> None:
    routed = replace(block, routing=ROUTING)
    check_codec(Block.parse, Block.octets, routed, _routed(bytes.fromhex(octets)))


def test_a_block_without_data_acknowledges_and_one_without_numbers_aborts() -> None:
    parsed = [Block.parse(bytes.fromhex(octets)) for _, octets in BLOCKS]
    assert [block.is_acknowledgement for block in parsed] == [False] * 4 + [True]
    assert not any(block.is_abort for block in parsed)
    assert Block.parse(bytes.fromhex("E0 81 0000 0000 00")).is_abort
    assert not Block.parse(bytes.fromhex("E0 C1 0000 0000 00")).is_abort


@pytest.mark.parametrize(
    ("octets", "path"),
    [
        (b"", "block"),
        (b"\xdf\x09", "block"),
        (bytes.fromhex("E0 01 0001 0000 8101 DD"), "block.data"),
        (_routed(BLOCKS[0][0].octets()).replace(b"\x08\x00\xdb", b"\x09\x00\xdb"), "block"),
        (_routed(BLOCKS[0][0].octets()).replace(b"\x02\x00\x37", b"\x03\x00\x37"), "block"),
        (_routed(BLOCKS[0][0].octets()).replace(b"\x0d\x01", b"\x0c\x01"), "block.length"),
        (_routed(BLOCKS[0][0].octets()).replace(b"\x0d\x01", b"\x0d\x11"), "block.security"),
        (_routed(BLOCKS[0][0].octets()).replace(b"\x0d\x01", b"\x0d\x31"), "block.security"),
    ],
)
def test_octets_that_are_not_a_block_are_refused_with_the_field(octets: bytes, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        Block.parse(octets)
    assert caught.value.path.startswith(path)
    with pytest.raises(DecodeError):
        Reassembler().receive(octets)


@pytest.mark.parametrize(
    "block",
    [
        Block(number=-1, data=b"a"),
        Block(number=0x10000, data=b"a"),
        Block(number=1, data=b"a", acknowledged=0x10000),
        Block(number=1, data=b"a", window=64),
        Block(number=1, data=b"a", window=-1),
        Block(number=1, data=b"a", routing=replace(ROUTING, cra=256)),
        Block(number=1, data=b"a", routing=replace(ROUTING, originator=EUI(b"short"))),
        Block(number=1, data=b"a", routing=replace(ROUTING, security=bytes(4))),
        Block(number=1, data=b"a", routing=replace(ROUTING, security=b"\x11" + bytes(4))),
    ],
)
def test_blocks_that_cannot_be_encoded_are_refused(block: Block) -> None:
    with pytest.raises(EncodeError):
        block.octets()


def test_decode_reports_a_single_block() -> None:
    block = Block(number=3, data=b"abc")
    for octets in (block.octets(), replace(block, routing=ROUTING).octets()):
        with pytest.raises(DecodeError, match="block 3 of a general block transfer; reassemble"):
            decode(octets)
        for size in range(2, len(octets)):
            with pytest.raises(DecodeError, match="block of a general block transfer"):
                decode(octets[:size])


# Segments.

transfers = st.tuples(
    st.binary(min_size=1, max_size=300), st.integers(1, 80), st.integers(1, MAX_WINDOW)
)


@given(transfers)
def test_segments_are_numbered_and_end_their_windows(transfer: tuple[bytes, int, int]) -> None:
    message, size, window = transfer
    blocks = [Block.parse(octets) for octets in segment(message, block_size=size, window=window)]
    assert b"".join(block.data for block in blocks) == message
    assert [block.number for block in blocks] == list(range(1, len(blocks) + 1))
    assert [block.last for block in blocks] == [False] * (len(blocks) - 1) + [True]
    assert {len(block.data) for block in blocks[:-1]} <= {size}
    assert 1 <= len(blocks[-1].data) <= size
    waits = [block.number for block in blocks if not block.streaming]
    assert waits == [*range(window, len(blocks), window), len(blocks)]
    assert {block.window for block in blocks} == {window}


@pytest.mark.parametrize(
    ("message", "size", "window"),
    [(b"", 1, 1), (b"a", 0, 1), (b"a", -1, 1), (b"a", 1, 0), (b"a", 1, 64)],
)
def test_messages_that_cannot_be_segmented_are_refused(
    message: bytes, size: int, window: int
) -> None:
    with pytest.raises(EncodeError):
        segment(message, block_size=size, window=window)


@pytest.mark.parametrize("window", [-1, 0, 64])
def test_a_window_that_no_block_can_offer_is_refused(window: int) -> None:
    with pytest.raises(EncodeError, match="1 to 63"):
        Reassembler(window=window)


def test_as_many_blocks_as_there_are_numbers() -> None:
    message = bytes(2 * MAX_BLOCKS)
    octets = segment(message, block_size=2)
    assert Block.parse(octets[-1]).number == len(octets) == MAX_BLOCKS
    with pytest.raises(EncodeError, match=str(MAX_BLOCKS)):
        segment(message + b"a", block_size=2)
    reassembler = Reassembler()
    assert [reassembler.receive(block).message for block in octets][-1] == message


def test_the_last_may_come_first() -> None:
    message = bytes(range(256)) * 4
    octets = segment(message, block_size=1)
    reassembler = Reassembler()
    for block in reversed(octets[1:]):
        received = reassembler.receive(block)
        assert received.message is None
        assert received.missing == tuple(range(1, received.block.number))
    assert reassembler.receive(octets[0]).message == message


# Putting together.


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Draw a message and its blocks, in any order within each window, some repeated."""
    message, size, window = draw(transfers)
    routing = draw(st.sampled_from((None, ROUTING)))
    blocks = segment(message, block_size=size, window=window, routing=routing)
    order: list[bytes] = []
    for start in range(0, len(blocks), window):
        part = blocks[start : start + window]
        again = draw(st.lists(st.sampled_from(blocks[: start + window]), max_size=4))
        order += draw(st.permutations(part + again))
    return message, order


@given(deliveries())
@example((b"abc", segment(b"abc", block_size=3) * 2))
def test_any_order_within_the_window_gives_the_message(
    delivery: tuple[bytes, list[bytes]],
) -> None:
    message, order = delivery
    reassembler = Reassembler()
    received = [reassembler.receive(octets) for octets in order]
    assert [item.message for item in received if item.message is not None] == [message]
    assert reassembler.message == message
    assert reassembler.missing == received[-1].missing == ()
    answers = [item.acknowledgement is not None for item in received]
    assert answers == [not item.block.streaming for item in received]


@given(transfers, st.builds(Random, st.integers(0, 999)))
def test_lost_blocks_are_named_and_can_be_resent(
    transfer: tuple[bytes, int, int], random: Random
) -> None:
    message, size, window = transfer
    blocks = segment(message, block_size=size, window=window)
    lost = {number for number in range(1, len(blocks)) if random.random() < 0.3}
    reassembler = Reassembler()
    for number, octets in enumerate(blocks, start=1):
        if number not in lost:
            received = reassembler.receive(octets)
            assert received.missing == tuple(sorted(n for n in lost if n < number))
    assert reassembler.missing == tuple(sorted(lost))
    for number in reassembler.missing:
        assert reassembler.message is None
        received = reassembler.receive(blocks[number - 1])
    assert received.message == reassembler.message == message


@given(transfers, st.builds(Random, st.integers(0, 999)))
def test_a_sender_that_follows_acknowledgements_comes_to_an_end(
    transfer: tuple[bytes, int, int], random: Random
) -> None:
    """The channel loses and repeats blocks and acknowledgements."""
    message, size, window = transfer
    blocks = segment(message, block_size=size, window=window)
    reassembler = Reassembler(window=window)
    done, wide, whole = 0, window, []
    while done < len(blocks):
        answer = None
        for octets in blocks[done : done + wide]:
            for _ in range(random.choice((0, 1, 1, 2))):
                whole.append(reassembler.receive(octets).message)
        answer = reassembler.acknowledgement()
        if random.random() < 0.7:
            read = Block.parse(answer.octets())
            assert read.is_acknowledgement
            assert done <= read.acknowledged <= len(blocks)
            done, wide = read.acknowledged, read.window
    assert [item for item in whole if item is not None] == [message]


def _numbered(*numbers: int, last: int = 0) -> list[bytes]:
    return [
        Block(number=number, data=bytes((number,)), last=number == last).octets()
        for number in numbers
    ]


@pytest.mark.parametrize(
    ("numbers", "acknowledged", "window"),
    [
        ((), 0, 5),
        ((1,), 1, 5),
        ((1, 2, 3), 3, 5),
        ((2,), 0, 1),
        ((1, 4), 1, 2),
        ((1, 4, 6), 1, 2),
        ((1, 3, 6), 1, 1),
        ((1, 20), 1, 5),
    ],
)
def test_an_acknowledgement_offers_the_first_gap(
    numbers: tuple[int, ...], acknowledged: int, window: int
) -> None:
    reassembler = Reassembler(window=5)
    for octets in _numbered(*numbers):
        reassembler.receive(octets)
    answer = reassembler.acknowledgement()
    assert (answer.acknowledged, answer.window) == (acknowledged, window)
    assert (answer.last, answer.streaming, answer.data, answer.number) == (True, False, b"", 1)


def test_an_acknowledgement_continues_the_receiver_s_numbers() -> None:
    reassembler = Reassembler()
    reassembler.receive(Block(number=1, data=b"a", acknowledged=6).octets())
    reassembler.receive(Block(number=2, data=b"b", acknowledged=4).octets())
    assert reassembler.acknowledgement().number == 7


def test_an_acknowledgement_is_routed_to_the_sender() -> None:
    reassembler = Reassembler()
    octets = reassembler.receive(segment(b"a", block_size=1, routing=ROUTING)[0]).acknowledgement
    assert octets is not None
    assert Block.parse(octets).routing == replace(ROUTING, originator=SUPPLIER, recipient=METER)


def test_a_received_acknowledgement_changes_nothing() -> None:
    one, two = _numbered(1, 2, last=2)
    answer = Block(number=1, last=True, acknowledged=1).octets()
    reassembler = Reassembler()
    for octets in (answer, one, answer, answer):
        received = reassembler.receive(octets)
        assert received.message is received.acknowledgement is None or octets is one
        assert received.missing == ()
    assert reassembler.receive(two).message == b"\x01\x02"


REFUSED = [
    ("numbered 0", (1,), Block(number=0, data=b"a"), "block.number"),
    ("beyond the limit", (1,), Block(number=10, data=b"a"), "block.number"),
    ("behind the last", (1, 3), Block(number=4, data=b"a"), "block.number"),
    ("a second last", (3,), Block(number=2, data=b"a", last=True), "block.number"),
    ("last before others", (2,), Block(number=1, data=b"a", last=True), "block.number"),
    ("another content", (1, 2), Block(number=2, data=b"a"), "block.data"),
    ("last, and was not", (1, 2), Block(number=2, data=b"\x02", last=True), "block.data"),
    ("not last, and was", (3,), Block(number=3, data=b"\x03"), "block.data"),
    ("too much", (1,), Block(number=2, data=bytes(8)), "block.data"),
    ("of another message", (1,), Block(number=2, data=b"\x02", routing=ROUTING), "block.routing"),
    ("an abort", (1,), Block(number=0, last=True), "block"),
]


@pytest.mark.parametrize(
    ("before", "block", "path"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_foreign_blocks_are_refused_and_change_nothing(
    before: tuple[int, ...], block: Block, path: str
) -> None:
    reassembler = Reassembler(max_blocks=9, max_octets=8)
    for octets in _numbered(*before, last=3):
        reassembler.receive(octets)
    missing = reassembler.missing
    with pytest.raises(DecodeError) as caught:
        reassembler.receive(block.octets())
    assert caught.value.path == path
    assert reassembler.missing == missing
    for octets in _numbered(1, 2, 3, last=3):
        received = reassembler.receive(octets)
    assert reassembler.message == b"\x01\x02\x03"
    assert received.missing == ()


def test_routing_separates_interleaved_transfers() -> None:
    routings = [replace(ROUTING, originator_counter=number) for number in range(3)]
    messages = [bytes((number,)) * 50 for number in range(3)]
    ways = [
        segment(message, block_size=7, routing=routing)
        for message, routing in zip(messages, routings, strict=True)
    ]
    transfers: dict[Routing | None, Reassembler] = {}
    for together in zip(*ways, strict=True):
        for octets in together:
            transfers.setdefault(Block.parse(octets).routing, Reassembler()).receive(octets)
    assert list(transfers) == routings
    assert [one.message for one in transfers.values()] == messages
    with pytest.raises(DecodeError, match="another message"):
        transfers[routings[0]].receive(ways[1][0])


@given(st.lists(st.binary(max_size=60), max_size=5), st.booleans())
@example([bytes.fromhex("E0 C1 0000 0000 00")], False)
@example([bytes.fromhex("E0 01 0001 FFFF 01 DD")], False)
@example([bytes.fromhex("E0 80 FFFF FFFF 01 DD")], False)
def test_any_octets_are_a_block_or_an_error(many: list[bytes], headed: bool) -> None:
    reassembler = Reassembler()
    for octets in many:
        given_octets = b"\xe0" + octets if headed else octets
        try:
            received = reassembler.receive(given_octets)
        except DecodeError as error:
            path, text = error.path, str(error)
            assert path.startswith("block")
            assert "\n" not in text
        else:
            assert received.block.octets() == given_octets


def test_a_flood_of_blocks_ends_at_the_limit() -> None:
    reassembler = Reassembler(max_octets=100_000)
    data = bytes(1000)
    with within(1_000_000), at_most(60_000):
        for number in range(1, 101):
            reassembler.receive(Block(number=2 * number, data=data).octets())
        for number in range(101, 500):
            with pytest.raises(DecodeError, match="100000 octets"):
                reassembler.receive(Block(number=2 * number, data=data).octets())
    assert len(reassembler.missing) == 100


# A whole message.

LOG = BY_SRV["4.8.1"]
DEPTH = Window(NOW // HALF_HOUR * HALF_HOUR - (LOG.depth - 1) * HALF_HOUR, NOW)
"""All entries of the log of active import: 13 months."""


@pytest.mark.parametrize("routed", [False, True])
def test_thirteen_months_are_transferred_and_verify(routed: bool) -> None:
    asked, _ = command("4.8.1", Role.IS, window=DEPTH)
    message = meter_octets(asked)
    routing = Routing.of(decode(message)) if routed else None
    blocks = segment(message, block_size=1000, window=20, routing=routing)
    assert len(message) < MAX_OCTETS
    assert len(blocks) == -(-len(message) // 1000) > 150
    reassembler = Reassembler()
    for start in range(0, len(blocks), 20):
        for octets in reversed(blocks[start : start + 20]):
            received = reassembler.receive(octets)
    assert received.message == message
    response = decode(received.message, KEYS)
    assert response.mac_status is Status.VALID
    assert len(readings_in(response, "4.8.1")) == LOG.depth == 19_056


@pytest.mark.processes
@pytest.mark.skipif(TSHARK is None, reason="tshark is absent (apt-get install tshark)")
def test_tshark_puts_the_blocks_together_too(tmp_path: Path) -> None:
    asked, _ = command("4.8.1", Role.IS)
    message = meter_octets(asked)
    blocks = segment(message, block_size=100, routing=Routing.of(decode(message)))
    answered = Reassembler()
    answers = [answered.receive(octets).acknowledgement for octets in blocks]
    octets = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 147)
    for packet in (*blocks, *filter(None, answers)):
        octets += struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet
    (tmp_path / "blocks.pcap").write_bytes(octets)
    fields = (
        "_ws.col.Info",
        "gbcs_message.gbt_header.block_number",
        "gbcs_message.gbt.reassembled.length",
        "gbcs_message.grouping_header.originator_counter",
    )
    said = subprocess.run(
        [
            str(TSHARK),
            *("-r", str(tmp_path / "blocks.pcap"), "-T", "fields"),
            *("-o", 'uat:user_dlts:"User 0 (DLT=147)","gbcs_message","0","","0",""'),
            *(part for field in fields for part in ("-e", field)),
        ],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    lines = [line.split("\t") for line in said.stdout.splitlines()]
    numbers = [str(number) for number in range(1, len(blocks) + 1)]
    assert [line[1] for line in lines] == [*numbers, "1"]
    assert [line[2] for line in lines] == [""] * (len(blocks) - 1) + [str(len(message)), ""]
    assert "ECS22b" in lines[-2][0]
    assert lines[-2][3] == str(asked.originator_counter)
