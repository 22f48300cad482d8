"""General ZCL commands, which every cluster has: read and write attributes, default response.

Knows their layout, the data types and the status codes. An attribute of a type outside
`DATA_TYPES` leaves its whole command as octets.

Source: ZigBee Cluster Library Specification, 07-5123, clauses 2.5 (commands), 2.6.2 (data types)
and 2.6.3 (status codes).
"""

from construct import Construct, Error, If, Optional, Switch, this

from gbcs.axdr import Octets
from gbcs.gbz.atoms import DATE, UINT8, UINT16, UTC_TIME, CharacterString, Number, OctetString
from gbcs.gbz.clusters.base import Command, command, names
from gbcs.records import Record, Rows

DATA_TYPES: dict[int, tuple[str, Construct]] = (
    {0x07 + n: (f"data{8 * n}", Number(n)) for n in range(1, 9)}
    | {0x10: ("boolean", Number(1))}
    | {0x17 + n: (f"bitmap{8 * n}", Number(n)) for n in range(1, 9)}
    | {0x1F + n: (f"uint{8 * n}", Number(n)) for n in range(1, 9)}
    | {0x27 + n: (f"int{8 * n}", Number(n, signed=True)) for n in range(1, 9)}
    | {0x2F + n: (f"enum{8 * n}", Number(n)) for n in range(1, 3)}
    | {
        0x38: ("semi-precision", Octets(2)),
        0x39: ("single precision", Octets(4)),
        0x3A: ("double precision", Octets(8)),
        0x41: ("octet string", OctetString()),
        0x42: ("character string", CharacterString()),
        0x43: ("long octet string", OctetString(2)),
        0x44: ("long character string", CharacterString(2)),
        0xE0: ("time of day", Octets(4)),
        0xE1: ("date", DATE),
        0xE2: ("UTCTime", UTC_TIME),
        0xE8: ("cluster ID", UINT16),
        0xE9: ("attribute ID", UINT16),
        0xEA: ("BACnet OID", Number(4)),
        0xF0: ("IEEE address", Octets(8)),
        0xF1: ("128-bit security key", Octets(16)),
    }
)
"""Name and layout of each data type. Floating point stays octets, which lose nothing."""

STATUSES = {
    0x00: "SUCCESS",
    0x01: "FAILURE",
    0x7E: "NOT_AUTHORIZED",
    0x7F: "RESERVED_FIELD_NOT_ZERO",
    0x80: "MALFORMED_COMMAND",
    0x81: "UNSUP_CLUSTER_COMMAND",
    0x82: "UNSUP_GENERAL_COMMAND",
    0x83: "UNSUP_MANUF_CLUSTER_COMMAND",
    0x84: "UNSUP_MANUF_GENERAL_COMMAND",
    0x85: "INVALID_FIELD",
    0x86: "UNSUPPORTED_ATTRIBUTE",
    0x87: "INVALID_VALUE",
    0x88: "READ_ONLY",
    0x89: "INSUFFICIENT_SPACE",
    0x8A: "DUPLICATE_EXISTS",
    0x8B: "NOT_FOUND",
    0x8C: "UNREPORTABLE_ATTRIBUTE",
    0x8D: "INVALID_DATA_TYPE",
    0x8E: "INVALID_SELECTOR",
    0x8F: "WRITE_ONLY",
    0x90: "INCONSISTENT_STARTUP_STATE",
    0x91: "DEFINED_OUT_OF_BAND",
    0x92: "INCONSISTENT",
    0x93: "ACTION_DENIED",
    0x94: "TIMEOUT",
    0x95: "ABORT",
    0x96: "INVALID_IMAGE",
    0x97: "WAIT_FOR_DATA",
    0x98: "NO_IMAGE_AVAILABLE",
    0x99: "REQUIRE_MORE_IMAGE",
    0x9A: "NOTIFICATION_PENDING",
    0xC0: "HARDWARE_FAILURE",
    0xC1: "SOFTWARE_FAILURE",
    0xC2: "CALIBRATION_ERROR",
    0xC3: "UNSUPPORTED_CLUSTER",
}

_SUCCESS = 0x00
_VALUE = Switch(this.data_type, {code: layout for code, (_, layout) in DATA_TYPES.items()}, Error)
_WRITTEN = "attributes" / Rows(Record("attribute" / UINT16, "data_type" / UINT8, "value" / _VALUE))

GENERAL: dict[int, Command] = {
    0x00: command("Read Attributes", "attributes" / Rows(Record("attribute" / UINT16))),
    0x01: command(
        "Read Attributes Response",
        "attributes"
        / Rows(
            Record(
                "attribute" / UINT16,
                "status" / UINT8,
                "data_type" / If(this.status == _SUCCESS, UINT8),
                "value" / If(this.status == _SUCCESS, _VALUE),
            )
        ),
    ),
    0x02: command("Write Attributes", _WRITTEN),
    0x03: command("Write Attributes Undivided", _WRITTEN),
    0x04: command(
        "Write Attributes Response",
        # a single status if all were written, else a pair for each attribute that was not
        "attributes" / Rows(Record("status" / UINT8, "attribute" / Optional(UINT16))),
    ),
    0x05: command("Write Attributes No Response", _WRITTEN),
    0x0A: command("Report Attributes", _WRITTEN),
    0x0B: command("Default Response", "command" / UINT8, "status" / UINT8),
} | names(
    {
        0x06: "Configure Reporting",
        0x07: "Configure Reporting Response",
        0x08: "Read Reporting Configuration",
        0x09: "Read Reporting Configuration Response",
        0x0C: "Discover Attributes",
        0x0D: "Discover Attributes Response",
        0x0E: "Read Attributes Structured",
        0x0F: "Write Attributes Structured",
        0x10: "Write Attributes Structured Response",
    }
)
