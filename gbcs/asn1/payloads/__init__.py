"""The contents of the ASN.1 use cases as frozen values.

`PAYLOADS` has the Python type of each ASN.1 type that is a content, as an annotation. A mapping is
a CHOICE: the types of its alternatives by identifier.
"""

from collections.abc import Mapping
from types import MappingProxyType, NoneType
from typing import Any

from gbcs.asn1.named_numbers import (
    IssueSecurityCredentialsResponseCode,
    JoinResponseCode,
    ProvideDeviceCertificateResponseCode,
    UnjoinResponseCode,
    UpdateDeviceCertificateResponseCode,
)
from gbcs.asn1.payloads import credentials, devices
from gbcs.asn1.signed import Certificate, CertificationRequest
from gbcs.eui import EUI

PAYLOADS: Mapping[str, Any] = MappingProxyType(
    {
        "ProvideSecurityCredentialDetails.CommandPayload": (
            credentials.ProvideSecurityCredentialDetailsCommand
        ),
        "ProvideSecurityCredentialDetails.ResponsePayload": (
            tuple[credentials.RemotePartyDetails, ...]
        ),
        "UpdateSecurityCredentials.CommandPayload": credentials.UpdateSecurityCredentialsCommand,
        "UpdateSecurityCredentials.ResponsePayload": credentials.UpdateSecurityCredentialsResponse,
        "UpdateSecurityCredentials.AlertPayload": credentials.UpdateSecurityCredentialsAlert,
        "IssueSecurityCredentials.CommandPayload": devices.IssueSecurityCredentialsCommand,
        "IssueSecurityCredentials.ResponsePayload": {
            "certificationRequest": CertificationRequest,
            "responseCode": IssueSecurityCredentialsResponseCode | int,
        },
        "UpdateDeviceCertificate.CommandPayload": Certificate,
        "UpdateDeviceCertificate.ResponsePayload": UpdateDeviceCertificateResponseCode | int,
        "ProvideDeviceCertificate.CommandPayload": devices.ProvideDeviceCertificateCommand,
        "ProvideDeviceCertificate.ResponsePayload": {
            "certificate": Certificate,
            "responseCode": ProvideDeviceCertificateResponseCode | int,
        },
        "JoinDevice.CommandPayload": devices.JoinDeviceCommand,
        "JoinDevice.ResponsePayload": JoinResponseCode | int,
        "UnjoinDevice.CommandPayload": EUI,
        "UnjoinDevice.ResponsePayload": UnjoinResponseCode | int,
        "ActivateFirmware.CommandPayload": devices.ActivateFirmwareCommand,
        "ActivateFirmware.ResponsePayload": {
            "commandAccepted": NoneType,
            "executionOutcome": devices.ActivateFirmwareOutcome,
        },
        "ActivateFirmware.AlertPayload": devices.ActivateFirmwareAlert,
        "ReadDeviceJoinDetails.CommandPayload": NoneType,
        "ReadDeviceJoinDetails.ResponsePayload": devices.ReadDeviceJoinDetailsResponse,
        "SetTime.CommandPayload": devices.SetTimeCommand,
        "SetTime.ResponsePayload": devices.SetTimeResponse,
        "GPFDeviceLogRestore.CommandPayload": devices.GPFDeviceLogRestoreCommand,
        "GPFDeviceLogRestore.ResponsePayload": devices.GPFDeviceLogRestoreResponse,
        "GPFDeviceLogBackup.AlertPayload": devices.GPFDeviceLogBackupAlert,
        "ReadFirmwareVersion.CommandPayload": NoneType,
        "ReadFirmwareVersion.ResponsePayload": devices.ReadFirmwareVersionResponse,
        "FirmwareActivation.AlertPayload": devices.FirmwareActivationAlert,
        "FirmwareTransfer.AlertPayload": devices.FirmwareTransferAlert,
    }
)
