"""Content with more announced than present, or expanding when read: refused, or read cheaply.

Work is bounded in calls and memory in octets, both by the length of the message.
"""

from dataclasses import replace
from functools import partial

import pytest

from gbcs import DecodeError, FileKeystore, Message, Opaque, Status, decode, encode
from gbcs.explain import explain
from gbcs.json_form import from_json, to_json
from tests.support.codec_check import outcome
from tests.support.effort import at_most, within
from tests.support.rtds import named
from tests.support.second_hand import grouping, lv

METER, SUPPLIER = bytes.fromhex("00DB1234567890A0"), bytes.fromhex("90B3D51F30010000")
CODE = b"\xff\xff"

CALLS_PER_OCTET = 200
MEMORY = 1 << 24
LENGTH = 4_000
"""Size of the long contents, in octets."""


def _signed(content: bytes) -> bytes:
    return grouping(3, 7, METER, SUPPLIER, CODE, content) + b"\x00"


def _alert(data: bytes) -> bytes:
    return b"\x0f" + bytes.fromhex("20000007 00") + data


def _response(data: bytes) -> bytes:
    return b"\xda" + bytes.fromhex("20000007 00 00") + data


def _request(specifications: bytes) -> bytes:
    return b"\xd9" + bytes.fromhex("20000007 00") + specifications


HUGE = b"\x84\xff\xff\xff\xff"
BAD_CONTENTS = {
    "array of 2**32": _alert(b"\x01" + HUGE),
    "structure of 2**32": _alert(b"\x02" + HUGE + bytes(1000)),
    "octet-string of 2**32": _alert(b"\x09" + HUGE),
    "bit-string of 2**32": _alert(b"\x04" + HUGE),
    "2**32 data": _response(HUGE),
    "2**32 results": _response(b"\x00" + HUGE),
    "2**32 specifications": _request(HUGE),
    "2**32 data of a request": _request(b"\x00" + HUGE),
    "arrays in each other": _alert(b"\x01\x01" * 100_000),
    "structures in each other": _alert(b"\x02\x01" * 100_000 + b"\x00"),
    "25 structures in each other": _alert(b"\x02\x01" * 25 + b"\x00"),
    "arrays of 2**32 in each other": _alert((b"\x01" + HUGE) * 100_000),
    "types in each other": _alert(b"\x13" + b"\x01\x00\x01" * 100_000 + b"\x11\x00"),
    "rows of 2**32 structures": _alert(b"\x13\x02" + HUGE),
    "rows of 65,535 by 65,535": _alert(b"\x13" + b"\x01\xff\xff" * 2 + b"\x11\x00"),
    "rows of 65,535 to the seventh": _alert(b"\x13" + b"\x01\xff\xff" * 7 + b"\x11\x00"),
    "rows of 65,535 to the seventh, of nothing": _alert(
        b"\x13" + b"\x01\xff\xff" * 7 + b"\x02\x00" + b"\x81\x80" + bytes(128)
    ),
    "contents of 2**32": _alert(b"\x13\x11" + HUGE),
    "contents that are not whole rows": _alert(b"\x13\x12\x03" + bytes(3)),
    "contents of rows without octets": _alert(b"\x13\x00\x01\x00"),
    "contents of rows that are an empty array": _alert(b"\x13\x01\x00\x00\x11\x01\x00"),
    "a row that ends early": _alert(b"\x13\x09\x02\x02\x00"),
    "a string in a row of 2**32": _alert(b"\x13\x09\x05" + HUGE),
    "a string in a row with a long length": _alert(b"\x13\x09\x03\x81\x01\x00"),
    "a type that there is not": _alert(b"\x13\x07\x00"),
    "a type that ends early": _alert(b"\x13\x01\x00"),
    "no type": _alert(b"\x13"),
    "a compact-array in a compact-array": _alert(b"\x13\x13\x11\x00"),
    "unknown data": _alert(b"\x07"),
    "bits behind the end": _alert(b"\x04\x03\xff"),
    "an array with a long count": _alert(b"\x01\x81\x01\x00"),
    "a string with a long length": _alert(b"\x09\x81\x01\x00"),
    "more data than there are": _alert(b"\x00\x00"),
    "fewer data than specifications": _request(b"\x01\x01" + bytes(9) + b"\x00"),
    "more data than specifications": _request(b"\x00\x01\x00"),
    "fewer results than data": _response(b"\x01\x00\x00"),
    "more results than data": _response(b"\x00\x01\x01\x00"),
    "an access of kind 0": _request(b"\x01\x00" + bytes(9) + b"\x01\x00"),
    "an access of kind 6": _request(b"\x01\x06" + bytes(9) + b"\x01\x00"),
    "a selection of kind 255": _request(b"\x01\xff" + bytes(9) + b"\x01\x00\x01\x00"),
    "a result of kind 0": _response(b"\x01\x00\x01\x00\x00"),
    "a result of kind 9": _response(b"\x01\x00\x01\x09\x00"),
    "specifications in a response": b"\xda" + bytes.fromhex("20000007 00 01"),
    "no date-time": b"\xda" + bytes.fromhex("20000007"),
    "no invoke id": b"\x0f\x20\x00",
}


@pytest.mark.parametrize("content", BAD_CONTENTS.values(), ids=BAD_CONTENTS)
def test_bad_content_is_kept_with_a_reason(content: bytes) -> None:
    octets = _signed(content)
    with within(MEMORY), at_most(1000 + CALLS_PER_OCTET * len(octets)):
        message = decode(octets)
    payload = message.payload
    assert isinstance(payload, Opaque)
    path, _, reason = payload.reason.partition(": ")
    kind = ("access_request", "access_response", "data_notification")
    assert path.split(".")[0] in kind
    assert reason
    assert "\n" not in payload.reason
    assert payload.octets == content
    assert encode(message) == encode(from_json(to_json(message))) == octets


def test_an_unknown_type_costs_the_content_and_not_the_message(rtds_keystore: FileKeystore) -> None:
    """Envelope and MAC are still read and verified."""
    good = decode(named("ECS22a_4.8.3_SUCCESS_COMMAND").octets, rtds_keystore)
    bad = replace(good, payload=Opaque(b"\xd9\x20\x00\x00\x01\x00\x00\x01\x07"), mac=b"")
    found = decode(encode(bad, rtds_keystore), rtds_keystore)
    assert found == replace(bad, mac=found.mac)
    assert found.mac_status is Status.VALID
    assert isinstance(found.payload, Opaque)
    assert found.payload.reason == "access_request.data: unknown data type 7 at octet 8"


def _rows(description: bytes, contents: bytes = bytes(LENGTH)) -> bytes:
    return _alert(b"\x13" + description + lv(contents))


def _structure(number: int, part: bytes) -> bytes:
    return b"\x02" + lv(bytes(number))[:-number] + part * number


LONG_CONTENTS = {
    "null data": _alert(_structure(LENGTH, b"\x00")),
    "small numbers": _alert(_structure(LENGTH // 2, b"\x11\x05")),
    "numbers": _alert(_structure(LENGTH // 5, b"\x06\x00\x00\x00\x05")),
    "empty structures": _alert(_structure(LENGTH // 2, b"\x02\x00")),
    "compact-arrays": _alert(_structure(LENGTH // 4, b"\x13\x11\x01\x05")),
    "an octet-string": _alert(b"\x09" + lv(bytes(LENGTH))),
    "rows of one octet": _rows(b"\x11"),
    "rows of empty strings": _rows(b"\x09"),
    "rows of structures of one octet": _rows(b"\x02\x01" * 7 + b"\x11"),
    "rows of many columns": _rows(_structure(LENGTH, b"\x11")),
    "no rows of many columns": _rows(_structure(LENGTH, b"\x11"), b""),
    "no rows of 65,535 columns": _rows(b"\x01\xff\xff\x11", b""),
    "no rows of nothing": _rows(_structure(LENGTH, b"\x00"), b""),
    "no rows of empty structures": _rows(_structure(LENGTH // 2, b"\x02\x00"), b""),
    "no rows of empty arrays of arrays": _rows(
        b"\x02\x02\x11" + b"\x01\xff\xff" * 2 + b"\x02\x00", b""
    ),
    "a row of empty arrays of arrays": _rows(
        b"\x02\x02\x11" + b"\x01\xff\xff" * 6 + b"\x02\x00", b"\x05"
    ),
    "a string and empty arrays of arrays": _rows(
        b"\x02\x02\x09" + b"\x01\xff\xff" * 6 + b"\x02\x00", b"\x01\x05"
    ),
    "rows of one octet and 65,520 times nothing": _rows(b"\x02\x02\x11\x01\xff\xf0\x00"),
    "rows of one string and 65,520 times nothing": _rows(b"\x02\x02\x09\x01\xff\xf0\x00"),
    "rows of one octet and 1,000 times nothing": _rows(b"\x02\x02\x11\x01\x03\xe8\x00"),
    "rows of one string and 1,000 times nothing": _rows(b"\x02\x02\x09\x01\x03\xe8\x00"),
    "rows of one octet and 500 empty structures": _rows(b"\x02\x02\x11\x01\x01\xf4\x02\x00"),
    "rows of one string and 500 empty structures": _rows(b"\x02\x02\x09\x01\x01\xf4\x02\x00"),
}


@pytest.mark.parametrize("content", LONG_CONTENTS.values(), ids=LONG_CONTENTS)
def test_long_content_is_read_or_refused_in_bounds(content: bytes) -> None:
    octets = _signed(content)
    with within(MEMORY), at_most(1000 + CALLS_PER_OCTET * len(octets)):
        found = outcome(partial(decode, octets), DecodeError)
        if isinstance(found, Message):
            to_json(found)
            explain(found)
    if isinstance(found, Message):
        assert encode(found) == octets
    else:
        assert found.path
