"""Use cases: what every message code of GBCS v4.1 stands for.

Knows the code, name, title, service references, message type and content format of each use
case, as one table; both look-ups are derived from it. Knows nothing of octets.

Sources. Rows marked `vector` have a message in DCC's RTDS 4.5.0, which settles code, name, format
and signature; a copy of a part of the RTDS may lack it. Rows marked `public` come from the GBCS
Mapping Table (titles and message types) as DCC publishes it in duis-templates, and from the message
codes of DCC's gbcs-parser, of the GBCS v4 use cases rendered in HenryGiraldo/gbcs-parser-js and of
Wireshark's packet-gbcs.c, which agree; titles come from there throughout, service references from
RTDS and DUIS. Rows marked `inferred` give a use case of the Mapping Table the one code that is free
between its neighbours' codes. CS02bRootByWP is named as CS02bWPByWP is.

GBCS gives some alerts a title and no use case code. They are named as RTDS names them, or formed
likewise from the initials of the title and the content format.
"""

from dataclasses import dataclass
from enum import StrEnum


class PayloadFormat(StrEnum):
    """How the content of a message is encoded. Source: GBCS v4.1 section 7.2."""

    DLMS = "dlms"
    ASN1 = "asn1"
    GBZ = "gbz"


class MessageType(StrEnum):
    """Who sends a message and how it is protected. Source: GBCS v4.1 section 7.2, Mapping Table."""

    CRITICAL_COMMAND = "SME.C.C"
    NON_CRITICAL_COMMAND = "SME.C.NC"
    CRITICAL_ALERT = "SME.A.C"
    NON_CRITICAL_ALERT = "SME.A.NC"
    HAN_COMMAND = "SME.C.PPMID-GSME"
    VARIANT = "variant"
    """Signed or not, depending on who asks."""
    ZSE = "ZSE"
    """A ZigBee command inside the home: its code appears in event logs, never in a message."""
    UNKNOWN_ALERT = "SME.A"
    """An alert for which neither a vector nor a public document says whether it is signed."""


class Source(StrEnum):
    """Where a row of the table comes from; see the top of this module."""

    VECTOR = "vector"
    PUBLIC = "public"
    INFERRED = "inferred"


_CRITICAL = {
    MessageType.CRITICAL_COMMAND: True,
    MessageType.CRITICAL_ALERT: True,
    MessageType.NON_CRITICAL_COMMAND: False,
    MessageType.NON_CRITICAL_ALERT: False,
    MessageType.HAN_COMMAND: False,
}


@dataclass(frozen=True, slots=True)
class UseCase:
    """One message code and what it stands for.

    `srvs` are the DUIS service references that lead to it; none for alerts and HAN-only messages.
    `payloads` are the formats its content may have: one, save for the generic alerts, whose
    format is the device's own, and ZSE commands, which have none.
    """

    code: int
    name: str
    title: str
    srvs: tuple[str, ...]
    type: MessageType
    payloads: tuple[PayloadFormat, ...]
    source: Source

    @property
    def payload(self) -> PayloadFormat | None:
        """The one format of its content; None where it has none, or one of several."""
        return self.payloads[0] if len(self.payloads) == 1 else None

    @property
    def critical(self) -> bool | None:
        """Whether command, response or alert is signed by its originator; None where it varies."""
        return _CRITICAL.get(self.type)

    @property
    def alert(self) -> bool:
        """Whether it is an alert, which a device sends unasked."""
        return self.type.startswith("SME.A")


def use_case(code: int) -> UseCase | None:
    """Return the use case of message code `code`, None where the table has none."""
    return _BY_CODE.get(code)


def by_name(name: str) -> UseCase | None:
    """Return the use case called `name`, in any case, None where the table has none.

    The ending by which RTDS tells scenarios of one use case apart is ignored.

    >>> by_name("ECS47Activate").name
    'ECS47'
    """
    key = name.casefold()
    if key in _BY_NAME:
        return _BY_NAME[key]
    for ending in _SCENARIOS:
        if key.endswith(ending) and (found := _BY_NAME.get(key.removesuffix(ending))):
            return found
    return None


def for_srv(srv: str) -> tuple[UseCase, ...]:
    """Return the use cases that service reference variant `srv`, such as 4.8.1, leads to."""
    return _BY_SRV.get(srv, ())


_SCENARIOS = (
    "noncritical",
    "critical",
    "mac",
    "signature",
    "commission",
    "handover",
    "activate",
    "deactivate",
    "reset",
    "add",
    "remove",
    "-dlms",
    "-asn1",
    "-gbz",
    "-zigbee",
)

# Columns: message code; SME message type; format; source; service references; name; title.
# The titles of the reads of device information are shortened to fit one line.
_TABLE = """
0001 C.NC dlms v 8.11        CCS01 Add Device to CHF device log
0002 C.NC dlms v 8.11        CCS02 Remove device from CHF device log
0003 C.NC dlms v 8.12.1      CCS03 Restore CHF Device Log
0004 C.NC dlms v 8.9         CCS05CCS04 Read CHF device log / Check HAN communications
0007 C.NC dlms v 2.2         CS01a Apply Prepayment Top Up to an ESME
0008 V    asn1 v 6.24.1      CS02a Provide Security Credentials Details
000A C.C  asn1 v 6.17        CS02c Issue Security Credentials
000B C.C  asn1 v 6.15.2      CS02d Update Device Certificates on Device
000C V    asn1 p 6.24.2      CS02e Provide Device Certificates from Device
000D C.C  asn1 v 8.7.1       CS03A1 Method A Join (Meter)
000E C.NC asn1 p 8.7.2       CS03B Method B Join
000F C.C  asn1 v 8.8.1,8.8.2 CS04AC Method A or C Unjoin
0010 C.NC asn1 v 8.8.2       CS04B Method B Unjoin
0012 C.C  asn1 v 11.3        CS06 Activate Firmware
0013 C.NC asn1 v 8.9         CS07 Read Device Join Details
0014 C.NC gbz  v 6.13        CS10a Read ZigBee Device Event Log
0015 C.NC gbz  v 3.3         CS11 Clear ZigBee Device Event Log
0018 A.NC dlms v -           CS14 Device Addition To / Removal From HAN Whitelist Alerts
0019 C.C  dlms v 1.1.1       ECS01a Set Tariff and Price on ESME
001A C.C  dlms v 1.6         ECS02 Set ESME Payment Mode to Credit
001B C.C  dlms v 1.6         ECS03 Set ESME Payment Mode to Prepayment
001C C.C  dlms p 1.5         ECS04a Adjust Meter Balance on the ESME
001D C.C  dlms v 1.7         ECS05 Reset Tariff Block Counter Matrix
001E C.C  dlms p 2.3         ECS07 Manage Debt on the ESME
001F C.C  dlms v 2.1         ECS08 Update Prepayment Configuration on ESME
0020 C.C  dlms v 2.5         ECS09 Activate Emergency Credit Remotely on ESME
0021 C.NC dlms v 3.1         ECS10 Send Message to ESME
0022 C.NC dlms p 3.2         ECS12 Set Change of Tenancy date on ESME
0023 C.NC dlms v 3.5         ECS14 Disable Privacy PIN Protection on ESME
0024 C.NC dlms v 3.3         ECS15a Clear ESME Event Log
0025 C.NC dlms v 3.4         ECS16 Write Supplier Contact Details on ESME
0026 C.NC dlms p 4.2         ECS17a Read ESME Energy Registers (Export Energy)
0027 C.NC dlms v 4.1.1       ECS17b Read ESME Energy Registers (Import Energy)
0028 C.NC dlms v 4.16        ECS17c Read ESME Energy Registers (Power)
0029 C.NC dlms v 4.1.2       ECS17d Read ESME Energy Register (TOU)
002A C.NC dlms p 4.1.3       ECS17e Read ESME Energy Register (TOU with Blocks)
002B C.NC dlms p 4.12.2      ECS18a Read Maximum Demand Registers (export)
002C C.NC dlms p 4.12.1      ECS18b Read Maximum Demand Registers (import)
002D C.NC dlms v 4.3         ECS19 Read ESME Prepayment Registers
002E C.NC dlms v 4.4.4       ECS20a Read ESME Billing Data Log (payment based debt payments)
002F C.NC dlms v 4.4.2       ECS20b Read ESME Billing Data Log (change of mode / tariff triggered)
0030 C.NC dlms p 4.4.3       ECS20c Read ESME Billing Data Log (billing calendar triggered)
0033 C.NC dlms v 4.6.1       ECS21a Read Electricity Daily Read Log (exc export)
0034 C.NC dlms v 4.14        ECS21b Read Electricity (Prepayment) Daily Read Log
0035 C.NC dlms v 4.6.2       ECS21c Read Electricity Daily Read Log (export only)
0036 C.NC dlms v 4.8.3       ECS22a Read Electricity Half Hour Profile Data (export)
0037 C.NC dlms v 4.8.1       ECS22b Read Electricity Half Hour Profile Data (active import)
0038 C.NC dlms v 4.8.2       ECS22c Read Electricity Half Hour Profile Data (reactive import)
0039 C.NC dlms v 4.10        ECS23 Read Voltage Operational Data
003A C.NC dlms p 4.11.1      ECS24 Read ESME Tariff Data
003B C.NC dlms v 4.13        ECS26a Read ESME Configuration Data Prepayment
003C C.NC dlms v 6.2.1       ECS26b Read ESME Configuration Voltage Data
003D C.NC dlms v 6.2.2       ECS26c Read ESME Device Information (randomisation)
003E C.NC dlms v 6.2.3       ECS26d Read ESME Device Information (Billing Calendar)
003F C.NC dlms v 6.2.4       ECS26e Read ESME Device Information (device identity exc MPAN)
0040 C.NC dlms v 6.2.5       ECS26f Read ESME Device Information (instantaneous power thresholds)
0042 C.NC dlms v 4.15        ECS27 Read ESME Load Limit Data
0043 C.C  dlms v 6.4.1       ECS28a Set Load Limit Configurations - General Settings
0044 C.NC dlms v 6.4.2       ECS28b Set Load Limit Configuration Counter Reset
0045 C.NC dlms v 6.5         ECS29a Set Voltage Configurations on ESME
0046 C.C  dlms v 6.8         ECS30 Set Billing Calendar on the ESME
0047 C.NC dlms v 6.12        ECS34 Set Instantaneous Power Threshold Configuration
0048 C.NC dlms v 6.13        ECS35a Read ESME Event Log
0049 C.NC dlms p 6.13        ECS35b Read ESME Security Log
004A C.NC dlms v 6.18.1      ECS37 Set Maximum Demand Configurable Time Period
004B C.C  dlms v 7.12        ECS38 Update Randomised Offset Limit
004C C.NC dlms v 6.20.1      ECS39a Set MPAN Value on the ESME
004D C.NC dlms v 6.20.2      ECS39b Set Export MPAN Value on the ESME
004E C.NC dlms v 6.2.7       ECS40 Read MPAN Value on the ESME
004F C.C  dlms v 7.1         ECS42 Remotely Close the Load Switch on the ESME
0050 C.C  dlms v 7.2         ECS43 Remotely Open the Load Switch on the ESME
0051 C.C  dlms v 7.3         ECS44 Arm Load Switch in ESME
0052 C.NC dlms v 7.4         ECS45 Read Status of Load Switch in the ESME
0053 C.C  dlms v 6.14.1      ECS46a Set Auxiliary Controller Descriptions
0054 C.C  dlms v 6.14.2      ECS46c Set HC ALCS and ALCS configuration in ESME (excluding labels)
0055 C.C  dlms v 7.5,7.6,7.8 ECS47 Set or Reset HC ALCS or ALCS State
0058 C.NC dlms v 9.1         ECS50 Send CIN to ESME
0059 C.NC dlms v 11.2        ECS52 Read ESME/SAPC/Comms Hub Firmware Version
005A C.NC dlms v 6.18.2      ECS57 Reset ESME Maximum Demand Registers
005E C.NC dlms v 7.11        ECS61c Read Boost Function Data
005F C.NC dlms v 7.9,7.10    ECS62 Set ALCS/APC and Boost Function Association
0060 C.NC dlms p 4.17        ECS66 Read ESME Daily Consumption Log
0061 A.C  dlms v -           ECS68 ESME Critical Sensitive Alert (Billing Data Log)
0062 C.C  dlms v 6.11,8.1.1  ECS70 Set Clock on ESME
0067 A.C  dlms v -           ECS80 Supply Outage Restore Alert from ESME
0068 C.C  dlms v 6.25        ECS81 Set Supply Tamper State on ESME
0069 C.NC dlms v 4.18        ECS82 Read Meter Balance for ESME
006B C.C  gbz  v 1.1.1       GCS01a Set Tariff and Price on GSME
006C C.C  gbz  v 1.6         GCS02 Set GSME Payment Mode to Credit
006D C.C  gbz  v 1.6         GCS03 Set GSME Payment Mode to Prepayment
006E C.C  gbz  v 2.3         GCS04 Manage Debt on the GSME
006F C.C  gbz  v 2.1         GCS05 Update Prepayment Configurations on GSME
0070 C.C  gbz  v 2.5         GCS06 Activate Emergency Credit Remotely on GSME
0071 C.NC gbz  v 3.1         GCS07 Send Message to GSME
0072 C.NC gbz  v 3.2         GCS09 Set Change of Tenancy date on GPF
0073 C.NC gbz  p 3.5         GCS11 Disable Privacy PIN Protection on GSME
0074 C.NC gbz  v 4.1.1       GCS13a Read GSME Consumption Register
0075 C.NC gbz  v 4.3         GCS14 Read GSME Prepayment Register(s)
0076 C.NC gbz  p 4.4.3       GCS15c Read GSME Billing Data Log (billing calendar triggered)
0077 C.NC gbz  p 4.6.1       GCS16a Read GSME Daily Read log(s)
0078 C.NC gbz  v 4.8.1       GCS17 Read GSME Profile Data Log
0079 C.NC gbz  v 4.10        GCS18 Read Gas Network Data Log
007B C.NC gbz  v 6.2.8       GCS21a Read Gas Configuration Data Device Information
007C C.C  gbz  v 6.6         GCS23 Set CV and Conversion Factor Value(s) on the GSME
007D C.C  gbz  v 6.7         GCS24 Set Uncontrolled Gas Flow Rate and Supply Tamper State on GSME
007E C.C  gbz  p 6.8         GCS25 Set Billing Calendar on the GSME
007F C.C  asn1 v 6.11,8.1.1  GCS28 Set Clock on GSME
0080 C.NC gbz  v 14.1        GCS31 Start Network Data Log on GSME
0081 C.C  gbz  v 7.2         GCS32 Remotely close the valve in the GSME
0082 C.NC gbz  v 7.4         GCS33 Read GSME Valve Status
0083 C.NC gbz  p 9.1         GCS36 Send CIN to GSME
0084 C.NC gbz  p 11.2        GCS38 Read GSME Firmware Version
0085 C.C  gbz  v 7.3         GCS39 Arm Valve in GSME
0086 C.C  gbz  p 1.5         GCS40a Adjust Prepayment Mode Meter Balance on the GSME
0087 C.NC gbz  v 6.20.1      GCS41 Set MPRN Value on the GSME
0088 C.NC gbz  v 3.4         GCS44 Write Contact Details on GSME
0089 C.NC gbz  v 6.2.7       GCS46 Read MPRN on the GSME
008B A.C  gbz  v -           GCS53 Push Billing Data Log as an Alert
008C C.NC asn1 v 8.12.2      GCS59 Restore GPF Device Log
008D C.NC gbz  v 4.18        GCS60 Read Meter Balance for GSME
0090 HAN  gbz  v -           PCS02 Activate Emergency Credit on GSME from PPMID
0092 C.NC dlms v 6.2.4       ECS26i Read CHF Device Information (CHF identity)
0093 C.NC dlms v 6.13        ECS35c Read CHF Event Log
0094 C.NC dlms v 6.13        ECS35d Read CHF Security Log
0096 C.NC gbz  v 4.14        GCS16b Read GSME Daily Read log(s) (prepayment)
0097 C.NC gbz  v 2.2         CS01b Apply Prepayment Top Up to a GSME
009B HAN  gbz  v -           PCS01 Apply Prepayment Top Up to a GSME using PPMID
009D C.NC gbz  v 6.2.3       GCS21d Read GSME Device Information (BillingCalendar)
009E C.NC gbz  v 6.2.4       GCS21e Read GSME/GPF Device Information (device identity)
009F C.NC gbz  v 4.11.1      GCS21f Read GSME Tariff Data
00A0 C.NC gbz  p 4.17        GCS61 Read gas Daily Consumption Log
00A1 C.NC gbz  v 6.13        CS10b Read ZigBee Device Security Log
00A2 C.C  dlms v 1.2.1       ECS01b Set Price on ESME
00A3 C.C  gbz  v 1.2.1       GCS01b Set Price on GSME
00AB C.C  asn1 v 8.7.1,8.7.2 CS03A2 Method A Join (non Meter)
00AC C.NC dlms v 6.22        ECS25a Set Alert Behaviours - ESME - Supplier
00AD C.NC gbz  v 6.22        GCS20 Set Alert Behaviours - GSME
00AE C.NC dlms v 6.5         ECS29b Set Voltage Configurations on ESME - 3ph
00AF C.C  asn1 v 8.7.1,8.7.2 CS03C Method C Join
00B0 C.NC dlms v 6.22        ECS25b Set Alert Behaviours - ESME - Network Operator
00B2 A.NC asn1 v -           GCS62 Backup GPF Device Log
00B3 C.C  dlms v 1.5         ECS04b Reset Meter Balance on the ESME
00B4 C.C  gbz  v 1.5         GCS40b Reset Prepayment Mode Meter Balance on the GSME
00B5 C.NC gbz  v 4.13        GCS21b Read GSME Configuration Data Prepayment
00B6 C.NC gbz  v 4.1.2       GCS13c Read GSME Register (TOU)
00B7 C.C  dlms v 1.1.2       ECS01c Set Tariff and Price on ESME secondary
00B8 C.NC gbz  v 4.1.4       GCS13b Read GSME Block Counters
00B9 C.NC dlms v 6.13        ECS35e Read ESME Power Event Log
00BA C.NC dlms v 6.13        ECS35f Read ALCS Event Log
00BB C.NC dlms v 7.7         ECS61a Read HC ALCS and ALCS Data from ESME
00BC C.NC dlms p 4.10        ECS23b Read Voltage Operational Data - 3 Phase
00BD C.NC dlms v 4.11.2      ECS24b Read ESME Tariff Data - second element
00BE C.NC dlms p 6.2.9       ECS26j Read ESME Device Information (Payment Mode)
00BF C.NC gbz  v 6.2.9       GCS21j Read GSME Device Information (Payment Mode)
00C0 C.C  gbz  v 1.5         GCS40c Adjust Credit Mode Meter Balance on the GSME
00C1 C.NC dlms p 3.3         ECS15c Clear Auxiliary Controller Event Log
00C2 C.C  gbz  v 1.5         GCS40d Reset Credit Mode Meter Balance on the GSME
00C3 C.NC gbz  v 4.4.2       GCS15b Read GSME Billing Data Log (change of mode / tariff triggered)
00C4 C.NC gbz  v 4.4.4       GCS15d Read GSME Billing Data Log (payment-based debt payments)
00C5 C.NC gbz  p 4.4.5       GCS15e Read GSME Billing Data Log (prepayment credits)
00C6 C.NC dlms v 6.2.1       ECS26k Read ESME Configuration Voltage Data - 3 phase
00C7 C.C  dlms v 1.2.2       ECS01d Set Price on ESME secondary
00C9 C.NC dlms v 4.4.5       ECS20d Read ESME Billing Data Log (prepayment credits)
00CA A.C  asn1 v -           FDFAA-ASN1 Future Dated Firmware Activation Alert
00CB A.C  asn1 v -           FDUSCA-ASN1 Future Dated Updated Security Credentials Alert
00CC A.C  dlms v -           FDEIA-DLMS Future Dated Execution Of Instruction Alert (DLMS COSEM)
00CD A.C  gbz  v -           FDEIA-GBZ Future Dated Execution Of Instruction Alert (GBZ)
00CE A    dlms p -           FDRA-DLMS Firmware Distribution Receipt Alert (ESME)
00CF A    gbz  v -           FDRA-ZigBee Firmware Distribution Receipt Alert (GSME)
00D1 C.NC dlms v 6.5         ECS29c Set Voltage Configurations on ESME without counter reset
00D2 C.NC dlms v 6.5         ECS29d Set Voltage Configurations on polyphase ESME, no counter reset
00D3 C.NC dlms p 6.27        ECS29e Reset RMS Voltage Counters on ESME
00D4 C.NC dlms v 6.27        ECS29f Reset RMS Voltage Counters on polyphase ESME
00D5 A    dlms p -           FDRPMA-DLMS Failure to Deliver Remote Party Message to ESME Alert
00D7 C.C  dlms v 6.8         ECS30a Set Billing Calendar on the ESME - all periodicities
00D8 C.C  gbz  v 6.8         GCS25a Set Billing Calendar on the GSME - all periodicities
00D9 C.NC dlms v 6.2.3       ECS26l Read ESME Billing Calendar - all periodicities
00DA C.NC gbz  v 6.2.3       GCS21k Read GSME BillingCalendar - all periodicities
00DB C.C  dlms p 6.26        ECS48 Configure daily resetting of Tariff Block Counter Matrix
00DE C.C  dlms v 2.1         ECS08a Update Prepayment Configuration on ESME
00EA C.NC dlms v 6.22        ECS25a1 Set Event Behaviours - ESME to HAN Device - Supplier
00EB C.NC dlms v 6.22        ECS25a2 Set Event Behaviours - ESME audible alarm - Supplier
00EC C.NC dlms v 6.22        ECS25a3 Set Event Behaviours - ESME logging - Supplier
00ED C.NC dlms v 6.22        ECS25b3 Set Event Behaviours - ESME logging - Network Operator
00EE C.NC dlms v 6.2.10      ECS25r1 Read event and alert behaviours - ESME - Supplier
00EF C.NC dlms v 6.2.10      ECS25r2 Read event and alert behaviours - ESME - Network Operator
00F0 A.NC dlms v -           MIIWA-DLMS Meter Integrity Issue Warning Alert - ESME
00F1 C.NC gbz  v 6.2.10      GCS20r Read event and alert behaviours - GSME - Supplier
00F2 A.NC gbz  v -           MIIWA-ZigBee Meter Integrity Issue Warning Alert - GSME
00F9 C.NC dlms p 6.2.4       ECS26m Read ESME identity, type and supply tamper state
00FA C.NC dlms v 6.2.4       ECS26n Read CHF Device Information (CH identity and type)
00FB C.NC gbz  v 6.2.4       GCS21m Read GSME identity, type and supply tamper / depletion state
00FC C.C  gbz  v 6.7         GCS24a Set Uncontrolled Gas Flow Rate at greater resolution on GSME
00FD C.NC dlms v 6.13        ECS35g Read Auxiliary Controller Event Log
00FE C.NC dlms p 8.9         CCS07 Read CHF Device Logs
0100 V    asn1 p -           CS02bRootBySupplier Update Security Credentials
0101 V    asn1 p -           CS02bRootByWP Update Security Credentials
0102 C.C  asn1 v 6.15.1,6.21 CS02bSupplierBySupplier Update Security Credentials
0103 C.C  asn1 v 6.15.1,6.21 CS02bNOByNO Update Security Credentials
0104 V    asn1 v 8.5         CS02bACBByACB Update Security Credentials
0105 V    asn1 v -           CS02bWPByWP Update Security Credentials
0106 C.C  asn1 v -           CS02bTransCoSByTransCoS Update Security Credentials
0107 C.C  asn1 v 6.23        CS02bSupplierByTransCoS Update Security Credentials
0108 V    asn1 p -           CS02bAnyExceptAbnormalRootByRecovery Update Security Credentials
0109 V    asn1 p -           CS02bAnyByContingency Update Security Credentials
010A C.NC dlms v 6.31        DBCH01 Read CHF Sub GHz Channel
010B C.NC dlms v 6.32        DBCH02 Read CHF Sub GHz Channel Log
010C C.NC dlms p 6.30        DBCH03 Read CHF Sub GHz Configuration
010D C.NC dlms p 6.28        DBCH04 Set CHF Sub GHz Configuration
010E C.NC dlms v 6.29        DBCH05 Request CHF Sub GHz Channel Scan
010F C.NC dlms v 8.9         CCS06 Read CHF device log and check HAN communications
0110 A.NC dlms v -           DBCH06 Limited Duty Cycle Action Taken Sub GHz Alert
0111 A.NC dlms p -           DBCH07 Sub GHz Channel Changed Sub GHz Alert
0112 A.NC dlms v -           DBCH08 Sub GHz Channel Scan Request Assessment Outcome Sub GHz Alert
0113 A.NC dlms v -           DBCH09 Sub GHz Configuration Changed Sub GHz Alert
0114 A.NC dlms p -           DBCH10 Message Discarded Due to Duty Cycle Management Sub GHz Alert
0115 A.NC dlms p -           DBCH11 No More Sub GHz Device Capacity Sub GHz Alert
0116 ZSE  -    p -           PECS01 Apply Prepayment Top Up to an ESME using PPMID
0117 ZSE  -    p -           PECS02 Activate Emergency Credit on ESME from PPMID
0118 ZSE  -    p -           PECS03 Request to Enable ESME Supply from PPMID
0119 ZSE  -    p -           HECS01 Request Control of HCALCS [n]
011A C.C  dlms v 6.14.3      ECS46d Set Auxiliary Controller Calendar
011B V    asn1 v 6.24.1      CS02f Provide Security Credential Details
011C C.NC dlms v 7.14        ECS61d Read Auxiliary Controller Configuration Data
011D C.NC dlms v 7.15        ECS61e Read Auxiliary Controller Operational Data
011E C.C  dlms v 7.13        ECS47a Set Auxiliary Controller [n] State
011F C.C  dlms p 7.16        ECS47e Limit APC [n] Level
0120 A    dlms i -           ECS100 Command not supported by Device
0121 A.C  dlms v -           ECS101 Limit APC [n] Level Command processed
0122 A.C  dlms p -           ECS102 Limit APC [n] Level ended or cancelled
0123 A.C  dlms i -           ECS200 Operational Update
0124 A.C  asn1 v -           FDULCSCA-ASN1 Future Dated Update Load Controller Credentials Alert
0125 C.C  asn1 i -           CS02gLoadControllerByLoadController Update Load Controller Credentials
0126 C.C  asn1 v 6.15.1      CS02gLoadControllerBySupplier Update Load Controller Credentials
0128 A.C  asn1 v -           CCS08 Firmware Transfer Alert
0129 C.NC asn1 p 11.2        CS08 Read PPMID/HCALCS Firmware Version
012A C.NC gbz  v 4.18        GCS60a Read Meter Balance for GSME
012B A.C  asn1 v -           CS09 PPMID Firmware Activation Alert
1000 A.C  any  v -           GCA Generic Critical Alert
1001 A.NC any  v -           GNCA Generic Non Critical Alert
"""

_TYPES = {
    "C.C": MessageType.CRITICAL_COMMAND,
    "C.NC": MessageType.NON_CRITICAL_COMMAND,
    "A.C": MessageType.CRITICAL_ALERT,
    "A.NC": MessageType.NON_CRITICAL_ALERT,
    "A": MessageType.UNKNOWN_ALERT,
    "HAN": MessageType.HAN_COMMAND,
    "V": MessageType.VARIANT,
    "ZSE": MessageType.ZSE,
}
_SOURCES = {"v": Source.VECTOR, "p": Source.PUBLIC, "i": Source.INFERRED}


def _row(line: str) -> UseCase:
    code, kind, payload, source, srvs, name, title = line.split(None, 6)
    return UseCase(
        code=int(code, 16),
        name=name,
        title=title,
        srvs=() if srvs == "-" else tuple(srvs.split(",")),
        type=_TYPES[kind],
        payloads=_formats(payload),
        source=_SOURCES[source],
    )


def _formats(text: str) -> tuple[PayloadFormat, ...]:
    if text == "any":
        return tuple(PayloadFormat)
    return () if text == "-" else (PayloadFormat(text),)


USE_CASES = tuple(_row(line) for line in _TABLE.strip().splitlines())
"""Every use case that has a message code, in the order of the codes."""

_BY_CODE = {row.code: row for row in USE_CASES}
_BY_NAME = {row.name.casefold(): row for row in USE_CASES}
_BY_SRV = {
    srv: tuple(row for row in USE_CASES if srv in row.srvs)
    for srv in sorted({srv for row in USE_CASES for srv in row.srvs})
}
