"""Contents built by hand, one or more of every type."""

import json
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography import x509

from gbcs.asn1 import (
    Asn1Content,
    CertificationRequest,
    decode_asn1,
    encode_asn1,
    from_json,
    to_json,
)
from gbcs.asn1.named_numbers import KeyUsage, RemotePartyRole, StatusCode
from gbcs.asn1.payloads.credentials import RemotePartyDetails
from gbcs.asn1.payloads.devices import (
    ActivateFirmwareOutcome,
    DeviceLogEntry,
    IssueSecurityCredentialsCommand,
    SetTimeCommand,
)
from gbcs.asn1.use_cases import TYPE_NAMES
from gbcs.errors import DecodeError, EncodeError
from gbcs.eui import EUI
from tests.gbcs.asn1.asn1_examples import (
    CERTIFICATE,
    EXAMPLES,
    INSTANT,
    METER,
    Example,
    certification_request,
    decoded,
    tlv,
)

BOTH_EXAMPLES = pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda example: f"{example.type_name}-{len(example.octets)}"
)


def test_every_type_has_an_example() -> None:
    assert {example.type_name for example in EXAMPLES} == set(TYPE_NAMES.values())


@BOTH_EXAMPLES
def test_octets_become_the_value_they_stand_for(example: Example) -> None:
    content = decoded(example.message_code, example.cra, example.octets)
    assert content == Asn1Content(example.type_name, example.value)
    assert repr(content.value) == repr(example.value)  # an EUI equals its bytes, an enum its int


@BOTH_EXAMPLES
def test_the_value_becomes_its_octets(example: Example) -> None:
    assert encode_asn1(Asn1Content(example.type_name, example.value)) == example.octets


@BOTH_EXAMPLES
def test_json_loses_nothing(example: Example) -> None:
    content = Asn1Content(example.type_name, example.value)
    again = from_json(example.type_name, to_json(content))
    assert again == content
    assert repr(again) == repr(content)


@BOTH_EXAMPLES
def test_every_truncation_and_a_trailing_octet_are_refused(example: Example) -> None:
    for end in range(len(example.octets)):
        with pytest.raises(DecodeError):
            decode_asn1(example.message_code, example.cra, example.octets[:end])
    with pytest.raises(DecodeError):
        decode_asn1(example.message_code, example.cra, example.octets + b"\x00")


@BOTH_EXAMPLES
def test_every_change_of_an_octet_is_refused_or_comes_back_out(example: Example) -> None:
    for position in range(len(example.octets)):
        for bit in range(8):
            changed = bytearray(example.octets)
            changed[position] ^= 1 << bit
            try:
                content = decoded(example.message_code, example.cra, bytes(changed))
            except DecodeError:
                continue
            assert encode_asn1(content) == changed


@pytest.mark.parametrize(
    ("message_code", "cra"), [(0x0037, 1), (0x0008, 3), (0x00CB, 1), (0x0128, 2), (0x000F, 0)]
)
def test_a_message_without_asn1_has_no_content(message_code: int, cra: int) -> None:
    assert decode_asn1(message_code, cra, b"\xd9") is None


@pytest.mark.parametrize(
    ("message_code", "cra", "octets", "path"),
    [
        (0x000F, 1, "040700DB1234567890", "UnjoinDevice.CommandPayload"),
        (0x000F, 1, "05 00", "UnjoinDevice.CommandPayload"),
        (0x000F, 1, "0481080000000000000000", "UnjoinDevice.CommandPayload"),
        (0x000F, 1, "24800408000000000000000000 00", "UnjoinDevice.CommandPayload"),
        (0x000F, 2, "02020001", "UnjoinDevice.ResponsePayload"),
        (0x000F, 2, "020901FFFFFFFFFFFFFFFF", "UnjoinDevice.ResponsePayload"),
        (0x000A, 1, "300403020408", "IssueSecurityCredentials.CommandPayload"),
        (0x000A, 1, "300403020788", "IssueSecurityCredentials.CommandPayload"),
        (0x000A, 1, "3003030107", "IssueSecurityCredentials.CommandPayload.keyUsage"),
        (0x000A, 1, "30060304000F0F0F", "IssueSecurityCredentials.CommandPayload.keyUsage"),
        (0x000A, 2, "0500", "IssueSecurityCredentials.ResponsePayload"),
        (0x000B, 1, "3007020030000301 00", "UpdateDeviceCertificate.CommandPayload"),
        (0x0012, 1, "30050401000201FF", "ActivateFirmware.CommandPayload"),
        (0x0012, 1, "3006040100020180", "ActivateFirmware.CommandPayload.originatorCounter"),
        (0x0008, 2, "30083006020105 0A0163", "ProvideSecurityCredentialDetails.ResponsePayload"),
        (
            0x0008,
            1,
            "300E 3007 020104 03020308 3003 040104",
            "ProvideSecurityCredentialDetails.CommandPayload.remotePartyRolesCredentialsRequired",
        ),
        (
            0x0008,
            1,
            "3012 300B 020104 03020308 02020000 3003 020104",
            "ProvideSecurityCredentialDetails.CommandPayload",
        ),
    ],
)
def test_errors_name_the_wrong_field(message_code: int, cra: int, octets: str, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_asn1(message_code, cra, bytes.fromhex(octets))
    assert caught.value.path.startswith(f"asn1.{path}")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "time",
    [
        "20300230000000Z",
        "203001150900Z",
        "20300115090005",
        "20300115090005+0000",
        "20300115090005.50Z",
        "99991231235959-2359",
        "00000000000000Z",
        "00010101000000Z",
    ],
)
def test_a_time_in_another_form_than_that_of_der_is_refused(time: str) -> None:
    with pytest.raises(DecodeError):
        decode_asn1(0x007F, 2, tlv(0x30, tlv(0x18, time.encode()), b"\x02\x01\x00"))


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(DecodeError):
        decode_asn1(0x000F, 1, b"\x24\x80" * 30_000)


def test_a_number_that_takes_thousands_of_digits_is_refused() -> None:
    with pytest.raises(DecodeError):
        decode_asn1(0x000D, 2, tlv(0x02, b"\x7f" * 60_000))
    with pytest.raises(DecodeError):
        decode_asn1(0x0012, 1, tlv(0x30, b"\x04\x00", tlv(0x02, b"\x7f" * 60_000)))


def test_a_certification_request_opens_with_cryptography() -> None:
    octets = certification_request()
    value = decoded(0x000A, 2, octets).value
    assert isinstance(value, CertificationRequest)
    request = x509.load_der_x509_csr(value)
    assert request.is_signature_valid


def test_a_bad_value_has_no_octets() -> None:
    cases = (
        Asn1Content("SetTime.CommandPayload", None),
        Asn1Content("No.Such", None),
        Asn1Content("UnjoinDevice.CommandPayload", b"\x00" * 7),
        Asn1Content("UnjoinDevice.CommandPayload", "00DB123456789094"),
        Asn1Content("UnjoinDevice.ResponsePayload", True),
        Asn1Content("UnjoinDevice.ResponsePayload", 2**63),
        Asn1Content("UpdateDeviceCertificate.CommandPayload", b"\x30\x00"),
        Asn1Content("UpdateDeviceCertificate.CommandPayload", CERTIFICATE + b"\x00"),
        Asn1Content("GPFDeviceLogRestore.CommandPayload", [METER]),
        Asn1Content(
            "ProvideSecurityCredentialDetails.ResponsePayload",
            (RemotePartyDetails(remote_party_role=0, status_code=99),),  # type: ignore[arg-type]
        ),
        Asn1Content("IssueSecurityCredentials.CommandPayload", KeyUsage.KEY_AGREEMENT),
        Asn1Content(
            "IssueSecurityCredentials.CommandPayload",
            IssueSecurityCredentialsCommand(key_usage=KeyUsage(1 << 16)),
        ),
    )
    for content in cases:
        with pytest.raises(EncodeError) as caught:
            encode_asn1(content)
        assert caught.value.path.startswith("asn1")


@pytest.mark.parametrize("type_name", sorted(set(TYPE_NAMES.values())))
def test_a_value_of_another_type_has_no_json(type_name: str) -> None:
    with pytest.raises(EncodeError):
        to_json(Asn1Content(type_name, object()))


def test_the_path_leads_into_sequences_and_choices() -> None:
    entries = (DeviceLogEntry(device_id=EUI(METER), device_type=0),)
    bad = DeviceLogEntry(device_id=b"short", device_type=0)  # type: ignore[arg-type]
    outcome = ActivateFirmwareOutcome(
        activate_image_response_code=0,
        firmware_version=None,  # type: ignore[arg-type]
    )
    with pytest.raises(EncodeError) as caught:
        encode_asn1(Asn1Content("ActivateFirmware.ResponsePayload", outcome))
    assert caught.value.path == (
        "asn1.ActivateFirmware.ResponsePayload.executionOutcome.firmwareVersion"
    )
    example = next(
        example for example in EXAMPLES if example.type_name == "GPFDeviceLogRestore.CommandPayload"
    )
    value = replace(example.value, device_log_entries=(*entries, bad))
    with pytest.raises(EncodeError) as caught:
        encode_asn1(Asn1Content(example.type_name, value))
    assert caught.value.path == (
        "asn1.GPFDeviceLogRestore.CommandPayload.deviceLogEntries[1].deviceID"
    )


@pytest.mark.parametrize(
    ("type_name", "obj"),
    [
        ("No.Such", {"value": None}),
        ("UnjoinDevice.CommandPayload", "00DB123456789094"),
        ("UnjoinDevice.CommandPayload", {}),
        ("UnjoinDevice.CommandPayload", {"value": "00DB123456789094", "more": 1}),
        ("UnjoinDevice.CommandPayload", {"value": "00DB123456789094", "wide_lengths": 1}),
        ("UnjoinDevice.CommandPayload", {"value": "00DB12345678909"}),
        ("UnjoinDevice.ResponsePayload", {"value": "noSuchCode"}),
        ("UnjoinDevice.ResponsePayload", {"value": 1.5}),
        ("IssueSecurityCredentials.CommandPayload", {"value": {"keyUsage": "keyAgreement"}}),
        ("IssueSecurityCredentials.CommandPayload", {"value": {"keyUsage": ["noSuchBit"]}}),
        ("IssueSecurityCredentials.CommandPayload", {"value": {"keyUsage": [True]}}),
        ("IssueSecurityCredentials.CommandPayload", {"value": {}}),
        ("IssueSecurityCredentials.CommandPayload", {"value": {"keyUsage": [], "other": 1}}),
        ("IssueSecurityCredentials.ResponsePayload", {"value": {"noSuchAlternative": 1}}),
        ("IssueSecurityCredentials.ResponsePayload", {"value": {"responseCode": "no"}}),
        ("GPFDeviceLogRestore.CommandPayload", {"value": {"deviceLogEntries": {}}}),
        ("SetTime.CommandPayload", {"value": {"validityIntervalStart": "2030-01-15"}}),
        ("SetTime.CommandPayload", {"value": {"validityIntervalStart": 5}}),
    ],
)
def test_json_that_is_not_a_content_is_refused(type_name: str, obj: object) -> None:
    with pytest.raises(EncodeError):
        from_json(type_name, obj)


def test_json_reads_as_the_specification_names_it() -> None:
    example = EXAMPLES[0]
    assert to_json(Asn1Content(example.type_name, example.value)) == {
        "value": {
            "authorisingRemotePartyTACellIdentifier": {
                "trustAnchorCellRemotePartyRole": "supplier",
                "trustAnchorCellKeyUsage": ["digitalSignature"],
                "trustAnchorCellUsage": "management",
            },
            "remotePartyRolesCredentialsRequired": ["root", "other", 700],
        }
    }


def test_key_usage_bits_without_a_name_are_kept() -> None:
    content = decoded(0x000A, 1, bytes.fromhex("3005030304 0810"))
    assert content.value.key_usage == KeyUsage.KEY_AGREEMENT | KeyUsage(1 << 11)
    assert to_json(content) == {"value": {"keyUsage": ["keyAgreement", 11]}}
    assert from_json(content.type_name, to_json(content)) == content


def test_an_instant_of_another_zone_is_written_in_utc() -> None:
    local = INSTANT.astimezone(timezone(timedelta(hours=1)))
    value = SetTimeCommand(validity_interval_start=local, validity_interval_end=INSTANT)
    content = Asn1Content("SetTime.CommandPayload", value)
    assert encode_asn1(content)[4:19] == b"20300115090005Z"
    assert to_json(content)["value"]["validityIntervalStart"] == "2030-01-15T09:00:05Z"
    naive = replace(value, validity_interval_start=INSTANT.replace(tzinfo=None))
    early = replace(value, validity_interval_start=datetime(999, 1, 1, tzinfo=UTC))
    for bad in (naive, early):
        with pytest.raises(EncodeError):
            encode_asn1(Asn1Content("SetTime.CommandPayload", bad))


def test_a_content_cannot_be_changed() -> None:
    content = decoded(0x000F, 2, b"\x02\x01\x00")
    with pytest.raises(FrozenInstanceError):
        content.value = 5  # type: ignore[misc]
    assert hash(content) == hash(decoded(0x000F, 2, b"\x02\x01\x00"))


def test_named_numbers_are_numbers_with_a_name() -> None:
    assert RemotePartyRole(2) is RemotePartyRole.SUPPLIER
    assert RemotePartyRole.SUPPLIER.identifier == "supplier"
    assert int(StatusCode.OTHER) == 127


IMPLICIT = "300E 3007 020104 03020308 3003 020104"
EXPLICIT = "3011 300A 020104 03020308 020100 3003 020104"
PATH = ".authorisingRemotePartyTACellIdentifier.trustAnchorCellUsage"


def test_a_default_that_is_written_out_comes_back_out() -> None:
    """Some meters write it; the meaning is the same as if it were left out."""
    implicit = decode_asn1(0x0008, 1, bytes.fromhex(IMPLICIT))
    explicit = decode_asn1(0x0008, 1, bytes.fromhex(EXPLICIT))
    assert implicit is not None
    assert explicit is not None
    assert explicit.value == implicit.value
    assert explicit.written_defaults == (PATH,)
    assert explicit == replace(implicit, written_defaults=(PATH,))
    for content, octets in ((implicit, IMPLICIT), (explicit, EXPLICIT)):
        assert encode_asn1(content) == bytes.fromhex(octets)
        again = from_json(content.type_name, json.loads(json.dumps(to_json(content))))
        assert again == content


def test_written_defaults_must_be_fields_with_a_default() -> None:
    content = decode_asn1(0x0008, 1, bytes.fromhex(EXPLICIT))
    assert content is not None
    wrong = replace(content, written_defaults=(PATH, ".remotePartyRolesCredentialsRequired"))
    with pytest.raises(EncodeError, match=r"remotePartyRoles.*is not a field with a DEFAULT"):
        encode_asn1(wrong)
    for form in ({"written_defaults": PATH}, {"written_defaults": [1]}):
        with pytest.raises(EncodeError, match="a list of paths"):
            from_json(content.type_name, to_json(content) | form)
