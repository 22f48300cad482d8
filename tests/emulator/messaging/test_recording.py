"""Recordings as text: every message comes back, and bad lines are named."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.messaging.recording import (
    Recorded,
    RecordingError,
    is_recording,
    line_of,
    read_recording,
)

TOPIC = "s1sp/00DBE50000000000/command"
LINE = {"at": "2026-01-15T12:00:00.000001Z", "topic": TOPIC, "message": "DF09"}


@given(
    st.builds(
        Recorded,
        at=st.integers(0, 4_000_000_000_000_000).map(lambda number: number / 1_000_000),
        topic=st.sampled_from(
            [
                TOPIC,
                "esme/00DBE50000000000/response/90B3D51F30010000/0123456789abcdef",
                "esme/00DBE50000000000/alert/90B3D51F30010000",
            ]
        ),
        octets=st.binary(max_size=100),
        cache_status=st.text(max_size=40),
    )
)
def test_what_is_written_is_read(message: Recorded) -> None:
    [again] = read_recording("x", [line_of(message)])
    assert (again.topic, again.octets, again.cache_status) == (
        message.topic,
        message.octets,
        message.cache_status,
    )
    assert abs(again.at - message.at) < 1e-5


def test_empty_lines_are_skipped_and_lines_are_read_one_by_one() -> None:
    found = read_recording("x", ["\n", json.dumps(LINE), "  ", "nonsense"])
    assert next(found).octets == b"\xdf\x09"
    with pytest.raises(RecordingError, match=r"^x, line 4: "):
        next(found)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("12.5,7,distributor,4.8.1", "not a line of esme record"),
        ("[]", "not a line of esme record"),
        ("[" * 100_000, ""),
        (json.dumps({}), "topic is missing"),
        (json.dumps(LINE | {"topic": "esme/identity"}), "topic: 'esme/identity' is none of"),
        (json.dumps(LINE | {"topic": 5}), "topic: not a text"),
        (json.dumps(LINE | {"message": "DF0"}), "message: not hexadecimal"),
        (json.dumps(LINE | {"at": "noon"}), "at: 'noon': write a time such as"),
        (json.dumps(LINE | {"cache_status": None}), "cache_status: not a text"),
    ],
    ids=lambda value: value[:20],
)
def test_a_bad_line_is_named(line: str, why: str) -> None:
    with pytest.raises(RecordingError, match=r"^morning, line 1: ") as caught:
        list(read_recording("morning", [line]))
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recording_is_told_from_a_trace_by_its_first_line() -> None:
    assert is_recording(json.dumps(LINE))
    assert not is_recording("12.5,7,distributor,4.8.1")
    assert not is_recording("")
