"""Faults that change a reply, as its recipient sees it."""

import pytest

from gbcs import EUI, DecodeError, Reassembler, Response, Status, decode
from gbcs.block import Block
from gbcs.dlms.access import AccessResponse
from tests.emulator.faults.faulty_calls import SRVS, call, delivered, faults, reply, suffer
from tests.support.estate import KEYS, METER

EVERY_SRV = pytest.mark.parametrize("srv", SRVS)


def test_a_wrong_mac_is_invalid_and_the_rest_is_intact() -> None:
    one = call()
    [octets] = delivered({"kind": "wrong-mac"}, one)
    assert octets[:-12] == reply(one)[:-12]
    message = decode(octets, KEYS)
    assert message.mac_status is Status.INVALID
    assert message == decode(octets[:-12] + message.mac)
    assert decode(reply(one), KEYS).mac_status is Status.VALID


def test_two_wrong_macs_do_not_make_a_right_one() -> None:
    engine = faults({"kind": "wrong-mac"}, {"kind": "wrong-mac"})
    _, [delivery] = suffer(engine, call())
    assert decode(delivery.octets, KEYS).mac_status is Status.INVALID


@EVERY_SRV
@pytest.mark.parametrize("offset", [1, -1, 1000])
def test_a_wrong_counter_has_a_valid_mac(srv: str, offset: int) -> None:
    one = call(srv=srv)
    [octets] = delivered({"kind": "wrong-counter", "offset": offset}, one)
    message = decode(octets, KEYS)
    assert isinstance(message, Response)
    assert message.mac_status is Status.VALID
    assert message.originator_counter == one.command.originator_counter + offset
    assert isinstance(message.payload, AccessResponse)
    assert message.payload.invoke_id & 0xFFFFFF == message.originator_counter & 0xFFFFFF
    right = decode(reply(one), KEYS)
    assert message.payload.results == right.payload.results
    assert [item.blob for item in message.protected] == [item.blob for item in right.protected]


def test_a_counter_wraps() -> None:
    one = call()
    [octets] = delivered({"kind": "wrong-counter", "offset": -1_000_000}, one)
    expected = (one.command.originator_counter - 1_000_000) % (1 << 64)
    message = decode(octets, KEYS)
    assert (message.originator_counter, message.mac_status) == (expected, Status.VALID)


def test_a_wrong_recipient_has_a_valid_mac() -> None:
    other = "90B3D51F30020000"
    [octets] = delivered({"kind": "wrong-recipient", "recipient": other})
    message = decode(octets, KEYS)
    assert (message.recipient, message.mac_status) == (EUI.parse(other), Status.VALID)
    assert message.originator_counter == call().command.originator_counter


@EVERY_SRV
def test_the_wrong_recipient_is_by_default_another_party(srv: str) -> None:
    one = call(srv=srv)
    [octets] = delivered({"kind": "wrong-recipient"}, one)
    message = decode(octets, KEYS)
    assert message.recipient != one.command.originator
    assert message.mac_status is Status.VALID


def test_the_requester_is_not_a_wrong_recipient() -> None:
    one = call()
    engine = faults({"kind": "wrong-recipient", "recipient": str(one.command.originator)})
    _, [delivery] = suffer(engine, one)
    assert delivery.octets == reply(one)
    assert engine.fired == {"wrong-recipient-1": 0}


def test_without_keys_the_addressee_changes_and_the_mac_does_not() -> None:
    from gbcs import FileKeystore

    one = call(keystore=FileKeystore({}))
    engine = faults({"kind": "wrong-recipient"})
    _, [delivery] = suffer(engine, one)
    message = decode(delivery.octets, KEYS)
    assert message.recipient != one.command.originator
    assert message.mac_status is Status.INVALID
    assert [fired.detail["sealed"] for fired in engine.log] == [False]


@pytest.mark.parametrize("keep", [1, 2, 30, 100, None])
def test_a_truncated_reply_cannot_be_decoded(keep: int | None) -> None:
    one = call()
    [octets] = delivered({"kind": "truncated", "keep": keep}, one)
    assert reply(one).startswith(octets)
    assert keep is None or len(octets) == keep
    with pytest.raises(DecodeError):
        decode(octets)


def test_the_cut_is_drawn_for_each_reply() -> None:
    engine = faults({"kind": "truncated"})
    sizes = {len(suffer(engine, call(number))[1][0].octets) for number in range(1, 20)}
    assert len(sizes) > 5
    assert min(sizes) >= 1


def test_a_short_reply_is_not_truncated() -> None:
    one = call()
    size = len(reply(one))
    engine = faults({"kind": "truncated", "keep": size})
    _, [delivery] = suffer(engine, one)
    assert delivery.octets == reply(one)
    assert not list(engine.log)
    [shorter] = delivered({"kind": "truncated", "keep": size - 1}, one)
    assert len(shorter) == size - 1


@pytest.mark.parametrize("number", [1, 3, 1000])
def test_the_given_number_of_octets_is_corrupt(number: int) -> None:
    one = call()
    right = reply(one)
    [octets] = delivered({"kind": "corrupt-octets", "octets": number}, one)
    assert len(octets) == len(right)
    differing = sum(one != other for one, other in zip(octets, right, strict=True))
    assert differing == min(number, len(right))
    try:
        message = decode(octets, KEYS)
    except DecodeError:
        return
    assert message.mac_status is not Status.VALID


@pytest.mark.parametrize("srv", ["4.8.1", "4.6.1"])
def test_one_block_is_missing(srv: str) -> None:
    one = call(srv=srv)
    blocks = delivered({"kind": "lost-block", "lost": 2, "block_size": 128}, one)
    reassembler = Reassembler()
    received = [reassembler.receive(block) for block in blocks]
    assert received[-1].missing == (2,)
    assert reassembler.message is None
    assert {Block.parse(block).routing.recipient for block in blocks} == {one.command.originator}
    assert {Block.parse(block).routing.originator for block in blocks} == {METER}
    kept = b"".join(Block.parse(block).data for block in blocks)
    right = reply(one)
    assert kept == right[:128] + right[256:]


def test_the_lost_block_is_drawn_or_the_last() -> None:
    one = call()
    blocks = -(-len(reply(one)) // 128)
    engine = faults({"kind": "lost-block", "block_size": 128})
    lost = set()
    for number in range(1, 40):
        suffer(engine, call(number))
    for fired in engine.log:
        lost.add(fired.detail["lost"])
        assert fired.detail["blocks"] == blocks
    assert lost == set(range(1, blocks + 1))
    arriving = delivered({"kind": "lost-block", "block_size": 128, "lost": 65535}, one)
    assert [Block.parse(block).number for block in arriving] == list(range(1, blocks))


def test_a_reply_in_one_block_is_lost() -> None:
    engine = faults({"kind": "lost-block", "block_size": 65535})
    assert suffer(engine, call())[1] == ()
    assert [dict(fired.detail) for fired in engine.log] == [{"lost": 1, "blocks": 1}]


def test_no_reply_is_silence() -> None:
    behaviour, deliveries = suffer(faults({"kind": "no-reply"}), call())
    assert behaviour.silent
    assert deliveries == ()


def test_a_late_reply_is_delayed_and_unchanged() -> None:
    one = call()
    _, [delivery] = suffer(faults({"kind": "late-reply", "seconds": 12.5}), one)
    assert (delivery.octets, delivery.delay, delivery.overtaken) == (reply(one), 12.5, False)


def test_the_delay_is_drawn_within_its_jitter() -> None:
    engine = faults({"kind": "late-reply", "seconds": 10, "jitter": 5})
    delays = [suffer(engine, call(number))[1][0].delay for number in range(1, 30)]
    assert all(10 < delay < 15 for delay in delays)
    assert len(set(delays)) == len(delays)


def test_a_delay_of_0_is_no_fault() -> None:
    engine = faults({"kind": "late-reply", "seconds": 0})
    assert suffer(engine, call())[1][0].delay == 0
    assert not list(engine.log)


def test_a_duplicate_is_the_same_octets_again() -> None:
    one = call()
    _, deliveries = suffer(faults({"kind": "duplicate", "copies": 2, "after": 3}), one)
    assert [(each.octets, each.delay) for each in deliveries] == [
        (reply(one), 0),
        (reply(one), 3),
        (reply(one), 6),
    ]


def test_duplicates_of_duplicates_end() -> None:
    engine = faults(*[{"kind": "duplicate", "copies": 100}] * 5)
    assert len(suffer(engine, call())[1]) <= 10_000
    assert engine.fired["duplicate-1"] == 1
    assert engine.fired["duplicate-5"] == 0


def test_a_reordered_reply_is_marked_as_overtaken() -> None:
    one = call()
    engine = faults({"kind": "reordered", "hold": 20}, {"kind": "reordered"})
    _, [delivery] = suffer(engine, one)
    assert (delivery.octets, delivery.delay, delivery.overtaken) == (reply(one), 20, True)
    assert engine.fired == {"reordered-1": 1, "reordered-2": 0}


@pytest.mark.parametrize("kind", ["wrong-mac", "wrong-counter", "wrong-recipient"])
@pytest.mark.parametrize("octets", [b"", b"\xdd", b"\xdd" * 40, bytes(60)])
def test_octets_that_are_no_message_stay_unchanged(kind: str, octets: bytes) -> None:
    engine = faults({"kind": kind})
    [delivery] = engine.deliver(call(), octets)
    assert delivery.octets == octets
    assert not list(engine.log)


def test_a_message_without_a_mac_stays_unchanged() -> None:
    unsealed = bytes.fromhex("DF0902 0000000000000001 08 00DBE50000000000 08 90B3D51F30010000 00")
    octets = unsealed + bytes.fromhex("02 0036 00 00")
    engine = faults({"kind": "wrong-mac"}, {"kind": "wrong-counter"})
    [delivery] = engine.deliver(call(), octets)
    assert decode(delivery.octets).originator_counter == 2
    assert engine.fired == {"wrong-mac-1": 0, "wrong-counter-1": 1}
