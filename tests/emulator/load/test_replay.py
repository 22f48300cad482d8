"""Recorded commands under new counters, and the comparison of their replies."""

from dataclasses import replace

import pytest

from esme_emulator.device.model import meter_of
from esme_emulator.load.in_flight import Origin
from esme_emulator.load.replay import Comparison, LeftOut, Replay, with_counter
from esme_emulator.messaging.recording import Recorded
from esme_emulator.messaging.topics import CACHED, DIRECT, command_topic, response_topic
from gbcs import Command, FileKeystore, decode, encode
from gbcs.message import UNSEALED
from gbcs.tables.reading_services import READING_SERVICES, ReadingService
from gbcs.tables.roles import Role
from tests.support.estate import (
    KEYS,
    METER,
    SEED,
    UNIX_NOW,
    YESTERDAY,
    command,
    meter_octets,
    party,
)
from tests.support.rtds import Vector, each

HIT, MISS = "s1sp; hit; ttl=3600", "s1sp; fwd=miss; stored"


def request(octets: bytes, at: float = UNIX_NOW, prefix: str = CACHED) -> Recorded:
    return Recorded(at, command_topic(prefix, METER), octets)


def reply(octets: bytes, status: str = "", prefix: str = CACHED) -> Recorded:
    recipient = decode(octets).recipient
    return Recorded(UNIX_NOW + 1, response_topic(prefix, METER, recipient), octets, status)


def replay_of(*recording: Recorded, prefix: str = CACHED) -> Replay:
    replay = Replay(prefix, KEYS, 1_000)
    replay.load(recording)
    return replay


def outcomes(replay: Replay) -> list[Comparison]:
    return [comparison for _, comparison in replay.compared()]


def answered(replay: Replay, place: int = 0, now: float = UNIX_NOW) -> bytes:
    """Return the meter's reply to a request of the replay."""
    made = decode(replay.schedule[place].octets)
    assert isinstance(made, Command)
    return meter_octets(made, now, own_counter=77)


@pytest.mark.parametrize("service", READING_SERVICES, ids=lambda service: service.use_case)
@pytest.mark.parametrize("role", [Role.IS, Role.OU])
def test_a_read_is_what_its_party_would_send_under_that_counter(
    service: ReadingService, role: Role
) -> None:
    window = YESTERDAY if service.windowed else None
    sent, _ = party(role, 5).ask(METER, service, window)
    fresh, octets = party(role, 1_000).ask(METER, service, window)
    again = with_counter(sent, 1_000)
    assert again == replace(fresh, mac=UNSEALED)
    assert encode(again, KEYS) == octets


@each(lambda vector: vector.direction == "COMMAND")
def test_only_counters_and_what_follows_from_them_change(vector: Vector) -> None:
    """Under its own counter a command of the reference set is itself again, but for its MAC.

    The ACB and the party behind it count separately there, and have one counter here.
    """
    message = decode(vector.octets)
    assert isinstance(message, Command)
    behind, counter = message.supplementary, message.originator_counter
    if behind is not None and behind.party_counter is not None:
        behind = replace(behind, party_counter=counter)
    again = with_counter(message, counter)
    assert replace(again, mac=message.mac) == replace(message, supplementary=behind)


def test_a_request_and_its_repetition_have_the_same_octets() -> None:
    _, first = command("4.8.1", counter=5)
    _, other = command("4.8.1", counter=6)
    replay = replay_of(request(first), request(first, UNIX_NOW + 2), request(other, UNIX_NOW + 3))
    assert [one.seconds for one in replay.schedule] == [0.0, 2.0, 3.0]
    assert replay.schedule[0].octets == replay.schedule[1].octets != replay.schedule[2].octets
    assert replay.repetitions == 1
    assert len(outcomes(replay)) == 2


def test_counters_of_a_replay_never_repeat() -> None:
    sent = [request(command("4.8.1", counter=number)[1]) for number in (9, 5, 7)]
    replay = replay_of(*sent)
    counters = [decode(one.octets).originator_counter for one in replay.schedule]
    assert counters == [1_000, 1_001, 1_002]


@pytest.mark.parametrize("role", [Role.IS, Role.OU])
def test_equal_readings_are_the_same_answer(role: Role) -> None:
    """Also if they are encrypted, under another counter of the meter."""
    made, sent = command("4.8.1", role, counter=5)
    replay = replay_of(request(sent), reply(meter_octets(made, own_counter=3), MISS))
    assert outcomes(replay) == [Comparison.NO_REPLY]
    octets = answered(replay)
    assert replay.receive(octets, HIT)
    assert not replay.receive(octets, HIT)
    assert outcomes(replay) == [Comparison.SAME]
    assert replay.decisions() == {(Origin.MISS, Origin.HIT): 1}
    assert replay.differences() == []
    assert replay.unanswered == 0


def test_other_readings_are_a_difference() -> None:
    made, sent = command("4.8.1", counter=5)
    replay = replay_of(request(sent), reply(meter_octets(made)))
    early = UNIX_NOW - 40 * 3600  # the half hours of yesterday are not there yet
    replay.receive(answered(replay, now=early), "")
    [difference] = replay.differences()
    assert (difference.number, difference.srv) == (1, "4.8.1")
    assert difference.comparison is Comparison.DIFFERENT


def test_a_register_that_moved_on_is_no_difference() -> None:
    service = meter_service("4.1.1")
    made, sent = party(Role.IS, 5).ask(METER, service)
    replay = replay_of(request(sent), reply(meter_octets(made)))
    replay.receive(answered(replay, now=UNIX_NOW + 86_400), "")
    assert outcomes(replay) == [Comparison.MOVED_ON]
    assert replay.differences() == []


def meter_service(srv: str) -> ReadingService:
    kind = meter_of(SEED, METER).profile.variant
    return next(each for each in READING_SERVICES if each.srv == srv and kind in each.meters)


def test_replies_that_only_one_side_has() -> None:
    silent, _ = command("4.8.1", counter=5)
    replay = replay_of(request(encode(silent, KEYS)))
    assert outcomes(replay) == [Comparison.SILENT]
    replay.receive(answered(replay), "")
    assert outcomes(replay) == [Comparison.NEW_REPLY]


def test_a_forged_reply_does_not_count() -> None:
    made, sent = command("4.8.1", counter=5)
    replay = replay_of(request(sent), reply(meter_octets(made)))
    octets = bytearray(answered(replay))
    octets[-1] ^= 1
    assert not replay.receive(bytes(octets), "")
    assert not replay.receive(b"nonsense", "")
    assert not replay.receive(meter_octets(made), ""), "the recorded reply, played back"
    assert outcomes(replay) == [Comparison.NO_REPLY]


def test_what_cannot_be_sent_is_counted() -> None:
    made, sent = command("4.8.1", counter=5)
    signed = encode(replace(made, signature=bytes(64), mac=UNSEALED), KEYS)
    replay = replay_of(request(b"nonsense"), request(meter_octets(made)), request(signed))
    assert replay.left_out == {LeftOut.MALFORMED: 2, LeftOut.SIGNED: 1}
    assert replay.schedule == []
    without_keys = Replay(CACHED, FileKeystore({}), 1)
    without_keys.load([request(sent)])
    assert without_keys.left_out == {LeftOut.NO_KEY: 1}


def test_only_requests_of_the_prefix_are_made() -> None:
    """Behind a cache each miss is on both; the meters' side has what the cache sent."""
    made, sent = command("4.8.1", counter=5)
    recording = [
        request(sent),
        request(sent, UNIX_NOW + 1, DIRECT),
        reply(meter_octets(made), prefix=DIRECT),
    ]
    assert [one.seconds for one in replay_of(*recording).schedule] == [0.0]
    direct = replay_of(*recording, prefix=DIRECT)
    assert outcomes(direct) == [Comparison.NO_REPLY]
    assert outcomes(replay_of(*recording)) == [Comparison.SILENT]
