"""GBZ contents made by hand, as annotated octets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbcs.errors import DecodeError
from gbcs.gbz import decode_gbz, decrypt_components
from gbcs.gbz.explanation import content_parts, plaintext_parts

BLOB = bytes.fromhex("31 00000000 A1A2A3 000102030405060708090A0B")
ENCRYPTED = bytes.fromhex("0109 01 03 0702 001B 00 02 18 09 01 0014") + BLOB
PLAINTEXT = bytes.fromhex("0003 00 30 01 0100 86")


def _explained(octets: bytes) -> list[tuple[str, str, str]]:
    parts = list(content_parts(decode_gbz(octets), 0))
    assert b"".join(part[0] for part in parts) == octets
    return [(part[0].hex().upper(), part[1], part[2]) for part in parts]


def test_extended_headers_and_frames() -> None:
    said = _explained(bytes.fromhex("0109 01 11 0705 000C 2F3B4D40 01 07 08 404D3B2F 05"))
    assert said[2] == ("11", "control", "last, with a from date time")
    assert said[5] == ("2F3B4D40", "from date time", "2025-02-09T11:25:52Z")
    assert said[-2:] == [
        ("404D3B2F", "latest end time", "2025-02-09T11:25:52Z"),
        ("05", "number of records", "5"),
    ]
    said = _explained(bytes.fromhex("0109 01 00 0702 0008 04 3412 07 00 C0FFEE"))
    assert said[2] == ("00", "control", "none")
    assert said[5:7] == [
        ("04", "frame control", "of a manufacturer"),
        ("3412", "manufacturer", "1234"),
    ]
    assert said[-2:] == [("00", "command", "unknown"), ("C0FFEE", "payload", "not typed")]
    assert _explained(bytes.fromhex("0109 00")) == [
        ("0109", "profile", "ZigBee Smart Energy"),
        ("00", "number of components", "0"),
    ]


def test_attributes_are_named() -> None:
    said = _explained(bytes.fromhex("0109 01 01 0702 0007 00 2A 00 0000 0003"))
    assert said[-2:] == [
        ("0000", "attribute", "0 Current Summation Delivered"),
        ("0003", "attribute", "768 Unit of Measure"),
    ]


@pytest.mark.parametrize(
    ("octets", "meaning"),
    [
        ("8F66 2F3B4D40 0E 006C 00000000000003E9 0705 01 06", ", of 006C, counter 1001"),
        ("81A0 2F3B4D40 0001", "integrity issue 0001"),
        ("8F72 2F3B4D40 09 02 ABCD", "hash of a firmware image"),
        ("8F72 2F3B4D40 08", "not typed"),
    ],
)
def test_details_of_alerts(octets: str, meaning: str) -> None:
    said = _explained(bytes.fromhex("0109 01" + octets))
    assert said[2] == (octets[:4], "alert code", octets[:4])
    assert said[3] == ("2F3B4D40", "time", "2025-02-09T11:25:52Z")
    assert said[4][1] == "detail"
    assert said[4][2].endswith(meaning)


def test_times_with_a_meaning_of_their_own_are_numbers() -> None:
    said = _explained(bytes.fromhex("0109 01 01 0702 000C 01 00 08 0000 FFFFFFFF 00 0000"))
    assert ("FFFFFFFF", "earliest sample time", "4294967295") in said


def test_an_encrypted_component_and_its_plaintext() -> None:
    content = decode_gbz(ENCRYPTED)
    said = _explained(ENCRYPTED)
    assert said[-2:] == [
        ("0014", "length", "20 octets"),
        (BLOB.hex().upper(), "octets", "encrypted"),
    ]
    opened = decrypt_components(content, lambda _: PLAINTEXT)
    parts = list(plaintext_parts(opened, BLOB, PLAINTEXT, 3))
    assert b"".join(part[0] for part in parts) == PLAINTEXT
    assert [part[1] for part in parts] == [
        *("attribute", "status", "data type", "value"),
        *("attribute", "status"),
    ]
    assert parts[0][2:] == ("768 Unit of Measure", 4)
    assert parts[-1][2] == "134 UNSUPPORTED_ATTRIBUTE"
    untyped = decrypt_components(content, lambda _: b"\x00")
    assert list(plaintext_parts(untyped, BLOB, b"\x00", 3)) == [
        (b"\x00", "payload", "not typed", 3)
    ]
    assert list(plaintext_parts(content, b"another", PLAINTEXT, 3)) == []


@given(st.binary(max_size=60))
def test_whatever_is_read_adds_up(octets: bytes) -> None:
    for head in ("0109", "0109 01 01 0702 {:04X} 08 00 01", "0109 01 01 0707 {:04X} 09 00 05"):
        content = bytes.fromhex(head.format(3 + len(octets))) + octets
        try:
            decode_gbz(content)
        except DecodeError:
            continue
        assert all(field for _, field, _ in _explained(content))
