"""Many block transfers at a time: interleaved, incomplete, repeated, and too many."""

from dataclasses import replace
from itertools import zip_longest

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gbcs import EUI, DecodeError
from gbcs.block_transfer import MAX_MEMORY, Block, Routing, Transfers, segment
from tests.support.effort import within

METER, SUPPLIER = EUI.parse("00DB1234567890A0"), EUI.parse("90B3D51F30010000")
ROUTING = Routing(
    cra=2, originator_counter=7, originator=METER, recipient=SUPPLIER, message_code=0x37
)
ONE, TWO = bytes(range(50)), bytes(range(50, 0, -1))


def blocks_of(message: bytes, counter: int | None = None, size: int = 10) -> list[bytes]:
    routing = None if counter is None else replace(ROUTING, originator_counter=counter)
    return segment(message, block_size=size, routing=routing)


def received(transfers: Transfers, blocks: list[bytes], channel: str = "") -> list[bytes]:
    came = [
        transfers.receive(octets, f"{channel}{number}", channel)
        for number, octets in enumerate(blocks, start=1)
    ]
    return [message for message in came if message is not None]


def reasons(transfers: Transfers) -> list[tuple[str, str]]:
    transfers.give_up()
    return [(one.source, str(one.error)) for one in transfers.take_unfinished()]


def test_routing_keeps_transfers_apart() -> None:
    transfers = Transfers()
    pairs = zip(blocks_of(ONE, 1), reversed(blocks_of(TWO, 2)), strict=True)
    together = [octets for pair in pairs for octets in pair]
    assert received(transfers, together) == [ONE, TWO]
    assert reasons(transfers) == []


def test_channels_keep_transfers_apart() -> None:
    transfers = Transfers()
    whole = []
    for one, two in zip(blocks_of(ONE), blocks_of(TWO), strict=True):
        whole += received(transfers, [one], "a") + received(transfers, [two], "b")
    assert whole == [ONE, TWO]


def test_transfers_without_routing_follow_each_other() -> None:
    transfers = Transfers()
    assert received(transfers, blocks_of(ONE) + blocks_of(TWO)) == [ONE, TWO]
    assert received(transfers, blocks_of(TWO)[1:]) == []  # these came before
    assert reasons(transfers) == []


def test_missing_blocks_are_named_with_their_transfer() -> None:
    transfers = Transfers()
    blocks = blocks_of(ONE + TWO, 7)
    assert received(transfers, [blocks[0], *blocks[2:4], *blocks[7:]]) == []
    assert reasons(transfers) == [
        ("6", f"general block transfer: missing blocks: 2, 5 to 7 ({METER} to {SUPPLIER}, "
         "counter 7)"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("numbers", "gaps"),
    [
        ((1,), "all after 1"),
        ((2, 4), "1, 3, all after 4"),
        ((10,), "1 to 9"),
        ((1, 2, 3), "all after 3"),
    ],
)
def test_gaps(numbers: tuple[int, ...], gaps: str) -> None:
    transfers = Transfers()
    blocks = blocks_of(ONE + TWO)
    received(transfers, [blocks[number - 1] for number in numbers])
    assert reasons(transfers)[0][1] == f"general block transfer: missing blocks: {gaps}"


def test_many_gaps_are_one_short_line() -> None:
    transfers = Transfers()
    received(transfers, blocks_of(bytes(range(250)), size=1)[::2])
    [(_, reason)] = reasons(transfers)
    assert reason.endswith("18, 20, others, all after 249")


def test_another_block_1_begins_another_transfer() -> None:
    transfers = Transfers()
    assert received(transfers, blocks_of(ONE)[:3] + blocks_of(TWO)) == [TWO]
    assert reasons(transfers) == [
        ("3", "general block transfer: missing blocks: all after 3"),
    ]


def test_a_contradiction_is_an_error_and_the_transfer_goes_on() -> None:
    transfers = Transfers()
    received(transfers, blocks_of(ONE)[:3])
    with pytest.raises(DecodeError, match="block 2 came before, and differs"):
        transfers.receive(blocks_of(TWO)[1])
    assert received(transfers, blocks_of(ONE)[3:]) == [ONE]


def test_acknowledgements_are_ignored_and_an_abort_ends_the_transfer() -> None:
    transfers = Transfers()
    routing = replace(ROUTING, originator=SUPPLIER, recipient=METER)
    received(transfers, blocks_of(ONE, 7)[:2])
    assert transfers.receive(Block(number=1, acknowledged=2, routing=routing).octets()) is None
    with pytest.raises(DecodeError, match="the sender aborted the transfer"):
        transfers.receive(Block(number=0, last=True, routing=ROUTING).octets())
    assert reasons(transfers) == []


def test_the_memory_is_bounded() -> None:
    transfers = Transfers()
    with within(2 * MAX_MEMORY):  # with the garbage of the parser
        for counter in range(300):
            (octets, _) = blocks_of(bytes(500_001), counter, size=500_000)
            transfers.receive(octets, str(counter))
        for counter in range(300, 360):  # all blocks before it are missing
            far = Block(
                number=0xFFFF, data=b"a", routing=replace(ROUTING, originator_counter=counter)
            )
            transfers.receive(far.octets(), str(counter))
        given_up = transfers.take_unfinished()
    assert given_up[0].source == "0"
    assert "counter 0" in str(given_up[0].error)
    assert 300 < len(given_up) + len(reasons(transfers)) <= 360


ROUTED = st.sampled_from(
    [block for octets in (blocks_of(ONE, 1), blocks_of(ONE), blocks_of(TWO)) for block in octets]
)


@given(st.lists(ROUTED | st.binary(max_size=20).map(lambda octets: b"\xe0" + octets), max_size=20))
@example([bytes.fromhex("E0 80 0000 0000 01 DD")] * 2)
def test_any_blocks_are_messages_or_errors(blocks: list[bytes]) -> None:
    transfers = Transfers()
    for octets in blocks:
        try:
            transfers.receive(octets)
        except DecodeError as error:
            assert "\n" not in str(error)  # noqa: PT017 - many blocks are of this kind
    for _, reason in reasons(transfers):
        assert "\n" not in reason


@given(st.lists(st.integers(0, 2), max_size=40))
def test_any_interleaving_gives_all_messages(order: list[int]) -> None:
    messages = [ONE, TWO, ONE + TWO]
    waiting = [iter(blocks_of(message, number)) for number, message in enumerate(messages)]
    turns = [next(waiting[number], None) for number in order]
    rest = [octets for row in zip_longest(*waiting) for octets in row]
    blocks = [octets for octets in (*turns, *rest) if octets is not None]
    assert sorted(received(Transfers(), blocks)) == sorted(messages)
