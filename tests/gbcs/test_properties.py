"""Properties of messages: written messages are read, and read messages are written unchanged."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from esme_emulator.estate.keys import DerivedKeystore
from gbcs import (
    UNSEALED,
    Alert,
    AuthenticationError,
    DecodeError,
    EncodeError,
    GbcsError,
    Message,
    Status,
    decode,
    encode,
)
from gbcs.dlms.access import DataNotification
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import NULL, BitString, Data, DataType, structure
from gbcs.eui import EUI
from gbcs.explain import explain
from gbcs.json_form import from_json, to_json
from tests.support.codec_check import outcome
from tests.support.rtds import needs_rtds, vectors
from tests.support.second_hand import Fields, fields, grouping
from tests.support.strategies import messages

KEYS = DerivedKeystore("properties")
METER, PARTY = EUI.parse("00DBE50000000001"), EUI.parse("90B3D51F30010000")
SEARCH = settings(max_examples=150)


def _alert(body: Data) -> Message:
    return Alert(
        originator=METER,
        recipient=PARTY,
        originator_counter=7,
        message_code=0xFFFF,
        payload=DataNotification(0x20000007, body),
        mac=None,
    )


def _table(description: str, contents: str) -> Data:
    table = CompactArray(bytes.fromhex(description), bytes.fromhex(contents))
    return Data(DataType.COMPACT_ARRAY, table)


def _nested(depth: int) -> Data:
    body = NULL
    for _ in range(depth):
        body = structure(body)
    return body


TIME_BEYOND_ANY_CLOCK = _alert(_table("020115", "FFFFFFFFFFFFFFFF"))
TEXT_THAT_IS_NONE = _alert(Data(DataType.UTF8_STRING, b"\xff\xfe"))
NO_BITS = _alert(Data(DataType.BIT_STRING, BitString(0, b"")))
DEEPEST = _alert(_nested(24))


def _check_forms(message: Message, octets: bytes) -> None:
    """Check that JSON and explanation of a message lose none of its octets."""
    form = json.loads(json.dumps(to_json(message)))
    assert encode(from_json(form)).hex() == octets.hex()
    lines = [line for line in explain(message) if not line.decrypted]
    assert b"".join(line.octets for line in lines).hex() == octets.hex()


@SEARCH
@given(messages())
@example(TIME_BEYOND_ANY_CLOCK)
@example(TEXT_THAT_IS_NONE)
@example(NO_BITS)
@example(DEEPEST)
def test_written_octets_are_read(message: Message) -> None:
    octets = encode(message)
    again = decode(octets)
    assert replace(again, protected=()) == message
    assert again.kind == message.kind
    assert fields(octets).content
    _check_forms(again, octets)


@settings(max_examples=50)
@given(messages())
def test_sealed_messages_are_authentic(message: Message) -> None:
    sealed = replace(message, signature=message.signature or b"", mac=UNSEALED)
    octets = encode(sealed, KEYS)
    received = decode(octets, KEYS)
    assert received.mac_status is Status.VALID
    assert len(received.mac or b"") == 12
    assert encode(replace(received, mac=UNSEALED), KEYS) == octets


def _check_any(octets: bytes) -> None:
    """Check that octets are refused with a path, or decode to a message that encodes to them."""
    found = outcome(partial(decode, octets, KEYS), DecodeError)
    if isinstance(found, DecodeError):
        assert found.path
        assert "\n" not in str(found)
    else:
        assert found.mac_status is not Status.VALID
        assert encode(found).hex() == octets.hex()
        _check_forms(found, octets)


_first = st.sampled_from([b"", b"\xdd", b"\xdf\x09", b"\xdd" + bytes(6), b"\xe0"])
RESPONSE_WITHOUT_SIGNATURE_LENGTH = grouping(2, 7, METER, PARTY, b"\x00\x36", b"")


@SEARCH
@given(st.builds(bytes.__add__, _first, st.binary(max_size=200)))
@example(b"")
@example(RESPONSE_WITHOUT_SIGNATURE_LENGTH)
def test_any_octets_are_a_message_or_refused(octets: bytes) -> None:
    _check_any(octets)


_apdu_tag = st.sampled_from([b"\xd9", b"\xda", b"\x0f"])
_invoke_id = st.just(bytes.fromhex("2000000700"))
_contents = st.builds(lambda *parts: b"".join(parts), _apdu_tag, _invoke_id, st.binary(max_size=80))


@SEARCH
@given(_contents, st.sampled_from([1, 2, 3]))
@example(b"\x0f" + bytes.fromhex("2000000700") + b"\x13\x02\x02\x11\x00\x02\x05\x05", 3)
def test_any_content_is_read_or_refused(content: bytes, cra: int) -> None:
    _check_any(grouping(cra, 7, METER, PARTY, b"\xff\xff", content) + b"\x00")


_edits = st.lists(
    st.tuples(st.integers(0, 2**16), st.integers(0, 3), st.binary(max_size=4)),
    min_size=1,
    max_size=4,
)


def _edited(octets: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for position, removed, added in edits:
        at = position % (len(octets) + 1)
        octets = octets[:at] + added + octets[at + removed :]
    return octets


@SEARCH
@given(messages(), _edits)
def test_a_message_that_was_edited_is_read_or_refused(
    message: Message, edits: list[tuple[int, int, bytes]]
) -> None:
    _check_any(_edited(encode(message), edits))


_CONTENTS = [fields(vector.octets) for vector in vectors()]


@needs_rtds
@SEARCH
@given(st.sampled_from(_CONTENTS) if _CONTENTS else st.nothing(), _edits)
def test_a_content_of_the_rtds_that_was_edited_is_read_or_refused(
    by_hand: Fields, edits: list[tuple[int, int, bytes]]
) -> None:
    """Contents of every family; GBZ and ASN.1 that do not match their code stay octets."""
    content = _edited(by_hand.content, edits)
    head = by_hand.cra, by_hand.counter, by_hand.originator, by_hand.recipient
    _check_any(grouping(*head, by_hand.other_information, content, by_hand.date_time) + b"\x00")


_scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("FF")
)
_json = st.recursive(
    _scalars,
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(max_size=8), items),
    max_leaves=5,
)


def _places(form: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every place in a JSON value."""
    items: Any = ()
    if isinstance(form, dict):
        items = form.items()
    elif isinstance(form, list):
        items = enumerate(form)
    return [path, *(place for key, item in items for place in _places(item, (*path, key)))]


def _replaced(form: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    key, *rest = path
    copy = form.copy()
    copy[key] = _replaced(form[key], tuple(rest), value)
    return copy


def _deep_json(depth: int) -> Any:
    body: Any = {"null-data": None}
    for _ in range(depth):
        body = {"structure": [body]}
    return body


COUNTER, BODY = ("originator_counter",), ("payload", "data_notification", "body")


@SEARCH
@given(messages(), st.integers(0, 2**16), _json)
def test_json_that_was_edited_is_a_message_or_refused(
    message: Message, number: int, value: Any
) -> None:
    form = to_json(message)
    places = _places(form)
    _check_json(_replaced(form, places[number % len(places)], value))


def _check_json(form: Any) -> None:
    """Check that JSON is a message that encodes, or is refused as JSON or as a message."""
    found = outcome(lambda: encode(from_json(form)), GbcsError)
    if isinstance(found, GbcsError):
        assert isinstance(found, EncodeError | AuthenticationError)  # or it is still to be sealed
        assert "\n" not in str(found)
    else:
        assert encode(decode(found)) == found


def test_json_that_no_message_has_is_refused() -> None:
    form = to_json(_alert(NULL))
    for path, value in (
        (COUNTER, float("inf")),
        (COUNTER, -1),
        (COUNTER, 1 << 64),
        (BODY, _deep_json(25)),
        (BODY, _deep_json(5000)),
        (("transaction_time",), "00"),
        (("signature_octets",), "00"),
        (("kind",), "pre-command"),
    ):
        _check_json(_replaced(form, path, value))
