"""Payloads about a device: its certificates, joins, firmware and clock.

Use cases CS02c to CS02e, CS03, CS04, CS06 to CS09, CCS08, GCS28, GCS59 and GCS62. Fields are those
of the ASN.1 modules, in snake case; `None` is an absent field.
"""

from dataclasses import dataclass
from datetime import datetime

from gbcs.asn1.named_numbers import (
    ActivateImageResponseCode,
    DeviceTimeStatus,
    DeviceType,
    FirmwareActivationResponseCode,
    FirmwareTransferResponseCode,
    JoinMethodAndRole,
    JoinResponseCode,
    KeyUsage,
    ReadResponseCode,
)
from gbcs.asn1.signed import Certificate
from gbcs.eui import EUI


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueSecurityCredentialsCommand:
    """CS02c: generate a key pair for this use, and return a certification request for it."""

    key_usage: KeyUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvideDeviceCertificateCommand:
    """CS02e: return the certificate of the key for this use."""

    key_usage: KeyUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinDeviceCommand:
    """CS03: enter another device in the device log.

    The certificate is present only to join a GSME and a PPMID.
    """

    join_method_and_role: JoinMethodAndRole | int
    other_device_entity_identifier: EUI
    other_device_type: DeviceType | int
    other_device_certificate: Certificate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLogEntry:
    """A device in a device log."""

    device_id: EUI
    device_type: DeviceType | int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDeviceJoinDetailsResponse:
    """CS07: the device log, if it could be read."""

    response_code: ReadResponseCode | int
    device_log_entries: tuple[DeviceLogEntry, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GPFDeviceLogRestoreCommand:
    """GCS59: enter these devices in the log of the gas proxy function."""

    device_log_entries: tuple[DeviceLogEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOutcome:
    """The outcome for one entry."""

    device_log_entry: DeviceLogEntry
    join_response_code: JoinResponseCode | int


@dataclass(frozen=True, slots=True, kw_only=True)
class GPFDeviceLogRestoreResponse:
    """GCS59: the outcome for each entry."""

    restore_outcomes: tuple[RestoreOutcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GPFDeviceLogBackupAlert:
    """GCS62: a backup of the log of the gas proxy function."""

    alert_code: int
    backup_date_time: datetime
    device_log_entries: tuple[DeviceLogEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateFirmwareCommand:
    """CS06: activate the image of this hash, now or at `execution_date_time`."""

    manufacturer_image_hash: bytes
    originator_counter: int
    execution_date_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateFirmwareOutcome:
    """The outcome of an activation, and the firmware that now runs."""

    activate_image_response_code: ActivateImageResponseCode | int
    firmware_version: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateFirmwareAlert:
    """The outcome of a future dated CS06: message code 00CA."""

    alert_code: int
    execution_date_time: datetime
    originator_counter: int
    execution_outcome: ActivateFirmwareOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFirmwareVersionResponse:
    """CS08: the firmware of a PPMID or HCALCS."""

    firmware_version: bytes
    response_code: ReadResponseCode | int


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareActivationAlert:
    """CS09: a PPMID or HCALCS reports the firmware that now runs."""

    alert_code: int
    execution_date_time: datetime
    firmware_version: bytes
    response_code: FirmwareActivationResponseCode | int


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareTransferAlert:
    """CCS08: a communications hub reports the transfer of an image to a device."""

    alert_code: int
    execution_date_time: datetime
    entity_identifier: EUI
    firmware_version: bytes
    response_code: FirmwareTransferResponseCode | int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimeCommand:
    """GCS28: set the clock to the hub's time if that lies between these two."""

    validity_interval_start: datetime
    validity_interval_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimeResponse:
    """GCS28: the device's time after the command, and its reliability."""

    device_time: datetime
    device_time_status: DeviceTimeStatus | int
