"""One content or more of every ASN.1 type, in case the RTDS is absent or lacks the type.

The octets are put together by hand, from X.690.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gbcs.asn1 import Asn1Content, Certificate, CertificationRequest, decode_asn1
from gbcs.asn1.named_numbers import (
    ActivateImageResponseCode,
    ApplyTimeBasedCPVChecks,
    CellUsage,
    CredentialsReplacementMode,
    DeviceTimeStatus,
    DeviceType,
    FirmwareActivationResponseCode,
    FirmwareTransferResponseCode,
    IssueSecurityCredentialsResponseCode,
    JoinMethodAndRole,
    JoinResponseCode,
    KeyUsage,
    ProvideDeviceCertificateResponseCode,
    ReadResponseCode,
    RemotePartyRole,
    SeqNumberUsage,
    StatusCode,
    UnjoinResponseCode,
    UpdateDeviceCertificateResponseCode,
)
from gbcs.asn1.payloads.credentials import (
    AuthorisingRemotePartyControl,
    ProvideSecurityCredentialDetailsCommand,
    RemotePartyDetails,
    RemotePartySeqNumberChange,
    ReplacementOutcome,
    SpecialistSeqNumber,
    TrustAnchorCellContents,
    TrustAnchorCellIdentifier,
    TrustAnchorReplacement,
    UpdateSecurityCredentialsAlert,
    UpdateSecurityCredentialsCommand,
    UpdateSecurityCredentialsOutcome,
    UpdateSecurityCredentialsResponse,
)
from gbcs.asn1.payloads.devices import (
    ActivateFirmwareAlert,
    ActivateFirmwareCommand,
    ActivateFirmwareOutcome,
    DeviceLogEntry,
    FirmwareActivationAlert,
    FirmwareTransferAlert,
    GPFDeviceLogBackupAlert,
    GPFDeviceLogRestoreCommand,
    GPFDeviceLogRestoreResponse,
    IssueSecurityCredentialsCommand,
    JoinDeviceCommand,
    ProvideDeviceCertificateCommand,
    ReadDeviceJoinDetailsResponse,
    ReadFirmwareVersionResponse,
    RestoreOutcome,
    SetTimeCommand,
    SetTimeResponse,
)
from gbcs.eui import EUI


@dataclass(frozen=True)
class Example:
    """Octets built by hand, their message, and their meaning."""

    message_code: int
    cra: int
    octets: bytes
    type_name: str
    value: Any


def tlv(tag: int, *contents: bytes) -> bytes:
    """Return an element in DER."""
    octets = b"".join(contents)
    if len(octets) < 0x80:
        return bytes((tag, len(octets))) + octets
    size = (len(octets).bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + len(octets).to_bytes(size, "big") + octets


def decoded(message_code: int, cra: int, octets: bytes) -> Asn1Content:
    """Return the content of a message that has one."""
    content = decode_asn1(message_code, cra, octets)
    assert content is not None
    return content


def certification_request() -> bytes:
    """Return a signed certification request, of 128 to 255 octets."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "00-DB-12-34-56-78-90-94")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    key = ec.derive_private_key(7, ec.SECP256R1())
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _hex(digits: str) -> bytes:
    return bytes.fromhex(digits)


INSTANT = datetime(2030, 1, 15, 9, 0, 5, tzinfo=UTC)
INSTANT_DER = tlv(0x18, b"20300115090005Z")
METER = EUI.parse("00DB123456789094")
METER_DER = _hex("040800DB123456789094")
KEY_ID = _hex("0011223344556677")
KEY_ID_DER = _hex("04080011223344556677")
CERTIFICATE = Certificate(_hex("300B3003020107300003020780"))
REQUEST = CertificationRequest(_hex("300730003000030100"))
SIGNING_CELL = TrustAnchorCellIdentifier(
    trust_anchor_cell_remote_party_role=RemotePartyRole.SUPPLIER,
    trust_anchor_cell_key_usage=KeyUsage.DIGITAL_SIGNATURE,
)
SIGNING_CELL_DER = _hex("300702010203020780")
TOP_UP_CELL = TrustAnchorCellIdentifier(
    trust_anchor_cell_remote_party_role=99,
    trust_anchor_cell_key_usage=KeyUsage.KEY_CERT_SIGN | KeyUsage.CRL_SIGN,
    trust_anchor_cell_usage=CellUsage.PREPAYMENT_TOP_UP,
)
TOP_UP_CELL_DER = _hex("300A02016303020106020101")
CHANGE = RemotePartySeqNumberChange(
    other_remote_party_role=RemotePartyRole.LOAD_CONTROLLER,
    other_remote_party_floor_seq_number=2**63 - 1,
    new_remote_party_specialist_floor_seq_number=(
        SpecialistSeqNumber(seq_number_usage=SeqNumberUsage.PREPAYMENT_TOP_UP, seq_number=128),
    ),
)
CHANGE_DER = tlv(
    0x30, _hex("020108"), _hex("02087FFFFFFFFFFFFFFF"), _hex("3009 3007 020100 02020080")
)
OUTCOME = UpdateSecurityCredentialsOutcome(
    authorising_remote_party_seq_number=1000,
    credentials_replacement_mode=CredentialsReplacementMode.ANY_BY_CONTINGENCY,
    remote_party_seq_number_changes=(CHANGE,),
    replacement_outcomes=(
        ReplacementOutcome(
            affected_trust_anchor_cell=SIGNING_CELL,
            status_code=StatusCode.TRUST_ANCHOR_NOT_FOUND,
            existing_subject_unique_id=b"",
            existing_subject_key_identifier=b"",
            replacing_subject_unique_id=METER,
            replacing_subject_key_identifier=KEY_ID,
        ),
    ),
)
OUTCOME_DER = tlv(
    0x30,
    _hex("020203E8 020109"),
    tlv(0x30, CHANGE_DER),
    tlv(0x30, tlv(0x30, SIGNING_CELL_DER, _hex("0A0119 0400 0400"), METER_DER, KEY_ID_DER)),
)
ENTRY = DeviceLogEntry(device_id=METER, device_type=DeviceType.TYPE1_PPMID)
ENTRY_DER = tlv(0x30, METER_DER, _hex("020105"))
FIRMWARE = _hex("0123ABCD")
FIRMWARE_DER = _hex("04040123ABCD")

EXAMPLES = (
    Example(
        0x0008,
        1,
        tlv(0x30, SIGNING_CELL_DER, _hex("300A 020100 02017F 020202BC")),
        "ProvideSecurityCredentialDetails.CommandPayload",
        ProvideSecurityCredentialDetailsCommand(
            authorising_remote_party_ta_cell_identifier=SIGNING_CELL,
            remote_party_roles_credentials_required=(
                RemotePartyRole.ROOT,
                RemotePartyRole.OTHER,
                700,
            ),
        ),
    ),
    Example(
        0x011B,
        2,
        tlv(
            0x30,
            tlv(
                0x30,
                _hex("020100 0A0100 020105"),
                tlv(0x30, tlv(0x30, _hex("03020204"), METER_DER, KEY_ID_DER)),
            ),
            _hex("3006 020105 0A017F"),
        ),
        "ProvideSecurityCredentialDetails.ResponsePayload",
        (
            RemotePartyDetails(
                remote_party_role=RemotePartyRole.ROOT,
                status_code=StatusCode.SUCCESS,
                current_seq_number=5,
                trust_anchor_cells_details=(
                    TrustAnchorCellContents(
                        trust_anchor_cell_key_usage=KeyUsage.KEY_CERT_SIGN,
                        subject_unique_id=METER,
                        subject_key_identifier=KEY_ID,
                    ),
                ),
            ),
            RemotePartyDetails(
                remote_party_role=RemotePartyRole.TRANSITIONAL_COS, status_code=StatusCode.OTHER
            ),
        ),
    ),
    Example(
        0x0109,
        1,
        tlv(
            0x30,
            tlv(
                0x30,
                _hex("020109"),
                _hex("8010000102030405060708090A0B0C0D0E0F"),
                _hex("810101"),
                b"\xa2" + TOP_UP_CELL_DER[1:],
                _hex("830101"),
                _hex("840102"),
                _hex("A508 3006 020100 020103"),
                tlv(0xA6, CHANGE_DER),
            ),
            tlv(0x30, tlv(0x30, CERTIFICATE, SIGNING_CELL_DER)),
            tlv(0x30, CERTIFICATE, CERTIFICATE),
            INSTANT_DER,
        ),
        "UpdateSecurityCredentials.CommandPayload",
        UpdateSecurityCredentialsCommand(
            authorising_remote_party_control=AuthorisingRemotePartyControl(
                credentials_replacement_mode=CredentialsReplacementMode.ANY_BY_CONTINGENCY,
                plaintext_symmetric_key=bytes(range(16)),
                apply_time_based_cpv_checks=ApplyTimeBasedCPVChecks.DISAPPLY,
                authorising_remote_party_ta_cell_identifier=TOP_UP_CELL,
                authorising_remote_party_seq_number=1,
                new_remote_party_floor_seq_number=2,
                new_remote_party_specialist_floor_seq_number=(
                    SpecialistSeqNumber(
                        seq_number_usage=SeqNumberUsage.PREPAYMENT_TOP_UP, seq_number=3
                    ),
                ),
                other_remote_party_seq_number_changes=(CHANGE,),
            ),
            replacements=(
                TrustAnchorReplacement(
                    replacement_certificate=CERTIFICATE, target_trust_anchor_cell=SIGNING_CELL
                ),
            ),
            certification_path_certificates=(CERTIFICATE, CERTIFICATE),
            execution_date_time=INSTANT,
        ),
    ),
    Example(
        0x0104,
        1,
        _hex("300C 3006 020104 830101 3000 3000"),
        "UpdateSecurityCredentials.CommandPayload",
        UpdateSecurityCredentialsCommand(
            authorising_remote_party_control=AuthorisingRemotePartyControl(
                credentials_replacement_mode=(
                    CredentialsReplacementMode.ACCESS_CONTROL_BROKER_BY_ACB
                ),
                authorising_remote_party_seq_number=1,
            ),
            replacements=(),
            certification_path_certificates=(),
        ),
    ),
    Example(
        0x0126,
        2,
        _hex("30020500"),
        "UpdateSecurityCredentials.ResponsePayload",
        UpdateSecurityCredentialsResponse(),
    ),
    Example(
        0x0125,
        2,
        tlv(0x30, _hex("0500"), OUTCOME_DER),
        "UpdateSecurityCredentials.ResponsePayload",
        UpdateSecurityCredentialsResponse(execution_outcome=OUTCOME),
    ),
    Example(
        0x0124,
        3,
        tlv(0x30, _hex("0203008F67"), INSTANT_DER, OUTCOME_DER),
        "UpdateSecurityCredentials.AlertPayload",
        UpdateSecurityCredentialsAlert(
            alert_code=0x8F67, execution_date_time=INSTANT, execution_outcome=OUTCOME
        ),
    ),
    Example(
        0x000A,
        1,
        _hex("300403020308"),
        "IssueSecurityCredentials.CommandPayload",
        IssueSecurityCredentialsCommand(key_usage=KeyUsage.KEY_AGREEMENT),
    ),
    Example(0x000A, 2, REQUEST, "IssueSecurityCredentials.ResponsePayload", REQUEST),
    Example(
        0x000A,
        2,
        _hex("020103"),
        "IssueSecurityCredentials.ResponsePayload",
        IssueSecurityCredentialsResponseCode.CR_PRODUCTION_FAILED,
    ),
    Example(0x000B, 1, CERTIFICATE, "UpdateDeviceCertificate.CommandPayload", CERTIFICATE),
    Example(
        0x000B,
        2,
        _hex("020107"),
        "UpdateDeviceCertificate.ResponsePayload",
        UpdateDeviceCertificateResponseCode.PRIVATE_KEY_CHANGE_FAILED,
    ),
    Example(
        0x000C,
        1,
        _hex("300403020780"),
        "ProvideDeviceCertificate.CommandPayload",
        ProvideDeviceCertificateCommand(key_usage=KeyUsage.DIGITAL_SIGNATURE),
    ),
    Example(0x000C, 2, CERTIFICATE, "ProvideDeviceCertificate.ResponsePayload", CERTIFICATE),
    Example(
        0x000C,
        2,
        _hex("020102"),
        "ProvideDeviceCertificate.ResponsePayload",
        ProvideDeviceCertificateResponseCode.NO_CERTIFICATE_HELD,
    ),
    Example(
        0x000E,
        1,
        tlv(0x30, _hex("020102"), METER_DER, _hex("020106")),
        "JoinDevice.CommandPayload",
        JoinDeviceCommand(
            join_method_and_role=JoinMethodAndRole.METHOD_B,
            other_device_entity_identifier=METER,
            other_device_type=DeviceType.TYPE2,
        ),
    ),
    Example(
        0x00AF,
        1,
        tlv(0x30, _hex("020103"), METER_DER, _hex("020100"), CERTIFICATE),
        "JoinDevice.CommandPayload",
        JoinDeviceCommand(
            join_method_and_role=JoinMethodAndRole.METHOD_C,
            other_device_entity_identifier=METER,
            other_device_type=DeviceType.GSME,
            other_device_certificate=CERTIFICATE,
        ),
    ),
    Example(
        0x000D, 2, _hex("02010D"), "JoinDevice.ResponsePayload", JoinResponseCode.NO_CBKE_RESPONSE
    ),
    Example(0x000D, 2, _hex("020200FF"), "JoinDevice.ResponsePayload", 255),
    Example(0x0010, 1, METER_DER, "UnjoinDevice.CommandPayload", METER),
    Example(
        0x0010, 2, _hex("020102"), "UnjoinDevice.ResponsePayload", UnjoinResponseCode.OTHER_FAILURE
    ),
    Example(
        0x0012,
        1,
        tlv(0x30, tlv(0x04, bytes(32)), _hex("020105")),
        "ActivateFirmware.CommandPayload",
        ActivateFirmwareCommand(manufacturer_image_hash=bytes(32), originator_counter=5),
    ),
    Example(0x0012, 2, _hex("0500"), "ActivateFirmware.ResponsePayload", None),
    Example(
        0x0012,
        2,
        tlv(0x30, _hex("020103"), FIRMWARE_DER),
        "ActivateFirmware.ResponsePayload",
        ActivateFirmwareOutcome(
            activate_image_response_code=ActivateImageResponseCode.ACTIVATION_FAILURE,
            firmware_version=FIRMWARE,
        ),
    ),
    Example(
        0x00CA,
        3,
        tlv(
            0x30,
            _hex("0203008F66"),
            INSTANT_DER,
            _hex("020105"),
            tlv(0x30, _hex("020100"), FIRMWARE_DER),
        ),
        "ActivateFirmware.AlertPayload",
        ActivateFirmwareAlert(
            alert_code=0x8F66,
            execution_date_time=INSTANT,
            originator_counter=5,
            execution_outcome=ActivateFirmwareOutcome(
                activate_image_response_code=ActivateImageResponseCode.SUCCESS,
                firmware_version=FIRMWARE,
            ),
        ),
    ),
    Example(0x0013, 1, _hex("0500"), "ReadDeviceJoinDetails.CommandPayload", None),
    Example(
        0x0013,
        2,
        tlv(0x30, _hex("020100"), tlv(0x30, ENTRY_DER, ENTRY_DER)),
        "ReadDeviceJoinDetails.ResponsePayload",
        ReadDeviceJoinDetailsResponse(
            response_code=ReadResponseCode.SUCCESS, device_log_entries=(ENTRY, ENTRY)
        ),
    ),
    Example(
        0x0013,
        2,
        _hex("3003020101"),
        "ReadDeviceJoinDetails.ResponsePayload",
        ReadDeviceJoinDetailsResponse(response_code=ReadResponseCode.READ_FAILURE),
    ),
    Example(
        0x007F,
        1,
        tlv(0x30, INSTANT_DER, tlv(0x18, b"99991231235959Z")),
        "SetTime.CommandPayload",
        SetTimeCommand(
            validity_interval_start=INSTANT,
            validity_interval_end=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        ),
    ),
    Example(
        0x007F,
        2,
        tlv(0x30, INSTANT_DER, _hex("020102")),
        "SetTime.ResponsePayload",
        SetTimeResponse(device_time=INSTANT, device_time_status=DeviceTimeStatus.UNRELIABLE),
    ),
    Example(
        0x008C,
        1,
        tlv(0x30, tlv(0x30, ENTRY_DER)),
        "GPFDeviceLogRestore.CommandPayload",
        GPFDeviceLogRestoreCommand(device_log_entries=(ENTRY,)),
    ),
    Example(
        0x008C,
        2,
        tlv(0x30, tlv(0x30, tlv(0x30, ENTRY_DER, _hex("020104")))),
        "GPFDeviceLogRestore.ResponsePayload",
        GPFDeviceLogRestoreResponse(
            restore_outcomes=(
                RestoreOutcome(
                    device_log_entry=ENTRY, join_response_code=JoinResponseCode.DEVICE_LOG_FULL
                ),
            )
        ),
    ),
    Example(
        0x00B2,
        3,
        tlv(0x30, _hex("0203008071"), INSTANT_DER, tlv(0x30, *[ENTRY_DER] * 9)),
        "GPFDeviceLogBackup.AlertPayload",
        GPFDeviceLogBackupAlert(
            alert_code=0x8071, backup_date_time=INSTANT, device_log_entries=(ENTRY,) * 9
        ),
    ),
    Example(0x0129, 1, _hex("0500"), "ReadFirmwareVersion.CommandPayload", None),
    Example(
        0x0129,
        2,
        tlv(0x30, FIRMWARE_DER, _hex("020101")),
        "ReadFirmwareVersion.ResponsePayload",
        ReadFirmwareVersionResponse(
            firmware_version=FIRMWARE, response_code=ReadResponseCode.READ_FAILURE
        ),
    ),
    Example(
        0x012B,
        3,
        tlv(0x30, _hex("0203008F8B"), INSTANT_DER, FIRMWARE_DER, _hex("020101")),
        "FirmwareActivation.AlertPayload",
        FirmwareActivationAlert(
            alert_code=0x8F8B,
            execution_date_time=INSTANT,
            firmware_version=FIRMWARE,
            response_code=FirmwareActivationResponseCode.FAILURE,
        ),
    ),
    Example(
        0x0128,
        3,
        tlv(0x30, _hex("0203008F8A"), INSTANT_DER, METER_DER, FIRMWARE_DER, _hex("020103")),
        "FirmwareTransfer.AlertPayload",
        FirmwareTransferAlert(
            alert_code=0x8F8A,
            execution_date_time=INSTANT,
            entity_identifier=METER,
            firmware_version=FIRMWARE,
            response_code=FirmwareTransferResponseCode.FILE_TRANSFER_FAILURE,
        ),
    ),
)
