"""The message codes that carry ASN.1, and the type of each.

Source: GBCS v4.1 clause 15 (message codes), as gbcs-parser 0.4 lists them, and the vectors. 0124
to 0126 are those of the load controller (CS02g): vectors show 0124 and 0126, and 0125 is the only
code left for its other mode.
"""

from collections.abc import Mapping
from types import MappingProxyType

_COMMAND_AND_RESPONSE = {
    "ProvideSecurityCredentialDetails": (0x0008, 0x011B),
    "UpdateSecurityCredentials": (*range(0x0100, 0x010A), 0x0125, 0x0126),
    "IssueSecurityCredentials": (0x000A,),
    "UpdateDeviceCertificate": (0x000B,),
    "ProvideDeviceCertificate": (0x000C,),
    "JoinDevice": (0x000D, 0x000E, 0x00AB, 0x00AF),
    "UnjoinDevice": (0x000F, 0x0010),
    "ActivateFirmware": (0x0012,),
    "ReadDeviceJoinDetails": (0x0013,),
    "SetTime": (0x007F,),
    "GPFDeviceLogRestore": (0x008C,),
    "ReadFirmwareVersion": (0x0129,),
}

_ALERT = {
    "UpdateSecurityCredentials": (0x00CB, 0x0124),
    "ActivateFirmware": (0x00CA,),
    "GPFDeviceLogBackup": (0x00B2,),
    "FirmwareTransfer": (0x0128,),
    "FirmwareActivation": (0x0129, 0x012B),
}

COMMAND, RESPONSE, ALERT = 1, 2, 3
"""The CRA flag."""

TYPE_NAMES: Mapping[tuple[int, int], str] = MappingProxyType(
    {
        (code, cra): f"{module}.{name}"
        for modules, payloads in (
            (_COMMAND_AND_RESPONSE, ((COMMAND, "CommandPayload"), (RESPONSE, "ResponsePayload"))),
            (_ALERT, ((ALERT, "AlertPayload"),)),
        )
        for module, codes in modules.items()
        for code in codes
        for cra, name in payloads
    }
)
"""Name of the ASN.1 type by message code and CRA flag."""
