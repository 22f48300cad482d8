"""The structure of GBZ content, by hand-made examples and properties."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gbcs.errors import DecodeError, EncodeError
from gbcs.gbz import (
    PROFILE,
    Component,
    Encrypted,
    Fields,
    FirmwareHash,
    FutureDatedExecution,
    GbzAlert,
    GbzContent,
    Instant,
    IntegrityIssue,
    Opaque,
    decode_gbz,
    decrypt_components,
    encode_gbz,
    from_json,
    to_json,
)
from gbcs.gbz.clusters import CLUSTERS

NOON = Instant(0x2F3B4D40)

# One component that reads two attributes, of the metering cluster.
READ = bytes.fromhex("0109 01 01 0702 0007 00 2A 00 0000 0003")
# A log asked for from a date on: the extended header says so, and the date is big-endian.
FROM_DATE = bytes.fromhex("0109 01 11 0705 000C 2F3B4D40 01 07 08 404D3B2F 05")
BLOB = bytes.fromhex("31 00000000 A1A2A3 000102030405060708090A0B")
# Additional header 00 02, then ZCL header, then the length of the blob.
ENCRYPTED = bytes.fromhex("0109 01 03 0702 001B 00 02 18 09 01 0014") + BLOB


def _same(octets: bytes) -> GbzContent:
    content = decode_gbz(octets)
    assert encode_gbz(content) == octets
    assert from_json(json.loads(json.dumps(to_json(content)))) == content
    return content


def test_a_component_is_header_and_payload() -> None:
    assert _same(READ) == GbzContent(
        PROFILE,
        (
            Component(
                cluster=0x0702,
                frame_control=0x00,
                transaction_sequence_number=0x2A,
                command=0x00,
                payload=Fields({"attributes": ({"attribute": 0x0000}, {"attribute": 0x0300})}),
                last=True,
            ),
        ),
    )


def test_a_component_names_its_cluster_command_and_direction() -> None:
    (component,) = decode_gbz(READ).components
    assert (component.cluster_name, component.command_name) == ("Metering", "Read Attributes")
    assert not component.to_client


def test_a_from_date_time_is_in_the_header() -> None:
    (component,) = _same(FROM_DATE).components
    assert component.from_date_time == NOON
    assert component.control == 0x11
    assert component.payload == Fields({"latest_end_time": NOON, "number_of_records": 5})


def test_several_components() -> None:
    second = bytes.fromhex("01 0709 0004 09 05 02 10")
    content = _same(bytes.fromhex("0109 02 00") + READ[4:] + second)
    assert [component.last for component in content.components] == [False, True]
    assert [component.cluster for component in content.components] == [0x0702, 0x0709]


def test_no_component_at_all() -> None:
    assert _same(bytes.fromhex("0109 00")) == GbzContent(PROFILE, ())


def test_an_encrypted_component_shows_its_blob() -> None:
    (component,) = _same(ENCRYPTED).components
    assert component.payload == Encrypted(BLOB, frame_counter=2)
    assert component.command_name == "Read Attributes Response"
    assert component.control == 0x03


def test_decryption_is_the_callers() -> None:
    asked: list[bytes] = []

    def decrypt(blob: bytes) -> bytes:
        asked.append(blob)
        return bytes.fromhex("0003 00 30 01")

    content = decode_gbz(ENCRYPTED)
    opened = decrypt_components(content, decrypt)
    payload = opened.components[0].payload
    assert asked == [BLOB]
    assert isinstance(payload, Encrypted)
    assert payload.plaintext == Fields(
        {"attributes": ({"attribute": 0x0300, "status": 0, "data_type": 0x30, "value": 1},)}
    )
    assert opened == content
    assert encode_gbz(opened) == ENCRYPTED


def test_without_a_key_there_is_no_plaintext() -> None:
    payload = decrypt_components(decode_gbz(ENCRYPTED), lambda _: None).components[0].payload
    assert isinstance(payload, Encrypted)
    assert payload.plaintext is None


def test_exceptions_of_decryption_reach_the_caller() -> None:
    def decrypt(_: bytes) -> bytes:
        raise PermissionError

    with pytest.raises(PermissionError):
        decrypt_components(decode_gbz(ENCRYPTED), decrypt)


def test_components_in_the_clear_are_not_decrypted() -> None:
    content = decode_gbz(READ)
    assert decrypt_components(content, lambda _: pytest.fail("nothing is encrypted")) == content


def test_a_manufacturer_specific_frame_stays_octets() -> None:
    octets = bytes.fromhex("0109 01 01 0702 0008 04 3412 07 00 C0FFEE")
    (component,) = _same(octets).components
    assert component.manufacturer == 0x1234
    assert component.payload == Opaque(bytes.fromhex("C0FFEE"))
    assert component.command_name is None


@pytest.mark.parametrize(
    ("octets", "cluster_name", "command_name"),
    [
        pytest.param("0109 01 01 FC00 0005 01 00 00 BEEF", None, None, id="unknown cluster"),
        pytest.param("0109 01 01 0702 0005 01 00 7F BEEF", "Metering", None, id="unknown command"),
        pytest.param("0109 01 01 0702 0005 03 00 06 BEEF", "Metering", None, id="reserved frame"),
        pytest.param(
            "0109 01 01 0704 0005 01 00 02 BEEF", "Tunneling", "Transfer Data", id="name only"
        ),
        pytest.param(
            "0109 01 01 0702 0005 01 00 06 BEEF", "Metering", "Get Snapshot", id="too short"
        ),
        pytest.param(
            "0109 01 01 0702 0005 09 00 0D BEEF", "Metering", "Start Sampling Response", id="fits"
        ),
    ],
)
def test_typing_degrades_to_octets(
    octets: str, cluster_name: str | None, command_name: str | None
) -> None:
    (component,) = _same(bytes.fromhex(octets)).components
    assert (component.cluster_name, component.command_name) == (cluster_name, command_name)
    expected = Fields({"sample_id": 0xEFBE}) if component.command == 0x0D else Opaque(b"\xbe\xef")
    assert component.payload == expected


ALERTS = [
    pytest.param("0109 00 8F3F 2F3B4D40", GbzAlert(0x8F3F, NOON), id="nothing follows"),
    pytest.param(
        "0109 01 8F67 2F3B4D40 0E 006C 00000000000004D2 0705 01 06",
        GbzAlert(0x8F67, NOON, FutureDatedExecution(0x006C, 1234, 0x0705, 1, 6), 1),
        id="future dated",
    ),
    pytest.param(
        "0109 00 81A0 2F3B4D40 0004", GbzAlert(0x81A0, NOON, IntegrityIssue(4)), id="integrity"
    ),
    pytest.param(
        "0109 00 8F72 2F3B4D40 09 20 " + "5A" * 32,
        GbzAlert(0x8F72, NOON, FirmwareHash(b"\x5a" * 32)),
        id="firmware",
    ),
    pytest.param(
        "0109 00 8F72 2F3B4D40 09 20 5A5A",
        GbzAlert(0x8F72, NOON, Opaque(bytes.fromhex("09205A5A"))),
        id="broken detail",
    ),
    pytest.param(
        "0109 02 8F3F 2F3B4D40 BEEF", GbzAlert(0x8F3F, NOON, Opaque(b"\xbe\xef"), 2), id="unknown"
    ),
]


@pytest.mark.parametrize(("octets", "alert"), ALERTS)
def test_alerts(octets: str, alert: GbzAlert) -> None:
    assert _same(bytes.fromhex(octets)) == GbzContent(PROFILE, (), alert)


def test_an_alert_can_carry_components() -> None:
    content = _same(ENCRYPTED[:3] + bytes.fromhex("8F0A 2F3B4D40") + ENCRYPTED[3:])
    assert content.alert == GbzAlert(0x8F0A, NOON, None, 1)
    assert content.components == decode_gbz(ENCRYPTED).components


@pytest.mark.parametrize(
    ("cluster", "command", "name"),
    [
        (0x0705, 0x06, "Change Payment Mode"),
        (0x0707, 0x00, "Publish Calendar"),
        (0x0707, 0x7F, None),
        (0xFC00, 0x00, None),
    ],
)
def test_a_future_dated_alert_names_the_command_as_it_was_sent(
    cluster: int, command: int, name: str | None
) -> None:
    assert FutureDatedExecution(0x006F, 1, cluster, 0x01, command).command_name == name


@pytest.mark.parametrize(
    ("octets", "path"),
    [
        pytest.param("", "gbz", id="nothing"),
        pytest.param("0109", "gbz.components", id="no number"),
        pytest.param("0104 00", "gbz.profile", id="another profile"),
        pytest.param("0104 00 8F3F 2F3B4D40", "gbz.profile", id="another profile in an alert"),
        pytest.param("0109 00 8F3F 2F3B4D", "gbz.time", id="short alert"),
        pytest.param("0109 02 00" + READ[4:].hex(), "gbz.components", id="a component is missing"),
        pytest.param(READ.hex() + "00", "gbz.components", id="an octet is left over"),
        pytest.param(READ[:-1].hex(), "gbz.components", id="the component is cut"),
        pytest.param(
            "0109 01 01 0702 0002 00 00", "gbz.components[0].frame.command", id="no command"
        ),
        pytest.param("0109 01 05 0702 0003 000000", "gbz.components[0]", id="reserved control"),
        pytest.param("0109 01 13 0702 0003 000000", "gbz.components[0]", id="encrypted and dated"),
        pytest.param(
            "0109 01 03 0702 0008 00 00 18 00 01 0002 FF",
            "gbz.components[0].frame.payload",
            id="the blob is cut",
        ),
        pytest.param(
            "0109 01 03 0702 0008 00 00 18 00 01 0000 FF",
            "gbz.components[0].frame",
            id="an octet after the blob",
        ),
    ],
)
def test_broken_structure_is_refused_with_its_place(octets: str, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_gbz(bytes.fromhex(octets))
    assert caught.value.path.startswith(path)


def _component(**changes: object) -> GbzContent:
    fields: dict[str, object] = {
        "cluster": 0x0702,
        "frame_control": 0x01,
        "transaction_sequence_number": 0,
        "command": 0x08,
        "payload": Opaque(b""),
    }
    return GbzContent(PROFILE, (Component(**(fields | changes)),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(GbzContent(0x0104, ()), id="another profile"),
        pytest.param(_component(cluster=0x10000), id="cluster out of range"),
        pytest.param(_component(transaction_sequence_number=-1), id="number out of range"),
        pytest.param(_component(payload=Opaque(bytes(0x10000))), id="payload too long"),
        pytest.param(_component(manufacturer=1), id="manufacturer without its bit"),
        pytest.param(_component(frame_control=0x05), id="bit without manufacturer"),
        pytest.param(
            _component(payload=Encrypted(BLOB, 0), from_date_time=NOON), id="encrypted and dated"
        ),
        pytest.param(_component(from_date_time=Instant(1 << 32)), id="time out of range"),
        pytest.param(_component(payload=Fields({})), id="no fields"),
        pytest.param(_component(command=0x7F, payload=Fields({})), id="unknown layout"),
        pytest.param(GbzContent(PROFILE, (), GbzAlert(0x0001, NOON)), id="no alert code"),
        pytest.param(
            GbzContent(PROFILE, (), GbzAlert(0x8F3F, NOON, IntegrityIssue(1))),
            id="detail of another alert",
        ),
        pytest.param(
            GbzContent(PROFILE, decode_gbz(READ).components, GbzAlert(0x8F0A, NOON)),
            id="number of components",
        ),
        pytest.param(GbzContent(PROFILE, decode_gbz(READ).components * 256), id="too many"),
    ],
)
def test_contents_that_cannot_be_encoded_are_refused(content: GbzContent) -> None:
    with pytest.raises(EncodeError):
        encode_gbz(content)


def _round_trip(octets: bytes) -> None:
    try:
        content = decode_gbz(octets)
    except DecodeError:
        return
    assert encode_gbz(content) == octets
    assert from_json(json.loads(json.dumps(to_json(content)))) == content


@given(st.binary(max_size=200))
@example(bytes.fromhex("0109 01 8F66 00000000 0E"))
def test_any_octets_are_refused_or_encode_back(octets: bytes) -> None:
    _round_trip(octets)
    _round_trip(b"\x01\x09" + octets)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*CLUSTERS, 0xFC00]),
            st.integers(0, 15),
            st.integers(0, 16),
            st.binary(max_size=80),
        ),
        max_size=4,
    ),
    st.integers(0, 255),
)
def test_any_frames_decode_and_encode_back(
    frames: list[tuple[int, int, int, bytes]], sequence: int
) -> None:
    octets = bytes((1, 9, len(frames)))
    for cluster, control, command, payload in frames:
        manufacturer = b"\x02\x01" if control & 0x04 else b""
        frame = bytes((control,)) + manufacturer + bytes((sequence, command)) + payload
        octets += b"\x00" + cluster.to_bytes(2, "big") + len(frame).to_bytes(2, "big") + frame
    content = _same(octets)
    assert [component.cluster for component in content.components] == [item[0] for item in frames]


@given(st.integers(0x8000, 0xFFFF), st.integers(0, 3), st.binary(max_size=60))
@example(0x8F66, 1, bytes.fromhex("0E 006C 00000000000004D2 0705 01 06"))
@example(0x8F0A, 1, ENCRYPTED[3:])
def test_any_alert_decodes_and_encodes_back(code: int, number: int, detail: bytes) -> None:
    _same(b"\x01\x09" + bytes((number,)) + code.to_bytes(2, "big") + bytes(4) + detail)
