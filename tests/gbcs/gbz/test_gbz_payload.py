"""ZCL payloads: values, strings, layouts and names, by hand-made examples and properties."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from construct import Construct, Struct
from hypothesis import given
from hypothesis import strategies as st

from gbcs.errors import EncodeError
from gbcs.gbz import (
    PROFILE,
    Component,
    Fields,
    GbzContent,
    Instant,
    Opaque,
    decode_payload,
    encode_payload,
    from_json,
    to_json,
)
from gbcs.gbz.clusters import CLUSTERS, attribute_name, cluster_name
from gbcs.gbz.clusters.base import Command
from gbcs.gbz.clusters.general import DATA_TYPES, GENERAL, STATUSES
from gbcs.gbz.json_values import NAMES, read_value, write_value

PRICE, METERING, MESSAGING, PREPAYMENT = 0x0700, 0x0702, 0x0703, 0x0705
GENERAL_FRAME, TO_SERVER, TO_CLIENT = 0x00, 0x01, 0x09


def _commands() -> Iterator[Any]:
    """Yield cluster, frame control and identifier of every command, with its name as test id."""

    def each(cluster: int, control: int, commands: Mapping[int, Command]) -> Iterator[Any]:
        for identifier, command in commands.items():
            yield pytest.param(
                cluster, control, identifier, command, id=f"{cluster:04X} {command.name}"
            )

    yield from each(METERING, GENERAL_FRAME, GENERAL)
    for cluster in CLUSTERS.values():
        yield from each(cluster.identifier, TO_SERVER, cluster.to_server)
        yield from each(cluster.identifier, TO_CLIENT, cluster.to_client)


def _fields(cluster: int, control: int, command: int, octets: str) -> Mapping[str, Any]:
    raw = bytes.fromhex(octets)
    payload = decode_payload(cluster, control, command, raw)
    assert isinstance(payload, Fields)
    assert encode_payload(cluster, control, command, payload) == raw
    return payload.values


def test_numbers_are_little_endian() -> None:
    assert _fields(METERING, TO_SERVER, 0x08, "0100 80510100 00 3000") == {
        "sample_id": 1,
        "earliest_sample_time": 86400,
        "sample_type": 0,
        "number_of_samples": 48,
    }


def test_amounts_can_be_negative() -> None:
    values = _fields(PREPAYMENT, TO_CLIENT, 0x03, "00 E8030000 02 18FCFFFF")
    assert (values["top_up_value"], values["credit_remaining"]) == (1000, -1000)


def test_times_are_instants() -> None:
    values = _fields(PREPAYMENT, TO_SERVER, 0x08, "80510100 05")
    assert isinstance(values["latest_end_time"], Instant)
    assert str(values["latest_end_time"]) == "2000-01-02T00:00:00Z"


def test_samples_are_counted() -> None:
    values = _fields(METERING, TO_CLIENT, 0x07, "0100 80510100 00 0807 0200 010000 000001")
    assert values["samples"] == (1, 65536)


def test_a_count_that_is_wrong_leaves_octets() -> None:
    raw = bytes.fromhex("0100 80510100 00 0807 0300 010000 000001")
    assert decode_payload(METERING, TO_CLIENT, 0x07, raw) == Opaque(raw)


def test_thresholds_of_several_tiers() -> None:
    head = "00000000 01000000 00000000 02000000 00 01 00"
    values = _fields(PRICE, TO_CLIENT, 0x06, head + "12 0A0000000000 0B0000000000 21 0C0000000000")
    assert values["tiers"] == (
        {"tier_and_number_of_thresholds": 0x12, "thresholds": (10, 11)},
        {"tier_and_number_of_thresholds": 0x21, "thresholds": (12,)},
    )


def test_a_snapshot_of_another_type_keeps_its_payload_as_octets() -> None:
    head = "01000000 80510100 01 00 01 00000000"
    assert _fields(METERING, TO_CLIENT, 0x06, head + "80")["snapshot_payload"] == b""
    assert _fields(METERING, TO_CLIENT, 0x06, head + "00 BEEF")["snapshot_payload"] == b"\xbe\xef"
    assert _fields(METERING, TO_CLIENT, 0x06, head + "06 010000000000 00 00 ")[
        "snapshot_payload"
    ] == {
        "current_summation_delivered": 1,
        "tier_summations": (),
        "number_of_tiers_and_block_thresholds_in_use": 0,
        "tier_block_summations": (),
    }


@pytest.mark.parametrize(("tail", "control"), [("", None), ("01", 1)])
def test_a_field_that_may_be_left_out(tail: str, control: int | None) -> None:
    values = _fields(MESSAGING, TO_CLIENT, 0x00, "01000000 00 00000000 FFFF 02 4869" + tail)
    assert (values["message"], values["extended_message_control"]) == ("Hi", control)


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("42 03 C2A331", "£1"),
        ("42 00", ""),
        ("42 FF", None),
        ("42 02 DB12", b"\xdb\x12"),
        ("41 02 4142", b"AB"),
        ("41 FF", None),
        ("43 0100 41", b"A"),
        ("43 FFFF", None),
        ("44 0100 41", "A"),
        ("18 80", 0x80),
        ("25 010000000080", 0x800000000001),
        ("2B FEFFFFFF", -2),
        ("27 0000000000000080", 1 << 63),
        ("2F 0000000000000080", -(1 << 63)),
        ("39 0000C07F", b"\x00\x00\xc0\x7f"),
        ("E1 7E01FFFF", {"year": 126, "month": 1, "day_of_month": 255, "day_of_week": 255}),
        ("E2 80510100", 86400),
        ("F0 0807060504030201", bytes(range(8, 0, -1))),
    ],
)
def test_attribute_values(octets: str, value: object) -> None:
    (row,) = _fields(METERING, GENERAL_FRAME, 0x01, "0003 00" + octets)["attributes"]
    assert row == {
        "attribute": 0x0300,
        "status": 0,
        "data_type": int(octets[:2], 16),
        "value": value,
    }


def test_an_attribute_that_was_not_read_has_a_status_only() -> None:
    (row,) = _fields(METERING, GENERAL_FRAME, 0x01, "0003 86")["attributes"]
    assert row == {"attribute": 0x0300, "status": 0x86, "data_type": None, "value": None}


@pytest.mark.parametrize("octets", ["0003 00 48 2000 00", "0003 00 20", "0003 00 42 05 41", "00"])
def test_attributes_that_cannot_be_read_leave_octets(octets: str) -> None:
    raw = bytes.fromhex(octets)
    assert decode_payload(METERING, GENERAL_FRAME, 0x01, raw) == Opaque(raw)


@pytest.mark.parametrize("command", [0x02, 0x03, 0x05, 0x0A])
def test_attributes_are_written_and_reported_alike(command: int) -> None:
    assert _fields(METERING, GENERAL_FRAME, command, "0003 30 01")["attributes"] == (
        {"attribute": 0x0300, "data_type": 0x30, "value": 1},
    )


def test_an_answer_to_writing_is_a_status_or_one_for_each_failure() -> None:
    assert _fields(METERING, GENERAL_FRAME, 0x04, "00")["attributes"] == (
        {"status": 0, "attribute": None},
    )
    assert _fields(METERING, GENERAL_FRAME, 0x04, "88 0003 86 0103")["attributes"] == (
        {"status": 0x88, "attribute": 0x0300},
        {"status": 0x86, "attribute": 0x0301},
    )


@pytest.mark.parametrize(("cluster", "control", "identifier", "command"), list(_commands()))
def test_every_layout_reads_zeros_and_writes_them_back(
    cluster: int, control: int, identifier: int, command: Command
) -> None:
    read = []
    for size in range(80):
        payload = decode_payload(cluster, control, identifier, bytes(size))
        assert encode_payload(cluster, control, identifier, payload) == bytes(size)
        if isinstance(payload, Fields):
            read.append(size)
    assert bool(read) is (command.layout is not None)


@given(st.sampled_from([item.values for item in _commands()]), st.binary(max_size=120))
def test_any_payload_encodes_back(command: tuple[int, int, int, Command], octets: bytes) -> None:
    cluster, control, identifier, _ = command
    payload = decode_payload(cluster, control, identifier, octets)
    assert encode_payload(cluster, control, identifier, payload) == octets
    content = GbzContent(PROFILE, (Component(cluster, control, 0, identifier, payload),))
    assert from_json(json.loads(json.dumps(to_json(content)))) == content


@pytest.mark.parametrize(
    ("command", "values"),
    [
        pytest.param(0x08, {"latest_end_time": 0}, id="a field is missing"),
        pytest.param(
            0x08, {"latest_end_time": 0, "number_of_records": 1, "more": 1}, id="one too many"
        ),
        pytest.param(0x08, {"latest_end_time": 0, "number_of_records": 256}, id="out of range"),
        pytest.param(0x08, {"latest_end_time": "x", "number_of_records": 1}, id="text for a time"),
        pytest.param(0x04, {"originating_device": 0, "top_up_code": "1" * 255}, id="too long"),
        pytest.param(0x04, {"originating_device": 0, "top_up_code": 1}, id="no text"),
        pytest.param(0x04, {"originating_device": 0, "top_up_code": "\udc80"}, id="surrogate"),
    ],
)
def test_fields_that_do_not_fit_are_refused(command: int, values: dict[str, Any]) -> None:
    with pytest.raises(EncodeError):
        encode_payload(PREPAYMENT, TO_SERVER, command, Fields(values))


def test_a_field_left_out_wrongly_is_refused() -> None:
    values = _fields(MESSAGING, TO_CLIENT, 0x00, "01000000 00 00000000 FFFF 02 4869")
    broken = Fields({**values, "extended_message_control": 256})
    with pytest.raises(EncodeError, match="do not read back"):
        encode_payload(MESSAGING, TO_CLIENT, 0x00, broken)


def test_fields_can_be_lists() -> None:
    values = Fields({"attributes": [{"attribute": 0}]})  # type: ignore[dict-item]
    assert encode_payload(METERING, GENERAL_FRAME, 0x00, values) == b"\x00\x00"


def _names(layout: Construct) -> Iterator[str]:
    for part in getattr(layout, "subcons", []):
        if part.name is not None:
            yield part.name
        yield from _names(part)
    if not isinstance(layout, Struct) and hasattr(layout, "subcon"):
        yield from _names(layout.subcon)


@pytest.mark.parametrize(("cluster", "control", "identifier", "command"), list(_commands()))
def test_no_field_has_a_name_that_json_uses(
    cluster: int, control: int, identifier: int, command: Command
) -> None:
    if command.layout is not None:
        used = set(_names(command.layout._interpreted))
        assert not used & (NAMES | {"octets", "text"})


def test_tables_name_things_once() -> None:
    for cluster in CLUSTERS.values():
        for table in (cluster.to_server, cluster.to_client):
            names = [command.name for command in table.values()]
            assert len(names) == len(set(names)), cluster.name
        assert len(set(cluster.attributes.values())) == len(cluster.attributes), cluster.name
        assert all(0 <= attribute <= 0xFFFF for attribute in cluster.attributes)
    assert len({cluster.name for cluster in CLUSTERS.values()}) == len(CLUSTERS)
    assert len(set(STATUSES.values())) == len(STATUSES)
    assert len({name for name, _ in DATA_TYPES.values()}) == len(DATA_TYPES)


@pytest.mark.parametrize(
    ("cluster", "attribute", "name"),
    [
        (0x0700, 0x0422, "Tier 2 Block 3 Price"),
        (0x0700, 0x012F, "Tier 2 Block Threshold Count"),
        (0x0700, 0x0616, "Currency"),
        (0x0702, 0x0106, "Current Tier 4 Summation Delivered"),
        (0x0702, 0x0701, "Current No Tier Block 2 Summation Delivered"),
        (0x0705, 0x0226, "Debt Recovery Frequency #2"),
        (0x0000, 0x0005, "Model Identifier"),
        (0x0702, 0x7FFF, None),
        (0xFC00, 0x0000, None),
    ],
)
def test_attributes_have_names(cluster: int, attribute: int, name: str | None) -> None:
    assert attribute_name(cluster, attribute) == name


def test_clusters_have_names() -> None:
    assert cluster_name(0x0707) == "Calendar"
    assert cluster_name(0xFC00) is None


@pytest.mark.parametrize(
    ("value", "obj"),
    [
        (b"\x00\xff", {"octets": "00FF"}),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T00:00:00Z", {"text": "2026-01-01T00:00:00Z"}),
        ("2026-13-01T00:00:00Z", "2026-13-01T00:00:00Z"),
        ("1999-01-01T00:00:00Z", "1999-01-01T00:00:00Z"),
        (Instant(86400), "2000-01-02T00:00:00Z"),
        (Instant(0), 0),
        (Instant(0xFFFFFFFE), 0xFFFFFFFE),
        (Instant(0xFFFFFFFF), 0xFFFFFFFF),
        (86400, 86400),
        (None, None),
        (({"a": 1},), [{"a": 1}]),
    ],
)
def test_values_in_json(value: Any, obj: object) -> None:
    assert write_value(value, {}) == obj
    assert read_value(json.loads(json.dumps(obj))) == value


def test_json_has_names_for_numbers() -> None:
    payload = decode_payload(METERING, GENERAL_FRAME, 0x01, bytes.fromhex("0003 86"))
    (component,) = to_json(
        GbzContent(PROFILE, (Component(METERING, GENERAL_FRAME, 0, 0x01, payload),))
    )["components"]
    assert component["cluster_name"] == "Metering"
    assert component["payload"]["fields"]["attributes"] == [
        {
            "attribute": 0x0300,
            "attribute_name": "Unit of Measure",
            "status": 0x86,
            "status_name": "UNSUPPORTED_ATTRIBUTE",
            "data_type": None,
            "value": None,
        }
    ]


@pytest.mark.parametrize(("control", "name"), [(0x08, "Get Snapshot"), (0x00, "Publish Snapshot")])
def test_a_default_response_names_the_command_it_answers(control: int, name: str) -> None:
    payload = decode_payload(METERING, control, 0x0B, b"\x06\x00")
    (component,) = to_json(GbzContent(PROFILE, (Component(METERING, control, 0, 0x0B, payload),)))[
        "components"
    ]
    assert component["payload"]["fields"] == {
        "command": 6,
        "command_name": name,
        "status": 0,
        "status_name": "SUCCESS",
    }


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"profile": 265, "components": []},
        {"profile": "0109", "components": [{}]},
        {"profile": "0109", "components": 1},
        {"profile": "0109", "components": [], "alert": {"code": "8F3F"}},
        {"profile": "0109", "components": [], "alert": None},
        [],
    ],
)
def test_json_that_is_not_a_content_is_refused(obj: Any) -> None:
    with pytest.raises(EncodeError, match="not GBZ content"):
        from_json(obj)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cluster", "x"),
        ("frame_control", "1"),
        ("command", None),
        ("payload", {"fields": []}),
        ("payload", {"fields": {"command": 1.5}}),
        ("payload", {"opaque": "0"}),
        ("payload", {"encrypted": {"blob": "00"}}),
        ("from_date_time", "yesterday"),
        ("manufacturer", "1"),
    ],
)
def test_a_broken_component_in_json_is_refused(name: str, value: object) -> None:
    content = GbzContent(PROFILE, (Component(METERING, GENERAL_FRAME, 0, 0x7F, Opaque(b"")),))
    obj = to_json(content)
    assert from_json(obj) == content
    obj["components"][0][name] = value
    with pytest.raises(EncodeError, match="not GBZ content"):
        from_json(obj)
