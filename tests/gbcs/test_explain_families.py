"""Annotated octets of GBZ and ASN.1 contents in messages, intact and damaged."""

from random import Random

import pytest
from construct import Const, Int8ub, Int16ub, Switch, this

from gbcs import DecodeError, FileKeystore, Message, Opaque, decode, encode
from gbcs.explain import Line, explain
from gbcs.gbz import Encrypted, GbzContent
from gbcs.records import Record, Rows
from gbcs.wire import Schema
from tests.support.effort import at_most
from tests.support.rtds import Vector, each, named
from tests.support.second_hand import fields, grouping

GBZ = b"\x01\x09"
METER, PARTY = bytes.fromhex("00DB1234567890A1"), bytes.fromhex("90B3D51F30010000")


def _is_gbz(vector: Vector) -> bool:
    return fields(vector.octets).family == "gbz"


def _is_asn1(vector: Vector) -> bool:
    return fields(vector.octets).family == "asn1"


def _of_content(vector: Vector, message: Message) -> list[Line]:
    """Return the lines of the content, including those of decrypted attributes."""
    content = fields(vector.octets).content
    begin = vector.octets.index(content)
    lines = explain(message)
    inside = [
        index
        for index, line in enumerate(lines)
        if not line.decrypted and begin <= line.offset < begin + len(content)
    ]
    own_again = (at for at in range(inside[-1] + 1, len(lines)) if not lines[at].decrypted)
    end = next(own_again, len(lines))
    found = lines[inside[0] : end]
    own = b"".join(line.octets for line in found if not line.decrypted)
    assert own.hex() == content.hex()
    return found


@each(_is_gbz)
def test_gbz_has_a_line_for_each_field(vector: Vector, rtds_keystore: FileKeystore) -> None:
    message = decode(vector.octets, rtds_keystore)
    assert isinstance(message.payload, GbzContent)
    lines = _of_content(vector, message)
    names = [line.field for line in lines if not line.decrypted]
    assert names[:2] == ["profile", "number of components"]
    for name in ("control", "cluster", "frame control", "transaction sequence number"):
        assert names.count(name) == len(message.payload.components)
    opened = b"".join(line.octets for line in lines if line.decrypted)
    plaintexts = b"".join(item.plaintext or b"" for item in message.protected)
    assert opened.hex() == plaintexts.hex()
    assert not [line for line in lines if line.meaning in ("not typed", "unknown")]
    assert all(line.field for line in lines)


@each(_is_asn1)
def test_asn1_has_a_line_for_each_element(vector: Vector, rtds_keystore: FileKeystore) -> None:
    message = decode(vector.octets, rtds_keystore)
    assert not isinstance(message.payload, Opaque)
    lines = _of_content(vector, message)
    for line in lines:
        primitive = not line.octets[0] & 0x20
        header = len(line.octets) <= 4
        certificate = "Certificat" in line.meaning
        assert primitive or header or certificate
        assert line.field != "element"


@each(lambda vector: _is_gbz(vector) or _is_asn1(vector))
def test_damaged_messages_that_decode_are_explained(vector: Vector) -> None:
    random = Random(vector.name)
    content = fields(vector.octets).content
    begin = vector.octets.index(content)
    explained = 0
    for _ in range(30):
        octets = bytearray(vector.octets)
        octets[begin + random.randrange(len(content))] = random.randrange(256)
        try:
            message = decode(bytes(octets))
        except DecodeError:
            continue
        lines = [line for line in explain(message) if not line.decrypted]
        assert b"".join(line.octets for line in lines).hex() == octets.hex()
        explained += 1
    assert explained


def _said(name: str, keystore: FileKeystore) -> list[tuple[str, str, str]]:
    vector = named(name)
    lines = _of_content(vector, decode(vector.octets, keystore))
    return [(line.octets.hex().upper(), line.field, line.meaning) for line in lines]


def test_a_gbz_command_of_the_rtds(rtds_keystore: FileKeystore) -> None:
    assert _said("GCS17_4.8.1_NOT_FOUND_COMMAND", rtds_keystore) == [
        ("0109", "profile", "ZigBee Smart Energy"),
        ("01", "number of components", "1"),
        ("01", "control", "last"),
        ("0702", "cluster", "Metering"),
        ("000C", "length", "12 octets"),
        ("01", "frame control", "of the cluster"),
        ("00", "transaction sequence number", "0"),
        ("08", "command", "Get Sampled Data"),
        ("0000", "sample id", "0"),
        ("80E37418", "earliest sample time", "2013-01-01T00:00:00Z"),
        ("00", "sample type", "0"),
        ("F221", "number of samples", "8690"),
    ]
    assert _said("GCS17_4.8.1_NOT_FOUND_RESPONSE", rtds_keystore)[-2:] == [
        ("08", "command", "8 Get Sampled Data"),
        ("8B", "status", "139 NOT_FOUND"),
    ]


def test_an_encrypted_component_of_the_rtds(rtds_keystore: FileKeystore) -> None:
    vector = named("GCS53_NA_8F0A_ALERT")
    message = decode(vector.octets, rtds_keystore)
    assert isinstance(message.payload, GbzContent)
    lines = _of_content(vector, message)
    [at] = [index for index, line in enumerate(lines) if line.meaning == "encrypted"]
    [component] = message.payload.components
    assert isinstance(component.payload, Encrypted)
    assert lines[at].octets == component.payload.blob
    assert {line.decrypted for line in lines[at + 1 :]} == {True}
    opened = {line.field: line.meaning for line in lines[at + 1 :]}
    assert opened["snapshot time"] == "2015-01-01T00:00:00Z"
    without = _of_content(vector, decode(vector.octets))
    assert (without[-1].octets, without[-1].meaning) == (b"", "unverified")


def test_an_asn1_alert_of_the_rtds(rtds_keystore: FileKeystore) -> None:
    said = _said("GCS62_NA_8071_ALERT", rtds_keystore)
    assert said[0] == ("3072", "GPFDeviceLogBackup.AlertPayload", "SEQUENCE of 3")
    assert said[1] == ("0203008071", "alertCode", "INTEGER 32881")
    assert said[2][1:] == ("backupDateTime", "GeneralizedTime 2015-01-01T00:00:00Z")
    assert said[-3:] == [
        ("300D", "6", "SEQUENCE of 2"),
        ("040800DB12345678909B", "deviceID", "OCTET STRING 00DB12345678909B"),
        ("020106", "deviceType", "INTEGER type2"),
    ]


def test_contents_that_are_not_typed_say_why() -> None:
    octets = grouping(2, 7, METER, PARTY, b"\x00\x7f", bytes.fromhex("040100")) + b"\x00"
    [line] = [line for line in explain(decode(octets)) if line.field == "content"]
    assert line.octets.hex() == "040100"
    assert line.meaning.startswith("not typed: asn1.SetTime")


def test_many_rows_take_no_longer_than_they_are() -> None:
    payload = bytes(range(256)) * 100
    frame = b"\x00\x00\x00" + payload
    content = GBZ + bytes.fromhex("01 01 0702") + len(frame).to_bytes(2, "big") + frame
    octets = grouping(1, 7, PARTY, METER, b"\x00\x74", content) + b"\x00"
    message = decode(octets)
    assert encode(message) == octets
    with at_most(2_000_000):
        lines = explain(message)
    assert len([line for line in lines if line.field == "attribute"]) == len(payload) // 2


# The fields that a schema traces.

_SCHEMA = Schema(
    "sample",
    Record(
        Const(b"\x7e"),
        "kind" / Int8ub,
        "value" / Switch(this.kind, {1: Int8ub, 2: Int16ub}),
        "pairs" / Rows(Record("one" / Int8ub, "more" / Rows(Int8ub, Int8ub)), Int8ub),
        "rest" / Rows(Int16ub),
    ),
)


def test_a_schema_traces_its_fields() -> None:
    octets = bytes.fromhex("7E 02 0102 02 0A 01 0B 0C 00 0304 0506")
    traced = _SCHEMA.trace(octets)
    assert b"".join(field.octets for field in traced) == octets
    assert [(field.name, field.octets.hex(), field.depth) for field in traced] == [
        ("", "7e", 0),
        ("kind", "02", 0),
        ("value", "0102", 0),
        ("number of pairs", "02", 0),
        ("one", "0a", 1),
        ("number of more", "01", 1),
        ("more 1", "0b", 2),
        ("one", "0c", 1),
        ("number of more", "00", 1),
        ("rest 1", "0304", 1),
        ("rest 2", "0506", 1),
    ]
    assert [field.value for field in traced[1:3]] == [2, 0x0102]


@pytest.mark.parametrize(
    "octets", ["", "7F 01 01 00", "7E 02 01", "7E 01 01 01 01", "7E 0101 0000"]
)
def test_octets_that_do_not_parse_are_not_traced(octets: str) -> None:
    for read in (_SCHEMA.trace, _SCHEMA.parse):
        with pytest.raises(DecodeError) as caught:
            read(bytes.fromhex(octets))
        assert caught.value.path.startswith("sample")
