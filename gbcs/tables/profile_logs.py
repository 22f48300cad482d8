"""The logs of an ESME that are read by window: columns of an entry, and number of entries.

Sources. OBIS codes, columns and depths: GBCS v3.1 use cases ECS20a to ECS23b and ECS66, as rendered
in HenryGiraldo/gbcs-parser-js (SMETS2 5.7.5); half hourly and daily periods: SMETS2 5.7.5. Rows:
the vectors of ECS20a, ECS20b (twin element), ECS20d, ECS21a (single element), ECS21b, ECS21c,
ECS22a, ECS22b (single element), ECS22c and ECS23. The twin element rows of ECS21a and ECS22b and
the single element row of ECS20b follow the rendering, which marks the columns of twin element
meters; so do the rows of ECS20c, which are those of ECS21a and ECS21b, and of ECS66.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gbcs.obis import parse_dotted

# Type descriptions of compact-arrays: a tag for each column, here double-long-unsigned.
_U32 = "06"


def _array(count: int) -> str:
    return f"01{count:04x}{_U32}"


def _row(*columns: str) -> bytes:
    return bytes.fromhex(f"02{len(columns):02x}" + "".join(columns))


_TIME = _U32
_I32 = "05"
_TOU, _SECONDARY_TOU, _BLOCK = _array(48), _array(4), _array(8)

TWO, THREE = _row(_TIME, _U32), _row(_TIME, _U32, _U32)
DAILY_SINGLE = _row(_TIME, _U32, _TOU, *[_BLOCK] * 4)
DAILY_TWIN = _row(_TIME, _U32, _U32, _TOU, _SECONDARY_TOU, *[_BLOCK] * 4)
PREPAYMENT = _row(_TIME, *[_I32] * 6)
BILLING_SINGLE = _row(_TIME, _U32, _TOU, *[_BLOCK] * 4, *[_I32] * 6)
BILLING_TWIN = _row(_TIME, _U32, _U32, _TOU, _SECONDARY_TOU, *[_BLOCK] * 4, *[_I32] * 6)

BLOCKS = "blocks"
"""The only column that stands for several of a row: four blocks of eight registers."""

_REGISTERS = ("import", "tou", BLOCKS)
_TWIN_REGISTERS = ("import", "secondary_import", "tou", "secondary_tou", BLOCKS)
BALANCES = (
    "emergency_credit_balance",
    "meter_balance",
    "payment_debt",
    "time_debt_1",
    "time_debt_2",
    "accumulated_debt",
)
"""Columns, and parts of SRV 4.3, that are amounts of money, in 10⁻⁵ pounds or euros."""

MONEY = (-5, None)
"""Scale of amounts of money, whose currency is pounds or euros."""
_WH, _VARH, _VOLTS = (0, "Wh"), (0, "varh"), (0, "V")

COLUMN_UNITS: Mapping[str, tuple[int, str | None]] = {
    **dict.fromkeys(("import", "secondary_import", "tou", "secondary_tou", BLOCKS), _WH),
    **dict.fromkeys(("export", "primary", "secondary", "active_export", "consumption"), _WH),
    **dict.fromkeys(("reactive_import", "reactive_export"), _VARH),
    **dict.fromkeys((*BALANCES, "amount"), MONEY),
    "average_rms_voltage": _VOLTS,
}
"""Scale, as a power of ten, and symbol of the unit of each column but `time`."""


@dataclass(frozen=True, slots=True)
class ProfileLog:
    """One log: its use case, its objects, and the shapes of its entries."""

    srv: str
    use_case: str
    message_code: int
    log: bytes
    """OBIS of the profile generic (class 7) whose buffer, attribute 2, is read."""
    protection: bytes | None
    """OBIS of the data protection object (class 30) that encrypts it, None in clear."""
    period: int
    """Seconds between entries, 0 if events or the configuration decide when one is made."""
    depth: int
    """Number of entries that a meter keeps."""
    rows: Mapping[bytes, tuple[str, ...]]
    """Columns behind `time`, in order, by the type description of the compact-array."""


_HALF_HOUR, _DAY = 1800, 86400

PROFILE_LOGS = (
    ProfileLog(
        "4.6.1", "ECS21a", 0x0033, parse_dotted("0.0.98.1.9.255"),
        parse_dotted("0.0.43.2.5.255"), _DAY, 31,
        {
            DAILY_SINGLE: _REGISTERS,
            DAILY_TWIN: _TWIN_REGISTERS,
        },
    ),
    ProfileLog(
        "4.6.2", "ECS21c", 0x0035, parse_dotted("0.0.98.1.10.255"), None, _DAY, 31,
        {TWO: ("export",)},
    ),
    ProfileLog(
        "4.8.1", "ECS22b", 0x0037, parse_dotted("0.0.99.1.0.255"), parse_dotted("0.0.43.2.7.255"),
        _HALF_HOUR, 19_056, {TWO: ("primary",), THREE: ("primary", "secondary")},
    ),
    ProfileLog(
        "4.8.2", "ECS22c", 0x0038, parse_dotted("0.0.99.1.2.255"), None, _HALF_HOUR, 4_464,
        {TWO: ("reactive_import",)},
    ),
    ProfileLog(
        "4.8.3", "ECS22a", 0x0036, parse_dotted("0.0.99.1.1.255"), None, _HALF_HOUR, 4_464,
        {THREE: ("active_export", "reactive_export")},
    ),
)  # fmt: skip
"""The logs of energy with entries at fixed times, each read by a command of its own."""

BY_SRV = {log.srv: log for log in PROFILE_LOGS}
BY_CODE = {log.message_code: log for log in PROFILE_LOGS}


_AT_EVENTS = 0
_VOLTAGE = {TWO: ("average_rms_voltage",)}

OTHER_LOGS = (
    ProfileLog(
        "4.4.2", "ECS20b", 0x002F, parse_dotted("0.0.98.1.2.255"),
        parse_dotted("0.0.43.2.3.255"), _AT_EVENTS, 12,
        {
            BILLING_SINGLE: (*_REGISTERS, *BALANCES),
            BILLING_TWIN: (*_TWIN_REGISTERS, *BALANCES),
        },
    ),
    ProfileLog(
        "4.4.3", "ECS20c", 0x0030, parse_dotted("0.0.98.1.0.255"),
        parse_dotted("0.0.43.2.2.255"), _AT_EVENTS, 12,
        {DAILY_SINGLE: _REGISTERS, DAILY_TWIN: _TWIN_REGISTERS},
    ),
    ProfileLog(
        "4.4.3", "ECS20c", 0x0030, parse_dotted("0.0.98.1.1.255"),
        parse_dotted("0.0.43.2.2.255"), _AT_EVENTS, 12, {PREPAYMENT: BALANCES},
    ),
    ProfileLog(
        "4.4.4", "ECS20a", 0x002E, parse_dotted("0.0.98.1.4.255"), None, _AT_EVENTS, 10,
        {TWO: ("amount",)},
    ),
    ProfileLog(
        "4.4.5", "ECS20d", 0x00C9, parse_dotted("0.0.98.1.5.255"), None, _AT_EVENTS, 5,
        {TWO: ("amount",)},
    ),
    ProfileLog(
        "4.10", "ECS23", 0x0039, parse_dotted("1.0.32.24.0.255"), None, _AT_EVENTS, 4_320, _VOLTAGE
    ),
    ProfileLog(
        "4.10", "ECS23b", 0x00BC, parse_dotted("1.0.52.24.0.255"), None, _AT_EVENTS, 4_320, _VOLTAGE
    ),
    ProfileLog(
        "4.10", "ECS23b", 0x00BC, parse_dotted("1.0.72.24.0.255"), None, _AT_EVENTS, 4_320, _VOLTAGE
    ),
    ProfileLog(
        "4.14", "ECS21b", 0x0034, parse_dotted("0.0.98.1.8.255"),
        parse_dotted("0.0.43.2.6.255"), _DAY, 31, {PREPAYMENT: BALANCES},
    ),
    ProfileLog(
        "4.17", "ECS66", 0x0060, parse_dotted("0.0.99.1.3.255"), parse_dotted("0.0.43.2.4.255"),
        _DAY, 731, {TWO: ("consumption",)},
    ),
)  # fmt: skip
"""The other logs: of money, of voltage, or read together with other attributes.

Balances, debts and amounts are in 10⁻⁵ pounds or euros, voltages in V, consumption in Wh.
The voltage of phase 1 belongs to both use cases of 4.10; attribute 4 of the log has its period.
"""

BY_OBIS = {log.log: log for log in (*PROFILE_LOGS, *OTHER_LOGS)}
"""Every log, by the OBIS of its profile generic."""
